// The publishable npm package: what is in sdk/dist, with the repository's README, change log and licences.
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installPackages } from "./npm.mjs";
import { at, target } from "./paths.mjs";
import { buildFace, buildModule } from "./products.mjs";
import { run } from "./run.mjs";
import { say } from "./steps.mjs";

const FROM_ROOT = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "LICENSE-THIRD-PARTY"];

/** Builds and packs; gives the path of the tarball, `dist/peerloom-VERSION.tgz`. */
export async function pack() {
  await installPackages();
  await buildModule();
  await buildFace();
  say("packing the npm package …");
  // Packed from a folder of its own, so that no copies lie about in sdk/.
  const stage = join(target, "npm-package");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of FROM_ROOT) cpSync(at(name), join(stage, name));
  for (const name of ["package.json", "dist"])
    cpSync(at("sdk", name), join(stage, name), { recursive: true });
  mkdirSync(at("dist"), { recursive: true });
  await run("npm", ["pack", "--pack-destination", at("dist")], { cwd: stage });
  const { name, version } = JSON.parse(readFileSync(at("sdk", "package.json"), "utf8"));
  return at("dist", `${name}-${version}.tgz`);
}
