//! What the pass promises, where only the inside of it shows it.

use std::fmt::Write as _;

use wasmparser::{BinaryReader, OperatorsReader, Validator};

use super::*;
use crate::cost;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Reads one operator of this opcode with zeros as its immediates; what it costs, in fuel.
fn cost_of(opcode: &[u8]) -> Option<(String, f64)> {
    let mut bytes = opcode.to_vec();
    bytes.extend([0; 16]);
    let mut reader = OperatorsReader::new(BinaryReader::new_features(&bytes, 0, crate::module::FEATURES));
    let operator = reader.read().ok()?;
    let name = format!("{operator:?}");
    let name = name.split([' ', '{']).next().unwrap().to_owned();
    Some((name, f64::from(cost::of(&operator, 0)) / f64::from(cost::PARTS)))
}

#[test]
fn the_cost_table_is_pinned() {
    let singles = (0..=0xffu8).map(|opcode| vec![opcode]);
    let prefixed = (0..=20u8).map(|opcode| vec![0xfc, opcode]);
    let mut table = String::new();
    for (name, cost) in singles.chain(prefixed).filter_map(|opcode| cost_of(&opcode)) {
        writeln!(table, "{name} {cost}").unwrap();
    }
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/costs.txt");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(golden, &table).unwrap();
    }
    assert_eq!(
        table,
        std::fs::read_to_string(golden).unwrap(),
        "another cost table needs another PASS_VERSION; then run the test with WEIR_BLESS=1"
    );
}

#[test]
fn a_metered_module_is_valid_and_says_so() {
    let metered = meter(&wat("(module (func (export \"f\")))"), &ModuleLimits::default()).unwrap();
    Validator::new().validate_all(&metered.bytes).unwrap();
    assert_eq!(pass_of(&metered.bytes), Some(PASS_VERSION));
    assert_eq!(pass_of(&wat("(module)")), None);
    assert_eq!(meter(&metered.bytes, &ModuleLimits::default()), Err(Refusal::AlreadyMetered));
}

#[test]
fn even_an_empty_module_can_be_metered() {
    let metered = meter(b"\0asm\x01\0\0\0", &ModuleLimits::default()).unwrap();
    Validator::new().validate_all(&metered.bytes).unwrap();
}

#[test]
fn debug_sections_go_and_names_stay() {
    let module = wat(
        r#"(module (func $name (export "f")) (@custom ".debug_info" "x") (@custom "linking" "y") (@custom "mine" "z"))"#,
    );
    let metered = meter(&module, &ModuleLimits::default()).unwrap().bytes;
    let has = |name: &str| metered.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(has("name") && has("mine") && !has(".debug_info") && !has("linking"));
}

#[test]
fn only_what_can_come_back_to_itself_counts_its_depth() {
    let metered = meter(
        &wat(r"(module
                (type $f (func))
                (table 1 funcref)
                (elem (i32.const 0) $through_the_table)
                (func $leaf)
                (func $caller (call $leaf))
                (func $self (call $self))
                (func $a (call $b))
                (func $b (call $a) (call $leaf))
                (func $through_the_table (call $indirect))
                (func $indirect (call_indirect (type $f) (i32.const 0)))
                (func $dead (return) (call $dead)))"),
        &ModuleLimits::default(),
    )
    .unwrap();
    assert_eq!((metered.functions, metered.recursive), (8, 5));
}

#[test]
fn results_of_all_shapes_pass_the_one_way_out_of_functions_that_recurse() {
    let module = wat(r#"(module
            (func $two (export "two") (param i32) (result i32 i64)
              (if (i32.eqz (local.get 0)) (then (return (i32.const 1) (i64.const 2))))
              (br_if 0 (i32.const 3) (i64.const 4) (i32.eq (local.get 0) (i32.const 1)))
              drop drop
              (block (loop (br_table 2 0 1 2 (i32.const 3) (i64.const 4) (local.get 0))) unreachable)
              (call $two (i32.sub (local.get 0) (i32.const 1))))
            (func $none (param i32)
              (br_if 0 (i32.eqz (local.get 0)))
              (call $none (i32.const 0))))"#);
    // The table above is not well typed; what matters is that the original is judged, not the rewritten module.
    assert_eq!(meter(&module, &ModuleLimits::default()).unwrap_err().code(), "malformed");
    let module = wat(r#"(module
            (func $two (export "two") (param i32) (result i32 i64)
              (if (i32.eqz (local.get 0)) (then (return (i32.const 1) (i64.const 2))))
              (br_if 0 (i32.const 3) (i64.const 4) (i32.eq (local.get 0) (i32.const 1)))
              drop drop
              (block (loop (br_table 0 1 (local.get 0))))
              (call $two (i32.sub (local.get 0) (i32.const 1))))
            (func $none (param i32)
              (br_if 0 (i32.eqz (local.get 0)))
              (call $none (i32.const 0))))"#);
    let metered = meter(&module, &ModuleLimits::default()).unwrap();
    assert_eq!(metered.recursive, 2);
    Validator::new().validate_all(&metered.bytes).unwrap();
}

