// A server that asks for admission tokens, which the program itself makes here.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestFixture } from "@playwright/test";
import type { Fixtures } from "./fixtures.ts";
import { program, type Server } from "./server.ts";

/** A server, and tokens for it. */
export interface Admission {
  readonly server: Server;
  readonly mint: (...flags: string[]) => string;
}

/** For `test.extend`. */
export const admission: TestFixture<Admission, Fixtures> = async ({ startServer }, use) => {
  const folder = mkdtempSync(join(tmpdir(), "peerloom-token-"));
  const key = join(folder, "keys.json");
  const mint = (...flags: string[]) =>
    execFileSync(program, ["token", "--key", key, ...flags], { encoding: "utf8" }).trim();
  mint("--room", "any"); // Makes the key.
  const server = await startServer({ flags: ["--token-keys", key] });
  await use({ server, mint });
  rmSync(folder, { recursive: true });
};
