// What is built, from what, in this order: module -> face -> demo -> server. Each step runs only when its inputs changed.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installPackages, tool } from "./npm.mjs";
import { at, benchPageDir, ci, glueDir, rustPageDir, serverBinary, target } from "./paths.mjs";
import { Failure, run } from "./run.mjs";
import { shrink } from "./shrink.mjs";
import { stampOf, whenStale } from "./stamps.mjs";
import { say } from "./steps.mjs";
import { findRust } from "./toolchain.mjs";

const WASM = "wasm32-unknown-unknown";
const RUST = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml", "protocol"];
const TYPESCRIPT = ["package-lock.json", "tsconfig.base.json"];

/** Runs cargo with the terminal's progress bar. */
export async function cargo(command, ...args) {
  await findRust();
  // In CI a lock file that does not fit is an error; `cargo fmt` reads none.
  const locked = ci && command !== "fmt" ? ["--locked"] : [];
  return run("cargo", [command, ...locked, ...args], { show: "progress" });
}

/** Runs a JavaScript program that an npm package brought. */
export const node = (script, ...args) => run(process.execPath, [tool(script), ...args]);

async function glue(wasm, outDir, ...flags) {
  rmSync(outDir, { recursive: true, force: true });
  await cargo("run", "--quiet", "--package", "xtask", "--", "glue", wasm, outDir, ...flags);
}

/**
 * The browser module and its glue, into `sdk/pkg/wasm`. `dev` compiles in seconds and keeps names and checks; the
 * result is several times larger.
 */
export function buildModule({ dev = false } = {}) {
  const shrinking = ["scripts/lib/shrink.mjs", "scripts/lib/order.mjs"];
  const inputs = [...RUST, "sdk/Cargo.toml", "sdk/src", "xtask", "package-lock.json", ...shrinking];
  const outputs = ["peerloom.js", "peerloom.d.ts", "peerloom_bg.wasm"].map((name) => join(glueDir, name));
  return whenStale("module", { inputs, outputs, text: [dev] }, async () => {
    say("compiling the browser module (Rust to WebAssembly) …");
    const profile = dev ? "dev" : "wasm";
    const features = ["--no-default-features", "--features", "npm"];
    // Not `build`, which makes the crate's rlib too, and for its sake leaves out link-time optimization.
    const flags = [...features, "--profile", profile, "--target", WASM, "--crate-type", "cdylib"];
    // At opt-level "z" LLVM keeps many calls that take more room than what they call: 1 % of the whole. Three of its passes
    // make the module larger once it is compressed: 0.4 % by what is computed twice on some ways only, 0.9 % by loops that
    // count in strides, 0.2 % by what is computed twice.
    const tuning = dev
      ? []
      : ["--", "-C", "llvm-args=-inline-threshold=15 -enable-pre=false -disable-lsr -disable-machine-cse"];
    await cargo("rustc", "--package", "peerloom", ...flags, ...tuning);
    say("writing its JavaScript glue …");
    const panics = dev ? [] : ["--bare-panics"];
    await glue(join(target, WASM, dev ? "debug" : "wasm", "peerloom.wasm"), glueDir, ...panics);
    replaceLoader();
    if (dev) return;
    say("shrinking both …");
    await shrink(join(glueDir, "peerloom_bg.wasm"), join(glueDir, "peerloom.js"));
  });
}

/**
 * Has the glue give what a loader needs, in the place of its own loader: that one has ways for old browsers and old
 * callers, which are half a kilobyte after compression. Ours is `sdk/ts/module.ts`.
 */
function replaceLoader() {
  const edit = (name, from, text) => {
    const path = join(glueDir, name);
    const [kept, rest] = readFileSync(path, "utf8").split(from);
    if (rest === undefined)
      throw new Failure(`${path} has no ${from}: wasm-bindgen writes its glue differently now`);
    writeFileSync(path, kept + text);
  };
  edit(
    "peerloom.js",
    "export { initSync,",
    "export { __wbg_get_imports as imports, __wbg_finalize_init as start };\n",
  );
  edit(
    "peerloom.d.ts",
    "export type InitInput",
    `export type Source = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;
export function imports(): WebAssembly.Imports;
export function start(instance: WebAssembly.Instance): void;
`,
  );
}

