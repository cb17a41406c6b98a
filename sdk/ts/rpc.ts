import { Calls } from "./calls.js";
import type { Unsubscribe } from "./events.js";
import type { Exchange } from "./exchange.js";
import { encodeJson, passed, readJson } from "./json.js";
import type { Peer } from "./peer.js";
import type { RpcDefinition } from "./protocol.js";
import type { StandardSchemaV1 } from "./schema.js";

/** What a handler is told beside the request. */
export interface CallContext {
  /** Who calls. */
  readonly from: Peer;
  /** Aborts when the caller no longer waits for the answer: it gave up, its time was up, or it left. */
  readonly signal: AbortSignal;
}

/** Answers calls. What it throws arrives at the caller: see {@link Rpc.call}. */
export type CallHandler<Req, Res> = (request: Req, context: CallContext) => Res | Promise<Res>;

/** Options of {@link Rpc.call}. */
export interface CallOptions {
  /** Gives the call up: the handler's signal aborts. */
  readonly signal?: AbortSignal;
  /** How long to wait for the answer, in milliseconds; 30,000 by default. */
  readonly timeoutMs?: number;
}

const CALL_MS = 30_000;

/** One declared method of a room: every peer may call it, and answer it. */
export class Rpc<Req, Res> {
  readonly label: string;
  readonly #method: number;
  readonly #definition: RpcDefinition<Req, Res>;
  readonly #calls: Calls;
  #handler: CallHandler<Req, Res> | undefined;

  /** @internal */
  private constructor(label: string, method: number, definition: RpcDefinition<Req, Res>, calls: Calls) {
    this.label = label;
    this.#method = method;
    this.#definition = definition;
    this.#calls = calls;
  }

  /** @internal */
  static declare<Req, Res>(
    label: string,
    definition: RpcDefinition<Req, Res>,
    exchange: Exchange,
  ): Rpc<Req, Res> {
    exchange.calls ??= new Calls(exchange);
    const { methods } = exchange.calls;
    const rpc = new Rpc(label, methods.length, definition, exchange.calls);
    methods.push(rpc as Rpc<unknown, unknown>);
    return rpc;
  }

  /**
   * Answers calls from now on, in the place of an earlier handler. Returns a function that stops it; calls then fail with
   * `no-handler`. A request that does not fit its schema fails with `invalid-message` and reaches no handler.
   */
  handle(handler: CallHandler<Req, Res>): Unsubscribe {
    this.#handler = handler;
    return () => {
      if (this.#handler === handler) this.#handler = undefined;
    };
  }

  /**
   * Calls the method at one peer, and resolves to its answer. The call survives lost connections; it is made once.
   *
   * What the handler throws is a `PeerloomError` here: with the code `call-failed`, the message of what was thrown, and
   * its `code`, if that was a text, as `remoteCode`.
   *
   * @throws PeerloomError `call-failed`, `call-timeout`, `no-handler`, `too-many-calls`, `invalid-message` (the request
   * or the answer does not fit its schema), `message-too-large`, `peer-gone`, `closed`; or the signal's reason.
   */
  async call(peer: Peer | string, request: Req, options: CallOptions = {}): Promise<Res> {
    const { signal, timeoutMs = CALL_MS } = options;
    signal?.throwIfAborted();
    const to = typeof peer === "object" ? peer.id : peer;
    const answer = await this.#calls.call(to, this.#method, encode(request), timeoutMs, signal);
    return decode(answer, this.#definition.response);
  }

  /**
   * Answers one request: with what to send, and a code when it failed.
   * @internal
   */
  async answer(
    from: Peer,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<readonly [data: string | Uint8Array, code?: string]> {
    try {
      const request = await decode(bytes, this.#definition.request);
      if (this.#handler === undefined) return ["nobody answers this method", "no-handler"];
      return [encode(await this.#handler(request, { from, signal }))];
    } catch (thrown) {
      const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
      const text = typeof message === "string" ? message : String(thrown);
      return [text, typeof code === "string" ? code : "call-failed"];
    }
  }
}

/** Nothing is no JSON, and travels as no bytes. */
function encode(value: unknown): string | Uint8Array {
  return value === undefined ? "" : encodeJson(value);
}

async function decode<T>(bytes: Uint8Array, schema: StandardSchemaV1<unknown, T> | undefined): Promise<T> {
  const value = bytes.length === 0 ? undefined : readJson(bytes);
  return schema === undefined ? (value as T) : passed(await schema["~standard"].validate(value));
}
