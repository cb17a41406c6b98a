// What comes from npm: that nothing runs as it is installed, and that nothing with a known hole reaches users.
import { readFileSync } from "node:fs";
import { at } from "./paths.mjs";
import { attempt } from "./run.mjs";
import { say } from "./steps.mjs";

const LOCKS = ["package-lock.json", "tests/bench/rivals/package-lock.json"];

/** No dependency may run a script when it is installed, on nobody's machine. And the package itself depends on nothing. */
export function nothingRunsOnInstall() {
  let good = true;
  for (const lock of LOCKS) {
    const { packages } = JSON.parse(readFileSync(at(lock), "utf8"));
    for (const [path, { hasInstallScript }] of Object.entries(packages)) {
      if (!hasInstallScript) continue;
      console.error(`${lock}: ${path} runs a script when it is installed`);
      good = false;
    }
  }
  const manifest = JSON.parse(readFileSync(at("sdk", "package.json"), "utf8"));
  const kinds = ["dependencies", "optionalDependencies", "peerDependencies", "bundleDependencies"];
  for (const kind of kinds.filter((kind) => kind in manifest)) {
    console.error(`sdk/package.json has ${kind}: the package promises none`);
    good = false;
  }
  for (const script of ["preinstall", "install", "postinstall", "prepare"]) {
    if (manifest.scripts?.[script] === undefined) continue;
    console.error(`sdk/package.json has the script ${script}, which would run at its users'`);
    good = false;
  }
  return good;
}

/** Known holes in what reaches users. Where the registry does not tell, nothing is known. */
export async function noKnownHoles() {
  const { output } = await attempt("npm", ["audit", "--omit=dev", "--json"], {
    show: "never",
    timeoutMs: 60_000,
  });
  // Notices come before the report, on another stream.
  const report = parse(output.slice(Math.max(output.indexOf("{"), 0)));
  const total = report?.metadata?.vulnerabilities?.total;
  if (total === undefined) {
    say("the registry does not tell of known holes in npm packages: not looked at");
    return true;
  }
  if (total > 0) console.error(JSON.stringify(report.vulnerabilities, null, 2));
  return total === 0;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
