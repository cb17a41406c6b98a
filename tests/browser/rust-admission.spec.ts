// What Rust has for servers that ask for admission tokens: tokens for the key of one page, and sending members away.
import { type Admission, admission } from "./support/admission.ts";
import { expect, type Peer, type Server } from "./support/fixtures.ts";
import { test as base, type RustPage } from "./support/rust-page.ts";

interface RustAdmission {
  admission: Admission;
  /** Opens a page in Rust that is given a token for its key, with these flags. */
  admit(...flags: string[]): Promise<RustPage>;
}

const test = base.extend<RustAdmission>({
  admission,
  admit: async ({ admission: { server, mint }, openRust, rustContext }, use) => {
    let asked = 0;
    await use(async (...flags) => {
      asked += 1;
      const giver = `/tokens-${asked}`;
      // As a service of the application's would: it makes out the token to the key that it is told.
      await rustContext.route(`**${giver}?*`, async (route) => {
        const { searchParams } = new URL(route.request().url());
        const claims = ["--room", searchParams.get("room") ?? "", "--cnf", searchParams.get("key") ?? ""];
        await route.fulfill({ contentType: "text/plain", body: mint(...claims, ...flags) });
      });
      return openRust({ server, asks: { tokens: giver } });
    });
  },
});

/** Joins from TypeScript with this token, and keeps a record of who goes and why. */
async function enter(page: Peer, { server, room, token }: { server: Server; room: string; token: string }) {
  const id = await page.run(
    async ({ peerloom, kept, rustProtocol }, { url, room, token }) => {
      const protocol = rustProtocol();
      const joined = await peerloom.join(url, { room, protocol, token: async () => token });
      const [left, ended]: unknown[][] = [[], []];
      joined.on("closed", ({ error }) => ended?.push([error?.code, error?.message]));
      joined.on("peer", ({ peer, state, reason }) => state === "left" && left?.push([peer.id, reason]));
      kept.state = () => ({ left, ended, peers: [...joined.peers.keys()] });
      return joined.self.id;
    },
    { url: server.url, room, token },
  );
  type State = { left: unknown[]; ended: unknown[]; peers: string[] };
  return { id, state: () => page.run(({ kept }) => (kept.state as () => State)()) };
}

async function sendAway(rust: RustPage, whom: string, reason: string): Promise<void> {
  await rust.page.locator("#whom").fill(whom);
  await rust.page.locator("#reason").fill(reason);
  await rust.page.locator("#reason").press("Enter");
}

test("a page in Rust gets in with a token for its key, and with none for another's", async ({
  admission: { server, mint },
  admit,
  open,
  openRust,
  room,
  rustContext,
}) => {
  const rust = await admit();
  const id = await rust.id();
  // The same key is told again when the server was away.
  const asked = rustContext.waitForEvent("request", (request) => request.url().includes("/tokens-"));
  await server.kill();
  await expect(rust.events('Signaling("reconnecting")')).toBeVisible();
  await server.start();
  const key = new URL((await asked).url()).searchParams.get("key") ?? "";
  expect(key).toMatch(/^[\w-]{43}$/);
  await expect(rust.events('Signaling("connected")')).toBeVisible();

  // Stolen, it is of no use to a page with another key, in either language.
  const stolen = mint("--room", room, "--cnf", key);
  await rustContext.route("**/stolen?*", (route) => route.fulfill({ body: stolen }));
  const thief = await openRust({ server, asks: { tokens: "/stolen" } });
  await expect(thief.log).toContainText("(unauthorized)");
  const page = await open("firefox", { server });
  const refused = await page.run(
    ({ peerloom, failure, rustProtocol }, { room, token }) =>
      failure(peerloom.join(location.origin, { room, protocol: rustProtocol(), token: async () => token })),
    { room, token: stolen },
  );
  expect(refused).toMatchObject({ code: "unauthorized" });
  // Whoever gets no token is told so.
  await rustContext.route("**/none?*", (route) => route.fulfill({ status: 403, body: "" }));
  const stranger = await openRust({ server, asks: { tokens: "/none" } });
  await expect(stranger.log).toContainText("(token-failed)");

  // And the one it is for is in the room, for everybody to see.
  const other = await enter(page, { server, room, token: mint("--room", room) });
  await expect.poll(async () => (await other.state()).peers).toEqual([id]);
});

