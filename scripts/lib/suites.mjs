// The kinds of tests. Each suite gives `{ passed, failed, skipped }`, where `skipped` lists reasons, one line each, and
// may give `failures`: for each failed test a few lines that say which and why, and `notes`: lines worth keeping.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { buildLink, lackOfNetwork } from "../../tests/internet/lib/network.mjs";
import { runReady } from "../../tests/internet/lib/run.mjs";
import { fuzzServer, tellOfServer } from "../../tests/server-fuzz/run.mjs";
import { findBrowsers } from "./browsers.mjs";
import { fuzzAll } from "./fuzzing.mjs";
import { installPackages, tool } from "./npm.mjs";
import { pack } from "./pack.mjs";
import { at, ci, rustPageDir, serverBinary, target } from "./paths.mjs";
import { buildAll, buildRustPage, buildServer } from "./products.mjs";
import { attempt } from "./run.mjs";
import { findRust } from "./toolchain.mjs";
import { findRunner } from "./wasm-runner.mjs";

/** How much of a failed test's error stands in the summary; all of it stands where the test ran. */
const ERROR_LINES = 12;

/** Runs `cargo test` and adds up what its test programs tell. */
async function cargoTest(args, env = {}) {
  await findRust();
  const all = ["test", ...(ci ? ["--locked"] : []), "--no-fail-fast", ...args];
  const { status, output } = await attempt("cargo", all, { env, show: "always" });
  const counts = { passed: 0, failed: 0, skipped: [] };
  for (const [, passed, failed] of output.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed/g)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  counts.failures = [...output.matchAll(/^test (\S+) \.\.\. (?:FAILED|FAIL)$/gm)].map(([, name]) => name);
  // A test program that does not compile, or that crashes, tells no number.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Runs Playwright in a folder of `tests/` and reads its report. */
async function playwright(folder, env) {
  const report = join(target, "test-reports", `${folder}.json`);
  rmSync(report, { force: true });
  mkdirSync(join(target, "test-reports"), { recursive: true });
  const args = ["test", "--config", at("tests", folder, "playwright.config.ts"), "--reporter=list,json"];
  const { status } = await attempt(process.execPath, [tool("@playwright/test/cli.js"), ...args], {
    env: { PLAYWRIGHT_JSON_OUTPUT_FILE: report, PEERLOOM_SERVER: serverBinary, ...env },
    show: "always",
  });
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: [] };
  const { stats, suites: files } = JSON.parse(readFileSync(report, "utf8"));
  const failed = stats.unexpected + stats.flaky;
  return {
    passed: stats.expected,
    failed: status !== 0 && failed === 0 ? 1 : failed,
    failures: files.flatMap(failuresIn),
    skipped: stats.skipped > 0 ? [`${stats.skipped} tests in tests/${folder} were skipped`] : [],
  };
}

/** The failed tests in a part of Playwright's report, each with the head of its error. */
function failuresIn({ specs = [], suites: parts = [] }) {
  const failed = specs.filter(({ ok }) => !ok);
  const told = failed.map(({ file, title, tests }) => {
    const message = tests.flatMap(({ results }) => results).find(({ error }) => error)?.error.message ?? "";
    return [`${file}: ${title}`, ...stripVTControlCharacters(message).split("\n").slice(0, ERROR_LINES)].join(
      "\n    ",
    );
  });
  return [...told, ...parts.flatMap(failuresIn)];
}

async function rust() {
  // Without it the tests of STUN and TURN leave out those that need another server.
  const missing = await findBrowsers("coturn");
  const counts = await cargoTest(["--workspace"]);
  return { ...counts, skipped: [...missing, ...counts.skipped] };
}

const FUZZ_SERVER_SECONDS = 10;

/**
 * Every decoder, fed by libFuzzer for a while; then the running server, by hostile clients. What it needs and does not find
 * fails it.
 */
async function fuzz() {
  const results = await fuzzAll({ seconds: ci ? 60 : 20 });
  const failures = results
    .filter(({ crash }) => crash !== undefined)
    .map(({ name, crash }) => `${name}, with the input ${crash}`);
  await buildServer();
  const server = await fuzzServer({ seconds: FUZZ_SERVER_SECONDS });
  if (server.faults.length > 0)
    failures.push([`server, seed ${server.seed}`, ...server.faults].join("\n    "));
  const decoders = results.map(({ name, executions }) => `${name}: ${executions} executions`);
  return {
    passed: results.length + 1 - failures.length,
    failed: failures.length,
    skipped: [],
    failures,
    notes: [...decoders, ...tellOfServer(server)],
  };
}

/** Sessions in the simulator, in as many random schedules as time allows; a failure prints the seed that repeats it. */
async function schedules() {
  const env = { SESSION_SCHEDULES: ci ? "100000" : "20000" };
  const args = [
    "--release",
    "--package",
    "peerloom-protocol",
    "--test",
    "session_schedules",
    "--",
    "--nocapture",
  ];
  return cargoTest(args, env);
}

async function wasm() {
  const missing = await findBrowsers("chromium", "chromedriver");
  await findRust();
  const { runner, remedy } = await findRunner();
  if (remedy) missing.push(remedy);
  if (missing.length > 0) return { passed: 0, failed: 0, skipped: missing };
  // With both drivers in the environment the runner would take Firefox.
  const env = { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: runner, GECKODRIVER: undefined };
  return cargoTest(["--package", "peerloom", "--target", "wasm32-unknown-unknown"], env);
}

async function browser() {
  await buildAll();
  await buildRustPage();
  const [noChromium] = await findBrowsers("chromium");
  if (noChromium) return { passed: 0, failed: 0, skipped: [noChromium] };
  const noFirefox = await findBrowsers("firefox");
  const counts = await playwright("browser", { PEERLOOM_RUST_PAGE: rustPageDir });
  return { ...counts, skipped: [...noFirefox, ...counts.skipped] };
}

async function net() {
  const lack = await lackOfNetwork();
  if (lack) return { passed: 0, failed: 0, skipped: [lack] };
  await buildAll();
  await buildLink();
  return runReady();
}

async function packageSuite() {
  await buildAll();
  const tarball = await pack();
  const [noChromium] = await findBrowsers("chromium");
  if (noChromium) return { passed: 0, failed: 0, skipped: [noChromium] };
  return playwright("package", { PEERLOOM_TARBALL: tarball });
}

/** The benchmark, once and briefly: that every measure still gives a figure. How fast is not for tests. */
async function bench() {
  const missing = await findBrowsers("chromium");
  if (missing.length > 0) return { passed: 0, failed: 0, skipped: missing };
  const { status } = await attempt(process.execPath, [at("scripts", "bench.mjs"), "--smoke"], {
    show: "always",
  });
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: [] };
}

/** Every suite by name, in the order they run. */
export const suites = {
  rust: { title: "Rust tests", run: rust },
  fuzz: { title: "fuzzing of what reads bytes from outside", run: fuzz },
  schedules: { title: "random schedules of sessions", run: schedules },
  wasm: { title: "Rust tests in a browser", run: wasm },
  browser: { title: "whole-system tests in browsers", run: browser },
  net: { title: "scenarios in a small internet", run: net },
  package: { title: "tests of the packed npm package", run: packageSuite },
  bench: { title: "every measure of the benchmark, briefly", run: bench },
};

/** What every suite needs before it. */
export const prepare = installPackages;
