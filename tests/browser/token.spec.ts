// A server that asks for admission tokens.
import { type Admission, admission } from "./support/admission.ts";
import { test as base, expect, type Peer, type Server } from "./support/fixtures.ts";

const test = base.extend<{ admission: Admission }>({ admission });

/** Tries to join with this token, or none; gives why it did not work. */
function refusal(page: Peer, server: Server, room: string, token?: string) {
  return page.run(
    async ({ peerloom, failure }, { url, room, token }) => {
      const options = token === undefined ? { room } : { room, token: async () => token };
      return failure(peerloom.join(url, options).then((joined) => joined.leave()));
    },
    { url: server.url, room, token },
  );
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: only who brings a token for the room is let in`, async ({ open, room, admission }) => {
    const { server, mint } = admission;
    const page = await open(browser, { server });
    expect(await refusal(page, server, room)).toMatchObject({ code: "unauthorized", isPeerloomError: true });
    const another = mint("--room", `${room} and more`);
    expect(await refusal(page, server, room, another)).toMatchObject({ code: "unauthorized" });
    expect(await refusal(page, server, room, "no token")).toMatchObject({ code: "unauthorized" });
    expect(await refusal(page, server, room, mint("--room", room))).toBeNull();
    expect(await refusal(page, server, room, mint("--room-prefix", room.slice(0, 2)))).toBeNull();
  });
}

test("a page that has no token to give is told so, with the reason", async ({ open, room, admission }) => {
  const page = await open("chromium", { server: admission.server });
  const failures = await page.run(
    async ({ peerloom }, { url, room }) => {
      const sources = [
        () => {
          throw new Error("the login service is down");
        },
        async () => Promise.reject(new Error("not logged in")),
        async () => undefined as unknown as string,
        () => new Promise<string>(() => {}),
      ];
      const told = [];
      for (const token of sources) {
        const error = await peerloom.join(url, { room, token, timeoutMs: 500 }).then(
          () => undefined,
          (error) => error,
        );
        told.push([error?.code, error?.cause?.message]);
      }
      return told;
    },
    { url: admission.server.url, room },
  );
  expect(failures).toEqual([
    ["token-failed", "the login service is down"],
    ["token-failed", "not logged in"],
    ["token-failed", undefined],
    ["token-failed", undefined],
  ]);
});

test("a room that comes back to its server brings another token", async ({ open, room, admission }) => {
  const { server, mint } = admission;
  const page = await open("chromium", { server });
  const tokens = [mint("--room", room), mint("--room", room)];
  await page.run(
    async ({ peerloom, kept }, { url, room, tokens }) => {
      let asked = 0;
      const token = async () => {
        asked += 1;
        // The service is down at first when it is asked again.
        if (asked === 2) throw new Error("down");
        return tokens.shift() ?? "none left";
      };
      const joined = await peerloom.join(url, { room, token });
      kept.now = () => ({ asked, signaling: joined.signaling });
    },
    { url: server.url, room, tokens },
  );
  const now = () => page.run(({ kept }) => (kept.now as () => { asked: number; signaling: string })());
  expect(await now()).toEqual({ asked: 1, signaling: "connected" });
  await server.kill();
  await expect.poll(now).toMatchObject({ signaling: "reconnecting" });
  await server.start();
  await expect.poll(now).toMatchObject({ signaling: "connected" });
  expect((await now()).asked).toBeGreaterThanOrEqual(3);
});

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: who may sends a peer away, and everybody sees it`, async ({ open, room, admission }) => {
    const { server, mint } = admission;
    const tokens = {
      moderator: mint("--room", room, "--perm", "join,relay,kick", "--subject", "ada"),
      guest: mint("--room", room, "--subject", "eve"),
      witness: mint("--room", room, "--subject", "bob"),
    };
    const enter = async (name: keyof typeof tokens) => {
      const page = await open(browser, { server });
      const id = await page.run(
        async ({ peerloom, kept }, { url, room, token }) => {
          const joined = await peerloom.join(url, { room, token: async () => token });
          const ended: unknown[] = [];
          const left: unknown[] = [];
          joined.on("closed", ({ reason, error }) => ended.push([reason, error?.code, error?.message]));
          joined.on("peer", ({ peer, state, reason }) => {
            if (state === "left") left.push([peer.id, reason]);
          });
          kept.state = () => ({ ended, left, peers: [...joined.peers.keys()] });
          kept.kick = async (id: string, reason: string) => {
            const peer = joined.peers.get(id);
            if (peer === undefined) throw new Error("not here");
            await joined.kick(peer, reason);
            return joined.peers.has(id);
          };
          kept.leave = () => joined.leave();
          return joined.self.id;
        },
        { url: server.url, room, token: tokens[name] },
      );
      type State = { ended: unknown[]; left: unknown[]; peers: string[] };
      const state = () => page.run(({ kept }) => (kept.state as () => State)());
      const kick = (whom: string, reason: string) =>
        page.run(
          async ({ kept, failure }, { whom, reason }) => {
            const kicked = (kept.kick as (id: string, reason: string) => Promise<boolean>)(whom, reason);
            const failed = await failure(kicked.then(() => undefined));
            return failed ?? (await kicked);
          },
          { whom, reason },
        );
      return { page, id, state, kick };
    };
    const [moderator, guest, witness] = [
      await enter("moderator"),
      await enter("guest"),
      await enter("witness"),
    ];
    for (const one of [moderator, guest, witness])
      await expect.poll(async () => (await one.state()).peers).toHaveLength(2);

    expect(await guest.kick(witness.id, "no reason")).toMatchObject({
      code: "forbidden",
      isPeerloomError: true,
    });
    expect((await witness.state()).peers).toContain(guest.id);

    expect(await moderator.kick(guest.id, "spam & worse")).toBe(false);
    for (const one of [moderator, witness])
      await expect.poll(one.state).toMatchObject({ left: [[guest.id, "kicked"]], ended: [] });
    await expect
      .poll(async () => (await guest.state()).ended)
      .toEqual([["kicked", "kicked", expect.stringContaining("spam & worse")]]);

    // Neither this page nor another of the same user gets back in.
    const another = await open(browser, { server });
    for (const page of [guest.page, another])
      expect(await refusal(page, server, room, tokens.guest)).toMatchObject({ code: "kicked" });
    expect((await moderator.state()).peers).toEqual([witness.id]);
  });
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`${browser}: a token may be for the key of one page`, async ({ open, room, admission }) => {
    const { server, mint } = admission;
    const page = await open(browser, { server });
    const key = await page.run(
      async ({ peerloom, kept }, { url, room }) => {
        return new Promise<string>((known) => {
          const token = async ({ publicKey }: { publicKey: Promise<string> }) => {
            known(await publicKey);
            return new Promise<string>((give) => {
              kept.give = give;
            });
          };
          kept.joined = peerloom.join(url, { room, token }).then((joined) => joined.self.id);
        });
      },
      { url: server.url, room },
    );
    expect(key).toMatch(/^[\w-]{43}$/);
    const token = mint("--room", room, "--cnf", key);
    const thief = await open(browser, { server });
    expect(await refusal(thief, server, room, token)).toMatchObject({ code: "unauthorized" });
    const id = await page.run(({ kept }, token) => {
      (kept.give as (token: string) => void)(token);
      return kept.joined as Promise<string>;
    }, token);
    expect(id).toHaveLength(22);
  });
}
