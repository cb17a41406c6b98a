// 100,000 small objects sent in a loop, decoded and in order at the other end: on a connection that has just opened, and
// once more on the same.
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import {
  PEERLOOM,
  PEERLOOM_RUST,
  prepareContenders,
  RAW,
  RIVAL_LIBRARIES,
  tuned,
} from "../lib/contenders.mjs";
import { figure } from "../lib/figures.mjs";
import { ratios, rounds, valuesOf } from "../lib/rounds.mjs";

export const title = "small messages";
export const defaultRuns = 5;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

const COUNT = 100_000;
/** How many times faster than one `send` of JSON for each, at least. */
const FACTORS = { fresh: 2.4, warm: 3.5 };
const COMPACT_FACTORS = { fresh: 3.5, warm: 4.5 };

/** The most that can be done for JSON by hand. */
const BATCHES = tuned(RAW, "by hand, arrays of 16 KiB", { batch: 16 * 1024 });

const COMPRESSED = tuned(PEERLOOM, "Peerloom, compressed", { compress: 1 });
const COMPACT = tuned(PEERLOOM, "Peerloom, compact", { compact: 1 });
const BOTH = tuned(PEERLOOM, "Peerloom, compact and compressed", { compact: 1, compress: 1 });

const CONTENDERS = [RAW, PEERLOOM, COMPRESSED, COMPACT, BOTH, PEERLOOM_RUST, BATCHES, ...RIVAL_LIBRARIES];

async function send([sender, receiver], count) {
  const receiving = receiver.run((count) => bench.receiveObjects(count), count);
  const sending = sender.run((count) => bench.sendObjects(count), count);
  const [ended, began] = await Promise.all([receiving, sending]);
  return count / ((ended - began) / 1_000);
}

const trial = (arena, contender, count) =>
  arena.withConnected(contender, "objects", ["chromium", "chromium"], async (pages) => ({
    fresh: await send(pages, count),
    warm: await send(pages, count),
  }));

const thousands = (rate) => `${Math.round(rate / 1_000)}k/s`;

export async function run({ runs, say, quiet, smoke }) {
  const count = smoke ? 2_000 : COUNT;
  const arena = await Arena.open(CONTENDERS);
  try {
    await quiet.afterStart();
    const cells = await rounds(
      { runs, say, smoke },
      arena.contenders,
      (contender, round) => trial(arena, contender, round === 0 ? Math.min(2_000, count) : count),
      ({ fresh, warm }) => `${thousands(fresh)}, then ${thousands(warm)}`,
    );
    return ["fresh", "warm"].flatMap((state) => {
      const measure = `${count.toLocaleString("en-US")} small objects, ${state}`;
      const [byHand] = cells;
      return cells.flatMap((cell) => {
        const values = valuesOf(cell, (rates) => rates[state]);
        const rate = figure({ measure, variant: cell.name, unit: "/s", values });
        if (cell.failures > 0) rate.also = `${cell.failures} FAILED`;
        if (cell === byHand) return [rate];
        const ours = cell.page === PEERLOOM.page;
        const factors = cell.settings?.compact ? COMPACT_FACTORS : FACTORS;
        return [
          rate,
          figure({
            measure,
            variant: `${cell.name} beside one send each by hand`,
            unit: "×",
            values: ratios(cell, byHand, (rates) => rates[state]),
            digits: 2,
            least: ours ? factors[state] : undefined,
          }),
        ];
      });
    });
  } finally {
    await arena.close();
  }
}
