// Rooms with a secret, in both browsers, and all that a server could see of them.
import { type BrowserName, expect, expectMesh, type Peer, test } from "./support/fixtures.ts";
import { LyingProxy } from "./support/lying-proxy.ts";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
];

const newSecret = (page: Peer) => page.run(({ peerloom }) => peerloom.createRoomSecret());

for (const [first, second] of PAIRS) {
  test(`${first} and ${second} meet in a room with a secret, and the server reads nothing of it`, async ({
    open,
    server,
    room,
  }) => {
    await using proxy = await LyingProxy.start(server.url);
    const recorded = proxy.record();
    const [a, b] = [await open(first, { server: proxy }), await open(second, { server: proxy })];
    const secret = await newSecret(a);
    await a.join(room, { secret, metadata: "Ada Lovelace" });
    const link = await a.run(({ state }) => state.room.invite());
    await b.joinWith(async ({ joinRoom, peerloom }, link) => {
      const invited = peerloom.readInvite(link);
      if (invited === undefined) throw new Error("no invitation in the link");
      await joinRoom({ ...invited, metadata: "Bob" });
    }, link);
    expect(await b.run((h) => h.state.room.security)).toBe("secret");
    await expectMesh(a, b);
    await a.note("well met");
    await expect.poll(() => b.notes()).toEqual([`${a.id}: well met`]);
    expect(await b.run((h, id) => h.state.room.peers.get(id)?.metadata, a.id)).toBe("Ada Lovelace");
    const { all, joins } = recorded();
    expect(joins).toBe(2);
    const hidden: (string | Buffer)[] = [room, secret, "Ada Lovelace", "note", "udp", "typ host", "well met"];
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const sdp = await one.run(
        (h, id) => h.state.room.peers.get(id)?.connection?.localDescription?.sdp ?? "",
        other.id,
      );
      hidden.push(/^a=ice-pwd:(\S+)/m.exec(sdp)?.[1] ?? "no password");
      hidden.push(Buffer.from((/sha-256 (\S+)/.exec(sdp)?.[1] ?? "").replaceAll(":", ""), "hex"));
    }
    for (const what of hidden) {
      expect(what.length).toBeGreaterThan(2);
      expect(all.includes(what), String(what)).toBe(false);
    }
    expect(all.includes(Buffer.from(a.id, "base64url")), "ids are no secret").toBe(true);
  });

  test(`${second} with another secret, or none, is not in the room of ${first}`, async ({ open, room }) => {
    const [a, b, c] = [await open(first), await open(second), await open(second)];
    await a.join(room, { secret: await newSecret(a) });
    await b.join(room, { secret: await newSecret(b) });
    await c.join(room);
    await a.note("anybody?");
    await c.note("nobody");
    for (const peer of [a, b, c]) {
      expect(await peer.paths()).toEqual({});
      expect(await peer.notes()).toEqual([]);
    }
  });

  test(`${first} believes nothing of the server's own making about ${second}`, async ({
    open,
    server,
    room,
  }) => {
    await using proxy = await LyingProxy.start(server.url);
    const [a, b] = [await open(first, { server: proxy }), await open(second, { server: proxy })];
    const secret = await newSecret(a);
    await a.join(room, { secret });
    // One bit of each hello.
    proxy.lie = (message) => {
      const at = message.indexOf(Buffer.from(a.id, "base64url"));
      if (message[3] === 0 && at > 0) message[at + 60] = (message[at + 60] ?? 0) ^ 1;
      return [message];
    };
    await b.join(room, { secret });
    await expect
      .poll(async () => (await b.happenings("error")).map(({ peer, code }) => `${peer} ${code}`))
      .toEqual([`${a.id} forged-identity`]);
    await b.note("not for the server");
    expect(await a.notes()).toEqual([]);
  });
}

test("what is no secret is refused, and what is no invitation is none", async ({ open, room }) => {
  const page = await open("chromium");
  const failed = await page.run(
    ({ peerloom, failure }, room) => failure(peerloom.join(location.origin, { room, secret: "hush" })),
    room,
  );
  expect(failed).toMatchObject({ code: "bad-secret", isPeerloomError: true });
  const read = await page.run(({ peerloom }) => {
    const links = ["", "#", "#&AAAA", "#%E0%A4%A", "#a%20room", "#a%26b&c_d-e"];
    return links.map((hash) => peerloom.readInvite(`https://example.org/page?x=1${hash}`) ?? null);
  });
  expect(read).toEqual([null, null, null, null, { room: "a room" }, { room: "a&b", secret: "c_d-e" }]);
});
