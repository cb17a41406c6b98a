// Messages of one task travel together. Nobody must be able to tell, but by the time it takes.
import { type BrowserName, expect, expectMesh, test } from "./support/fixtures.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];

for (const browser of BROWSERS) {
  test(`${browser}: messages of one task arrive as they were sent, whatever they hold`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(browser), await open("chromium")];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    const sent = await a.run(async ({ state }, to) => {
      const { json } = state.room;
      // Line feeds, commas and brackets must not be taken for what stands between messages.
      const values: unknown[] = [
        1,
        "two\n2",
        "3,3",
        "],[",
        [],
        {},
        null,
        true,
        "é",
        "€",
        "😀",
        "\u0000",
        "",
        [[["x"]]],
      ];
      const sends = values.map((value) => json.send(value));
      // To somebody alone, with a signal, to be confirmed, and too long for a batch: each in its turn.
      sends.push(json.send("to one", { to }));
      sends.push(json.send("with a signal", { signal: new AbortController().signal }));
      const confirmed = json.send("confirmed", { confirm: true });
      sends.push(json.send("x".repeat(50_000)));
      for (let n = 0; n < 2_000; n += 1) sends.push(json.send({ n, text: n % 500 === 0 ? "ü" : "u" }));
      await Promise.all(sends);
      const outcomes = [...(await confirmed)];
      const numbered = Array.from({ length: 2_000 }, (_, n) => ({ n, text: n % 500 === 0 ? "ü" : "u" }));
      return {
        outcomes,
        values: [...values, "to one", "with a signal", "confirmed", "x".repeat(50_000), ...numbered],
      };
    }, b.id);
    expect(sent.outcomes).toEqual([[b.id, "delivered"]]);
    await expect.poll(async () => (await b.received("json")).length).toBe(sent.values.length);
    expect((await b.received("json")).map(({ data }) => data)).toEqual(sent.values);
  });
}

test("messages sent in the task that leaves arrive", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await a.run(({ state }) => {
    for (let n = 0; n < 100; n += 1) void state.room.json.send(n);
    void state.room.leave();
  });
  const all = Array.from({ length: 100 }, (_, n) => n);
  await expect.poll(async () => (await b.received("json")).map(({ data }) => data)).toEqual(all);
});

test("a hundred thousand messages that nobody waits for arrive, in order, and the page lives", async ({
  open,
  room,
}) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await b.run(({ state, kept }) => {
    kept.next = 0;
    state.room.json.on(({ data }) => {
      if (data === kept.next) kept.next = (kept.next as number) + 1;
    });
  });
  await a.run(({ state }) => {
    for (let n = 0; n < 100_000; n += 1) void state.room.json.send(n);
  });
  await expect.poll(() => b.run(({ kept }) => kept.next), { timeout: 60_000 }).toBe(100_000);
  // The page still does what it is asked.
  await a.run(({ state }) => state.room.json.send(100_000));
  await expect.poll(() => b.run(({ kept }) => kept.next)).toBe(100_001);
});

test("what the core refuses, it refuses to every message of the batch", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await b.run(({ state }) => state.room.leave());
  await expect.poll(() => a.statesOf(b)).toContain("left");
  const codes = await a.run(async ({ state, failure }, gone) => {
    const sends = [1, 2, 3].map((value) => state.room.json.send(value, { to: gone }));
    const others = [4, 5].map((value) => state.room.json.send(value));
    await Promise.all(others);
    return Promise.all(sends.map(async (send) => (await failure(send))?.code));
  }, b.id);
  expect(codes).toEqual(["peer-gone", "peer-gone", "peer-gone"]);
});
