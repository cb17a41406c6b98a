// Many pages that enter one room at once, until each reaches every other directly; then one of them sends to all.
import { setTimeout } from "node:timers/promises";
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { PEERLOOM, prepareContenders, RAW, RIVAL_LIBRARIES } from "../lib/contenders.mjs";
import { figure } from "../lib/figures.mjs";
import { ratios, rounds, valuesOf } from "../lib/rounds.mjs";

export const title = "mesh and broadcast";
export const defaultRuns = 5;
export const prepare = prepareContenders;
export const lacks = () => lackOfBrowser("chromium");

const SIZES = [8, 16];
const BROADCASTS = 20;
const FACTORS = { Trystero: 0.5, [RAW.name]: 1 };
const MESH_MS = 60_000;

const CONTENDERS = [RAW, PEERLOOM, ...RIVAL_LIBRARIES];

async function trial({ arena, contender, size, smoke }) {
  const pages = await arena.pages(contender, Array(size).fill("chromium"));
  try {
    // What loading sets going, and what opening pages does, is over then.
    await setTimeout(smoke ? 0 : 1_000);
    const entry = arena.room("objects");
    const began = Date.now();
    const entering = pages.map((page, index) => page.run((entry) => bench.enter(entry), entry(index)));
    const complete = Promise.all(pages.map((page) => page.run((n) => bench.connected(n), size - 1)));
    entering.push(complete);
    for (const one of entering) one.catch(() => {});
    const late = setTimeout(MESH_MS).then(() => Promise.reject(new Error(`no mesh of ${size} in a minute`)));
    const times = await Promise.race([complete, late]);
    const mesh = Math.max(...times) - began;
    await setTimeout(smoke ? 0 : 2_000);
    const broadcasts = [];
    const [first, ...others] = pages;
    for (let n = 0; n < (smoke ? 1 : BROADCASTS); n++) {
      const receiving = others.map((page) => page.run(() => bench.receiveOne()));
      // Every page must be listening.
      await setTimeout(50);
      const { began, done } = await first.run(() => bench.sendToAll());
      broadcasts.push({ all: Math.max(...(await Promise.all(receiving))) - began, sent: done - began });
    }
    const middle = (key) => figure({ values: broadcasts.map((one) => one[key]) }).median;
    return { mesh, broadcast: middle("all"), sent: middle("sent") };
  } finally {
    await Promise.all(pages.map((page) => page.close()));
  }
}

export async function run({ runs, say, quiet, smoke }) {
  const arena = await Arena.open(CONTENDERS, { rivals: !smoke });
  try {
    const figures = [];
    for (const size of smoke ? [3] : SIZES) {
      say(`${size} pages`);
      await quiet.afterStart();
      const cells = await rounds(
        { runs, say, smoke },
        arena.contenders,
        (contender) => trial({ arena, contender, size, smoke }),
        ({ mesh }) => `${mesh.toFixed(0)} ms`,
      );
      figures.push(...figuresOf(cells, size));
    }
    return figures;
  } finally {
    await arena.close();
  }
}

function figuresOf(cells, size) {
  const ours = cells.find(({ page }) => page === PEERLOOM.page);
  const mesh = cells.flatMap((cell) => {
    const measure = `mesh of ${size} pages`;
    const values = valuesOf(cell, ({ mesh }) => mesh);
    const also = cell.failures > 0 ? `${cell.failures} FAILED` : "";
    const time = figure({ measure, variant: cell.name, unit: "ms", values, also });
    if (cell === ours) return [time];
    const variant = `Peerloom beside ${cell.name}`;
    const factor = ratios(ours, cell, ({ mesh }) => mesh);
    return [
      time,
      figure({ measure, variant, unit: "×", values: factor, digits: 2, most: FACTORS[cell.name] }),
    ];
  });
  const broadcast = cells.map((cell) => {
    const measure = `one message to ${size - 1} pages, until the last has it`;
    const values = valuesOf(cell, ({ broadcast }) => broadcast);
    const sent = figure({ values: valuesOf(cell, ({ sent }) => sent) });
    const also = `the sender is busy for ${sent.median.toFixed(2)} ms`;
    return figure({ measure, variant: cell.name, unit: "ms", values, digits: 1, also });
  });
  return [...mesh, ...broadcast];
}
