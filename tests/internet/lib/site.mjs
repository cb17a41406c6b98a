// The folder that the server serves: pages written in TypeScript, and the built npm package.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { at } from "../../../scripts/lib/paths.mjs";
import { Failure } from "../../../scripts/lib/run.mjs";
import { temporaryFolder } from "./network.mjs";

const PAGES = fileURLToPath(new URL("../pages", import.meta.url));

/** Assembles the pages of `pages/` under `/test` in a new folder; `remove` deletes it. */
export async function createSite() {
  // Imported late: this module is read before the npm packages are there.
  const { transformWithOxc } = await import("vite");
  const sdk = at("sdk", "dist");
  if (!existsSync(join(sdk, "index.js"))) throw new Failure("sdk/dist is missing: run `npm run build`");
  const folder = temporaryFolder("site");
  const remove = () => {
    process.off("exit", remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", remove);
  cpSync(sdk, join(folder, "sdk"), { recursive: true });
  mkdirSync(join(folder, "test"));
  for (const name of readdirSync(PAGES)) {
    const source = readFileSync(join(PAGES, name), "utf8");
    if (!name.endsWith(".ts")) {
      writeFileSync(join(folder, "test", name), source);
      continue;
    }
    const { code } = await transformWithOxc(source, name, { target: "es2022" });
    // The server's Content-Security-Policy allows no inline script, and an import map would be one.
    const linked = code
      .replaceAll('"peerloom"', '"/sdk/index.js"')
      .replaceAll(/(\.\/[\w-]+)\.ts"/g, '$1.js"');
    writeFileSync(join(folder, "test", name.replace(/\.ts$/, ".js")), linked);
  }
  return { folder, remove };
}
