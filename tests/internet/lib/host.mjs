// One host of the network between hosts: a process inside its network namespace that runs what is asked for over the
// channel to its parent. When the parent goes, everything here ends. Its argument is a folder for browsers' profiles.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";
import { CHROMIUM_FLAGS } from "./chromium-flags.mjs";
import { signalTree } from "./process-tree.mjs";

const [, , profiles] = process.argv;

const FIREFOX_SETTINGS = {
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // There is nobody to answer.
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};
/** Pages in background tabs would have their timers slowed down. */
const FIREFOX_UNTHROTTLED = {
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};
/** Puppeteer has Chromium do the same for it with these. */
const CHROMIUM_UNTHROTTLED = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];
/** After a second in the background, timers run once a minute, where no connection between pages forbids it. */
const CHROMIUM_THROTTLED = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1";
const firefoxProxy = (host, port) => ({
  "network.proxy.type": 1,
  "network.proxy.http": host.replace(/[[\]]/g, ""),
  "network.proxy.http_port": port,
  "network.proxy.ssl": host.replace(/[[\]]/g, ""),
  "network.proxy.ssl_port": port,
  "network.proxy.no_proxies_on": "",
});
/** What pages put before an event in their console. */
const EVENT = "@event ";

const browsers = new Map();
const pages = new Map();
const children = new Map();
let nextNumber = 1;

let screen;

