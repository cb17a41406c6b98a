// A browser on this machine alone, for measures that need no network between hosts: pages that share nothing, and what
// they cost.
import { readFileSync } from "node:fs";
import { CHROMIUM_FLAGS } from "../../internet/lib/chromium-flags.mjs";
import { processTree } from "../../internet/lib/process-tree.mjs";

const CHROMIUM = [
  ...CHROMIUM_FLAGS,
  // Pages that nobody sees would have their timers slowed down.
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];
const FIREFOX = {
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // There is nobody to answer.
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};
/** No call into a page takes longer. */
const CALL_MS = 900_000;

const PATHS = { chromium: "CHROMIUM_PATH", firefox: "FIREFOX_PATH" };

/** Why one of these browsers cannot be had; undefined when all are there. */
export function lackOfBrowser(...kinds) {
  const missing = kinds.find((kind) => !process.env[PATHS[kind]]);
  return missing && `there is no ${missing}`;
}

/** A page with a profile, and so a process, of its own. */
class Page {
  #profile;
  #page;

  constructor(profile, page) {
    this.#profile = profile;
    this.#page = page;
  }

  /** Runs a function in the page. It must not name anything outside itself; what it is given must be JSON. */
  run(work, ...given) {
    return this.#page.evaluate(`(${work})(...${JSON.stringify(given)})`);
  }

  /** Bytes of JavaScript's objects and buffers that are in use, after a collection. Chromium alone. */
  async heapBytes() {
    this.session ??= await this.#page.createCDPSession();
    await this.session.send("HeapProfiler.collectGarbage");
    const {
      usedSize,
      embedderHeapUsedSize = 0,
      backingStorageSize = 0,
    } = await this.session.send("Runtime.getHeapUsage");
    return usedSize + embedderHeapUsedSize + backingStorageSize;
  }

  close() {
    return this.#profile.close();
  }
}

export class Browser {
  #browser;

  static async launch(kind = "chromium") {
    // Imported late: this module is read before the npm packages are there.
    const { default: puppeteer } = await import("puppeteer-core");
    const launched = new Browser();
    launched.#browser = await puppeteer.launch({
      browser: kind === "chromium" ? "chrome" : kind,
      executablePath: process.env[PATHS[kind]],
      headless: true,
      args: kind === "chromium" ? CHROMIUM : [],
      extraPrefsFirefox: FIREFOX,
      protocolTimeout: CALL_MS,
    });
    return launched;
  }

  async open(url) {
    const profile = await this.#browser.createBrowserContext();
    const page = await profile.newPage();
    page.on("pageerror", (error) => console.error(`uncaught in the page: ${error?.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() === "warn") console.error(`told by the page: ${message.text()}`);
    });
    await page.goto(url);
    return new Page(profile, page);
  }

  /** Processor seconds of all its processes, and of those that have ended; NaN where there is no /proc. */
  cpuSeconds() {
    const { pid } = this.#browser.process();
    return processTree(pid).reduce((sum, one) => sum + cpuSecondsOf(one), 0);
  }

  /** Resident bytes of the process of each page, by its id; empty where there is no /proc. Chromium alone. */
  async residentBytes() {
    const session = await this.#browser.target().createCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return new Map(
      processInfo
        .filter(({ type }) => type === "renderer")
        .flatMap(({ id }) => {
          const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${id}/status`))?.[1];
          return kibibytes === undefined ? [] : [[id, Number(kibibytes) * 1024]];
        }),
    );
  }

  close() {
    return this.#browser.close();
  }
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process has ended meanwhile, or there is no /proc.
    return "";
  }
}

/** Ticks of 10 ms, on every Linux a browser runs on. */
const TICKS_PER_SECOND = 100;

function cpuSecondsOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may hold anything. Behind it: the process, and its children that have ended.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}
