import { attempt } from "./codec.js";
import { PeerloomError } from "./errors.js";
import { callSafely, Listeners, type Unsubscribe } from "./events.js";
import { encodeJson, passed, readJson, readJsonBatch } from "./json.js";
import type { Peer } from "./peer.js";
import type { ChannelDefinition } from "./protocol.js";
import type { StandardResult } from "./schema.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/** A message and its sender. */
export interface Received<T> {
  readonly from: Peer;
  readonly data: T;
}

/** Options of {@link Channel.send}. */
export interface SendOptions {
  /** Only to this peer, given as such or by id. Without it the message goes to everyone in the room. */
  readonly to?: Peer | string;
  /** Takes the message back while it waits for room; one already queued is sent. */
  readonly signal?: AbortSignal;
  /** Waits for every receiver, and tells what became of the message. */
  readonly confirm?: boolean;
  /** How long to wait for that, in milliseconds; 30,000 by default. */
  readonly timeoutMs?: number;
}

/** What became of a message: the receiver has it, left before it said so, or did not say so in time. */
export type Outcome = "delivered" | "gone" | "timeout";

/**
 * Messages kept for a reader of a channel that may lose messages, before it comes or while it is slow. The oldest are
 * dropped beyond it. On reliable channels nothing is dropped: the peers wait.
 */
const MAX_KEPT = 10_000;
const CONFIRM_MS = 30_000;
const DONE = Promise.resolve();

/** Messages of one task go to the core together, in batches of about this length: to cross into it is dear. */
const BATCH_LENGTH = 16 * 1024;
/** Longer bytes are worth a way of their own, on which they are copied once less. */
const LONG_BYTES = 4 * 1024;

/** Messages that go to the core together, before this task ends. */
interface Batch {
  readonly to: string | undefined;
  /** Texts, each ended by a line feed. Or none, and the messages are bytes, gathered elsewhere. */
  texts: string;
  readonly sent: Promise<void>;
  readonly settle: (outcome: Promise<void> | undefined) => void;
}

/**
 * Who waits for word of a message, by its ticket: that there is room for it, and what became of it.
 * @internal
 */
export interface Waiting {
  readonly queued: Map<number, (error: PeerloomError | undefined) => void>;
  readonly confirmed: Map<number, (outcomes: readonly string[]) => void>;
}

/** A message that waits for its readers. The peer may send more once the last of them has taken it. */
interface Kept<T> {
  readonly message: Received<T>;
  readonly bytes: number;
  readers: number;
}

/**
 * One declared channel of a room. Many listeners may be added; iterating gives every message from then on, to each
 * iterator by itself. Messages that arrive before the first listener is there are kept for it.
 */
export class Channel<T> implements AsyncIterable<Received<T>> {
  readonly label: string;
  readonly #index: number;
  readonly #definition: ChannelDefinition<T>;
  readonly #native: () => NativeRoom | undefined;
  readonly #waiting: Waiting;
  readonly #refuse: (from: Peer, error: PeerloomError) => void;
  readonly #listeners = new Listeners<Received<T>>();
  readonly #iterators = new Set<MessageIterator<T>>();
  /** What came before anybody listened. */
  #kept: Kept<T>[] | undefined = [];
  /** Whether messages may be lost, so that readers need not be waited for. */
  readonly #lossy: boolean;
  /** What was taken of the frame being read, told in one go. */
  #taken: { messages: number; bytes: number } | undefined;
  /** What was sent in this task and has not gone to the core yet. */
  #batch: Batch | undefined;
  /** The messages of a batch of bytes: each behind its length as a varint. */
  readonly #octets = new Octets(BATCH_LENGTH);
  /** Set while an asynchronous validator works: later messages queue behind it. */
  #validating: Promise<void> | undefined;

  /** @internal */
  constructor(
    label: string,
    index: number,
    definition: ChannelDefinition<T>,
    native: () => NativeRoom | undefined,
    waiting: Waiting,
    refuse: (from: Peer, error: PeerloomError) => void,
  ) {
    this.label = label;
    this.#index = index;
    this.#definition = definition;
    this.#lossy = definition.delivery === "latest" || typeof definition.delivery === "object";
    this.#native = native;
    this.#waiting = waiting;
    this.#refuse = refuse;
  }

