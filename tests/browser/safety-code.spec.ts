// Codes that two people compare: the same in both browsers, and not the same when somebody is between them.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import * as wire from "./support/wire.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

const codeOf = (page: Peer, id: string) =>
  page.run(async ({ state }, id) => {
    const code = await state.room.peers.get(id)?.safetyCode();
    return code && `${code.digits} ${code.emoji.join("")}`;
  }, id);

const CODE = /^\d{6} (\p{Emoji_Presentation}){5}$/u;

for (const [first, second] of PAIRS) {
  test(`${first} and ${second} have the same code`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room);
    await b.join(room);
    await expect.poll(async () => Object.keys(await a.paths())).toEqual([b.id]);
    // Asked at one end, before there may be a direct path; then at the other.
    const code = await codeOf(a, b.id);
    expect(code).toMatch(CODE);
    expect(await codeOf(b, a.id)).toBe(code);
    await expectMesh(a, b);
    expect(await codeOf(a, b.id)).toBe(code);
  });

  test(`${first} and ${second} without a server between: another code each time`, async ({ open, room }) => {
    const [a, b] = [await open(first), await open(second)];
    await a.join(room, { relay: "never" });
    const codes: (string | undefined)[] = [];
    for (let n = 0; n < 2; n += 1) {
      await b.join(room, { relay: "never" });
      await expectMesh(a, b);
      codes.push(...(await Promise.all([codeOf(a, b.id), codeOf(b, a.id)])));
      await b.run(({ state }) => state.room.leave());
      await expect.poll(() => a.paths()).toEqual({});
    }
    expect(codes[0]).toBe(codes[1]);
    expect(codes[2]).toBe(codes[3]);
    expect(codes[2]).not.toBe(codes[0]);
  });

  // The server introduces each of them to a page of its own, which hands on whatever it hears.
  test(`somebody between ${first} and ${second} makes them have two codes`, async ({
    open,
    startServer,
    room,
  }) => {
    const [of, other] = [await startServer(), await startServer()];
    const [a, b] = [await open(first, { server: of }), await open(second, { server: other })];
    const [m, n] = [await open("chromium", { server: of }), await open("chromium", { server: other })];
    for (const page of [a, m, b, n]) await page.join(room);
    await expectMesh(a, m);
    await expectMesh(b, n);
    for (const [from, through, on, to] of [
      [a, m, n, b],
      [b, n, m, a],
    ] as const) {
      await from.note("for your eyes only");
      await expect.poll(() => through.notes()).toHaveLength(1);
      await on.note("for your eyes only");
      await expect.poll(() => to.notes(), "in open mode it is read and handed on").toHaveLength(1);
    }
    const [one, two] = await Promise.all([codeOf(a, m.id), codeOf(b, n.id)]);
    expect(one).toMatch(CODE);
    expect(two).toMatch(CODE);
    expect(one).not.toBe(two);
  });
}

test("a peer that leaves before there is a code, or has left, is told of as gone", async ({ open, room }) => {
  const [page, stranger] = [await open("firefox"), await open("chromium")];
  await page.join(room, { relay: "never" });
  const someone = new wire.Someone();
  const said = [wire.helloRecord, wire.sessionRecord()];
  const hello = wire.frame(1, ...said, someone.identityRecord(room, wire.frame(1, ...said)));
  await stranger.run(
    ({ kept }, join) => {
      const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`, "peerloom.v1");
      kept.socket = socket;
      socket.addEventListener("open", () => socket.send(new Uint8Array(join)));
    },
    wire.frame(1, someone.joinRecord(room, hello)),
  );
  await expect.poll(async () => Object.keys(await page.paths())).toEqual([someone.id]);
  await page.run(({ state, kept, failure }, id) => {
    const peer = state.room.peers.get(id);
    kept.peer = peer;
    kept.waits = failure(peer?.safetyCode() ?? Promise.resolve());
  }, someone.id);
  // It says goodbye.
  await stranger.run(
    ({ kept }, leave) => (kept.socket as WebSocket).send(new Uint8Array(leave)),
    wire.frame(1, [1]),
  );
  expect(await page.run(({ kept }) => kept.waits)).toMatchObject({ code: "peer-gone" });
  const after = await page.run(({ kept, failure }) =>
    failure((kept.peer as { safetyCode(): Promise<unknown> }).safetyCode()),
  );
  expect(after).toMatchObject({ code: "peer-gone", isPeerloomError: true });
});
