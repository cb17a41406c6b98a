// Nothing is left behind.
import { expect, type Peer, test } from "./support/fixtures.ts";

const CYCLES = 30;
const open = (peer: Peer) => peer.run((h) => h.faults.openConnections());

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: after ${CYCLES} times of joining and leaving no connection is open`, async ({
    open: openPage,
    room,
  }) => {
    test.slow();
    const [resident, guest] = [await openPage("chromium"), await openPage(browser)];
    for (const peer of [resident, guest]) await peer.run((h) => h.faults.watchConnections());
    await resident.join(room);
    await guest.run(
      async ({ joinRoom, state }, { room, cycles }) => {
        for (let n = 0; n < cycles; n += 1) {
          await joinRoom({ room });
          const { room: joined } = state;
          // Some leave while they are still connecting.
          if (n % 3 !== 0) {
            await new Promise<void>((connected) => {
              joined.on("peer", ({ state }) => state === "connected" && connected());
            });
          }
          await joined.leave();
        }
      },
      { room, cycles: CYCLES },
    );
    await expect.poll(() => open(guest)).toBe(0);
    expect(await guest.run((h) => h.faults.madeConnections())).toBeGreaterThanOrEqual(CYCLES);
    await expect.poll(() => resident.paths()).toEqual({});
    // Two wait for newcomers.
    await expect.poll(() => open(resident)).toBe(2);
    await resident.leave();
    await expect.poll(() => open(resident)).toBe(0);
  });
}
