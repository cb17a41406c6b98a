import { PeerloomError } from "./errors.js";
import type { Json } from "./schema.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/** How a peer is reached: not yet, from browser to browser, through a TURN server, or through the signaling server. */
export type PeerPath = "connecting" | "direct" | "turn" | "relay";

/** Counts and measures of one peer's connection. */
export interface PeerStats {
  readonly path: PeerPath;
  /** Round trip of the selected candidate pair, in milliseconds, once the browser has measured it. */
  readonly rttMs?: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** `host`, `srflx`, `prflx` or `relay` (RFC 8445). */
  readonly localCandidateType?: string;
  readonly remoteCandidateType?: string;
}

/** Somebody else in the room. The same object for as long as it stays. */
export class Peer {
  readonly id: string;
  /** What it gave as `metadata` when it joined. */
  readonly metadata: Json | undefined;
  readonly #native: () => NativeRoom | undefined;
  #state: "joined" | "connected" | "left" = "joined";
  #path: PeerPath = "connecting";

  /** @internal */
  constructor(id: string, metadata: Json | undefined, native: () => NativeRoom | undefined) {
    this.id = id;
    this.metadata = metadata;
    this.#native = native;
  }

  /** `joined` while its connection is being made, `connected`, and in the end `left`. */
  get state(): "joined" | "connected" | "left" {
    return this.#state;
  }

  get path(): PeerPath {
    return this.#path;
  }

  /** For experts: the connection in use. It is replaced when it breaks. Closing it or its channels is a failure like any. */
  get connection(): RTCPeerConnection | undefined {
    return this.#native()?.connection(this.id);
  }

  /**
   * Asks the browser for the state of the connection.
   * @throws PeerloomError `closed` when the room was left
   */
  async stats(): Promise<PeerStats> {
    const native = this.#native();
    if (native === undefined) throw new PeerloomError("closed", "the room is closed");
    const counts = (await native.peerStats(this.id)) as Omit<PeerStats, "path">;
    return { path: this.#path, ...counts };
  }

  /** @internal */
  update(state: "joined" | "connected" | "left", path: PeerPath): void {
    this.#state = state;
    this.#path = path;
  }
}
