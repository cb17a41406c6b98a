// What tests ask for: a server, pages in both browsers, rooms nobody else uses. Everything is gone after the test.
import { randomInt, randomUUID } from "node:crypto";
import { type BrowserContext, test as base, type Browser as Chromium, expect } from "@playwright/test";
import type { Browser as Firefox, BrowserContext as FirefoxContext } from "puppeteer-core";
import {
  type BrowserName,
  launchChromiumProfile,
  launchFirefox,
  mayLackFirefox,
  plainAddressFlags,
} from "./browsers.ts";
import { type Driver, Peer } from "./peer.ts";
import { Server, type ServerOptions } from "./server.ts";
import { createSite, removeSite } from "./site.ts";

export { expectMesh, type Harness } from "./peer.ts";
export type { BrowserName };
export { expect, Peer, Server };

interface OpenOptions {
  /** The server the page comes from, or what stands before it; the worker's server without one. */
  server?: { readonly url: string };
  /** Another browser process than the worker's. */
  within?: Chromium | Firefox;
  /** The page whose storage this one shares; others share none. */
  beside?: Peer;
  /** A folder for all that a browser of the page's own stores: closing the page ends the browser. */
  profile?: string;
}

export interface Fixtures {
  /** A room name that no other test uses. */
  room: string;
  /** For random data; printed, and taken from PEERLOOM_SEED to repeat a run. */
  seed: number;
  /** Opens a page with the harness. Skips the test when there is no Firefox and need not be one. */
  open(browser: BrowserName, options?: OpenOptions): Promise<Peer>;
  /** Starts a server of the test's own. It serves the test pages unless told otherwise. */
  startServer(options?: ServerOptions): Promise<Server>;
}

interface WorkerFixtures {
  /**
   * Pages tell each other addresses, not names that stand for them. Names are looked up by multicast, and between two
   * kinds of browsers that takes seconds now and then: tests that measure time do without.
   */
  plainAddresses: boolean;
  site: string;
  server: Server;
  /** Starts Firefox when first called. */
  firefox: () => Promise<Firefox>;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  plainAddresses: [false, { option: true, scope: "worker" }],

  launchOptions: [
    async ({ launchOptions, plainAddresses }, use) => {
      await use({ ...launchOptions, ...(plainAddresses ? { args: plainAddressFlags } : {}) });
    },
    { scope: "worker" },
  ],

  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads fixture names from the pattern.
    async ({}, use) => {
      const folder = await createSite();
      await use(folder);
      removeSite(folder);
    },
    { scope: "worker" },
  ],

  server: [
    async ({ site }, use) => {
      await using server = await Server.start({ www: site });
      await use(server);
    },
    { scope: "worker" },
  ],

  firefox: [
    async ({ plainAddresses }, use) => {
      let launched: Promise<Firefox> | undefined;
      await use(() => {
        launched ??= launchFirefox({ plainAddresses });
        return launched;
      });
      await (await launched)?.close();
    },
    { scope: "worker" },
  ],

  // biome-ignore lint/correctness/noEmptyPattern: as above.
  room: async ({}, use) => {
    await use(`test ${randomUUID()}`);
  },

  // biome-ignore lint/correctness/noEmptyPattern: as above.
  seed: async ({}, use, testInfo) => {
    const seed = Number(process.env.PEERLOOM_SEED ?? randomInt(1, 2 ** 31));
    console.log(`PEERLOOM_SEED=${seed} (${testInfo.title})`);
    await use(seed);
  },

  startServer: async ({ site }, use) => {
    const started: Server[] = [];
    await use(async (options) => {
      const server = await Server.start({ www: site, ...options });
      started.push(server);
      return server;
    });
    await Promise.all(started.map((server) => server.kill()));
  },

  open: async ({ browser, firefox, server }, use, testInfo) => {
    const drivers: Driver[] = [];
    await use(async (name, { server: from = server, within, beside, profile } = {}) => {
      testInfo.skip(name === "firefox" && mayLackFirefox, "no Firefox here");
      const driver =
        (await beside?.beside()) ??
        (name === "chromium"
          ? await chromiumPage(
              profile === undefined
                ? await ((within as Chromium) ?? browser).newContext()
                : await launchChromiumProfile(profile),
            )
          : await openFirefox((within as Firefox) ?? (profile === undefined && (await firefox())), profile));
      drivers.push(driver);
      return Peer.open(driver, from.url);
    });
    // A page of a killed browser cannot be closed.
    await Promise.allSettled(drivers.map((driver) => driver.close()));
    expect(drivers.flatMap(({ uncaught }) => uncaught)).toEqual([]);
  },
});

async function chromiumPage(context: BrowserContext): Promise<Driver> {
  const page = await context.newPage();
  const uncaught: string[] = [];
  page.on("pageerror", (error) => uncaught.push(`chromium: ${error.message}`));
  const session = await context.newCDPSession(page);
  return {
    name: "chromium",
    uncaught,
    evaluate: (expression) => page.evaluate(expression),
    goto: (url) => page.goto(url),
    close: () => context.close(),
    closePage: () => page.close({ runBeforeUnload: false }),
    beside: () => chromiumPage(context),
    async living(className) {
      const objectGroup = "living";
      const prototype = await session.send("Runtime.evaluate", {
        expression: `${className}.prototype`,
        objectGroup,
      });
      const prototypeObjectId = prototype.result.objectId ?? "";
      const { objects } = await session.send("Runtime.queryObjects", { prototypeObjectId, objectGroup });
      const { result } = await session.send("Runtime.callFunctionOn", {
        objectId: objects.objectId ?? "",
        functionDeclaration: "function () { return this.length; }",
      });
      await session.send("Runtime.releaseObjectGroup", { objectGroup });
      return result.value;
    },
    async crash() {
      const crashed = new Promise<void>((done) => page.once("crash", () => done()));
      // Nobody is left to answer it.
      session.send("Page.crash").catch(() => {});
      await crashed;
    },
    async heapBytes() {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize, embedderHeapUsedSize, backingStorageSize } =
        await session.send("Runtime.getHeapUsage");
      return usedSize + embedderHeapUsedSize + backingStorageSize;
    },
  };
}

async function openFirefox(browser: Firefox | false, profile: string | undefined): Promise<Driver> {
  if (browser !== false) return firefoxPage(await browser.createBrowserContext());
  const own = await launchFirefox(profile === undefined ? {} : { profile });
  return { ...(await firefoxPage(own.defaultBrowserContext())), close: () => own.close() };
}

async function firefoxPage(context: FirefoxContext): Promise<Driver> {
  const page = await context.newPage();
  const uncaught: string[] = [];
  page.on("pageerror", (error) => {
    const text = error instanceof Error ? error.message : String(error);
    // Firefox reports a WebSocket that cannot be opened and a connection that finds no path as errors of the page
    // too; nobody could have caught them.
    if (!/\bwss?:\/\/|^WebRTC: ICE failed/.test(text)) uncaught.push(`firefox: ${text}`);
  });
  return {
    name: "firefox",
    uncaught,
    evaluate: (expression) => page.evaluate(expression),
    goto: (url) => page.goto(url),
    close: () => context.close(),
    closePage: () => page.close(),
    beside: () => firefoxPage(context),
  };
}
