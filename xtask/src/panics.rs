//! Makes every panic of a module a bare trap.
//!
//! A panic in the browser ends in a trap either way, and its message goes to a standard error that does not exist. The
//! code that puts the message together is a tenth of the module, and is in the precompiled standard library, where no
//! setting of stable Rust reaches it.

use anyhow::{Context, Result, ensure};
use rustc_demangle::demangle;
use walrus::{FunctionKind, Module, ModuleConfig, ir};

/// Functions of the standard library that never return. Those under them are unused then, and go too.
const PANICS: [&str; 12] = [
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::handle_error",
    "core::cell::lazy::panic_poisoned",
    "core::cell::panic_already_",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::panicking::",
    "core::result::unwrap_failed",
    "core::slice::copy_from_slice_impl::len_mismatch_fail",
    "core::slice::index::slice_index_fail",
    "core::str::slice_error_fail",
    "std::thread::local::panic_access_error",
];

/// Empties the functions that panic. Reads and gives a module's bytes.
pub(crate) fn strip(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut module: Module = ModuleConfig::new().parse(wasm).context("cannot read the module")?;
    let mut found = false;
    for function in module.funcs.iter_mut() {
        let (Some(name), FunctionKind::Local(code)) = (&function.name, &mut function.kind) else { continue };
        // Without its hash.
        let name = format!("{:#}", demangle(name));
        let panics = PANICS.iter().any(|start| name.starts_with(start)) || name.ends_with("::assert_failed");
        if panics {
            found |= name == "core::panicking::panic_fmt";
            let body = code.entry_block();
            code.block_mut(body).instrs = vec![(ir::Unreachable {}.into(), ir::InstrLocId::default())];
        }
    }
    ensure!(found, "no core::panicking::panic_fmt: names are stripped, or different now");
    Ok(module.emit_wasm())
}