#[test]
fn the_size_is_limited_once_metered_too() {
    let limits = ModuleLimits { metered_bytes: 100, ..ModuleLimits::default() };
    let refusal = meter(&wat("(module (func (export \"f\")))"), &limits).unwrap_err();
    assert!(matches!(refusal, Refusal::TooLarge { metered: true, .. }));
}

#[test]
fn a_long_stretch_without_a_check_is_refused() {
    let stretch = |n: usize| {
        let body = "(i32.store (i32.const 0) (i32.const 0))".repeat(n);
        wat(&format!("(module (memory 1) (func (export \"f\") {body}))"))
    };
    let metered = meter(&stretch(1_000), &ModuleLimits::default()).unwrap();
    // A store and its two constants.
    assert!((1_500..1_510).contains(&metered.overrun), "{}", metered.overrun);
    let limits = ModuleLimits { overrun: 900, ..ModuleLimits::default() };
    assert_eq!(meter(&stretch(1_000), &limits).unwrap_err().code(), "cost_bound");
}

#[test]
fn the_stretches_of_callers_add_up_and_a_loop_or_recursion_starts_anew() {
    let overrun = |text: &str| meter(&wat(text), &ModuleLimits::default()).unwrap().overrun;
    let work = "(i32.store (i32.const 0) (i32.const 0))".repeat(100);
    let one = overrun(&format!("(module (memory 1) (func {work}))"));
    let two = overrun(&format!("(module (memory 1) (func {work}) (func (call 0) {work}))"));
    assert!(two >= one * 2, "{one} {two}");
    let looped =
        overrun(&format!("(module (memory 1) (func (loop {work} (br_if 0 (i32.load (i32.const 0))))))"));
    assert!(looped < one + 10, "{one} {looped}");
}

#[test]
fn calls_without_recursion_have_a_bounded_stack() {
    let chain = |n: usize| {
        let mut text = "(module (func)".to_owned();
        for i in 0..n {
            write!(text, "(func (local i64 i64 i64 i64 i64 i64 i64 i64) (call {i}))").unwrap();
        }
        wat(&(text + ")"))
    };
    assert_eq!(meter(&chain(1_000), &ModuleLimits::default()).unwrap().stack_slots, 8 + 1_000 * 16);
    assert_eq!(meter(&chain(3_000), &ModuleLimits::default()).unwrap_err().code(), "stack_bound");
}

/// What a function costs that does this and returns, besides entering it.
fn cost_of_running(fields: &str, body: &str) -> u64 {
    let module = wat(&format!("(module {fields} (func (export \"f\") {body}))"));
    meter(&module, &ModuleLimits::default()).unwrap().overrun - 1
}

#[test]
fn values_are_paid_for_where_they_are_pushed_and_where_a_branch_or_a_call_carries_them() {
    let types = "i32 ".repeat(40);
    let (push, drops) = ("i32.const 1 ".repeat(40), "drop ".repeat(40));
    let running = |body: &str| cost_of_running("", body);
    assert_eq!(running(&format!("{push} {drops}")), 10);
    // One for the branch, ten for what it carries; the same for as many again.
    assert_eq!(running(&format!("(block (result {types}) {push} br 0) {drops}")), 21);
    let twice =
        format!("(block (result {types}) i32.const 0 (block (result {types}) {push} br 0) br 0) {drops}");
    assert_eq!(running(&twice), 33);
    let table = format!("(block (result {types}) {push} i32.const 0 br_table 0 0) {drops}");
    assert_eq!(running(&table), 10 + 1 + 2 + 10);
    let takes = format!("(func $takes (param {types}))");
    assert_eq!(cost_of_running(&takes, &format!("{push} call $takes")), 10 + 4 + 10 + (1 + 40 / 8));
    let gives = format!("(func $gives (result {types}) {push})");
    assert_eq!(cost_of_running(&gives, &format!("call $gives {drops}")), 4 + 10 + (1 + 10));
}

#[test]
fn a_module_in_which_many_values_live_at_many_branches_is_refused() {
    let module = |locals: usize, branches: usize| {
        let locals = "i64 ".repeat(locals);
        let branches = "(block (br_if 0 (i32.const 0)))".repeat(branches);
        wat(&format!("(module (func (export \"f\") (local {locals}) {branches}))"))
    };
    assert!(meter(&module(100, 10_000), &ModuleLimits::default()).is_ok());
    assert_eq!(meter(&module(4_000, 10_000), &ModuleLimits::default()).unwrap_err().code(), "too_many");
}

