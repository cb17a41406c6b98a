// What a lock file of cargo's names.
import { readFileSync } from "node:fs";
import { at } from "./paths.mjs";

/** The crates in it; those of this repository have no checksum. */
export function lockedCrates(path) {
  const entry = /name = "(.+)"\nversion = "(.+)"(?:\nsource = ".+"\nchecksum = "(.+)")?/g;
  return Array.from(readFileSync(at(path), "utf8").matchAll(entry), ([, name, version, checksum]) => ({
    name,
    version,
    checksum,
  }));
}
