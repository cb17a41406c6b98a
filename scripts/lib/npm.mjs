// The npm packages of the workspace: installed when missing or when the lock file changed.
import { at, ci } from "./paths.mjs";
import { Failure, run } from "./run.mjs";
import { whenStale } from "./stamps.mjs";
import { say } from "./steps.mjs";

const MANIFESTS = [
  "package.json",
  "package-lock.json",
  "sdk/package.json",
  "www/package.json",
  "tests/package.json",
];

/** Makes `node_modules` what the lock file says. */
export async function installPackages() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Failure(
      `Node ${process.versions.node} is too old: Peerloom needs Node 20.19 or newer (https://nodejs.org)`,
    );
  }
  // npm writes this file last, so a broken-off installation is done again.
  const outputs = [at("node_modules", ".package-lock.json")];
  await whenStale("npm", { inputs: MANIFESTS, outputs }, async () => {
    say("installing npm packages …");
    // In CI a lock file that does not fit is an error; elsewhere installing must not rewrite it.
    const command = ci ? ["ci"] : ["install", "--no-save"];
    await run("npm", [...command, "--no-audit", "--no-fund"], { show: "progress" });
  });
}

/** The path of a program that an npm package brought; run it with `process.execPath`. */
export const tool = (path) => at("node_modules", path);
