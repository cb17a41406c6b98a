// The first megabytes on a connection that has just opened. A new SCTP association that is given too much at once stalls
// for seconds.
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
import { sendBytes } from "../lib/transfer.mjs";

export const title = "bulk on a fresh connection";
export const defaultRuns = 9;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

const MEBIBYTE = 1024 * 1024;
const MEBIBYTES = 32;
/** How many times faster than each other one, at least. */
const FACTOR = 2.5;

const USUAL = tuned(RAW, "by hand as usually written, 1 MiB outstanding", {
  outstanding: MEBIBYTE,
  message: 64 * 1024,
});
const CONTENDERS = [PEERLOOM, PEERLOOM_RUST, RAW, USUAL, ...RIVAL_LIBRARIES];

const trial = (arena, contender, bytes) =>
  arena.withConnected(contender, "bytes", ["chromium", "chromium"], (pages) => sendBytes(pages, bytes));

export async function run({ runs, say, quiet, mebibytes, smoke }) {
  const arena = await Arena.open(CONTENDERS, { rivals: !smoke });
  const amount = mebibytes ?? (smoke ? 2 : MEBIBYTES);
  try {
    await quiet.afterStart();
    const cells = await rounds(
      { runs, say, smoke },
      arena.contenders,
      (contender) => trial(arena, contender, amount * MEBIBYTE),
      (rate) => `${rate.toFixed(1)} MiB/s`,
    );
    const [ours] = cells;
    const measure = `bulk, first ${amount} MiB`;
    return cells.flatMap((cell) => {
      const rate = figure({
        measure,
        variant: cell.name,
        unit: "MiB/s",
        values: valuesOf(cell, (rate) => rate),
        digits: 1,
      });
      if (cell.failures > 0) rate.also = `${cell.failures} FAILED`;
      if (!cell.rival && cell.name !== USUAL.name) return [rate];
      const factor = ratios(ours, cell, (rate) => rate);
      return [
        rate,
        figure({
          measure,
          variant: `Peerloom beside ${cell.name}`,
          unit: "×",
          values: factor,
          digits: 2,
          least: FACTOR,
        }),
      ];
    });
  } finally {
    await arena.close();
  }
}
