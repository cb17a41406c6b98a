// From joining to the first message that came directly, on a network where every packet takes 50 ms: server, resident
// and newcomer are three hosts, so that a round trip between any two takes 100 ms.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { cargo } from "../../../scripts/lib/products.mjs";
import { figure } from "../lib/figures.mjs";
import { createNetwork, lackOfNetwork } from "../lib/network.mjs";
import { createSite } from "../lib/site.mjs";

export const title = "join to first direct message";
export const defaultRuns = 15;

const DELAY_MS = 50;
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** The most round trips for Peerloom with everything loaded. */
const ROUND_TRIPS = 6.5;
/** Long enough for a resident to have made its connections ready and to have deposited their cards. */
const SETTLE_MS = 1_500;
const TRIAL_MS = 30_000;

const linkProgram = join(dirname(serverBinary), "bench-link");

const VARIANTS = [
  { name: "Peerloom", page: "peerloom", loaded: true, most: ROUND_TRIPS },
  { name: "Peerloom, WebAssembly not loaded yet", page: "peerloom", loaded: false },
  { name: "RTCPeerConnection by hand", page: "raw", loaded: true },
];

export async function prepare() {
  await cargo("build", "--release", "--package", "bench-link");
}

export async function lacks() {
  const lack = await lackOfNetwork();
  if (lack) return lack;
  if (!existsSync(linkProgram)) return `${linkProgram} is not built`;
  return process.env.CHROMIUM_PATH ? undefined : "there is no Chromium";
}

function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One newcomer, with fresh pages at both hosts. */
async function trial({ resident, newcomer, browser, variant, origin, relayPort, room, quiet }) {
  const url = `${origin}/bench/${variant.page}.html#${relayPort}`;
  const [there, here] = await Promise.all([
    resident.do("open", { browser, url }),
    newcomer.do("open", { browser, url }),
  ]);
  const at = (host, page, expression) => host.do("evaluate", { page, expression });
  try {
    const name = JSON.stringify(room);
    await at(resident, there, `contender.prepare().then(() => contender.stay(${name}))`);
    if (variant.loaded) await at(newcomer, here, "contender.prepare()");
    await quiet.wait(SETTLE_MS);
    const arrival = at(newcomer, here, `contender.arrive(${name})`);
    return await within(TRIAL_MS, arrival, "the first message");
  } finally {
    await Promise.all([resident.do("close", { page: there }), newcomer.do("close", { page: here })]);
  }
}

export async function run({ runs, say, quiet, log, urgent }) {
  const site = await createSite([...new Set(VARIANTS.map(({ page }) => page))]);
  const options = { linkProgram, delayMs: DELAY_MS, log, urgent };
  const network = await createNetwork(["server", "resident", "newcomer"], options).catch((error) => {
    site.remove();
    throw error;
  });
  const { server, resident, newcomer } = network.hosts;
  try {
    const args = ["--host", server.address, "--port", "0", "--log-level", "warn", "--www", site.folder];
    const port = await server.do("serve", { program: serverBinary, args });
    const relayPort = await server.do("relay", { host: server.address });
    const origin = `http://${server.address}:${port}`;
    const paths = { chromium: process.env.CHROMIUM_PATH, firefox: process.env.FIREFOX_PATH };
    const figures = [];
    // One kind of browser after the other: an idle browser beside would take its share of a small machine.
    for (const [browser, executablePath] of Object.entries(paths)) {
      if (!executablePath) continue;
      await Promise.all([resident, newcomer].map((host) => host.do("launch", { browser, executablePath })));
      const cells = VARIANTS.map((variant) => ({ variant, arrivals: [], failures: 0 }));
      for (let round = 0; round <= runs; round++) {
        for (const cell of cells) {
          const { variant } = cell;
          const room = `bench ${browser} ${variant.name} ${round}`;
          const setting = { resident, newcomer, browser, variant, origin, relayPort, room, quiet };
          const arrival = await trial(setting).catch((error) => {
            say(`${browser}, ${variant.name}: ${error.message}`);
            return undefined;
          });
          // The first round warms up what a browser makes once.
          if (round === 0) continue;
          if (arrival?.path === "direct") cell.arrivals.push(arrival);
          else cell.failures += 1;
        }
        if (round > 0) say(`${browser}: round ${round} of ${runs}`);
      }
      figures.push(...cells.flatMap((cell) => figuresOf(browser, cell)));
    }
    return figures;
  } finally {
    await network.close();
    site.remove();
  }
}

function figuresOf(browser, { variant, arrivals, failures }) {
  const measure = `join to first direct message, ${browser}`;
  if (arrivals.length === 0) return [];
  const message = arrivals.map(({ messageMs }) => messageMs);
  const joined = figure({ values: arrivals.map(({ joinedMs }) => joinedMs) });
  const trips = figure({
    measure,
    variant: variant.name,
    unit: "RTT",
    values: message.map((ms) => ms / ROUND_TRIP_MS),
    digits: 2,
    most: variant.most,
  });
  trips.also = `${figure({ values: message }).median.toFixed(0)} ms, let in after ${joined.median.toFixed(0)} ms`;
  if (failures > 0) trips.also += `, ${failures} FAILED`;
  return [trips];
}
