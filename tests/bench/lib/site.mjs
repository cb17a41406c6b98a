// The folder that the server under measurement serves: one page for each contender, built as an application would be.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { at, benchPageDir } from "../../../scripts/lib/paths.mjs";
import { Failure } from "../../../scripts/lib/run.mjs";

/** Assembles the pages of these scripts, given as paths below `tests/bench`, in a new folder; `remove` deletes it. */
export async function createSite(scripts) {
  // Imported late: this module is read before the npm packages are there.
  const { build } = await import("vite");
  const face = at("sdk", "dist", "index.js");
  if (!existsSync(face)) throw new Failure("sdk/dist is missing: run `npm run build`");
  const folder = mkdtempSync(join(tmpdir(), "peerloom-bench-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  const root = at("tests", "bench");
  const names = scripts.map((script) => [basename(script, extname(script)), join(root, script)]);
  await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { alias: { "bench-page": join(benchPageDir, "bench_page.js") } },
    build: {
      outDir: folder,
      target: "es2022",
      rollupOptions: {
        input: Object.fromEntries(names),
        output: { entryFileNames: "[name].js" },
      },
    },
  });
  const page = readFileSync(at("tests", "bench", "pages", "page.html"), "utf8");
  for (const [name] of names) writeFileSync(join(folder, `${name}.html`), page.replace("CONTENDER", name));
  // As a good host would keep it. Chromium takes brotli over TLS alone, so on plain http it is gzip that is measured.
  const assets = join(folder, "assets");
  for (const name of existsSync(assets) ? readdirSync(assets) : []) {
    if (!name.endsWith(".wasm")) continue;
    const wasm = readFileSync(join(assets, name));
    writeFileSync(join(assets, `${name}.br`), brotliCompressSync(wasm));
    writeFileSync(join(assets, `${name}.gz`), gzipSync(wasm, { level: 9 }));
  }
  return { folder, remove };
}
