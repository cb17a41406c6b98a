// One host of the network between hosts: a process inside its network namespace that runs what the benchmark asks for
// over the channel to its parent. When the parent goes, everything here ends.
import { spawn } from "node:child_process";
import puppeteer from "puppeteer-core";
import { startRelay } from "./relay.mjs";

const FLAGS = {
  chromium: [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Names announced by multicast do not reach another namespace.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
  ],
  firefox: [],
};
const FIREFOX_SETTINGS = {
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // Pages in background tabs would have their timers slowed down.
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};

const browsers = new Map();
const pages = new Map();
const children = [];
let nextPage = 1;

const work = {
  /** Starts a browser, unless it runs. */
  async launch({ browser, executablePath }) {
    if (browsers.has(browser)) return;
    const launched = await puppeteer.launch({
      browser: browser === "chromium" ? "chrome" : browser,
      executablePath,
      headless: true,
      args: FLAGS[browser],
      extraPrefsFirefox: FIREFOX_SETTINGS,
    });
    browsers.set(browser, launched);
  },

  /** Opens a page in a profile of its own: nothing is cached and no connection is open. Gives its number. */
  async open({ browser, url }) {
    const profile = await browsers.get(browser).createBrowserContext();
    const page = await profile.newPage();
    page.on("pageerror", (error) => console.error(`in the page ${url}: ${error}`));
    await page.goto(url);
    const number = nextPage++;
    pages.set(number, { profile, page });
    return number;
  },

  evaluate: ({ page, expression }) => pages.get(page).page.evaluate(expression),

  async close({ page }) {
    const { profile } = pages.get(page);
    pages.delete(page);
    await profile.close();
  },

  /** Runs the signaling server; gives its port. */
  serve: ({ program, args }) =>
    new Promise((listening, failed) => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      let told = "";
      child.stdout.on("data", (chunk) => {
        told += chunk;
        const port = /listening on \S+:(\d+)\s/.exec(told)?.[1];
        if (port !== undefined) listening(Number(port));
      });
      child.on("error", failed);
      child.on("close", (code) => failed(new Error(`the signaling server ended with code ${code}: ${told}`)));
    }),

  relay: ({ host }) => startRelay(host),
};

process.on("message", async ({ id, name, options }) => {
  // The parent may be gone before the work is done.
  const answer = (message) => process.connected && process.send({ id, ...message });
  try {
    answer({ value: await work[name](options) });
  } catch (error) {
    answer({ error: String(error?.stack ?? error) });
  }
});
process.on("disconnect", async () => {
  for (const child of children) child.kill("SIGKILL");
  // A browser that does not close in time is killed as this process exits.
  setTimeout(() => process.exit(), 3_000).unref();
  await Promise.allSettled([...browsers.values()].map((browser) => browser.close()));
  process.exit();
});
// Signals from a terminal go to the whole group; the parent ends this process when it is done.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
process.send({ id: 0 });
