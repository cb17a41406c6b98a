import { PeerloomError } from "./errors.js";
import { callSafely, Listeners, type Unsubscribe } from "./events.js";
import { writeJson } from "./json.js";
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
}

/** Messages kept for a reader that has not come yet, or is slower than the peers. The oldest are dropped beyond it. */
const MAX_KEPT = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** Longer texts are encoded here, so that they stay out of WebAssembly memory, which never shrinks. */
const LONG_TEXT = 8 * 1024;

/**
 * One declared channel of a room. Many listeners may be added; iterating gives every message from then on, to each
 * iterator by itself. Messages that arrive before the first listener is there are kept for it.
 */
export class Channel<T> implements AsyncIterable<Received<T>> {
  readonly label: string;
  readonly #index: number;
  readonly #definition: ChannelDefinition<T>;
  readonly #native: () => NativeRoom | undefined;
  readonly #refuse: (from: Peer, error: PeerloomError) => void;
  readonly #listeners = new Listeners<Received<T>>();
  readonly #iterators = new Set<MessageIterator<T>>();
  #kept: Received<T>[] | undefined = [];
  /** Set while an asynchronous validator works: later messages queue behind it. */
  #validating: Promise<void> | undefined;

  /** @internal */
  constructor(
    label: string,
    index: number,
    definition: ChannelDefinition<T>,
    native: () => NativeRoom | undefined,
    refuse: (from: Peer, error: PeerloomError) => void,
  ) {
    this.label = label;
    this.#index = index;
    this.#definition = definition;
    this.#native = native;
    this.#refuse = refuse;
  }

  /**
   * Sends one message of at most 16 MiB, encoded. Resolves once it is queued for every receiver, not once they have it.
   * While a receiver's queue is over the high-water mark (1 MiB) it waits: await it, and backpressure is free. Peers
   * still connecting get it when they are connected.
   *
   * @throws PeerloomError `message-too-large`, `invalid-message` (not JSON), `peer-gone`, `closed`; or the signal's
   * reason. Nothing was sent then.
   */
  async send(data: T, options: SendOptions = {}): Promise<void> {
    const { to, signal } = options;
    signal?.throwIfAborted();
    const native = this.#native();
    if (native === undefined) throw new PeerloomError("closed", "the room is closed");
    const encoded = this.#encode(data);
    let waiting: [ticket: number, queued: Promise<void>] | undefined;
    try {
      waiting = native.send(this.#index, encoded, typeof to === "object" ? to.id : to);
    } catch (thrown) {
      throw PeerloomError.from(thrown);
    }
    if (waiting === undefined) return;
    const [ticket, queued] = waiting;
    const takeBack = () => native.cancel(this.#index, ticket);
    signal?.addEventListener("abort", takeBack, { once: true });
    try {
      await queued;
    } catch (thrown) {
      signal?.throwIfAborted();
      throw PeerloomError.from(thrown);
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
        for (const message of kept) callSafely(listener, message);
      });
    return remove;
  }

  /** Iterates over messages as they come; ends when the room does. Leaving the loop stops listening. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Received<T>, void, undefined> {
    const iterator = new MessageIterator<T>(this.#takeKept(), () => this.#iterators.delete(iterator));
    if (this.#native() === undefined) iterator.end();
    else this.#iterators.add(iterator);
    return iterator;
  }

  /** @internal */
  receive(from: Peer, buffer: Uint8Array, places: Uint32Array): void {
    for (let at = 0; at + 1 < places.length; at += 2) {
      this.#decode(from, buffer.subarray(places[at], places[at + 1]));
    }
  }

  /** @internal */
  close(): void {
    for (const iterator of [...this.#iterators]) iterator.end();
  }

  #encode(data: T): string | Uint8Array {
    if (this.#definition.codec === "bytes") {
      if (!(data instanceof Uint8Array)) {
        throw new PeerloomError("invalid-message", `channel "${this.label}" carries Uint8Array`);
      }
      return data;
    }
    const text = writeJson(data);
    return text.length > LONG_TEXT ? encoder.encode(text) : text;
  }

  #decode(from: Peer, bytes: Uint8Array): void {
    const { codec, schema } = this.#definition;
    if (codec === "bytes") {
      // A copy, unless nothing else is in the buffer behind it.
      const whole = bytes.length === bytes.buffer.byteLength;
      this.#accept({ from, data: (whole ? bytes : bytes.slice()) as T });
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(bytes));
    } catch (cause) {
      this.#refuse(from, new PeerloomError("invalid-message", "the message is not JSON", { cause }));
      return;
    }
    if (schema === undefined) {
      this.#accept({ from, data: value as T });
      return;
    }
    if (this.#validating !== undefined) {
      this.#validateLater(from, value, this.#validating);
      return;
    }
    try {
      const result = schema["~standard"].validate(value);
      if (result instanceof Promise) this.#validateLater(from, value, Promise.resolve(), result);
      else this.#judge(from, result);
    } catch (cause) {
      this.#refuseUnchecked(from, cause);
    }
  }

  /** Keeps the order while an asynchronous validator works. */
  #validateLater(
    from: Peer,
    value: unknown,
    before: Promise<void>,
    started?: Promise<StandardResult<T>>,
  ): void {
    const checking = before.then(async () => {
      try {
        const result = started ?? this.#definition.schema?.["~standard"].validate(value);
        if (result !== undefined) this.#judge(from, await result);
      } catch (cause) {
        this.#refuseUnchecked(from, cause);
      }
    });
    this.#validating = checking;
    void checking.then(() => {
      if (this.#validating === checking) this.#validating = undefined;
    });
  }

  #refuseUnchecked(from: Peer, cause: unknown): void {
    this.#refuse(
      from,
      new PeerloomError("invalid-message", "the schema could not check the message", { cause }),
    );
  }

  #judge(from: Peer, result: StandardResult<T>): void {
    if (result.issues === undefined) {
      this.#accept({ from, data: result.value });
    } else {
      const issues = result.issues.map((issue) => issue.message).join("; ");
      this.#refuse(
        from,
        new PeerloomError("invalid-message", `the message does not fit the schema: ${issues}`),
      );
    }
  }

  #accept(message: Received<T>): void {
    if (this.#kept !== undefined) {
      if (this.#kept.length >= MAX_KEPT) this.#kept.shift();
      this.#kept.push(message);
      return;
    }
    for (const iterator of this.#iterators) iterator.push(message);
    this.#listeners.emit(message);
  }

  #takeKept(): Received<T>[] {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    return kept;
  }
}

/** One `for await` over a channel. */
class MessageIterator<T> implements AsyncIterableIterator<Received<T>, void, undefined> {
  readonly #queue: Received<T>[];
  readonly #stop: () => void;
  readonly #readers: ((result: IteratorResult<Received<T>, void>) => void)[] = [];
  #ended = false;

  constructor(queue: Received<T>[], stop: () => void) {
    this.#queue = queue;
    this.#stop = stop;
  }

  push(message: Received<T>): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ done: false, value: message });
      return;
    }
    if (this.#queue.length >= MAX_KEPT) this.#queue.shift();
    this.#queue.push(message);
  }

  end(): void {
    this.#ended = true;
    this.#stop();
    for (const reader of this.#readers.splice(0)) reader({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Received<T>, void>> {
    const value = this.#queue.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<IteratorResult<Received<T>, void>> {
    this.#queue.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
