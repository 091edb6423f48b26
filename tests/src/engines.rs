//! The cost of a plugin in a gateway, for each engine.
//!
//! Messages go to an endpoint whose chain has the plugin once or seven times, and at its end one that filters
//! everything out. The difference of workerd's processor time is what six runs cost, with all that is around them.
//!
//! What metering costs is measured apart, on the same V8 with nothing around it: bare and metered in turns.

use crate::client::Api;
use crate::gateway::{Running, scratch};
use crate::process;
use crate::receiver::Receiver;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::Event;

/// How often the plugin stands in the longer chain, beyond the first.
const MORE: usize = 6;
const ROUNDS: usize = 5;
/// How long messages may take until all are filtered out.
const PATIENCE: Duration = Duration::from_mins(2);

/// An engine, and how many messages of about 1 KB it gets.
const ENGINES: [(&str, usize); 3] = [("v8", 600), ("loader", 300), ("wasmi", 150)];

/// What is measured bare and metered: plugin, configuration, lines of the invoice, events for each request.
const METERED: [(&str, &str, usize, usize); 3] = [
    ("redact", REDACT, 8, 5_000),
    ("redact", REDACT, 156, 1_000),
    ("filter", r#"{"when": "type == \"invoice.paid\""}"#, 8, 5_000),
];
const REDACT: &str = r#"{"mask": ["card"], "emails": true}"#;
/// Rounds of bare and metered, and how many of them only warm up.
const TURNS: usize = 25;
const WARM_UP: usize = 5;

/// Prints a JSON object a line: what metering costs, and the processor time of a run by engine, for 1 KB and 16 KB.
pub fn bench() -> Result<(), String> {
    for (plugin, config, lines, runs) in METERED {
        metering(plugin, config, lines, runs)?;
    }
    gateways()
}

/// Bare and metered on workerd's V8, a fresh instance for each event.
fn metering(plugin: &str, config: &str, lines: usize, runs: usize) -> Result<(), String> {
    let wasm = module(plugin)?;
    let admitted = admit(&wasm, &ModuleLimits::default()).map_err(|refusal| refusal.to_string())?;
    let metered = admitted.meter().map_err(|refusal| refusal.to_string())?.bytes;
    let body = xtask::bench::invoice(lines);
    let input = Event {
        id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        event_type: "invoice.paid",
        timestamp_ms: 1_790_000_000_000,
        attempt: 1,
        app_id: "app_1",
        endpoint_id: "ep_1",
        headers: &[("content-type".to_owned(), "application/json".to_owned())],
        config,
        body: body.as_bytes(),
    }
    .encode();

    let dir = scratch("metering");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).map_err(|e| e.to_string());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in ["v8/entry.mjs", "../plugin-host/examples/instance.mjs"] {
        let source = root.join(source);
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        write(&name, &fs::read(&source).map_err(|e| format!("{}: {e}", source.display()))?)?;
    }
    write("bare.wasm", &wasm)?;
    write("metered.wasm", &metered)?;
    let mut options = Running::options(&[]);
    options.worker_dir = Some(dir);
    let gateway = Running::with(options);
    let pid = gateway.pid().ok_or("workerd has no process id")?;
    let cpu = || process::cpu_us(pid).ok_or("workerd's processor time cannot be read here");
    let agent = ureq::Agent::new_with_defaults();
    let took = |which: &str| {
        let url = format!("{}/{which}?runs={runs}", gateway.url());
        let before = cpu()?;
        agent.post(url).send(&input[..]).map_err(|error| error.to_string())?;
        Ok::<f64, String>(count(usize::try_from(cpu()? - before).unwrap_or(0)) / count(runs))
    };
    let (mut bare, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // In turns, so that a busy machine is busy for both.
        let (a, b) = if turn % 2 == 0 {
            let a = took("bare")?;
            (a, took("metered")?)
        } else {
            let b = took("metered")?;
            (took("bare")?, b)
        };
        if turn >= WARM_UP {
            bare.push(a);
            with.push(b);
            ratios.push(b / a);
        }
    }
    let case = |which: &str| format!("{plugin} {} B on workerd's V8, {which}", body.len());
    print(&case("bare"), median(bare), None);
    print(&case("metered"), median(with), Some((median(ratios), "bare")));
    Ok(())
}

