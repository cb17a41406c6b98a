import type { Exchange } from "./exchange.js";
import { Rpc } from "./rpc.js";
import type { StandardSchemaV1 } from "./schema.js";

/**
 * How messages are delivered.
 *
 * - `"ordered"`: reliable, in the order sent (the default).
 * - `"unordered"`: reliable, as it arrives.
 * - `"latest"`: only the newest value of each sender counts; late joiners get the last one that was sent to all.
 * - `{ lifetimeMs }`: delivered within the time (1 to 65,535 ms), or dropped.
 */
export type Delivery = "ordered" | "unordered" | "latest" | { readonly lifetimeMs: number };

/** Options of a channel. */
export interface ChannelOptions {
  readonly delivery?: Delivery;
}

/** A declared channel: what its messages are, and how they travel. Made by {@link channel}. */
export interface ChannelDefinition<T> {
  readonly codec: "json" | "bytes";
  /** @internal */
  readonly delivery: Delivery;
  /** @internal */
  readonly schema: StandardSchemaV1<unknown, T> | undefined;
}

/** A declared method: what its requests and responses are. Made by {@link rpc}. */
export interface RpcDefinition<Req, Res> {
  readonly codec: "rpc";
  /** @internal */
  readonly request: StandardSchemaV1<unknown, Req> | undefined;
  /** @internal */
  readonly response: StandardSchemaV1<unknown, Res> | undefined;
  /**
   * Adds the method to a room's.
   * @internal
   */
  readonly declare: (label: string, exchange: Exchange) => Rpc<Req, Res>;
}

/** Channels and methods by label. Everyone in a room declares the same ones. */
// biome-ignore lint/suspicious/noExplicitAny: a method takes one type and gives another, so no single type fits all.
export type Protocol = { readonly [label: string]: ChannelDefinition<unknown> | RpcDefinition<any, any> };

/** The message type of a declared channel. */
export type MessageOf<D> = D extends ChannelDefinition<infer T> ? T : never;

/**
 * Declares a channel of JSON messages. With a schema every incoming message is checked; one that does not fit goes to
 * `room.on("invalid")` and to no handler. Without one, `T` is a promise between the peers that nothing checks.
 */
export function channel<T>(
  schema?: StandardSchemaV1<unknown, T>,
  options: ChannelOptions = {},
): ChannelDefinition<T> {
  return { codec: "json", delivery: options.delivery ?? "ordered", schema };
}

/**
 * Declares a channel of plain bytes. What arrives is a `Uint8Array` that is yours, at the start of its `buffer`. The buffer
 * is often the one the message came in, and then longer: where you need it to end with the message, `slice()` the array.
 */
channel.bytes = (options: ChannelOptions = {}): ChannelDefinition<Uint8Array> => {
  return { codec: "bytes", delivery: options.delivery ?? "ordered", schema: undefined };
};

/**
 * Declares a method that every peer may call at every other, with a request and a response as JSON. What arrives is
 * checked at either end by the schema; without schemas the types are a promise that nothing checks.
 */
export function rpc<Req, Res>(
  request?: StandardSchemaV1<unknown, Req>,
  response?: StandardSchemaV1<unknown, Res>,
): RpcDefinition<Req, Res> {
  const definition: RpcDefinition<Req, Res> = {
    codec: "rpc",
    request,
    response,
    declare: (label, exchange) => Rpc.declare(label, definition, exchange),
  };
  return definition;
}
