// Fuzzing by libFuzzer: the targets in `fuzz/`, built with what `cargo fuzz` would build them with, and run two at a time.
// Neither cargo-fuzz nor a nightly compiler is needed, only a C++ compiler: with no unsafe code there is nothing for a
// sanitizer to find, and what is left of the flags is stable.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptInstall } from "./apt.mjs";
import { at, ci, target } from "./paths.mjs";
import { attempt, Failure, run } from "./run.mjs";
import { say } from "./steps.mjs";
import { findRust } from "./toolchain.mjs";

const COVERAGE = [
  "-Cpasses=sancov-module",
  ...["level=4", "inline-8bit-counters", "pc-table", "trace-compares"].map(
    (flag) => `-Cllvm-args=-sanitizer-coverage-${flag}`,
  ),
  // One count for each place in the source, however it is inlined.
  "-Ccodegen-units=1",
];
/** Longer inputs are slower, and find nothing that shorter ones do not: the longest frame has 16 KiB. */
const MAX_INPUT_BYTES = 20_000;
/** What one input may take. No decoder makes room on a stranger's word, so no allocation comes near this. */
const BOUNDS = ["-timeout=20", "-report_slow_units=20", "-rss_limit_mb=1024", "-malloc_limit_mb=64"];
const AT_A_TIME = 2;

const folder = at("fuzz");
const scratch = join(target, "fuzz-runs");

/** The names of all targets. */
export function targets() {
  const sources = readdirSync(join(folder, "fuzz_targets"));
  return sources.map((name) => name.replace(/\.rs$/, "")).sort();
}

/** libFuzzer is written in C++, and compiled as part of the targets. */
async function findCompiler() {
  const program = process.env.CXX ?? "c++";
  const works = async () => (await attempt(program, ["--version"], { show: "never" })).status === 0;
  if ((await works()) || (ci && (await aptInstall(["g++"])) && (await works()))) return;
  throw new Failure(
    `no C++ compiler (${program}), which libFuzzer needs: install g++ or clang, or name one in CXX`,
  );
}

/** Compiles the targets; gives the folder with their programs. */
async function build(names) {
  await findRust();
  await findCompiler();
  say("compiling the fuzz targets …");
  const host = /^host: (.*)$/m.exec(await run("rustc", ["-vV"]))[1];
  const out = join(target, "fuzz");
  const bins = names.flatMap((name) => ["--bin", name]);
  // Naming the machine as the target keeps build scripts and macros free of the flags.
  const args = [
    "build",
    "--release",
    "--manifest-path",
    join(folder, "Cargo.toml"),
    "--target",
    host,
    ...bins,
  ];
  await run("cargo", [...args, ...(ci ? ["--locked"] : [])], {
    // In the folder, cargo finds the toolchain and the settings of the repository.
    cwd: folder,
    env: { CARGO_TARGET_DIR: out, CARGO_INCREMENTAL: "0", RUSTFLAGS: COVERAGE.join(" ") },
    show: "progress",
  });
  return join(out, host, "release");
}

