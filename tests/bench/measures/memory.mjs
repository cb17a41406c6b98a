// What a page holds while it sends more than the other reads, and while it reads less than is sent: never more than the
// window and a little.
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "memory with a slow reader";
export const defaultRuns = 1;

const MEBIBYTE = 1024 * 1024;
const MEBIBYTES = 1024;
const MESSAGE_BYTES = 64 * 1024;
/** The window, and what a page may need beside. */
const GROWTH_MEBIBYTES = 1 + 16;
const SAMPLE_MS = 1_000;

export const lacks = () => lackOfBrowser("chromium");

const PAGES = { script: "pages/bulk.ts", page: "bulk", services: [] };

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Bytes held by a page: by JavaScript, by WebAssembly, and handed to its channels. */
async function heldBytes(page) {
  const heap = await page.heapBytes();
  const { wasmBytes, bufferedBytes } = await page.run(() => bulk.held());
  return heap + wasmBytes + bufferedBytes;
}

async function trial({ arena, bytes, room, quiet, say }) {
  const [chromium, url] = [arena.browser(), arena.url(PAGES)];
  const pages = { sender: await chromium.open(url), reader: await chromium.open(url) };
  const { sender, reader } = pages;
  try {
    for (const page of [sender, reader]) {
      await page.run(() => bulk.prepare({ connections: true }));
      await page.run((name) => bulk.enter(name), room);
    }
    for (const page of [sender, reader]) await page.run(() => bulk.connected());
    await quiet.wait(1_000);
    const ends = { sender: { page: sender, growth: 0 }, reader: { page: reader, growth: 0 } };
    for (const end of Object.values(ends)) end.before = await heldBytes(end.page);
    const residentBefore = await chromium.residentBytes();
    let resident = 0;
    let over = false;
    const reading = reader
      .run((bytes) => bulk.readSlowly(bytes), bytes)
      .finally(() => {
        over = true;
      });
    const sending = sender.run((what) => bulk.send(what), { bytes, messageBytes: MESSAGE_BYTES });
    sending.catch(() => {});
    for (let told = Date.now(); !over; await sleep(SAMPLE_MS)) {
      for (const end of Object.values(ends)) {
        end.growth = Math.max(end.growth, (await heldBytes(end.page)) - end.before);
      }
      for (const [id, now] of await chromium.residentBytes()) {
        resident = Math.max(resident, now - (residentBefore.get(id) ?? now));
      }
      if (Date.now() - told < 15_000) continue;
      told = Date.now();
      const { received } = await reader.run(() => bulk.held());
      say(`${(received / MEBIBYTE).toFixed(0)} of ${bytes / MEBIBYTE} MiB`);
    }
    const [rates] = await Promise.all([reading, sending]);
    return { sender: ends.sender.growth, reader: ends.reader.growth, resident, ...rates };
  } finally {
    await Promise.all([sender.close(), reader.close()]);
  }
}

export async function run({ runs, say, quiet, smoke, mebibytes = smoke ? 32 : MEBIBYTES }) {
  const arena = await Arena.open([PAGES]);
  try {
    const trials = [];
    for (let round = 1; round <= runs; round++) {
      const bytes = mebibytes * MEBIBYTE;
      trials.push(await trial({ arena, bytes, room: `bench ${round}`, quiet, say }));
    }
    const inMebibytes = (key) => trials.map((one) => one[key] / MEBIBYTE);
    const rate = (key) => `${figure({ values: inMebibytes(key) }).median.toFixed(1)} MiB/s`;
    const grown = `a page's process grew by ${figure({ values: inMebibytes("resident") }).median.toFixed(0)} MiB at most`;
    const slowly = `read at ${rate("free")} for a second, then at ${rate("slow")}`;
    return ["sender", "reader"].map((end) =>
      figure({
        measure: `memory, ${mebibytes} MiB to a slow reader`,
        variant: `growth at the ${end}, at most`,
        unit: "MiB",
        values: inMebibytes(end),
        digits: 1,
        most: GROWTH_MEBIBYTES,
        also: end === "sender" ? slowly : grown,
      }),
    );
  } finally {
    await arena.close();
  }
}
