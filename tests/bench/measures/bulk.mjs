// As much as goes over one reliable channel from one page to another, on one machine: connections that have settled.
import { setTimeout } from "node:timers/promises";
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

export const title = "bulk";
export const defaultRuns = 5;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

const MEBIBYTE = 1024 * 1024;
/** The least share of the best by hand, and the most processor time beside it. */
const SHARE = 0.97;
const COST = 1.15;
/** For what follows a connection: candidates still being gathered, certificates verified, garbage of the page's start. */
const SETTLE_MS = 2_000;
/** Behind that the browser itself is quiet, so that others can be watched. */
const WATCH_MS = 500;

const CONTENDERS = [
  RAW,
  tuned(RAW, "by hand, 4 MiB outstanding", { outstanding: 4 * MEBIBYTE }),
  PEERLOOM,
  { ...PEERLOOM, name: "Peerloom, 64 KiB messages", messageBytes: 64 * 1024 },
  PEERLOOM_RUST,
  ...RIVAL_LIBRARIES,
];
/** Between which browsers: all contenders, or the two that matter. */
const PAIRS = [
  { kinds: ["chromium", "chromium"], contenders: CONTENDERS },
  { kinds: ["firefox", "firefox"], contenders: [RAW, PEERLOOM], mebibytes: 64 },
  { kinds: ["chromium", "firefox"], contenders: [RAW, PEERLOOM], mebibytes: 64 },
  { kinds: ["firefox", "chromium"], contenders: [RAW, PEERLOOM], mebibytes: 64 },
];

async function trial({ arena, contender, kinds, bytes, quiet, settleMs }) {
  return arena.withConnected(contender, "bytes", kinds, async (pages) => {
    await setTimeout(settleMs);
    await quiet.wait(WATCH_MS);
    const before = arena.cpuSeconds(kinds);
    const rate = await sendBytes(pages, bytes, contender.messageBytes);
    const cpuSeconds = arena.cpuSeconds(kinds) - before;
    return { rate, cpuSeconds };
  });
}

export async function run({ runs, say, quiet, mebibytes, smoke }) {
  const pairs = PAIRS.filter(({ kinds }) => lackOfBrowser(...kinds) === undefined).slice(
    0,
    smoke ? 1 : undefined,
  );
  const arena = await Arena.open(CONTENDERS, {
    browsers: pairs.flatMap(({ kinds }) => kinds),
    rivals: !smoke,
  });
  try {
    const figures = [];
    for (const { kinds, contenders, mebibytes: usual = 256 } of pairs) {
      const amount = mebibytes ?? (smoke ? 4 : usual);
      const between = kinds[0] === kinds[1] ? kinds[0] : kinds.join(" to ");
      say(`${amount} MiB, ${between}`);
      const present = contenders.filter((one) => arena.contenders.includes(one));
      const cells = await rounds(
        { runs, say, smoke },
        present,
        (contender, round) => {
          const bytes = (round === 0 ? Math.min(16, amount) : amount) * MEBIBYTE;
          return trial({ arena, contender, kinds, bytes, quiet, settleMs: smoke ? 0 : SETTLE_MS });
        },
        ({ rate }) => `${rate.toFixed(1)} MiB/s`,
      );
      figures.push(...figuresOf(`bulk, ${amount} MiB, ${between}`, cells, kinds[0] === kinds[1]));
    }
    return figures;
  } finally {
    await arena.close();
  }
}

function figuresOf(measure, cells, bound) {
  const [byHand] = cells;
  return cells.flatMap((cell) => {
    const { name, page, failures } = cell;
    const cost = figure({ values: valuesOf(cell, ({ cpuSeconds }) => cpuSeconds) });
    const also = `${cost.median.toFixed(1)} s of processor time (${cost.min.toFixed(1)}–${cost.max.toFixed(1)})`;
    const rate = figure({
      measure,
      variant: name,
      unit: "MiB/s",
      values: valuesOf(cell, ({ rate }) => rate),
      digits: 1,
      also: failures > 0 ? `${also}, ${failures} FAILED` : also,
    });
    if (cell === byHand) return [rate];
    const share = (variant, get, goal) =>
      figure({ measure, variant, unit: "", values: ratios(cell, byHand, get), digits: 2, ...goal });
    const ours = page === PEERLOOM.page && bound;
    return [
      rate,
      share(`${name}: share of by hand`, ({ rate }) => rate, ours ? { least: SHARE } : {}),
      ...(ours ? [share(`${name}: processor time`, ({ cpuSeconds }) => cpuSeconds, { most: COST })] : []),
    ];
  });
}
