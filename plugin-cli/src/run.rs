//! `run`: events through a plugin, and what becomes of them.

use crate::args::Run;
use crate::engine::Module;
use crate::event::{self, Event};
use crate::profile::Profiler;
use crate::{build, config, diff};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::IsTerminal;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame;
use weir_plugin_host::run::{Limits, Outcome, Verdict};

/// Runs a plugin on events; whether none failed.
pub(crate) fn run(options: &Run) -> Result<bool, String> {
    let bytes = if options.profile {
        build::bytes_with_names(&options.plugin)?
    } else {
        build::bytes(&options.plugin)?
    };
    let refused =
        |code: &str, message: String| format!("The gateway would refuse this plugin ({code}): {message}");
    let admitted =
        admit(&bytes, &ModuleLimits::default()).map_err(|no| refused(no.code(), no.to_string()))?;
    let schema = config::schema(admitted.manifest.as_ref()).map_err(|no| refused("config_schema", no))?;
    let metered = admitted.meter().map_err(|no| refused(no.code(), no.to_string()))?;
    let engine = options.engine.as_deref().unwrap_or("wasmi");
    let module = Module::load(engine, &metered.bytes)?;
    let profiler = options.profile.then(|| Profiler::new(&bytes)).transpose()?;
    let given = match options.config.as_deref() {
        Some(config) => Some(match config.strip_prefix('@') {
            Some(path) => {
                fs::read_to_string(path).map_err(|error| format!("Could not read {path}: {error}."))?
            }
            None => config.to_owned(),
        }),
        None => None,
    };
    let mut limits = Limits::default();
    limits.fuel = options.fuel.unwrap_or(limits.fuel);
    let mut ok = true;
    for event in event::collect(&options.events, options.event_type.as_deref(), given.as_deref())? {
        config::check(schema.as_ref(), &event.config).map_err(|no| format!("{}: {no}", event.source))?;
        let input = frame::Event {
            id: &event.id,
            event_type: &event.event_type,
            timestamp_ms: event.timestamp,
            attempt: event.attempt,
            app_id: &event.app_id,
            endpoint_id: &event.endpoint_id,
            headers: &event.headers,
            config: &event.config,
            body: &event.body,
        };
        let input = input.encode();
        let outcome = module.run(&input, &limits);
        let profile = profiler.as_ref().map(|profiler| profiler.run(&input, &limits));
        ok &= !matches!(outcome.result, Err(_) | Ok(Verdict::Error { .. }));
        if options.json {
            let mut line = as_json(&event, &outcome, limits.fuel);
            line["engine"] = engine.into();
            if let Some(profile) = &profile {
                line["profile"] = profile.as_json();
            }
            println!("{line}");
        } else {
            print!("{}", as_text(&event, &outcome, limits.fuel, std::io::stdout().is_terminal()));
            print!("{}", profile.map(|profile| profile.as_text()).unwrap_or_default());
        }
    }
    Ok(ok)
}

/// A verdict's word, and what was said with it.
fn verdict(outcome: &Outcome) -> (&'static str, Option<String>) {
    match &outcome.result {
        Ok(Verdict::Unchanged) => ("unchanged", None),
        Ok(Verdict::Replace(_)) => ("replace", None),
        Ok(Verdict::Drop { reason }) => ("drop", Some(reason.clone())),
        Ok(Verdict::Error { retryable: true, message }) => ("retry", Some(message.clone())),
        Ok(Verdict::Error { retryable: false, message }) => ("fail", Some(message.clone())),
        Err(error) => (error.code(), Some(error.to_string())),
    }
}

/// The answer of the gateway's own test run, as far as there is one here.
fn as_json(event: &Event, outcome: &Outcome, limit: u64) -> Value {
    let (word, said) = verdict(outcome);
    let mut line = json!({
        "source": event.source,
        "verdict": word,
        "fuel": outcome.fuel,
        "fuelLimit": limit,
        "memoryPages": outcome.memory_pages,
        "logs": outcome.logs.lines.iter().map(|line| json!({"level": line.level.name(), "text": line.text})).collect::<Vec<_>>(),
    });
    if let Some(said) = said {
        line[if word == "drop" { "reason" } else { "error" }] = said.into();
    }
    if let Ok(Verdict::Replace(patch)) = &outcome.result {
        let after = patch.body.as_deref().unwrap_or(&event.body);
        line["eventType"] = patch.event_type.as_ref().unwrap_or(&event.event_type).as_str().into();
        line["payload"] = String::from_utf8_lossy(after).into();
        let headers = patch.headers.iter().map(|change| (change.name.clone(), change.value.clone().into()));
        line["headers"] = Value::Object(headers.collect::<Map<_, _>>());
        if patch.body.is_some() {
            line["diff"] = diff::lines(&event.body, after).into();
        }
    }
    line
}

fn as_text(event: &Event, outcome: &Outcome, limit: u64, color: bool) -> String {
    let paint = |code: &str, text: &str| {
        if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let (word, said) = verdict(outcome);
    let code = match word {
        "unchanged" | "replace" => "32",
        "drop" => "33",
        _ => "31",
    };
    let mut text = String::new();
    let _ = write!(text, "{}: {}", event.source, paint(code, word));
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        let _ = write!(text, " ({said})");
    }
    text.push('\n');
    if let Ok(Verdict::Replace(patch)) = &outcome.result {
        if let Some(name) = &patch.event_type {
            let _ = writeln!(text, "  type  {} → {name}", event.event_type);
        }
        for change in &patch.headers {
            let _ = match &change.value {
                Some(value) => writeln!(text, "  {}", paint("32", &format!("+{}: {value}", change.name))),
                None => writeln!(text, "  {}", paint("31", &format!("-{}", change.name))),
            };
        }
        if let Some(body) = &patch.body {
            for line in diff::lines(&event.body, body) {
                let line = match line.as_bytes().first() {
                    Some(b'+') => paint("32", &line),
                    Some(b'-') => paint("31", &line),
                    _ => line,
                };
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    for line in &outcome.logs.lines {
        let _ = writeln!(text, "  {:5} {}", line.level.name(), line.text);
    }
    if outcome.logs.truncated {
        text.push_str("  (older log lines were discarded)\n");
    }
    let per_mille = outcome.fuel.saturating_mul(1000) / limit.max(1);
    let share = format!("fuel  {} of {limit} ({}.{} %)", outcome.fuel, per_mille / 10, per_mille % 10);
    let share = if per_mille >= 500 { paint("31", &share) } else { share };
    let _ = writeln!(text, "  {share}, memory {} pages", outcome.memory_pages);
    text
}
