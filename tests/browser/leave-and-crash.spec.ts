// However a page goes, the others see it, once.
import { chromium } from "@playwright/test";
import { killAll, launchChromiumServer, launchFirefox, mayLackFirefox } from "./support/browsers.ts";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];

async function expectGone(from: Peer, gone: Peer): Promise<void> {
  // A connection may outlive the server's word for some seconds before it counts as lost.
  await expect.poll(() => from.statesOf(gone), { timeout: 30_000 }).toContain("left");
  expect((await from.statesOf(gone)).filter((state) => state === "left")).toHaveLength(1);
  expect(Object.keys(await from.paths())).not.toContain(gone.id);
}

async function expectStillTalking(a: Peer, b: Peer): Promise<void> {
  await a.note("still here");
  await expect.poll(() => b.notes()).toContain(`${a.id}: still here`);
}

/** Three pages in a room; the last one goes. */
const WAYS: [title: string, go: (peer: Peer, elsewhere: string) => Promise<unknown>][] = [
  ["leaves", (peer) => peer.leave()],
  ["closes the page", (peer) => peer.close()],
  ["goes to another page", (peer, elsewhere) => peer.goto(`${elsewhere}/healthz`)],
];

for (const browser of BROWSERS) {
  for (const [title, go] of WAYS) {
    test(`whoever ${title} in ${browser} is seen leaving`, async ({ open, room, server }) => {
      const [a, b, goer] = [await open("chromium"), await open("firefox"), await open(browser)];
      await Promise.all([a, b, goer].map((peer) => peer.join(room)));
      await expectMesh(a, b, goer);
      await go(goer, server.url);
      await Promise.all([expectGone(a, goer), expectGone(b, goer)]);
      await expectStillTalking(a, b);
    });
  }
}

test("leaving says goodbye, ends everything on this side, and happens once", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await a.run(({ state }) => {
    state.room.on("peer", ({ state: change, reason }) => {
      if (change === "left") state.happenings.push({ event: "peer", message: reason });
    });
  });
  const after = await b.run(async ({ state, failure }) => {
    const peer = [...state.room.peers.values()][0];
    await Promise.all([state.room.leave(), state.room.leave()]);
    await state.room.leave();
    const refused = await failure(state.room.note.send({ text: "too late", n: 0 }));
    const { room } = state;
    return { refused, peers: room.peers.size, signaling: room.signaling, peer: peer?.state };
  });
  expect(after).toMatchObject({ refused: { code: "closed" }, peers: 0, signaling: "closed", peer: "left" });
  expect(await b.happenings("closed")).toHaveLength(1);
  await expectGone(a, b);
  expect((await a.happenings("peer")).at(-1)?.message).toBe("left");
});

test("a page that left can join again, as somebody new", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  const before = await b.join(room);
  await expectMesh(a, b);
  await b.leave();
  await expectGone(a, b);
  const again = await b.join(room);
  expect(again).not.toBe(before);
  await expectMesh(a, b);
  await expectStillTalking(a, b);
});

test("a Chromium that is killed is seen leaving", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  const other = await launchChromiumServer();
  const within = await chromium.connect(other.wsEndpoint());
  const victim = await open("chromium", { within });
  await Promise.all([a, b, victim].map((peer) => peer.join(room)));
  await expectMesh(a, b, victim);
  killAll(other.process());
  await Promise.all([expectGone(a, victim), expectGone(b, victim)]);
  await expectStillTalking(a, b);
});

test("a Firefox that is killed is seen leaving", async ({ open, room }) => {
  test.skip(mayLackFirefox, "no Firefox here");
  const [a, b] = [await open("chromium"), await open("chromium")];
  const within = await launchFirefox();
  const victim = await open("firefox", { within });
  await Promise.all([a, b, victim].map((peer) => peer.join(room)));
  await expectMesh(a, b, victim);
  const process = within.process();
  expect(process).not.toBeNull();
  if (process !== null) killAll(process);
  await Promise.all([expectGone(a, victim), expectGone(b, victim)]);
  await expectStillTalking(a, b);
});
