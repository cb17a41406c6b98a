// One connection to the server, without any library that would keep it from being wrong.
import { connect } from "node:net";
import { frame, upgrade } from "./frames.mjs";

export class Client {
  /** Of the answer to the first request, once it is there. */
  status;
  /** With which the server closed the WebSocket, if it said one. */
  closeCode;
  /** Whether this side ended it. */
  ended = false;
  #socket;
  #kept = Buffer.alloc(0);
  #closed;
  /** Takes whole messages of the server. */
  onMessage = () => {};

  constructor(port) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk) => this.#take(chunk));
    this.#socket.on("end", () => this.#socket.destroy());
    this.#closed = new Promise((done) => this.#socket.once("close", done));
  }

  get isOpen() {
    return !this.#socket.destroyed;
  }

  write(bytes) {
    if (this.isOpen) this.#socket.write(bytes);
  }

  /** Sends a message in one frame. */
  say(bytes) {
    this.write(frame(2, bytes));
  }

  /** Opens a WebSocket; gives whether the server took it. */
  async open(port, options) {
    this.write(upgrade(port, options));
    while (this.status === undefined && this.isOpen) await Promise.race([this.#closed, sleep(5)]);
    return this.status === 101;
  }

  /** Resolves when the connection is over, and at the latest in so many milliseconds: then this side ends it. */
  async over(mostMs) {
    await Promise.race([this.#closed, sleep(mostMs)]);
    this.end();
    await this.#closed;
  }

  end() {
    if (!this.isOpen) return;
    this.ended = true;
    this.#socket.destroy();
  }

  #take(chunk) {
    this.#kept = Buffer.concat([this.#kept, chunk]);
    if (this.status === undefined) {
      const end = this.#kept.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      this.status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.#kept.toString("latin1", 0, 15))?.[1] ?? 0);
      this.#kept = this.#kept.subarray(end);
    }
    // What follows another answer than 101 is for people.
    if (this.status !== 101) this.#kept = Buffer.alloc(0);
    for (let one = readFrame(this.#kept); one !== undefined; one = readFrame(this.#kept)) {
      this.#kept = this.#kept.subarray(one.end);
      if (one.opcode === 2) this.onMessage(one.payload);
      if (one.opcode === 8) this.closeCode = one.payload.length < 2 ? 1005 : one.payload.readUInt16BE();
      if (one.opcode === 9) this.write(frame(10, one.payload));
    }
  }
}

/** The first frame of a server, when it is whole. */
function readFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 127;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const end = start + length;
  return bytes.length < end ? undefined : { opcode: bytes[0] & 15, payload: bytes.subarray(start, end), end };
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
