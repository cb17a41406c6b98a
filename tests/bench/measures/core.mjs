// What the core costs without any browser: the benchmarks of protocol/benches, by their medians.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { target } from "../../../scripts/lib/paths.mjs";
import { run as runProgram } from "../../../scripts/lib/run.mjs";
import { findRust } from "../../../scripts/lib/toolchain.mjs";
import { figure } from "../lib/figures.mjs";

export const title = "the core";
/** Each benchmark takes as many samples as criterion likes. */
export const defaultRuns = 1;

const results = join(target, "criterion");
const BENCH = ["bench", "--package", "peerloom-protocol"];
/** Seconds, for each of about thirty benchmarks. */
const TIMES = ["--warm-up-time", "0.5", "--measurement-time", "2"];
/** Only whether they run. Criterion takes ten samples at least, and would draw from them a hundred thousand times. */
const SMOKE_TIMES = [
  "--warm-up-time",
  "0.05",
  "--measurement-time",
  "0.1",
  "--sample-size",
  "10",
  "--nresamples",
  "1000",
];

export async function prepare() {
  await findRust();
  await runProgram("cargo", [...BENCH, "--no-run"], { show: "progress" });
}

/** The folders of single benchmarks, whatever their groups are called. */
function* findResults(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const inside = join(folder, entry.name);
    if (entry.name === "new") yield inside;
    else yield* findResults(inside);
  }
}

/** Nanoseconds for one message, one description, one packet: what a benchmark counts in elements. */
function readResult(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const { group_id: group, function_id: variant, throughput } = read("benchmark.json");
  const { median } = read("estimates.json");
  const samples = read("sample.json").times.length;
  const elements = throughput?.Elements ?? 1;
  const { point_estimate: point, confidence_interval: interval } = median;
  const [ns, low, high] = [point, interval.lower_bound, interval.upper_bound].map((time) => time / elements);
  return { group, variant, bytes: throughput?.Bytes, samples, ns, low, high };
}

function figureOf({ group, variant, bytes, samples, ns, low, high }) {
  const [unit, scale] = ns < 1_000 ? ["ns", 1] : ["µs", 1_000];
  const scaled = [ns, low, high].map((time) => time / scale);
  const digits = scaled[0] < 10 ? 2 : scaled[0] < 100 ? 1 : 0;
  const number = (value) => value.toFixed(digits);
  const rate =
    bytes === undefined ? "" : `, ${Math.round(bytes / 2 ** 20 / (ns / 1e9)).toLocaleString("en-US")} MiB/s`;
  const also = `95 % ${number(scaled[1])}–${number(scaled[2])} of ${samples} samples${rate}`;
  return figure({ measure: `core: ${group}`, variant, unit, values: [scaled[0]], digits, also });
}

export async function run({ smoke, say }) {
  await findRust();
  // What an earlier run measured must not pass for what this one did.
  rmSync(results, { recursive: true, force: true });
  const options = ["--noplot", ...(smoke ? SMOKE_TIMES : TIMES)];
  await runProgram("cargo", [...BENCH, "--", ...options], { env: { CRITERION_HOME: results } });
  const found = [...findResults(results)].map(readResult);
  say(`${found.length} benchmarks; all of their figures are in ${results}`);
  found.sort((a, b) => a.group.localeCompare(b.group) || a.variant.localeCompare(b.variant));
  return found.map(figureOf);
}
