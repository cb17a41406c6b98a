// As much as goes from one page to another on one machine: Peerloom beside one RTCDataChannel by hand, in turns, each on
// a connection of its own.
import { setTimeout } from "node:timers/promises";
import { Chromium, lackOfChromium } from "../lib/chromium.mjs";
import { figure } from "../lib/figures.mjs";
import { startServer } from "../lib/server.mjs";
import { createSite } from "../lib/site.mjs";

export const title = "throughput";
export const defaultRuns = 5;

const MEBIBYTE = 1024 * 1024;
const MEBIBYTES = 256;
/** The least share of what goes by hand. */
const SHARE = 0.9;
/** For what follows a connection: candidates still being gathered, certificates verified, garbage of the page's start. */
const SETTLE_MS = 2_000;
/** Behind that the browser itself is quiet, so that others can be watched. */
const WATCH_MS = 500;

const RAW = { name: "RTCDataChannel by hand, 16 KiB messages", page: "bulk-raw", messageBytes: 16 * 1024 };
const VARIANTS = [
  { name: "Peerloom, 16 KiB messages", page: "bulk", messageBytes: 16 * 1024 },
  { name: "Peerloom, 64 KiB messages", page: "bulk", messageBytes: 64 * 1024 },
];

export const lacks = lackOfChromium;

async function connectByHand(sender, receiver) {
  const offer = await sender.run(() => bulk.offer());
  const answer = await receiver.run((offer) => bulk.answer(offer), offer);
  await sender.run((answer) => bulk.accept(answer), answer);
}

async function connectPeerloom(sender, receiver, room) {
  for (const page of [sender, receiver]) {
    await page.run(() => bulk.prepare({ connections: false }));
    await page.run((name) => bulk.enter(name), room);
  }
}

/** One transfer; gives its rate and what it cost. */
async function trial({ chromium, origin, variant, bytes, room, quiet }) {
  const url = `${origin}/bench/${variant.page}.html`;
  const [sender, receiver] = [await chromium.open(url), await chromium.open(url)];
  try {
    await (variant === RAW ? connectByHand : connectPeerloom)(sender, receiver, room);
    for (const page of [sender, receiver]) await page.run(() => bulk.connected());
    await setTimeout(SETTLE_MS);
    await quiet.wait(WATCH_MS);
    const before = await chromium.cpuSeconds();
    const receiving = receiver.run((bytes) => bulk.receive(bytes), bytes);
    const sending = sender.run((what) => bulk.send(what), { bytes, messageBytes: variant.messageBytes });
    const [began, ended] = await Promise.all([sending, receiving]);
    const cpuSeconds = (await chromium.cpuSeconds()) - before;
    return { rate: bytes / MEBIBYTE / ((ended - began) / 1_000), cpuSeconds };
  } finally {
    await Promise.all([sender.close(), receiver.close()]);
  }
}

export async function run({ runs, say, quiet, mebibytes = MEBIBYTES }) {
  const site = await createSite([RAW.page, "bulk"]);
  const server = await startServer(site.folder);
  const chromium = await Chromium.launch();
  try {
    const cells = [RAW, ...VARIANTS].map((variant) => ({ variant, trials: [] }));
    // The first round warms up what a browser makes once.
    for (let round = 0; round <= runs; round++) {
      for (const { variant, trials } of cells) {
        const bytes = (round === 0 ? Math.min(16, mebibytes) : mebibytes) * MEBIBYTE;
        const room = `bench ${variant.name} ${round}`;
        const result = await trial({ chromium, origin: server.origin, variant, bytes, room, quiet });
        if (round > 0) trials.push(result);
      }
      if (round > 0) {
        const rates = cells.map(
          ({ variant, trials }) => `${variant.name} ${trials.at(-1).rate.toFixed(1)} MiB/s`,
        );
        say(`round ${round} of ${runs}: ${rates.join("; ")}`);
      }
    }
    return figuresOf(cells, mebibytes);
  } finally {
    await chromium.close();
    server.stop();
    site.remove();
  }
}

function figuresOf(cells, mebibytes) {
  const measure = `throughput, ${mebibytes} MiB one way`;
  const [byHand] = cells;
  return cells.flatMap(({ variant, trials }) => {
    const cost = figure({ values: trials.map(({ cpuSeconds }) => cpuSeconds) });
    const also = `${cost.median.toFixed(1)} s of processor time (${cost.min.toFixed(1)}–${cost.max.toFixed(1)})`;
    const values = trials.map(({ rate }) => rate);
    const rate = figure({ measure, variant: variant.name, unit: "MiB/s", values, digits: 1, also });
    if (variant === RAW) return [rate];
    // Of neighbours in time: what the machine does beside changes slowly.
    const shares = values.map((value, at) => value / byHand.trials[at].rate);
    return [
      rate,
      figure({
        measure,
        variant: `${variant.name}: share`,
        unit: "",
        values: shares,
        digits: 2,
        least: SHARE,
      }),
    ];
  });
}
