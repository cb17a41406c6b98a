// Identities that last, and names that are remembered: what a page is again when it comes back, and who is noticed that is not
// who went by that name before.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];
const persistent = { identity: "persistent" } as const;

/** Joins as one who knows the others by their metadata. */
const joinKnowing = (peer: Peer, room: string, options: { identity?: "persistent"; app?: string } = {}) =>
  peer.joinWith(
    async ({ joinRoom }, given) => {
      await joinRoom({
        ...given,
        knownBy: ({ metadata }) => (typeof metadata === "string" ? metadata : undefined),
      });
    },
    { room, ...options },
  );

/** What a page was told of those that go by a name: how each came, and who was another before. */
async function told(peer: Peer): Promise<string[]> {
  const all = await peer.happenings();
  return all.flatMap(({ event, peer, state, known, label, before }) => {
    if (event === "identity-changed") return [`${label}: ${before} is now ${peer}`];
    return event === "peer" && state === "joined" ? [`${peer} ${known}`] : [];
  });
}

/** Why joining for good fails. */
const failsToJoin = (page: Peer, room: string, app = "") =>
  page.run(({ joinRoom, failure }, given) => failure(joinRoom({ ...given, identity: "persistent" })), {
    room,
    app,
  });

/** What the page's origin stores under a key; null when there is nothing. Given as what it is made of. */
const stored = (page: Peer, app: string) =>
  page.run(async ({ failure }, app) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("peerloom");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const record = await new Promise<Record<string, unknown> | undefined>((resolve, reject) => {
      const request = database.transaction("identities").objectStore("identities").get(app);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    database.close();
    if (record === undefined) return null;
    const key = (record.keys as CryptoKeyPair | undefined)?.privateKey;
    const exported = (format: "pkcs8" | "jwk") =>
      key && failure(crypto.subtle.exportKey(format as "pkcs8", key)).then((failed) => failed?.name);
    return {
      fields: Object.keys(record).sort(),
      secretBytes: (record.secret as Uint8Array).length,
      extractable: key?.extractable,
      exports: await Promise.all([exported("pkcs8"), exported("jwk")]),
    };
  }, app);

/** Writes a record in place of what is stored. The page must have joined for good before. */
const overwrite = (page: Peer, store: "identities" | "names", key: string | string[], value: unknown) =>
  page.run(
    ({ kept }, { store, key, value }) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("peerloom");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const transaction = request.result.transaction(store, "readwrite");
          transaction.objectStore(store).put(value ?? kept.value, key);
          transaction.oncomplete = () => {
            request.result.close();
            resolve();
          };
          transaction.onabort = () => reject(transaction.error);
        };
      }),
    { store, key, value },
  );

