//! Profiles: what functions spend adds up to the fuel, and naming them changes nothing.

#![cfg(feature = "wasmi")]

mod support;

use support::input;
use weir_plugin_host::admission::{Admitted, ModuleLimits, admit};
use weir_plugin_host::meter;
use weir_plugin_host::names;
use weir_plugin_host::run::{Limits, RunError};
use weir_plugin_host::wasmi::Engine;

#[test]
fn what_functions_spend_is_the_fuel_of_every_hostile_module() {
    let (engine, input) = (Engine::new(), input("a.b", b"{}"));
    let limits = Limits { fuel: 100_000, ..Limits::default() };
    let mut ran = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let wasm = wat::parse_file(&path).unwrap();
        let Ok(metered) = admit(&wasm, &ModuleLimits::default()).and_then(Admitted::meter) else { continue };
        let plain = engine.load(&metered.bytes).unwrap().run(&input, &limits);
        let profiled = meter::profile(&wasm, &ModuleLimits::default()).unwrap();
        let (outcome, spent) = engine.load(&profiled.bytes).unwrap().run_profiled(&input, &limits);
        assert_eq!(outcome, plain, "{}", path.display());
        let sum: u64 = spent.values().sum();
        match outcome.result {
            // The last charges may go below zero.
            Err(RunError::OutOfFuel { .. }) => assert!(sum > limits.fuel, "{}: {sum}", path.display()),
            _ => assert_eq!(sum, outcome.fuel, "{}: {spent:?}", path.display()),
        }
        ran += 1;
    }
    assert!(ran > 60, "{ran} ran");
}

const NAMED: &str = r#"(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func $small (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
  (func $large (result i32) (local $n i32)
    (loop $again
      (drop (call $small (local.get $n)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
    (drop (memory.grow (i32.const 1)))
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 3200))
    (i32.const 0))
  (func $abi (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func $input (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func $transform (export "weir_transform") (param i32) (result i32) (call $large)))"#;

#[test]
fn functions_have_their_names_and_what_is_not_a_functions_own_has_one_too() {
    let wasm = wat::parse_str(NAMED).unwrap();
    let names = names::of_functions(&wasm);
    let listed: Vec<&str> = names.values().map(String::as_str).collect();
    assert_eq!(listed, ["small", "large", "abi", "input", "transform"]);
    assert!(names::of_functions(b"\0asm\x01\0\0\0").is_empty());

    let profiled = meter::profile(&wasm, &ModuleLimits::default()).unwrap();
    assert_eq!(profiled.helpers, ["(bulk memory)", "(memory.grow)"]);
    let (outcome, spent) =
        Engine::new().load(&profiled.bytes).unwrap().run_profiled(&input("a.b", b"{}"), &Limits::default());
    assert_eq!(spent.values().sum::<u64>(), outcome.fuel);
    // 3,200 bytes at 32 a fuel; one page, and as much for the call.
    assert_eq!((spent.get(&5), spent.get(&6)), (Some(&100), Some(&4096)), "{spent:?}");
    assert!(spent.get(&0).is_some_and(|own| *own > 0) && spent.get(&1).is_some_and(|own| *own > 10));
}
