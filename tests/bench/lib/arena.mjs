// One machine with everything a trial needs: the pages, the server that serves and introduces, the programs that introduce
// rivals, and browsers.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { serverBinary } from "../../../scripts/lib/paths.mjs";
import { Browser } from "./browser.mjs";
import { present, SERVICES } from "./contenders.mjs";
import { createSite } from "./site.mjs";

const HOST = "127.0.0.1";
/** A trial that takes longer has failed. */
const TRIAL_MS = 90_000;

/** Starts a program that says where it listens; gives its port and a function that ends it. */
async function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill("SIGKILL");
  process.on("exit", stop);
  const port = await new Promise((listening, failed) => {
    child.on("error", failed);
    child.on("close", (code) => failed(new Error(`${args[0]} ended with code ${code}`)));
    createInterface(child.stdout).on("line", (line) => {
      const found = /listening on \S+:(\d+)$/.exec(line)?.[1];
      if (found !== undefined) listening(Number(found));
    });
  });
  return { port, stop };
}

export class Arena {
  #site;
  #server;
  #services = {};
  #browsers = {};
  #nextRoom = 1;

  /** Prepares for these contenders, of whom those not installed are left out, or for other scripts of pages. */
  static async open(contenders, { browsers = ["chromium"], rivals } = {}) {
    const arena = new Arena();
    arena.contenders = present(contenders, { rivals });
    try {
      arena.#site = await createSite([...new Set(arena.contenders.map(({ script }) => script))]);
      const www = [
        "--host",
        HOST,
        "--port",
        "0",
        "--log-level",
        "warn",
        "--stun",
        "off",
        "--www",
        arena.#site.folder,
      ];
      arena.#server = await start(serverBinary, www);
      for (const name of new Set(arena.contenders.flatMap(({ services }) => services))) {
        arena.#services[name] = await start(process.execPath, [SERVICES[name], HOST]);
      }
      for (const kind of new Set(browsers)) arena.#browsers[kind] = await Browser.launch(kind);
    } catch (error) {
      await arena.close();
      throw error;
    }
    return arena;
  }

  browser(kind = "chromium") {
    return this.#browsers[kind];
  }

  /** The address of a contender's page. */
  url({ page, services = [], settings = {} }) {
    const ports = Object.fromEntries(services.map((name) => [name, this.#services[name].port]));
    const query = new URLSearchParams({ ...ports, ...settings });
    return `http://${HOST}:${this.#server.port}/${page}.html?${query}`;
  }

  /** What to enter a room with that nobody else is in: a function of who of them it is. */
  room(kind, relay = "first") {
    const room = `bench ${this.#nextRoom++}`;
    return (index) => ({ room, index, kind, relay });
  }

  /** Fresh pages of a contender, one in each of these browsers. */
  async pages(contender, kinds) {
    const pages = [];
    for (const kind of kinds) pages.push(await this.#browsers[kind].open(this.url(contender)));
    await Promise.all(pages.map((page) => page.run(() => bench.prepare())));
    return pages;
  }

  /** Fresh pages that are in one room and reach each other directly; `work` is done with them. */
  async withConnected(contender, kind, kinds, work) {
    const pages = await this.pages(contender, kinds);
    try {
      return await inTime(async () => {
        const entry = this.room(kind);
        for (const [index, page] of pages.entries()) {
          await page.run((entry) => bench.enter(entry), entry(index));
        }
        await Promise.all(pages.map((page) => page.run((n) => bench.connected(n), pages.length - 1)));
        return work(pages);
      }, `a trial of ${contender.name}`);
    } finally {
      await Promise.all(pages.map((page) => page.close()));
    }
  }

  /** Processor seconds of these browsers so far. */
  cpuSeconds(kinds) {
    return [...new Set(kinds)].reduce((sum, kind) => sum + this.#browsers[kind].cpuSeconds(), 0);
  }

  async close() {
    for (const browser of Object.values(this.#browsers)) await browser.close();
    for (const { stop } of [this.#server, ...Object.values(this.#services)].filter(Boolean)) stop();
    this.#site?.remove();
  }
}

async function inTime(work, what) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`${what} took longer than ${TRIAL_MS / 1_000} s`)), TRIAL_MS);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
