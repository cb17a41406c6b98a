// Runs cells one after the other in one small internet, whose browsers stay: each cell has pages, profiles and routers of its own.
import { rmSync } from "node:fs";
import { findBrowsers } from "../../../scripts/lib/browsers.mjs";
import { addressesOf, namesOf, temporaryFolder } from "../lib/network.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { within } from "../lib/wait.mjs";
import { World } from "../lib/world.mjs";
import { causes, natOf } from "./causes.mjs";
import { clear, enter, HOSTS, hostFor, NETWORKS, share, WEATHERS } from "./kinds.mjs";

/** For the best path to be found. */
const PATH_MS = 20_000;
const SLOW_PATH_MS = 60_000;
/** How long messages go on over it. */
const TALK_MS = 1_000;
/** How long a path that must not be there is waited for. */
const NO_PATH_MS = 5_000;
const CELL_MS = 180_000;
const BULK_MS = 500;

/**
 * What Linux does not do by itself, and other systems do: find out that long packets vanish. Servers that people behind such lines
 * shall reach need it as well.
 */
const FIND_BLACK_HOLES = `
import { writeFileSync } from "node:fs";
writeFileSync("/proc/sys/net/ipv4/tcp_mtu_probing", "1");
`;

/** What is missing on this machine for cells with these browsers, one line each. */
export const lackOfParts = (kinds) =>
  findBrowsers(...new Set(kinds), "coturn", "tinyproxy", "openssl", "certutil");

export class Grid {
  #settings;
  #world;
  #folder;
  #turn;
  #proxyPort;
  #browsers = new Map();
  #rooms = 0;

  /** `turn` is which TURN server, one of `TURN_SERVERS`. */
  constructor({ turn, seed } = {}) {
    this.#settings = { turn, seed };
  }

