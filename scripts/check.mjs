// npm run check: everything a change must keep besides the tests. All checks run, then the failed ones are listed.
import { readFileSync } from "node:fs";
import { checkCrates } from "./lib/cargo-deny.mjs";
import { lockedCrates } from "./lib/cargo-lock.mjs";
import { installPackages, tool } from "./lib/npm.mjs";
import { noKnownHoles, nothingRunsOnInstall } from "./lib/npm-supply.mjs";
import { at, ci } from "./lib/paths.mjs";
import { buildDemo, buildFace, buildModule } from "./lib/products.mjs";
import { attempt, Failure } from "./lib/run.mjs";
import { bills } from "./lib/sbom.mjs";
import { reportSizes } from "./lib/sizes.mjs";
import { main, say } from "./lib/steps.mjs";
import { findRust } from "./lib/toolchain.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];
const DENY = ["--", "-D", "warnings"];
const locked = ci ? ["--locked"] : [];

const program = async (command, args, env) => (await attempt(command, args, { env })).status === 0;
const clippy = (...args) => program("cargo", ["clippy", ...locked, ...args, ...DENY]);
const script = (path, ...args) => program(process.execPath, [tool(path), ...args]);
const types = (folder) => script("typescript/bin/tsc", "--noEmit", "-p", at(folder));

/** The crates and the npm package carry one version, the lock files name no registry, and what is fuzzed is what is built. */
function manifests() {
  const crates = /\[workspace\.package\]\s*version = "([^"]+)"/.exec(
    readFileSync(at("Cargo.toml"), "utf8"),
  )?.[1];
  const npm = JSON.parse(readFileSync(at("sdk/package.json"), "utf8")).version;
  if (crates !== npm) console.error(`Cargo.toml has version ${crates}, sdk/package.json has ${npm}`);
  const locks = ["package-lock.json", "tests/bench/rivals/package-lock.json"];
  const naming = locks.filter((lock) => /"resolved": "http/.test(readFileSync(at(lock), "utf8")));
  for (const lock of naming) {
    console.error(`${lock} names a registry: npm install --omit-lockfile-registry-resolved`);
  }
  const built = lockedCrates("Cargo.lock");
  const strange = lockedCrates("fuzz/Cargo.lock").filter(({ name, version }) => {
    const versions = built.filter((crate) => crate.name === name).map((crate) => crate.version);
    return versions.length > 0 && !versions.includes(version);
  });
  for (const { name } of strange) {
    console.error(
      `fuzz/Cargo.lock has another ${name} than Cargo.lock: copy that over it, and run npm run fuzz`,
    );
  }
  return crates === npm && naming.length === 0 && strange.length === 0;
}

/** Everything inside what is published has a licence and a checksum. */
async function materials() {
  const faults = (await bills()).flatMap(({ faults }) => faults);
  for (const fault of faults) console.error(fault);
  return faults.length === 0;
}

const checks = {
  "versions and lock files": manifests,
  "nothing runs as it is installed": nothingRunsOnInstall,
  "bills of materials": materials,
  "crates: licences, sources, known holes": checkCrates,
  "npm packages: known holes": noKnownHoles,
  rustfmt: () => program("cargo", ["fmt", "--all", "--check"]),
  "rustfmt: fuzz targets": () =>
    program("cargo", ["fmt", "--manifest-path", at("fuzz/Cargo.toml"), "--check"]),
  "lock file: fuzz targets": () =>
    program("cargo", ["tree", "--locked", "--depth", "0", "--manifest-path", at("fuzz/Cargo.toml")]),
  "biome (format and lint)": () => script("@biomejs/biome/bin/biome", ci ? "ci" : "check"),
  "types of sdk": () => types("sdk"),
  "types of sdk/cli": () => types("sdk/cli"),
  "types of www": () => types("www"),
  "types of tests": () => types("tests"),
  "size budget": reportSizes,
  "clippy for this machine": () => clippy("--workspace", "--all-targets"),
  "clippy for wasm: peerloom": () => clippy("--package", "peerloom", "--all-targets", ...WASM),
  "clippy for wasm: the npm package's module": () =>
    clippy("--package", "peerloom", "--no-default-features", "--features", "npm", ...WASM),
  "clippy for wasm: Rust example page": () => clippy("--package", "rust-page", ...WASM),
  "types of fuzz targets": () =>
    program("cargo", ["check", ...locked, "--quiet", "--manifest-path", at("fuzz", "Cargo.toml")]),
  "rustdoc (broken links)": () =>
    program("cargo", ["doc", ...locked, "--no-deps", "--workspace"], { RUSTDOCFLAGS: "-D warnings" }),
};

await main(async () => {
  await installPackages();
  await findRust();
  const failed = [];
  // The TypeScript checks read the built package, and the server's crate holds the demo.
  try {
    await buildModule();
    await buildFace();
    await buildDemo();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    failed.push("build");
  }
  for (const [name, check] of Object.entries(checks)) {
    say(`${name} …`);
    if (name === "size budget" && failed.includes("build")) continue;
    if (!(await check())) failed.push(name);
  }
  if (failed.length > 0) throw new Failure(`these checks:\n  ${failed.join("\n  ")}`);
  say("all checks passed");
});
