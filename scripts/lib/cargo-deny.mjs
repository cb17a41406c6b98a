// cargo-deny: looks at licences, sources and known holes of every crate; `deny.toml` says what may be.
import { join } from "node:path";
import { ci, target } from "./paths.mjs";
import { attempt } from "./run.mjs";
import { say } from "./steps.mjs";

const VERSION = "0.20.2";

const tools = join(target, "tools");
// Without --locked: its own lock file may name versions that a mirror of the registry does not have.
const INSTALL = ["install", "cargo-deny", "--version", `=${VERSION}`, "--root", tools];

/** The program; undefined when there is none. In CI it is installed. */
async function find() {
  for (const program of [join(tools, "bin", "cargo-deny"), "cargo-deny"]) {
    if ((await attempt(program, ["--version"], { show: "never" })).status === 0) return program;
  }
}

/** Licences, sources and versions, and, where the database of known holes can be reached, those. */
export async function checkCrates() {
  let program = await find();
  if (program === undefined && ci) {
    say("installing cargo-deny …");
    // It runs for a second: what compiles sooner is better.
    const env = { CARGO_PROFILE_RELEASE_OPT_LEVEL: "1", CARGO_PROFILE_RELEASE_LTO: "off" };
    await attempt("cargo", INSTALL, { env });
    program = await find();
  }
  if (program === undefined) {
    console.error(`${ci ? "no" : "skipped: no"} cargo-deny: cargo ${INSTALL.join(" ")}`);
    return !ci;
  }
  const look = (...what) =>
    attempt(program, ["--locked", "--all-features", "check", ...what], { show: "never" });
  const crates = await look("licenses", "sources", "bans");
  const holes = await look("advisories");
  const unreachable = /failed to fetch advisory database/.test(holes.output);
  if (unreachable) say("the database of known holes in crates cannot be reached: not looked at");
  for (const { status, output } of unreachable ? [crates] : [crates, holes]) {
    if (status !== 0) console.error(output);
  }
  return crates.status === 0 && (unreachable || holes.status === 0);
}