  /**
   * Sends one message of at most 16 MiB, encoded. Resolves once it is queued for every receiver, not once they have it.
   * While a receiver has not acknowledged a window full of messages (1 MiB) it waits: await it, and backpressure is free.
   * On reliable channels everyone in the room gets it exactly once, whatever happens to the connections; what could not be
   * delivered to a peer that left is told by the room's `undelivered` event.
   *
   * With `confirm` it resolves to what became of the message for each receiver, by peer id, once that is known of all.
   *
   * @throws PeerloomError `message-too-large`, `invalid-message` (not JSON), `peer-gone`, `closed`; or the signal's
   * reason. Nothing was sent then.
   */
  send(data: T, options: SendOptions & { readonly confirm: true }): Promise<ReadonlyMap<string, Outcome>>;
  send(data: T, options?: SendOptions): Promise<void>;
  send(data: T, options: SendOptions = {}): Promise<unknown> {
    const { to, signal, confirm } = options;
    try {
      signal?.throwIfAborted();
      const encoded = this.#encode(data);
      const receiver = typeof to === "object" ? to.id : to;
      const isShort = typeof encoded === "string" || encoded.length <= LONG_BYTES;
      if (isShort && !confirm && signal === undefined) return this.#gather(encoded, receiver);
      // What was sent before comes before.
      this.flush();
      return this.#send(typeof encoded === "string" ? `${encoded}\n` : encoded, receiver, options) ?? DONE;
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  /** Puts a message into this task's batch. All messages of a batch share one fate, and so one promise. */
  #gather(message: string | Uint8Array, to: string | undefined): Promise<void> {
    const isText = typeof message === "string";
    const isFull = isText ? (this.#batch?.texts.length ?? 0) > BATCH_LENGTH : !this.#octets.takes(message);
    if (this.#batch !== undefined && (this.#batch.to !== to || isFull)) this.flush();
    this.#batch ??= this.#newBatch(to);
    if (isText) this.#batch.texts += `${message}\n`;
    else this.#octets.add(message);
    return this.#batch.sent;
  }

  #newBatch(to: string | undefined): Batch {
    let settle: Batch["settle"] = () => {};
    const sent = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const batch = { to, texts: "", sent, settle };
    // The task is over: nothing else could still go with it, so that it leaves at once.
    queueMicrotask(() => this.#batch === batch && this.flush(true));
    return batch;
  }

  /** @internal Hands what was gathered to the core; with `atOnce` it leaves before this returns. */
  flush(atOnce = false): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    const { texts, to } = batch;
    const areBytes = texts === "";
    const sent = this.#send(areBytes ? this.#octets.take() : texts, to, {}, areBytes, atOnce);
    batch.settle(sent as Promise<void> | undefined);
  }

  #send(
    encoded: string | Uint8Array,
    to: string | undefined,
    options: SendOptions,
    areMany = false,
    atOnce = false,
  ): Promise<unknown> | undefined {
    const { signal, confirm = false, timeoutMs = CONFIRM_MS } = options;
    let sending: [ticket: number, waits: boolean] | undefined;
    try {
      const native = this.#native();
      if (native === undefined) throw new PeerloomError("closed", "the room is closed");
      sending = native.send(this.#index, encoded, to, confirm ? timeoutMs : undefined, areMany, atOnce);
    } catch (thrown) {
      return Promise.reject(PeerloomError.from(thrown));
    }
    return sending && this.#outcome(sending, confirm, signal);
  }

  async #outcome(
    [ticket, waits]: [number, boolean],
    confirm: boolean,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const { confirmed } = this.#waiting;
    const telling = confirm && new Promise<readonly string[]>((resolve) => confirmed.set(ticket, resolve));
    if (waits) await this.#untilQueued(ticket, signal);
    if (!telling) return undefined;
    const told = await telling;
    const outcomes = new Map<string, Outcome>();
    for (let at = 0; at + 1 < told.length; at += 2) outcomes.set(told[at] as string, told[at + 1] as Outcome);
    return outcomes;
  }

  async #untilQueued(ticket: number, signal: AbortSignal | undefined): Promise<void> {
    const { queued, confirmed } = this.#waiting;
    let takeBack = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        queued.set(ticket, (error) => (error === undefined ? resolve() : reject(error)));
        takeBack = () => {
          this.#native()?.cancel(this.#index, ticket);
          queued.delete(ticket);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", takeBack, { once: true });
      });
    } catch (thrown) {
      confirmed.delete(ticket);
      throw thrown;
    } finally {
      signal?.removeEventListener("abort", takeBack);
    }
  }

  /** Calls `listener` for every message. Returns a function that stops it. */
  on(listener: (message: Received<T>) => void): Unsubscribe {
    const remove = this.#listeners.add(listener);
    const kept = this.#takeKept();
    if (kept.length > 0)
      queueMicrotask(() => {
        for (const one of kept) {
          callSafely(listener, one.message);
          this.#takenBy(one);
        }
      });
    return remove;
  }

  /** Iterates over messages as they come; ends when the room does. Leaving the loop stops listening. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Received<T>, void, undefined> {
    const stop = () => this.#iterators.delete(iterator);
    const taken = (kept: Kept<T>) => this.#takenBy(kept);
    const iterator = new MessageIterator<T>(this.#takeKept(), this.#lossy, stop, taken);
    if (this.#native() === undefined) iterator.end();
    else this.#iterators.add(iterator);
    return iterator;
  }

  /** @internal */
  receive(from: Peer, frame: Uint8Array, places: Uint32Array): void {
    const taken = { messages: 0, bytes: 0 };
    this.#taken = taken;
    const areMany = places.length > 2;
    const values = areMany && this.#definition.codec === "json" ? readJsonBatch(frame, places) : undefined;
    for (let at = 0; at + 1 < places.length; at += 2) {
      const [start, end] = [places[at] as number, places[at + 1] as number];
      if (values !== undefined) this.#check(from, values[at / 2], end - start);
      else this.#decode(from, frame, start, end);
    }
    this.#taken = undefined;
    if (taken.messages > 0) this.#native()?.consumed(from.id, this.#index, taken.messages, taken.bytes);
  }

  #takenBy(kept: Kept<T>): void {
    if (--kept.readers === 0) this.#release(kept.message.from, kept.bytes);
  }

  /** Every reader has the message: its sender may send more. */
  #release(from: Peer, bytes: number): void {
    if (this.#lossy) return;
    if (this.#taken !== undefined) {
      this.#taken.messages += 1;
      this.#taken.bytes += bytes;
    } else {
      this.#native()?.consumed(from.id, this.#index, 1, bytes);
    }
  }

  /** @internal */
  close(): void {
    for (const iterator of [...this.#iterators]) iterator.end();
  }

  #encode(data: T): string | Uint8Array {
    const { codec } = this.#definition;
    if (codec === "json") return encodeJson(data);
    const bytes: unknown = codec === "bytes" ? data : attempt(() => codec.encode(data));
    if (bytes instanceof Uint8Array) return bytes;
    throw new PeerloomError("invalid-message", `channel "${this.label}" carries Uint8Array`);
  }

  #decode(from: Peer, frame: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const { codec } = this.#definition;
    if (codec === "bytes") {
      this.#accept({ from, data: extract(frame, start, end) as T }, size);
      return;
    }
    let value: unknown;
    try {
      const bytes = frame.subarray(start, end);
      value = codec === "json" ? readJson(bytes) : attempt(() => codec.decode(bytes));
    } catch (error) {
      this.#reject(from, size, error as PeerloomError);
      return;
    }
    this.#check(from, value, size);
  }

  #check(from: Peer, value: unknown, size: number): void {
    const { schema } = this.#definition;
    if (schema === undefined) {
      this.#accept({ from, data: value as T }, size);
      return;
    }
    if (this.#validating !== undefined) {
      this.#validateLater(from, value, size, this.#validating);
      return;
    }
    try {
      const result = schema["~standard"].validate(value);
      if (result instanceof Promise) this.#validateLater(from, value, size, Promise.resolve(), result);
      else this.#judge(from, size, result);
    } catch (cause) {
      this.#rejectUnchecked(from, size, cause);
    }
  }

  /** Keeps the order while an asynchronous validator works. */
  #validateLater(
    from: Peer,
    value: unknown,
    size: number,
    before: Promise<void>,
    started?: Promise<StandardResult<T>>,
  ): void {
    const checking = before.then(async () => {
      try {
        const result = started ?? this.#definition.schema?.["~standard"].validate(value);
        if (result !== undefined) this.#judge(from, size, await result);
      } catch (cause) {
        this.#rejectUnchecked(from, size, cause);
      }
    });
    this.#validating = checking;
    void checking.then(() => {
      if (this.#validating === checking) this.#validating = undefined;
    });
  }

  #reject(from: Peer, size: number, error: PeerloomError): void {
    this.#refuse(from, error);
    this.#release(from, size);
  }

  #rejectUnchecked(from: Peer, size: number, cause: unknown): void {
    const error = new PeerloomError("invalid-message", "the schema could not check the message", { cause });
    this.#reject(from, size, error);
  }

  #judge(from: Peer, size: number, result: StandardResult<T>): void {
    let data: T;
    try {
      data = passed(result);
    } catch (error) {
      this.#reject(from, size, error as PeerloomError);
      return;
    }
    this.#accept({ from, data }, size);
  }

  #accept(message: Received<T>, bytes: number): void {
    if (this.#kept !== undefined) {
      keep(this.#kept, { message, bytes, readers: 1 }, this.#lossy);
      return;
    }
    if (this.#iterators.size === 0) {
      this.#listeners.emit(message);
      this.#release(message.from, bytes);
      return;
    }
    // One reader more than there are iterators: the listeners, who have taken it when they return.
    const kept: Kept<T> = { message, bytes, readers: this.#iterators.size + 1 };
    for (const iterator of [...this.#iterators]) iterator.push(kept);
    this.#listeners.emit(message);
    this.#takenBy(kept);
  }

  #takeKept(): Kept<T>[] {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    return kept;
  }
}

/** Short messages of bytes, on their way into the core together: each behind its length as a varint. */
class Octets {
  #bytes: Uint8Array | undefined;
  #end = 0;

  constructor(readonly capacity: number) {}

  takes(message: Uint8Array): boolean {
    return this.#end + 2 + message.length <= this.capacity;
  }

  /** Copies it. Of the length seven bits stand in a byte, the low ones first, and {@link LONG_BYTES} has fourteen at most. */
  add(message: Uint8Array): void {
    this.#bytes ??= new Uint8Array(this.capacity);
    const { length } = message;
    if (length > 127) this.#bytes[this.#end++] = (length & 127) | 128;
    this.#bytes[this.#end++] = length > 127 ? length >> 7 : length;
    this.#bytes.set(message, this.#end);
    this.#end += length;
  }

  /** Gives what was gathered, to be copied at once. */
  take(): Uint8Array {
    const gathered = (this.#bytes as Uint8Array).subarray(0, this.#end);
    this.#end = 0;
    return gathered;
  }
}

/**
 * One message of a frame, as an array that may be kept. The message that takes most of its frame stays in the buffer the
 * browser put it in, moved to its start: it is the last that needs what it is moved over, and fresh memory is dear. Others
 * are copied, and those in a part of a buffer, where there may be more behind.
 */
function extract(frame: Uint8Array, start: number, end: number): Uint8Array {
  const isPart = frame.length < frame.buffer.byteLength;
  if (isPart || 2 * (end - start) <= frame.length) return frame.slice(start, end);
  return frame.copyWithin(0, start, end).subarray(0, end - start);
}

function keep<T>(queue: Kept<T>[], kept: Kept<T>, lossy: boolean): void {
  if (lossy && queue.length >= MAX_KEPT) queue.shift();
  queue.push(kept);
}

/** One `for await` over a channel. */
class MessageIterator<T> implements AsyncIterableIterator<Received<T>, void, undefined> {
  readonly #queue: Kept<T>[];
  readonly #lossy: boolean;
  readonly #stop: () => void;
  readonly #taken: (kept: Kept<T>) => void;
  readonly #readers: ((result: IteratorResult<Received<T>, void>) => void)[] = [];
  #ended = false;

  constructor(queue: Kept<T>[], lossy: boolean, stop: () => void, taken: (kept: Kept<T>) => void) {
    this.#queue = queue;
    this.#lossy = lossy;
    this.#stop = stop;
    this.#taken = taken;
  }

  push(kept: Kept<T>): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ done: false, value: kept.message });
      this.#taken(kept);
      return;
    }
    keep(this.#queue, kept, this.#lossy);
  }

  end(): void {
    this.#ended = true;
    this.#stop();
    for (const reader of this.#readers.splice(0)) reader({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Received<T>, void>> {
    const kept = this.#queue.shift();
    if (kept !== undefined) {
      this.#taken(kept);
      return Promise.resolve({ done: false, value: kept.message });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<IteratorResult<Received<T>, void>> {
    for (const kept of this.#queue.splice(0)) this.#taken(kept);
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
