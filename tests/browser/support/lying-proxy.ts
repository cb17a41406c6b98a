// Stands between pages and the server as a server that lies: it may change all that pages are told.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server as Listener, type Socket } from "node:net";
import { Reader, writeFrame } from "./websocket.ts";

/** What a page is told instead of a message of the server; the same array, changed or not, as a rule. */
export type Lie = (message: Buffer, teller: Teller) => Buffer[];

/** The way to one page. */
export interface Teller {
  /** Tells the page something that the server did not say. */
  tell(message: Buffer): void;
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

  /**
   * Writes down what a server could, from now on: all that passes, in both directions. Gives what it has so far, and how many
   * joins are in it: these are base64url in a header, and are among the bytes decoded too.
   */
  record(): () => { all: Buffer; joins: number } {
    const said: Buffer[] = [];
    const lie = this.lie;
    this.lie = (message, teller) => {
      said.push(message);
      return lie(message, teller);
    };
    this.overhear = (bytes) => said.push(bytes);
    return () => {
      const joins = said.flatMap((bytes) => /join\.([\w-]+)/.exec(bytes.toString("latin1"))?.[1] ?? []);
      const all = Buffer.concat([...said, ...joins.map((text) => Buffer.from(text, "base64url"))]);
      return { all, joins: joins.length };
    };
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
    const [fromPage, fromServer] = [new Reader(), new Reader()];
    client.on("data", (chunk) => {
      isWebSocket ||= /^GET \S*\/ws[ ?]/.test(chunk.toString("latin1", 0, 200));
      if (isWebSocket) for (const { payload } of fromPage.take(chunk)) this.overhear(payload);
      server.write(chunk);
    });
    const teller = { tell: (message: Buffer) => void client.write(writeFrame(2, message)) };
    server.on("data", (chunk) => {
      if (!isWebSocket) {
        client.write(chunk);
        return;
      }
      for (const { opcode, payload } of fromServer.take(chunk)) {
        if (opcode === undefined) client.write(payload);
        else if (opcode === 2) for (const told of this.lie(payload, teller)) teller.tell(told);
        else client.write(writeFrame(opcode, payload));
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, "close");
  }
}
