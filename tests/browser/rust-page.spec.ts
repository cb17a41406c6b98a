// A page written in Rust and one written in TypeScript in one room: same names, same wire.
import { expect, type Peer } from "./support/fixtures.ts";
import { test } from "./support/rust-page.ts";

/** Joins from TypeScript with what the Rust page declares. */
async function joinFromTypeScript(peer: Peer, room: string): Promise<string> {
  return peer.run(async ({ peerloom, kept, rustProtocol }, room) => {
    const protocol = rustProtocol();
    const joined = await peerloom.join(location.origin, { room, protocol, metadata: { name: "TypeScript" } });
    const heard: unknown[] = [];
    joined.chat.on(({ from, data }) => void heard.push({ from: from.id, data }));
    Object.assign(kept, { joined, heard });
    return joined.self.id;
  }, room);
}

for (const browser of ["chromium", "firefox"] as const) {
  test(`Rust in Chromium, TypeScript in ${browser}: they meet, talk both ways, and part`, async ({
    open,
    openRust,
    room,
  }) => {
    const rust = await openRust();
    const rustId = await rust.id();

    const peer = await open(browser);
    const id = await joinFromTypeScript(peer, room);
    await expect(rust.events(id).first()).toBeVisible();

    await peer.run(({ kept }) =>
      (kept.joined as { chat: import("peerloom").Channel<{ text: string }> }).chat.send({
        text: "from TypeScript ✓",
      }),
    );
    await expect(rust.log).toHaveText(`${id}: from TypeScript ✓`);
    await rust.page.locator("#text").fill("from Rust ✓");
    await rust.page.locator("#text").press("Enter");
    const heard = () => peer.run(({ kept }) => kept.heard);
    await expect.poll(heard).toEqual([{ from: rustId, data: { text: "from Rust ✓" } }]);

    // Whoever looks at both screens sees the same.
    const code = await peer.run(async ({ kept }, id) => {
      const code = await (kept.joined as import("peerloom").Room).peers.get(id)?.safetyCode();
      return code && `${code.emoji.join("")} ${code.digits}`;
    }, rustId);
    expect(code).toMatch(/ \d{6}$/);
    await expect(rust.events(`code with ${id}`)).toHaveText(`code with ${id}: ${code}`);
    // It has asked to roll, and been told.
    await expect(rust.events(`with ${id}: `).last()).toHaveText(
      /: [1-9]\d* calls and answers there, [1-9]\d* back, [1-9]\d\d+ bytes in all; 1 attempts, joined: true$/,
    );

    await rust.page.close();
    const peers = () => peer.run(({ kept }) => (kept.joined as import("peerloom").Room).peers.size);
    await expect.poll(peers).toBe(0);
  });
}

test("a page in Rust that keeps a secret has one id, in every room and for as long as it keeps it", async ({
  open,
  openRust,
  room,
}) => {
  const another = `${room}-2`;
  const stay = { stay: "me" };
  const peer = await open("firefox");
  const first = await openRust({ asks: stay });
  const firstId = await first.id();
  await first.page.close();
  expect(await (await openRust({ room: another })).id()).not.toBe(firstId);
  expect(await (await openRust({ room: another, asks: stay })).id()).toBe(firstId);
  // Others can tell that it is the same.
  await peer.run(
    async ({ peerloom, kept, rustProtocol }, { room, pinned }) => {
      const joined = await peerloom.join(location.origin, { room, protocol: rustProtocol(), pinned });
      const states: string[] = [];
      joined.on("peer", ({ peer, state }) => void states.push(`${peer.id} ${state}`));
      Object.assign(kept, { joined, states });
    },
    { room, pinned: [firstId] },
  );
  const again = await openRust({ asks: stay });
  expect(await again.id()).toBe(firstId);
  await expect.poll(() => peer.run(({ kept }) => kept.states)).toContain(`${firstId} connected`);
});

test("a page in Rust and one in TypeScript agree on a passphrase, and on none that differs", async ({
  open,
  openRust,
  room,
}) => {
  const rust = await openRust({ asks: { passphrase: "correct-horse" } });
  await rust.id();
  const peer = await open("firefox");
  const enter = (passphrase: string) =>
    peer.run(
      async ({ peerloom, kept, rustProtocol }, { room, passphrase }) => {
        const joined = await peerloom.join(location.origin, { room, passphrase, protocol: rustProtocol() });
        kept.joined = joined;
        kept.happened = new Promise<string>((done) => {
          joined.on("error", ({ error }) => done(error.code));
          joined.on("peer", ({ state }) => state === "connected" && done(state));
        });
        return joined.self.id;
      },
      { room, passphrase },
    );
  const happened = () => peer.run(({ kept }) => kept.happened);
  const wrong = await enter("correct-house");
  expect(await happened()).toBe("wrong-passphrase");
  await expect(rust.events(wrong).last()).toContainText("WrongPassphrase");
  await peer.run(({ kept }) => (kept.joined as import("peerloom").Room).leave());
  const right = await enter("correct-horse");
  expect(await happened()).toBe("connected");
  await expect(rust.events(`code with ${right}`)).toBeVisible();
});
