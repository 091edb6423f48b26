//! What authors read says what the code does: every code is explained, every limit is told as it is.

use std::collections::BTreeSet;

use weir_plugin_host::admission::ModuleLimits;
use weir_plugin_host::manifest;
use weir_plugin_host::meter::DEPTH_BUDGET;
use weir_plugin_host::run::{ERROR_TEXT_BYTES, Limits};

const GUIDE: &str = include_str!("../../plugin-sdk/README.md");
const ABI: &str = include_str!("../abi-v1.md");

/// The codes that a file's `fn code` can answer.
fn codes(source: &str) -> BTreeSet<&str> {
    let (_, function) = source.split_once("pub const fn code(&self) -> &'static str {").expect("a function");
    let (function, _) = function.split_once("\n    }\n").expect("its end");
    function.lines().filter_map(|line| line.trim().split_once("=> \"")?.1.strip_suffix("\",")).collect()
}

/// The codes in the first column of the table below a heading of the guide.
fn explained(heading: &str) -> BTreeSet<&'static str> {
    let (_, section) = GUIDE.split_once(&format!("## {heading}\n")).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    rows.flat_map(|(first, _)| first.split(", ")).map(|code| code.trim_matches('`')).collect()
}

#[test]
fn every_refusal_is_explained() {
    let mut known = codes(include_str!("../src/refusal.rs"));
    assert!(known.len() > 15, "{known:?}");
    // Not admission's: the gateway checks configurations, and the engine that would run it has the last word.
    known.extend(["config_schema", "engine"]);
    assert_eq!(explained("When the gateway refuses a module"), known);
}

#[test]
fn every_end_of_a_run_is_explained() {
    let mut known = codes(include_str!("../src/run.rs"));
    assert!(known.len() > 10, "{known:?}");
    // The gateway's own, and what a plugin answers itself.
    known.extend(["header", "missing", "error", "permanent"]);
    assert_eq!(explained("When a run ends without a verdict"), known);
}

#[test]
fn the_limits_are_told_as_they_are() {
    let (run, module) = (Limits::default(), ModuleLimits::default());
    let told = |text: &str, what: &str| assert!(text.contains(what), "it does not say: {what}");
    let grouped = |n: u64| {
        let digits = n.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        groups.join(",")
    };
    let size = |bytes: usize| match bytes {
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    };
    let memory = usize::try_from(module.memory_pages).unwrap() << 16;
    told(GUIDE, &format!("| fuel | {}", grouped(run.fuel)));
    for (name, bytes) in [
        ("memory", memory),
        ("module", module.bytes),
        ("input", run.input_bytes),
        ("output", run.output_bytes),
        ("log", run.log_bytes),
        ("error text, reason", ERROR_TEXT_BYTES),
    ] {
        told(GUIDE, &format!("| {name} | {} |", size(bytes)));
    }
    assert_eq!(module.metered_bytes, 1_900_000);
    told(GUIDE, "1.9 MB once metered");
    told(GUIDE, &format!("at most {} pages to begin with", module.memory_pages));

    for what in [
        format!("{} by default", grouped(run.fuel)),
        format!("at most {} by default", size(run.output_bytes)),
        format!("the last {} by default", size(run.log_bytes)),
        format!("the first {}", size(ERROR_TEXT_BYTES)),
        format!("at most {} pages ({})", module.memory_pages, size(memory)),
        format!("{} slots of 8 bytes", grouped(u64::try_from(DEPTH_BUDGET).unwrap())),
        format!("stacked values of one function: at most {}", grouped(module.locals)),
        format!("more than {}.", size(module.bytes)),
        format!("at most once, at most {}: one JSON object", size(manifest::MAX_BYTES)),
    ] {
        told(ABI, &what);
    }
}
