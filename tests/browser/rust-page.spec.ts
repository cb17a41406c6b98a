// A page written in Rust and one written in TypeScript in one room: same names, same wire.
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { expect, type Peer, test } from "./support/fixtures.ts";
import { createSite, removeSite, repository } from "./support/site.ts";

const rustPage = process.env.PEERLOOM_RUST_PAGE ?? join(repository, "target/rust-page");
const isBuilt = existsSync(join(rustPage, "rust_page_bg.wasm"));

test.skip(!isBuilt && !process.env.CI, "the Rust page is not built: run it with `npm run test:browser`");

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
    browser: chromium,
    open,
    room,
    startServer,
  }) => {
    const www = await createSite();
    cpSync(rustPage, join(www, "rust"), { recursive: true });
    const server = await startServer({ www });
    const name = room.replaceAll(" ", "-");
    const context = await chromium.newContext();
    const rust = await context.newPage();
    const problems: string[] = [];
    rust.on("pageerror", (error) => problems.push(error.message));
    await rust.goto(`${server.url}/rust/?room=${name}`);
    await expect(rust.locator("#status")).toContainText(`in room ${name} as `);
    const rustId = (await rust.locator("#status").textContent())?.split(" ").at(-1) ?? "";

    const peer = await open(browser, { server });
    const id = await joinFromTypeScript(peer, name);
    await expect(rust.locator("#events li", { hasText: id }).first()).toBeVisible();

    await peer.run(({ kept }) =>
      (kept.joined as { chat: import("peerloom").Channel<{ text: string }> }).chat.send({
        text: "from TypeScript ✓",
      }),
    );
    await expect(rust.locator("#log li")).toHaveText(`${id}: from TypeScript ✓`);
    await rust.locator("#text").fill("from Rust ✓");
    await rust.locator("#text").press("Enter");
    const heard = () => peer.run(({ kept }) => kept.heard);
    await expect.poll(heard).toEqual([{ from: rustId, data: { text: "from Rust ✓" } }]);

    // Whoever looks at both screens sees the same.
    const code = await peer.run(async ({ kept }, id) => {
      const code = await (kept.joined as import("peerloom").Room).peers.get(id)?.safetyCode();
      return code && `${code.emoji.join("")} ${code.digits}`;
    }, rustId);
    expect(code).toMatch(/ \d{6}$/);
    await expect(rust.locator("#events li", { hasText: `code with ${id}` })).toHaveText(
      `code with ${id}: ${code}`,
    );

    await context.close();
    const peers = () => peer.run(({ kept }) => (kept.joined as import("peerloom").Room).peers.size);
    await expect.poll(peers).toBe(0);
    expect(problems).toEqual([]);
    removeSite(www);
  });
}

test("a page in Rust that keeps a secret has one id, in every room and for as long as it keeps it", async ({
  browser: chromium,
  open,
  room,
  startServer,
}) => {
  const www = await createSite();
  cpSync(rustPage, join(www, "rust"), { recursive: true });
  const server = await startServer({ www });
  const name = room.replaceAll(" ", "-");
  const context = await chromium.newContext();
  const idIn = async (room: string, stay = "&stay=me") => {
    const page = await context.newPage();
    await page.goto(`${server.url}/rust/?room=${room}${stay}`);
    await expect(page.locator("#status")).toContainText(`in room ${room} as `);
    return { page, id: (await page.locator("#status").textContent())?.split(" ").at(-1) ?? "" };
  };
  const peer = await open("firefox", { server });
  const first = await idIn(name);
  await first.page.close();
  expect((await idIn(`${name}-2`, "")).id).not.toBe(first.id);
  expect((await idIn(`${name}-2`)).id).toBe(first.id);
  // Others can tell that it is the same.
  await peer.run(
    async ({ peerloom, kept, rustProtocol }, { room, pinned }) => {
      const joined = await peerloom.join(location.origin, { room, protocol: rustProtocol(), pinned });
      const states: string[] = [];
      joined.on("peer", ({ peer, state }) => void states.push(`${peer.id} ${state}`));
      Object.assign(kept, { joined, states });
    },
    { room: name, pinned: [first.id] },
  );
  const again = await idIn(name);
  expect(again.id).toBe(first.id);
  await expect.poll(() => peer.run(({ kept }) => kept.states)).toContain(`${first.id} connected`);
  await context.close();
  removeSite(www);
});

test("a page in Rust and one in TypeScript agree on a passphrase, and on none that differs", async ({
  browser: chromium,
  open,
  room,
  startServer,
}) => {
  const www = await createSite();
  cpSync(rustPage, join(www, "rust"), { recursive: true });
  const server = await startServer({ www });
  const name = room.replaceAll(" ", "-");
  const context = await chromium.newContext();
  const rust = await context.newPage();
  await rust.goto(`${server.url}/rust/?room=${name}&passphrase=correct-horse`);
  await expect(rust.locator("#status")).toContainText(`in room ${name} as `);
  const peer = await open("firefox", { server });
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
      { room: name, passphrase },
    );
  const happened = () => peer.run(({ kept }) => kept.happened);
  const wrong = await enter("correct-house");
  expect(await happened()).toBe("wrong-passphrase");
  await expect(rust.locator("#events li", { hasText: wrong }).last()).toContainText("WrongPassphrase");
  await peer.run(({ kept }) => (kept.joined as import("peerloom").Room).leave());
  const right = await enter("correct-horse");
  expect(await happened()).toBe("connected");
  await expect(rust.locator("#events li", { hasText: `code with ${right}` })).toBeVisible();
  await context.close();
  removeSite(www);
});
