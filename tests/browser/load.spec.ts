// load() has everything ready for the first join, and leaves nothing behind.
import { expect, test } from "./support/fixtures.ts";

/** A joiner's connections, and those for the newcomers after it. */
const MADE_BY_A_JOIN = 4;

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: load rehearses a join when none follows at once`, async ({ open, room }) => {
    const page = await open(browser);
    await page.run(({ faults }) => faults.watchConnections());
    const before = await page.run(({ faults }) => faults.madeConnections());
    await page.run(async ({ peerloom, kept }) => {
      const Native = WebSocket;
      const sockets: string[] = [];
      kept.sockets = sockets;
      globalThis.WebSocket = class extends Native {
        constructor(url: string | URL, protocols?: string | string[]) {
          super(url, protocols);
          sockets.push(String(url));
        }
      };
      await peerloom.load();
    });
    expect(before).toBe(0);
    await expect.poll(() => page.run(({ faults }) => faults.madeConnections())).toBeGreaterThan(0);
    // Closed when the join has failed, so that nothing comes after it.
    await expect.poll(() => page.run(({ faults }) => faults.openConnections())).toBe(0);
    expect(await page.run(({ kept }) => kept.sockets), "nothing goes out").toEqual([]);
    const rehearsed = await page.run(({ faults }) => faults.madeConnections());
    // Once is enough.
    await page.run(({ peerloom }) => peerloom.load());
    await page.join(room);
    await expect
      .poll(() => page.run(({ faults }) => faults.madeConnections()))
      .toBe(rehearsed + MADE_BY_A_JOIN);
  });

  test(`${browser}: a join that follows load at once is not rehearsed`, async ({ open, room }) => {
    const page = await open(browser);
    await page.run(({ faults }) => faults.watchConnections());
    await page.run(async ({ peerloom, joinRoom }, room) => {
      await peerloom.load();
      await joinRoom({ room });
    }, room);
    await expect.poll(() => page.run(({ faults }) => faults.madeConnections())).toBe(MADE_BY_A_JOIN);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await page.run(({ faults }) => faults.madeConnections())).toBe(MADE_BY_A_JOIN);
  });
}
