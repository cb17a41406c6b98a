// The two servers a page needs: one for its files, and the real signaling server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A server at `url` that stops when disposed of. */
export interface Running extends AsyncDisposable {
  readonly url: string;
}

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves the files of a folder, each with the given headers. */
export async function serveFiles(folder: string, headers: Record<string, string> = {}): Promise<Running> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const name = normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    try {
      const body = await readFile(join(folder, name));
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, ...headers }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** The signaling server. */
export const program =
  process.env.PEERLOOM_SERVER ??
  fileURLToPath(new URL("../../target/release/peerloom-signaling", import.meta.url));

/** Starts the signaling server on a free port, with these flags; without any, pages from any origin may join. */
export async function startSignaling(...more: string[]): Promise<Running> {
  const flags = ["--host", "127.0.0.1", "--port", "0", ...(more.length > 0 ? more : ["--allow-origin", "*"])];
  const server = spawn(program, flags, {
    env: { ...process.env, PEERLOOM_LOG_LEVEL: "warn", PEERLOOM_STUN: "off" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "close");
  const url = await new Promise<string>((listening, failed) => {
    server.on("error", failed);
    server.on("close", (code) => failed(new Error(`the signaling server ended with code ${code}`)));
    createInterface(server.stdout).on("line", (line) => {
      const found = /listening on (http:\S+)/.exec(line)?.[1];
      if (found !== undefined) listening(found);
    });
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.kill("SIGTERM");
      await ended;
    },
  };
}