  async #open() {
    const { turn, seed } = this.#settings;
    const world = await World.create({ hosts: HOSTS, kinds: [], seed, tls: true });
    this.#world = world;
    this.#folder = temporaryFolder("proxy");
    this.#turn = await world.startTurn("turn", { kind: turn });
    this.#proxyPort = await startProxy(world.hosts.proxy, this.#folder);
    await Promise.all(Object.values(world.hosts).map((host) => host.do("node", { code: FIND_BLACK_HOLES })));
    return world;
  }

  /** Everything is gone; another cell makes it anew. */
  async close() {
    await this.#world?.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#world = undefined;
    this.#browsers.clear();
  }

  /**
   * Tries one cell. Gives its `path`, how long after joining the first message came (`firstMs`) and the best path was there at
   * both ends (`bestMs`, not for the relay), `failures`, and the `timeline` of it.
   */
  async run(cell) {
    const began = performance.now();
    const world = this.#world ?? (await this.#open());
    world.beginAnew();
    world.room = `cell-${this.#rooms++}`;
    const outcome = {};
    let broken = false;
    try {
      await within(CELL_MS, this.#try(world, cell, outcome), "the cell");
    } catch (error) {
      broken = true;
      world.check(false, String(error?.stack ?? error));
    }
    const { failures, timeline } = world;
    // What went on there may go on.
    if (broken) await this.close();
    const tookMs = performance.now() - began;
    return { name: cell.name, ...outcome, failures, timeline: timeline.lines(), tookMs };
  }

  async #try(world, cell, outcome) {
    const sides = this.#sides(cell);
    for (const command of clear()) await world.link(command, { silent: true });
    for (const command of this.#commands(cell, sides)) await world.link(command);
    const [a, b] = await Promise.all(sides.map((side) => this.#page(side)));
    const { commands, slow = false } = WEATHERS[cell.weather];
    for (const command of commands(sides.map(({ host }) => host))) await world.link(command);

    const iceServersOf = ({ forms }) => this.#turn.iceServers({ ...transportOf(cell), forms });
    const [forA, forB] = sides.map(iceServersOf);
    await a.join({ options: { iceServers: forA } });
    const since = world.note(`${b.name} joins`);
    await b.join({ options: { iceServers: forB } });
    const limitMs = slow ? SLOW_PATH_MS : PATH_MS;
    const ends = [
      [a, b],
      [b, a],
    ];
    await Promise.all(ends.map(([page, other]) => page.sees(other, "connected", { limitMs })));
    const firsts = ends.map(([page, other]) =>
      page.event({ type: "first message", peer: other.id }, { since, limitMs }),
    );
    outcome.firstMs = Math.max(...(await Promise.all(firsts)).map(({ at }) => at)) - since;

    // Whether no better path comes than there can be is only seen by waiting.
    if (cell.expected === "relay") await world.sleep(NO_PATH_MS);
    await this.#comeTo(world, ends, cell.expected, limitMs);
    await world.sleep(TALK_MS);
    if (cell.weather.startsWith("hole")) await this.#sendLongOnes(world, ends);
    // On a busy machine messages may have gone by the relay for a moment.
    const found = await this.#comeTo(world, ends, cell.expected, world.failures.length > 0 ? 0 : limitMs);
    outcome.path = together(found);
    if (cell.expected === "relay") {
      for (const [page, other] of ends) {
        const strange = pathsTold(world, page, other).find(({ path }) => path !== "relay");
        world.check(strange === undefined, `${page.name} had the path ${strange?.path}`);
      }
      outcome.causes = await this.#causes(world, cell, ends);
    } else {
      const came = ends.map((end, index) => sinceWhen(world, ...end, found[index].said));
      outcome.bestMs = Math.max(...came) - since;
    }
    await world.settle([a, b]);
    await Promise.all([a.close(), b.close()]);
  }

  /** Each end: its host, by which form of addresses it finds others, and its browser's kind and proxy. */
  #sides({ left, right, shared, kinds }) {
    const { hosts } = this.#world;
    return [left, right].map(({ network, filter }, index) => {
      const place = ["left", "right"][index];
      const { families = ["v4"], nat64 = false } = NETWORKS[network];
      const forms = nat64 ? ["nat64"] : families;
      const proxy = families.includes("v4") ? hosts.proxy.address : hosts.proxy.addressV6;
      const host = shared ? { left: "a", right: "b" }[place] : hostFor(network, place);
      return { host, place, network, filter, forms, proxy, proxied: filter === "proxy", kind: kinds[index] };
    });
  }

  #commands({ shared }, sides) {
    if (shared) {
      const [hosts, filters] = [sides.map(({ host }) => host), sides.map(({ filter }) => filter)];
      return share(hosts, shared, filters, sides[0].proxy);
    }
    return sides.flatMap(({ host, place, network, filter, proxy }) =>
      enter(host, place, network, filter, proxy),
    );
  }

  async #page({ host, kind, forms, proxied }) {
    const key = [host, kind, proxied].join();
    if (!this.#browsers.has(key)) {
      const own = addressesOf(this.#world.hosts.proxy);
      const proxy = proxied ? { host: own[forms.at(-1)], port: this.#proxyPort } : undefined;
      this.#browsers.set(key, this.#world.launch(host, kind, { proxy }));
    }
    const browser = await this.#browsers.get(key);
    const server = namesOf(this.#world.hosts.server)[forms.at(-1)];
    return this.#world.open(host, { browser, origin: `https://${server}` });
  }

  /** Waits for both ends to have a path, by what they say and by what the browser says. Gives what there is in the end. */
  async #comeTo(world, ends, wanted, limitMs) {
    let found = [];
    const there = async () => {
      found = await Promise.all(ends.map(([page, other]) => pathOf(page, other)));
      // One that took a TURN address for another, see below, may go on saying "direct" when the browser knows better.
      const word = wanted === "turn" ? "some" : "every";
      return together(found) === wanted && found[word](({ said }) => said === wanted);
    };
    try {
      await world.until(`the path ${wanted}`, there, limitMs);
    } catch {
      // Told once.
      if (world.failures.length > 0) return found;
      for (const [index, [{ name }]] of ends.entries()) {
        const { said, path, candidates } = found[index];
        const told = `${name} says ${said}, and it is ${path} (candidates: ${candidates || "none"})`;
        world.check(false, `${told}; ${wanted} is what there must be`);
        const [page, other] = ends[index];
        for (const pair of await page.run((page, peer) => page.pairs(peer), other.id))
          world.note(`${name}: ${pair}`);
      }
    }
    return found;
  }

  /** What each end finds to be the reason for there being only the relay: it must be what it is. */
  async #causes(world, cell, ends) {
    const sides = [cell.left, cell.right];
    return Promise.all(
      causes(cell).map(async (cause, index) => {
        const [page, other] = ends[index];
        let report;
        const isSure = async () => {
          report = await page.run((page, peer) => page.diagnose(peer), other.id);
          return report.finding !== "connecting";
        };
        await world.until(`what ${page.name} finds`, isSure, SLOW_PATH_MS);
        const { finding, nat } = report;
        // Coturn does not answer at two ports by itself, so one kind of translator looks like any.
        const expected = this.#tellsNat || cause !== "symmetric-nat-no-turn" ? cause : "nat-no-turn";
        world.check(finding === expected, `${page.name} finds ${finding}; ${expected} is the cause`);
        if (finding !== expected) world.note(`${page.name}: ${JSON.stringify(report)}`);
        const router = natOf(sides[index]);
        if (this.#tellsNat && router !== undefined)
          world.check(nat === router, `${page.name} is behind a ${router} router, and takes it for ${nat}`);
        return finding;
      }),
    );
  }

  get #tellsNat() {
    return this.#settings.turn === "peerloom";
  }

  /** Messages that are longer than any packet, both ways. */
  async #sendLongOnes(world, ends) {
    const sent = await Promise.all(
      ends.map(([page, other]) =>
        page.run((conversation, bulk) => conversation.sendBulk(bulk), { peer: other.id, ms: BULK_MS }),
      ),
    );
    const arrived = async () => {
      const came = await Promise.all(ends.map(([, other]) => other.run((page) => page.bulkBytes())));
      return came.every((bytes, index) => bytes === sent[index]);
    };
    await world.until("long messages", arrived, SLOW_PATH_MS);
  }
}

