//! Whatever valid module: metered it does what it did before, on wasmi; now and then, and wherever the two differ, wasmtime
//! has the last word. What it costs is what it needs: with one fuel less it does not end.

#![no_main]

#[path = "../../tests/support/raw.rs"]
#[allow(dead_code)] // the tests use more of it
mod raw;
#[path = "../../tests/support/smith.rs"]
mod smith;

use std::cell::RefCell;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use raw::{End, Raw, RawCall, RawWasmi, RawWasmtime, argument};
use weir_plugin_host::admission::ModuleLimits;
use weir_plugin_host::meter::{DEPTH_BUDGET, meter};
use weir_plugin_host::run::Stop;

const FUEL: i64 = 50_000;
/// Compiling takes wasmtime longer than all the rest: it looks at one module of so many.
const WASMTIME_ONE_IN: u64 = 32;

thread_local! {
    static ENGINES: RefCell<(RawWasmi, RawWasmtime)> = RefCell::new((RawWasmi::new(), RawWasmtime::new()));
}

fuzz_target!(|data: &[u8]| ENGINES.with_borrow_mut(|(wasmi, wasmtime)| check(data, wasmi, wasmtime)));

fn check(data: &[u8], wasmi: &mut RawWasmi, wasmtime: &mut RawWasmtime) {
    let mut u = Unstructured::new(data);
    let config = smith::config(&mut |n| u.int_in_range(0..=n.saturating_sub(1)).unwrap_or(0));
    let seed = u.arbitrary::<u64>().unwrap_or(1);
    let Ok(module) = wasm_smith::Module::new(config, &mut u) else { return };
    let original = module.to_bytes();
    let Ok(metered) = meter(&original, &ModuleLimits::default()) else { return };
    let metered = metered.bytes;
    wasmparser::Validator::new().validate_all(&metered).expect("metered, it is not valid");
    let ask_wasmtime = seed % WASMTIME_ONE_IN == 0;

    let mut bits = seed;
    for (name, parameters, results) in wasmi.functions(&original) {
        let arguments = parameters.iter().map(|ty| {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (*ty, argument(*ty, bits >> 62, bits >> 7))
        });
        let call = RawCall { name, arguments: arguments.collect(), results };
        let got = wasmi.call(&metered, &call, Some(FUEL));
        let ended = !got.out_of_fuel() && !got.out_of_depth();
        let plain = ended.then(|| wasmi.call(&original, &call, None));
        let same = plain.is_none_or(|plain| {
            plain.end == End::Stopped(Stop::StackOverflow) || plain.did_the_same(&got)
        });
        if ask_wasmtime || !same {
            let reference = wasmtime.call(&metered, &call, Some(FUEL));
            if reference != got {
                // They may differ by the bits of a NaN; then they do on the original, too.
                assert!(ended, "{call:?}: other fuel or depth: {got:?} {reference:?}");
                let (one, other) =
                    (wasmi.call(&original, &call, None), wasmtime.call(&original, &call, None));
                assert!(!one.did_the_same(&other), "{call:?}: only metered: {got:?} {reference:?}");
                assert!(one.did_the_same(&got) && other.did_the_same(&reference), "{call:?}: metering changed it");
                continue;
            }
            // wasmi 2.0.0 is wrong about some originals that metering writes around.
            if ended && !same {
                let plain = wasmtime.call(&original, &call, None);
                assert!(plain.did_the_same(&got), "{call:?}: metering changed it: {plain:?} {got:?}");
            }
        }
        if let (true, End::Values(_)) = (ended, &got.end) {
            let used = FUEL - got.meters[0];
            assert!(used > 0, "{call:?}: nothing was paid");
            assert_eq!(got.meters[1], i64::from(DEPTH_BUDGET), "{call:?}: depth was not given back");
            let exact = wasmi.call(&metered, &call, Some(used));
            assert!(exact.did_the_same(&got) && exact.meters[0] == 0, "{call:?}: {used} fuel is not enough");
            let short = wasmi.call(&metered, &call, Some(used - 1));
            assert!(short.out_of_fuel(), "{call:?}: one less than {used} fuel is enough");
        }
    }
}
