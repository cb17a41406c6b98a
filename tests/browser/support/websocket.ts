// WebSocket frames (RFC 6455 §5.2), for what stands in for a server or before one.

/** A message as a server sends it: whole, and not masked. */
export function writeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), payload]);
}

/** What one side of a connection says: the head of its HTTP message, then frames. */
export class Reader {
  #kept = Buffer.alloc(0);
  #upgraded = false;

  /** What is whole now: the head, without an opcode, and frames. Nobody here sends any in parts. */
  *take(chunk: Buffer): Generator<{ opcode?: number; payload: Buffer }> {
    this.#kept = Buffer.concat([this.#kept, chunk]);
    if (!this.#upgraded) {
      const end = this.#kept.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      const payload = this.#kept.subarray(0, end);
      this.#kept = this.#kept.subarray(end);
      this.#upgraded = true;
      yield { payload };
    }
    for (let frame = readFrame(this.#kept); frame !== undefined; frame = readFrame(this.#kept)) {
      this.#kept = this.#kept.subarray(frame.end);
      yield frame;
    }
  }
}

/** The first frame, when it is whole. Those of pages are masked (§5.3). */
function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, masked = 0] = bytes;
  const isMasked = masked > 127;
  const short = masked & 127;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const head = 2 + lengthBytes;
  if (bytes.length < head) return undefined;
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const start = head + (isMasked ? 4 : 0);
  const end = start + length;
  if (bytes.length < end) return undefined;
  const payload = Buffer.from(bytes.subarray(start, end));
  if (isMasked)
    for (const [at, byte] of payload.entries()) payload[at] = byte ^ (bytes[head + (at & 3)] ?? 0);
  return { opcode: first & 15, payload, end };
}