/** The npm package's `sdk/dist`: the TypeScript face, the module beside it, and the one-file variant. */
export function buildFace() {
  const dist = at("sdk", "dist");
  const inputs = [...TYPESCRIPT, "sdk/ts", "sdk/cli", "sdk/tsconfig.json", "sdk/package.json"];
  const outputs = ["index.js", "index.d.ts", "inline.js", "wasm/peerloom_bg.wasm", "cli/main.js"].map(
    (name) => join(dist, name),
  );
  return whenStale("face", { inputs, outputs, text: [stampOf("module")] }, async () => {
    say("compiling the TypeScript package …");
    rmSync(dist, { recursive: true, force: true });
    await node("typescript/bin/tsc", "-p", at("sdk"));
    await node("typescript/bin/tsc", "-p", at("sdk", "cli"));
    cpSync(glueDir, join(dist, "wasm"), { recursive: true });
    await bundleLazy(dist);
    writeInline(dist);
  });
}

/** Puts what few pages load, and what that needs of other packages, into one file each: pages need no bundler for it. */
async function bundleLazy(dist) {
  const { rolldown } = await import("rolldown");
  for (const name of ["ed25519.js", "passphrase.js"]) {
    const file = join(dist, name);
    const bundle = await rolldown({ input: file, logLevel: "warn" });
    const { output } = await bundle.generate({ format: "esm", minify: true, comments: { legal: true } });
    await bundle.close();
    writeFileSync(file, output[0].code);
  }
}

/** `peerloom/inline`: the package with the module inside its JavaScript, for bundlers that cannot copy a file. */
function writeInline(dist) {
  const base64 = readFileSync(join(dist, "wasm", "peerloom_bg.wasm")).toString("base64");
  const code = `import { loadModule } from "./module.js";
export * from "./index.js";
// Starts now, and join() waits for it. A failure is told by join() too.
loadModule(Uint8Array.from(atob("${base64}"), (c) => c.charCodeAt(0))).catch(() => {});
`;
  writeFileSync(join(dist, "inline.js"), code);
  writeFileSync(join(dist, "inline.d.ts"), 'export * from "./index.js";\n');
}

/** The demo's pages, into `www/dist`. */
export function buildDemo() {
  const inputs = [...TYPESCRIPT, "www"];
  return whenStale(
    "demo",
    { inputs, outputs: [at("www/dist/index.html")], text: [stampOf("face")] },
    async () => {
      say("building the demo …");
      await node("vite/bin/vite.js", "build", at("www"), "--logLevel", "warn");
    },
  );
}

/** The signaling server, with the demo inside it. */
export function buildServer() {
  const inputs = [...RUST, "signaling", "www/dist"];
  return whenStale("server", { inputs, outputs: [serverBinary] }, async () => {
    say("compiling the signaling server …");
    await cargo("build", "--release", "--package", "peerloom-signaling");
  });
}

/** A page written in Rust: compiled, with its glue in `outDir`. True when that was done anew. */
function buildRust(name, folder, outDir) {
  const inputs = [...RUST, "sdk/Cargo.toml", "sdk/src", "xtask", folder];
  const module = name.replaceAll("-", "_");
  return whenStale(name, { inputs, outputs: [join(outDir, `${module}_bg.wasm`)] }, async () => {
    say(`compiling ${folder} …`);
    await cargo("build", "--package", name, "--profile", "wasm", "--target", WASM);
    await glue(join(target, WASM, "wasm", `${module}.wasm`), outDir, "--default-path");
  });
}

/** The example page written in Rust; only the tests use it. */
export async function buildRustPage() {
  const page = "examples/rust-page";
  await buildRust("rust-page", page, rustPageDir);
  for (const name of ["index.html", "start.js"]) cpSync(at(page, name), join(rustPageDir, name));
}

/** The page in Rust under measurement. */
export const buildBenchPage = () => buildRust("bench-page", "tests/bench/rust-page", benchPageDir);

/** Everything `npm start` needs. True when something was built anew. */
export async function buildAll() {
  await installPackages();
  const built = [await buildModule(), await buildFace(), await buildDemo(), await buildServer()];
  return built.includes(true);
}
