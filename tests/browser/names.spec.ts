// Names that are remembered: who is noticed that is not who went by that name before.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import { joinKnowing, told } from "./support/memory.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];
const persistent = { identity: "persistent" } as const;

for (const browser of BROWSERS) {
  test(`${browser} notices who comes under the name of somebody it has met`, async ({ open, room }) => {
    const [page, ada, impostor] = [await open(browser), await open("chromium"), await open("firefox")];
    await joinKnowing(page, room);
    await page.run(({ state, kept }) => {
      const heard: string[] = [];
      kept.heard = heard;
      state.room.note.on(({ from, data }) => void heard.push(`${from.known} ${data.text}`));
    });
    await ada.join(room, { ...persistent, metadata: "Ada" });
    await expectMesh(page, ada);
    await ada.leave();
    await expect.poll(() => page.statesOf(ada)).toContain("left");
    // The same key again: nothing to tell.
    await ada.join(room, { ...persistent, metadata: "Ada" });
    await expect.poll(() => told(page)).toEqual([`${ada.id} new`, `${ada.id} known`]);

    // The attack: the same name, another key, and a word as soon as there is a way for one.
    await impostor.join(room, { metadata: "Ada" });
    await impostor.note("it is me");
    const changed = `Ada: ${ada.id} is now ${impostor.id}`;
    await expect
      .poll(() => told(page))
      .toEqual([`${ada.id} new`, `${ada.id} known`, changed, `${impostor.id} changed`]);
    await expect.poll(() => page.run(({ kept }) => kept.heard)).toEqual(["changed it is me"]);
    // It changes nothing of what is remembered, however often it comes.
    await impostor.leave();
    await expect.poll(() => page.statesOf(impostor)).toContain("left");
    await impostor.join(room, { metadata: "Ada" });
    await expect.poll(async () => (await told(page)).at(-1)).toBe(`${impostor.id} changed`);

    // A page that comes when they are all there is told too, and so is a listener that comes late.
    await page.reload();
    await joinKnowing(page, room);
    expect((await told(page)).sort()).toEqual(
      [`${ada.id} known`, `Ada: ${ada.id} is now ${impostor.id}`, `${impostor.id} changed`].sort(),
    );
    expect((await page.happenings())[0], "first of all").toMatchObject({ event: "identity-changed" });
    const late = await page.run(async ({ state: { room } }) => {
      const late: unknown[] = [];
      room.on("identity-changed", ({ peer, name, known }) => {
        late.push([
          peer.id,
          name,
          known.id,
          known.since instanceof Date && Date.now() - +known.since < 60_000,
        ]);
      });
      await Promise.resolve();
      return late;
    });
    expect(late).toEqual([[impostor.id, "Ada", ada.id, true]]);

    // Another name is somebody else, and none is nobody.
    const others = [await open("chromium"), await open("chromium")];
    await others[0]?.join(room, { metadata: "Bea" });
    await others[1]?.join(room);
    await expect.poll(() => told(page)).toContain(`${others[0]?.id} new`);
    await expect.poll(() => told(page)).toContain(`${others[1]?.id} undefined`);
  });

  test(`${browser}: a new identity that is trusted is the known one from then on`, async ({ open, room }) => {
    const [page, old, next] = [await open(browser), await open("chromium"), await open("chromium")];
    await joinKnowing(page, room);
    await old.join(room, { metadata: "Ada" });
    await expect.poll(() => told(page)).toEqual([`${old.id} new`]);
    await next.join(room, { metadata: "Ada" });
    await expect.poll(() => told(page)).toContain(`${next.id} changed`);
    const known = await page.run(async ({ state: { room } }, id) => {
      const peer = room.peers.get(id);
      if (peer === undefined) throw new Error("it is not here");
      await room.trust(peer);
      const late: unknown[] = [];
      room.on("identity-changed", (event) => void late.push(event.name));
      await Promise.resolve();
      return [peer.known, late.length];
    }, next.id);
    expect(known).toEqual(["known", 0]);
    await page.reload();
    await joinKnowing(page, room);
    expect(await told(page)).toContain(`${next.id} known`);
    expect(await told(page)).toContain(`Ada: ${next.id} is now ${old.id}`);
    const nameless = await open("chromium");
    await nameless.join(room);
    await expect.poll(() => page.statesOf(nameless)).toContain("joined");
    const refused = await page.run(async ({ state: { room }, failure }, id) => {
      const peer = room.peers.get(id);
      return peer && failure(room.trust(peer));
    }, nameless.id);
    expect(refused).toMatchObject({ name: "TypeError" });
  });

  test(`${browser}: of two that come at once under one name, one is remembered and the other noticed`, async ({
    open,
    room,
  }) => {
    const [page, a, b] = [await open(browser), await open("chromium"), await open("chromium")];
    // Once while the page is there, and once when it finds both there.
    await joinKnowing(page, room, { app: "before" });
    await Promise.all([a, b].map((peer) => peer.join(room, { metadata: "Ada" })));
    for (const app of ["before", "after"]) {
      if (app === "after") {
        await page.leave();
        await joinKnowing(page, room, { app });
      }
      await expect.poll(async () => (await told(page)).length).toBe(3);
      const said = await told(page);
      const first = said.includes(`${a.id} new`) ? a : b;
      const second = first === a ? b : a;
      expect([...said].sort()).toEqual(
        [`${first.id} new`, `Ada: ${first.id} is now ${second.id}`, `${second.id} changed`].sort(),
      );
    }
  });

  test(`${browser}: names are told once, also when the server restarts`, async ({
    open,
    room,
    startServer,
  }) => {
    const server = await startServer();
    const [page, ada, impostor] = [
      await open(browser, { server }),
      await open("chromium", { server }),
      await open("firefox", { server }),
    ];
    await joinKnowing(page, room, persistent);
    await ada.join(room, { ...persistent, metadata: "Ada" });
    await expect.poll(() => told(page)).toEqual([`${ada.id} new`]);
    await impostor.join(room, { metadata: "Ada" });
    await expectMesh(page, ada, impostor);
    const before = await told(page);
    expect(before).toHaveLength(3);
    await server.kill();
    for (const peer of [page, ada, impostor]) {
      await expect.poll(() => peer.run((h) => h.state.room.signaling)).toBe("reconnecting");
    }
    await server.start();
    for (const peer of [page, ada, impostor]) {
      await expect.poll(() => peer.run((h) => h.state.room.signaling)).toBe("connected");
    }
    await Promise.all([ada.note("still here"), impostor.note("so am I")]);
    await expect.poll(async () => (await page.notes()).length).toBe(2);
    expect(await told(page)).toEqual(before);
    expect(await page.run((h) => h.state.room.self.id)).toBe(page.id);
  });

  test(`${browser}: a database that is lost meanwhile is told, and made anew`, async ({ open, room }) => {
    const [page, ada, bea] = [await open(browser), await open("chromium"), await open("chromium")];
    await joinKnowing(page, room);
    await page.run(({ kept }) => {
      kept.transaction = IDBDatabase.prototype.transaction;
      IDBDatabase.prototype.transaction = () => {
        throw new DOMException("the connection is closed", "InvalidStateError");
      };
    });
    await ada.join(room, { metadata: "Ada" });
    await expect.poll(() => told(page)).toEqual([`${ada.id} undefined`]);
    // Before it has joined.
    expect((await page.happenings()).slice(0, 2)).toMatchObject([
      { event: "error", peer: ada.id, code: "no-storage" },
      { event: "peer", peer: ada.id, state: "joined" },
    ]);
    await page.run(async ({ kept }) => {
      IDBDatabase.prototype.transaction = kept.transaction as IDBDatabase["transaction"];
      // As the user may, by deleting what sites keep.
      const request = indexedDB.deleteDatabase("peerloom");
      await new Promise((resolve, reject) => {
        request.onsuccess = resolve;
        request.onerror = reject;
      });
    });
    await bea.join(room, { metadata: "Bea" });
    await expect.poll(() => told(page)).toContain(`${bea.id} new`);
    expect(await page.happenings("error")).toHaveLength(1);
  });

  test(`${browser}: whatever peers say of themselves, names are bounded`, async ({ open, room }) => {
    const [page, ada] = [await open(browser), await open("chromium")];
    await joinKnowing(page, room);
    await ada.join(room, { metadata: "Ada" });
    await expect.poll(() => told(page)).toEqual([`${ada.id} new`]);
    await page.run(async () => {
      const request = indexedDB.open("peerloom");
      await new Promise((resolve) => {
        request.onsuccess = resolve;
      });
      const transaction = request.result.transaction("names", "readwrite");
      const names = transaction.objectStore("names");
      for (let at = 1; at < 10_000; at += 1) names.put({ id: "x".repeat(22), since: at }, ["", `name ${at}`]);
      // Of another application.
      names.put({ id: "x".repeat(22), since: 1 }, ["other", "name"]);
      await new Promise((resolve) => {
        transaction.oncomplete = resolve;
      });
      request.result.close();
    });
    const flood = await open("chromium");
    await flood.join(room, { metadata: "one too many" });
    await expect.poll(() => told(page)).toEqual([`${ada.id} new`, `${flood.id} new`]);
    expect(await page.happenings("error")).toMatchObject([{ peer: flood.id, code: "no-storage" }]);
    const again = await page.run(async ({ state: { room }, failure }, id) => {
      const peer = room.peers.get(id);
      return peer && failure(room.trust(peer));
    }, flood.id);
    expect(again).toMatchObject({ code: "no-storage" });
    // Those that were known are known still, and another of that name is noticed.
    const impostor = await open("chromium");
    await impostor.join(room, { metadata: "Ada" });
    await expect.poll(() => told(page)).toContain(`Ada: ${ada.id} is now ${impostor.id}`);
    // A late listener is told what was not remembered.
    const late = await page.run(async ({ state: { room } }) => {
      const late: (string | undefined)[] = [];
      room.on("error", ({ error, peer }) => void late.push(`${peer?.id} ${error.code}`));
      await Promise.resolve();
      return late;
    });
    expect(late).toEqual([`${flood.id} no-storage`]);
    // Another application has room.
    await joinKnowing(page, room, { app: "roomy" });
    expect(await told(page)).toContain(`${flood.id} new`);
    expect(await page.happenings("error")).toEqual([]);
  });

  test(`${browser}: a name that is too long, of the wrong kind or never told is none`, async ({
    open,
    room,
  }) => {
    const [page, ...others] = [await open(browser), await open("chromium"), await open("chromium")];
    const metadata = ["n".repeat(129), { throw: true }, 7, "", "n".repeat(128)];
    await page.joinWith(async ({ joinRoom, kept }, room) => {
      const reported: string[] = [];
      kept.reported = reported;
      globalThis.reportError = (error) => void reported.push(String(error));
      await joinRoom({
        room,
        knownBy: ({ metadata }) => {
          if (typeof metadata === "object") throw new Error("hostile");
          return metadata as string;
        },
      });
    }, room);
    for (const [at, one] of metadata.entries()) {
      const peer = others[at % 2] as Peer;
      await peer.join(`${room}`, { metadata: one, resume: false });
      await expect
        .poll(async () => (await told(page)).at(-1))
        .toBe(`${peer.id} ${at === 4 ? "new" : "undefined"}`);
      await peer.leave();
    }
    expect(await page.run(({ kept }) => kept.reported)).toEqual(["Error: hostile"]);
  });
}
