//! Bytes that were never a module, or no longer are: nothing panics, and what is admitted is valid once metered, loads,
//! and ends.
//!
//! Runs on stable from seeds; `WEIR_FUZZ_SEEDS=first..last` runs others and more. `fuzz/` has the same targets guided by
//! coverage.

#![cfg(feature = "wasmi")]

#[path = "support/random.rs"]
mod random;

use std::path::PathBuf;

use random::Random;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::{Event, Patch};
use weir_plugin_host::manifest::Manifest;
use weir_plugin_host::meter::meter;
use weir_plugin_host::run::Limits;
use weir_plugin_host::wasmi::Engine;

/// An index below `n`.
fn index(random: &mut Random, n: usize) -> usize {
    usize::try_from(random.below(u64::try_from(n).unwrap())).unwrap()
}

/// Changes a few bytes: to another value, to one that formats like, away, twice, or from another of the corpus.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const LIKED: [u8; 16] =
        [0, 1, 2, 5, 0x0b, 0x0f, 0x10, 0x20, 0x40, 0x60, 0x7e, 0x7f, 0x80, 0xfc, 0xfe, 0xff];
    for _ in 0..=index(random, 4) {
        let at = index(random, bytes.len());
        match index(random, 6) {
            _ if bytes.is_empty() => bytes.push(0),
            0 => bytes[at] ^= 1 << index(random, 8),
            1 => bytes[at] = LIKED[index(random, LIKED.len())],
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => {
                bytes.remove(at);
            }
            4 => {
                let end = (at + index(random, 24)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let from = index(random, other.len());
                let end = (from + index(random, 24)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
}

fn rounds(default: u64) -> std::ops::Range<u64> {
    match std::env::var("WEIR_FUZZ_SEEDS") {
        Ok(range) => {
            let (first, last) = range.split_once("..").expect("WEIR_FUZZ_SEEDS=first..last");
            first.parse().unwrap()..last.parse().unwrap()
        }
        Err(_) => 0..default,
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    // The largest would only be slow.
    paths.iter().map(|path| wat::parse_file(path).unwrap()).filter(|wasm| wasm.len() < 4096).collect()
}

#[test]
fn no_module_makes_admission_metering_or_a_run_panic() {
    let corpus = corpus();
    let engine = Engine::new();
    let input = Event {
        id: "m",
        event_type: "t",
        timestamp_ms: 0,
        attempt: 1,
        app_id: "a",
        endpoint_id: "e",
        headers: &[],
        config: "",
        body: b"{}",
    }
    .encode();
    let limits = Limits { fuel: 20_000, ..Limits::default() };
    let (mut valid, mut ran) = (0, 0);
    let seeds = rounds(40_000);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let mut random = Random(seed);
        let mut wasm = corpus[index(&mut random, corpus.len())].clone();
        mutate(&mut wasm, &corpus[index(&mut random, corpus.len())], &mut random);
        if let Ok(metered) = meter(&wasm, &ModuleLimits::default()) {
            valid += 1;
            wasmparser::Validator::new()
                .validate_all(&metered.bytes)
                .unwrap_or_else(|e| panic!("seed {seed}: metered, it is not valid: {e}"));
        }
        let Ok(admitted) = admit(&wasm, &ModuleLimits::default()) else { continue };
        let Ok(metered) = admitted.meter() else { continue };
        let module = engine.load(&metered.bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let outcome = module.run(&input, &limits);
        let code = outcome.result.as_ref().err().map(weir_plugin_host::run::RunError::code);
        assert!(code != Some("host") && code != Some("too_much_input"), "seed {seed}: {outcome:?}");
        assert!(outcome.fuel <= limits.fuel && outcome.memory_pages <= 256, "seed {seed}: {outcome:?}");
        ran += 1;
    }
    println!("{count} mutants: {valid} valid, {ran} admitted and run");
    assert!(valid > count / 50 && ran > count / 100, "{valid} valid, {ran} ran");
}

#[test]
fn no_frame_makes_the_decoder_panic_and_what_is_read_is_what_http_can_carry() {
    let word = |n: u32| n.to_le_bytes();
    let mut good = Vec::new();
    for n in [1, 3, 2, 44, 3, 7, 47, 27, 9, 74, 5] {
        good.extend(word(n));
    }
    good.extend(b"a.b\x02\0\0\0\x03\0\0\0\x01\0\0\0x-ay\x03\0\0\0\xff\xff\xff\xffx-b");
    good.extend(b"hello");
    assert!(Patch::decode(&good).is_ok());
    let mut read = 0;
    let seeds = rounds(300_000);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let mut random = Random(seed ^ 0x5eed);
        let mut frame = good.clone();
        mutate(&mut frame, &good, &mut random);
        let Ok(patch) = Patch::decode(&frame) else { continue };
        read += 1;
        assert!(patch.body.is_none_or(|body| body.len() <= frame.len()));
        assert!(patch.event_type.is_none_or(|ty| !ty.is_empty() && ty.len() <= 256));
        for change in &patch.headers {
            assert!(
                !change.name.is_empty() && change.name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
            );
            assert!(change.value.as_ref().is_none_or(|value| !value.contains(['\r', '\n', '\0'])));
        }
    }
    assert!(read > count / 100, "{read} of {count} could be read");
}

#[test]
fn no_manifest_makes_its_reader_panic() {
    let good =
        br#"{"name":"redact","version":"1.0.0","abi":1,"configSchema":{"a":[1]},"eventTypes":["a.*"]}"#;
    let mut read = 0;
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let mut bytes = good.to_vec();
        mutate(&mut bytes, good, &mut random);
        read += u32::from(Manifest::read(&bytes).is_ok());
    }
    assert!(read > 100, "{read}");
}
