// How messages travel: compressed, in few bytes by a declared shape, by a codec of the application's own.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BrowserName, expect, type Peer, test } from "./support/fixtures.ts";
import { repository } from "./support/site.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

const heard = (peer: Peer) => peer.run((h) => h.things.heard);
const errors = (peer: Peer) => peer.run((h) => h.things.errors);
const invalid = (peer: Peer) => peer.run((h) => h.things.invalid);

/** Waits until these two reach each other directly. */
async function expectDirect(...peers: Peer[]): Promise<void> {
  for (const peer of peers) {
    const paths = () => peer.run((h) => [...h.things.room.peers.values()].map(({ path }) => path));
    await expect.poll(paths).toEqual(["direct"]);
  }
}

for (const [first, second] of PAIRS) {
  test(`${first} and ${second}: what one compresses the other reads, in fewer bytes`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.run((h, room) => h.joinThings(room, h.peerloom.channel(undefined, { compress: true })), room);
    await b.run((h, room) => h.joinThings(room, h.peerloom.channel()), room);
    await expectDirect(a, b);
    const values = [
      ...Array.from({ length: 1_000 }, (_, n) => ({
        n,
        kind: "move",
        x: 512.25 + n,
        tags: ["near", "fast"],
      })),
      // Cut into fragments, which are compressed one by one.
      "all the same ".repeat(20_000),
      "short",
      "",
    ];
    const bytes = JSON.stringify(values).length;
    for (const peer of [a, b]) {
      await peer.run((h, values) => {
        for (const value of values) void h.things.room.things.send(value);
      }, values);
    }
    await expect.poll(() => heard(a)).toEqual(values);
    await expect.poll(() => heard(b)).toEqual(values);
    const sent = (peer: Peer) => peer.run((h) => h.things.room.stats().directBytesSent);
    expect(await sent(a)).toBeLessThan(bytes / 4);
    expect(await sent(b)).toBeGreaterThan(bytes);
  });

  test(`${first} and ${second}: bytes that do not become shorter arrive too, of any length`, async ({
    open,
    room,
    seed,
  }) => {
    const [a, b] = [await open(first), await open(second)];
    for (const peer of [a, b]) {
      await peer.run((h, room) => h.joinThings(room, h.peerloom.channel.bytes({ compress: true })), room);
    }
    await expectDirect(a, b);
    const lengths = [0, 1, 60, 70, 127, 128, 4_096, 4_097, 16_383, 16_384, 16_385, 100_000, 3, 2];
    const digests = await a.run(
      async (h, { seed, lengths }) => {
        const digests: string[] = [];
        const again = new Uint8Array(100_000);
        for (const length of lengths) {
          const message = again.subarray(0, length);
          message.set(h.randomBytes(seed + length, length));
          digests.push(await h.digest(message));
          void h.things.room.things.send(message);
          // It was copied: whose array it is may use it again at once.
          message.fill(0);
        }
        return digests;
      },
      { seed, lengths },
    );
    const digested = () =>
      b.run((h) => Promise.all((h.things.heard as Uint8Array[]).map((bytes) => h.digest(bytes))));
    await expect.poll(digested).toEqual(digests);
  });

  test(`${first} and ${second}: messages of a shape arrive as they were`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    for (const peer of [a, b]) {
      await peer.run((h, room) => {
        const { bool, bytes, f32, f64, i16, i32, i53, list, option, record, text, u8, u16, u32, u53 } =
          h.compact;
        const numbers = { u8, u16, u32, u53, i16, i32, i53, f32, f64 };
        const shape = record({
          ...numbers,
          yes: bool,
          text,
          bytes: option(bytes),
          list: list(option(record({ text }))),
        });
        return h.joinThings(room, h.peerloom.channel.of(h.compact.compact(shape)));
      }, room);
    }
    await expectDirect(a, b);
    const least = { u8: 0, u16: 0, u32: 0, u53: 0, i16: -32_768, i32: -(2 ** 31), i53: -(2 ** 52) };
    const most = { u8: 255, u16: 65_535, u32: 2 ** 32 - 1, u53: 2 ** 53 - 1, i16: 32_767, i32: 2 ** 31 - 1 };
    const values = [
      { ...least, f32: -1.5, f64: -0.1, yes: false, text: "", list: [] },
      {
        ...most,
        i53: 2 ** 52 - 1,
        f32: 2 ** 100,
        f64: 1.7e308,
        yes: true,
        text: "é€😀\u0000",
        list: [{ text: "x" }],
      },
      { ...most, i53: -1, f32: 0, f64: 5e-324, yes: true, text: "long ".repeat(5_000), list: [{ text: "" }] },
    ];
    await a.run((h, values) => {
      for (const value of values) void h.things.room.things.send(value);
      const bytes = new Uint8Array([1, 2, 3]);
      void h.things.room.things.send({ ...values[0], bytes, list: [undefined, { text: "y" }] });
    }, values);
    await expect.poll(() => b.run((h) => h.things.heard.length)).toBe(values.length + 1);
    expect((await heard(b)).slice(0, -1)).toEqual(values);
    const last = await b.run((h) => {
      const { bytes, list } = h.things.heard.at(-1) as { bytes: Uint8Array; list: unknown[] };
      return { bytes: [...bytes], absent: list[0] === undefined, second: list[1] };
    });
    expect(last).toEqual({ bytes: [1, 2, 3], absent: true, second: { text: "y" } });
  });
}

