//! Makes every panic of a module a bare trap.
//!
//! A panic in the browser ends in a trap either way, and its message goes to a standard error that does not exist. The
//! code that puts the message together is a tenth of the module, and is in the precompiled standard library, where no
//! setting of stable Rust reaches it. With it goes `Debug`, which only those messages are written with: printing a value
//! that way traps too.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use rustc_demangle::demangle;
use walrus::{ConstExpr, DataKind, FunctionKind, Module, ModuleConfig, ir};

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
        let panics = PANICS.iter().any(|start| name.starts_with(start))
            || name.ends_with("::assert_failed")
            || name.ends_with(" as core::fmt::Debug>::fmt");
        if panics {
            found |= name == "core::panicking::panic_fmt";
            let body = code.entry_block();
            code.block_mut(body).instrs = vec![(ir::Unreachable {}.into(), ir::InstrLocId::default())];
        }
    }
    ensure!(found, "no core::panicking::panic_fmt: names are stripped, or different now");
    forget_places(&mut module);
    Ok(module.emit_wasm())
}

/// Zeroes what only panics read: their places in the source (`core::panic::Location`: address and length of the file's
/// name, line, column), and those names.
fn forget_places(module: &mut Module) {
    let segments: Vec<_> = module.data.iter().map(|segment| segment.id()).collect();
    for id in segments {
        let segment = module.data.get_mut(id);
        let DataKind::Active { offset: ConstExpr::Value(ir::Value::I32(start)), .. } = segment.kind else {
            continue;
        };
        let bytes = &mut segment.value;
        let mut names = Vec::new();
        for at in (0..bytes.len().saturating_sub(15)).filter(|at| (start as usize + at).is_multiple_of(4)) {
            let word = |index: usize| {
                let word = &bytes[at + 4 * index..][..4];
                word.iter().rev().fold(0, |word, byte| word << 8 | usize::from(*byte))
            };
            let name = word(0).checked_sub(start as usize).map(|name| name..name + word(1));
            let is_place = |name: &Range<usize>| {
                bytes.get(name.clone()).is_some_and(|name| name.ends_with(b".rs"))
                    && word(2) < 1 << 16
                    && word(3) < 1 << 10
            };
            if let Some(name) = name.filter(is_place) {
                bytes[at..at + 16].fill(0);
                names.push(name);
            }
        }
        // Afterwards: places share names.
        names.into_iter().for_each(|name| bytes[name].fill(0));
    }
}

#[cfg(test)]
mod tests {
    use walrus::{FunctionBuilder, ModuleConfig, ValType};

    use super::*;

    /// A module with a function of this name, and a data segment at 1024 of a place, its file's name, and a text.
    fn module(function: &str) -> Vec<u8> {
        let mut module = Module::with_config(ModuleConfig::new());
        let memory = module.memories.add_local(false, false, 1, None, None);
        let mut data = [1040u32, 8, 12, 34].map(u32::to_le_bytes).concat();
        data.extend(b"src/a.rs\0kept");
        let offset = ConstExpr::Value(ir::Value::I32(1024));
        module.data.add(DataKind::Active { memory, offset }, data);
        let mut builder = FunctionBuilder::new(&mut module.types, &[], &[ValType::I32]);
        builder.name(function.to_owned()).func_body().i32_const(7);
        let id = builder.finish(vec![], &mut module.funcs);
        module.exports.add("function", id);
        module.emit_wasm()
    }

    #[test]
    fn panics_trap_and_keep_no_place() {
        let stripped = strip(&module("_ZN4core9panicking9panic_fmt17h0123456789abcdefE")).unwrap();
        let module = ModuleConfig::new().parse(&stripped).unwrap();
        let (_, function) = module.funcs.iter_local().next().unwrap();
        let instrs = &function.block(function.entry_block()).instrs;
        assert!(matches!(instrs[..], [(ir::Instr::Unreachable(_), _)]));
        assert_eq!(module.data.iter().next().unwrap().value, [&[0; 24][..], b"\0kept"].concat());
    }

    #[test]
    fn a_module_without_names_is_refused() {
        let error = strip(&module("other")).unwrap_err();
        assert!(error.to_string().contains("names"));
    }
}
