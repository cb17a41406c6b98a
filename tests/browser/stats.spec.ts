// What a page can see of its connections: counts by channel, paths now and before, samples over time.
import { type BrowserName, expect, expectMesh, test } from "./support/fixtures.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

for (const [first, second] of PAIRS) {
  test(`${first} beside ${second}: counts by channel, and of streams and calls`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    await b.run(({ state }) => {
      state.room.on("stream", (stream) => void stream.readable.pipeTo(new WritableStream()));
    });
    await a.run(async ({ state, randomBytes }) => {
      for (let n = 0; n < 3; n += 1) await state.room.json.send(n);
      await state.room.blob.send(randomBytes(1, 70_000));
      const [peer] = state.room.peers.values();
      const stream = await peer?.openStream("a");
      const writer = stream?.writable.getWriter();
      await writer?.write(randomBytes(2, 30_000));
      await writer?.close();
    });
    await expect.poll(() => b.received("blob").then((all) => all.length)).toBe(1);
    const stats = () => a.run(({ state }, id) => state.room.peers.get(id)?.stats(), b.id);
    // Acknowledged, the browser's own measures are there, and nothing is kept any more.
    await expect
      .poll(stats)
      .toMatchObject({ exchange: { queuedBytes: 0 }, channels: { blob: { queuedBytes: 0 } } });
    const sent = await stats();
    expect(sent?.channels.json).toMatchObject({ messagesSent: 3, messagesReceived: 0, messagesResent: 0 });
    expect(sent?.channels.blob).toMatchObject({ messagesSent: 1, unacknowledgedBytes: 0, earlyBytes: 0 });
    expect(sent?.channels.blob?.bytesSent).toBeGreaterThanOrEqual(70_000);
    expect(sent?.channels.blob?.windowBytes).toBeGreaterThan(0);
    expect(sent?.channels.latest).not.toHaveProperty("windowBytes");
    expect(sent?.exchange.bytesSent).toBeGreaterThanOrEqual(30_000);
    expect(sent?.bytesSent).toBeGreaterThan(100_000);
    expect(sent).toMatchObject({ path: "direct", messagesReceived: 0, bufferedBytes: 0 });
    // Firefox does not count its checks.
    if (first === "chromium") expect(sent?.lossRatio).toBe(0);
    expect(sent?.localCandidateType).toMatch(/^(host|prflx)$/);

    const got = await b.run(({ state }, id) => state.room.peers.get(id)?.stats(), a.id);
    expect(got?.channels.json).toMatchObject({ messagesSent: 0, messagesReceived: 3 });
    expect(got?.channels.blob?.bytesReceived).toBe(sent?.channels.blob?.bytesSent);
    expect(got?.exchange.bytesReceived).toBe(sent?.exchange.bytesSent);
  });
}

test("paths are known as they are, as they change and as they were", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await a.run(({ state }) => {
    const told: unknown[] = [];
    Object.assign(state, { told });
    state.room.on("path", ({ peer, ...event }) => void told.push(event));
  });
  await b.join(room);
  await expectMesh(a, b);
  await a.note("hello");
  const now = () =>
    a.run(({ state }) => state.room.paths().map(({ peer, ...route }) => ({ ...route, id: peer.id })));
  await expect.poll(now).toMatchObject([{ id: b.id, path: "direct", since: expect.any(Number) }]);
  await expect.poll(async () => (await now())[0]?.rttMs).toBeGreaterThanOrEqual(0);

  await a.run(({ state }) => [...state.room.peers.values()][0]?.connection?.close());
  await a.note("by whatever way");
  await expect.poll(() => b.notes().then((notes) => notes.length)).toBe(2);
  await expect.poll(() => a.pathsTo(b).then((paths) => paths.slice(-2))).toEqual(["relay", "direct"]);
  const told = (await a.run(({ state }) => (state as unknown as { told: unknown[] }).told)) as {
    path: string;
    before: { path: string; since: number; bytesSent: number };
  }[];
  const stats = await a.run(({ state }, id) => state.room.peers.get(id)?.stats(), b.id);
  const paths = stats?.paths ?? [];
  expect(paths.map(({ path }) => path)).toEqual(["connecting", ...told.map(({ path }) => path)]);
  // Each event tells of the path before it, as the history does.
  expect(told.map(({ before }) => before)).toEqual(paths.slice(0, -1));
  // A note went over the direct path.
  const direct = paths.find(({ path }) => path === "direct");
  expect(direct?.bytesSent).toBeGreaterThan(5);
  const sum = paths.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  expect(sum).toBe(stats?.bytesSent);
  const since = paths.map(({ since }) => since);
  expect(since).toEqual([...since].sort((one, other) => one - other));
});

test("a record keeps the last samples, and ends with the peer", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await a.run(({ peerloom, state }) => {
    const [peer] = state.room.peers.values();
    if (peer === undefined) throw new Error("nobody is here");
    const heard: number[] = [];
    const record = peerloom.recordStats(peer, {
      everyMs: 100,
      keep: 3,
      onSample: ({ at }) => heard.push(at),
    });
    Object.assign(state, { record, heard });
  });
  type Recorded = { record: import("peerloom").StatsRecord; heard: number[] };
  await a.run(({ state, randomBytes }) => state.room.blob.send(randomBytes(1, 200_000)));
  const samples = () => a.run(({ state }) => [...(state as unknown as Recorded).record.samples]);
  await expect
    .poll(() => a.run(({ state }) => (state as unknown as Recorded).heard.length))
    .toBeGreaterThan(6);
  const last = await samples();
  expect(last).toHaveLength(3);
  expect(last[2]?.bytesSent).toBeGreaterThan(200_000);
  expect(last[2]?.at).toBeGreaterThan(last[1]?.at ?? Number.POSITIVE_INFINITY);
  expect(last[2]).not.toHaveProperty("paths");
  // The rate is that of the counts.
  const [one, other] = [last[1], last[2]];
  const seconds = ((other?.at ?? 0) - (one?.at ?? 0)) / 1_000;
  const rate = ((other?.bytesSent ?? 0) - (one?.bytesSent ?? 0)) / seconds;
  expect(other?.bytesSentPerSecond).toBeCloseTo(rate);
  await b.leave();
  await expect.poll(() => a.run(({ state }) => (state as unknown as Recorded).record.isRunning)).toBe(false);
  await a.leave();
  const gone = await a.run(({ state, failure }) =>
    failure((state as unknown as Recorded).record.peer.stats()),
  );
  expect(gone).toMatchObject({ code: "closed" });
});