/// A shipped plugin's bytes.
fn module(plugin: &str) -> Result<Vec<u8>, String> {
    let path = xtask::plugins::ensure_built()?.join(format!("{plugin}.wasm"));
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn print(case: &str, value: f64, ratio: Option<(f64, &str)>) {
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    let unit = "us of processor time";
    let mut line = json!({ "bench": "plugin", "case": case, "value": round(value), "unit": unit });
    if let Some((ratio, against)) = ratio {
        line["ratio"] = json!(round(ratio));
        line["against"] = json!(against);
    }
    println!("{line}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn gateways() -> Result<(), String> {
    for (plugin, size, lines) in [("redact", "1 KB", 8), ("redact", "16 KB", 156), ("filter", "1 KB", 8)] {
        let wasm = module(plugin)?;
        let mut first = None;
        for (engine, messages) in ENGINES {
            let messages = if lines > 8 { messages / 6 } else { messages };
            let mut options = Running::options(&[]);
            options.loader = engine == "loader";
            let gateway = Running::with(options);
            let scene = Scene::new(&gateway, plugin, (engine != "v8").then_some(&wasm[..]))?;
            let body = xtask::bench::invoice(lines);
            scene.passes(1 + MORE, 20, &body)?; // loaded, and compiled
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let (one, many) =
                    (scene.passes(1, messages, &body)?, scene.passes(1 + MORE, messages, &body)?);
                rounds.push((many - one) / count(messages * MORE));
            }
            let median = median(rounds);
            let against = *first.get_or_insert(median);
            let case = format!("{plugin} {size} in the gateway, {engine}");
            print(&case, median, Some((median / against, "v8")));
        }
    }
    Ok(())
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::NAN, f64::from)
}

struct Scene<'a> {
    gateway: &'a Running,
    api: Api,
    app: String,
    endpoint: String,
    plugin: &'static str,
    /// Under which name it runs.
    name: &'static str,
    _receiver: Receiver,
}

impl<'a> Scene<'a> {
    /// With the bundled plugin, or one that is uploaded.
    fn new(gateway: &'a Running, plugin: &'static str, upload: Option<&[u8]>) -> Result<Self, String> {
        let (api, receiver) = (gateway.tenant(), Receiver::start());
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url("/"));
        let name = if upload.is_some() { "own" } else { plugin };
        if let Some(module) = upload {
            let (status, body) = api.upload(name, module);
            if status != 201 {
                return Err(format!("the plugin was not taken: {status} {body}"));
            }
        }
        Ok(Self { gateway, api, app, endpoint, plugin, name, _receiver: receiver })
    }

    /// The processor time, in microseconds, in which so many messages pass so many plugins.
    fn passes(&self, plugins: usize, messages: usize, body: &str) -> Result<f64, String> {
        let pid = self.gateway.pid().ok_or("the gateway has no process id")?;
        let cpu = || process::cpu_us(pid).ok_or("workerd's processor time cannot be read here");
        let base = format!("/api/v1/app/{}/endpoint/{}", self.app, self.endpoint);
        let chain = (0..plugins).map(|n| {
            let config = match self.plugin {
                // Another mask for each, so that each changes the body.
                "redact" => json!({ "mask": ["card"], "emails": true, "with": format!("[{n}]") }),
                _ => json!({ "when": "type == \"invoice.paid\"" }),
            };
            json!({ "name": self.name, "config": config })
        });
        let end = json!({ "name": "filter", "config": { "when": "type == \"none\"" } });
        let chain: Vec<Value> = chain.chain([end]).collect();
        let (status, body_of) = self.api.put(&format!("{base}/plugins"), &json!({ "plugins": chain }));
        if status != 200 {
            return Err(format!("the plugins were not attached: {body_of}"));
        }
        let canceled = |stats: &Value| stats["canceled"].as_u64().unwrap_or(0);
        let stats = format!("{base}/stats");
        let before = canceled(&self.api.get(&stats).1);
        let spent = cpu()?;
        for _ in 0..messages {
            self.api.send_as(&self.app, "invoice.paid", body);
        }
        let wanted = before + messages as u64;
        self.api.until(&stats, PATIENCE, |stats| canceled(stats) >= wanted);
        Ok(count(usize::try_from(cpu()? - spent).unwrap_or(0)))
    }
}
