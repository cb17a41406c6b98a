// Hosts on one machine: network namespaces joined by `test-link`, which does to their packets what networks do.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { cargo } from "../../../scripts/lib/products.mjs";
import { attempt, Failure, run } from "../../../scripts/lib/run.mjs";

const HOST_PROGRAM = fileURLToPath(new URL("./host.mjs", import.meta.url));
const LINK_PROGRAM = join(dirname(serverBinary), "test-link");
const PREFIX = "pln";
const SUBNET = "10.77.0";
const SUBNET_V6 = "2001:db8:77:";
/** Temporary folders of a run, with its process. */
const FOLDER = /^peerloom-net-(\d+)-/;
/** Addresses that hosts move to. */
const FIRST_SPARE = 101;

/** Networks of this process so far: several may be there at a time. */
let networks = 0;

/** Builds the link. */
export const buildLink = () => cargo("build", "--release", "--package", "test-link");

/** Why there can be no such network here, in one line; undefined when there can. */
export async function lackOfNetwork() {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid() !== 0) return "network namespaces and TUN devices need root";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  const { status } = await attempt("ip", ["netns", "list"], { show: "never" });
  return status === 0 ? undefined : "the program `ip` (iproute2) is missing";
}

/** Ends whatever runs inside, stopped or not, and deletes the namespace. */
function remove(namespace) {
  const { stdout } = spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" });
  for (const pid of stdout?.split("\n").filter(Boolean) ?? []) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  spawnSync("ip", ["netns", "delete", namespace], { stdio: "ignore" });
}

