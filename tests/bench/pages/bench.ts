// What a page does in a trial, with whichever library it was given. Called from outside as `globalThis.bench`.
import type { Contender, Entry, Other } from "../contenders/contender.ts";
import { read, write } from "./content.ts";

/** Joining has come so far, in milliseconds since it began. */
interface Arrival {
  joinedMs: number;
  /** The first message was read. */
  messageMs: number;
  /** The first peer was reached directly. */
  directMs: number;
}

/** Milliseconds of the epoch, the same clock in all pages of a machine. */
const now = () => performance.timeOrigin + performance.now();

/** About 100 bytes as JSON: what a game or a drawing sends all the time. */
const thing = (n: number) => ({
  n,
  kind: "move",
  x: 512.25 + (n % 1000),
  y: 384.5,
  by: "player-4711",
  tags: ["near", "fast"],
  ok: true,
  at: 1_700_000_000_000 + n,
});

class Bench {
  readonly #contender: Contender;
  readonly #others: Other[] = [];
  #direct = 0;
  #onDirect = () => {};
  #onMessage: (message: unknown, from: Other) => void = () => {};

  constructor(contender: Contender) {
    this.#contender = contender;
  }

  prepare(): Promise<unknown> {
    return this.#contender.prepare();
  }

  /** What this contender wants for its transfers. */
  get wishes(): { messageBytes: number; floods: boolean } {
    const { messageBytes, floods } = this.#contender;
    return { messageBytes, floods };
  }

  /** Enters. With `greet`, says hello to whoever comes, as early as it can be said. */
  async enter(entry: Entry, { greet = false } = {}): Promise<void> {
    await this.#contender.enter(entry, {
      came: (other) => {
        this.#others.push(other);
        if (greet) void other.send({ hello: entry.room });
      },
      connected: () => {
        this.#direct += 1;
        this.#onDirect();
      },
      message: (message, from) => this.#onMessage(message, from),
    });
  }

  /** Enters where somebody greets, and tells when what happened. */
  async arrive(entry: Entry): Promise<Arrival> {
    const began = performance.now();
    const since = () => performance.now() - began;
    const message = new Promise<number>((done) => {
      this.#onMessage = () => done(since());
    });
    const direct = new Promise<number>((done) => {
      this.#onDirect = () => done(since());
    });
    await this.enter(entry);
    const joinedMs = since();
    return { joinedMs, messageMs: await message, directMs: await direct };
  }

  /** Waits until so many others are reached directly; gives when that was. */
  connected(others: number): Promise<number> {
    return new Promise((done) => {
      const look = () => this.#direct >= others && done(now());
      this.#onDirect = look;
      look();
    });
  }

  /** Reads what comes, as fast as it comes; gives the time when all of it was there. */
  receiveBytes(bytes: number): Promise<number> {
    let [received, messages] = [0, 0];
    return new Promise((complete) => {
      this.#onMessage = (message) => {
        const data = message as Uint8Array;
        read(data, messages++);
        received += data.length;
        if (received >= bytes) complete(now());
      };
    });
  }

  /** Sends so much to the one other; gives when it began. */
  async sendBytes(bytes: number, messageBytes = this.#contender.messageBytes): Promise<number> {
    const other = this.#one();
    const message = new Uint8Array(messageBytes);
    const began = now();
    for (let sent = 0; sent < bytes; sent += messageBytes) {
      write(message, sent / messageBytes);
      const wait = other.send(message);
      if (wait !== undefined) await wait;
    }
    return began;
  }

  /** Reads so many objects, each in its turn; gives the time when all of them were there. */
  receiveObjects(count: number): Promise<number> {
    let next = 0;
    return new Promise((complete, failed) => {
      this.#onMessage = (message) => {
        const { n, x } = message as ReturnType<typeof thing>;
        if (n !== next || x !== thing(n).x) failed(new Error(`object ${n} came where ${next} was due`));
        next += 1;
        if (next === count) complete(now());
      };
    });
  }

  /** Sends so many objects in a loop, waiting for each only where a library needs that; gives when it began. */
  async sendObjects(count: number): Promise<number> {
    const other = this.#one();
    const began = now();
    for (let n = 0; n < count; n += 1) {
      const wait = other.send(thing(n));
      if (!this.#contender.floods) await wait;
    }
    return began;
  }

  /** Sends everything back that comes. */
  echo(): void {
    this.#onMessage = (message, from) => void from.send(message);
  }

  /** Sends a message and waits until it is back, so many times; gives the times it took. */
  async roundTrips(count: number, bytes: number): Promise<number[]> {
    const other = this.#one();
    const times: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const message = new Uint8Array(bytes).fill(n);
      const began = performance.now();
      await new Promise<void>((back) => {
        this.#onMessage = (message) => {
          read(message as Uint8Array, n);
          back();
        };
        void other.send(message);
      });
      times.push(performance.now() - began);
    }
    return times;
  }

  /** Tells when the next message came. */
  receiveOne(): Promise<number> {
    return new Promise((came) => {
      this.#onMessage = () => came(now());
    });
  }

  /** Sends one message to everybody; gives when that began, and when the page had done its part. */
  sendToAll(): { began: number; done: number } {
    const began = now();
    const message = thing(0);
    if (this.#contender.sendAll) this.#contender.sendAll(message);
    else for (const other of this.#others) void other.send(message);
    return { began, done: now() };
  }

  leave(): void {
    this.#contender.leave();
  }

  #one(): Other {
    const [other] = this.#others;
    if (other === undefined) throw new Error("nobody else is here");
    return other;
  }
}

/** Makes a library measurable. */
export function offer(contender: Contender): void {
  Object.assign(globalThis, { bench: new Bench(contender) });
}

export type { Bench };
