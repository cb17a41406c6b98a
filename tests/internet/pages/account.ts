// What came from one peer on one channel, against what must have been sent: messages are numbered from 1.

export interface Numbered {
  n: number;
  /** When it was sent: milliseconds of the epoch, the same clock on every host of the test. */
  at: number;
}

export interface Summary {
  /** Different messages. */
  received: number;
  /** Numbers below the highest that did not come. */
  missing: number;
  duplicated: number;
  /** Came after one with a higher number. */
  outOfOrder: number;
  highest: number;
  last: number;
  /** Between two messages that came one after the other. */
  longestGapMs: number;
  slowestMs: number;
}

/** From sending to arrival, and by which path: one row for each message. */
export type Arrival = [sentAt: number, cameAt: number, path: string];

export class Account {
  readonly arrivals: Arrival[] = [];
  readonly #seen = new Set<number>();
  #duplicated = 0;
  #outOfOrder = 0;
  #highest = 0;
  #last = 0;
  #longestGapMs = 0;
  #slowestMs = 0;
  #lastCameAt: number | undefined;

  /** Enters a message; gives how long none had come. */
  enter({ n, at }: Numbered, path: string): number {
    const now = Date.now();
    const gapMs = this.#lastCameAt === undefined ? 0 : now - this.#lastCameAt;
    this.#lastCameAt = now;
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
    this.#slowestMs = Math.max(this.#slowestMs, now - at);
    this.arrivals.push([at, now, path]);
    this.#last = n;
    if (this.#seen.has(n)) {
      this.#duplicated += 1;
      return gapMs;
    }
    this.#seen.add(n);
    if (n < this.#highest) this.#outOfOrder += 1;
    else this.#highest = n;
    return gapMs;
  }

  summary(): Summary {
    return {
      received: this.#seen.size,
      missing: this.#highest - this.#seen.size,
      duplicated: this.#duplicated,
      outOfOrder: this.#outOfOrder,
      highest: this.#highest,
      last: this.#last,
      longestGapMs: this.#longestGapMs,
      slowestMs: this.#slowestMs,
    };
  }
}
