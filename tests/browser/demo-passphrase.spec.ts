// The demo's rooms with a passphrase, used by the keyboard alone.
import type { Browser } from "@playwright/test";
import { LOOKS, Visitor } from "./support/demo.ts";
import { expect, test } from "./support/fixtures.ts";
import { Server } from "./support/server.ts";

const ROOM = "#room=our+trip&ask=passphrase";

/** Types it where the page has put the focus. */
async function type(visitor: Visitor, passphrase: string): Promise<void> {
  await expect(visitor.get("passphrase")).toBeFocused();
  await visitor.page.keyboard.type(passphrase);
  await visitor.page.keyboard.press("Enter");
}

async function enter(browser: Browser, url: string, passphrase: string): Promise<Visitor> {
  const visitor = await Visitor.open(browser, url);
  await type(visitor, passphrase);
  await expect(visitor.get("server-state")).toHaveText("connected");
  return visitor;
}

const notice = (visitor: Visitor) => visitor.page.locator("#notice");

test("people who were told the same passphrase meet, and no address has it", async ({ browser }) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, server.url);
  await ada.tabTo(ada.page.getByRole("button", { name: "Passphrase room" }));
  await ada.page.keyboard.press("Enter");
  await expect(ada.page.getByRole("dialog")).toHaveAccessibleName("This room has a passphrase");
  await expect(ada.get("server-state")).toHaveText("not asked yet");
  await ada.expectAccessible();
  await type(ada, "blue heron sings");
  await expect(ada.get("security")).toHaveText("only by passphrase");
  await expect(ada.page.locator("#invite-lead")).toContainText("It is not in the link");

  const link = (await ada.get("room-link").getAttribute("href")) ?? "";
  for (const address of [link, ada.page.url()]) expect(address).not.toMatch(/blue|heron\+sings|sings/i);
  // What is heard has no capitals.
  await using ben = await enter(browser, link, " Blue  heron Sings ");
  await expect(ben.get("link-path")).toHaveText("direct");
  const code = ada.get("safety-code");
  await expect(code).toHaveText(/\d{6}$/);
  await expect(ben.get("safety-code")).toHaveText((await code.textContent()) ?? "");
  for (const visitor of [ada, ben]) {
    await expect(notice(visitor)).toBeHidden();
    await visitor.expectAccessible();
    expect(visitor.problems).toEqual([]);
  }
});

test("whoever mistypes it is told so, as is the other, and types it again", async ({ browser }) => {
  await using server = await Server.start();
  const url = `${server.url}/${ROOM}`;
  await using ada = await enter(browser, url, "blue heron sings");
  await expect(ada.page.locator("#invite-title")).toHaveText("You are the first one here");
  await using ben = await enter(browser, url, "blue heron sinks");
  for (const visitor of [ada, ben]) {
    await expect(notice(visitor)).toContainText("Somebody here typed another passphrase");
    await expect(visitor.page.locator("#invite-title")).toHaveText("Nobody here has your passphrase yet");
    await expect(visitor.get("peer")).toHaveCount(0);
    await visitor.expectAccessible();
  }
  await ben.tabTo(ben.page.getByRole("button", { name: "Type mine again" }));
  await ben.page.keyboard.press("Enter");
  await type(ben, "blue heron sings");
  for (const visitor of [ada, ben]) {
    await expect(visitor.get("link-path")).toHaveText("direct");
    await expect(notice(visitor)).toBeHidden();
  }

  // A stranger is not among them, sees nobody, and hears nothing.
  await using eve = await enter(browser, url, "open sesame");
  await expect(notice(eve)).toContainText("Somebody here typed another passphrase");
  for (const visitor of [ada, ben]) {
    await expect(visitor.get("chat-log")).toContainText("Somebody with another passphrase came.");
    await expect(visitor.get("peer")).toHaveCount(1);
    await expect(notice(visitor)).toBeHidden();
  }
  await ada.tabTo(ada.get("chat-input"));
  await ada.page.keyboard.type("for Ben alone");
  await ada.page.keyboard.press("Enter");
  await expect(ben.get("chat-log")).toContainText("for Ben alone");
  await expect(eve.get("peer")).toHaveCount(0);
  await expect(eve.get("chat-log")).not.toContainText("for Ben alone");
  for (const visitor of [ada, ben, eve]) expect(visitor.problems).toEqual([]);
});

test("what is no passphrase is explained", async ({ browser }) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, `${server.url}/${ROOM}`);
  for (const wrong of ["12345", "12    4", "é".repeat(65)]) {
    await type(ada, wrong);
    await expect(ada.get("door-problem")).toContainText("at least six letters or digits");
    await ada.expectAccessible();
  }
  await type(ada, "123456");
  await expect(ada.get("server-state")).toHaveText("connected");
  expect(ada.problems).toEqual([]);
});

test("whoever has no passphrase gets away from the door, by the link on it or by Escape", async ({
  browser,
}) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, `${server.url}/${ROOM}`);
  await expect(ada.get("passphrase")).toBeFocused();
  await ada.page.keyboard.press("Escape");
  await expect(ada.get("security")).toHaveText("open to all");
  await using ben = await Visitor.open(browser, `${server.url}/${ROOM}`);
  await ben.tabTo(ben.page.getByRole("link", { name: "Go to the open lobby instead" }));
  await ben.page.keyboard.press("Enter");
  await expect(ben.get("security")).toHaveText("open to all");
  await expect(ada.get("peer")).toHaveCount(1);
  for (const visitor of [ada, ben]) expect(visitor.problems).toEqual([]);
});

for (const [title, options] of LOOKS) {
  test(`${title}: axe finds nothing at the door and behind it, and nothing is cut off`, async ({
    browser,
  }) => {
    await using server = await Server.start();
    const url = `${server.url}/${ROOM}`;
    await using ada = await Visitor.open(browser, url, options);
    await type(ada, "123");
    await expect(ada.get("door-problem")).not.toBeEmpty();
    await ada.expectAccessible();
    await ada.expectNoSidewaysScroll();
    await type(ada, "123456");
    await using ben = await Visitor.open(browser, url, options);
    await type(ben, "654321");
    for (const visitor of [ada, ben]) {
      await expect(notice(visitor)).toContainText("another passphrase");
      await visitor.expectAccessible();
      await visitor.expectNoSidewaysScroll();
      expect(visitor.problems).toEqual([]);
    }
  });
}
