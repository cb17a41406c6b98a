// The signaling server as a process at its host: it can be killed, stopped, told to end, and started where it was.
import { serverBinary } from "../../../scripts/lib/paths.mjs";

const PORT = 8080;

export class Server {
  #world;
  #host;
  #args;
  #process;

  constructor(world, host, { www, logLevel = "warn" }) {
    this.#world = world;
    this.#host = host;
    this.#args = [
      "--host",
      host.address,
      "--port",
      String(PORT),
      "--log-level",
      logLevel,
      "--www",
      www,
      "--stun",
      "off",
    ];
  }

  get origin() {
    return `http://${this.#host.address}:${PORT}`;
  }

  async start() {
    const { process } = await this.#host.do("serve", { program: serverBinary, args: this.#args });
    this.#process = process;
    return this.#world.note("the server listens");
  }

  /** Gives when it was told to; it has ended by then. */
  async #end(signal, what) {
    const at = this.#world.note(what);
    await this.#host.do("signal", { process: this.#process, signal, ended: true });
    return at;
  }

  kill = () => this.#end("SIGKILL", "the server is killed");
  /** Lets it say that it goes. */
  terminate = () => this.#end("SIGTERM", "the server is told to end");

  async freeze() {
    await this.#host.do("signal", { process: this.#process, signal: "SIGSTOP" });
    return this.#world.note("the server is stopped");
  }

  async thaw() {
    await this.#host.do("signal", { process: this.#process, signal: "SIGCONT" });
    return this.#world.note("the server goes on");
  }
}
