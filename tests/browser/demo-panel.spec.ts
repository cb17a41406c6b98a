// The demo's panel of a connection, used by the keyboard alone.
import type { Locator } from "@playwright/test";
import { LOOKS, twoVisitors, type Visitor } from "./support/demo.ts";
import { expect, test } from "./support/fixtures.ts";
import { Server } from "./support/server.ts";

const PERMISSIONS = { permissions: ["clipboard-read", "clipboard-write"] };

async function open(visitor: Visitor): Promise<Locator> {
  await visitor.tabTo(visitor.get("open-details"));
  await visitor.page.keyboard.press("Enter");
  const dialog = visitor.page.getByRole("dialog");
  await expect(dialog).toHaveAccessibleName(/^Connection with /);
  return dialog;
}

const messagesOf = (visitor: Visitor, label: string) =>
  visitor.page.locator(`[data-testid=channel][data-label="${label}"] td`).first();

async function say(visitor: Visitor, text: string): Promise<void> {
  await visitor.get("chat-input").fill(text);
  await visitor.get("chat-send").click();
}

/** How many pixels of a plot have about the colour of one of these custom properties. */
function pixels(canvas: Locator, ...names: string[]): Promise<number> {
  return canvas.evaluate((element, names) => {
    const canvas = element as HTMLCanvasElement;
    if (canvas.width === 0) return 0;
    // Of a copy: reading from the plot itself would have the browser draw it in another way from then on.
    const copy = Object.assign(document.createElement("canvas"), {
      width: canvas.width,
      height: canvas.height,
    });
    const context = copy.getContext("2d", { willReadFrequently: true });
    if (context === null) return 0;
    context.drawImage(canvas, 0, 0);
    const style = getComputedStyle(document.documentElement);
    const wanted = names.map((name) => {
      const hex = style.getPropertyValue(name).trim();
      return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    });
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      const isOne = wanted.some((color) =>
        color.every((part, index) => Math.abs((data[at + index] ?? 0) - part) < 12),
      );
      if (isOne && (data[at + 3] ?? 0) > 200) count += 1;
    }
    return count;
  }, names);
}

/** What a probe of a server leaves in the console is no problem: it asks for a WebSocket by http, and is refused. */
const problems = (visitor: Visitor) =>
  visitor.problems.filter((text) => !/status of 40\d|\/ws: 40\d$/.test(text));

test("the panel tells how two pages are connected, and counts what they say", async ({ browser }) => {
  await using server = await Server.start();
  const [ada, ben] = await twoVisitors(browser, server.url, PERMISSIONS);
  const dialog = await open(ada);
  await expect(ada.get("panel-path")).toHaveText("direct");
  await expect(ada.get("panel-meaning")).toHaveText("Straight from browser to browser.");
  await expect(ada.get("fact-rtt")).toHaveText(/^<?\d+\sms$/);
  for (const end of ["local", "remote"]) {
    await expect(ada.get(`fact-${end}`)).toHaveText(/\((host|srflx|prflx)\)$/);
  }
  await expect(messagesOf(ada, "chat")).toHaveText("0 / 0");
  await expect(ada.page.locator("[data-testid=channel]").last()).toContainText("streams and calls");
  await say(ben, "Hello Ada");
  await expect(messagesOf(ada, "chat")).toHaveText("0 / 1");

  // The focus goes back to where it was.
  await ada.page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(ada.get("open-details")).toBeFocused();
  await say(ada, "Hello Ben");
  await open(ada);
  await expect(messagesOf(ada, "chat")).toHaveText("1 / 1");
  await ada.tabTo(ada.get("panel-close"));
  await ada.page.keyboard.press("Enter");
  await expect(dialog).toBeHidden();

  // A path that breaks is in the history of paths, and in the panel at once.
  await ada.get("cut-path").click();
  await open(ada);
  const paths = dialog.locator(".history li");
  await expect(paths.first()).toHaveText(/^direct since \d\d:\d\d:\d\d/);
  await expect(paths.filter({ hasText: /^direct for / })).not.toHaveCount(0);
  await expect(paths.filter({ hasText: /^(relay|connecting) for / })).not.toHaveCount(0);

  await ben.page.close();
  await expect(ada.get("panel-meaning")).toContainText("has left");
  await expect(ada.get("why")).toBeDisabled();
  for (const visitor of [ada, ben]) expect(problems(visitor)).toEqual([]);
  await ada[Symbol.asyncDispose]();
  await ben[Symbol.asyncDispose]();
});