for (const browser of BROWSERS) {
  test(`${browser}: a persistent id is the same after a reload, in a tab opened later, and in every room`, async ({
    open,
    room,
  }) => {
    const page = await open(browser);
    const id = await page.join(room, persistent);
    await page.reload();
    expect(await page.join(room, persistent)).toBe(id);
    expect(await page.join(`${room} next door`, persistent), "two rooms at once").toBe(id);
    expect(await page.join(room), "a fresh one is another").not.toBe(id);

    await page.closePage();
    const later = await open(browser, { beside: page });
    expect(await later.join(room, persistent)).toBe(id);
    // The tab itself keeps nothing of it.
    await later.reload();
    expect(await later.run(() => sessionStorage.length)).toBe(0);
    expect(await later.join(room, { ...persistent, resume: false })).toBe(id);
  });

  test(`${browser}: another application, another origin and another reader have other ids`, async ({
    open,
    room,
    startServer,
  }) => {
    const page = await open(browser);
    const ids = [
      await page.join(room, persistent),
      await page.join(room, { ...persistent, app: "notes" }),
      await page.join(room, { ...persistent, app: "Notes" }),
    ];
    const elsewhere = await open(browser, { beside: page, server: await startServer() });
    ids.push(await elsewhere.join(room, persistent));
    ids.push(await (await open(browser)).join(room, persistent));
    expect(new Set(ids).size).toBe(5);
    expect(await page.join(room, { ...persistent, app: "notes" })).toBe(ids[1]);
  });

  test(`${browser}: the key can be used and not be taken away`, async ({ open, room }) => {
    const page = await open(browser);
    const id = await page.join(room, persistent);
    expect(await stored(page, "")).toEqual({
      fields: ["keys", "secret"],
      secretBytes: 32,
      extractable: false,
      exports: ["InvalidAccessError", "InvalidAccessError"],
    });
    // The secret alone makes another id: it is not what the key is made of.
    await page.run(async ({ kept }) => {
      const request = indexedDB.open("peerloom");
      await new Promise((resolve) => {
        request.onsuccess = resolve;
      });
      const read = request.result.transaction("identities").objectStore("identities").get("");
      await new Promise((resolve) => {
        read.onsuccess = resolve;
      });
      kept.value = { secret: read.result.secret };
      request.result.close();
    });
    await overwrite(page, "identities", "copy", undefined);
    expect(await page.join(room, { ...persistent, app: "copy" })).not.toBe(id);
  });

  test(`${browser} without Ed25519 of its own keeps an identity all the same`, async ({ open, room }) => {
    const [page, other] = [await open(browser), await open("chromium")];
    const lose = () => page.run(() => Object.defineProperty(crypto, "subtle", { value: undefined }) && null);
    await other.join(room);
    await lose();
    const id = await page.join(room, persistent);
    await expectMesh(page, other);
    expect(await stored(page, "")).toMatchObject({ fields: ["secret"] });
    await page.reload();
    await lose();
    expect(await page.join(room, persistent)).toBe(id);
    // An update of the browser that brings it changes nobody's id.
    await page.reload();
    expect(await page.join(room, persistent)).toBe(id);
    await page.note("still me");
    await expect.poll(() => other.notes()).toEqual([`${id}: still me`]);
  });

  test(`${browser}: tabs that start at once agree on one identity`, async ({ open, room }) => {
    const first = await open(browser);
    const tabs = [first, await open(browser, { beside: first }), await open(browser, { beside: first })];
    const ids = await Promise.all(tabs.map((tab, at) => tab.join(`${room} ${at}`, persistent)));
    expect(new Set(ids).size).toBe(1);
  });

  test(`${browser}: a second tab takes the place in a room over, and the first does not fight for it`, async ({
    open,
    room,
  }) => {
    const [tab, other] = [await open(browser), await open("chromium")];
    await other.join(room);
    const id = await tab.join(room, persistent);
    await expectMesh(tab, other);
    const second = await open(browser, { beside: tab });
    expect(await second.join(room, persistent)).toBe(id);
    await expect.poll(() => tab.happenings("closed")).toMatchObject([{ event: "closed", code: "replaced" }]);
    await expectMesh(second, other);
    // As long as a lost server would have been asked a few times.
    await tab.run(() => new Promise((resolve) => setTimeout(resolve, 4_000)));
    expect(await second.happenings("closed")).toEqual([]);
    expect(await second.run((h) => h.state.room.signaling)).toBe("connected");
    expect(await tab.run((h) => h.state.room.signaling)).toBe("closed");
    expect(await tab.happenings("closed")).toHaveLength(1);
    expect(await other.statesOf(id)).toEqual(["joined", "connected", "left", "joined", "connected"]);
    await other.note("to whoever is you now");
    await expect.poll(() => second.notes()).toEqual([`${other.id}: to whoever is you now`]);
    expect(await tab.notes()).toEqual([]);
    // Asked to, it comes back, and the second ends.
    expect(await tab.join(room, persistent)).toBe(id);
    await expect.poll(() => second.happenings("closed")).toMatchObject([{ code: "replaced" }]);
  });

  test(`${browser}: where nothing can be stored there is an error, and no other id`, async ({
    open,
    room,
  }) => {
    const ways: Record<string, (peer: Peer) => Promise<unknown>> = {
      "no IndexedDB": (page) =>
        page.run(() => Reflect.defineProperty(globalThis, "indexedDB", { value: undefined })),
      "a sandbox": (page) =>
        page.run(() => {
          IDBFactory.prototype.open = () => {
            throw new DOMException("no storage here", "SecurityError");
          };
        }),
      "a private window": (page) =>
        page.run(() => {
          IDBFactory.prototype.open = () => {
            const request = new EventTarget() as IDBOpenDBRequest;
            Object.defineProperty(request, "error", { value: new DOMException("no", "InvalidStateError") });
            setTimeout(() => request.onerror?.(new Event("error")));
            return request;
          };
        }),
      "a full disk": (page) =>
        page.run(() => {
          const add = IDBObjectStore.prototype.add;
          IDBObjectStore.prototype.add = function (...given) {
            const request = Reflect.apply(add, this, given) as IDBRequest<IDBValidKey>;
            this.transaction.abort();
            return request;
          };
        }),
      "a database that does not answer": (page) =>
        page.run(() => {
          IDBFactory.prototype.open = () => new EventTarget() as IDBOpenDBRequest;
        }),
      "keys that cannot be stored": (page) =>
        page.run(() => {
          IDBObjectStore.prototype.add = () => {
            throw new DOMException("no keys here", "DataCloneError");
          };
        }),
    };
    const witness = await open("chromium");
    await witness.join(room);
    for (const [what, breakIt] of Object.entries(ways)) {
      const page = await open(browser);
      await breakIt(page);
      expect(await failsToJoin(page, room), what).toMatchObject({
        code: "no-storage",
        isPeerloomError: true,
      });
      // Those two can read; and one failure that takes five seconds will do.
      if (!/disk|keys|answer/.test(what)) {
        const others = await page.run(
          async ({ peerloom, joinRoom, failure }, room) => [
            await failure(joinRoom({ room, knownBy: () => "somebody" })),
            await failure(peerloom.forgetIdentity()),
          ],
          room,
        );
        expect(others, what).toMatchObject([{ code: "no-storage" }, { code: "no-storage" }]);
      }
      await page.close();
    }
    expect(await witness.happenings("peer"), "nobody came").toEqual([]);
  });

  test(`${browser}: an identity that cannot be read is an error, and stays as it is`, async ({
    open,
    room,
  }) => {
    const page = await open(browser);
    await page.join(room, persistent);
    await page.leave();
    const broken = [
      ["a text", "secret"],
      ["nothing", null],
      ["a short secret", { secret: [1, 2, 3] }],
      ["keys that are none", { secret: "x", keys: {} }],
    ] as const;
    for (const [what, value] of broken) {
      await page.run(({ kept }) => {
        kept.value = null;
      });
      await overwrite(page, "identities", "broken", value);
      expect(await failsToJoin(page, room, "broken"), what).toMatchObject({ code: "no-storage" });
    }
    // Keys of the right shape, that anybody could take away.
    await page.run(async ({ kept }) => {
      const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
      kept.value = { secret: new Uint8Array(32), keys };
    });
    await overwrite(page, "identities", "broken", undefined);
    expect(await failsToJoin(page, room, "broken")).toMatchObject({ code: "no-storage" });
    expect(await stored(page, "broken")).toMatchObject({ fields: ["keys", "secret"], extractable: true });
    // Only when told to.
    await page.run(({ peerloom }) => peerloom.forgetIdentity({ app: "broken" }));
    await page.join(room, { ...persistent, app: "broken" });
  });

  test(`${browser}: forgetIdentity deletes the identity and the names of one application`, async ({
    open,
    room,
  }) => {
    const [page, ada] = [await open(browser), await open("chromium")];
    await ada.join(room, { metadata: "Ada" });
    await joinKnowing(page, room, { ...persistent, app: "one" });
    const one = page.id;
    expect(await told(page)).toEqual([`${ada.id} new`]);
    await joinKnowing(page, room, { ...persistent, app: "two" });
    const two = page.id;
    await page.run(({ peerloom }) => peerloom.forgetIdentity({ app: "one" }));
    expect(await stored(page, "one")).toBe(null);
    await joinKnowing(page, room, { ...persistent, app: "one" });
    expect(page.id).not.toBe(one);
    expect(await told(page)).toContain(`${ada.id} new`);
    await joinKnowing(page, room, { ...persistent, app: "two" });
    expect(page.id).toBe(two);
    expect(await told(page)).toContain(`${ada.id} known`);
  });

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

  test(`${browser}: what is no choice is refused before anything is joined`, async ({ open, room }) => {
    const page = await open(browser);
    const refused = await page.run(async ({ joinRoom, peerloom, failure }, room) => {
      const odd = "persist" as "persistent";
      const long = "a".repeat(65);
      return Promise.all([
        failure(joinRoom({ room, identity: odd })),
        failure(joinRoom({ room, identity: "persistent", app: long })),
        failure(joinRoom({ room, identity: "persistent", app: 7 as unknown as string })),
        failure(peerloom.forgetIdentity({ app: long })),
      ]);
    }, room);
    for (const one of refused) expect(one).toMatchObject({ name: "TypeError" });
    // As long as may be.
    await page.join(room, { ...persistent, app: "a".repeat(64) });
  });

  test(`${browser}: a page that asks for nothing of this loads none of it`, async ({ open, room }) => {
    const page = await open(browser);
    const loaded = () =>
      performance.getEntriesByType("resource").filter(({ name }) => /remember|storage/.test(name)).length;
    await page.join(room);
    expect(await page.run(loaded)).toBe(0);
    expect(await page.run(async () => (await indexedDB.databases()).length)).toBe(0);
    await page.join(room, persistent);
    expect(await page.run(loaded)).toBe(2);
  });

  test(`${browser}: who was pinned once is let in after the browser was started anew, and nobody else`, async ({
    open,
    room,
    server,
  }) => {
    const profile = mkdtempSync(join(tmpdir(), "peerloom-profile-"));
    try {
      const here = { server, profile };
      const before = await open(browser, here);
      const id = await before.join(room, { ...persistent, metadata: "Ada" });
      await before.close();

      const friend = await open("chromium");
      await friend.join(room, { pinned: [id] });
      const [after, stranger] = [await open(browser, here), await open("chromium")];
      await stranger.join(room, { ...persistent, metadata: "Ada" });
      expect(await after.join(room, { ...persistent, metadata: "Ada" })).toBe(id);
      await after.note("it is me again");
      await expect.poll(() => friend.notes()).toEqual([`${id}: it is me again`]);
      expect(await friend.run((h) => h.state.room.security)).toBe("pinned");
      const errors = (await friend.happenings("error")).map(({ peer, code }) => `${peer} ${code}`);
      expect(errors).toEqual([`${stranger.id} not-accepted`]);
      await after.close();
    } finally {
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    }
  });
}
