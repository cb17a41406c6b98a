// A session outlives its paths: what is sent arrives exactly once, whatever happens to connections and server.
import { chromium } from "@playwright/test";
import { killAll, launchChromiumServer } from "./support/browsers.ts";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
];

/**
 * Sends `count` numbers to the only other member on the ordered channel, one every few milliseconds; resolves when all are
 * queued. Waits until that member is known: who joins later hears nothing of what was sent before.
 */
async function sendNumbers(peer: Peer, count: number): Promise<void> {
  await expect.poll(async () => Object.keys(await peer.paths()).length).toBe(1);
  await peer.run(async ({ state }, count) => {
    for (let n = 0; n < count; n += 1) {
      await state.room.json.send(n);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }, count);
}

const numbersFrom = async (peer: Peer, other: Peer) =>
  (await peer.received("json")).filter(({ from }) => from === other.id).map(({ data }) => data);

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

for (const [first, second] of PAIRS) {
  test(`${first} and ${second} talk through the server when nothing else works`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    for (const peer of [a, b]) await peer.run(({ faults }) => faults.refuseConnections());
    await a.join(room, { relayBulk: true });
    await b.join(room, { relayBulk: true });
    await Promise.all([sendNumbers(a, 100), sendNumbers(b, 100)]);
    await expect.poll(() => numbersFrom(a, b)).toEqual(upTo(100));
    await expect.poll(() => numbersFrom(b, a)).toEqual(upTo(100));
    // More than one packet holds, and within what the server lets through at once.
    const digest = await a.run(async ({ state, randomBytes, digest }) => {
      const bytes = randomBytes(7, 150_000);
      await state.room.blob.send(bytes);
      return digest(bytes);
    });
    await expect.poll(() => b.received("blob").then((all) => all.length)).toBe(1);
    const heard = await b.run(({ state, digest }) => digest(state.received.blob[0]?.data as Uint8Array));
    expect(heard).toBe(digest);
    expect(await a.paths()).toEqual({ [b.id]: "relay" });
    expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
  });

  test(`${first} and ${second}: connections break while both talk, and every message arrives once and in order`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room);
    await b.join(room);
    const talking = Promise.all([sendNumbers(a, 600), sendNumbers(b, 600)]);
    for (let broken = 0; broken < 3; broken += 1) {
      await expectMesh(a, b);
      await (broken % 2 === 0 ? a : b).run(({ state }) => {
        const [peer] = state.room.peers.values();
        peer?.connection?.close();
      });
    }
    await talking;
    await expect.poll(() => numbersFrom(a, b)).toEqual(upTo(600));
    await expect.poll(() => numbersFrom(b, a)).toEqual(upTo(600));
    await expectMesh(a, b);
    expect(await a.statesOf(b)).toEqual(["joined", "connected"]);
  });
}

test("a server replaced again and again loses no message that goes through it", async ({
  open,
  room,
  startServer,
}) => {
  const server = await startServer();
  const [a, b] = [await open("chromium", { server }), await open("firefox", { server })];
  for (const peer of [a, b]) await peer.run(({ faults }) => faults.refuseConnections());
  await a.join(room);
  await b.join(room);
  const talking = Promise.all([sendNumbers(a, 500), sendNumbers(b, 500)]);
  for (let times = 0; times < 4; times += 1) {
    await expect.poll(async () => (await numbersFrom(b, a)).length).toBeGreaterThan(times * 50);
    await server.kill();
    await server.start();
  }
  await talking;
  await expect.poll(() => numbersFrom(a, b)).toEqual(upTo(500));
  await expect.poll(() => numbersFrom(b, a)).toEqual(upTo(500));
  expect(await a.statesOf(b)).not.toContain("left");
});

test("nothing goes through the server with relay: never", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room, { relay: "never" });
  await b.join(room, { relay: "never" });
  await expectMesh(a, b);
  const sent = () => a.run(({ state }) => state.room.stats().serverBytesSent);
  const before = await sent();
  await sendNumbers(a, 200);
  await expect.poll(() => numbersFrom(b, a)).toEqual(upTo(200));
  // A sign of life, or late candidates.
  expect((await sent()) - before).toBeLessThan(500);
  expect(await a.pathsTo(b)).toEqual(["direct"]);
});

