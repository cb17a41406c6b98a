// A message of 64 bytes there and back, on a connection that carries nothing else.
import { setTimeout } from "node:timers/promises";
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { PEERLOOM, PEERLOOM_RUST, prepareContenders, RAW, RIVAL_LIBRARIES } from "../lib/contenders.mjs";
import { figure, quantile } from "../lib/figures.mjs";
import { ratios, rounds, valuesOf } from "../lib/rounds.mjs";

export const title = "round trip";
export const defaultRuns = 5;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

const COUNT = 2_000;
const BYTES = 64;
const GROUP = 10;
/** How much longer than by hand, at most. */
const FACTOR = 1.1;
const SETTLE_MS = 1_500;

const CONTENDERS = [RAW, PEERLOOM, PEERLOOM_RUST, ...RIVAL_LIBRARIES];
const PAIRS = [
  { kinds: ["chromium", "chromium"], contenders: CONTENDERS },
  { kinds: ["firefox", "firefox"], contenders: [RAW, PEERLOOM] },
  { kinds: ["chromium", "firefox"], contenders: [RAW, PEERLOOM] },
];

const trial = (arena, contender, kinds, count, settleMs) =>
  arena.withConnected(contender, "bytes", kinds, async ([here, there]) => {
    await there.run(() => bench.echo());
    await setTimeout(settleMs);
    const times = await here.run((...what) => bench.roundTrips(...what), count, BYTES);
    // The page's clock has steps of 0.1 ms: too coarse for one, but not for the mean of some.
    const means = [];
    for (let at = 0; at + GROUP <= times.length; at += GROUP) {
      means.push(times.slice(at, at + GROUP).reduce((sum, ms) => sum + ms, 0) / GROUP);
    }
    const sorted = (values) => values.toSorted((a, b) => a - b);
    return { p50: quantile(sorted(means), 0.5), p99: quantile(sorted(times), 0.99) };
  });

export async function run({ runs, say, quiet, smoke }) {
  const pairs = PAIRS.filter(({ kinds }) => lackOfBrowser(...kinds) === undefined).slice(
    0,
    smoke ? 1 : undefined,
  );
  const arena = await Arena.open(CONTENDERS, {
    browsers: pairs.flatMap(({ kinds }) => kinds),
    rivals: !smoke,
  });
  try {
    await quiet.afterStart();
    const figures = [];
    for (const { kinds, contenders } of pairs) {
      const between = kinds[0] === kinds[1] ? kinds[0] : kinds.join(" and ");
      const cells = await rounds(
        { runs, say, smoke },
        contenders.filter((one) => arena.contenders.includes(one)),
        (contender) => trial(arena, contender, kinds, smoke ? 50 : COUNT, smoke ? 0 : SETTLE_MS),
        ({ p50 }) => `${p50.toFixed(2)} ms`,
      );
      const measure = `round trip of ${BYTES} bytes, ${between}`;
      const [byHand] = cells;
      for (const cell of cells) {
        const slowest = figure({ values: valuesOf(cell, ({ p99 }) => p99) });
        const values = valuesOf(cell, ({ p50 }) => p50);
        const also = `p99 ${slowest.median.toFixed(2)} (${slowest.min.toFixed(2)}–${slowest.max.toFixed(2)})`;
        figures.push(figure({ measure, variant: cell.name, unit: "ms", values, digits: 2, also }));
        if (cell.page !== PEERLOOM.page) continue;
        const factor = ratios(cell, byHand, ({ p50 }) => p50);
        const variant = `${cell.name} beside by hand`;
        figures.push(figure({ measure, variant, unit: "×", values: factor, digits: 2, most: FACTOR }));
      }
    }
    return figures;
  } finally {
    await arena.close();
  }
}
