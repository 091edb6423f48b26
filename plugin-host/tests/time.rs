//! Fuel bounds time: a search for code that takes longer than its fuel is worth, on every engine.
//!
//! Each shape of [`shapes`] runs until the same fuel is used up. No shape may take more than [`RATIO`] times the median
//! of all shapes on that engine; where it is the processor that is slow (it waits for memory, say), the interpreter's
//! median counts. V8 runs twice: by its baseline compiler and by its optimizing one, since a plugin may
//! meet either. The comparison is within one run of one process, so that the speed of the machine does not matter; one
//! test runs at a time; what looks slow is measured again, up to twenty times, and its fastest run counts. What other
//! processes do meanwhile is allowed for by [`NOISE`].
//!
//! `WEIR_SHAPES=first..last` searches random shapes as well, without that allowance: for a machine that does nothing else.
//! `WEIR_SHAPES_PRINT=1` prints the slowest of each engine.

#![cfg(all(feature = "wasmi", feature = "wasmtime"))]
#![allow(clippy::cast_precision_loss)]

#[path = "support/shapes.rs"]
mod shapes;
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use shapes::Shape;
use support::{V8, hex, input};
use weir_plugin_host::admission::{Admitted, ModuleLimits, admit};
use weir_plugin_host::run::{Limits, RunError};
use weir_plugin_host::{transcript, wasmi, wasmtime};

/// How many times the median a shape may take.
const RATIO: f64 = 10.0;
/// By how much a ratio may be wrong on a machine that others use. What this search is for is out by far more: a value that
/// cost nothing and was copied took a thousand times the median.
const NOISE: f64 = 1.6;
/// Tests that measure time run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn searches() -> bool {
    std::env::var_os("WEIR_SHAPES").is_some()
}

fn ratio() -> f64 {
    if searches() { RATIO } else { RATIO * NOISE }
}
/// Enough that an instance's start does not count.
const FUEL: u64 = 300_000;

fn limits(fuel: u64) -> Limits {
    Limits { fuel, ..Limits::default() }
}

/// An engine that can be timed.
trait Timed {
    fn name(&self) -> &'static str;
    /// Loads a metered module and has it compiled; how long that took.
    fn load(&mut self, metered: &[u8]) -> Duration;
    /// Runs what was loaded until this fuel is used up; how long that took.
    fn run(&mut self, fuel: u64) -> Duration;
}

struct Wasmi(wasmi::Engine, Option<wasmi::Module>);
struct Wasmtime(wasmtime::Engine, Option<wasmtime::Module>);
struct Node(&'static str, V8);

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let made = work();
    (started.elapsed(), made)
}

fn out_of_fuel(result: &Result<weir_plugin_host::run::Verdict, RunError>) {
    assert!(matches!(result, Err(RunError::OutOfFuel { .. })), "{result:?}");
}

impl Timed for Wasmi {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn load(&mut self, metered: &[u8]) -> Duration {
        let (took, checked) = timed(|| self.0.check(metered));
        checked.unwrap();
        let module = self.0.load(metered).unwrap();
        // Functions are translated when they are first called.
        module.run(&input("a.b", b"{}"), &limits(1_000));
        self.1 = Some(module);
        took
    }

    fn run(&mut self, fuel: u64) -> Duration {
        let (took, outcome) = timed(|| self.1.as_ref().unwrap().run(&input("a.b", b"{}"), &limits(fuel)));
        out_of_fuel(&outcome.result);
        took
    }
}

impl Timed for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn load(&mut self, metered: &[u8]) -> Duration {
        let (took, module) = timed(|| self.0.load(metered));
        self.1 = Some(module.unwrap());
        took
    }

    fn run(&mut self, fuel: u64) -> Duration {
        let (took, outcome) = timed(|| self.1.as_ref().unwrap().run(&input("a.b", b"{}"), &limits(fuel)));
        out_of_fuel(&outcome.result);
        took
    }
}

impl Node {
    fn ask(&mut self, what: &str, fuel: u64) -> f64 {
        let numbers = transcript::numbers(&limits(fuel));
        let request = json!({ "do": what, "input": hex(&input("a.b", b"{}")), "numbers": numbers });
        self.1.ask(&request).unwrap_or_else(|error| panic!("{error:?}")).as_f64().unwrap()
    }
}