test("a confirmed message says what became of it", async ({ open, room }) => {
  const [a, b, c] = [await open("chromium"), await open("firefox"), await open("chromium")];
  for (const peer of [a, b, c]) await peer.join(room);
  await expectMesh(a, b, c);
  const confirm = (timeoutMs: number) =>
    a.run(async ({ state }, timeoutMs) => {
      const outcomes = await state.room.json.send("sure?", { confirm: true, timeoutMs });
      return Object.fromEntries(outcomes);
    }, timeoutMs);
  expect(await confirm(20_000)).toEqual({ [b.id]: "delivered", [c.id]: "delivered" });
  await c.leave();
  await expect.poll(() => a.statesOf(c)).toContain("left");
  expect(await confirm(20_000)).toEqual({ [b.id]: "delivered" });
});

test("a reader that does not read makes the sender wait, and gets everything in the end", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  const windowBytes = 256 * 1024;
  await a.join(room, { windowBytes });
  await b.join(room, { windowBytes, unheard: true });
  await expectMesh(a, b);
  await a.run(({ state, kept, randomBytes }) => {
    kept.queued = 0;
    const message = randomBytes(3, 50_000);
    kept.sending = (async () => {
      for (let n = 0; n < 60; n += 1) {
        message[0] = n;
        await state.room.blob.send(message);
        kept.queued = n + 1;
      }
    })();
  });
  const queued = () => a.run(({ kept }) => kept.queued as number);
  // Both windows full, and a message on top of each.
  await expect.poll(queued).toBeGreaterThan(4);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(await queued()).toBeLessThan(16);
  const firstBytes = await b.run(async ({ state }) => {
    const seen: number[] = [];
    for await (const { data } of state.room.blob) {
      seen.push(data[0] as number);
      if (seen.length === 60) break;
    }
    return seen;
  });
  expect(firstBytes).toEqual(upTo(60));
  await expect.poll(queued).toBe(60);
});

test("leaving right after sending loses nothing", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  const digest = await a.run(async ({ state, randomBytes, digest }) => {
    const bytes = randomBytes(11, 5_000_000);
    void state.room.blob.send(bytes);
    void state.room.json.send("last word");
    await state.room.leave();
    return digest(bytes);
  });
  await expect.poll(() => b.statesOf(a)).toContain("left");
  expect((await b.received("json")).map(({ data }) => data)).toEqual(["last word"]);
  expect(await b.run(({ state, digest }) => digest(state.received.blob[0]?.data as Uint8Array))).toBe(digest);
  expect(await a.happenings("undelivered")).toEqual([]);
});

test("what a vanished peer did not get is reported", async ({ open, room }) => {
  const other = await launchChromiumServer();
  const within = await chromium.connect(other.wsEndpoint());
  const a = await open("chromium");
  const victim = await open("chromium", { within });
  await a.join(room);
  await victim.join(room);
  await expectMesh(a, victim);
  const id = victim.id;
  killAll(other.process());
  await a.run(({ state }) => {
    for (let n = 0; n < 3; n += 1) void state.room.json.send(n);
  });
  await expect
    .poll(() => a.statesOf(id), { timeout: 30_000 })
    .toEqual(["joined", "connected", "suspended", "left"]);
  const [undelivered] = await a.happenings("undelivered");
  expect(undelivered).toMatchObject({ peer: id, label: "json", messages: 3 });
});

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a page that is reloaded comes back under its id`, async ({ open, room }) => {
    const [a, b] = [await open("chromium"), await open(browser)];
    await a.join(room);
    const id = await b.join(room);
    await expectMesh(a, b);
    await b.reload();
    await expect.poll(() => a.statesOf(id)).toContain("left");
    expect(await b.join(room)).toBe(id);
    await expectMesh(a, b);
    expect(await a.statesOf(id)).toEqual(["joined", "connected", "left", "joined", "connected"]);
    await a.note("welcome back");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: welcome back`]);
  });
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a page put into the back/forward cache leaves, and joins again when it is shown`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open("chromium"), await open(browser)];
    await a.join(room);
    const id = await b.join(room);
    await expectMesh(a, b);
    // As the browser tells it: no test can make every browser keep a page.
    const tell = (name: string) =>
      b.run((_, name) => void dispatchEvent(new PageTransitionEvent(name, { persisted: true })), name);
    await tell("pagehide");
    await expect.poll(() => a.statesOf(id)).toContain("left");
    await tell("pageshow");
    await expectMesh(a, b);
    expect(b.id).toBe(id);
    await a.note("again");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: again`]);
  });
}

test("the newest value survives a change of path", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await a.run(({ state }) => {
    const [peer] = state.room.peers.values();
    for (let n = 0; n < 50; n += 1) void state.room.latest.send(n);
    peer?.connection?.close();
    void state.room.latest.send(99);
  });
  await expect.poll(async () => (await b.received("latest")).at(-1)?.data).toBe(99);
});
