// Joining a room and talking, in every combination of browsers.
import { type BrowserName, expect, expectMesh, type Harness, test } from "./support/fixtures.ts";

const PAIRS: [first: BrowserName, second: BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
  ["firefox", "firefox"],
];

for (const [first, second] of PAIRS) {
  test(`${first} is there, ${second} joins, they talk`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room, { metadata: { name: "Ada", tags: ["ä", 1, null] } });
    await b.join(room, { metadata: "Ben" });
    await expectMesh(a, b);

    const metadata = ({ state }: Harness) => [...state.room.peers.values()].map((peer) => peer.metadata);
    expect(await a.run(metadata)).toEqual(["Ben"]);
    expect(await b.run(metadata)).toEqual([{ name: "Ada", tags: ["ä", 1, null] }]);
    expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
    expect(await b.statesOf(a)).toEqual(["joined", "connected"]);

    await Promise.all([a.note("from the first ✓"), b.note("from the second ✓")]);
    await expect.poll(() => a.notes()).toEqual([`${b.id}: from the second ✓`]);
    await expect.poll(() => b.notes()).toEqual([`${a.id}: from the first ✓`]);
  });
}

test("three pages of two browsers: to everyone, and to one", async ({ open, room }) => {
  const peers = [await open("chromium"), await open("firefox"), await open("chromium")] as const;
  const [a, b, c] = peers;
  // All at the same time: whoever the server lets in later meets the others there.
  await Promise.all(peers.map((peer) => peer.join(room)));
  await expectMesh(a, b, c);

  await a.note("to b alone", b);
  await a.note("to all");
  await expect.poll(() => b.notes()).toEqual([`${a.id}: to b alone`, `${a.id}: to all`]);
  await expect.poll(() => c.notes()).toEqual([`${a.id}: to all`]);
  // A peer itself will do as well as its id.
  await c.run(async ({ state }, id) => {
    const peer = state.room.peers.get(id);
    if (peer) await state.room.note.send({ text: "back", n: 0 }, { to: peer });
  }, b.id);
  await expect.poll(() => b.notes()).toContain(`${c.id}: back`);
  expect(await a.notes()).toEqual([]);
});

test("rooms do not hear each other", async ({ open, room }) => {
  const [a, b, other] = [await open("chromium"), await open("chromium"), await open("chromium")];
  await a.join(room);
  await other.join(`${room} next door`);
  await b.join(room);
  await expectMesh(a, b);
  await a.note("hello");
  await expect.poll(() => b.notes()).toEqual([`${a.id}: hello`]);
  expect(await other.paths()).toEqual({});
  expect(await other.notes()).toEqual([]);
});

test("a peer's numbers tell what went directly and what through the server", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  const before = await a.run((h) => h.state.room.stats());
  await a.run((h) => h.state.room.blob.send(h.randomBytes(1, 100_000)));
  await expect.poll(() => b.run((h) => h.state.received.blob.length)).toBe(1);

  const after = await a.run((h) => h.state.room.stats());
  expect(after.directBytesSent - before.directBytesSent).toBeGreaterThanOrEqual(100_000);
  expect(after.directBytesSent - before.directBytesSent).toBeLessThan(110_000);
  // At most signs of life.
  expect(after.serverBytesSent - before.serverBytesSent).toBeLessThan(1000);
  const stats = await a.run((h, id) => h.state.room.peers.get(id)?.stats(), b.id);
  expect(stats).toMatchObject({ path: "direct", messagesSent: 1, messagesReceived: 0 });
  expect(stats?.bytesSent).toBeGreaterThanOrEqual(100_000);
  const theirs = await b.run((h, id) => h.state.room.peers.get(id)?.stats(), a.id);
  expect(theirs).toMatchObject({ messagesSent: 0, messagesReceived: 1 });
});

test("one page in two rooms at once is somebody else in each", async ({ open, room }) => {
  const [both, a, b] = [await open("chromium"), await open("chromium"), await open("firefox")];
  const second = `${room} next door`;
  await a.join(room);
  await b.join(second);
  const ids = await both.run(
    async ({ peerloom, protocol, kept }, rooms) => {
      const heard: string[] = [];
      const joined = await Promise.all(
        rooms.map((room) => peerloom.join(location.origin, { room, protocol })),
      );
      for (const one of joined) one.note.on(({ data }) => void heard.push(`${one.name}: ${data.text}`));
      for (const one of joined)
        void one.on("peer", ({ state }) => {
          if (state === "connected") void one.note.send({ text: `into ${one.name}`, n: 0 });
        });
      Object.assign(kept, { heard });
      return joined.map(({ self }) => self.id);
    },
    [room, second],
  );
  expect(ids[0]).not.toBe(ids[1]);
  await expect.poll(() => a.notes()).toEqual([`${ids[0]}: into ${room}`]);
  await expect.poll(() => b.notes()).toEqual([`${ids[1]}: into ${second}`]);
  await a.note("from a");
  await b.note("from b");
  const heard = async () => (await both.run(({ kept }) => kept.heard as string[])).sort();
  await expect.poll(heard).toEqual([`${room}: from a`, `${second}: from b`].sort());
});

test("the ICE servers of the application reach every connection", async ({ open, room }) => {
  const page = await open("chromium");
  const servers = await page.run(async ({ peerloom, faults }, room) => {
    faults.watchConnections();
    const iceServers = [{ urls: "turn:127.0.0.1:9", username: "name", credential: "secret" }];
    const joined = await peerloom.join(location.origin, { room, iceServers });
    const found = faults.configurations().map(({ iceServers }) => iceServers);
    await joined.leave();
    return found;
  }, room);
  expect(servers.length).toBeGreaterThan(0);
  for (const found of servers) {
    expect(found).toMatchObject([{ username: "name", credential: "secret" }]);
  }
});

for (const browser of ["chromium", "firefox"] as const) {
  test(`a page of ${browser} without Ed25519 of the browser's own, as by plain http, signs and checks all the same`, async ({
    open,
    room,
  }) => {
    const [bare, other] = [await open(browser), await open("chromium")];
    await bare.run(({ kept }) => {
      Object.defineProperty(crypto, "subtle", { value: undefined });
      kept.loaded = () =>
        performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/ed25519.js")).length;
    });
    await other.join(room, { metadata: "with" });
    await bare.join(room, { metadata: "without" });
    await expectMesh(bare, other);
    await bare.note("signed");
    await expect.poll(() => other.notes()).toEqual([`${bare.id}: signed`]);
    expect(await bare.run(({ kept }) => (kept.loaded as () => number)())).toBe(1);
    const loaded = () =>
      performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/ed25519.js"));
    expect(await other.run(loaded), "nobody else fetches it").toBe(false);
  });
}
