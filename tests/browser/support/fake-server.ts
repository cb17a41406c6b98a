// A signaling server that says what a test wants.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server as Listener } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { writeFrame } from "./websocket.ts";
import { idOfJoin } from "./wire.ts";

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What it says to the page that has this id. */
export type Says = (id: string) => (readonly number[])[];

/** Says the same to everyone who comes, and reads nothing but who that is. Dispose of it to stop it. */
export class FakeServer implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #sockets = new Set<Duplex>();
  readonly url: string;

  private constructor(listener: Listener) {
    this.#listener = listener;
    this.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  }

  /** Sends these frames, then closes with the code if there is one. Without frames it refuses the upgrade. */
  static async start(says: Says | undefined, closeCode?: number): Promise<FakeServer> {
    // As the real one answers what is no WebSocket: pages ask so whether a server is there.
    const listener = createServer((_, response) => response.writeHead(426).end());
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const server = new FakeServer(listener);
    listener.on("upgrade", ({ headers }, socket) => {
      server.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("data", () => {});
      if (says === undefined) return void socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
      const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
      const lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${accept}`,
        "Sec-WebSocket-Protocol: peerloom.v1",
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      const offered = headers["sec-websocket-protocol"]?.split(", ") ?? [];
      const id = idOfJoin(offered.find((protocol) => protocol.startsWith("join.")) ?? "");
      for (const frame of says(id)) socket.write(writeFrame(2, Buffer.from(frame)));
      if (closeCode !== undefined) socket.write(writeFrame(8, Buffer.of(closeCode >> 8, closeCode & 255)));
    });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    this.#listener.closeAllConnections();
    await once(this.#listener, "close");
  }
}
