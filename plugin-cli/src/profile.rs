//! `run --profile`: which functions used the fuel.
//!
//! The module is metered a second time, so that every function counts what it spends itself; the sum is the fuel that is
//! shown. A function that was inlined is a part of the one that it went into.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use weir_plugin_host::admission::ModuleLimits;
use weir_plugin_host::run::Limits;
use weir_plugin_host::{meter, names, wasmi};

/// How many functions the text shows; JSON has them all.
const SHOWN: usize = 15;

/// A module that tells what its functions spend.
pub(crate) struct Profiler {
    module: wasmi::Module,
    names: BTreeMap<u32, String>,
}

impl Profiler {
    /// For a module that was admitted.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, String> {
        let metered = meter::profile(bytes, &ModuleLimits::default()).map_err(|no| no.to_string())?;
        let module = wasmi::Engine::new().load(&metered.bytes)?;
        let mut names = names::of_functions(bytes);
        for name in names.values_mut() {
            *name = format!("{:#}", rustc_demangle::demangle(name));
        }
        let functions = u32::try_from(metered.functions).unwrap_or(u32::MAX);
        for (helper, does) in (functions..).zip(metered.helpers) {
            names.insert(helper, does.to_owned());
        }
        Ok(Self { module, names })
    }

    /// Runs it on an input frame.
    pub(crate) fn run(&self, input: &[u8], limits: &Limits) -> Profile {
        let (_, spent) = self.module.run_profiled(input, limits);
        let named = |(function, fuel)| {
            let name = self.names.get(&function).cloned();
            Entry { function, name: name.unwrap_or_else(|| format!("function {function}")), fuel }
        };
        let mut entries: Vec<Entry> = spent.into_iter().map(named).collect();
        entries.sort_by(|a, b| b.fuel.cmp(&a.fuel).then(a.function.cmp(&b.function)));
        Profile(entries)
    }
}

struct Entry {
    function: u32,
    name: String,
    fuel: u64,
}

/// What functions spent themselves, the most first.
pub(crate) struct Profile(Vec<Entry>);

impl Profile {
    /// A list of all.
    pub(crate) fn as_json(&self) -> Value {
        let entry =
            |entry: &Entry| json!({ "function": entry.function, "name": entry.name, "fuel": entry.fuel });
        Value::Array(self.0.iter().map(entry).collect())
    }

    /// The first, with their shares.
    pub(crate) fn as_text(&self) -> String {
        let all: u64 = self.0.iter().map(|entry| entry.fuel).sum();
        let mut text = String::new();
        let mut line = |fuel: u64, name: &str| {
            let per_mille = fuel.saturating_mul(1000) / all.max(1);
            let _ = writeln!(text, "  {:3}.{} % {fuel:10}  {name}", per_mille / 10, per_mille % 10);
        };
        for entry in self.0.iter().take(SHOWN) {
            line(entry.fuel, &entry.name);
        }
        if let Some(rest @ [_, ..]) = self.0.get(SHOWN..) {
            line(rest.iter().map(|entry| entry.fuel).sum(), &format!("{} other functions", rest.len()));
        }
        text
    }
}
