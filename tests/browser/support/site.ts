// The folder that servers serve under test: the page of `pages/` and the built npm package.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformWithOxc } from "vite";

export const repository = fileURLToPath(new URL("../../..", import.meta.url));
const pages = fileURLToPath(new URL("../pages", import.meta.url));

/** Assembles the folder in a new place. Delete it with {@link removeSite}. */
export async function createSite(): Promise<string> {
  const sdk = join(repository, "sdk/dist");
  if (!existsSync(join(sdk, "index.js"))) throw new Error("sdk/dist is missing: run `npm run build` first");
  const folder = mkdtempSync(join(tmpdir(), "peerloom-site-"));
  cpSync(sdk, join(folder, "sdk"), { recursive: true });
  mkdirSync(join(folder, "test"));
  for (const name of readdirSync(pages)) {
    const source = readFileSync(join(pages, name), "utf8");
    if (!name.endsWith(".ts")) {
      writeFileSync(join(folder, "test", name), source);
      continue;
    }
    const { code } = await transformWithOxc(source, name, { target: "es2022" });
    // The server's Content-Security-Policy allows no inline script, and an import map would be one.
    const linked = code
      .replaceAll('"peerloom"', '"/sdk/index.js"')
      .replaceAll('"peerloom/compact"', '"/sdk/compact.js"')
      .replaceAll(/(\.\/[\w-]+)\.ts"/g, '$1.js"');
    writeFileSync(join(folder, "test", name.replace(/\.ts$/, ".js")), linked);
  }
  return folder;
}

export function removeSite(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
