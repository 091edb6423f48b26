//! `check` and `inspect`: what the gateway would say to a plugin, and what the plugin says of itself.

use crate::{build, config};
use serde_json::{Value, json};
use std::path::Path;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::wasmi;

/// Whether the gateway would accept the plugin.
pub(crate) fn check(plugin: &Path, json: bool) -> Result<bool, String> {
    let facts = facts(&build::bytes(plugin)?);
    let ok = facts["refusal"].is_null();
    if json {
        println!("{facts}");
    } else if ok {
        println!(
            "ok: the gateway takes it ({} bytes, {} with metering)",
            facts["bytes"], facts["meteredBytes"]
        );
    } else {
        println!("refused: {}", text(&facts["refusal"]["message"]));
        println!("code:    {}", text(&facts["refusal"]["code"]));
    }
    Ok(ok)
}

/// Prints what the plugin is.
pub(crate) fn inspect(plugin: &Path, json: bool) -> Result<bool, String> {
    let facts = facts(&build::bytes(plugin)?);
    if json {
        println!("{facts}");
        return Ok(true);
    }
    let manifest = &facts["manifest"];
    if manifest.is_null() {
        println!("no manifest: it has no name of its own");
    } else {
        println!("{} {}", text(&manifest["name"]), text(&manifest["version"]));
        if let Some(description) = manifest["description"].as_str() {
            println!("{description}");
        }
        let types: Vec<_> = manifest["eventTypes"].as_array().into_iter().flatten().map(text).collect();
        println!("event types: {}", if types.is_empty() { "all".to_owned() } else { types.join(", ") });
        println!("sdk: {}", manifest["sdk"].as_str().unwrap_or("not told"));
        let schema = &manifest["configSchema"];
        if schema.is_null() {
            println!("configuration: anything");
        } else {
            println!("configuration: {}", serde_json::to_string_pretty(schema).unwrap_or_default());
        }
    }
    println!("size: {} bytes, {} with metering", facts["bytes"], facts["meteredBytes"]);
    println!("functions: {}, of which {} recursive", facts["functions"], facts["recursive"]);
    println!("memory: at most {} pages of 64 KiB", facts["memoryPages"]);
    if let Some(message) = facts["refusal"]["message"].as_str() {
        println!("refused: {message}");
    }
    Ok(true)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Everything that is known of a module.
fn facts(bytes: &[u8]) -> Value {
    let mut facts = json!({ "bytes": bytes.len() });
    let refused = |code: &str, message: String| json!({ "code": code, "message": message });
    let admitted = match admit(bytes, &ModuleLimits::default()) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            facts["refusal"] = refused(refusal.code(), refusal.to_string());
            return facts;
        }
    };
    facts["manifest"] = json!(admitted.manifest);
    if let Err(error) = config::schema(admitted.manifest.as_ref()) {
        facts["refusal"] = refused("config_schema", error);
        return facts;
    }
    match admitted.meter() {
        Ok(metered) => {
            facts["meteredBytes"] = json!(metered.bytes.len());
            facts["functions"] = json!(metered.functions);
            facts["recursive"] = json!(metered.recursive);
            facts["memoryPages"] = json!(metered.memory_pages);
            if let Err(error) = wasmi::Engine::new().check(&metered.bytes) {
                facts["refusal"] = refused("engine", error);
            }
        }
        Err(refusal) => facts["refusal"] = refused(refusal.code(), refusal.to_string()),
    }
    facts
}
