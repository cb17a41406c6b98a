//! Writes the JavaScript glue of a WebAssembly module: what the `wasm-bindgen` command does, without having to
//! install it.
//!
//! The glue generator must have the very version of the `wasm-bindgen` crate that compiled the module. As a
//! member of this workspace it cannot have another one: cargo refuses two versions side by side. The scripts
//! behind `npm run build` call it; by hand it is
//!
//! ```text
//! cargo xtask glue IN.wasm OUT_DIR [--default-path] [--bare-panics]
//! ```
//!
//! The files are named after the module: `peerloom.wasm` gives `peerloom.js`, `peerloom.d.ts` and
//! `peerloom_bg.wasm`. They are for a browser's ES modules (`--target web` of the command line tool), which every
//! bundler reads too.

mod panics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "usage: cargo xtask glue IN.wasm OUT_DIR [--default-path] [--bare-panics]

  --default-path  let the glue find the .wasm file beside itself when its init() is called without an argument
  --bare-panics   leave out the messages of panics, which no browser shows";

/// One call of `xtask glue`.
#[derive(Debug)]
struct Glue {
    module: PathBuf,
    out_dir: PathBuf,
    /// Whether the glue's `init()` may be called without the place of the `.wasm` file. The npm package passes
    /// that place itself: a second `new URL(...)` in the glue would make bundlers copy the module twice.
    default_path: bool,
    /// Whether [`panics`] are made traps.
    bare_panics: bool,
}

impl Glue {
    fn parse(args: impl IntoIterator<Item = String>) -> Result<Self> {
        let (mut default_path, mut bare_panics) = (false, false);
        let mut places = Vec::new();
        for arg in args {
            match arg.as_str() {
                "--default-path" => default_path = true,
                "--bare-panics" => bare_panics = true,
                flag if flag.starts_with('-') => bail!("unknown flag {flag}\n{USAGE}"),
                _ => places.push(PathBuf::from(arg)),
            }
        }
        let [module, out_dir] = <[PathBuf; 2]>::try_from(places)
            .map_err(|places| anyhow::anyhow!("expected 2 paths, got {}\n{USAGE}", places.len()))?;
        Ok(Self { module, out_dir, default_path, bare_panics })
    }

    fn run(&self) -> Result<()> {
        let name = module_name(&self.module)?;
        let mut wasm = std::fs::read(&self.module).with_context(|| self.module.display().to_string())?;
        if self.bare_panics {
            wasm = panics::strip(&wasm)?;
        }
        let mut bindgen = Bindgen::new();
        bindgen
            .input_bytes(name, wasm)
            .out_name(name)
            .typescript(true)
            .omit_default_module_path(!self.default_path)
            // Both sections tell about the build only. The target_features section stays: wasm-opt reads it.
            .remove_name_section(true)
            .remove_producers_section(true);
        bindgen.web(true)?;
        bindgen.generate(&self.out_dir).with_context(|| format!("no glue for {}", self.module.display()))
    }
}

/// The file name without `.wasm`.
fn module_name(module: &Path) -> Result<&str> {
    if module.extension().is_none_or(|extension| extension != "wasm") {
        bail!("{} is not a .wasm file", module.display());
    }
    let name = module.file_stem().and_then(|stem| stem.to_str());
    name.with_context(|| format!("{} has no readable file name", module.display()))
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("glue") => Glue::parse(args).and_then(|glue| glue.run()),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Glue> {
        Glue::parse(args.iter().map(ToString::to_string))
    }

    #[test]
    fn two_paths_and_a_flag_in_any_order() {
        let glue = parse(&["--default-path", "a/peerloom.wasm", "out"]).unwrap();
        assert_eq!((glue.module, glue.out_dir), ("a/peerloom.wasm".into(), "out".into()));
        assert!(glue.default_path);
        assert!(!parse(&["a.wasm", "out"]).unwrap().default_path);
    }

    #[test]
    fn wrong_calls_are_refused() {
        for args in [&["a.wasm"][..], &["a.wasm", "b", "c"], &["a.wasm", "b", "--web"]] {
            assert!(parse(args).unwrap_err().to_string().contains("usage:"));
        }
    }

    #[test]
    fn the_files_are_named_after_the_module() {
        assert_eq!(module_name(Path::new("target/peerloom.wasm")).unwrap(), "peerloom");
        assert!(module_name(Path::new("target/peerloom.js")).is_err());
    }
}
