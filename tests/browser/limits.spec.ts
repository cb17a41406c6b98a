// What is over a limit is refused with a code, at the place where it is asked for.
import { expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

interface Attempt {
  room: string;
  metadata?: string;
  channels?: number;
  labels?: string[];
}

function refusal(page: Peer, attempt: Attempt) {
  return page.run(async ({ peerloom, failure }, { room, metadata, channels = 0, labels = [] }) => {
    const all = [...labels, ...Array.from({ length: channels }, (_, n) => `channel ${n}`)];
    const protocol = Object.fromEntries(all.map((label) => [label, peerloom.channel<string>()]));
    const joining = peerloom.join(location.origin, { room, protocol, ...(metadata ? { metadata } : {}) });
    return failure(joining.then((joined) => joined.leave()));
  }, attempt);
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a full room lets nobody in until someone leaves`, async ({ open, room, startServer }) => {
    const server = await startServer({ flags: ["--max-room-size", "2"] });
    const [a, b, late] = [
      await open("chromium", { server }),
      await open("chromium", { server }),
      await open(browser, { server }),
    ];
    await a.join(room);
    await b.join(room);
    expect(await refusal(late, { room })).toMatchObject({ code: "room-full", isPeerloomError: true });
    expect(await refusal(late, { room: `${room} next door` })).toBeNull();
    await b.leave();
    await expect.poll(() => a.paths()).toEqual({});
    await late.join(room);
    await expectMesh(a, late);
  });
}

test("names of rooms: 1 to 128 bytes without control characters", async ({ open }) => {
  const page = await open("chromium");
  for (const room of ["", "x".repeat(129), "ä".repeat(65), "line\nbreak", "\u0000", "\u007f"]) {
    expect(await refusal(page, { room }), JSON.stringify(room)).toMatchObject({ code: "bad-room" });
  }
  for (const room of ["x", "x".repeat(128), "ä".repeat(64), "a room / with #signs?", "部屋 🎈"]) {
    expect(await refusal(page, { room }), JSON.stringify(room)).toBeNull();
  }
});

test("metadata: at most 2 KiB as JSON", async ({ open, room }) => {
  const page = await open("chromium");
  // Two quotation marks are part of it.
  expect(await refusal(page, { room, metadata: "x".repeat(2047) })).toMatchObject({
    code: "metadata-too-long",
  });
  expect(await refusal(page, { room, metadata: "x".repeat(2046) })).toBeNull();
});

test("channels: at most 32, with labels of 1 to 64 bytes", async ({ open, room }) => {
  const page = await open("chromium");
  expect(await refusal(page, { room, channels: 33 })).toMatchObject({ code: "bad-protocol" });
  expect(await refusal(page, { room, labels: [""] })).toMatchObject({ code: "bad-protocol" });
  expect(await refusal(page, { room, labels: ["ä".repeat(33)] })).toMatchObject({ code: "bad-protocol" });
  expect(await refusal(page, { room, channels: 31, labels: ["ä".repeat(32)] })).toBeNull();
});

test("the largest hello that is allowed still lets two pages meet", async ({ open, room }) => {
  const [a, b] = [await open("chromium"), await open("firefox")];
  const longest = "x".repeat(2046);
  for (const peer of [a, b]) {
    await peer.run(
      async ({ peerloom, kept }, { room, longest }) => {
        const labels = Array.from({ length: 32 }, (_, n) => `${n}`.padStart(2, "0") + "é".repeat(31));
        const protocol = Object.fromEntries(labels.map((label) => [label, peerloom.channel<string>()]));
        const joined = await peerloom.join(location.origin, { room, protocol, metadata: longest });
        const first = joined.channel(labels[0] ?? "");
        const heard: string[] = [];
        first.on(({ data }) => void heard.push(data));
        Object.assign(kept, { joined, first, heard });
      },
      { room, longest },
    );
  }
  for (const peer of [a, b]) {
    await expect
      .poll(() => peer.run(({ kept }) => (kept.joined as import("peerloom").Room).peers.size))
      .toBe(1);
    await peer.run(({ kept }) => (kept.first as import("peerloom").Channel<string>).send("hello"));
  }
  for (const peer of [a, b]) {
    await expect.poll(() => peer.run(({ kept }) => kept.heard as string[])).toEqual(["hello"]);
    const metadata = await peer.run(({ kept }) => {
      const { peers } = kept.joined as import("peerloom").Room;
      return [...peers.values()].map((other) => other.metadata);
    });
    expect(metadata).toEqual([longest]);
  }
});

test("a send to somebody who is not here, and a channel that was not declared", async ({ open, room }) => {
  const page = await open("chromium");
  await page.join(room);
  const codes = await page.run(async ({ state, failure }) => [
    (await failure(state.room.json.send(1, { to: "nobody" })))?.code,
    (await failure(state.room.json.send(1, { to: state.room.self.id })))?.code,
    (await failure(Promise.resolve().then(() => state.room.channel("more" as never))))?.code,
    // Alone in the room: nobody gets it, and that is no error.
    (await failure(state.room.json.send(1)))?.code ?? "sent",
  ]);
  expect(codes).toEqual(["peer-gone", "peer-gone", "no-channel", "sent"]);
});
