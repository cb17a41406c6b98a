import type { Peer } from "./peer.js";
import type { PeerStats } from "./stats.js";

/** Counts and measures of a peer at one time, and how fast bytes went since the sample before. */
export interface StatsSample extends Omit<PeerStats, "paths"> {
  /** When, in milliseconds as of `Date.now()`. */
  readonly at: number;
  readonly bytesSentPerSecond: number;
  readonly bytesReceivedPerSecond: number;
}

export interface RecordOptions {
  /** Milliseconds between samples: 1,000 unless given, at least 100. Pages in the background are not so exact. */
  readonly everyMs?: number;
  /** How many of the last samples are kept: 300 unless given, at most 10,000. */
  readonly keep?: number;
  /** Called with each new sample. */
  readonly onSample?: (sample: StatsSample) => void;
}

/** The last samples of a peer. Made by {@link recordStats}. */
export class StatsRecord implements Disposable {
  readonly peer: Peer;
  readonly #samples: StatsSample[] = [];
  readonly #keep: number;
  readonly #onSample: RecordOptions["onSample"];
  #timer: ReturnType<typeof setInterval> | undefined;
  #asking = false;

  /** @internal */
  constructor(peer: Peer, { everyMs = 1_000, keep = 300, onSample }: RecordOptions) {
    this.peer = peer;
    this.#keep = Math.min(Math.max(1, keep), 10_000);
    this.#onSample = onSample;
    this.#timer = setInterval(() => void this.#ask(), Math.max(100, everyMs));
    void this.#ask();
  }

  /** Oldest first. The same array each time: copy what is to stay. */
  get samples(): readonly StatsSample[] {
    return this.#samples;
  }

  /** Whether samples still come: not after {@link StatsRecord.stop}, and not once the peer has left. */
  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  async #ask(): Promise<void> {
    if (this.peer.state === "left") return this.stop();
    // A browser that is busy is not asked twice.
    if (this.#asking) return;
    this.#asking = true;
    try {
      const { paths: _, ...stats } = await this.peer.stats();
      if (this.isRunning) this.#add(stats);
    } catch {
      // The room is over.
      this.stop();
    } finally {
      this.#asking = false;
    }
  }

  #add(stats: Omit<PeerStats, "paths">): void {
    const [at, last] = [Date.now(), this.#samples.at(-1)];
    const seconds = last === undefined ? 0 : (at - last.at) / 1_000;
    const perSecond = (now: number, before = 0) => (seconds > 0 ? Math.max(0, now - before) / seconds : 0);
    const sample = {
      ...stats,
      at,
      bytesSentPerSecond: perSecond(stats.bytesSent, last?.bytesSent),
      bytesReceivedPerSecond: perSecond(stats.bytesReceived, last?.bytesReceived),
    };
    if (this.#samples.push(sample) > this.#keep) this.#samples.shift();
    this.#onSample?.(sample);
  }
}

/** Asks for a peer's {@link Peer.stats} again and again, and keeps the last answers, for example to plot them. */
export function recordStats(peer: Peer, options: RecordOptions = {}): StatsRecord {
  return new StatsRecord(peer, options);
}