const transportOf = ({ turn }) => (turn === "none" ? {} : { transport: turn });

/**
 * The path between two ends, from what each knows. An end that hears of the other one's address at the TURN server by a check, before
 * it is told that it is one, takes it for any address (`prflx`).
 */
function together(found) {
  const paths = new Set(found.map(({ path }) => path));
  if (paths.has("turn") && paths.has("direct")) {
    const unknowing = found.filter(({ path }) => path === "direct");
    if (unknowing.every(({ candidates }) => candidates.endsWith("prflx"))) paths.delete("direct");
  }
  return [...paths].join(" / ");
}

/** The path to a peer as a page says it, and as the connection's candidates show it. */
async function pathOf(page, other) {
  const [paths, candidates] = await page.run(
    async (page, peer) => [page.paths(), await page.candidates(peer)],
    other.id,
  );
  const said = paths[other.id];
  const isDirect = said === "direct" || said === "turn";
  return { said, candidates, path: isDirect ? (candidates.includes("relay") ? "turn" : "direct") : said };
}

/** The paths that a page told of, in the order of time. */
function pathsTold(world, page, other) {
  const events = ["peer", "path"].flatMap((type) =>
    world.timeline.events(page.name, { type, peer: other.id }),
  );
  const told = events.filter(
    ({ path, state }) => path !== undefined && path !== "connecting" && state !== "left",
  );
  return told.sort((one, two) => one.at - two.at);
}

/** When the path that is there now came: others than the relay have not been there since. */
function sinceWhen(world, page, other, path) {
  const told = pathsTold(world, page, other);
  const last = told.findLastIndex((one) => one.path !== path && one.path !== "relay");
  return told.slice(last + 1).find((one) => one.path === path)?.at ?? Number.NaN;
}
