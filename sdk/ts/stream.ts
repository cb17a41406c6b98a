import { type ErrorCode, PeerloomError, remoteError } from "./errors.js";
import type { Peer } from "./peer.js";
import type { NativeRoom } from "./wasm/peerloom.js";

/**
 * A stream of bytes to and from one peer. Both directions are open from the start, and the stream is over when both are:
 * whoever only writes cancels `readable`, whoever only reads closes `writable`.
 */
export interface PeerStream {
  readonly peer: Peer;
  /** What it was opened as; any number of streams may have the same name. */
  readonly name: string;
  /** Errors with `stream-aborted` when the peer aborts its writer, with `peer-gone` when it leaves. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * A write is done once there is room for the next: await it or `writer.ready`, and the reader's pace is kept. Closing is
   * done at once; the end follows what was written. Errors with `stream-cancelled` when the peer cancels its reader, with `peer-gone` when it leaves.
   */
  readonly writable: WritableStream<Uint8Array>;
}

function ended(code: ErrorCode, reason: unknown): PeerloomError {
  return remoteError(code, reason as string, `the other end gave up the stream: ${reason}`);
}

/**
 * Both directions of one stream, as the core tells of them. Bytes wait here until they are read.
 * @internal
 */
export class StreamState {
  readonly stream: PeerStream;
  #native: () => NativeRoom | undefined;
  readonly #id: number;
  readonly #unread: Uint8Array[] = [];
  #ended = false;
  #reader!: ReadableStreamDefaultController<Uint8Array>;
  #writer!: WritableStreamDefaultController;
  /** A reader that waits for bytes, a writer that waits for room. */
  #pulled: (() => void) | undefined;
  #written: (() => void) | undefined;

  constructor(peer: Peer, id: number, name: string, native: () => NativeRoom | undefined) {
    this.#native = native;
    this.#id = id;
    // Nothing is queued in the stream itself: what a reader has not asked for is not consumed.
    const readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => {
          this.#unread.length = 0;
          this.#end("cancel", reason);
        },
      },
      { highWaterMark: 0 },
    );
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#writer = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#end("finish"),
      abort: (reason) => this.#end("abort", reason),
    });
    this.stream = { peer, name, readable, writable };
  }

  /** Nobody wants it. */
  refuse(reason: string): void {
    this.#end("abort", reason);
    this.#end("cancel", reason);
  }

  event(kind: string, detail: unknown): void {
    switch (kind) {
      case "data":
        // The view is of a buffer with other bytes too.
        this.#unread.push((detail as Uint8Array).slice());
        this.#wakeReader();
        break;
      case "ended":
        this.#ended = true;
        if (this.#unread.length === 0) this.#close();
        break;
      case "aborted":
        this.#unread.length = 0;
        this.#reader.error(ended("stream-aborted", detail));
        this.#wakeReader();
        break;
      case "cancelled":
        this.#writer.error(ended("stream-cancelled", detail));
        this.#wakeWriter();
        break;
      case "writable":
        this.#wakeWriter();
        break;
      case "closed":
        // With another session, its number may come to be another stream's.
        this.#native = () => undefined;
    }
  }

  #end(how: string, reason?: unknown): void {
    const text = reason instanceof Error ? reason.message : String(reason ?? "");
    this.#native()?.exchange(how, this.stream.peer.id, this.#id, text, undefined);
  }

  #close(): void {
    this.#reader.close();
    this.#wakeReader();
  }

  #wakeReader(): void {
    this.#pulled?.();
    this.#pulled = undefined;
  }

  #wakeWriter(): void {
    this.#written?.();
    this.#written = undefined;
  }

  async #pull(): Promise<void> {
    if (this.#unread.length === 0) await new Promise<void>((resolve) => (this.#pulled = resolve));
    const chunk = this.#unread.shift();
    if (chunk === undefined) return;
    this.#reader.enqueue(chunk);
    this.#native()?.exchange("consumed", this.stream.peer.id, this.#id, chunk.length, undefined);
    if (this.#ended && this.#unread.length === 0) this.#close();
  }

  #write(chunk: Uint8Array): Promise<void> | undefined {
    try {
      if (!(chunk instanceof Uint8Array)) {
        throw new PeerloomError("invalid-message", "streams carry Uint8Array");
      }
      const native = this.#native();
      if (native === undefined) throw new PeerloomError("stream-closed", "the stream is over");
      if (native.exchange("write", this.stream.peer.id, this.#id, chunk, undefined)) return undefined;
    } catch (thrown) {
      const error = PeerloomError.from(thrown);
      this.#end("abort", error);
      throw error;
    }
    return new Promise((resolve) => (this.#written = resolve));
  }
}
