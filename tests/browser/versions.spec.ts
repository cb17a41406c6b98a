// Pages, servers and members of other versions: what is new is skipped, what does not fit is told at once, and nothing hangs.
import { FakeServer } from "./support/fake-server.ts";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import * as wire from "./support/wire.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];
/** Until an error is told. Machines are shared: three times as long is a failure. */
const PROMISED_MS = 1_000;

/** Tries to join at a server; gives why it did not work, and how long that took. */
const attempt = (page: Peer, url: string) =>
  page.run(async ({ peerloom, failure }, url) => {
    await peerloom.load();
    const began = performance.now();
    const error = await failure(
      peerloom.join(url, { room: "any", timeoutMs: 2_000 }).then((room) => room.leave()),
    );
    return { error, tookMs: performance.now() - began };
  }, url);

/** A page's bare WebSocket to the server. */
function connect(page: Peer, protocols: string[]): Promise<boolean> {
  return page.run(({ kept }, protocols) => {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`, protocols);
    socket.binaryType = "arraybuffer";
    const heard: number[][] = [];
    Object.assign(kept, { socket, heard });
    socket.addEventListener("message", ({ data }) => heard.push([...new Uint8Array(data)]));
    socket.addEventListener("close", ({ code }) => Object.assign(kept, { closed: code }));
    return new Promise<boolean>((done) => {
      socket.addEventListener("open", () => done(true));
      socket.addEventListener("error", () => done(false));
    });
  }, protocols);
}

const say = (page: Peer, frame: readonly number[]) =>
  page.run(({ kept }, frame) => (kept.socket as WebSocket).send(new Uint8Array(frame)), frame);

const closedWith = (page: Peer) => page.run(({ kept }) => (kept.closed as number | undefined) ?? 0);

for (const browser of BROWSERS) {
  test.describe(browser, () => {
    for (const [title, frames, code] of [
      ["speaks another version", (id: string) => [wire.frame(2, wire.welcomeRecord(id))], undefined],
      ["says that this version is over", () => [wire.frame(1, wire.refusedForVersion)], 4009],
    ] as const) {
      test(`a server that ${title} is told at once`, async ({ open }) => {
        await using server = await FakeServer.start(frames, code);
        const { error, tookMs } = await attempt(await open(browser), server.url);
        expect(error).toMatchObject({ code: "version-mismatch", isPeerloomError: true });
        expect(tookMs).toBeLessThan(3 * PROMISED_MS);
      });
    }

    test("a server that does not take the subprotocol cannot be told from one that is away", async ({
      open,
    }) => {
      await using server = await FakeServer.start(undefined);
      const { error } = await attempt(await open(browser), server.url);
      expect(error).toMatchObject({ code: "signaling-unreachable", isPeerloomError: true });
    });

    test("what a newer server says besides is skipped", async ({ open }) => {
      const more = wire.unknownRecord;
      const welcome = (id: string) => wire.frame(1, more, [...wire.welcomeRecord(id), 7, 7, 7], more);
      await using server = await FakeServer.start((id) => [wire.frame(1, more), welcome(id)]);
      expect((await attempt(await open(browser), server.url)).error).toBeNull();
    });

    test("a newer page, an older server and an older page get along", async ({ open, room }) => {
      const [older, newer] = [await open("chromium"), await open(browser)];
      await newer.run(({ faults }) => faults.speakNewer());
      await older.join(room);
      await newer.join(room);
      await expectMesh(older, newer);
      // Long enough for signs of life on the direct path, and for cards that are renewed.
      for (let n = 0; n < 10; n += 1) {
        await newer.note(`newer ${n}`);
        await older.note(`older ${n}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const ten = (by: Peer, word: string) => Array.from({ length: 10 }, (_, n) => `${by.id}: ${word} ${n}`);
      await expect.poll(() => older.notes()).toEqual(ten(newer, "newer"));
      await expect.poll(() => newer.notes()).toEqual(ten(older, "older"));
      for (const [one, other] of [
        [older, newer],
        [newer, older],
      ] as const) {
        expect(await one.statesOf(other)).toEqual(["joined", "connected"]);
        expect([...(await one.happenings("error")), ...(await one.happenings("invalid"))]).toEqual([]);
      }
    });

    for (const [title, hello] of [
      ["a newer version", wire.frame(2, wire.helloRecord, wire.sessionRecord())],
      ["an older version", wire.frame(1, wire.helloRecord)],
    ] as const) {
      test(`a member of ${title} is told at once, and the others go on`, async ({ open, room }) => {
        const [a, b, stranger] = [await open(browser), await open("chromium"), await open("chromium")];
        await a.join(room);
        expect(await connect(stranger, ["peerloom.v1"])).toBe(true);
        const began = performance.now();
        await say(stranger, wire.frame(1, new wire.Someone().joinRecord(room, hello)));
        await expect.poll(() => a.happenings("error")).toHaveLength(1);
        expect(performance.now() - began).toBeLessThan(3 * PROMISED_MS);
        const [error] = await a.happenings("error");
        expect(error).toMatchObject({ code: "version-mismatch" });
        const { peer = "" } = error ?? {};
        expect(await a.statesOf(peer)).toEqual(["joined"]);
        // Nothing can be sent to it, and a message to everyone does not wait for it.
        const refused = await a.run(
          ({ state, failure }, to) => failure(state.room.json.send(1, { to })),
          peer,
        );
        expect(refused).toMatchObject({ isPeerloomError: true });
        await b.join(room);
        await expect.poll(async () => (await a.paths())[b.id]).toBe("direct");
        await a.note("never mind");
        await expect.poll(() => b.notes()).toEqual([`${a.id}: never mind`]);
        expect(await b.happenings("error")).toMatchObject([{ code: "version-mismatch", peer }]);
        await stranger.run(({ kept }) => (kept.socket as WebSocket).close());
        await expectMesh(a, b);
      });
    }

    test("what a newer member says besides is skipped", async ({ open, room }) => {
      const [a, b, stranger] = [await open(browser), await open("chromium"), await open("chromium")];
      await a.join(room);
      expect(await connect(stranger, ["peerloom.v1"])).toBe(true);
      const someone = new wire.Someone();
      const said = [wire.unknownRecord, [...wire.helloRecord, 7], wire.sessionRecord(), wire.unknownRecord];
      const identity = someone.identityRecord(room, wire.frame(1, ...said));
      const hello = wire.frame(1, ...said, [...identity, 7]);
      await say(stranger, wire.frame(1, wire.unknownRecord, someone.joinRecord(room, hello)));
      const { id } = someone;
      await expect.poll(async () => Object.keys(await a.paths())).toEqual([id]);
      // Envelopes of an unknown kind, and of another version, to this stay of the page, whose number the welcome tells.
      const heard = async () =>
        Buffer.from(await stranger.run(({ kept }) => (kept.heard as number[][]).flat()));
      // The page may know of the stranger before the stranger hears its welcome.
      await expect.poll(async () => (await heard()).includes(Buffer.from(a.id, "base64url"))).toBe(true);
      const welcome = await heard();
      const epoch = wire.readVarint(welcome.subarray(welcome.indexOf(Buffer.from(a.id, "base64url")) + 16));
      for (const envelope of [wire.frame(1, wire.unknownRecord), wire.frame(2, [4])]) {
        await say(stranger, wire.frame(1, wire.signalRecord(a.id, epoch, envelope)));
      }
      await b.join(room);
      await expect.poll(async () => (await a.paths())[b.id]).toBe("direct");
      await a.note("as before", b);
      await expect.poll(() => b.notes()).toEqual([`${a.id}: as before`]);
      expect(await a.happenings("error")).toEqual([]);
      expect(await a.happenings("invalid")).toEqual([]);
      expect(await a.statesOf(id)).not.toContain("left");
      // Neither was refused: a record of kind 4 with refusal 7, behind version and length.
      const answers = await stranger.run(({ kept }) =>
        (kept.heard as number[][]).map((frame) => frame.slice(2, 4)),
      );
      expect(answers).not.toContainEqual([4, 7]);
      expect(await closedWith(stranger)).toBe(0);
    });

    test("a page of another version hears from the server at once", async ({ open, room }) => {
      const page = await open(browser);
      const began = performance.now();
      // The next version alone, this one and the next, and this one with a join of the next.
      expect(await connect(page, ["peerloom.v2"])).toBe(false);
      expect(await connect(page, ["peerloom.v2", "peerloom.v1"])).toBe(true);
      await say(page, wire.frame(2, new wire.Someone().joinRecord(room, wire.frame(2, wire.helloRecord))));
      await expect.poll(() => closedWith(page)).toBe(4009);
      const heard = await page.run(({ kept }) => kept.heard as number[][]);
      // A frame of version 1, which holds kind 4, refused, with refusal 11.
      expect(heard).toHaveLength(1);
      expect([heard[0]?.[0], ...(heard[0]?.slice(2, 4) ?? [])]).toEqual([1, 4, 11]);
      expect(performance.now() - began).toBeLessThan(3 * PROMISED_MS);
    });
  });
}
