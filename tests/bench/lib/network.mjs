// Three hosts on one machine: network namespaces joined by `bench-link`, which delays every packet.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { attempt, Failure, run } from "../../../scripts/lib/run.mjs";

const HOST_PROGRAM = fileURLToPath(new URL("./host.mjs", import.meta.url));
const PREFIX = "plb";
const SUBNET = "10.77.0";

/** Why there can be no such network here, in one line; undefined when there can. */
export async function lackOfNetwork() {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid() !== 0) return "network namespaces and TUN devices need root";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  const { status } = await attempt("ip", ["netns", "list"], { show: "never" });
  return status === 0 ? undefined : "the program `ip` (iproute2) is missing";
}

/** Deletes what a benchmark left that was killed. */
function sweep() {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" });
  for (const [, name, pid] of stdout.matchAll(new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, "gm"))) {
    if (!existsSync(`/proc/${pid}`)) spawnSync("ip", ["netns", "delete", name]);
  }
}

/** A host: runs things inside its namespace. */
class Host {
  #process;
  #waiting = new Map();
  #nextId = 1;

  constructor(child, address) {
    this.#process = child;
    this.address = address;
    child.on("message", ({ id, value, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.done(value);
      else waiting?.failed(new Error(error));
    });
    child.on("exit", () => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`the host ${address} has ended`));
    });
  }

  /** Asks for one of the works in `host.mjs`. */
  do(name, options) {
    return new Promise((done, failed) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { done, failed });
      this.#process.send({ id, name, options });
    });
  }

  async end() {
    if (this.#process.exitCode !== null || !this.#process.connected) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}

/**
 * Makes hosts of these names. `urgent` runs them ahead of everything else on the machine, with real-time priority.
 * `close` ends everything; it also happens when this process exits.
 */
export async function createNetwork(names, { linkProgram, delayMs, log, urgent = false }) {
  sweep();
  const namespaceOf = (name) => `${PREFIX}-${process.pid}-${name}`;
  const deviceOf = (index) => `${PREFIX}${process.pid}.${index}`;
  const addressOf = (index) => `${SUBNET}.${index + 1}`;
  const links = names.map((_, index) => `${deviceOf(index)}=${addressOf(index)}`);
  const logging = log === undefined ? [] : ["--log", log];
  // The delay must be right whatever else the machine does.
  const ahead = (await attempt("chrt", ["--rr", "2", "true"], { show: "never" })).status === 0;
  const linkCommand = [linkProgram, "--delay-ms", String(delayMs), ...logging, ...links];
  const [program, ...args] = ahead ? ["chrt", "--rr", "2", ...linkCommand] : linkCommand;
  const link = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const hosts = {};

  const clean = () => {
    link.kill("SIGKILL");
    for (const name of names) spawnSync("ip", ["netns", "delete", namespaceOf(name)], { stdio: "ignore" });
  };
  process.on("exit", clean);
  const close = async () => {
    await Promise.all(Object.values(hosts).map((host) => host.end()));
    clean();
    process.off("exit", clean);
  };

  try {
    const ready = createInterface(link.stdout)[Symbol.asyncIterator]().next();
    if ((await ready).value !== "ready") throw new Failure("the link between the hosts could not be made");
    for (const [index, name] of names.entries()) {
      const [namespace, device, address] = [namespaceOf(name), deviceOf(index), addressOf(index)];
      const inside = ["-n", namespace];
      await run("ip", ["netns", "add", namespace]);
      await run("ip", ["link", "set", device, "netns", namespace]);
      await run("ip", [...inside, "link", "set", "lo", "up"]);
      await run("ip", [...inside, "address", "add", `${address}/24`, "dev", device]);
      await run("ip", [...inside, "link", "set", device, "up"]);
      // Browsers look for addresses only where a route leads out.
      await run("ip", [...inside, "route", "add", "default", "dev", device]);
      const priority = urgent && ahead ? ["chrt", "--rr", "1"] : [];
      const command = ["netns", "exec", namespace, ...priority, process.execPath, HOST_PROGRAM];
      const child = spawn("ip", command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      await once(child, "message");
      hosts[name] = new Host(child, address);
    }
    return { hosts, close };
  } catch (error) {
    await close();
    throw error;
  }
}