test("a message of a shape has the bytes that the document says", async ({ open }) => {
  const a = await open("firefox");
  const written = await a.run(({ compact: { compact, f64, i53, option, text, variants } }) => {
    const step = compact(variants("kind", { move: { x: f64, by: option(text), at: i53 }, stop: {} }));
    return { name: step.name, bytes: [...step.encode({ kind: "move", x: 1.5, by: "ada", at: -3 })] };
  });
  const document = readFileSync(join(repository, "docs/wire.md"), "utf8");
  const [, block = ""] = document.match(/```text compact\n(.*?)```/s) ?? [];
  const bytes = block.split("\n").flatMap((line) => line.split("  ")[0]?.match(/[0-9a-f]{2}/g) ?? []);
  expect(document).toContain(written.name);
  expect(written.bytes).toEqual(bytes.map((byte) => Number.parseInt(byte, 16)));
});

test("what does not fit its shape is not sent", async ({ open, room }) => {
  const a = await open("chromium");
  const failures = await a.run(async (h, room) => {
    const { bool, compact, i16, list, record, text, u8, u32, variants } = h.compact;
    const inner = record({ n: u32, b: u8, i: i16, yes: bool, text, list: list(u8) });
    const shape = record({ inner, step: variants("kind", { go: { n: u32 }, stop: {} }) });
    await h.joinThings(room, h.peerloom.channel.of(compact(shape)));
    const good = { n: 1, b: 1, i: 1, yes: true, text: "", list: [] as unknown };
    const bad: unknown[] = [
      { ...good, n: -1 },
      { ...good, n: 2 ** 32 },
      { ...good, n: 1.5 },
      { ...good, n: Number.NaN },
      { ...good, n: "1" },
      { ...good, b: 256 },
      { ...good, i: 32_768 },
      { ...good, yes: 1 },
      { ...good, text: undefined },
      { ...good, list: {} },
      { ...good, list: [1, -1] },
      undefined,
      null,
    ].map((inner) => ({ inner, step: { kind: "stop" } }));
    bad.push({ inner: good, step: { kind: "run" } }, { inner: good, step: { kind: "go" } }, null, 1);
    const { things } = h.things.room;
    const results = await Promise.all(bad.map((value) => h.failure(things.send(value))));
    results.push(await h.failure(things.send({ inner: good, step: { kind: "stop" } })));
    return results.map((failure) => failure && { code: failure.code, ours: failure.isPeerloomError });
  }, room);
  expect(failures.pop()).toBe(null);
  for (const failure of failures) expect(failure).toEqual({ code: "invalid-message", ours: true });
});

test("two shapes do not fit together, and both sides are told", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  await a.run((h, room) => {
    const { compact, record, u32 } = h.compact;
    return h.joinThings(room, h.peerloom.channel.of(compact(record({ x: u32, y: u32 }))));
  }, room);
  await b.run((h, room) => {
    const { compact, record, u32 } = h.compact;
    return h.joinThings(room, h.peerloom.channel.of(compact(record({ y: u32, x: u32 }))));
  }, room);
  await expect.poll(() => errors(a)).toEqual(["protocol-mismatch"]);
  await expect.poll(() => errors(b)).toEqual(["protocol-mismatch"]);
});

