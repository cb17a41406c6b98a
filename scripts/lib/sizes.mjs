// How much a page has to fetch: the smallest join-and-send page, bundled and minified as an application would be.
import { dirname } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { at } from "./paths.mjs";
import { say } from "./steps.mjs";

/**
 * The most that page may need, in bytes after brotli: JavaScript and WebAssembly together. Five kilobytes of it sign and check
 * who is who, and two and a half seal what the server passes on for rooms with a secret.
 */
export const BUDGET_BYTES = 113_500;

/** Fetched by pages alone whose browser has no Ed25519, or that have this browser remember something, a passphrase, counts of a peer, or why there is no connection. */
const SELDOM = /^assets\/(diagnose|ed25519|passphrase|remember|stats)-/;

/** Bundles a page's script; gives one row for each kind of file, and their sum. */
export async function measure(script = at("scripts", "size", "main.js")) {
  // Imported late: `npm start` reads these modules before the npm packages are there.
  const { build } = await import("vite");
  const { output } = await build({
    root: dirname(script),
    configFile: false,
    logLevel: "error",
    build: { write: false, target: "es2022", rollupOptions: { input: script } },
  });
  const rows = output
    .filter((file) => !SELDOM.test(file.fileName))
    .map((file) => ({ name: file.fileName, bytes: Buffer.from(file.code ?? file.source) }))
    .map(({ name, bytes }) => ({
      name: name.endsWith(".wasm") ? "WebAssembly" : "JavaScript",
      raw: bytes.length,
      gzip: gzipSync(bytes, { level: 9 }).length,
      brotli: brotliCompressSync(bytes).length,
    }));
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  return [...rows, { name: "together", raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") }];
}

/** Prints the sizes; true when they keep the budget. */
export async function reportSizes() {
  const rows = await measure();
  const number = (n) => n.toLocaleString("en-US").padStart(9);
  say("size of the smallest page, in bytes:");
  console.log(`    ${"".padEnd(12)}${"raw".padStart(9)}${"gzip".padStart(9)}${"brotli".padStart(9)}`);
  for (const { name, raw, gzip, brotli } of rows) {
    console.log(`    ${name.padEnd(12)}${number(raw)}${number(gzip)}${number(brotli)}`);
  }
  const total = rows.at(-1).brotli;
  const kept = total <= BUDGET_BYTES;
  console.log(`    budget: ${number(BUDGET_BYTES).trim()} after brotli, ${kept ? "kept" : "EXCEEDED"}`);
  return kept;
}