/** Runs one target; gives how many inputs were tried, or with which input it failed. */
async function fuzz(programs, name, seconds) {
  // What is found goes into a copy: what is committed grows by hand only.
  const corpus = join(scratch, name, "corpus");
  const crashes = join(scratch, name, "crashes");
  rmSync(join(scratch, name), { recursive: true, force: true });
  for (const path of [corpus, crashes]) mkdirSync(path, { recursive: true });
  cpSync(join(folder, "corpus", name), corpus, { recursive: true });
  const args = [
    corpus,
    `-max_total_time=${seconds}`,
    `-max_len=${MAX_INPUT_BYTES}`,
    `-artifact_prefix=${crashes}/`,
    "-print_final_stats=1",
    ...BOUNDS,
  ];
  const { status, output } = await attempt(join(programs, name), args, {
    show: "never",
    env: { RUST_BACKTRACE: "1" },
    timeoutMs: (seconds + 120) * 1000,
  });
  const executions = Number(/^stat::number_of_executed_units: (\d+)/m.exec(output)?.[1] ?? 0);
  const [crash] = readdirSync(crashes).map((found) => join(crashes, found));
  if (status === 0 && executions > 0 && crash === undefined) return { name, executions };
  // From the panic, the timeout or the limit on; before that is how the coverage grew.
  const told = output.slice(Math.max(output.search(/^thread '|^==\d+== ?ERROR/m), 0)).slice(0, 6000);
  return { name, executions, crash: crash ?? "(it wrote no input)", told };
}

/**
 * Builds the targets and runs each for so long, from the committed corpus on.
 *
 * @returns {Promise<{name: string, executions: number, crash?: string}[]>}
 */
export async function fuzzAll({ names = targets(), seconds }) {
  const programs = await build(names);
  say(`fuzzing ${names.join(", ")}: ${seconds} s each, ${AT_A_TIME} at a time …`);
  const waiting = [...names];
  const results = [];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = await fuzz(programs, name, seconds);
      results.push(result);
      if (result.crash === undefined) say(`${name}: ${result.executions} executions`);
      else {
        say(`${name}: failed after ${result.executions} executions, with the input ${result.crash}`);
        console.error(result.told);
        console.error(`To repeat it: ${join(programs, name)} ${result.crash}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return results;
}

/** A committed corpus is small: it is where fuzzing starts, and more is found from there in seconds. */
const MOST_INPUTS = 200;
const MOST_CORPUS_BYTES = 200 * 1024;
const MOST_COMMITTED_BYTES = 4096;

/**
 * The fewest inputs that reach the most. libFuzzer writes down what each reaches: `STARTED index bytes`, then `COV index
 * edge ...`.
 */
function choose(control) {
  const lines = control.split("\n");
  const files = lines.slice(2, 2 + Number(lines[0]));
  const inputs = files.map((path) => ({ path, bytes: 0, edges: [] }));
  for (const line of lines.slice(2 + files.length)) {
    const [what, index, ...rest] = line.split(" ");
    if (what === "STARTED") inputs[index].bytes = Number(rest[0]);
    if (what === "COV") inputs[index].edges.push(...rest);
  }
  const reached = new Set();
  const chosen = [];
  let left = MOST_CORPUS_BYTES;
  while (chosen.length < MOST_INPUTS) {
    for (const input of inputs) input.edges = input.edges.filter((edge) => !reached.has(edge));
    const fitting = inputs.filter(({ bytes, edges }) => bytes <= left && edges.length > 0);
    const [best] = fitting.sort((a, b) => b.edges.length - a.edges.length || a.bytes - b.bytes);
    if (best === undefined) break;
    best.edges.forEach((edge) => {
      reached.add(edge);
    });
    left -= best.bytes;
    chosen.push(best.path);
  }
  return chosen;
}

/** Puts what the last runs have found into the committed corpora, as few inputs as reach the most. */
export async function keep({ names = targets() }) {
  const programs = await build(names);
  for (const name of names) {
    const committed = join(folder, "corpus", name);
    const [merged, control] = ["merged", "control"].map((part) => join(scratch, name, part));
    rmSync(merged, { recursive: true, force: true });
    rmSync(control, { force: true });
    mkdirSync(merged, { recursive: true });
    const sources = [committed, join(scratch, name, "corpus")].filter((path) => existsSync(path));
    const flags = [`-merge_control_file=${control}`, `-max_len=${MOST_COMMITTED_BYTES}`, "-use_counters=0"];
    await run(join(programs, name), ["-merge=1", ...flags, merged, ...sources]);
    const chosen = choose(readFileSync(control, "utf8")).map((path) => readFileSync(path));
    rmSync(committed, { recursive: true, force: true });
    mkdirSync(committed, { recursive: true });
    for (const bytes of chosen) {
      const cut = bytes.subarray(0, MOST_COMMITTED_BYTES);
      writeFileSync(join(committed, createHash("sha1").update(cut).digest("hex")), cut);
    }
    say(`${name}: ${chosen.length} inputs are kept`);
  }
}
