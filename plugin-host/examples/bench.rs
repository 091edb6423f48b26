//! What a plugin costs on each engine, a fresh instance for each event, and what metering costs on V8.
//!
//! `cargo run --release -p weir-plugin-host --features wasmi,wasmtime --example bench -- plugin.wasm [body] [config]`
//! prints one JSON object a line: microseconds, ratios within this run. `body` and `config` are files.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::Event;
use weir_plugin_host::run::{Limits, Outcome};

const ROUNDS: usize = 101;
/// Short, so that most rounds are not interrupted, however busy the machine is.
const ROUND: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let plugin = arguments.next().ok_or("give a plugin's wasm file")?;
    let body = arguments.next().map_or(Ok(default_body()), std::fs::read)?;
    let config = arguments.next().map_or(Ok(String::new()), std::fs::read_to_string)?;
    let name = plugin.file_stem().unwrap_or_default().to_string_lossy().into_owned();

    let wasm = std::fs::read(&plugin)?;
    let started = Instant::now();
    let metered = admit(&wasm, &ModuleLimits::default())?.meter()?;
    let upload = started.elapsed();
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    let input = Event {
        id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        event_type: "invoice.paid",
        timestamp_ms: 1_790_000_000_000,
        attempt: 1,
        app_id: "app_1",
        endpoint_id: "ep_1",
        headers: &headers,
        config: config.trim(),
        body: &body,
    }
    .encode();

    let limits = Limits::default();
    let wasmi = weir_plugin_host::wasmi::Engine::new().load(&metered.bytes)?;
    let wasmtime = weir_plugin_host::wasmtime::Engine::new(256)?.load(&metered.bytes)?;
    let outcome = wasmi.run(&input, &limits);
    let print = |case: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>| {
        let mut line = json!({ "bench": "plugin", "case": format!("{name} {case}"), "value": round(value), "unit": unit });
        if let Some((ratio, against)) = ratio {
            line["ratio"] = json!(round(ratio));
            line["against"] = json!(against);
        }
        println!("{line}");
    };
    let size = |bytes: &[u8]| f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    print("size metered", size(&metered.bytes), "B", Some((size(&metered.bytes) / size(&wasm), "bare")));
    print("admit and meter", upload.as_secs_f64() * 1e6, "us", None);
    print("fuel", f64::from(u32::try_from(outcome.fuel)?), "fuel", None);
    let outcome = outcome.result.map_err(|error| error.to_string())?;
    eprintln!("verdict: {}", format!("{outcome:?}").chars().take(120).collect::<String>());

    let compiled = time(|| wasmtime.run(&input, &limits));
    print("wasmtime", compiled, "us", None);
    let interpreted = time(|| wasmi.run(&input, &limits));
    print("wasmi", interpreted, "us", Some((interpreted / compiled, "wasmtime")));

    let folder = std::env::temp_dir().join(format!("weir-plugin-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file =
        |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).map(|()| folder.join(name));
    let (metered, input) = (file("metered.wasm", &metered.bytes)?, file("input", &input)?);
    let times = v8(&plugin, &metered, &input)?;
    std::fs::remove_dir_all(&folder)?;
    for kind in ["event", "calls"] {
        let value = |which: &str| times[kind][which].as_f64().unwrap_or(f64::NAN);
        print(&format!("v8 {kind} bare"), value("bare"), "us", None);
        print(
            &format!("v8 {kind} metered"),
            value("metered"),
            "us",
            Some((times[kind]["ratio"].as_f64().unwrap_or(f64::NAN), "bare")),
        );
    }
    Ok(())
}

/// Bare and metered on Node's V8, taken in turns.
fn v8(bare: &Path, metered: &Path, input: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bench.mjs");
    let node = std::env::var_os("WEIR_NODE").unwrap_or_else(|| "node".into());
    let output = Command::new(node).arg(script).args([bare, metered, input]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The lower quartile of the rounds, in microseconds for one run: what a busy machine adds is in the others.
fn time(mut run: impl FnMut() -> Outcome) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (started, mut runs) = (Instant::now(), 0);
            while runs == 0 || started.elapsed() < ROUND {
                std::hint::black_box(run());
                runs += 1;
            }
            started.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 4]
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// About a kilobyte of an invoice.
fn default_body() -> Vec<u8> {
    let lines: Vec<_> = (0..7)
        .map(|n| json!({ "id": format!("li_{n:04}"), "description": "Monthly plan, \"pro\" tier", "amount": 1250 + n, "tags": ["a", "b"], "taxed": true }))
        .collect();
    json!({
        "id": "in_1Nabc", "type": "invoice.paid", "email": "ada@example.com", "card": "4242 4242 4242 4242",
        "total": 8771.25, "currency": "eur", "customer": { "name": "Ada L.", "city": "Paris" }, "lines": lines
    })
    .to_string()
    .into_bytes()
}