test("the panel finds out why, and the report can be copied", async ({ browser }) => {
  await using server = await Server.start();
  const [ada, ben] = await twoVisitors(browser, server.url, PERMISSIONS);
  await open(ada);
  await ada.tabTo(ada.get("why"));
  await ada.page.keyboard.press("Enter");
  await expect(ada.get("finding")).toHaveText("direct");
  await expect(ada.get("cause")).toHaveText("Messages go from browser to browser.");
  await expect(ada.get("answer")).toContainText("This is certain.");
  await expect(ada.get("why")).toBeFocused();
  await ada.page.keyboard.press("Tab");
  await ada.page.keyboard.press("Enter");
  await expect(ada.page.locator("[data-check=joining]")).toHaveAttribute("data-state", "ok");
  await ada.tabTo(ada.get("copy-report"));
  await ada.page.keyboard.press("Enter");
  const copied = () => ada.page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(copied).toContain("Finding: direct (certain)");
  const text = await copied();
  const report = JSON.parse(text.slice(text.indexOf("\n{")));
  expect(report).toMatchObject({ finding: "direct", path: "direct", server: { url: `${server.url}/` } });
  expect(text).not.toMatch(/credential|username/);
  await ada.expectAccessible();
  for (const visitor of [ada, ben]) expect(problems(visitor)).toEqual([]);
  await ada[Symbol.asyncDispose]();
  await ben[Symbol.asyncDispose]();
});

test("the plots are drawn, in the colours and the width that the page has then", async ({ browser }) => {
  await using server = await Server.start();
  const options = { viewport: { width: 1280, height: 800 }, colorScheme: "light" } as const;
  const [ada, ben] = await twoVisitors(browser, server.url, options);
  const loaded: string[] = [];
  ada.page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  // What it takes comes with the first look.
  const before = await ada.page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) => name),
  );
  expect(before.filter((name) => /panel/.test(name))).toEqual([]);
  await open(ada);
  expect(loaded.filter((name) => /panel/.test(name))).not.toEqual([]);

  const plots = { rtt: ["--accent"], rate: ["--dye-5", "--dye-0"], buffers: ["--dye-4", "--dye-6"] };
  const areDrawn = async () => {
    for (const [name, colors] of Object.entries(plots)) {
      const canvas = ada.page.locator(`[data-plot=${name}] canvas`);
      await expect.poll(() => pixels(canvas, ...colors), { message: name }).toBeGreaterThan(20);
      // In words too.
      await expect(ada.get(`plot-${name}`).first()).toHaveText(/\d\s?(ms|k?B|k?B\/s)$/);
    }
  };
  await areDrawn();
  await ada.page.emulateMedia({ colorScheme: "dark" });
  await areDrawn();
  await ada.page.setViewportSize({ width: 390, height: 844 });
  const widths = () =>
    ada.page
      .locator("[data-plot=rtt] .plot-place")
      .evaluate((place) => [place.clientWidth, place.querySelector("canvas")?.clientWidth]);
  await expect.poll(async () => (await widths())[0]).toBeLessThan(390);
  await expect.poll(async () => new Set(await widths()).size).toBe(1);
  await areDrawn();
  for (const visitor of [ada, ben]) {
    expect(visitor.problems).toEqual([]);
    await visitor[Symbol.asyncDispose]();
  }
});

for (const [title, options] of LOOKS) {
  test(`${title}: axe finds nothing in the panel, nothing is cut off`, async ({ browser }) => {
    await using server = await Server.start();
    const [ada, ben] = await twoVisitors(browser, server.url, options);
    await open(ada);
    await expect(ada.get("plot-rtt")).toHaveText(/ms$/);
    await ada.get("why").click();
    await expect(ada.get("finding")).toHaveText("direct");
    await ada.page.locator(".why summary").click();
    await ada.expectAccessible();
    await ada.expectNoSidewaysScroll();
    const [wide, has] = await ada.page
      .locator(".panel-body")
      .evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth] as const);
    expect(wide).toBeLessThanOrEqual(has);
    for (const visitor of [ada, ben]) {
      expect(problems(visitor)).toEqual([]);
      await visitor[Symbol.asyncDispose]();
    }
  });
}
