// What every consumer must be able to do: two pages join one room and talk over a direct connection.
import { type Browser, expect, type Page } from "@playwright/test";
import { startSignaling } from "./servers.ts";

/** What `consumers/page.js` offers to the test. */
interface PageUnderTest {
  failure?: string;
  received: { from: string; data: { text: string } }[];
  room?: {
    self: { id: string };
    peers: ReadonlyMap<string, { path: string }>;
    chat: { send(data: { text: string }): Promise<void> };
    leave(): Promise<void>;
  };
}

type Room = NonNullable<PageUnderTest["room"]>;

/** Calls a function in the page with its room. It must not name anything outside itself. */
function withRoom<R>(page: Page, work: (room: Room) => R | Promise<R>): Promise<R> {
  return page.evaluate(`(${work})(globalThis.room)`) as Promise<R>;
}

async function openPage(browser: Browser, address: URL): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  await page.goto(address.href);
  await expect
    .poll(() => page.evaluate(() => (globalThis as unknown as PageUnderTest).failure ?? "room" in globalThis))
    .toBe(true);
  return page;
}

/** Opens the consumer's page twice and lets each greet the other. */
export async function expectConversation(browser: Browser, pageUrl: string): Promise<void> {
  await using signaling = await startSignaling();
  const address = new URL(pageUrl);
  address.searchParams.set("server", signaling.url);
  address.searchParams.set("room", "package test");
  const pages = [await openPage(browser, address), await openPage(browser, address)] as const;
  const ids = await Promise.all(pages.map((page) => withRoom(page, (room) => room.self.id)));

  for (const page of pages) {
    await expect
      .poll(() => withRoom(page, (room) => [...room.peers.values()].map((p) => p.path)))
      .toEqual(["direct"]);
  }
  await Promise.all(
    pages.map((page) => withRoom(page, (room) => room.chat.send({ text: `I am ${room.self.id}` }))),
  );
  for (const [mine, theirs] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const received = () => pages[mine].evaluate(() => (globalThis as unknown as PageUnderTest).received);
    await expect.poll(received).toEqual([{ from: ids[theirs], data: { text: `I am ${ids[theirs]}` } }]);
  }

  await withRoom(pages[0], (room) => room.leave());
  await expect.poll(() => withRoom(pages[1], (room) => room.peers.size)).toBe(0);
  await Promise.all(pages.map((page) => page.context().close()));
}
