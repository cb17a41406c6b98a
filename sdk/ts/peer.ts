import { PeerloomError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import { selectedPair } from "./pair.js";
import { loadPart } from "./part.js";
import type { Meeting } from "./remember.js";
import type { Json } from "./schema.js";
import { Settled } from "./settled.js";
import type { PeerStats } from "./stats.js";
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

/** A path that messages to a peer take, or took for a while. */
export interface PathUse {
  readonly path: PeerPath;
  /** Since when, in milliseconds as of `Date.now()`. */
  readonly since: number;
  /** Bytes in that time, whatever else carried the last of them. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What two people compare to know that nobody is between their pages. */
export interface SafetyCode {
  /** Six decimal digits. */
  readonly digits: string;
  /** Five pictures, of the same 64 everywhere. */
  readonly emoji: readonly string[];
}

/** How many paths of the past are known: of the last minutes, where a network is bad. */
const MOST_PATHS = 32;

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
  #since = Date.now();
  /** Bytes sent and received before the path in use was. */
  #before: readonly [number, number] = [0, 0];
  /** Paths that were in use, oldest first. */
  readonly #paths: PathUse[] = [];
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

  /** The path in use. */
  get use(): PathUse {
    return this.#use(this.#counts());
  }

  /**
   * The same, with the round trip if it is known.
   * @internal
   */
  get route(): PathUse & { readonly rttMs?: number } {
    const counts = this.#counts();
    const rttMs = counts[3] ?? -1;
    return { ...this.#use(counts), ...(rttMs >= 0 && { rttMs }) };
  }

  #counts(): ArrayLike<number> {
    return this.#exchange.native()?.counts(this.id) ?? [];
  }

  #use({ 0: sent = 0, 1: received = 0 }: ArrayLike<number>): PathUse {
    const [sentBefore, receivedBefore] = this.#before;
    const bytesSent = Math.max(0, sent - sentBefore);
    const bytesReceived = Math.max(0, received - receivedBefore);
    return { path: this.#path, since: this.#since, bytesSent, bytesReceived };
  }

  /**
   * Counts and measures: what the session knows, and what the browser tells of the connection. Cheap enough for once a second and
   * peer; {@link recordStats} does that.
   *
   * @throws PeerloomError `closed` when the room was left, `load-failed`
   */
  async stats(): Promise<PeerStats> {
    const counts = this.#exchange.native()?.counts(this.id);
    if (counts === undefined) throw new PeerloomError("closed", "the room is closed");
    const paths = [...this.#paths, this.#use(counts)];
    const { readStats } = await loadPart("stats.js", () => import("./stats.js"));
    return readStats(counts, this.#exchange.labels, paths, await selectedPair(this.connection));
  }

  /** @internal */
  update(state: PeerState, path: PeerPath): void {
    this.#state = state;
    if (path !== this.#path) {
      const { use } = this;
      if (this.#paths.push(use) > MOST_PATHS) this.#paths.shift();
      const [sent, received] = this.#before;
      this.#before = [sent + use.bytesSent, received + use.bytesReceived];
      this.#since = Date.now();
      this.#path = path;
    }
    if (state === "left") this.#code?.reject(new PeerloomError("peer-gone", "the peer has left"));
  }
}
