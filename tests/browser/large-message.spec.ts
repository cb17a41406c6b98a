// Messages of any size up to the limit arrive whole.
import { type BrowserName, expect, expectMesh, test } from "./support/fixtures.ts";

const MIB = 1024 * 1024;
const LIMIT = 16 * MIB;
const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
];

for (const [first, second] of PAIRS) {
  test(`16 MiB between ${first} and ${second}, both ways at once`, async ({ open, room, seed }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    await Promise.all(
      [a, b].map((peer, at) =>
        peer.run(
          ({ state, randomBytes }, { seed, length }) => state.room.blob.send(randomBytes(seed, length)),
          {
            seed: seed + 2 * at,
            length: LIMIT,
          },
        ),
      ),
    );
    for (const [receiver, sender, at] of [
      [b, a, 0],
      [a, b, 1],
    ] as const) {
      await expect.poll(() => receiver.run((h) => h.state.received.blob.length), { timeout: 40_000 }).toBe(1);
      const [from, length, got] = await receiver.run(async ({ state, digest }) => {
        const { from, data } = state.received.blob[0] as { from: string; data: Uint8Array };
        return [from, data.length, await digest(data)] as const;
      });
      const sent = await receiver.run((h, { seed, length }) => h.digest(h.randomBytes(seed, length)), {
        seed: seed + 2 * at,
        length: LIMIT,
      });
      expect([from, length, got]).toEqual([sender.id, LIMIT, sent]);
    }
  });
}

test("sizes around every border, the empty message among them", async ({ open, room, seed }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  const sizes = [0, 1, 1099, 1101, 16_383, 16_384, 16_385, 32_768, 32_769, 65_536, 262_145, 0, MIB + 1];
  const sent = await a.run(
    async ({ state, randomBytes, digest }, { sizes, seed }) => {
      const digests: string[] = [];
      for (const [at, size] of sizes.entries()) {
        const bytes = randomBytes(seed + 2 * at, size);
        digests.push(await digest(bytes));
        const sending = state.room.blob.send(bytes);
        // The bytes are the caller's again as soon as `send` was called.
        bytes.fill(0);
        await sending;
      }
      return digests;
    },
    { sizes, seed },
  );
  await expect.poll(() => b.run((h) => h.state.received.blob.length)).toBe(sizes.length);
  const received = await b.run(async ({ state, digest }) => {
    const all = state.received.blob.map(({ data }) => data as Uint8Array);
    return Promise.all(all.map(async (data) => ({ size: data.length, digest: await digest(data) })));
  });
  expect(received).toEqual(sizes.map((size, at) => ({ size, digest: sent[at] })));
});

test("messages that share frames are arrays of their own", async ({ open, room, seed }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  // Frames take 16 KiB: the longest of one is the first, the last or in between, or there are two of a length.
  const sizes = [10_000, 6_000, 9, 6_000, 10_000, 16_384, 300, 15_000, 700, 0, 16_000, 1, 8_192, 8_192, 4, 5];
  const sent = await a.run(
    async ({ state, randomBytes, digest }, { sizes, seed }) => {
      const messages = sizes.map((size, at) => randomBytes(seed + at, size));
      await Promise.all(messages.map((bytes) => state.room.blob.send(bytes)));
      return Promise.all(messages.map(digest));
    },
    { sizes, seed },
  );
  await expect.poll(() => b.run((h) => h.state.received.blob.length)).toBe(sizes.length);
  const { digests, starts, buffers } = await b.run(async ({ state, digest }) => {
    const all = state.received.blob.map(({ data }) => data as Uint8Array);
    return {
      digests: await Promise.all(all.map(digest)),
      starts: all.map(({ byteOffset }) => byteOffset),
      buffers: new Set(all.map(({ buffer }) => buffer)).size,
    };
  });
  expect(digests).toEqual(sent);
  expect(starts).toEqual(sizes.map(() => 0));
  expect(buffers).toBe(sizes.length);
});

test("a long text and a deep value cross as JSON", async ({ open, room }) => {
  const [a, b] = [await open("firefox"), await open("chromium")];
  await a.join(room);
  await b.join(room);
  await expectMesh(a, b);
  await a.run(async ({ state, kept }) => {
    kept.value = { text: "añ€😀\u0000\u2028".repeat(100_000), list: [[], {}, [null, true, -0.5]], "": "" };
    await state.room.json.send(kept.value);
    await state.room.json.send("");
    await state.room.json.send(null);
  });
  await expect.poll(() => b.run((h) => h.state.received.json.length)).toBe(3);
  expect((await b.received("json")).slice(1).map(({ data }) => data)).toEqual(["", null]);
  const [sent, received] = await Promise.all([
    a.run((h) => h.digest(new TextEncoder().encode(JSON.stringify(h.kept.value)))),
    b.run((h) => h.digest(new TextEncoder().encode(JSON.stringify(h.state.received.json[0]?.data)))),
  ]);
  expect(received).toBe(sent);
});

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a byte more than 16 MiB is refused, and what follows is sent`, async ({ open, room }) => {
    const [a, b] = [await open(browser), await open("chromium")];
    await a.join(room);
    await b.join(room);
    await expectMesh(a, b);
    const refusals = await a.run(
      async ({ state, failure }, limit) => [
        await failure(state.room.blob.send(new Uint8Array(limit + 1))),
        // As JSON the text has two quotation marks more.
        await failure(state.room.json.send("x".repeat(limit - 1))),
      ],
      LIMIT,
    );
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: "message-too-large", isPeerloomError: true });
    }
    await a.note("still here");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: still here`]);
    expect(await b.received("blob")).toEqual([]);
    expect(await b.received("json")).toEqual([]);
  });
}
