import { PeerloomError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import { selectedPair } from "./pair.js";
import type { Meeting } from "./remember.js";
import type { Json } from "./schema.js";
import { Settled } from "./settled.js";
import type { PeerStream } from "./stream.js";

/**
 * How messages to a peer go: not at all for now (they wait), from browser to browser, through a TURN server, or sealed
 * through the signaling server.
 */
export type PeerPath = "connecting" | "direct" | "turn" | "relay";

/**
 * `joined` until there is a path to it, `connected`, `suspended` while nothing is heard from it (what is sent waits),
 * and in the end `left`.
 */
export type PeerState = "joined" | "connected" | "suspended" | "left";

/** Counts and measures of one peer. */
export interface PeerStats {
  readonly path: PeerPath;
  /** Round trip of the path in use, in milliseconds, once it is measured. */
  readonly rttMs?: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** `host`, `srflx`, `prflx` or `relay` (RFC 8445). */
  readonly localCandidateType?: string;
  readonly remoteCandidateType?: string;
}

/** What two people compare to know that nobody is between their pages. */
export interface SafetyCode {
  /** Six decimal digits. */
  readonly digits: string;
  /** Five pictures, of the same 64 everywhere. */
  readonly emoji: readonly string[];
}

/** Somebody else in the room. The same object for as long as it stays. */
export class Peer {
  readonly id: string;
  /** What it gave as `metadata` when it joined. */
  readonly metadata: Json | undefined;
  /** @internal */
  readonly meeting: Meeting | undefined;
  readonly #exchange: Exchange;
  #state: PeerState = "joined";
  #path: PeerPath = "connecting";
  #code: Settled<SafetyCode> | undefined;

  /** @internal */
  constructor(id: string, metadata: Json | undefined, exchange: Exchange, meeting: Meeting | undefined) {
    this.id = id;
    this.metadata = metadata;
    this.meeting = meeting;
    this.#exchange = exchange;
  }

  /**
   * How its id compares with the one that this browser remembers under the name that `knownBy` gave for it: `"new"` when there
   * was none, `"known"` when it is the same, `"changed"` when it is another. Undefined when the peer goes by no name, or could
   * not be looked up.
   */
  get known(): "new" | "known" | "changed" | undefined {
    return this.meeting?.known;
  }

  get state(): PeerState {
    return this.#state;
  }

  /** How messages to it go now. It changes as paths come and go; nothing is lost by that. */
  get path(): PeerPath {
    return this.#path;
  }

  /**
   * For experts: the connection of the direct path, if there is one. It is replaced when it breaks. Closing it or its
   * channels is a failure like any.
   */
  get connection(): RTCPeerConnection | undefined {
    return this.#exchange.native()?.connection(this.id);
  }

  /**
   * Opens a stream of bytes to it, under a name of at most 256 bytes. It can be written to at once; there is nothing to
   * wait for. At the other end it comes as the room's `stream` event, and is refused as `no-handler` where nobody listens
   * to that. Streams go on when connections break, and end with `peer-gone` when the peer leaves.
   *
   * @throws PeerloomError `name-too-long`, `too-many-streams` (64 opened and not over), `peer-gone` or `closed`
   */
  async openStream(name: string): Promise<PeerStream> {
    return this.#exchange.open(this, name);
  }

  /**
   * A code that this page and the peer's make together, once there is a path. Whoever are in front of them read it to each
   * other, or lay their screens side by side: when it is the same, nobody is between the two pages, not even the server. It is
   * another one each time that the peer comes back.
   *
   * @throws PeerloomError `peer-gone`, `closed`, or `bad-commitment` when the peer tried to choose the code
   */
  safetyCode(): Promise<SafetyCode> {
    if (this.#code === undefined) {
      this.#code = new Settled();
      try {
        this.#exchange.begin("compare", this.id, 0, undefined);
      } catch (error) {
        this.#code.reject(error);
      }
    }
    return this.#code.promise;
  }

  /** @internal */
  compared(code: SafetyCode, error: PeerloomError | undefined): void {
    this.#code?.settle(code, error);
  }

  /**
   * Asks the browser for the state of the connection.
   * @throws PeerloomError `closed` when the room was left
   */
  async stats(): Promise<PeerStats> {
    const native = this.#exchange.native();
    if (native === undefined) throw new PeerloomError("closed", "the room is closed");
    const [bytesSent = 0, bytesReceived = 0, messagesSent = 0, messagesReceived = 0, rttMs] = native.counts(
      this.id,
    ) as number[];
    const pair = await selectedPair(this.connection);
    const known = { path: this.#path, bytesSent, bytesReceived, messagesSent, messagesReceived };
    return { ...known, ...(rttMs !== undefined && { rttMs }), ...pair };
  }

  /** @internal */
  update(state: PeerState, path: PeerPath): void {
    this.#state = state;
    this.#path = path;
    if (state === "left") this.#code?.reject(new PeerloomError("peer-gone", "the peer has left"));
  }
}
