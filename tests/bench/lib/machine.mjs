// The machine a run was made on, and whether it had time for it.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { attempt } from "../../../scripts/lib/run.mjs";

/** Above this many cores used by others while nothing is being measured, figures are not to be trusted. */
const BUSY_CORES = 0.25;
/** The same for the share of time that the hypervisor gave to others. */
const STOLEN_SHARE = 0.02;
/** A browser is busy for about so long after it was started. */
const SETTLE_MS = 2_500;

async function version(program, ...args) {
  const { status, output } = await attempt(program, args, { show: "never" });
  // Wrapper scripts of distributions may say something first.
  return status === 0 ? output.trim().split("\n").at(-1).trim() : undefined;
}

/** What to tell with every figure. */
export async function describeMachine() {
  const { CHROMIUM_PATH, FIREFOX_PATH } = process.env;
  return {
    system: `${type()} ${release()}`,
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    chromium: CHROMIUM_PATH && (await version(CHROMIUM_PATH, "--version", "--no-sandbox")),
    firefox: FIREFOX_PATH && (await version(FIREFOX_PATH, "--version")),
    loadAverage: loadavg().map((load) => Number(load.toFixed(2))),
  };
}

/** Processor time in ticks since the start of the machine; undefined where there is no /proc. */
function ticks() {
  try {
    const [user, nice, system, idle, iowait, irq, softirq, steal] = readFileSync("/proc/stat", "utf8")
      .split("\n")[0]
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softirq;
    return { busy, steal, all: busy + steal + idle + iowait };
  } catch {
    return undefined;
  }
}

/** Watches what others do with the machine, in moments when the benchmark itself does nothing. */
export class Quiet {
  #samples = [];
  #brief;

  /** In a `brief` run browsers are given no time to come to rest. */
  constructor({ brief = false } = {}) {
    this.#brief = brief;
  }

  /** Lets the browsers that the benchmark itself has just started come to rest, and watches then. */
  async afterStart() {
    if (this.#brief) return;
    await sleep(SETTLE_MS);
    await this.wait(1_000);
  }

  /** Waits this long and watches meanwhile. */
  async wait(ms) {
    const before = ticks();
    await sleep(ms);
    const after = ticks();
    if (before === undefined || after.all === before.all) return;
    const all = after.all - before.all;
    const cores = availableParallelism();
    this.#samples.push({
      busyCores: ((after.busy - before.busy) / all) * cores,
      stolen: (after.steal - before.steal) / all,
    });
  }

  /** Medians, and whether to trust a run made under them; undefined where nothing could be watched. */
  report() {
    if (this.#samples.length === 0) return undefined;
    const middle = (key) => {
      const sorted = this.#samples.map((sample) => sample[key]).sort((a, b) => a - b);
      return sorted[Math.floor(sorted.length / 2)];
    };
    const busyCores = Number(middle("busyCores").toFixed(2));
    const stolenShare = Number(middle("stolen").toFixed(3));
    return { busyCores, stolenShare, trusted: busyCores <= BUSY_CORES && stolenShare <= STOLEN_SHARE };
  }
}
