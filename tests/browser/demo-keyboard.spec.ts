// The demo, used by the keyboard alone.
import { LOOKS, twoVisitors, Visitor } from "./support/demo.ts";
import { expect, test } from "./support/fixtures.ts";
import { Server } from "./support/server.ts";

test("two people who open the page see each other, name themselves and talk, without a mouse", async ({
  browser,
}) => {
  await using server = await Server.start();
  const [ada, ben] = await twoVisitors(browser, server.url, {});

  for (const [visitor, name] of [
    [ada, "Ada"],
    [ben, "Ben"],
  ] as const) {
    await visitor.tabTo(visitor.get("my-name"));
    await visitor.page.keyboard.press("ControlOrMeta+a");
    await visitor.page.keyboard.type(name);
    await visitor.page.keyboard.press("Enter");
  }
  await expect(ada.get("peer")).toContainText("Ben");
  await expect(ben.get("peer")).toContainText("Ada");

  await ada.tabTo(ada.get("chat-input"));
  await ada.page.keyboard.type("Hello Ben <b>&amp;</b>");
  await ada.page.keyboard.press("Enter");
  await expect(ben.get("chat-log")).toContainText("Hello Ben <b>&amp;</b>");
  // The same with the button.
  await ben.tabTo(ben.get("chat-input"));
  await ben.page.keyboard.type("Hello Ada");
  await ben.tabTo(ben.get("chat-send"));
  await ben.page.keyboard.press("Enter");
  await expect(ada.get("chat-log")).toContainText("Hello Ada");
  await expect(ben.get("chat-log")).toContainText("Hello Ada");

  await ben.page.close();
  await expect(ada.get("peer")).toHaveCount(0);
  for (const visitor of [ada, ben]) expect(visitor.problems).toEqual([]);
  await ada[Symbol.asyncDispose]();
  await ben[Symbol.asyncDispose]();
});

test("pointers and a picture, without a mouse", async ({ browser }) => {
  await using server = await Server.start();
  const [ada, ben] = await twoVisitors(browser, server.url, {});

  await ada.tabTo(ada.page.getByRole("application"));
  await ada.page.keyboard.press("ArrowRight");
  await expect(ben.page.locator("#cursors .cursor")).toHaveText(await ada.get("my-name").inputValue());

  // A picture of a single pixel, to the only other person.
  const gif = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
  // Asked for before the way there: from then on the browser shows no dialog of its own.
  const choosing = ada.page.waitForEvent("filechooser");
  await ada.tabTo(ada.get("peer").getByRole("button", { name: /^Send file/ }));
  await ada.page.keyboard.press("Enter");
  await (await choosing).setFiles({ name: "dot.gif", mimeType: "image/gif", buffer: gif });
  await expect(ada.get("chat-log")).toContainText("delivered");
  await expect(ben.get("chat-log")).toContainText("dot.gif");
  await expect(ben.get("chat-log")).toContainText("came directly");
  const shown = ben.get("chat-log").locator("img");
  await expect.poll(() => shown.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
  for (const visitor of [ada, ben]) {
    await visitor.expectAccessible();
    expect(visitor.problems).toEqual([]);
    await visitor[Symbol.asyncDispose]();
  }
});

test("names, texts, files and rooms that look like markup are shown as they are", async ({ browser }) => {
  await using server = await Server.start();
  const markup = (what: string) => `<img src=x onerror="document.title='${what}'">`;
  const room = `${markup("room")}<script>document.title='room'</script>`;
  const [ada, ben] = await twoVisitors(browser, `${server.url}/#room=${encodeURIComponent(room)}`, {});
  const title = await ben.page.title();

  await ada.get("my-name").fill(markup("n"));
  await ada.page.keyboard.press("Enter");
  await ada.get("chat-input").fill(markup("text"));
  await ada.get("chat-send").click();
  const choosing = ada.page.waitForEvent("filechooser");
  await ada
    .get("peer")
    .getByRole("button", { name: /^Send file/ })
    .click();
  const name = `${markup("file").replaceAll("/", "")}.html`;
  await (await choosing).setFiles({ name, mimeType: "text/html", buffer: Buffer.from(markup("page")) });

  await expect(ben.get("chat-log")).toContainText(markup("text"));
  await expect(ben.get("chat-log")).toContainText(name);
  await expect(ben.get("peer")).toContainText(await ada.get("my-name").inputValue());
  await expect(ben.page.locator("h1")).toContainText("<img src=x onerror=");
  for (const visitor of [ada, ben]) {
    await expect(visitor.page.locator("img[src=x], #peers script, h1 script")).toHaveCount(0);
    expect(await visitor.page.title()).toBe(title);
    expect(visitor.problems).toEqual([]);
    await visitor[Symbol.asyncDispose]();
  }
});

test("a long conversation leaves no empty page below the page", async ({ browser }) => {
  await using server = await Server.start();
  const [ada, ben] = await twoVisitors(browser, server.url, { viewport: { width: 390, height: 844 } });
  for (let line = 0; line < 20; line += 1) {
    await ada.get("chat-input").fill(`${"and so on ".repeat(40)}${line}`);
    await ada.page.keyboard.press("Enter");
  }
  await expect(ada.get("chat-log")).toContainText("on 19");
  const [page, main] = await ada.page.evaluate(() => {
    const { bottom = 0 } = document.querySelector("main")?.getBoundingClientRect() ?? {};
    return [document.documentElement.scrollHeight, bottom + scrollY] as const;
  });
  expect(page - main).toBeLessThan(2);
  for (const visitor of [ada, ben]) await visitor[Symbol.asyncDispose]();
});

test("the invitation link leads into the same room", async ({ browser }) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, `${server.url}/#room=a%20room%20%26%20more`);
  const link = await ada.get("room-link").getAttribute("href");
  await using ben = await Visitor.open(browser, new URL(link ?? "", server.url).href);
  await expect(ada.get("peer")).toHaveCount(1);
  await expect(ben.get("peer")).toHaveCount(1);
  await using carl = await Visitor.open(browser, server.url);
  // He has been let in, into another room.
  await expect(carl.page.getByTestId("server-state")).toHaveText("connected");
  await expect(carl.get("peer")).toHaveCount(0);
  await expect(ada.get("peer")).toHaveCount(1);
});