test("a peer that writes what it likes is refused message by message", async ({ open, room, seed }) => {
  const [honest, hostile] = [await open("chromium"), await open("chromium")];
  await honest.run((h, room) => {
    const { bool, bytes, compact, f64, list, option, record, text, u32, u53 } = h.compact;
    const shape = record({ text, list: list(list(option(bool))), u32, u53, bytes: option(bytes), f64 });
    return h.joinThings(room, h.peerloom.channel.of(compact(shape)));
  }, room);
  const tries = await hostile.run(
    async (h, { room, seed }) => {
      const { bool, bytes, compact, f64, list, option, record, text, u32, u53 } = h.compact;
      const shape = record({ text, list: list(list(option(bool))), u32, u53, bytes: option(bytes), f64 });
      const { name, encode } = compact(shape);
      // The same name, and bytes of its own.
      const codec = { name, encode: (message: Uint8Array) => message, decode: (bytes: Uint8Array) => bytes };
      await h.joinThings(room, h.peerloom.channel.of(codec));
      const good = encode({ text: "ok", list: [[true]], u32: 1, u53: 1, f64: 1 }).slice();
      const long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
      const bad = [
        [],
        [...good, 0],
        ...Array.from(good, (_, end) => [...good.subarray(0, end)]),
        // A text of 2^35 bytes, of bytes that are no text, and of a length without end.
        [0x80, 0x80, 0x80, 0x80, 0x80, 1],
        [2, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        long,
        // More lists than there are bytes, and a flag that is neither.
        [0, 0xff, 0xff, 0xff, 0x7f, 0],
        [0, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // Numbers over 2^32 and over 2^53.
        [0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ].map((bytes) => Uint8Array.from(bytes));
      // And what chance makes; some of it may be of the shape.
      const noise = h.randomBytes(seed, 40_000);
      for (let at = 0; at < noise.length; at += 40)
        bad.push(noise.slice(at, at + 1 + (noise[at] as number) / 8));
      for (const message of bad) void h.things.room.things.send(message);
      await h.things.room.things.send(good);
      return bad.length;
    },
    { room, seed },
  );
  const counts = () => honest.run((h) => h.things.heard.length + h.things.invalid.length);
  await expect.poll(counts).toBe(tries + 1);
  expect(new Set(await invalid(honest))).toEqual(new Set(["invalid-message"]));
  expect((await invalid(honest)).length).toBeGreaterThan(20);
  expect((await heard(honest)).at(-1)).toEqual({ text: "ok", list: [[true]], u32: 1, u53: 1, f64: 1 });
});

test("a codec of one's own is used as it is, and its errors are told", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  for (const peer of [a, b]) {
    await peer.run((h, room) => {
      const codec = {
        name: "reversed-1",
        encode: (text: string) => {
          if (text === "no") throw new Error("not this");
          return text === "none" ? (text as never) : new TextEncoder().encode(text).reverse();
        },
        decode: (bytes: Uint8Array) => {
          const text = new TextDecoder().decode(bytes.slice().reverse());
          if (text === "unreadable") throw new Error("cannot read this");
          return text;
        },
      };
      return h.joinThings(room, h.peerloom.channel.of(codec));
    }, room);
  }
  await expectDirect(a, b);
  const failures = await a.run(async (h) => {
    const { things } = h.things.room;
    const sends = ["one", "no", "none", "unreadable", "two"].map((text) => things.send(text));
    return Promise.all(sends.map(async (send) => (await h.failure(send))?.code ?? null));
  });
  expect(failures).toEqual([null, "invalid-message", "invalid-message", null, null]);
  await expect.poll(() => heard(b)).toEqual(["one", "two"]);
  expect(await invalid(b)).toEqual(["invalid-message"]);
  const names = await a.run(({ peerloom }) =>
    ["", "rpc", "json", "bytes", "x".repeat(33), "é".repeat(17)].map((name) => {
      try {
        peerloom.channel.of({ name, encode: () => new Uint8Array(), decode: () => 0 });
        return null;
      } catch (error) {
        return (error as { code?: string }).code;
      }
    }),
  );
  expect(names).toEqual(Array(6).fill("bad-protocol"));
});
