import { PeerloomError } from "./errors.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Up to here a text is quicker to go through here than to have encoded or decoded. */
const SHORT_TEXT = 24;
/** Up to this many bits the operators for 32-bit numbers do. */
const INT_MAX = 0x7fff_ffff;
/** Larger buffers are not kept for the next message. */
const MAX_KEPT_BYTES = 64 * 1024;

/**
 * Writes fields as postcard does.
 * @internal
 */
export class Writer {
  /** What is being written, for errors. */
  field = "the message";
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  start(): void {
    this.field = "the message";
    this.#at = 0;
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#use(new Uint8Array(1024));
  }

  /** What was written since the start, until the next. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #grow(least: number): void {
    const grown = new Uint8Array(Math.max(least, Math.min(2 * this.#bytes.length, least + MAX_KEPT_BYTES)));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#use(grown);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** Makes room for so many bytes more. */
  #reserve(count: number): void {
    if (this.#at + count > this.#bytes.length) this.#grow(this.#at + count);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest > INT_MAX; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128;
    for (; rest > 127; rest >>>= 7) this.#bytes[this.#at++] = (rest & 127) | 128;
    this.#bytes[this.#at++] = rest;
  }

  float(size: 4 | 8, value: number): void {
    this.#reserve(size);
    if (size === 4) this.#view.setFloat32(this.#at, value, true);
    else this.#view.setFloat64(this.#at, value, true);
    this.#at += size;
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(value: string): void {
    if (value.length > SHORT_TEXT || !this.#ascii(value)) this.bytes(encoder.encode(value));
  }

  /** Writes a short text, if it has nothing but ASCII. */
  #ascii(value: string): boolean {
    this.#reserve(1 + value.length);
    const start = this.#at;
    this.#bytes[this.#at++] = value.length;
    for (let at = 0; at < value.length; at += 1) {
      const code = value.charCodeAt(at);
      if (code > 127) {
        this.#at = start;
        return false;
      }
      this.#bytes[this.#at++] = code;
    }
    return true;
  }
}

/**
 * Reads fields as postcard writes them. Everything is checked: the bytes come from another page.
 * @internal
 */
export class Reader {
  /** All of the buffer that the message is in, which is mostly that of the message before. */
  #bytes: Uint8Array = new Uint8Array();
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  #end = 0;

  start(message: Uint8Array): void {
    if (message.buffer !== this.#bytes.buffer) this.#use(message.buffer);
    this.#at = message.byteOffset;
    this.#end = message.byteOffset + message.length;
  }

  /** @throws PeerloomError when not all of the message was read. */
  end(): void {
    if (this.#at !== this.#end) throw torn();
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#use(new ArrayBuffer());
  }

  #use(buffer: ArrayBufferLike): void {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  /** Goes on by so many bytes; gives where they begin. */
  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw torn();
    this.#at = at + count;
    return at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  flag(): boolean {
    const byte = this.byte();
    if (byte > 1) throw torn();
    return byte === 1;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(): number {
    let byte = this.byte();
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let unit = 128; byte > 127; unit *= 128) {
      byte = this.byte();
      value += (byte & 127) * unit;
      // Seven bits more would be past 2^53, or are noughts that no writer adds.
      if (value > Number.MAX_SAFE_INTEGER || (unit >= 2 ** 49 && byte > 127)) throw torn();
    }
    return value;
  }

  /** The number of things behind it, each of which takes at least a byte. */
  count(): number {
    const count = this.varint();
    if (count > this.#end - this.#at) throw torn();
    return count;
  }

  float(size: 4 | 8): number {
    const at = this.#take(size);
    return size === 4 ? this.#view.getFloat32(at, true) : this.#view.getFloat64(at, true);
  }

  /** A view, until the next message is read. */
  bytes(): Uint8Array {
    const length = this.varint();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.varint();
    const at = this.#take(length);
    if (length <= SHORT_TEXT) {
      let text = "";
      let all = 0;
      for (let next = at; next < at + length; next += 1) {
        const code = this.#bytes[next] as number;
        all |= code;
        text += String.fromCharCode(code);
      }
      if (all < 128) return text;
    }
    try {
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw torn();
    }
  }
}

function torn(): PeerloomError {
  return new PeerloomError("invalid-message", "the message is not of the shape declared here");
}
