// Installing Debian packages, where that is allowed: as root on a machine with apt-get.
import { attempt } from "./run.mjs";
import { say } from "./steps.mjs";

const QUIET = { DEBIAN_FRONTEND: "noninteractive" };
let updated = false;

/** True when this process may install packages. */
export async function canInstall() {
  if (process.getuid?.() !== 0) return false;
  return (await attempt("apt-get", ["--version"], { show: "never" })).status === 0;
}

/** Installs the packages; false when that is not possible here, or did not work. */
export async function aptInstall(packages) {
  if (!(await canInstall())) return false;
  say(`installing ${packages.join(", ")} with apt …`);
  if (!updated) await attempt("apt-get", ["update", "-q"], { env: QUIET, timeoutMs: 300_000 });
  updated = true;
  const args = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  return (await attempt("apt-get", args, { env: QUIET, timeoutMs: 900_000 })).status === 0;
}