test("a private room: only its link leads there, and two people compare what they see", async ({
  browser,
}) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, server.url);
  await expect(ada.get("security")).toHaveText("open to all");
  const before = ada.page.url();
  await ada.page.getByRole("button", { name: "New private room" }).click();
  await expect.poll(() => ada.page.url()).not.toBe(before);
  await expect(ada.get("security")).toHaveText("only by link");
  await expect(ada.page.locator("#invite-lead")).toContainText("Only who has this link");
  const link = new URL((await ada.get("room-link").getAttribute("href")) ?? "", server.url);
  // The same name with another secret, and without one, are other rooms.
  const hash = new URLSearchParams(link.hash.slice(1));
  await using eve = await Visitor.open(browser, `${server.url}/#room=${hash.get("room")}`);
  await using mallory = await Visitor.open(
    browser,
    `${server.url}/#room=${hash.get("room")}&secret=${"A".repeat(43)}`,
  );
  for (const stranger of [eve, mallory]) {
    await expect(stranger.page.getByTestId("server-state")).toHaveText("connected");
  }
  await using ben = await Visitor.open(browser, link.href);
  await expect(ben.get("link-path")).toHaveText("direct");
  const code = ada.get("safety-code");
  await expect(code).toHaveText(/\d{6}$/);
  await expect(ben.get("safety-code")).toHaveText((await code.textContent()) ?? "");
  for (const stranger of [eve, mallory]) await expect(stranger.get("peer")).toHaveCount(0);
  for (const visitor of [ada, ben, eve, mallory]) {
    await visitor.expectAccessible();
    expect(visitor.problems).toEqual([]);
  }
});

test("a link whose secret was cut off says so", async ({ browser }) => {
  await using server = await Server.start();
  await using ada = await Visitor.open(browser, `${server.url}/#room=private&secret=abc`);
  await expect(ada.page.locator("#notice")).toContainText("lost a part");
  await expect(ada.page.getByTestId("server-state")).toHaveText("disconnected");
});

for (const [title, options] of LOOKS) {
  test(`${title}: axe finds nothing, the console stays empty, nothing is cut off`, async ({ browser }) => {
    await using server = await Server.start();
    await using alone = await Visitor.open(browser, `${server.url}/#room=alone`, options);
    await expect(alone.page.getByTestId("server-state")).toHaveText("connected");
    await alone.expectAccessible();
    await alone.expectNoSidewaysScroll();

    const [ada, ben] = await twoVisitors(browser, server.url, options);
    await ada.tabTo(ada.get("chat-input"));
    await ada.page.keyboard.type("Something to read");
    await ada.page.keyboard.press("Enter");
    await expect(ben.get("chat-log")).toContainText("Something to read");
    for (const visitor of [ada, ben]) {
      await visitor.expectAccessible();
      await visitor.expectNoSidewaysScroll();
    }
    for (const visitor of [alone, ada, ben]) expect(visitor.problems).toEqual([]);
    await ada[Symbol.asyncDispose]();
    await ben[Symbol.asyncDispose]();
  });
}
