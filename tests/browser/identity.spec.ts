// Identities that last: what a page is again when it comes back.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import { failsToJoin, joinKnowing, overwrite, stored, told } from "./support/memory.ts";

const BROWSERS: BrowserName[] = ["chromium", "firefox"];
const persistent = { identity: "persistent" } as const;

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
