// The demo as its users have it: out of the server's own program, watched for everything that goes wrong.
import { type Browser, type BrowserContextOptions, expect, type Locator, type Page } from "@playwright/test";
import axe from "axe-core";

/** What the demo has to look right in. */
export const LOOKS: [title: string, options: BrowserContextOptions][] = [
  ["a wide screen", { viewport: { width: 1280, height: 800 }, colorScheme: "light" }],
  [
    "a phone of 360 pixels",
    { viewport: { width: 360, height: 740 }, colorScheme: "light", hasTouch: true, isMobile: true },
  ],
  ["a dark screen", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
  [
    "a dark phone",
    { viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true, isMobile: true },
  ],
];

/** One person's browser with the demo open. */
export class Visitor implements AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings in the console, uncaught errors, files that did not come, breaches of the page's policy. */
  readonly problems: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(error.message));
    page.on("requestfailed", (request) => {
      // A page that is left gives up what is still on its way.
      if (request.failure()?.errorText === "net::ERR_ABORTED") return;
      this.problems.push(`${request.url()} did not come`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.problems.push(`${response.url()}: ${response.status()}`);
    });
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const visitor = new Visitor(page);
    await page.exposeFunction("reportViolation", (text: string) => visitor.problems.push(text));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        const { reportViolation } = globalThis as unknown as { reportViolation(text: string): void };
        reportViolation(`${event.effectiveDirective} forbids ${event.blockedURI}`);
      });
    });
    await page.goto(url);
    return visitor;
  }

  get(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Presses Tab until the element has the focus, as someone without a mouse does. */
  async tabTo(element: Locator): Promise<void> {
    for (let pressed = 0; pressed < 60; pressed += 1) {
      if (await element.evaluate((wanted) => wanted === document.activeElement)) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`Tab does not lead to ${element}`);
  }

  /** Fails with everything axe finds. */
  async expectAccessible(): Promise<void> {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
      const { violations } = await axe.run();
      return violations.map(
        ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" | ")}`,
      );
    });
    expect(found).toEqual([]);
  }

  /** Fails if anything is cut off or can only be seen by scrolling sideways. */
  async expectNoSidewaysScroll(): Promise<void> {
    const [wide, has] = await this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return [scrollWidth, clientWidth] as const;
    });
    expect(wide).toBeLessThanOrEqual(has);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

/** Two people open the same address. Nobody tells them anything. */
export async function twoVisitors(browser: Browser, url: string, options: BrowserContextOptions) {
  const ada = await Visitor.open(browser, url, options);
  const ben = await Visitor.open(browser, url, options);
  for (const visitor of [ada, ben]) {
    await expect(visitor.get("peer")).toHaveCount(1);
    await expect(visitor.get("link-path")).toHaveText("direct");
  }
  return [ada, ben] as const;
}
