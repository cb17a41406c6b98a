// Bulk on a fresh connection over a link of 100 ms there and back and 100 Mbit/s, with and without loss.
import { buildLink, lackOfNetwork } from "../../internet/lib/network.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { PEERLOOM, RAW, tuned } from "../lib/contenders.mjs";
import { Distance } from "../lib/distance.mjs";
import { figure } from "../lib/figures.mjs";
import { ratios, rounds, valuesOf } from "../lib/rounds.mjs";
import { sendBytes } from "../lib/transfer.mjs";

export const title = "bulk over a long link";
export const defaultRuns = 5;
export const prepare = buildLink;
export const lacks = async () => (await lackOfNetwork()) ?? lackOfBrowser("chromium");

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const MEBIBYTES = 16;
const DELAY_MS = 50;
/** Slower than 0.3 MiB/s has failed: by hand that happens, and a run of everything must end. */
const TRIAL_MS = 60_000;
/** The least share of the best setting by hand, and how many times faster than the usual one. */
const SHARE = 0.95;
const FACTOR = 3;
/** What the router before the link holds: a round trip's worth. */
const LINK = "rate=100 queue=1250";
const LOSSES = [0, 0.1];

const byHand = (outstanding, name) => tuned(RAW, `by hand, ${name} outstanding`, { outstanding });
const USUAL = byHand(4 * MEBIBYTE, "4 MiB");
const BY_HAND = [
  byHand(64 * KIBIBYTE, "64 KiB"),
  byHand(256 * KIBIBYTE, "256 KiB"),
  byHand(MEBIBYTE, "1 MiB"),
  USUAL,
  tuned(RAW, "by hand, 4 connections, 64 KiB outstanding each", { connections: 4 }),
];

const trial = ({ far, launched, contender, bytes }) =>
  far.withPages(launched, contender, "bytes", TRIAL_MS, async (pages, entry) => {
    for (const [index, page] of pages.entries()) {
      await page.run((entry) => bench.prepare().then(() => bench.enter(entry)), entry(index));
    }
    await Promise.all(pages.map((page) => page.run(() => bench.connected(1))));
    return sendBytes(pages, bytes);
  });

export async function run({ runs, say, log, urgent, smoke, mebibytes = MEBIBYTES }) {
  const far = await Distance.open([PEERLOOM, ...BY_HAND], { delayMs: DELAY_MS, log, urgent });
  try {
    const launched = await far.launch("chromium", process.env.CHROMIUM_PATH);
    const figures = [];
    for (const loss of smoke ? [0] : LOSSES) {
      say(`${loss} % of the packets lost`);
      // Only one of the hosts has the slow line.
      await far.link(`set resident ${LINK} loss=${loss}`);
      const bytes = (smoke ? 1 : mebibytes) * MEBIBYTE;
      const cells = await rounds(
        { runs, say, warmUp: false },
        far.contenders,
        (contender) => trial({ far, launched, contender, bytes }),
        (rate) => `${rate.toFixed(2)} MiB/s`,
      );
      figures.push(...figuresOf(cells, `${mebibytes} MiB over 100 ms and 100 Mbit/s, ${loss} % lost`));
    }
    return figures;
  } finally {
    await far.close();
  }
}

function figuresOf(cells, measure) {
  const rate = (rate) => rate;
  const [ours, ...others] = cells;
  const rates = cells.map((cell) => {
    const also = cell.failures > 0 ? `${cell.failures} FAILED` : "";
    return figure({
      measure,
      variant: cell.name,
      unit: "MiB/s",
      values: valuesOf(cell, rate),
      digits: 2,
      also,
    });
  });
  const median = (cell) => figure({ values: valuesOf(cell, rate) }).median;
  const best = others.reduce((best, one) => (median(one) > median(best) ? one : best));
  const usual = others.find(({ name }) => name === USUAL.name);
  const beside = (cell, least) => {
    const variant = `Peerloom beside ${cell.name}`;
    return figure({ measure, variant, unit: "×", values: ratios(ours, cell, rate), digits: 2, least });
  };
  return [...rates, beside(best, SHARE), beside(usual, FACTOR)];
}
