//! What a plugin costs in a gateway, by the engine that runs it.
//!
//! Messages go to an endpoint whose chain has the plugin once or seven times, and at its end one that filters
//! everything out. The difference of workerd's processor time is what six runs cost, with all that is around them.

use crate::client::Api;
use crate::gateway::Running;
use crate::process;
use crate::receiver::Receiver;
use serde_json::{Value, json};
use std::time::Duration;

/// How often the plugin stands in the longer chain, beyond the first.
const MORE: usize = 6;
const ROUNDS: usize = 5;
/// How long messages may take until all are filtered out.
const PATIENCE: Duration = Duration::from_mins(2);

/// An engine, and how many messages of about 1 KB it gets.
const ENGINES: [(&str, usize); 3] = [("v8", 600), ("loader", 300), ("wasmi", 150)];

/// Prints a JSON object a line: the processor time of a run, for 1 KB and 16 KB, by engine.
pub fn bench() -> Result<(), String> {
    let redact = xtask::plugins::ensure_built()?.join("redact.wasm");
    let redact = std::fs::read(&redact).map_err(|error| format!("{}: {error}", redact.display()))?;
    for (name, lines) in [("1 KB", 8), ("16 KB", 156)] {
        let mut first = None;
        for (engine, messages) in ENGINES {
            let messages = if lines > 8 { messages / 6 } else { messages };
            let mut options = Running::options(&[]);
            options.loader = engine == "loader";
            let gateway = Running::with(options);
            let scene = Scene::new(&gateway, (engine != "v8").then_some(&redact[..]))?;
            let body = xtask::bench::invoice(lines);
            scene.passes(1 + MORE, 20, &body)?; // loaded, and compiled
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let (one, many) =
                    (scene.passes(1, messages, &body)?, scene.passes(1 + MORE, messages, &body)?);
                rounds.push((many - one) / count(messages * MORE));
            }
            rounds.sort_by(f64::total_cmp);
            let median = rounds[ROUNDS / 2];
            let against = *first.get_or_insert(median);
            let case = format!("redact {name} in the gateway, {engine}");
            let round = |value: f64| (value * 1000.0).round() / 1000.0;
            println!(
                "{}",
                json!({ "bench": "plugin", "case": case, "value": round(median), "unit": "us of processor time",
                    "ratio": round(median / against), "against": "v8" })
            );
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
    _receiver: Receiver,
}

impl<'a> Scene<'a> {
    /// With the bundled plugin, or one that is uploaded.
    fn new(gateway: &'a Running, upload: Option<&[u8]>) -> Result<Self, String> {
        let (api, receiver) = (gateway.tenant(), Receiver::start());
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url("/"));
        let plugin = if upload.is_some() { "own" } else { "redact" };
        if let Some(module) = upload {
            let (status, body) = api.upload(plugin, module);
            if status != 201 {
                return Err(format!("the plugin was not taken: {status} {body}"));
            }
        }
        Ok(Self { gateway, api, app, endpoint, plugin, _receiver: receiver })
    }

    /// The processor time, in microseconds, in which so many messages pass so many plugins.
    fn passes(&self, plugins: usize, messages: usize, body: &str) -> Result<f64, String> {
        let pid = self.gateway.pid().ok_or("the gateway has no process id")?;
        let cpu = || process::cpu_us(pid).ok_or("workerd's processor time cannot be read here");
        let base = format!("/api/v1/app/{}/endpoint/{}", self.app, self.endpoint);
        // Another mask for each, so that each changes the body.
        let chain = (0..plugins).map(|n| {
            let config = json!({ "mask": ["card"], "emails": true, "with": format!("[{n}]") });
            json!({ "name": self.plugin, "config": config })
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
            self.api.send(&self.app, body);
        }
        let wanted = before + messages as u64;
        self.api.until(&stats, PATIENCE, |stats| canceled(stats) >= wanted);
        Ok(count(usize::try_from(cpu()? - spent).unwrap_or(0)))
    }
}
