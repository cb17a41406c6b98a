import { PeerloomError, remoteError } from "./errors.js";
import type { Peer } from "./peer.js";
import type { Rpc } from "./rpc.js";
import { type PeerStream, StreamState } from "./stream.js";
import type { NativeRoom } from "./wasm/peerloom.js";

interface Settle {
  response(bytes: Uint8Array): void;
  failed(error: unknown): void;
}

/**
 * The streams and calls of a room, as the core tells of them.
 * @internal
 */
export class Exchange {
  readonly native: () => NativeRoom | undefined;
  readonly #method: (index: number) => Rpc<unknown, unknown> | undefined;
  readonly #opened: (stream: PeerStream) => boolean;
  readonly #streams = new Map<string, StreamState>();
  /** Calls of ours, and requests of the others. */
  readonly #calls = new Map<string, Settle>();
  readonly #requests = new Map<string, AbortController>();

  constructor(
    native: () => NativeRoom | undefined,
    method: (index: number) => Rpc<unknown, unknown> | undefined,
    opened: (stream: PeerStream) => boolean,
  ) {
    this.native = native;
    this.#method = method;
    this.#opened = opened;
  }

  open(peer: Peer, name: string): PeerStream {
    const id = this.#begin("open", peer.id, 0, name);
    return this.#add(peer, id, name).stream;
  }

  call(to: string, method: number, body: string | Uint8Array, ms: number, signal?: AbortSignal) {
    const id = this.#begin("call", to, method, body, ms);
    const key = `${to} ${id}`;
    let aborted = () => {};
    const answer = new Promise<Uint8Array>((response, failed) => {
      this.#calls.set(key, { response, failed });
      aborted = () => {
        if (!this.#calls.delete(key)) return;
        this.native()?.exchange("drop", to, id, undefined, undefined);
        failed(signal?.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
    });
    return answer.finally(() => signal?.removeEventListener("abort", aborted));
  }

  event(kind: string, peer: Peer, id: number, detail: unknown, more: unknown): void {
    const key = `${peer.id} ${id}`;
    switch (kind) {
      case "opened": {
        const state = this.#add(peer, id, detail as string);
        if (!this.#opened(state.stream)) state.refuse("no-handler");
        break;
      }
      case "closed":
        this.#streams.get(key)?.event(kind, detail);
        this.#streams.delete(key);
        break;
      case "request":
        void this.#answer(key, peer, id, detail as Uint8Array, more as number);
        break;
      case "dropped":
        this.#requests.get(key)?.abort();
        this.#requests.delete(key);
        break;
      case "response":
        this.#settle(key)?.response(detail as Uint8Array);
        break;
      case "failed":
        this.#settle(key)?.failed(remoteError("call-failed", detail as string, more as string));
        break;
      case "lost":
        this.#settle(key)?.failed(PeerloomError.from({ code: detail, message: more }));
        break;
      default:
        this.#streams.get(key)?.event(kind, detail);
    }
  }

  /** Gives the number of a new stream or call. */
  #begin(what: string, to: string, method: number, detail: unknown, more?: unknown): number {
    const native = this.native();
    if (native === undefined) throw new PeerloomError("closed", "the room is closed");
    try {
      return native.exchange(what, to, method, detail, more) as number;
    } catch (thrown) {
      throw PeerloomError.from(thrown);
    }
  }

  #add(peer: Peer, id: number, name: string): StreamState {
    const state = new StreamState(peer, id, name, this.native);
    this.#streams.set(`${peer.id} ${id}`, state);
    return state;
  }

  #settle(key: string): Settle | undefined {
    const settle = this.#calls.get(key);
    this.#calls.delete(key);
    return settle;
  }

  async #answer(key: string, peer: Peer, id: number, bytes: Uint8Array, method: number): Promise<void> {
    const controller = new AbortController();
    this.#requests.set(key, controller);
    const none = ["nobody answers this method", "no-handler"] as const;
    const [data, code] = (await this.#method(method)?.answer(peer, bytes, controller.signal)) ?? none;
    // Once it was dropped, its number may be that of another call.
    if (this.#requests.get(key) !== controller) return;
    this.#requests.delete(key);
    this.native()?.exchange("answer", peer.id, id, data, code);
  }
}