impl Timed for Node {
    fn name(&self) -> &'static str {
        self.0
    }

    fn load(&mut self, metered: &[u8]) -> Duration {
        let (took, loaded) = timed(|| self.1.ask(&json!({ "do": "load", "bytes": hex(metered) })));
        loaded.unwrap();
        // Functions are compiled when they are first called.
        took + Duration::from_secs_f64(self.ask("timed", 1_000) / 1e3)
    }

    fn run(&mut self, fuel: u64) -> Duration {
        Duration::from_secs_f64(self.ask("timed", fuel) / 1e3)
    }
}

/// The engines that gateways run, V8 by each of its compilers.
fn engines() -> Vec<Box<dyn Timed>> {
    vec![
        Box::new(Wasmi(wasmi::Engine::new(), None)),
        Box::new(Node("V8's baseline", V8::start_with(&["--liftoff-only"]))),
        Box::new(Node("V8's optimizer", V8::start_with(&["--no-liftoff"]))),
    ]
}

/// Larger modules are not for wasmtime, which no gateway runs: it compiles for long where it is not optimized itself.
const SMALL: usize = 1_200;

fn wasmtime() -> Box<dyn Timed> {
    Box::new(Wasmtime(wasmtime::Engine::new(256).unwrap(), None))
}

struct Plugin {
    name: String,
    metered: Vec<u8>,
    /// See [`Shape::processor`].
    processor: bool,
}

/// The shapes as metered modules, but for those that are refused: these take no time at all.
fn metered(shapes: Vec<Shape>) -> Vec<Plugin> {
    let count = shapes.len();
    let admitted: Vec<Plugin> = shapes
        .into_iter()
        .filter_map(|shape| {
            let wasm = shape.wasm();
            match admit(&wasm, &ModuleLimits::default()).and_then(Admitted::meter) {
                Ok(metered) => {
                    Some(Plugin { name: shape.name, metered: metered.bytes, processor: shape.processor })
                }
                Err(refusal) => {
                    println!("refused: {}: {refusal}", shape.name);
                    None
                }
            }
        })
        .collect();
    assert!(admitted.len() * 10 > count * 9, "{} of {count} are admitted", admitted.len());
    admitted
}

/// Nanoseconds for one fuel, of the fastest of a few runs.
fn measure(engine: &mut dyn Timed, tries: usize, enough: f64) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..tries {
        best = best.min(engine.run(FUEL).as_secs_f64() * 1e9 / FUEL as f64);
        if best < enough {
            break;
        }
    }
    best
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn searched() -> Vec<Shape> {
    let mut shapes = shapes::all();
    let random = match std::env::var("WEIR_SHAPES") {
        Ok(range) => {
            let (first, last) = range.split_once("..").expect("WEIR_SHAPES=first..last");
            first.parse().unwrap()..last.parse().unwrap()
        }
        Err(_) => 0..60,
    };
    shapes.extend(random.map(shapes::random));
    shapes
}

/// What one engine takes for a fuel, in nanoseconds.
struct Measured<'a> {
    median: f64,
    /// Each shape, the slowest first.
    shapes: Vec<(f64, &'a Plugin)>,
}

/// Measures all shapes on an engine; what takes longer than the bound that `allowed` makes of the median is measured again.
fn measured<'a>(
    engine: &mut dyn Timed,
    plugins: &[&'a Plugin],
    allowed: impl Fn(f64, &Plugin) -> f64,
) -> Measured<'a> {
    let mut shapes: Vec<(f64, &'a Plugin)> = Vec::new();
    for plugin in plugins {
        engine.load(&plugin.metered);
        // Outliers are measured again below, and the median is not theirs to move.
        shapes.push((measure(engine, if searches() { 2 } else { 1 }, 0.0), *plugin));
    }
    let median = median(shapes.iter().map(|(each, _)| *each).collect());
    for (each, plugin) in &mut shapes {
        let bound = allowed(median, plugin);
        if *each > bound {
            engine.load(&plugin.metered);
            *each = each.min(measure(engine, 20, bound));
        }
    }
    shapes.sort_by(|a, b| b.0.total_cmp(&a.0));
    Measured { median, shapes }
}

