// Rust for the host and for wasm32: looked for, added where that is possible, and else told plainly.
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.mjs";
import { at, ci, target } from "./paths.mjs";
import { attempt, Failure } from "./run.mjs";
import { say } from "./steps.mjs";

const WASM = "wasm32-unknown-unknown";

// What `wasm-from-apt.sh` builds, and the Debian packages it needs (the last two are for `npm run check`).
const distroBin = join(target, "distro-toolchain", "bin");
const DEBIAN_PACKAGES = [
  "rustc-web",
  "cargo-web",
  "rust-web-src",
  "lld-22",
  "rust-web-clippy",
  "rustfmt-web",
];

async function hasRust() {
  // rustup's folder is on PATH only in shells opened after it was installed.
  const cargoBin = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin");
  if (!process.env.PATH.split(delimiter).includes(cargoBin)) process.env.PATH += delimiter + cargoBin;
  // Without a time limit: rustup may be fetching the toolchain that rust-toolchain.toml names.
  const found = await Promise.all(
    ["rustc", "cargo"].map((name) => attempt(name, ["--version"], { show: "never" })),
  );
  return found.every(({ status }) => status === 0);
}

async function hasWasmTarget() {
  const { status, output } = await attempt("rustc", ["--print", "target-libdir", "--target", WASM], {
    show: "never",
  });
  const dir = output.trim();
  return status === 0 && existsSync(dir) && readdirSync(dir).some((name) => name.startsWith("libcore-"));
}

async function addByRustup() {
  // rustup may be missing, or behind a network that swallows packets: never wait more than a minute.
  say(`adding Rust's ${WASM} target …`);
  const { status } = await attempt("rustup", ["target", "add", WASM], { timeoutMs: 60_000 });
  return status === 0;
}

function useDistroToolchain() {
  process.env.PATH = distroBin + delimiter + process.env.PATH;
}

/** Debian's own Rust has no wasm32 library, but its source: one is built from that. */
async function addFromDebian() {
  const here = () =>
    ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/llvm-22/bin/lld"].every((path) => existsSync(path));
  if (!here() && !(ci && (await aptInstall(DEBIAN_PACKAGES)))) return false;
  if (!here()) return false;
  say(`building the ${WASM} library from Debian's packages (once, about a minute) …`);
  const { status } = await attempt("sh", [
    at("scripts", "wasm-from-apt.sh"),
    join(target, "distro-toolchain"),
  ]);
  return status === 0;
}

/** Makes `cargo build --target wasm32-unknown-unknown` work, or throws with what to install. */
export async function findRust() {
  if (found) return;
  say("looking for Rust (rustup fetches the pinned version if it is missing) …");
  await search();
  found = true;
}

let found = false;

async function search() {
  if (existsSync(join(distroBin, "cargo"))) useDistroToolchain();
  const rust = await hasRust();
  if (rust && (await hasWasmTarget())) return;
  if (rust && (await addByRustup()) && (await hasWasmTarget())) return;
  if (await addFromDebian()) {
    useDistroToolchain();
    if ((await hasRust()) && (await hasWasmTarget())) return;
  }
  throw new Failure(
    rust
      ? `Rust's ${WASM} library is missing, and rustup could not add it.
  With a network:  rustup target add ${WASM}
  On Debian:       apt-get install ${DEBIAN_PACKAGES.join(" ")}
                   and run this command again`
      : `Rust is missing. Install it with rustup (https://rustup.rs); the version in rust-toolchain.toml then comes by itself.`,
  );
}
