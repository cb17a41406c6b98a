// What a scenario works with: hosts, a link between them, a server, browsers and pages, and an account of it all.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createAuthority } from "./authority.mjs";
import { createNetwork, namesOf, temporaryFolder } from "./network.mjs";
import { Browser, Page } from "./page.mjs";
import { Server } from "./server.mjs";
import { createSite } from "./site.mjs";
import { Timeline } from "./timeline.mjs";
import { startTurn } from "./turn.mjs";
import { sleep, until } from "./wait.mjs";

/** Machines are shared: a time may be so many times what is promised before a scenario fails. */
const HEADROOM = 3;
/**
 * The last messages are waited for as long as more of them come. A line that loses much may carry less than the pages have
 * sent (SCTP halves its window at each loss), and being slow is not being lost.
 */
const STILL_MS = 20_000;
const SETTLE_MS = 180_000;
const RELIABLE = ["log", "any"];

export class World {
  timeline = new Timeline();
  /** One line for each figure. */
  measures = [];
  /** One line for each thing that is not as it must be. */
  failures = [];
  pages = [];
  room = "scenario";
  #names = new Map();
  #pageOf = new Map();
  #heard = new Set();
  #network;
  #site;
  /** Where every packet is noted, if they are. */
  #packets;
  /** Whose certificates the browsers believe, if servers have any. */
  #authority;

  constructor(kinds) {
    /** Which browser each page gets, in the order they are opened, unless the scenario says so. */
    this.kinds = kinds;
  }

