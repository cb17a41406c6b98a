// What each delivery promises.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const COUNT = 10_000;
const DIRECTIONS: [from: BrowserName, to: BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

/** Sends 0, 1, 2, … without waiting for one before the next. */
function sendNumbers(
  peer: Peer,
  label: "unordered" | "lasting" | "latest" | "json",
  count: number,
): Promise<void> {
  return peer.run(
    async ({ state }, { label, count }) => {
      const channel = state.room.channel(label);
      const sends: Promise<void>[] = [];
      for (let n = 0; n < count; n += 1) sends.push(channel.send(n));
      await Promise.all(sends);
    },
    { label, count },
  );
}

function numbers(
  peer: Peer,
  label: "unordered" | "lasting" | "latest" | "brief" | "json",
): Promise<number[]> {
  return peer.run(({ state }, label) => state.received[label].map(({ data }) => data as number), label);
}

const heard = (peer: Peer, label: "unordered" | "lasting" | "json") =>
  peer.run(({ state }, label) => state.received[label].length, label);

for (const [from, to] of DIRECTIONS) {
  test(`${from} to ${to}: ${COUNT} ordered messages, not awaited, arrive once each and in order`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(from), await open(to)];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    await sendNumbers(a, "json", COUNT);
    await expect.poll(() => heard(b, "json")).toBe(COUNT);
    expect(await numbers(b, "json")).toEqual(Array.from({ length: COUNT }, (_, n) => n));
  });
}

for (const label of ["unordered", "lasting"] as const) {
  test(`${COUNT} messages on channel "${label}" arrive once each where nothing is lost`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open("chromium"), await open("firefox")];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    await sendNumbers(a, label, COUNT);
    await expect.poll(() => heard(b, label)).toBe(COUNT);
    const sorted = (await numbers(b, label)).sort((x, y) => x - y);
    expect(sorted).toEqual(Array.from({ length: COUNT }, (_, n) => n));
  });
}

test("ordered messages to everyone and to one keep the order in which they were sent", async ({
  open,
  room,
}) => {
  const [a, b, c] = [await open("chromium"), await open("chromium"), await open("chromium")];
  await Promise.all([a, b, c].map((peer) => peer.join(room)));
  await expectMesh(a, b, c);
  await a.run(async ({ state }, to) => {
    const sends: Promise<void>[] = [];
    // Some are longer than one frame.
    const filler = "x".repeat(40_000);
    for (let n = 0; n < 300; n += 1) {
      sends.push(state.room.json.send({ n, filler: n % 10 === 0 ? filler : "" }, n % 3 === 0 ? { to } : {}));
    }
    await Promise.all(sends);
  }, b.id);
  const order = (peer: Peer) =>
    peer.run(({ state }) => state.received.json.map(({ data }) => (data as { n: number }).n));
  const all = Array.from({ length: 300 }, (_, n) => n);
  await expect.poll(() => order(b)).toEqual(all);
  await expect.poll(() => order(c)).toEqual(all.filter((n) => n % 3 !== 0));
});

test("latest: what arrives only goes forward and ends with the last value", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await sendNumbers(a, "latest", 5000);
  await expect.poll(async () => (await numbers(b, "latest")).at(-1)).toBe(4999);
  const values = await numbers(b, "latest");
  expect(values).toEqual([...new Set(values)].sort((x, y) => x - y));
});

test("latest: whoever joins later gets the last value that was sent to all, from each peer", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await sendNumbers(a, "latest", 10);
  await b.run(({ state }) => state.room.latest.send(77));
  // What was for one alone is nobody else's.
  await b.run(({ state }, to) => state.room.latest.send(78, { to }), a.id);

  const late = await open("firefox");
  await late.join(room);
  const bySender = async () => {
    const received = await late.received("latest");
    return received.sort((x, y) => Number(x.data) - Number(y.data));
  };
  await expect.poll(bySender).toEqual([
    { from: a.id, data: 9 },
    { from: b.id, data: 77 },
  ]);
});

test("lifetimeMs: what ran out before there was a connection is not delivered late", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  // The first try to connect fails, and the next begins later than the lifetime of 100 ms.
  await b.run(({ faults }) => faults.refuseAnswers(1));
  await a.join(room, { relay: "never" });
  await a.run(({ state }) => {
    state.room.on("peer", ({ state: change }) => {
      if (change !== "joined") return;
      void state.room.brief.send(1);
      void state.room.json.send("kept");
    });
  });
  await b.join(room, { relay: "never" });
  await expectMesh(a, b);
  await expect.poll(() => numbers(b, "json")).toEqual(["kept"]);
  await a.run(({ state }) => state.room.brief.send(2));
  await expect.poll(() => numbers(b, "brief")).toEqual([2]);
});

test("messages sent before the connection is there arrive when it is, in order", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await a.run(({ state }) => {
    state.room.on("peer", ({ peer, state: change }) => {
      if (change !== "joined") return;
      for (let n = 0; n < 100; n += 1) void state.room.json.send({ n, path: peer.path });
    });
  });
  await b.join(room);
  await expect.poll(() => heard(b, "json")).toBe(100);
  const received = (await b.received("json")).map(({ data }) => data);
  expect(received).toEqual(Array.from({ length: 100 }, (_, n) => ({ n, path: "connecting" })));
});
