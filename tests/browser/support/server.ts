// The real signaling server, as a process that can be killed and started again where it was.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export const program =
  process.env.PEERLOOM_SERVER ??
  fileURLToPath(new URL("../../../target/release/peerloom-signaling", import.meta.url));

export interface ServerOptions {
  /** The folder to serve; without one the server serves the demo it holds. */
  www?: string;
  /** More flags. */
  flags?: string[];
}

/** A running server. Dispose of it to stop it. */
export class Server implements AsyncDisposable {
  #process: ChildProcessByStdio<null, Readable, null> | undefined;
  #port = 0;
  readonly #flags: string[];

  private constructor({ www, flags = [] }: ServerOptions) {
    this.#flags = ["--log-level", "warn", ...(www === undefined ? [] : ["--www", www]), ...flags];
  }

  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = new Server(options);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it (again), on the port it had before. */
  async start(): Promise<void> {
    const flags = ["--host", "127.0.0.1", "--port", String(this.#port), ...this.#flags];
    // Many servers run at the same time, and STUN has one port. A flag wins over this.
    const env = { ...process.env, PEERLOOM_STUN: "off" };
    const started = spawn(program, flags, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.#process = started;
    this.#port = await new Promise<number>((listening, failed) => {
      started.on("error", failed);
      started.on("close", (code) => failed(new Error(`the signaling server ended with code ${code}`)));
      createInterface(started.stdout).on("line", (line) => {
        const port = /listening on http:\S+:(\d+)$/.exec(line)?.[1];
        if (port !== undefined) listening(Number(port));
      });
    });
  }

  /** Kills it, as a crash would: it closes nothing and tells nobody. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "close");
    running.kill(signal);
    await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
