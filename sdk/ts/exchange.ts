import type { Calls } from "./calls.js";
import { PeerloomError } from "./errors.js";
import type { Peer } from "./peer.js";
import { type PeerStream, StreamState } from "./stream.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/**
 * The streams of a room, as the core tells of them, and the way to its calls.
 * @internal
 */
export class Exchange {
  readonly native: () => NativeRoom | undefined;
  /** Of the declared channels, in the order of the core's numbers. */
  readonly labels: string[] = [];
  /** Where methods are declared. The core tells of no calls elsewhere. */
  calls: Calls | undefined;
  readonly #opened: (stream: PeerStream) => boolean;
  readonly #streams = new Map<string, StreamState>();

  constructor(native: () => NativeRoom | undefined, opened: (stream: PeerStream) => boolean) {
    this.native = native;
    this.#opened = opened;
  }

  open(peer: Peer, name: string): PeerStream {
    const id = this.begin("open", peer.id, 0, name);
    return this.#add(peer, id, name).stream;
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
      case "data":
      case "ended":
      case "aborted":
      case "cancelled":
      case "writable":
        this.#streams.get(key)?.event(kind, detail);
        break;
      default:
        this.calls?.event(kind, peer, id, detail, more);
    }
  }

  /** Gives the number of a new stream or call. */
  begin(what: string, to: string, method: number, detail: unknown, more?: unknown): number {
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
}
