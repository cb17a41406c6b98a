// The signaling server as a process at its host: it can be killed, stopped, told to end, and started where it was.
import { fileURLToPath } from "node:url";
import { serverBinary } from "../../../scripts/lib/paths.mjs";

const PORT = 8080;
const TLS_PROGRAM = fileURLToPath(new URL("./tls-front.mjs", import.meta.url));
/** That of https, which is all that some networks let through. */
const TLS_PORT = 443;

export class Server {
  #world;
  #host;
  #args;
  #process;
  #certificate;

  /** With a certificate, it is also found by https under these `names`. */
  constructor(world, host, { www, logLevel = "warn", certificate, names = [] }) {
    this.#world = world;
    this.#host = host;
    this.#certificate = certificate;
    const origins = names.flatMap((name) => ["--allow-origin", `https://${name}`]);
    const listen = ["--host", host.address, "--port", String(PORT)];
    this.#args = [...listen, "--log-level", logLevel, "--www", www, "--stun", "off", ...origins];
  }

  get origin() {
    return `http://${this.#host.address}:${PORT}`;
  }

  async start() {
    const { process } = await this.#host.do("serve", { program: serverBinary, args: this.#args });
    this.#process = process;
    if (this.#certificate !== undefined) {
      const { certificateFile, keyFile } = this.#certificate;
      const args = [
        TLS_PROGRAM,
        certificateFile,
        keyFile,
        String(TLS_PORT),
        this.#host.address,
        String(PORT),
      ];
      await this.#host.do("serve", { program: globalThis.process.execPath, args, ready: "ready" });
      // It stays when the server is killed, as such a proxy does.
      this.#certificate = undefined;
    }
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
