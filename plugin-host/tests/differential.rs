//! Random modules, rewritten: they do what they did before, and the same on every engine for the same fuel.
//!
//! Seeds make it repeatable. `WEIR_FUZZ_SEEDS=first..last` runs other ones and more; a failure prints its seed, and
//! `WEIR_FUZZ_DUMP=folder` writes the modules there, for looking into one.

#![cfg(all(feature = "wasmi", feature = "wasmtime"))]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // random bits are meant to be cut

#[path = "support/random.rs"]
mod random;
#[path = "support/smith.rs"]
mod smith;
mod support;

use std::ops::Range;

use arbitrary::Unstructured;
use random::Random;
use support::V8;
use support::raw::{End, Raw, RawCall, RawOutcome, RawWasmi, RawWasmtime, argument};
use weir_plugin_host::admission::ModuleLimits;
use weir_plugin_host::meter::{DEPTH_BUDGET, meter};
use weir_plugin_host::run::Stop;

fn module(random: &mut Random) -> Option<Vec<u8>> {
    let config = smith::config(&mut |n| random.below(n));
    let bytes: Vec<u8> = (0..512 + random.below(8192)).map(|_| random.next() as u8).collect();
    Some(wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?.to_bytes())
}

fn seeds() -> Range<u64> {
    match std::env::var("WEIR_FUZZ_SEEDS") {
        Ok(range) => {
            let (first, last) = range.split_once("..").expect("WEIR_FUZZ_SEEDS=first..last");
            first.parse().unwrap()..last.parse().unwrap()
        }
        Err(_) => 0..400,
    }
}

const FUEL: i64 = 200_000;

#[derive(Debug, Default)]
struct Tally {
    modules: u32,
    refused: u32,
    calls: u32,
    returned: u32,
    trapped: u32,
    out_of_fuel: u32,
    out_of_depth: u32,
    /// Refused memory that the original was given, or a stack that only the original's calls overflowed.
    incomparable: u32,
    /// The original itself differs between engines: by the bits of a NaN, or where wasmi 2.0.0 is wrong about a `select`
    /// (seed 3815; metered modules are written around it).
    original_differs: u32,
}

#[test]
fn rewriting_changes_nothing_but_the_fuel_and_the_fuel_is_the_same_everywhere() {
    let (mut wasmi, mut wasmtime, mut v8) = (RawWasmi::new(), RawWasmtime::new(), V8::start());
    let mut tally = Tally::default();
    for seed in seeds() {
        let mut random = Random(seed);
        let Some(original) = module(&mut random) else { continue };
        if let Some(dir) = std::env::var_os("WEIR_FUZZ_DUMP") {
            std::fs::write(std::path::Path::new(&dir).join(format!("{seed}.wasm")), &original).unwrap();
        }
        tally.modules += 1;
        let metered = match meter(&original, &ModuleLimits::default()) {
            Ok(metered) => metered.bytes,
            Err(refusal) => {
                // Segments outside of memory and table are what wasm-smith likes to make.
                assert!(
                    matches!(refusal.code(), "segment" | "start"),
                    "seed {seed}: {} {refusal}",
                    refusal.code()
                );
                tally.refused += 1;
                continue;
            }
        };
        for (name, parameters, results) in wasmi.functions(&original) {
            let arguments =
                parameters.iter().map(|ty| (*ty, argument(*ty, random.below(3), random.next()))).collect();
            let call = RawCall { name, arguments, results };
            let at = || format!("seed {seed}, {call:?}");
            tally.calls += 1;
            let got = wasmi.call(&metered, &call, Some(FUEL));
            let others = [
                ("wasmtime", wasmtime.call(&metered, &call, Some(FUEL))),
                ("v8", v8.call(&metered, &call, Some(FUEL))),
            ];
            if let Some((engine, other)) = others.iter().find(|(_, other)| *other != got) {
                // Engines make NaNs of different bits, and wasm-smith lets some of them through to where a program can
                // tell. Then they differ on the original, too.
                let what = || format!("wasmi and {engine} differ: {}\n{got:?}\n{other:?}", at());
                assert!(!got.out_of_fuel() && !got.out_of_depth(), "{}", what());
                let plain = [
                    wasmi.call(&original, &call, None),
                    wasmtime.call(&original, &call, None),
                    v8.call(&original, &call, None),
                ];
                assert!(
                    plain.iter().any(|other| !other.did_the_same(&plain[0])),
                    "only rewritten, {}",
                    what()
                );
                for (plain, rewritten) in plain.iter().zip([&got, &others[0].1, &others[1].1]) {
                    assert!(plain.did_the_same(rewritten), "rewriting changed {}", at());
                }
                println!("seed {seed}, {call:?}: the original differs between engines:\n{plain:?}");
                tally.original_differs += 1;
                continue;
            }
            let plain = original_too(&got, &mut tally).then(|| wasmtime.call(&original, &call, None));
            if let Some(plain) = plain {
                if plain.end == End::Stopped(Stop::StackOverflow) {
                    tally.incomparable += 1;
                } else {
                    assert!(plain.did_the_same(&got), "rewriting changed {}:\n{plain:?}\n{got:?}", at());
                }
            }
            if let End::Values(_) = &got.end {
                let used = FUEL - got.meters[0];
                assert!(used > 0, "nothing was paid: {}", at());
                if used <= FUEL {
                    assert_eq!(got.meters[1], i64::from(DEPTH_BUDGET), "depth was not given back: {}", at());
                    let exact = wasmi.call(&metered, &call, Some(used));
                    assert!(
                        exact.did_the_same(&got) && exact.meters[0] == 0,
                        "{used} fuel is not enough: {}",
                        at()
                    );
                    let short = wasmi.call(&metered, &call, Some(used - 1));
                    assert!(short.out_of_fuel(), "one less than {used} fuel is enough: {}", at());
                }
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.original_differs <= 2 + tally.calls / 200, "{tally:?}");
    assert!(tally.modules == 0 || tally.returned > tally.modules / 4, "{tally:?}");
}

/// Whether the original can be run to compare: it ended by itself.
fn original_too(got: &RawOutcome, tally: &mut Tally) -> bool {
    if got.out_of_fuel() {
        tally.out_of_fuel += 1;
        return false;
    }
    if got.out_of_depth() {
        tally.out_of_depth += 1;
        return false;
    }
    match got.end {
        End::Values(_) => tally.returned += 1,
        End::Stopped(_) => tally.trapped += 1,
    }
    true
}