#[test]
fn no_shape_of_code_takes_ten_times_as_long_as_the_median_for_its_fuel() {
    let _alone = alone();
    let plugins = metered(searched());
    let mut slow = Vec::new();
    let mut interpreter = 0.0;
    for mut engine in engines().into_iter().chain([wasmtime()]) {
        let small = engine.name() == "wasmtime";
        let chosen: Vec<&Plugin> = plugins.iter().filter(|it| !small || it.metered.len() < SMALL).collect();
        // What the processor is slow at takes as long on every engine: there the interpreter is the measure, by which a run
        // is as long as it may be.
        let allowed = |median: f64, plugin: &Plugin| {
            ratio() * if plugin.processor { median.max(interpreter) } else { median }
        };
        let Measured { median, shapes } = measured(&mut *engine, &chosen, allowed);
        if std::env::var_os("WEIR_SHAPES_PRINT").is_some() {
            println!("{}: the median is {median:.2} ns a fuel", engine.name());
            for (each, plugin) in shapes.iter().take(60) {
                println!(
                    "  {:7.1}  {}{}",
                    each / median,
                    plugin.name,
                    if plugin.processor { " *" } else { "" }
                );
            }
        }
        let found = shapes.iter().filter(|(each, plugin)| *each > allowed(median, plugin));
        slow.extend(found.map(|(each, plugin)| {
            format!("{}: {} takes {:.1} times the median", engine.name(), plugin.name, each / median)
        }));
        if engine.name() == "wasmi" {
            interpreter = median;
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

/// How many times as long as ordinary code of the same size a module may take to be translated, or an instance of it to be
/// made.
const HEAVIER: f64 = 10.0;

/// The largest module of ordinary code.
fn ordinary() -> Vec<u8> {
    let shapes = shapes::all().into_iter().filter(|shape| shape.name == "400 KB of mixed code");
    metered(shapes.collect()).pop().expect("it is in the list").metered
}

/// What takes more than [`HEAVIER`] times as long as the ordinary module, by any engine.
fn outliers(modules: &[Plugin], work: impl Fn(&mut dyn Timed, &[u8]) -> Duration) -> Vec<String> {
    let ordinary = ordinary();
    let mut slow = Vec::new();
    for mut engine in engines() {
        let usual = (0..3).map(|_| work(&mut *engine, &ordinary)).min().unwrap_or_default();
        let bound = usual.mul_f64(HEAVIER * NOISE);
        for Plugin { name, metered, .. } in modules {
            let mut took = work(&mut *engine, metered);
            for _ in 0..3 {
                if took > bound {
                    took = took.min(work(&mut *engine, metered));
                }
            }
            if std::env::var_os("WEIR_SHAPES_PRINT").is_some() {
                let ratio = took.as_secs_f64() / usual.as_secs_f64();
                println!("{}: {name}: {took:.1?}, {ratio:.2} of {usual:.1?}", engine.name());
            }
            if took > bound {
                slow.push(format!("{}: {name} takes {took:.1?}, ordinary code {usual:.1?}", engine.name()));
            }
        }
    }
    slow
}

#[test]
fn no_module_takes_ten_times_as_long_to_translate_as_the_largest_ordinary_one() {
    let _alone = alone();
    let modules = metered(shapes::heavy());
    let slow = outliers(&modules, |engine, metered| engine.load(metered));
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
fn no_instance_takes_long_to_make() {
    let _alone = alone();
    let modules = metered(shapes::bulky());
    for mut engine in engines() {
        for Plugin { name, metered, .. } in &modules {
            engine.load(metered);
            let took = (0..20).map(|_| engine.run(100)).min().unwrap_or_default();
            if std::env::var_os("WEIR_SHAPES_PRINT").is_some() {
                println!("{}: {name}: {took:.1?}", engine.name());
            }
            // As long as the interpreter takes for a hundredth of a run's fuel.
            assert!(took < Duration::from_millis(10), "{}: {name} takes {took:?}", engine.name());
        }
    }
}
