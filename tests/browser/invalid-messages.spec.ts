// Nothing from outside is believed: what does not fit reaches no handler, and the rest goes on.
import { type BrowserName, expect, expectMesh, test } from "./support/fixtures.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];

for (const browser of BROWSERS) {
  test(`${browser}: a message that does not fit the schema goes to "invalid" and to no handler`, async ({
    open,
    room,
  }) => {
    const [strict, loose] = [await open(browser), await open("chromium")];
    await strict.join(room);
    await loose.join(room, { loose: true });
    await expectMesh(strict, loose);
    await loose.run(async ({ state }) => {
      const notes = state.room.channel("note") as unknown as { send(data: unknown): Promise<void> };
      for (const data of [{ text: "first", n: 1 }, { text: 2 }, null, [], "text", { text: "last", n: 2 }]) {
        await notes.send(data);
      }
    });
    await expect.poll(() => strict.notes()).toEqual([`${loose.id}: first`, `${loose.id}: last`]);
    const invalid = await strict.happenings("invalid");
    expect(invalid).toHaveLength(4);
    for (const one of invalid) {
      expect(one).toMatchObject({ peer: loose.id, label: "note", code: "invalid-message" });
      expect(one.message).toContain("not a note");
    }
  });
}

/** What a page with other code may send on a channel, and the code of the refusal if one is due. */
const GARBAGE: [title: string, data: string | number[], code: string | undefined][] = [
  ["a frame of an unknown kind", [9, 9, 9], "bad-frame"],
  ["an empty frame", [], "bad-frame"],
  ["a batch that ends too soon", [0, 0, 2, 5, 1], "bad-frame"],
  ["a fragment of a message of 4 GiB", [1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1], "message-too-large"],
  ["text in place of bytes", "hello", undefined],
];

for (const [title, data, code] of GARBAGE) {
  test(`${title} ends the connection; a fresh one is made and carries on`, async ({ open, room }) => {
    const [honest, hostile] = [await open("chromium"), await open("chromium")];
    await hostile.run((h) => h.faults.watchChannels());
    await honest.join(room);
    await hostile.join(room);
    await expectMesh(honest, hostile);
    await hostile.run((h, data) => h.faults.sendRaw("note", data), data);
    // The fresh connection takes over from the path through the server.
    await expect
      .poll(() => honest.pathsTo(hostile))
      .toEqual(expect.arrayContaining(["direct", "relay", "direct"]));
    await expect
      .poll(async () => (await honest.pathsTo(hostile)).filter((path) => path === "direct").length)
      .toBe(2);
    if (code !== undefined) {
      const invalid = await honest.happenings("invalid");
      expect(invalid).toMatchObject([{ peer: hostile.id, label: "note", code }]);
    }
    await expectMesh(honest, hostile);
    await hostile.note("now as agreed");
    await expect.poll(() => honest.notes()).toEqual([`${hostile.id}: now as agreed`]);
    await honest.note("heard");
    await expect.poll(() => hostile.notes()).toEqual([`${honest.id}: heard`]);
  });
}

test("well framed messages that are not JSON are refused one by one", async ({ open, room }) => {
  const [honest, hostile] = [await open("firefox"), await open("chromium")];
  await hostile.run((h) => h.faults.watchChannels());
  await honest.join(room);
  await hostile.join(room);
  await expectMesh(honest, hostile);
  // Messages 0 to 2: `{`, a byte that is no UTF-8, nothing at all; then 3: `7`.
  await hostile.run((h, data) => h.faults.sendRaw("json", data), [0, 0, 4, 1, 1, 0, 1, 0x7b, 0xff, 0x37]);
  await expect.poll(() => honest.received("json")).toEqual([{ from: hostile.id, data: 7 }]);
  const codes = (await honest.happenings("invalid")).map(({ label, code }) => `${label} ${code}`);
  expect(codes).toEqual(Array(3).fill("json invalid-message"));
  expect(await honest.statesOf(hostile)).toEqual(["joined", "connected"]);
});

test("garbage on the control channel is ignored", async ({ open, room }) => {
  const [honest, hostile] = [await open("chromium"), await open("chromium")];
  await hostile.run((h) => h.faults.watchChannels());
  await honest.join(room);
  await hostile.join(room);
  await expectMesh(honest, hostile);
  await hostile.run((h) => {
    for (const data of [[], [255, 255, 255, 255, 255], Array(2000).fill(1)])
      h.faults.sendRaw("peerloom", data);
  });
  await hostile.note("after it");
  await expect.poll(() => honest.notes()).toEqual([`${hostile.id}: after it`]);
});

test("what cannot be written as a message is refused where it is sent", async ({ open, room }) => {
  const a = await open("chromium");
  await a.join(room);
  const refusals = await a.run(async ({ state, failure }) => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const bytes = state.room.blob as unknown as { send(data: unknown): Promise<void> };
    return [
      await failure(state.room.json.send(circular)),
      await failure(state.room.json.send(undefined)),
      await failure(state.room.json.send(() => 1)),
      await failure(bytes.send("text")),
      await failure(bytes.send([1, 2])),
    ];
  });
  for (const refusal of refusals)
    expect(refusal).toMatchObject({ code: "invalid-message", isPeerloomError: true });
});

for (const [first, second] of [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
] as const) {
  test(`${first} and ${second} with other channels are told the label, and stay apart`, async ({
    open,
    room,
  }) => {
    const [a, b] = [await open(first), await open(second)];
    for (const [peer, other] of [
      [a, false],
      [b, true],
    ] as const) {
      await peer.run(
        async ({ peerloom, kept }, { room, other }) => {
          const joined = await peerloom.join(location.origin, {
            room,
            protocol: {
              chat: peerloom.channel<string>(),
              cursor: other ? peerloom.channel.bytes() : peerloom.channel<string>(),
            },
          });
          const told: unknown[] = [];
          joined.on("error", ({ error, peer }) => told.push([error.code, error.message, peer?.id]));
          Object.assign(kept, { joined, told });
        },
        { room, other },
      );
    }
    const told = () => [a, b].map((peer) => peer.run(({ kept }) => kept.told as string[][]));
    await expect.poll(async () => (await Promise.all(told())).map((list) => list.length)).toEqual([1, 1]);
    for (const list of await Promise.all(told())) {
      expect(list[0]?.[0]).toBe("protocol-mismatch");
      expect(list[0]?.[1]).toContain('"cursor"');
    }
    const sent = await a.run(async ({ kept, failure }) => {
      const { chat, peers } = kept.joined as {
        chat: import("peerloom").Channel<string>;
        peers: Map<string, never>;
      };
      const [id = ""] = peers.keys();
      return [await failure(chat.send("to nobody")), await failure(chat.send("to it", { to: id }))];
    });
    expect(sent).toMatchObject([null, { code: "peer-gone" }]);
  });
}