/** Starts a screen for browsers with windows; gives its name. It ends with this process. */
function openScreen(program) {
  screen ??= new Promise((opened, failed) => {
    const flags = ["-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "800x600x24"];
    const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    keep(children, child);
    child.stdio[3].once("data", (number) => opened(`:${String(number).trim()}`));
    child.once("error", failed);
    child.once("exit", () => failed(new Error("no screen for a browser with windows")));
  });
  return screen;
}

/** Keeps something under a number, which is given. */
function keep(map, value) {
  const number = nextNumber++;
  map.set(number, value);
  return number;
}

const happened = (event) => process.connected && process.send({ event });

const work = {
  /**
   * Starts a browser; gives its number. Pages of `trust`, an origin, may do what https pages may. In one that is `hideable`
   * a page can be in a background tab, with all that this means: without windows, Chromium counts all pages as visible.
   * `authorities` is a folder with NSS's store of those whose certificates it believes, `proxy` an HTTP proxy for all it does.
   */
  async launch({
    browser,
    executablePath,
    trust,
    hideable = false,
    screenProgram,
    authorities,
    proxy: { host: proxyHost, port: proxyPort } = {},
  }) {
    const chromium = browser === "chromium";
    const windows = chromium && hideable;
    const userDataDir = mkdtempSync(join(profiles, `${browser}-`));
    const env = { ...process.env };
    if (windows) env.DISPLAY = await openScreen(screenProgram);
    if (authorities !== undefined && chromium) {
      // Chromium has the store in its user's folder, Firefox in the profile.
      env.HOME = mkdtempSync(join(profiles, "home-"));
      mkdirSync(join(env.HOME, ".pki"));
      cpSync(authorities, join(env.HOME, ".pki", "nssdb"), { recursive: true });
    } else if (authorities !== undefined) cpSync(authorities, userDataDir, { recursive: true });
    const launched = await puppeteer.launch({
      browser: chromium ? "chrome" : browser,
      executablePath,
      headless: !windows,
      env,
      ignoreDefaultArgs: hideable ? CHROMIUM_UNTHROTTLED : [],
      userDataDir,
      args: chromium
        ? [
            ...CHROMIUM_FLAGS,
            ...(hideable ? [CHROMIUM_THROTTLED] : []),
            ...(trust ? [`--unsafely-treat-insecure-origin-as-secure=${trust}`] : []),
            ...(proxyHost ? [`--proxy-server=http://${proxyHost}:${proxyPort}`] : []),
          ]
        : [],
      extraPrefsFirefox: {
        ...FIREFOX_SETTINGS,
        ...(hideable ? {} : FIREFOX_UNTHROTTLED),
        ...(trust ? { "dom.securecontext.allowlist": new URL(trust).hostname } : {}),
        ...(proxyHost ? firefoxProxy(proxyHost, proxyPort) : {}),
      },
    });
    return keep(browsers, launched);
  },

  /** Opens a page in a profile of its own: nothing is cached and no connection is open. Gives its number. */
  async open({ browser, url }) {
    const profile = await browsers.get(browser).createBrowserContext();
    const page = await profile.newPage();
    const number = keep(pages, { profile, page });
    page.on("pageerror", (error) => {
      const text = error instanceof Error ? error.message : String(error);
      // Firefox tells a WebSocket that cannot be opened, and a connection that finds no path, as errors of the page.
      if (/\bwss?:\/\/|^WebRTC: ICE failed/.test(text)) return;
      happened({ page: number, at: Date.now(), type: "uncaught", message: text });
    });
    page.on("console", (message) => {
      const text = message.text();
      if (text.startsWith(EVENT)) happened({ page: number, ...JSON.parse(text.slice(EVENT.length)) });
    });
    await page.goto(url);
    return number;
  },

  evaluate: ({ page, expression }) => pages.get(page).page.evaluate(expression),
  goto: async ({ page, url }) => void (await pages.get(page).page.goto(url)),
  // A Firefox that shows a page as it was left does not tell its driver that it is there: nobody waits for that here.
  back: ({ page }) => pages.get(page).page.evaluate("void setTimeout(() => history.back(), 0)"),
  reload: async ({ page }) => void (await pages.get(page).page.reload()),

  /** Opens another tab in front of the page, or closes it again. */
  async cover({ page }) {
    const kept = pages.get(page);
    kept.cover = await kept.profile.newPage();
    await kept.cover.bringToFront();
  },

  async uncover({ page }) {
    const kept = pages.get(page);
    await kept.cover.close();
    await kept.page.bringToFront();
  },

  async close({ page }) {
    const { profile } = pages.get(page);
    pages.delete(page);
    await profile.close();
  },

  /** Stops a page's JavaScript where it is, as a debugger does; the rest of the browser goes on. Chromium alone. */
  async pause({ page }) {
    const kept = pages.get(page);
    kept.debugger = await kept.page.createCDPSession();
    await kept.debugger.send("Debugger.enable");
    const paused = new Promise((done) => kept.debugger.once("Debugger.paused", done));
    await kept.debugger.send("Debugger.pause");
    await paused;
  },

  async resume({ page }) {
    const kept = pages.get(page);
    await kept.debugger.send("Debugger.resume");
    await kept.debugger.detach();
  },

  /** Sends a signal to a browser and all its processes: SIGSTOP is a laptop asleep, SIGKILL a crash. */
  signalBrowser: ({ browser, signal }) => signalTree(browsers.get(browser).process().pid, signal),

  /**
   * Runs the signaling server, or another that prints a line like `ready`, in which a port is the first group, if it tells one;
   * gives its number and its port.
   */
  serve: ({ program, args, ready = "listening on \\S+:(\\d+)\\s" }) =>
    new Promise((listening, failed) => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      const number = keep(children, child);
      let told = "";
      child.stdout.on("data", (chunk) => {
        told += chunk;
        const line = new RegExp(ready).exec(told);
        if (line !== null) listening({ process: number, port: Number(line[1]) });
      });
      createInterface(child.stderr).on("line", (line) =>
        happened({ process: number, at: Date.now(), type: "log", line }),
      );
      child.on("error", failed);
      child.on("exit", (code, signal) => {
        children.delete(number);
        failed(new Error(`the server ended with ${code ?? signal}: ${told}`));
        happened({ process: number, at: Date.now(), type: "ended", code, signal });
      });
    }),

  /** Sends a signal to what `serve` started. With `ended`, waits until it has. */
  signal: ({ process: number, signal, ended = false }) =>
    new Promise((done) => {
      const child = children.get(number);
      if (child === undefined) return done();
      if (ended) child.once("exit", () => done());
      child.kill(signal);
      if (!ended) done();
    }),

  /** Runs a JavaScript program to its end; gives what it printed. */
  node: ({ code, args = [] }) =>
    new Promise((done, failed) => {
      const flags = ["--input-type=module", "--eval", code, "--", ...args];
      const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
      const number = keep(children, child);
      const chunks = [];
      child.stdout.on("data", (chunk) => chunks.push(chunk));
      child.on("close", (status) => {
        children.delete(number);
        if (status === 0) done(Buffer.concat(chunks).toString("utf8"));
        else failed(new Error(`the program ended with ${status}`));
      });
    }),
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
process.on("disconnect", () => {
  for (const child of children.values()) child.kill("SIGKILL");
  // Profiles are thrown away, and a browser that is stopped would not close.
  for (const browser of browsers.values()) signalTree(browser.process().pid, "SIGKILL");
  process.exit();
});
// Signals from a terminal go to the whole group; the parent ends this process when it is done.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
process.send({ id: 0 });
