// As much of the wire (docs/wire.md) as it takes to be let into a room and to hear what the server says then.
import { randomBytes } from "node:crypto";
import type { IceServer } from "./stun.js";

const VERSION = 1;
const [JOIN, WELCOME, REFUSED, ICE_SERVERS] = [0, 0, 4, 9];

/** By their numbers. */
const REFUSALS = [
  "bad-message",
  "unexpected-message",
  "bad-room",
  "room-full",
  "server-full",
  "rate-limited",
  "join-timeout",
  "peer-gone",
  "replaced",
  "slow-consumer",
  "going-away",
  "version-mismatch",
  "message-too-long",
  "unauthorized",
  "kicked",
  "forbidden",
  "admission-unavailable",
];

function varint(value: number): Buffer {
  const bytes = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

const long = (bytes: Uint8Array) => Buffer.concat([varint(bytes.length), bytes]);

/** A join of somebody whom nobody knows, and who says nothing of itself. */
export function join(room: string, token: string | undefined): Buffer {
  const key = randomBytes(32);
  const secret = randomBytes(32);
  const admission =
    token === undefined ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), long(Buffer.from(token))]);
  const record = Buffer.concat([
    Buffer.from([JOIN]),
    long(Buffer.from(room)),
    long(Buffer.from([VERSION])),
    key,
    secret,
    Buffer.from([0, 0]),
    admission,
  ]);
  return Buffer.concat([Buffer.from([VERSION]), long(record)]);
}

/** What a server says to a newcomer. */
export interface Told {
  welcome: boolean;
  refused?: { readonly code: string; readonly detail: string };
  iceServers?: readonly IceServer[];
}

class Reader {
  #at = 0;
  constructor(readonly bytes: Buffer) {}

  get isDone(): boolean {
    return this.#at >= this.bytes.length;
  }

  varint(): number {
    for (let value = 0, factor = 1; factor < 2 ** 35; factor *= 128) {
      const byte = this.bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new Error("the server's message cannot be read");
  }

  long(): Buffer {
    const length = this.varint();
    const bytes = this.bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new Error("the server's message cannot be read");
    this.#at += length;
    return bytes;
  }

  text = () => this.long().toString("utf8");
}

/** Reads a message of the server into what is known. */
export function read(message: Buffer, told: Told): void {
  if (message[0] !== VERSION) throw new Error(`the server speaks version ${message[0]} of the protocol`);
  const records = new Reader(message.subarray(1));
  while (!records.isDone) {
    const record = new Reader(records.long());
    switch (record.varint()) {
      case WELCOME:
        told.welcome = true;
        break;
      case REFUSED:
        told.refused = { code: REFUSALS[record.varint()] ?? "unknown", detail: record.text() };
        break;
      case ICE_SERVERS: {
        record.varint();
        const count = record.varint();
        if (count > 16) throw new Error("the server's message cannot be read");
        told.iceServers = Array.from({ length: count }, () => ({
          url: record.text(),
          username: record.text(),
          credential: record.text(),
        }));
      }
    }
  }
}
