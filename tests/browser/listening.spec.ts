// The ways to hear messages: listeners, iterators, and how they end.
import { expect, expectMesh, test } from "./support/fixtures.ts";

test("several listeners hear everything, each until it stops", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await b.run(({ state, kept }) => {
    const heard = { one: [] as unknown[], two: [] as unknown[], once: [] as unknown[] };
    const stopOnce = state.room.json.on(({ data }) => {
      heard.once.push(data);
      stopOnce();
      stopOnce();
    });
    const stop = state.room.json.on(({ data }) => {
      heard.one.push(data);
      if (data === 2) stop();
    });
    state.room.json.on(({ data }) => void heard.two.push(data));
    Object.assign(kept, { heard });
  });
  for (let n = 0; n < 4; n += 1) await a.run(({ state }, n) => state.room.json.send(n), n);
  const heard = () => b.run(({ kept }) => kept.heard);
  await expect.poll(heard).toEqual({ one: [0, 1, 2], two: [0, 1, 2, 3], once: [0] });
});

test("messages that come before the first listener are kept for it", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room, { unheard: true });
  await expectMesh(a, b);
  for (let n = 0; n < 3; n += 1) await a.run(({ state }, n) => state.room.json.send(n), n);
  // It came behind them, on a channel of its own: wait until the browser has had all of them.
  const received = (n: number) =>
    b.run(async ({ state }, n) => {
      const [peer] = state.room.peers.values();
      return ((await peer?.stats())?.messagesReceived ?? 0) >= n;
    }, n);
  await expect.poll(() => received(3)).toBe(true);
  await b.run(({ state }) => {
    state.room.json.on(({ from, data }) => void state.received.json.push({ from: from.id, data }));
  });
  await a.run(({ state }) => state.room.json.send(3));
  await expect.poll(async () => (await b.received("json")).map(({ data }) => data)).toEqual([0, 1, 2, 3]);
});

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: for await gives every message in order, and ends with the room`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open("chromium"), await open(browser)];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    await b.run(({ state, kept }) => {
      const heard: unknown[] = [];
      const short: unknown[] = [];
      const reading = async () => {
        for await (const { data } of state.room.json) heard.push(data);
        heard.push("end");
      };
      const readingTwo = async () => {
        for await (const { data } of state.room.json) {
          short.push(data);
          if (short.length === 2) break;
        }
        short.push("end");
      };
      Object.assign(kept, { heard, short, done: Promise.all([reading(), readingTwo()]) });
    });
    await a.run(async ({ state }) => {
      for (let n = 0; n < 1000; n += 1) await state.room.json.send(n);
    });
    await expect.poll(() => b.run(({ kept }) => (kept.heard as unknown[]).length)).toBe(1000);
    await b.leave();
    const { heard, short } = await b.run(async ({ kept }) => {
      await kept.done;
      return { heard: kept.heard, short: kept.short };
    });
    expect(short).toEqual([0, 1, "end"]);
    expect(heard).toEqual([...Array.from({ length: 1000 }, (_, n) => n), "end"]);
  });

  test(`${browser}: disposing of a room leaves it`, async ({ open, room }) => {
    const [a, b] = [await open("chromium"), await open(browser)];
    await a.join(room);
    const id = await b.run(async ({ peerloom }, room) => {
      // What `await using` becomes.
      const joined = await peerloom.join(location.origin, { room });
      await joined[Symbol.asyncDispose]();
      return joined.self.id;
    }, room);
    // Other protocols do not fit, but coming and going is seen.
    await expect.poll(() => a.statesOf(id)).toEqual(["joined", "left"]);
  });
}

test("a listener that throws keeps nothing from the others", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await b.run(({ state, kept }) => {
    const reported: string[] = [];
    // Reported as uncaught, so that developers see it; here it is expected.
    addEventListener("error", (event) => {
      reported.push(event.message);
      event.preventDefault();
    });
    state.room.note.on(() => {
      throw new Error("thrown by the listener");
    });
    state.room.note.on(({ from, data }) => void state.received.json.push({ from: from.id, data }));
    Object.assign(kept, { reported });
  });
  await a.note("one");
  await a.note("two");
  await expect.poll(async () => (await b.received("json")).length).toBe(2);
  expect(await b.notes()).toEqual([`${a.id}: one`, `${a.id}: two`]);
  const reported = await b.run(({ kept }) => kept.reported as string[]);
  expect(reported).toHaveLength(2);
  expect(reported[0]).toContain("thrown by the listener");
});

test("a listener for peers that comes late is told of everyone who is here, once", async ({ open, room }) => {
  const [a, b, c] = [await open("chromium"), await open("chromium"), await open("firefox")];
  await Promise.all([a, b].map((peer) => peer.join(room)));
  await expectMesh(a, b);
  await a.run(({ state, kept }) => {
    const told: string[] = [];
    state.room.on("peer", ({ peer, state }) => void told.push(`${peer.id} ${state}`));
    Object.assign(kept, { told });
  });
  await c.join(room);
  await expectMesh(a, b, c);
  const told = await a.run(({ kept }) => kept.told);
  expect(told).toEqual([`${b.id} joined`, `${b.id} connected`, `${c.id} joined`, `${c.id} connected`]);
});
