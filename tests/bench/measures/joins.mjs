// Coming and going a thousand times: nothing is left behind in the page that does, nor in the one that stays.
import { Arena } from "../lib/arena.mjs";
import { lackOfBrowser } from "../lib/browser.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "joins and leaves";
export const defaultRuns = 1;

const JOINS = 1_000;
/** Caches fill and code is compiled in the first ones; then memory has to be flat. */
const WARM_UP = 100;
const STEP = 50;
/** What a page may hold more after all of it: noise, not a leak, which would be KiB for each join. */
const GROWTH_KIBIBYTES = 512;
const KIBIBYTE = 1024;

export const lacks = () => lackOfBrowser("chromium");

const PAGES = { script: "pages/bulk.ts", page: "bulk", services: [] };

async function trial({ arena, room, say, joins }) {
  const [chromium, url] = [arena.browser(), arena.url(PAGES)];
  const [resident, guest] = [await chromium.open(url), await chromium.open(url)];
  try {
    for (const page of [resident, guest]) await page.run(() => bulk.prepare({ connections: true }));
    await resident.run((name) => bulk.enter(name), room);
    const ends = [
      { name: "guest", page: guest, heap: 0, wasm: 0 },
      { name: "resident", page: resident, heap: 0, wasm: 0 },
    ];
    let tookMs = 0;
    for (let done = 0; done < joins; ) {
      const times = Math.min(done < WARM_UP ? WARM_UP : STEP, joins - done);
      const began = Date.now();
      await guest.run((how) => bulk.comeAndGo(how), { name: room, times });
      tookMs += Date.now() - began;
      done += times;
      // Connections are closed a moment after leaving.
      await new Promise((quiet) => setTimeout(quiet, 500));
      for (const end of ends) {
        const heap = await end.page.heapBytes();
        const { wasmBytes } = await end.page.run(() => bulk.held());
        end.start ??= { heap, wasm: wasmBytes };
        end.heap = heap - end.start.heap;
        end.wasm = wasmBytes - end.start.wasm;
      }
      const grown = ends.map(
        ({ name, heap, wasm }) => `${name} ${Math.round(heap / KIBIBYTE)} + ${wasm / KIBIBYTE} KiB`,
      );
      if (done % 200 === 0) say(`${done} joins: ${grown.join(", ")} more than after ${WARM_UP}`);
    }
    const [atGuest, atResident] = [await guest.run(() => bulk.held()), await resident.run(() => bulk.held())];
    await resident.run(() => bulk.leave());
    await new Promise((quiet) => setTimeout(quiet, 500));
    const { connections: afterAll } = await resident.run(() => bulk.held());
    return {
      ends,
      joinMs: tookMs / joins,
      open: atGuest.connections + afterAll,
      waiting: atResident.connections,
    };
  } finally {
    await Promise.all([resident.close(), guest.close()]);
  }
}

export async function run({ runs, say, smoke }) {
  const joins = smoke ? 10 : JOINS;
  const arena = await Arena.open([PAGES]);
  try {
    const trials = [];
    for (let round = 1; round <= runs; round++) {
      trials.push(await trial({ arena, room: `bench ${round}`, say, joins }));
    }
    const measure = `${joins.toLocaleString("en-US")} joins and leaves`;
    const each = figure({ values: trials.map(({ joinMs }) => joinMs) });
    return [
      figure({
        measure,
        variant: "RTCPeerConnections left open",
        unit: "",
        values: trials.map(({ open }) => open),
        most: 0,
        also: `${each.median.toFixed(0)} ms each`,
      }),
      ...["guest", "resident"].flatMap((name, at) =>
        [
          ["JavaScript's heap", "heap", GROWTH_KIBIBYTES],
          ["WebAssembly's memory", "wasm", 0],
        ].map(([what, key, most]) =>
          figure({
            measure,
            variant: `${name}: growth of ${what} after the first ${WARM_UP}`,
            unit: "KiB",
            values: trials.map(({ ends }) => ends[at][key] / KIBIBYTE),
            most,
            mayBeZero: true,
          }),
        ),
      ),
    ];
  } finally {
    await arena.close();
  }
}
