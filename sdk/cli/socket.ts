// A WebSocket (RFC 6455), as the Node this runs in may have none, or one that names no origin.
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [TEXT, BINARY, CLOSE, PING] = [1, 2, 8, 9];
/** A server's message is shorter, but for welcomes to very large rooms. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The server answered with something else than a WebSocket. */
export class NotOpened extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`status ${status}`);
  }
}

/** Who is at the other end of a TLS connection. */
export interface Certificate {
  readonly protocol: string;
  readonly validTo: Date;
  readonly issuer: string;
}

export class WebSocketClient {
  #buffer = Buffer.alloc(0);
  #messages: Buffer[] = [];
  #waiting: ((message: Buffer | undefined) => void) | undefined;
  /** Set once the other end has closed, with its code if it gave one. */
  closed: { readonly code: number | undefined } | undefined;

  private constructor(
    readonly stream: Duplex,
    first: Buffer,
  ) {
    stream.on("data", (bytes: Buffer) => this.#heard(bytes));
    stream.on("close", () => this.#end(undefined));
    stream.on("error", () => this.#end(undefined));
    if (first.length > 0) this.#heard(first);
  }

  /**
   * @throws NotOpened, or the error of the connection
   */
  static open(
    url: URL,
    { origin, protocol, timeoutMs }: { origin: string; protocol: string; timeoutMs: number },
  ) {
    return new Promise<WebSocketClient>((opened, failed) => {
      const key = randomBytes(16).toString("base64");
      const secure = url.protocol === "https:";
      const asked = (secure ? httpsRequest : httpRequest)(url, {
        headers: {
          Connection: "Upgrade",
          Upgrade: "websocket",
          Origin: origin,
          "Sec-WebSocket-Key": key,
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Protocol": protocol,
        },
        timeout: timeoutMs,
      });
      asked.on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      asked.on("error", failed);
      asked.on(
        "response",
        (response) =>
          void bodyOf(response).then((body) => failed(new NotOpened(response.statusCode ?? 0, body))),
      );
      asked.on("upgrade", (response, stream, first) => {
        const expected = createHash("sha1")
          .update(key + KEY_SUFFIX)
          .digest("base64");
        if (response.headers["sec-websocket-accept"] !== expected) {
          stream.destroy();
          return failed(new Error("the answer is not that of a WebSocket"));
        }
        opened(new WebSocketClient(stream, first));
      });
      asked.end();
    });
  }

  send(message: Buffer): void {
    this.#write(BINARY, message);
  }

  close(): void {
    this.#write(CLOSE, Buffer.from([0x03, 0xe8]));
    this.stream.destroy();
  }

  /** The next message; undefined when there is none any more, or none in time. */
  next(timeoutMs: number): Promise<Buffer | undefined> {
    const message = this.#messages.shift();
    if (message !== undefined || this.closed !== undefined) return Promise.resolve(message);
    return new Promise((heard) => {
      const timer = setTimeout(() => this.#waiting?.(undefined), timeoutMs);
      this.#waiting = (message) => {
        clearTimeout(timer);
        this.#waiting = undefined;
        heard(message);
      };
    });
  }

  #write(opcode: number, payload: Buffer): void {
    const mask = randomBytes(4);
    const { length } = payload;
    const head =
      length < 126
        ? Buffer.from([0x80 | opcode, 0x80 | length])
        : Buffer.from([0x80 | opcode, 0xfe, length >> 8, length & 0xff]);
    const masked = payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0));
    this.stream.write(Buffer.concat([head, mask, masked]));
  }

  #heard(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      const [opcode, payload] = frame;
      if (opcode === BINARY || opcode === TEXT) {
        if (this.#waiting !== undefined) this.#waiting(payload);
        else this.#messages.push(payload);
      }
      if (opcode === PING) this.#write(PING + 1, payload);
      if (opcode === CLOSE) this.#end(payload.length < 2 ? undefined : payload.readUInt16BE(0));
    }
    if (this.#buffer.length > MAX_BYTES) this.stream.destroy();
  }

  /** The next whole frame. Servers do not mask; this one does not fragment. */
  #frame(): [number, Buffer] | undefined {
    const buffer = this.#buffer;
    if (buffer.length < 2) return undefined;
    const short = (buffer[1] ?? 0) & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (buffer.length < start) return undefined;
    const length =
      short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
    if (buffer.length < start + length) return undefined;
    this.#buffer = buffer.subarray(start + length);
    return [(buffer[0] ?? 0) & 0x0f, buffer.subarray(start, start + length)];
  }

  #end(code: number | undefined): void {
    this.closed ??= { code };
    this.#waiting?.(undefined);
  }
}

/** What came with an answer, as far as it is of use to people. */
export async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const bytes of response) {
      text += bytes;
      if (text.length > 4096) break;
    }
  } catch {
    // It was cut off; what came is told.
  }
  return text.slice(0, 4096).trim();
}

/** Of a TLS connection. */
export function certificateOf(socket: unknown): Certificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol() ?? "TLS",
    validTo: new Date(certificate.valid_to),
    issuer: String(certificate.issuer?.O ?? certificate.issuer?.CN ?? "an unnamed authority"),
  };
}
