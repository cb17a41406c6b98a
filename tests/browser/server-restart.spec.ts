// The server may die and come back: what is connected stays connected, and who waits gets in.
import { chromium } from "@playwright/test";
import { killAll, launchChromiumServer } from "./support/browsers.ts";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const signaling = (peer: Peer) => peer.run(({ state }) => state.room.signaling);

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
];

for (const [first, second] of PAIRS) {
  test(`${first} and ${second} go on while the server is away, and meet a newcomer when it is back`, async ({
    open,
    room,
    startServer,
  }) => {
    const server = await startServer();
    const [a, b] = [await open(first, { server }), await open(second, { server })];
    const newcomer = await open("chromium", { server });
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);

    await server.kill();
    for (const peer of [a, b]) await expect.poll(() => signaling(peer)).toBe("reconnecting");
    await Promise.all([a.note("during the outage"), b.note("here too")]);
    await expect.poll(() => a.notes()).toEqual([`${b.id}: here too`]);
    await expect.poll(() => b.notes()).toEqual([`${a.id}: during the outage`]);

    await server.start();
    for (const peer of [a, b]) await expect.poll(() => signaling(peer)).toBe("connected");
    await newcomer.join(room);
    await expectMesh(a, b, newcomer);
    await newcomer.note("I am new");
    await expect.poll(() => a.notes()).toContain(`${newcomer.id}: I am new`);
    await expect.poll(() => b.notes()).toContain(`${newcomer.id}: I am new`);

    for (const [peer, other] of [
      [a, b],
      [b, a],
    ] as const) {
      expect(await peer.run(({ state }) => state.room.self.id)).toBe(peer.id);
      // Nobody noticed anything of the other.
      expect(await peer.statesOf(other)).toEqual(["joined", "connected"]);
      const states = (await peer.happenings("signaling")).map(({ state }) => state);
      expect(states).toEqual(["reconnecting", "connected"]);
    }
  });
}

test("who leaves while the server is away is seen leaving, and is not back with it", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const peers = [
    await open("chromium", { server }),
    await open("chromium", { server }),
    await open("chromium", { server }),
  ];
  const [a, b, leaver] = peers as [Peer, Peer, Peer];
  await Promise.all(peers.map((peer) => peer.join(room)));
  await expectMesh(...peers);
  await server.kill();
  for (const peer of peers) await expect.poll(() => signaling(peer)).toBe("reconnecting");
  await leaver.leave();
  for (const peer of [a, b]) await expect.poll(() => peer.statesOf(leaver)).toContain("left");
  await server.start();
  for (const peer of [a, b]) await expect.poll(() => signaling(peer)).toBe("connected");
  await expectMesh(a, b);
});

test("who is killed while the server is away is seen leaving when it is back", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const [a, b] = [await open("chromium", { server }), await open("firefox", { server })];
  const other = await launchChromiumServer();
  const within = await chromium.connect(other.wsEndpoint());
  const victim = await open("chromium", { server, within });
  // No server tells the others of its death: only silence does.
  await Promise.all([a, b, victim].map((peer) => peer.join(room, { peerTimeoutMs: 10_000 })));
  await expectMesh(a, b, victim);
  await server.kill();
  for (const peer of [a, b, victim]) await expect.poll(() => signaling(peer)).toBe("reconnecting");
  killAll(other.process());
  await server.start();
  for (const peer of [a, b]) {
    await expect.poll(() => peer.statesOf(victim), { timeout: 40_000 }).toContain("left");
  }
  await expectMesh(a, b);
});

test("joining waits for a server that comes back", async ({ open, room, startServer }) => {
  const server = await startServer();
  const [a, b] = [await open("chromium", { server }), await open("firefox", { server })];
  for (const peer of [a, b]) {
    await peer.run((h) => h.peerloom.load());
    await peer.run((h) => h.faults.watchSockets());
  }
  await server.kill();
  const joining = Promise.all([a.join(room), b.join(room)]);
  // Each has found the server away: only then is it started again.
  const failed = (peer: Peer) => peer.run((h) => h.faults.failedSockets());
  for (const peer of [a, b]) await expect.poll(() => failed(peer)).toBeGreaterThan(0);
  await server.start();
  await joining;
  await expectMesh(a, b);
});

test("a server that dies in the middle of a join and comes back lets everyone in", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const pages = [await open("chromium", { server }), await open("firefox", { server })];
  const resident = await open("chromium", { server });
  for (const page of pages) await page.run((h) => h.peerloom.load());
  await resident.join(room);
  const joining = Promise.all(pages.map((page) => page.join(room)));
  await server.kill();
  await server.start();
  await joining;
  await expectMesh(resident, ...pages);
});

test("a server that is told to stop says so, and its return is found", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const [a, b] = [await open("chromium", { server }), await open("chromium", { server })];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await server.kill("SIGTERM");
  for (const peer of [a, b]) await expect.poll(() => signaling(peer)).toBe("reconnecting");
  await a.note("still here");
  await expect.poll(() => b.notes()).toEqual([`${a.id}: still here`]);
  await server.start();
  for (const peer of [a, b]) await expect.poll(() => signaling(peer)).toBe("connected");
  expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
});
