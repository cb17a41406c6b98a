// From joining to the first message, through the server or directly, on a network where every packet takes 50 ms: server, resident
// and newcomer are three hosts, so that a round trip between any two takes 100 ms.
import { fileURLToPath } from "node:url";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { buildLink, createNetwork, lackOfNetwork } from "../../internet/lib/network.mjs";
import { within } from "../../internet/lib/wait.mjs";
import { figure } from "../lib/figures.mjs";
import { createSite } from "../lib/site.mjs";

export const title = "join to first message";
export const defaultRuns = 15;

const DELAY_MS = 50;
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** The most round trips for Peerloom with everything loaded: through the server, and directly. */
const ROUND_TRIPS = { first: 3.2, never: 6.5 };
/** Long enough for a resident to have made its connections ready and to have deposited their cards. */
const SETTLE_MS = 1_500;
const TRIAL_MS = 30_000;

const relayProgram = fileURLToPath(new URL("../lib/relay.mjs", import.meta.url));

const VARIANTS = [
  { name: "Peerloom, through the server at first", relay: "first", page: "peerloom", loaded: true },
  { name: "Peerloom, directly", relay: "never", page: "peerloom", loaded: true },
  { name: "Peerloom, directly, WebAssembly not loaded yet", relay: "never", page: "peerloom", loaded: false },
  { name: "RTCPeerConnection by hand", relay: "never", page: "raw", loaded: true },
];

export const prepare = buildLink;

export async function lacks() {
  const lack = await lackOfNetwork();
  if (lack) return lack;
  return process.env.CHROMIUM_PATH ? undefined : "there is no Chromium";
}

/** One newcomer, with fresh pages at both hosts. */
async function trial({ resident, newcomer, browsers, variant, origin, relayPort, room, quiet }) {
  const url = `${origin}/bench/${variant.page}.html#${relayPort}`;
  const [there, here] = await Promise.all([
    resident.do("open", { browser: browsers[0], url }),
    newcomer.do("open", { browser: browsers[1], url }),
  ]);
  const how = `${JSON.stringify(room)}, ${JSON.stringify(variant.relay)}`;
  const at = (host, page, expression) => host.do("evaluate", { page, expression });
  try {
    await at(resident, there, `contender.prepare().then(() => contender.stay(${how}))`);
    if (variant.loaded) await at(newcomer, here, "contender.prepare()");
    await quiet.wait(SETTLE_MS);
    const arrival = at(newcomer, here, `contender.arrive(${how})`);
    return await within(TRIAL_MS, arrival, "the first message");
  } finally {
    await Promise.all([resident.do("close", { page: there }), newcomer.do("close", { page: here })]);
  }
}

function tellUncaught(host, { type, message, line }) {
  if (type === "uncaught" || type === "log") console.error(`${host}: ${message ?? line}`);
}

export async function run({ runs, say, quiet, log, urgent }) {
  const site = await createSite([...new Set(VARIANTS.map(({ page }) => page))]);
  const options = { delayMs: DELAY_MS, log, urgent, onEvent: tellUncaught };
  const network = await createNetwork(["server", "resident", "newcomer"], options).catch((error) => {
    site.remove();
    throw error;
  });
  const { server, resident, newcomer } = network.hosts;
  try {
    const args = ["--host", server.address, "--port", "0", "--log-level", "warn", "--www", site.folder];
    const { port } = await server.do("serve", { program: serverBinary, args });
    const relaying = { program: process.execPath, args: [relayProgram, server.address] };
    const { port: relayPort } = await server.do("serve", relaying);
    const origin = `http://${server.address}:${port}`;
    const paths = { chromium: process.env.CHROMIUM_PATH, firefox: process.env.FIREFOX_PATH };
    const figures = [];
    // One kind of browser after the other: an idle browser beside would take its share of a small machine.
    for (const [browser, executablePath] of Object.entries(paths)) {
      if (!executablePath) continue;
      const launch = (host) => host.do("launch", { browser, executablePath });
      const browsers = await Promise.all([launch(resident), launch(newcomer)]);
      const cells = VARIANTS.map((variant) => ({ variant, arrivals: [], failures: 0 }));
      for (let round = 0; round <= runs; round++) {
        for (const cell of cells) {
          const { variant } = cell;
          const room = `bench ${browser} ${variant.name} ${round}`;
          const setting = { resident, newcomer, browsers, variant, origin, relayPort, room, quiet };
          const arrival = await trial(setting).catch((error) => {
            say(`${browser}, ${variant.name}: ${error.message}`);
            return undefined;
          });
          // The first round warms up what a browser makes once.
          if (round === 0) continue;
          const expected = variant.relay === "first" ? ["relay", "direct"] : ["direct"];
          if (expected.includes(arrival?.path)) cell.arrivals.push(arrival);
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
  const measure = `join to first message, ${browser}`;
  if (arrivals.length === 0) return [];
  const message = arrivals.map(({ messageMs }) => messageMs);
  const joined = figure({ values: arrivals.map(({ joinedMs }) => joinedMs) });
  const trips = figure({
    measure,
    variant: variant.name,
    unit: "RTT",
    values: message.map((ms) => ms / ROUND_TRIP_MS),
    digits: 2,
    most: variant.page === "peerloom" && variant.loaded ? ROUND_TRIPS[variant.relay] : undefined,
  });
  trips.also = `${figure({ values: message }).median.toFixed(0)} ms, let in after ${joined.median.toFixed(0)} ms`;
  if (failures > 0) trips.also += `, ${failures} FAILED`;
  return [trips];
}
