// Pages that are far from each other: server, resident and newcomer are three hosts, and every packet between two of them
// takes its time.
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { createNetwork } from "../../internet/lib/network.mjs";
import { within } from "../../internet/lib/wait.mjs";
import { present, SERVICES } from "./contenders.mjs";
import { createSite } from "./site.mjs";

function tellUncaught(host, { type, message, line }) {
  if (type === "uncaught" || type === "log") console.error(`${host}: ${message ?? line}`);
}

export class Distance {
  #site;
  #network;
  #ports = {};
  #origin;
  #nextRoom = 1;

  /** Prepares for these contenders; those not installed are left out. `delayMs` is what a packet takes one way. */
  static async open(contenders, { delayMs, log, urgent, rivals }) {
    const far = new Distance();
    far.contenders = present(contenders, { rivals });
    far.#site = await createSite([...new Set(far.contenders.map(({ script }) => script))]);
    try {
      far.#network = await createNetwork(["server", "resident", "newcomer"], {
        delayMs,
        log,
        urgent,
        onEvent: tellUncaught,
      });
      const { server } = far.#network.hosts;
      const args = [
        "--host",
        server.address,
        "--port",
        "0",
        "--log-level",
        "warn",
        "--stun",
        "off",
        "--www",
        far.#site.folder,
      ];
      const { port } = await server.do("serve", { program: serverBinary, args });
      far.#origin = `http://${server.address}:${port}`;
      for (const name of new Set(far.contenders.flatMap(({ services }) => services))) {
        const service = { program: process.execPath, args: [SERVICES[name], server.address] };
        far.#ports[name] = (await server.do("serve", service)).port;
      }
    } catch (error) {
      await far.close();
      throw error;
    }
    return far;
  }

  /** Changes the network; see `tests/internet/link/src/main.rs`. */
  link(command) {
    return this.#network.link.tell(command);
  }

  /** Starts a browser at both ends; `trial` opens pages in them. */
  async launch(kind, executablePath) {
    const { resident, newcomer } = this.#network.hosts;
    // Some rivals need what only pages served over https may do.
    const launch = (host) => host.do("launch", { browser: kind, executablePath, trust: this.#origin });
    const browsers = await Promise.all([launch(resident), launch(newcomer)]);
    return { browsers, hosts: [resident, newcomer] };
  }

  /** Opens a fresh page of a contender at both ends, in a room of their own; `work` is done with them. */
  async withPages({ browsers, hosts }, contender, kind, timeoutMs, work) {
    const { page, services, settings = {}, relay = "never" } = contender;
    const ports = Object.fromEntries(services.map((name) => [name, this.#ports[name]]));
    const url = `${this.#origin}/${page}.html?${new URLSearchParams({ ...ports, ...settings })}`;
    const open = async (host, at) => {
      const number = await host.do("open", { browser: browsers[at], url });
      return {
        run: (work, ...given) =>
          host.do("evaluate", { page: number, expression: `(${work})(...${JSON.stringify(given)})` }),
        close: () => host.do("close", { page: number }),
      };
    };
    const pages = await Promise.all(hosts.map(open));
    const room = `bench ${this.#nextRoom++}`;
    const entry = (index) => ({ room, index, kind, relay });
    try {
      return await within(timeoutMs, work(pages, entry), `a trial of ${contender.name}`);
    } finally {
      await Promise.all(pages.map((page) => page.close()));
    }
  }

  async close() {
    await this.#network?.close();
    this.#site.remove();
  }
}