  /**
   * Makes hosts `server` and those named (as `createNetwork` has them), and starts the server. With `packets`, every packet is noted.
   * With `tls`, the server is also found by https, at addresses of both families, and so is what `startTurn` starts.
   */
  static async create({ hosts, kinds, seed, serverLog, withServer = true, packets = false, tls = false }) {
    const world = new World(kinds);
    const onEvent = (host, event) => world.#happened(host, event);
    if (packets) world.#packets = temporaryFolder("packets");
    const log = packets ? join(world.#packets, "log") : undefined;
    const server = tls ? { name: "server", families: ["v4", "v6"] } : "server";
    world.#network = await createNetwork([server, ...hosts], { seed, log, onEvent });
    try {
      world.seed = world.#network.seed;
      if (!withServer) return world;
      world.#site = await createSite();
      const options = { www: world.#site.folder, logLevel: serverLog };
      if (tls) {
        const names = Object.values(world.hosts).flatMap((host) => Object.values(namesOf(host)));
        world.#authority = await createAuthority(temporaryFolder("authority"), names);
        options.certificate = world.#authority;
        options.names = Object.values(namesOf(world.hosts.server));
      }
      world.server = new Server(world, world.#network.hosts.server, options);
      await world.server.start();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  async close() {
    await this.#network.close();
    this.#site?.remove();
    for (const folder of [this.#packets, this.#authority?.folder])
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }

  get hosts() {
    return this.#network.hosts;
  }

  /** Notes what the scenario does; gives the time. */
  note(text) {
    return this.timeline.note("scenario", text);
  }

  /** Whose id it is, for people. */
  named(id, name) {
    this.#names.set(id, name);
  }

  /** Gives the link a command; gives the time. What is not worth a line is `silent`. */
  async link(command, { silent = false } = {}) {
    await this.#network.link.tell(command);
    return silent ? Date.now() : this.note(`link: ${command}`);
  }

  linkStats = () => this.#network.link.tell("stats");

  /**
   * Packets that were delivered to a host, since then: `{ at, from, to }`. Who is behind a router has the router's address as
   * `from`, and its own as `to`.
   */
  packets(since = 0) {
    const lines = readFileSync(join(this.#packets, "log"), "utf8").split("\n");
    const packets = lines
      .map((line) => line.split(" "))
      .map(([, at, from, to]) => ({ at: Number(at), from, to }));
    return packets.filter(({ at, to }) => to !== undefined && at >= since);
  }

  /** Starts a STUN and TURN server at a host; gives it as `iceServers`, or what `options` say of it (see `turn.mjs`). */
  async startTurn(name, options) {
    const turn = await startTurn(this.hosts[name], { ...options, certificate: this.#authority });
    this.note(`a TURN server listens at ${name}`);
    return options === undefined ? turn.iceServers({ transport: "udp" }) : turn;
  }

  /** Begins an account of its own: what happened before is forgotten, and pages of before are none of it. */
  beginAnew() {
    this.timeline = new Timeline();
    this.measures = [];
    this.failures = [];
    this.pages = [];
    this.#heard.clear();
  }

  async moveHost(name) {
    const address = await this.#network.moveHost(name);
    return this.note(`host ${name} has the address ${address} now`);
  }

  /** Takes a host off the network for a while; gives when it is back. */
  async cutOff(host, ms) {
    await this.link(`down ${host}`);
    await sleep(ms);
    return this.link(`up ${host}`);
  }

  sleep = sleep;
  until = until;

  async launch(host, kind, { hideable = false, proxy } = {}) {
    const executablePath = { chromium: process.env.CHROMIUM_PATH, firefox: process.env.FIREFOX_PATH }[kind];
    const screenProgram = process.env.XVFB_PATH;
    const authorities = this.#authority?.trusted;
    const trust = this.server.origin;
    const options = { browser: kind, executablePath, trust, hideable, screenProgram, authorities, proxy };
    const number = await this.#network.hosts[host].do("launch", options);
    return new Browser(this, this.#network.hosts[host], number, kind);
  }

  /** Opens a page, called as its host, in a browser of its own or in a given one. */
  async open(
    host,
    {
      kind = this.kinds[this.pages.length] ?? "chromium",
      name = host,
      hideable = false,
      browser: given,
      origin = this.server.origin,
    } = {},
  ) {
    const slot = this.pages.push(undefined) - 1;
    const browser = given ?? (await this.launch(host, kind, { hideable }));
    const url = `${origin}/test/conversation.html`;
    const number = await this.#network.hosts[host].do("open", { browser: browser.number, url });
    const page = new Page(this, browser, number, name);
    this.pages[slot] = page;
    this.#pageOf.set(`${host} ${number}`, page);
    await until(`the page ${name}`, () => page.run(() => "conversation" in globalThis), 20_000);
    await page.run((conversation) => conversation.load());
    this.note(`page ${name} is open in ${kind}`);
    return page;
  }

  /** Pages at hosts a and b, joined one after the other and connected. `hideable` is for b's browser. */
  async pair(options = {}, { hideable = false } = {}) {
    const [a, b] = await Promise.all([this.open("a"), this.open("b", { hideable })]);
    await a.join(options);
    await b.join(options);
    await Promise.all([a.sees(b, "connected"), b.sees(a, "connected")]);
    await Promise.all([a.hears(b, 0), b.hears(a, 0)]);
    return { a, b };
  }

  #happened(host, { page: number, process, at, type, ...more }) {
    if (process !== undefined) {
      const text = type === "log" ? more.line : `ended (${more.code ?? more.signal})`;
      this.timeline.note("server", text, { at });
      return;
    }
    // The console of a page that comes back as it was left is told once more.
    const told = JSON.stringify([host, number, at, type, more]);
    if (this.#heard.has(told)) return;
    this.#heard.add(told);
    const page = this.#pageOf.get(`${host} ${number}`);
    const peer = more.peer && (this.#names.get(more.peer) ?? more.peer);
    const fields = Object.entries({ ...more, peer }).filter(([, value]) => value !== undefined);
    const text = [type, ...fields.map(([key, value]) => `${key}=${value}`)].join(" ");
    this.timeline.note(page?.name ?? host, text, { at, event: { type, ...more } });
    if (type === "uncaught") this.failures.push(`${page?.name ?? host}: uncaught error: ${more.message}`);
  }

  /** Notes that something is not as it must be; the scenario goes on. */
  check(holds, text) {
    if (holds) return;
    this.failures.push(text);
    this.note(`NOT SO: ${text}`);
  }

  /** Enters a time. It fails the scenario only far above what is promised. */
  measure(what, ms, { promisedMs, headroom = HEADROOM } = {}) {
    const promise = promisedMs === undefined ? "" : ` (promised ${promisedMs} ms)`;
    this.measures.push(`${what}: ${Math.round(ms)} ms${promise}`);
    if (promisedMs !== undefined) {
      const limitMs = promisedMs * headroom;
      this.check(ms <= limitMs, `${what} took ${Math.round(ms)} ms, promised are ${promisedMs}`);
    }
    return ms;
  }

  /** The pages must not have heard of each other's connections since then. */
  checkNobodyNoticed(since) {
    for (const page of this.pages) {
      for (const other of this.pages) {
        const states = page === other ? [] : page.statesOf(other, since);
        this.check(states.length === 0, `${page.name} saw ${other.name} ${states.join(", ")}`);
      }
    }
  }

  /**
   * Ends the talking, waits for the last messages, enters the figures, and checks that on the reliable channels nothing
   * was lost without the sender being told that it is undelivered, nothing came twice, and what is ordered came in order.
   */
  async settle(pages = this.pages) {
    await Promise.all(pages.map((page) => page.stop()));
    this.note("nobody sends any more");
    const reports = () => Promise.all(pages.map((page) => page.report()));
    const complete = (all) =>
      everyPair(all).every(({ sent, received, undelivered }) =>
        [...RELIABLE, "latest"].every((label) => {
          const summary = received[label];
          const all = sent[label] ?? 0;
          if (label === "latest") return (summary?.last ?? 0) === all;
          return (summary?.received ?? 0) + (undelivered[label] ?? 0) >= all;
        }),
      );
    const arrived = (all) =>
      everyPair(all).reduce(
        (sum, { received }) => sum + Object.values(received).reduce((come, { received: n }) => come + n, 0),
        0,
      );
    const began = Date.now();
    let [all, lastCame] = [await reports(), began];
    while (!complete(all) && Date.now() < Math.min(lastCame + STILL_MS, began + SETTLE_MS)) {
      await sleep(100);
      const before = arrived(all);
      all = await reports();
      if (arrived(all) > before) lastCame = Date.now();
    }
    for (const pair of everyPair(all)) this.#account(pair);
  }

  #account({ from, to, sent, received, undelivered }) {
    const way = `${this.#names.get(from)} to ${this.#names.get(to)}`;
    for (const [label, count] of Object.entries(sent)) {
      const summary = received[label];
      const {
        received: came = 0,
        duplicated = 0,
        outOfOrder = 0,
        longestGapMs = 0,
        slowestMs = 0,
      } = summary ?? {};
      const told = undelivered[label] ?? 0;
      this.measures.push(
        `${way}, ${label}: sent ${count}, ${told > 0 ? `told undelivered ${told}, ` : ""}lost ${count - came}, duplicated ${duplicated}, out of order ${outOfOrder}, ` +
          `longest gap ${longestGapMs} ms, slowest ${slowestMs} ms`,
      );
      const wrong = (what) => this.check(false, `${way}, ${label}: ${what}`);
      const lost = count - came;
      if (RELIABLE.includes(label) && (lost > told || lost < 0)) wrong(`${lost} of ${count} lost`);
      if (duplicated > 0) wrong(`${duplicated} came twice`);
      if (label === "log" && outOfOrder > 0) wrong(`${outOfOrder} out of order`);
      if (label === "latest" && outOfOrder > 0) wrong(`${outOfOrder} older than one before`);
      if (label === "latest" && (summary?.last ?? 0) !== count) wrong("the newest did not come");
    }
  }
}

/** Each page's messages to each other page: by label what was sent, and what came. */
function everyPair(reports) {
  return reports.flatMap((from) =>
    reports
      .filter((to) => to !== from)
      .map((to) => ({
        from: from.id,
        to: to.id,
        sent: from.sent[to.id] ?? {},
        received: to.received[from.id] ?? {},
        undelivered: from.undelivered[to.id] ?? {},
      })),
  );
}
