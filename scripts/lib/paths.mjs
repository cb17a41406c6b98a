// Where things are. Every path is absolute, so that the commands work from any folder.
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** A path inside the repository; an absolute path stays as it is. */
export const at = (...parts) => resolve(root, ...parts);

/** Cargo's folder for what it builds; ours for stamps, tools and pages for tests. */
export const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");

/** The signaling server's program. */
export const serverBinary = join(
  target,
  "release",
  process.platform === "win32" ? "peerloom-signaling.exe" : "peerloom-signaling",
);

/** The glue of the npm package's module as `xtask` writes it, before it is copied to `sdk/dist/wasm`. */
export const glueDir = at("sdk", "pkg", "wasm");

/** The Rust example page, built for the tests. */
export const rustPageDir = join(target, "rust-page");

/** The Rust page under measurement. */
export const benchPageDir = join(target, "bench-page");

/** True on a continuous-integration machine: nothing may be skipped, and tools may be installed. */
export const ci = !["", "0", "false", undefined].includes(process.env.CI);
