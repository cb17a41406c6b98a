// Chromium on this machine alone, for measures that need no network between hosts: pages that share nothing, and what
// they cost.
import { existsSync, readFileSync } from "node:fs";
import { CHROMIUM_FLAGS } from "../../internet/lib/chromium-flags.mjs";

const FLAGS = [
  ...CHROMIUM_FLAGS,
  // Pages that nobody sees would have their timers slowed down.
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];
/** No call into a page takes longer. */
const CALL_MS = 900_000;

/** Why there is no Chromium; undefined when there is one. */
export function lackOfChromium() {
  return existsSync(process.env.CHROMIUM_PATH ?? "") ? undefined : "there is no Chromium";
}

/** A page with a profile, and so a process, of its own. */
class Page {
  #profile;
  #page;
  #session;

  constructor(profile, page, session) {
    this.#profile = profile;
    this.#page = page;
    this.#session = session;
  }

  /** Runs a function in the page. It must not name anything outside itself; what it is given must be JSON. */
  run(work, given) {
    return this.#page.evaluate(`(${work})(${given === undefined ? "" : JSON.stringify(given)})`);
  }

  /** Bytes of JavaScript's objects and buffers that are in use, after a collection. */
  async heapBytes() {
    await this.#session.send("HeapProfiler.collectGarbage");
    const {
      usedSize,
      embedderHeapUsedSize = 0,
      backingStorageSize = 0,
    } = await this.#session.send("Runtime.getHeapUsage");
    return usedSize + embedderHeapUsedSize + backingStorageSize;
  }

  /** The page's debugger, for whoever wants more of it. */
  get session() {
    return this.#session;
  }

  close() {
    return this.#profile.close();
  }
}

export class Chromium {
  #browser;
  #session;

  static async launch() {
    // Imported late: this module is read before the npm packages are there.
    const { default: puppeteer } = await import("puppeteer-core");
    const launched = new Chromium();
    launched.#browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM_PATH,
      headless: true,
      args: FLAGS,
      protocolTimeout: CALL_MS,
    });
    launched.#session = await launched.#browser.target().createCDPSession();
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
    return new Page(profile, page, await page.createCDPSession());
  }

  async #processes() {
    const { processInfo } = await this.#session.send("SystemInfo.getProcessInfo");
    return processInfo;
  }

  /** Processor seconds of all processes that live, since each began. */
  async cpuSeconds() {
    return (await this.#processes()).reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  }

  /** Resident bytes of the process of each page, by its id; empty where there is no /proc. */
  async residentBytes() {
    const renderers = (await this.#processes()).filter(({ type }) => type === "renderer");
    return new Map(
      renderers.flatMap(({ id }) => {
        try {
          const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1];
          return kibibytes === undefined ? [] : [[id, Number(kibibytes) * 1024]];
        } catch {
          return [];
        }
      }),
    );
  }

  close() {
    return this.#browser.close();
  }
}
