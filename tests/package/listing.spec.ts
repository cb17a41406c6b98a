// What is inside the packed package, file by file: nothing is published that was not meant to be.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { tarball } from "./project.ts";

test("the package holds the files of tests/package/files.txt, and no other", () => {
  const told = execFileSync("npm", ["pack", "--dry-run", "--json", "--loglevel=error", tarball()], {
    encoding: "utf8",
  });
  const [{ files }] = JSON.parse(told) as [{ files: { path: string }[] }];
  const committed = readFileSync(fileURLToPath(new URL("files.txt", import.meta.url)), "utf8");
  expect(files.map(({ path }) => path).sort()).toEqual(committed.trimEnd().split("\n"));
});
