// Peerloom from Rust: the whole trial is done in WebAssembly (`rust-page/`), with the names of `pages/bench.ts`.
import init, * as page from "bench-page";
import type { Entry } from "./contender.ts";

/** What a long transfer is best cut into. */
const MESSAGE_BYTES = 16 * 1024;

Object.assign(globalThis, {
  bench: {
    ...page,
    prepare: () => init(),
    enter: ({ room, relay }: Entry) => page.enter(location.origin, room, relay === "first"),
    sendBytes: (bytes: number, messageBytes = MESSAGE_BYTES) => page.sendBytes(bytes, messageBytes),
    // Not a typed array, which would not be JSON.
    roundTrips: async (count: number, bytes: number) => [...(await page.roundTrips(count, bytes))],
  },
});
