// Stands between pages and the server, and breaks everything off behind a certain message.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server as Listener, type Socket } from "node:net";

/** Finds where WebSocket messages end in what one side sends: first its HTTP message, then frames. */
class MessageEnds {
  #kept = Buffer.alloc(0);
  #upgraded = false;

  /** Gives for each message that is whole now how many bytes of `chunk` reach to its end. */
  take(chunk: Buffer): number[] {
    const before = this.#kept.length;
    const bytes = Buffer.concat([this.#kept, chunk]);
    const ends: number[] = [];
    let at = 0;
    for (let next = this.#next(bytes, at); next !== undefined; next = this.#next(bytes, at)) {
      at = next.end;
      if (next.isMessage) ends.push(at - before);
    }
    this.#kept = bytes.subarray(at);
    return ends;
  }

  #next(bytes: Buffer, at: number): { end: number; isMessage: boolean } | undefined {
    if (!this.#upgraded) {
      const end = bytes.indexOf("\r\n\r\n", at);
      if (end < 0) return undefined;
      this.#upgraded = true;
      // A join rides in the request, and the answer is the server's first word.
      return { end: end + 4, isMessage: true };
    }
    if (bytes.length < at + 2) return undefined;
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const head = at + 2 + lengthBytes;
    if (bytes.length < head) return undefined;
    const length =
      lengthBytes === 0 ? short : bytes.readUIntBE(head - Math.min(lengthBytes, 6), Math.min(lengthBytes, 6));
    const end = head + (second & 0x80 ? 4 : 0) + length;
    if (bytes.length < end) return undefined;
    // Pings, pongs and closes are none.
    return { end, isMessage: (first & 0x88) === 0x80 };
  }
}

/** A proxy in front of a server. Pages come from its address. Dispose of it to close it. */
export class CuttingProxy implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  readonly url: string;
  #left = Number.POSITIVE_INFINITY;
  #isCut = false;
  #onCut: (last: string) => void = () => {};

  private constructor(listener: Listener, port: number) {
    this.#listener = listener;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(server: string): Promise<CuttingProxy> {
    const { hostname, port } = new URL(server);
    const listener = createServer();
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const proxy = new CuttingProxy(listener, (listener.address() as AddressInfo).port);
    listener.on("connection", (client) => proxy.#join(client, connect(Number(port), hostname)));
    return proxy;
  }

  /**
   * Breaks all connections off behind the `count`th message from now on, in either direction of any WebSocket, and takes
   * no new ones until {@link mend}. Resolves then, with a word on that message; or when mended before.
   */
  cutAfter(count: number): Promise<string> {
    this.#left = count;
    return new Promise((cut) => {
      this.#onCut = cut;
    });
  }

  /** Lets everything through again. */
  mend(): void {
    this.#isCut = false;
    this.#left = Number.POSITIVE_INFINITY;
    this.#onCut("which did not come");
  }

  #join(client: Socket, server: Socket): void {
    const ends = [client, server];
    const close = () => {
      for (const socket of ends) {
        socket.destroy();
        this.#sockets.delete(socket);
      }
    };
    for (const socket of ends) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", close);
      socket.on("close", close);
    }
    if (this.#isCut) {
      close();
      return;
    }
    let isWebSocket = false;
    const fromClient = new MessageEnds();
    const fromServer = new MessageEnds();
    client.on("data", (chunk) => {
      isWebSocket ||= /^GET \S*\/ws[ ?]/.test(chunk.toString("latin1", 0, 200));
      this.#pass(chunk, server, isWebSocket ? fromClient : undefined, "to the server");
    });
    server.on("data", (chunk) =>
      this.#pass(chunk, client, isWebSocket ? fromServer : undefined, "from the server"),
    );
  }

  #pass(chunk: Buffer, to: Socket, messages: MessageEnds | undefined, way: string): void {
    if (this.#isCut) return;
    for (const end of messages?.take(chunk) ?? []) {
      this.#left -= 1;
      if (this.#left > 0) continue;
      this.#isCut = true;
      to.write(chunk.subarray(0, end), () => this.#breakOff());
      this.#onCut(way);
      return;
    }
    to.write(chunk);
  }

  #breakOff(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#breakOff();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}
