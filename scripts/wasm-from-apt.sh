#!/bin/sh
# Fallback for a Debian machine where rustup cannot download: builds the wasm32 standard library once from Debian's
# packages (about a minute), into a folder with its own bin/ of rustc, cargo and the lint tools. The scripts put that
# folder first on PATH by themselves.
#
# Needs: apt-get install rustc-web cargo-web rust-web-src lld-22   (and, for lints: rust-web-clippy rustfmt-web)
# Usage: scripts/wasm-from-apt.sh [FOLDER]   (default: target/distro-toolchain)
set -eu
dir=${1:-$PWD/target/distro-toolchain}
lld=${LLD:-/usr/lib/llvm-22/bin/lld}
tools=${TOOLS:-/usr/bin}
host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
target=wasm32-unknown-unknown
rm -rf "$dir"
mkdir -p "$dir/bin" "$dir/build/src" "$dir/lib/rustlib/$target/lib" "$dir/lib/rustlib/$host/bin"
# A broken-off run must not look like a finished one.
trap 'if [ -d "$dir/build" ]; then rm -rf "$dir"; fi' EXIT

# A sysroot of links: Debian's library for the host, ours for wasm32.
ln -s "/usr/lib/rustlib/$host/lib" "$dir/lib/rustlib/$host/lib"
ln -s "$lld" "$dir/lib/rustlib/$host/bin/rust-lld"
printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$dir" >"$dir/bin/rustc"
printf '#!/bin/sh\nexport RUSTC="%s/bin/rustc"\nexport PATH="%s/bin:$PATH"\nexec /usr/bin/cargo "$@"\n' "$dir" "$dir" >"$dir/bin/cargo"
chmod +x "$dir/bin/rustc" "$dir/bin/cargo"
# cargo-clippy is copied, not linked: it looks for clippy-driver beside itself.
if [ -x "$tools/cargo-clippy" ]; then
  printf '#!/bin/sh\nexec "%s/clippy-driver" "$@" --sysroot "%s"\n' "$tools" "$dir" >"$dir/bin/clippy-driver"
  chmod +x "$dir/bin/clippy-driver"
  cp "$tools/cargo-clippy" "$dir/bin/cargo-clippy"
fi
[ ! -x "$tools/rustfmt" ] || ln -s "$tools/rustfmt" "$tools/cargo-fmt" "$dir/bin/"

# An empty crate, built with the standard library from source: its libraries are what is wanted.
printf '[package]\nname = "std-for-wasm"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$dir/build/Cargo.toml"
echo '#![no_std]' >"$dir/build/src/lib.rs"
(cd "$dir/build" && RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo build -q --release --target $target \
  -Zbuild-std=std,panic_abort,test --target-dir "$dir/build/target")
find "$dir/build/target/$target/release/deps" -name '*.rlib' ! -name 'libstd_for_wasm*' \
  -exec cp {} "$dir/lib/rustlib/$target/lib/" \;
rm -rf "$dir/build"