test("a page in Rust sends a page in TypeScript away if its token says so, and only then", async ({
  admission: { server, mint },
  admit,
  open,
  room,
}) => {
  const moderator = await admit("--perm", "join", "--perm", "relay", "--perm", "kick");
  const guest = await admit();
  const [moderatorId, guestId] = [await moderator.id(), await guest.id()];
  const token = mint("--room", room, "--subject", "eve");
  const page = await open("firefox", { server });
  const eve = await enter(page, { server, room, token });
  for (const rust of [moderator, guest]) await expect(rust.events(`PeerConnected(`, eve.id)).toBeVisible();

  await sendAway(guest, eve.id, "no reason");
  await expect(guest.events(`did not send ${eve.id} away`)).toContainText("(forbidden)");
  const nobody = "A".repeat(22);
  await sendAway(moderator, nobody, "not here");
  await expect(moderator.events(`did not send ${nobody} away`)).toContainText("(peer-gone)");
  expect(await eve.state()).toMatchObject({ ended: [], left: [] });

  await sendAway(moderator, eve.id, "spam & worse");
  await expect(moderator.events(`sent ${eve.id} away`)).toHaveText(`sent ${eve.id} away`);
  for (const rust of [moderator, guest])
    await expect(rust.events("PeerLeft(", eve.id)).toContainText('"kicked"');
  await expect
    .poll(async () => (await eve.state()).ended)
    .toEqual([["kicked", expect.stringContaining("spam & worse")]]);
  // Nor does she get back in with the same token.
  const again = await page.run(
    ({ peerloom, failure, rustProtocol }, { room, token }) =>
      failure(peerloom.join(location.origin, { room, protocol: rustProtocol(), token: async () => token })),
    { room, token },
  );
  expect(again).toMatchObject({ code: "kicked" });

  // The others are still together.
  const witness = await enter(await open("chromium", { server }), {
    server,
    room,
    token: mint("--room", room),
  });
  await expect.poll(async () => (await witness.state()).peers.sort()).toEqual([moderatorId, guestId].sort());
});

test("a page in Rust that is sent away hears why, and everybody else that it was", async ({
  admission: { server, mint },
  admit,
  open,
  room,
}) => {
  const moderator = await admit("--perm", "join", "--perm", "relay", "--perm", "kick");
  const guest = await admit("--subject", "eve");
  const guestId = await guest.id();
  const token = mint("--room", room);
  const witness = await enter(await open("firefox", { server }), { server, room, token });
  await expect(moderator.events("PeerConnected(", guestId)).toBeVisible();
  await expect.poll(async () => (await witness.state()).peers).toHaveLength(2);

  await sendAway(moderator, guestId, "spam & worse");
  await expect(guest.log).toContainText("spam & worse");
  await expect(guest.log).toContainText("(kicked)");
  await expect(moderator.events("PeerLeft(", guestId)).toContainText('"kicked"');
  await expect.poll(witness.state).toMatchObject({ left: [[guestId, "kicked"]], ended: [] });
  // What it asks for now comes to nothing.
  await sendAway(guest, witness.id, "revenge");
  await expect(guest.events(`did not send ${witness.id} away`)).toContainText("(closed)");

  // Neither under its own key nor under another does its user get back in.
  await guest.page.reload();
  await expect(guest.log).toContainText("(kicked)");
  const another = await admit("--subject", "eve");
  await expect(another.log).toContainText("(kicked)");
  expect((await witness.state()).peers).toEqual([await moderator.id()]);
});