/// Shapes in which a pass that is not linear would take minutes.
#[test]
fn no_shape_of_code_makes_the_pass_slow() {
    let limits = ModuleLimits { overrun: u64::MAX, ..ModuleLimits::default() };
    let started = std::time::Instant::now();
    let blocks = |n: usize, inner: &str| {
        let (open, close) = ("(block ".repeat(n), ")".repeat(n));
        wat(&format!("(module (func (export \"f\") (param i32) {open}{inner}{close}))"))
    };
    // Deep nesting, each level a target; many tables over many targets; many conditional branches to one label.
    let targets: String = (0..4_000).fold(String::new(), |text, n| text + &n.to_string() + " ");
    let tables = format!("(br_table {targets} (local.get 0))").repeat(60);
    meter(&blocks(4_000, &tables), &limits).unwrap();
    let branches: String = (0..40_000)
        .fold(String::new(), |text, n| text + &format!("(br_if {} (local.get 0))", n * 7919 % 4_000));
    meter(&blocks(4_000, &branches), &limits).unwrap();
    let loops = "(loop ".repeat(4_000) + &branches + &")".repeat(4_000);
    meter(&wat(&format!("(module (func (param i32) {loops}))")), &limits).unwrap();
    // Every function calls every other one of its neighborhood.
    let mut text = "(module".to_owned();
    for i in 0..2_000 {
        text.push_str("(func");
        for j in 0..50 {
            write!(text, "(call {})", (i * 31 + j * 37) % 2_000).unwrap();
        }
        text.push(')');
    }
    meter(&wat(&(text + ")")), &limits).unwrap();
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Charging ahead is exact: whatever returns pays what it pays when each stretch pays for itself.
#[cfg(feature = "wasmi")]
mod exact {
    use arbitrary::Unstructured;

    use super::*;

    const FUEL_LIMIT: i64 = 100_000;

    /// Fuel used by each exported function that returns within the limit, called with this argument.
    fn used(wasm: &[u8], argument: i32) -> Vec<Option<i64>> {
        use wasmi::Val;
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, wasm).unwrap();
        let names: Vec<String> =
            module.exports().filter(|e| e.ty().func().is_some()).map(|e| e.name().to_owned()).collect();
        let call = |name: &String| {
            let mut store = wasmi::Store::new(&engine, ());
            let instance = wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
            let fuel = instance.get_global(&store, FUEL).unwrap();
            fuel.set(&mut store, Val::I64(FUEL_LIMIT)).unwrap();
            instance.get_global(&store, DEPTH).unwrap().set(&mut store, Val::I32(DEPTH_BUDGET)).unwrap();
            let function = instance.get_func(&store, name).unwrap();
            let ty = function.ty(&store);
            let arguments: Vec<Val> =
                ty.params()
                    .iter()
                    .map(|ty| {
                        if *ty == wasmi::ValType::I32 { Val::I32(argument) } else { Val::default_for_ty(*ty) }
                    })
                    .collect();
            let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
            function.call(&mut store, &arguments, &mut results).ok()?;
            Some(FUEL_LIMIT - fuel.get(&store).i64().unwrap())
        };
        names.iter().map(call).collect()
    }

    #[test]
    fn charging_ahead_costs_what_charging_each_stretch_costs() {
        let limits = ModuleLimits::default();
        let (mut compared, mut charges) = (0, 0);
        for seed in 0..300u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .take(4096)
            .collect();
            let config = wasm_smith::Config {
                max_imports: 0,
                allow_start_export: false,
                export_everything: true,
                exceptions_enabled: false,
                extended_const_enabled: false,
                gc_enabled: false,
                memory64_enabled: false,
                reference_types_enabled: false,
                simd_enabled: false,
                relaxed_simd_enabled: false,
                tail_call_enabled: false,
                threads_enabled: false,
                max_tags: 0,
                min_funcs: 4,
                max_instructions: 300,
                max_memory32_bytes: 1 << 16,
                max_table_elements: 100,
                ..wasm_smith::Config::default()
            };
            let module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).unwrap().to_bytes();
            let Ok(read) = Module::read(&module, &limits) else { continue };
            let plain = rewrite_with(read, &limits, Ahead::Nothing, false).unwrap().bytes;
            let ahead = meter(&module, &limits).unwrap().bytes;
            charges += i64::try_from(plain.len()).unwrap() - i64::try_from(ahead.len()).unwrap();
            for argument in [0, 1, 1000] {
                for (plain, ahead) in used(&plain, argument).into_iter().zip(used(&ahead, argument)) {
                    if let (Some(plain), Some(ahead)) = (plain, ahead) {
                        assert_eq!(plain, ahead, "seed {seed}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 500, "{compared}");
        assert!(charges > 0, "charging ahead needs less code");
    }
}
