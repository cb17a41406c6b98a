// A newcomer joins a page that waits and says hello to whoever comes, on one machine. Everything is loaded; no connection
// is open.
import { setTimeout } from "node:timers/promises";
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { PEERLOOM, prepareContenders, RAW, RIVAL_LIBRARIES } from "../lib/contenders.mjs";
import { figure } from "../lib/figures.mjs";
import { ratios, rounds, valuesOf } from "../lib/rounds.mjs";

export const title = "join on one machine";
export const defaultRuns = 15;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

/** Long enough for a resident to have made its connections ready and to have deposited their cards. */
const SETTLE_MS = 1_000;
const ARRIVAL_MS = 15_000;

const FIRST = { ...PEERLOOM, name: "Peerloom, through the server at first", relay: "first" };
const CONTENDERS = [RAW, FIRST, { ...PEERLOOM, relay: "never" }, ...RIVAL_LIBRARIES];

async function trial({ arena, contender, smoke }) {
  const pages = await arena.pages(contender, ["chromium", "chromium"]);
  const [resident, newcomer] = pages;
  try {
    const entry = arena.room("objects", contender.relay ?? "never");
    await resident.run((entry) => bench.enter(entry, { greet: true }), entry(0));
    await setTimeout(smoke ? 200 : SETTLE_MS);
    const late = new AbortController();
    const arrival = newcomer.run((entry) => bench.arrive(entry), entry(1));
    arrival.catch(() => {});
    const overdue = setTimeout(ARRIVAL_MS, undefined, { signal: late.signal }).then(
      () => Promise.reject(new Error("no first message")),
      () => {},
    );
    try {
      return await Promise.race([arrival, overdue]);
    } finally {
      late.abort();
    }
  } finally {
    await Promise.all(pages.map((page) => page.close()));
  }
}

export async function run({ runs, say, quiet, smoke }) {
  const arena = await Arena.open(CONTENDERS);
  try {
    await quiet.afterStart();
    const cells = await rounds(
      { runs, say, smoke },
      arena.contenders,
      (contender) => trial({ arena, contender, smoke }),
      ({ messageMs }) => `${messageMs.toFixed(0)} ms`,
    );
    const [byHand] = cells;
    return cells.flatMap((cell) => {
      const measure = "join to first message, one machine";
      const direct = figure({ values: valuesOf(cell, ({ directMs }) => directMs) });
      let also = `direct after ${direct.median.toFixed(0)} ms`;
      if (cell.failures > 0) also += `, ${cell.failures} FAILED`;
      const values = valuesOf(cell, ({ messageMs }) => messageMs);
      const time = figure({ measure, variant: cell.name, unit: "ms", values, digits: 1, also });
      if (cell.page !== PEERLOOM.page) return [time];
      const factor = ratios(cell, byHand, ({ messageMs }) => messageMs);
      const variant = `${cell.name} beside by hand`;
      return [time, figure({ measure, variant, unit: "×", values: factor, digits: 2, most: 1 })];
    });
  } finally {
    await arena.close();
  }
}
