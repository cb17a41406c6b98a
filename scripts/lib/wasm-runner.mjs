// The program that runs `cargo test` for wasm32 in a browser. Its version must be that of the wasm-bindgen crate.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { at, ci, target } from "./paths.mjs";
import { attempt } from "./run.mjs";
import { say } from "./steps.mjs";

const tools = join(target, "tools");

/** The locked version of a crate. */
export function lockedVersion(name) {
  const lock = readFileSync(at("Cargo.lock"), "utf8");
  return new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)?.[1];
}

async function fits(program, version) {
  const { status, output } = await attempt(program, ["--version"], { show: "never" });
  return status === 0 && output.trim().split(/\s+/).includes(version);
}

/** Gives `{ runner }`, or `{ remedy }` with what to do about a missing one. In CI it is installed. */
export async function findRunner() {
  const version = lockedVersion("wasm-bindgen");
  const own = join(tools, "bin", "wasm-bindgen-test-runner");
  const find = async () => {
    for (const runner of [own, "wasm-bindgen-test-runner"]) if (await fits(runner, version)) return runner;
  };
  const found = await find();
  if (found) return { runner: found };
  // Without --locked: its own lock file may name versions that a mirror of the registry does not have.
  const install = ["install", "wasm-bindgen-cli", "--version", `=${version}`, "--root", tools];
  if (ci) {
    say("installing wasm-bindgen's test runner …");
    // Half the optimisation is enough for a test tool, and compiles sooner.
    await attempt("cargo", install, { env: { CARGO_PROFILE_RELEASE_OPT_LEVEL: "1" } });
    const installed = await find();
    if (installed) return { runner: installed };
  }
  return { remedy: `no wasm-bindgen-test-runner ${version}: cargo ${install.join(" ")}` };
}
