// Stands between pages and the server as a server that lies: it may change all that pages are told.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server as Listener, type Socket } from "node:net";

/** What a page is told instead of a message of the server; the same array, changed or not, as a rule. */
export type Lie = (message: Buffer, teller: Teller) => Buffer[];

/** The way to one page. */
export interface Teller {
  /** Tells the page something that the server did not say. */
  tell(message: Buffer): void;
}

/** A WebSocket message as a server sends it (RFC 6455 §5.2). */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), payload]);
}

/** A proxy in front of a server. Pages come from its address. Dispose of it to close it. */
export class LyingProxy implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  readonly url: string;
  /** From now on. */
  lie: Lie = (message) => [message];
  /** Hears what pages say to the server, unmasked, and their requests. */
  overhear: (bytes: Buffer) => void = () => {};

  private constructor(listener: Listener, port: number) {
    this.#listener = listener;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(server: string): Promise<LyingProxy> {
    const { hostname, port } = new URL(server);
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const proxy = new LyingProxy(listener, (listener.address() as AddressInfo).port);
    listener.on("connection", (client) => proxy.#join(client, connect(Number(port), hostname)));
    return proxy;
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      const close = () => {
        client.destroy();
        server.destroy();
        this.#sockets.delete(socket);
      };
      socket.on("error", close);
      socket.on("close", close);
    }
    let isWebSocket = false;
    const said = { kept: Buffer.alloc(0), upgraded: false };
    client.on("data", (chunk) => {
      isWebSocket ||= /^GET \S*\/ws[ ?]/.test(chunk.toString("latin1", 0, 200));
      if (isWebSocket) this.#listen(said, chunk);
      server.write(chunk);
    });
    const teller = { tell: (message: Buffer) => void client.write(frame(2, message)) };
    let kept = Buffer.alloc(0);
    let upgraded = false;
    server.on("data", (chunk) => {
      if (!isWebSocket) {
        client.write(chunk);
        return;
      }
      kept = Buffer.concat([kept, chunk]);
      if (!upgraded) {
        const end = kept.indexOf("\r\n\r\n") + 4;
        if (end < 4) return;
        client.write(kept.subarray(0, end));
        kept = kept.subarray(end);
        upgraded = true;
      }
      for (let next = read(kept); next !== undefined; next = read(kept)) {
        kept = kept.subarray(next.end);
        if (next.opcode === 2) for (const told of this.lie(next.payload, teller)) teller.tell(told);
        else client.write(frame(next.opcode, next.payload));
      }
    });
  }

  #listen(said: { kept: Buffer; upgraded: boolean }, chunk: Buffer): void {
    said.kept = Buffer.concat([said.kept, chunk]);
    if (!said.upgraded) {
      const end = said.kept.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      this.overhear(said.kept.subarray(0, end));
      said.kept = said.kept.subarray(end);
      said.upgraded = true;
    }
    for (let next = read(said.kept); next !== undefined; next = read(said.kept)) {
      said.kept = said.kept.subarray(next.end);
      this.overhear(next.payload);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}

/** The first message that is whole. Nobody here sends any in parts; pages mask theirs (RFC 6455 §5.3). */
function read(bytes: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
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
