import type { Codec } from "./codec.js";
import { PeerloomError } from "./errors.js";
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
  /**
   * Compresses what this page sends (LZ4, up to 16 KiB of messages at a time), which pays for JSON in numbers. Off by default,
   * and for each side to choose. Leave it off where somebody who sees the sizes of packets may have text of their choice sent
   * beside a secret: the better the two match, the shorter the packet.
   */
  readonly compress?: boolean;
}

/** A declared channel: what its messages are, and how they travel. Made by {@link channel}. */
export interface ChannelDefinition<T> {
  readonly codec: "json" | "bytes" | Codec<T>;
  /** @internal */
  readonly delivery: Delivery;
  /** @internal */
  readonly compress: boolean;
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
  return { ...travelling(options), codec: "json", schema };
}

/**
 * Declares a channel of plain bytes. What arrives is a `Uint8Array` that is yours, at the start of its `buffer`. The buffer
 * is often the one the message came in, and then longer: where you need it to end with the message, `slice()` the array.
 */
channel.bytes = (options: ChannelOptions = {}): ChannelDefinition<Uint8Array> => {
  return { ...travelling(options), codec: "bytes", schema: undefined };
};

/**
 * Declares a channel whose messages a codec of yours writes and reads, such as `compact(shape)` of `peerloom/compact`.
 *
 * @throws PeerloomError `bad-protocol` when its name is not 1 to 32 bytes, or one of the SDK's own
 */
channel.of = <T>(codec: Codec<T>, options: ChannelOptions = {}): ChannelDefinition<T> => {
  const { name } = codec;
  if (name === "" || new TextEncoder().encode(name).length > 32 || OWN_CODECS.includes(name))
    throw new PeerloomError("bad-protocol", `a codec cannot have the name "${name}"`);
  return { ...travelling(options), codec, schema: undefined };
};

/** What they are called on the wire. */
const OWN_CODECS = ["json", "bytes", "rpc"];

function travelling({ delivery = "ordered", compress = false }: ChannelOptions) {
  return { delivery, compress };
}

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
