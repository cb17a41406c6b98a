// What a page holds stays within bounds, however much is sent and however often it comes and goes. Memory is Chromium's to
// tell; Firefox gives pages no way to ask.
import type { Peer as RemotePeer } from "peerloom";
import { expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const MIB = 1024 * 1024;
const SENT_BYTES = 64 * MIB;
const WINDOW_BYTES = MIB;
/** What a page may hold beside the window. */
const BESIDE_BYTES = 16 * MIB;

async function watch(peer: Peer): Promise<void> {
  await peer.run(({ faults }) => {
    faults.watchMemory();
    faults.watchChannels();
  });
}

for (const [sender, reader] of [
  ["chromium", "chromium"],
  ["firefox", "chromium"],
  ["chromium", "firefox"],
] as const) {
  test(`${sender} to ${reader}: nobody holds more than a window of what is read too slowly`, async ({
    open,
    room,
  }) => {
    test.slow();
    const [from, to] = [await open(sender), await open(reader)];
    for (const peer of [from, to]) await watch(peer);
    for (const peer of [from, to]) await peer.join(room, { unheard: true });
    await expectMesh(from, to);
    const before = [await from.heldBytes(), await to.heldBytes()];

    await to.run((h) => {
      const read = { bytes: 0, stopped: false };
      h.kept.read = read;
      void (async () => {
        for await (const { data } of h.state.room.blob) {
          read.bytes += data.length;
          // Much slower than it comes, until everybody has looked at the memory.
          if (!read.stopped) await new Promise((slowly) => setTimeout(slowly, 20));
        }
      })();
    });
    await from.run(
      (h, { bytes, to }) => {
        const sent = { bytes: 0 };
        h.kept.sent = sent;
        void (async () => {
          const message = new Uint8Array(64 * 1024);
          while (sent.bytes < bytes) {
            await h.state.room.blob.send(message, { to });
            sent.bytes += message.length;
          }
        })();
      },
      { bytes: SENT_BYTES, to: to.id },
    );

    const sent = () => from.run((h) => (h.kept.sent as { bytes: number }).bytes);
    const read = () => to.run((h) => (h.kept.read as { bytes: number }).bytes);
    for (let looked = 0; looked < 8; looked += 1) {
      await expect.poll(read).toBeGreaterThan(looked * 2 * MIB);
      // What is sent and not read is at one of the ends: in the sender's window, or in the reader's.
      expect((await sent()) - (await read())).toBeLessThanOrEqual(2 * WINDOW_BYTES + 2 * 64 * 1024);
      for (const [at, peer] of [from, to].entries()) {
        const held = await peer.heldBytes();
        if (held === undefined) continue;
        expect(held - (before[at] ?? 0)).toBeLessThanOrEqual(WINDOW_BYTES + BESIDE_BYTES);
      }
    }
    await to.run((h) => {
      (h.kept.read as { stopped: boolean }).stopped = true;
    });
    await expect.poll(read).toBe(SENT_BYTES);
  });
}

/** A page makes four connections each time, and Chromium allows 500 that are open or not collected yet. */
const CYCLES = 170;
const WARM_UP = 40;
/** What a page may hold more at the end: noise (530 KB were seen), and not 8 KiB for each time. */
const GROWTH_BYTES = 1024 * 1024;

test(`after ${CYCLES} times of joining and leaving a page holds no more than after ${WARM_UP}`, async ({
  open,
  room,
}) => {
  test.slow();
  const [resident, guest] = [await open("chromium"), await open("chromium")];
  for (const peer of [resident, guest]) await peer.run((h) => h.faults.watchMemory());
  await resident.join(room);
  const comeAndGo = (times: number) =>
    guest.run(
      async ({ peerloom, protocol }, { room, times }) => {
        const directly = ({ path }: RemotePeer) => path === "direct";
        for (let n = 0; n < times; n += 1) {
          const joined = await peerloom.join(location.origin, { room, protocol });
          // Some leave while they are still connecting.
          if (n % 4 !== 0) {
            await new Promise<void>((connected, failed) => {
              setTimeout(failed, 20_000, new Error(`the direct path of join ${n} did not come`));
              joined.on("path", ({ peer }) => directly(peer) && connected());
              if ([...joined.peers.values()].some(directly)) connected();
            });
          }
          await joined.leave();
        }
      },
      { room, times },
    );
  const held = (peers: Peer[]) => Promise.all(peers.map((peer) => peer.heldBytes()));

  await comeAndGo(WARM_UP);
  const before = await held([resident, guest]);
  await comeAndGo(CYCLES - WARM_UP);
  await expect.poll(() => resident.paths()).toEqual({});
  // Two wait for newcomers, and Chromium keeps some others for a while, for reasons of its own (14 were seen). Were one kept
  // each time, there would be 170.
  for (const peer of [resident, guest]) {
    await expect.poll(() => peer.livingConnections()).toBeLessThanOrEqual(40);
  }
  const after = await held([resident, guest]);
  for (const [at, bytes] of after.entries()) {
    expect((bytes ?? 0) - (before[at] ?? 0)).toBeLessThanOrEqual(GROWTH_BYTES);
  }
});
