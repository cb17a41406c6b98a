// The page written in Rust (`examples/rust-page`), served beside the others, and opened in Chromium.
import { randomUUID } from "node:crypto";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "@playwright/test";
import { test as base, expect } from "./fixtures.ts";
import { createSite, removeSite, repository } from "./site.ts";

const built = process.env.PEERLOOM_RUST_PAGE ?? join(repository, "target/rust-page");
const isBuilt = existsSync(join(built, "rust_page_bg.wasm"));

interface RustPageOptions {
  /** The server that it comes from; the worker's without one. */
  server?: { readonly url: string };
  /** Another room than the test's own. */
  room?: string;
  /** More of what its address says. */
  asks?: Record<string, string>;
}

/** One page in Rust. */
export class RustPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** The id it has, once it is in the room. */
  async id(): Promise<string> {
    const status = this.page.locator("#status");
    await expect(status).toContainText("in room ");
    return (await status.textContent())?.split(" ").at(-1) ?? "";
  }

  /** What happened in the room and has all of these texts in it. */
  events(...texts: string[]) {
    return texts.reduce((found, hasText) => found.filter({ hasText }), this.page.locator("#events li"));
  }

  /** What was said in the room, and why it is over. */
  get log() {
    return this.page.locator("#log li");
  }
}

interface RustFixtures {
  /** A browser's storage for all pages in Rust of the test. */
  rustContext: BrowserContext;
  /** Opens one. Skips the test when it is not built and need not be. */
  openRust(options?: RustPageOptions): Promise<RustPage>;
}

export const test = base.extend<RustFixtures>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads fixture names from the pattern.
    async ({}, use) => {
      const folder = await createSite();
      if (isBuilt) cpSync(built, join(folder, "rust"), { recursive: true });
      await use(folder);
      removeSite(folder);
    },
    { scope: "worker" },
  ],

  // Without spaces: the page takes them from its address as they are.
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  room: async ({}, use) => {
    await use(`test-${randomUUID()}`);
  },

  rustContext: async ({ browser }, use) => {
    const context = await browser.newContext();
    await use(context);
    await context.close();
  },

  openRust: async ({ rustContext, server, room }, use, testInfo) => {
    testInfo.skip(
      !isBuilt && !process.env.CI,
      "the Rust page is not built: run it with `npm run test:browser`",
    );
    const uncaught: string[] = [];
    await use(async ({ server: from = server, room: name = room, asks = {} } = {}) => {
      const page = await rustContext.newPage();
      page.on("pageerror", (error) => uncaught.push(error.message));
      const asked = Object.entries({ room: name, ...asks }).map(([key, value]) => `${key}=${value}`);
      await page.goto(`${from.url}/rust/?${asked.join("&")}`);
      return new RustPage(page);
    });
    expect(uncaught).toEqual([]);
  },
});
