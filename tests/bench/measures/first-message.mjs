// From joining to the first message, through the server or directly, on a network where every packet takes 50 ms: server,
// resident and newcomer are three hosts, so that a round trip between any two takes 100 ms.
import { buildLink, lackOfNetwork } from "../../internet/lib/network.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { PEERLOOM, prepareContenders, RAW, RIVAL_LIBRARIES } from "../lib/contenders.mjs";
import { Distance } from "../lib/distance.mjs";
import { figure } from "../lib/figures.mjs";
import { rounds, valuesOf } from "../lib/rounds.mjs";

export const title = "join to first message";
export const defaultRuns = 15;

const DELAY_MS = 50;
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** Long enough for a resident to have made its connections ready and to have deposited their cards. */
const SETTLE_MS = 1_500;
const TRIAL_MS = 30_000;

/** With the most round trips until the newcomer knows who is here, and until the first message. */
const VARIANTS = [
  {
    ...PEERLOOM,
    name: "Peerloom, through the server at first",
    relay: "first",
    joinedTrips: 2.2,
    trips: 3.2,
  },
  { ...PEERLOOM, name: "Peerloom, directly", trips: 6.3 },
  { ...PEERLOOM, name: "Peerloom, directly, WebAssembly not loaded yet", unloaded: true },
  RAW,
];

export async function prepare() {
  await prepareContenders();
  await buildLink();
}

export const lacks = async () => (await lackOfNetwork()) ?? lackOfBrowser("chromium");

/** One newcomer, with fresh pages at both hosts. */
const trial = ({ far, launched, contender, quiet, settleMs }) =>
  far.withPages(launched, contender, "objects", TRIAL_MS, async ([resident, newcomer], entry) => {
    await resident.run((entry) => bench.prepare().then(() => bench.enter(entry, { greet: true })), entry(0));
    if (!contender.unloaded) await newcomer.run(() => bench.prepare());
    await quiet.wait(settleMs);
    return newcomer.run((entry) => bench.arrive(entry), entry(1));
  });

export async function run({ runs, say, quiet, log, urgent, smoke }) {
  const far = await Distance.open([...VARIANTS, ...RIVAL_LIBRARIES], {
    delayMs: DELAY_MS,
    log,
    urgent,
    rivals: !smoke,
  });
  try {
    const paths = { chromium: process.env.CHROMIUM_PATH, firefox: smoke ? "" : process.env.FIREFOX_PATH };
    const figures = [];
    // One kind of browser after the other: an idle browser beside would take its share of a small machine.
    for (const [kind, path] of Object.entries(paths)) {
      if (!path) continue;
      const launched = await far.launch(kind, path);
      const cells = await rounds(
        { runs, say, smoke },
        far.contenders.filter(({ rival }) => kind === "chromium" || !rival),
        (contender) => trial({ far, launched, contender, quiet, settleMs: SETTLE_MS }),
        ({ messageMs }) => `${messageMs.toFixed(0)} ms`,
      );
      figures.push(...cells.flatMap((cell) => figuresOf(kind, cell)));
    }
    return figures;
  } finally {
    await far.close();
  }
}

function figuresOf(browser, cell) {
  const { name, trips, joinedTrips, failures } = cell;
  const message = valuesOf(cell, ({ messageMs }) => messageMs);
  const joined = valuesOf(cell, ({ joinedMs }) => joinedMs);
  const inTrips = (what, values, most) => {
    const trips = values.map((ms) => ms / ROUND_TRIP_MS);
    const also = `${figure({ values }).median.toFixed(0)} ms`;
    return figure({
      measure: `join to ${what}, ${browser}`,
      variant: name,
      unit: "RTT",
      values: trips,
      digits: 2,
      most,
      also,
    });
  };
  const first = inTrips("first message", message, trips);
  if (failures > 0) first.also += `, ${failures} FAILED`;
  // Who is here comes with what they say of themselves (their metadata).
  return joinedTrips ? [inTrips("knowing who is here", joined, joinedTrips), first] : [first];
}
