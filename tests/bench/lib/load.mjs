// Load on one server after the other: `signaling/examples/server_load` makes it, on a core of its own.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cargo } from "../../../scripts/lib/products.mjs";
import { attempt, run } from "../../../scripts/lib/run.mjs";
import { examples, onCore, start } from "./servers.mjs";

const program = join(examples, "server_load");

export async function buildLoad() {
  const chosen = ["--example", "server_load", "--example", "raw_relay"];
  await cargo("build", "--release", "--package", "peerloom-signaling", ...chosen);
}

/** Why servers cannot be measured here. */
export async function lackOfLoad(generator = program) {
  if (process.platform !== "linux") return "it reads Linux's /proc";
  const { missing } = await attempt("taskset", ["--version"], { show: "never" });
  if (missing) return "taskset is not installed";
  return existsSync(generator) ? undefined : `${generator} is not built`;
}

/** Less of a wait for whatever follows joins, when figures do not matter. */
export const settling = ({ smoke }) => (smoke ? ["--settle-ms", 100] : []);

/** Puts one load on a new server; gives what it cost. */
async function measure(contender, load, setting) {
  const { address, pid, stop } = await start(contender, setting);
  try {
    const target = ["--dialect", contender.dialect, "--address", address, "--pid", String(pid)];
    const [command, ...args] = onCore(1, [program, ...target, ...load.map(String)], setting);
    return JSON.parse(await run(command, args, { timeoutMs: 300_000 }));
  } finally {
    await stop();
  }
}

/**
 * Puts each load on each server in every round, one right after the other, so that all meet the same machine. `trials`
 * have a `contender` and a `load`; gives them back with their `results`.
 */
export async function measureAll(trials, setting) {
  const { runs, smoke, say } = setting;
  const rounds = smoke ? 1 : runs;
  const measured = trials.map((trial) => ({ ...trial, results: [] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { contender, load, results } of measured)
      results.push(await measure(contender, load, setting));
    say(`round ${round} of ${rounds}`);
  }
  return measured;
}
