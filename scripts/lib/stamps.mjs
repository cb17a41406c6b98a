// Knowing what is up to date: a stamp is the hash of everything a build step reads, kept beside what it wrote.
// Contents are hashed, not times: a fresh checkout or a switched branch touches every file's time.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { at, target } from "./paths.mjs";

// Folders that hold results, never sources.
const SKIPPED = new Set(["node_modules", "target", "dist", "pkg", ".git", "test-results"]);

function* files(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isFile()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) {
    if (!SKIPPED.has(name)) yield* files(join(path, name));
  }
}

/** The hash of the given files and folders (paths in the repository, or absolute) and of further text. */
export function fingerprint(inputs, ...text) {
  const hash = createHash("sha256");
  for (const input of inputs) {
    for (const file of files(at(input))) {
      hash.update(file).update("\0").update(readFileSync(file)).update("\0");
    }
  }
  return hash.update(JSON.stringify(text)).digest("hex");
}

const stampFile = (name) => join(target, "stamps", name);

/** The stamp a step left when it last ended well. */
export function stampOf(name) {
  return existsSync(stampFile(name)) ? readFileSync(stampFile(name), "utf8") : "";
}

/**
 * Runs `work` unless its inputs are those of the last time and its outputs are still there.
 *
 * The stamp is taken before the work: a file edited while it runs counts for the next time.
 */
export async function whenStale(name, { inputs, outputs, text = [] }, work) {
  const stamp = fingerprint(inputs, ...text);
  if (stampOf(name) === stamp && outputs.every((path) => existsSync(path))) return false;
  await work();
  mkdirSync(join(target, "stamps"), { recursive: true });
  writeFileSync(stampFile(name), stamp);
  return true;
}
