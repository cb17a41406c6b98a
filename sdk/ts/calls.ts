import { PeerloomError, remoteError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import type { Peer } from "./peer.js";
import type { Rpc } from "./rpc.js";

interface Settle {
  response(bytes: Uint8Array): void;
  failed(error: unknown): void;
}

/**
 * The calls of a room, as the core tells of them. Only what declares methods names this class, so that a bundler leaves it
 * out of other pages.
 * @internal
 */
export class Calls {
  /** In the order of the core's numbers. */
  readonly methods: Rpc<unknown, unknown>[] = [];
  readonly #exchange: Exchange;
  /** Calls of ours, and requests of the others. */
  readonly #calls = new Map<string, Settle>();
  readonly #requests = new Map<string, AbortController>();

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  call(to: string, method: number, body: string | Uint8Array, ms: number, signal?: AbortSignal) {
    const id = this.#exchange.begin("call", to, method, body, ms);
    const key = `${to} ${id}`;
    let aborted = () => {};
    const answer = new Promise<Uint8Array>((response, failed) => {
      this.#calls.set(key, { response, failed });
      aborted = () => {
        if (!this.#calls.delete(key)) return;
        this.#exchange.native()?.exchange("drop", to, id, undefined, undefined);
        failed(signal?.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
    });
    return answer.finally(() => signal?.removeEventListener("abort", aborted));
  }

  event(kind: string, peer: Peer, id: number, detail: unknown, more: unknown): void {
    const key = `${peer.id} ${id}`;
    switch (kind) {
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
    }
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
    const [data, code] = (await this.methods[method]?.answer(peer, bytes, controller.signal)) ?? none;
    // Once it was dropped, its number may be that of another call.
    if (this.#requests.get(key) !== controller) return;
    this.#requests.delete(key);
    this.#exchange.native()?.exchange("answer", peer.id, id, data, code);
  }
}
