// Rooms with a passphrase, in both browsers, and what a server that wants to know it can do.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import { LyingProxy } from "./support/lying-proxy.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];
/** Until a wrong one is told. Machines are shared: three times as long is a failure. */
const PROMISED_MS = 1_000;

const errorsOf = async (page: Peer) =>
  (await page.happenings("error")).map(({ peer, code }) => `${peer} ${code}`);

for (const [first, second] of PAIRS) {
  test(`${first} and ${second} meet by a passphrase, and nothing the server sees leads to it`, async ({
    open,
    server,
    room,
  }) => {
    await using proxy = await LyingProxy.start(server.url);
    const recorded = proxy.record();
    const [a, b] = [await open(first, { server: proxy }), await open(second, { server: proxy })];
    // The same letters in two ways of writing them.
    await a.join(room, { passphrase: "blue caf\u00e9 42" });
    await b.join(room, { passphrase: "blue cafe\u0301 42" });
    expect(await a.run((h) => h.state.room.security)).toBe("passphrase");
    await expectMesh(a, b);
    await a.note("well met");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: well met`]);
    const { all, joins } = recorded();
    expect(joins).toBe(2);
    for (const hidden of ["caf\u00e9", "blue", "udp", "typ host", "well met"]) {
      expect(all.includes(hidden), hidden).toBe(false);
    }
  });

  test(`${first} and ${second} with two passphrases, or one and none, are told at once`, async ({
    open,
    room,
  }) => {
    const [a, b, c] = [await open(first), await open(second), await open("chromium")];
    await a.join(room, { passphrase: "correct horse" });
    await b.run(({ peerloom }) => peerloom.load());
    const began = performance.now();
    await b.join(room, { passphrase: "correct house" });
    await expect.poll(() => errorsOf(a)).toEqual([`${b.id} wrong-passphrase`]);
    await expect.poll(() => errorsOf(b)).toEqual([`${a.id} wrong-passphrase`]);
    expect(performance.now() - began).toBeLessThan(3 * PROMISED_MS);
    await c.join(room);
    await expect.poll(() => errorsOf(a)).toContain(`${c.id} wrong-passphrase`);
    await expect
      .poll(async () => (await errorsOf(c)).sort())
      .toEqual([`${a.id} wrong-passphrase`, `${b.id} wrong-passphrase`].sort());
    // Nothing goes to any of them.
    await a.note("secret");
    for (const other of [b, c]) {
      const refused = await a.run(
        ({ state, failure }, to) => failure(state.room.note.send({ text: "secret", n: 1 }, { to })),
        other.id,
      );
      expect(refused).toMatchObject({ code: "peer-gone" });
      expect(await other.notes()).toEqual([]);
      expect(await a.pathsTo(other)).toEqual([]);
    }
  });

  test(`a server that changes ${second}'s share, or puts in one of its own, is found out`, async ({
    open,
    server,
    room,
  }) => {
    await using liar = await LyingProxy.start(server.url);
    const [a, b] = [await open(first, { server: liar }), await open(second, { server: liar })];
    await a.join(room, { passphrase: "correct horse" });
    // Behind a length of 33 bytes is the kind 3, and the share; the first byte of it is changed.
    liar.lie = (message) => {
      const changed = Buffer.from(message);
      const mark = Buffer.from([33, 3]);
      for (let at = changed.indexOf(mark); at >= 0; at = changed.indexOf(mark, at + 1)) {
        if (at + 37 > changed.length) break;
        // The identity follows it, which is of 161 bytes and kind 2.
        if (changed.readUIntBE(at + 34, 3) === 0xa1_01_02) changed[at + 2] = (changed[at + 2] ?? 0) ^ 2;
      }
      return [changed];
    };
    await b.join(room, { passphrase: "correct horse" });
    await expect.poll(() => errorsOf(a)).toEqual([`${b.id} forged-identity`]);
    await expect.poll(() => errorsOf(b)).toEqual([`${a.id} forged-identity`]);
  });
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: what is no passphrase is refused`, async ({ open, room }) => {
    const page = await open(browser);
    for (const options of [
      { passphrase: "12345" },
      { passphrase: "x".repeat(129) },
      { passphrase: "correct horse", secret: "AAECAwQFBgcICQoLDA0ODw" },
    ]) {
      const error = await page.run(
        ({ peerloom, failure }, { room, options }) =>
          failure(peerloom.join(location.origin, { room, ...options })),
        { room, options },
      );
      expect(error).toMatchObject({ code: "bad-passphrase", isPeerloomError: true });
    }
  });
}