/** Deletes what a run left that was killed. */
function sweep() {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" });
  for (const [, name, pid] of stdout.matchAll(new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, "gm"))) {
    if (!existsSync(`/proc/${pid}`)) remove(name);
  }
  for (const name of readdirSync(tmpdir())) {
    const pid = FOLDER.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** Makes an empty folder. If this process cannot delete it, a later one does. */
export const temporaryFolder = (what) => mkdtempSync(join(tmpdir(), `peerloom-net-${process.pid}-${what}-`));

/** A host: runs things inside its namespace. */
class Host {
  #process;
  #waiting = new Map();
  #nextId = 1;

  constructor(child, { name, namespace, device, address, addressV6, onEvent }) {
    this.#process = child;
    this.name = name;
    this.namespace = namespace;
    this.device = device;
    /** Of IPv4, if it has one. */
    this.address = address;
    this.addressV6 = addressV6;
    child.on("message", ({ id, value, error, event }) => {
      if (event !== undefined) return onEvent?.(name, event);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.done(value);
      else waiting?.failed(new Error(error));
    });
    child.on("exit", () => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`the host ${name} has ended`));
    });
  }

  /** Asks for one of the works in `host.mjs`. */
  do(name, options) {
    return new Promise((done, failed) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { done, failed });
      this.#process.send({ id, name, options }, (error) => error && failed(error));
    });
  }

  async end() {
    if (this.#process.exitCode !== null || !this.#process.connected) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}

/** How a host with only IPv6 writes an address of IPv4, where the network translates (RFC 6052). */
function throughNat64(address) {
  const [a, b, c, d] = address.split(".").map(Number);
  const group = (high, low) => (high * 256 + low).toString(16);
  return `64:ff9b::${group(a, b)}:${group(c, d)}`;
}

/**
 * What a host is called, as the others find it in their `/etc/hosts`: by those with IPv4, with IPv6, and with IPv6 alone where the
 * network translates.
 */
export function namesOf({ name, address, addressV6 }) {
  return {
    ...(address ? { v4: `${name}-v4.test`, nat64: `${name}-nat64.test` } : {}),
    ...(addressV6 ? { v6: `${name}-v6.test` } : {}),
  };
}

/** The addresses behind those names, as URLs have them. */
export function addressesOf({ address, addressV6 }) {
  return {
    ...(address ? { v4: address, nat64: `[${throughNat64(address)}]` } : {}),
    ...(addressV6 ? { v6: `[${addressV6}]` } : {}),
  };
}

/** The `/etc/hosts` of all. */
function hostsFile(all) {
  const lines = all.flatMap((host) => {
    const { v4, nat64, v6 } = namesOf(host);
    return [
      ...(v4 ? [`${host.address} ${v4}`, `${throughNat64(host.address)} ${nat64}`] : []),
      ...(v6 ? [`${host.addressV6} ${v6}`] : []),
    ];
  });
  return ["127.0.0.1 localhost", "::1 localhost", ...lines, ""].join("\n");
}

/** The process that carries the packets. */
class Link {
  #process;
  #lines;

  constructor(program, args) {
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    // Writing to a link that has ended is told by the answer that does not come.
    this.#process.stdin.on("error", () => {});
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** Waits until the devices are made; gives the seed of everything that happens by chance. */
  async ready() {
    const { value } = await this.#lines.next();
    const seed = /^ready seed=(\d+)$/.exec(value ?? "")?.[1];
    if (seed === undefined) throw new Failure("the link between the hosts could not be made");
    return Number(seed);
  }

  /** Gives a command (see `link/src/main.rs`) and what was answered to it. */
  async tell(command) {
    // Answers come in the order of the commands, and so do the reads of them.
    const answer = this.#lines.next();
    this.#process.stdin.write(`${command}\n`);
    const { value = "the link has ended" } = await answer;
    if (!value.startsWith("ok ")) throw new Error(`the link does not do "${command}": ${value}`);
    return value.slice(`ok ${command} `.length);
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}

/**
 * Makes hosts of these names, which have IPv4; those given as `{ name, families }` have what is listed of `v4` and `v6`. `delayMs` is what every packet takes; `seed` repeats what happened by chance; `log` is a
 * file to note every packet in; `urgent` runs the hosts ahead of everything else on the machine, with real-time
 * priority; `onEvent(host, event)` is told what happens in pages and processes.
 *
 * Gives `hosts` by name, `link`, `seed`, `moveHost` and `close`, which ends everything; that also happens when this
 * process exits.
 */
export async function createNetwork(wanted, { delayMs = 0, seed, log, urgent = false, onEvent } = {}) {
  if (!existsSync(LINK_PROGRAM)) throw new Failure(`${LINK_PROGRAM} is not built`);
  sweep();
  const number = networks++;
  const namespaceOf = (name) => `${PREFIX}-${process.pid}-${number}-${name}`;
  // 15 characters at most.
  const deviceOf = (index) => `${PREFIX}${process.pid}.${number % 100}.${index}`;
  const described = wanted.map((one) => (typeof one === "string" ? { name: one, families: ["v4"] } : one));
  const names = described.map(({ name }) => name);
  const familiesOf = (index) => ({
    v4: described[index].families.includes("v4") ? `${SUBNET}.${index + 1}` : undefined,
    v6: described[index].families.includes("v6") ? `${SUBNET_V6}:${(index + 1).toString(16)}` : undefined,
  });
  const ends = names.map((name, index) => {
    const addresses = Object.values(familiesOf(index)).filter(Boolean);
    return `${name}=${deviceOf(index)}@${addresses.join(",")}`;
  });
  const seeding = seed === undefined ? [] : ["--seed", String(seed)];
  const logging = log === undefined ? [] : ["--log", log];
  // The delay must be right whatever else the machine does.
  const ahead = (await attempt("chrt", ["--rr", "2", "true"], { show: "never" })).status === 0;
  const linkCommand = [LINK_PROGRAM, "--delay-ms", String(delayMs), ...seeding, ...logging, ...ends];
  const [program, ...args] = ahead ? ["chrt", "--rr", "2", ...linkCommand] : linkCommand;
  const link = new Link(program, args);
  const profiles = temporaryFolder("profiles");
  const addressed = names.map((name, index) => ({
    name,
    address: familiesOf(index).v4,
    addressV6: familiesOf(index).v6,
  }));
  writeFileSync(join(profiles, "hosts"), hostsFile(addressed));
  // There is no name server, and nobody shall wait for one: this one refuses at once.
  writeFileSync(join(profiles, "resolv.conf"), "nameserver 127.0.0.1\n");
  const hosts = {};

  const clean = () => {
    link.kill();
    for (const name of names) remove(namespaceOf(name));
    rmSync(profiles, { recursive: true, force: true, maxRetries: 3 });
  };
  process.on("exit", clean);
  const close = async () => {
    await Promise.all(Object.values(hosts).map((host) => host.end()));
    clean();
    process.off("exit", clean);
  };

  let nextSpare = FIRST_SPARE;
  /** Gives a host another address, as when a laptop changes its network. Connections from the old one are dead. */
  const moveHost = async (name) => {
    const host = hosts[name];
    const address = `${SUBNET}.${nextSpare++}`;
    const inside = ["-n", host.namespace];
    await link.tell(`address ${name} ${address}`);
    await run("ip", [...inside, "address", "delete", `${host.address}/24`, "dev", host.device]);
    await run("ip", [...inside, "address", "add", `${address}/24`, "dev", host.device]);
    await run("ip", [...inside, "route", "replace", "default", "dev", host.device]);
    host.address = address;
    return address;
  };

  const createHost = async (name, index) => {
    const [namespace, device] = [namespaceOf(name), deviceOf(index)];
    const { v4, v6 } = familiesOf(index);
    const inside = ["-n", namespace];
    await run("ip", ["netns", "add", namespace]);
    await run("ip", ["link", "set", device, "netns", namespace]);
    await run("ip", [...inside, "link", "set", "lo", "up"]);
    if (v4) await run("ip", [...inside, "address", "add", `${v4}/24`, "dev", device]);
    await run("ip", [...inside, "link", "set", device, "txqueuelen", "2000", "up"]);
    // Browsers look for addresses only where a route leads out.
    if (v4) await run("ip", [...inside, "route", "add", "default", "dev", device]);
    if (v6) {
      await run("ip", [...inside, "-6", "address", "add", `${v6}/64`, "dev", device, "nodad"]);
      await run("ip", [...inside, "-6", "route", "add", "default", "dev", device]);
    }
    const priority = urgent && ahead ? ["chrt", "--rr", "1"] : [];
    // `ip` gives what it runs mounts of its own.
    const mounts = ["hosts", "resolv.conf"].map((file) => `mount --bind "$0/${file}" /etc/${file}`);
    const knowing = ["sh", "-c", [...mounts, 'exec "$@"'].join(" && "), profiles];
    const program = [...priority, process.execPath, HOST_PROGRAM, profiles];
    const command = ["netns", "exec", namespace, ...knowing, ...program];
    const child = spawn("ip", command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    await once(child, "message");
    hosts[name] = new Host(child, { name, namespace, device, address: v4, addressV6: v6, onEvent });
  };

  try {
    const drawn = await link.ready();
    await Promise.all(names.map(createHost));
    return { hosts, link, seed: drawn, moveHost, close };
  } catch (error) {
    await close();
    throw error;
  }
}
