// The folder that the server under measurement serves: one page for each contender, and the built package.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { at } from "../../../scripts/lib/paths.mjs";
import { Failure } from "../../../scripts/lib/run.mjs";

/** Assembles pages of `pages/` in a new folder; `remove` deletes it. */
export async function createSite(contenders) {
  // Imported late: this module is read before the npm packages are there.
  const { transformWithOxc } = await import("vite");
  const sdk = at("sdk", "dist");
  if (!existsSync(join(sdk, "index.js"))) throw new Failure("sdk/dist is missing: run `npm run build`");
  const folder = mkdtempSync(join(tmpdir(), "peerloom-bench-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  cpSync(sdk, join(folder, "sdk"), { recursive: true });
  // As a good host would keep it. Chromium takes brotli over TLS alone, so on plain http it is gzip that is measured.
  const wasm = join(folder, "sdk", "wasm", "peerloom_bg.wasm");
  writeFileSync(`${wasm}.br`, brotliCompressSync(readFileSync(wasm)));
  writeFileSync(`${wasm}.gz`, gzipSync(readFileSync(wasm), { level: 9 }));
  mkdirSync(join(folder, "bench"));
  const page = readFileSync(at("tests", "bench", "pages", "page.html"), "utf8");
  const addScript = async (name) => {
    const source = readFileSync(at("tests", "bench", "pages", `${name}.ts`), "utf8");
    const { code } = await transformWithOxc(source, `${name}.ts`, { target: "es2022" });
    // The server's Content-Security-Policy allows no inline script, and an import map would be one.
    const script = code
      .replaceAll('"peerloom"', '"/sdk/index.js"')
      .replaceAll(/"\.\/(\w+)\.ts"/g, '"./$1.js"');
    writeFileSync(join(folder, "bench", `${name}.js`), script);
  };
  await addScript("content");
  for (const name of contenders) {
    await addScript(name);
    writeFileSync(join(folder, "bench", `${name}.html`), page.replace("CONTENDER", name));
  }
  return { folder, remove };
}
