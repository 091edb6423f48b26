//! `new`: a directory with a plugin that works.

use std::fs;
use std::path::Path;

/// Where weir-plugin is taken from unless told otherwise.
const SDK: &str = "version = \"0.1\"";

const CARGO: &str = r#"[package]
name = "NAME"
version = "0.1.0"
description = "Delivers events whose amount is large enough."
edition = "2024"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
weir-plugin = { SDK }

[profile.release]
opt-level = "s"
lto = true
codegen-units = 1
strip = true
panic = "abort"

# A plugin of its own, also below another workspace.
[workspace]
"#;

const CONFIG: &str = r#"# A small stack makes an instance two pages of memory instead of seventeen.
[target.wasm32-unknown-unknown]
rustflags = ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--max-memory=16777216"]
"#;

const LIB: &str = r##"//! Delivers events whose amount is large enough.
#![no_std]

use weir_plugin::prelude::*;

#[plugin(config = "config.schema.json")]
fn plugin(event: Event<'_>) -> Result<Verdict> {
    let least = event.config()?.get("least").and_then(Value::as_i64).unwrap_or(100);
    let amount = event.json()?.get("amount").and_then(Value::as_i64);
    info!("amount {amount:?}, at least {least}");
    Ok(if amount >= Some(least) { Verdict::Deliver } else { Verdict::drop("too small") })
}

#[cfg(test)]
mod tests {
    use super::plugin;
    use weir_plugin::test;

    #[test]
    fn large_amounts_are_delivered() {
        assert!(test::event("invoice.paid").json(r#"{"amount": 120}"#).run(plugin).is_unchanged());
    }

    #[test]
    fn small_ones_are_dropped() {
        let outcome = test::event("invoice.paid").json(r#"{"amount": 120}"#).config(r#"{"least": 500}"#).run(plugin);
        assert_eq!(outcome.reason(), Some("too small"));
    }
}
"##;

const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "least": { "type": "integer", "description": "The smallest amount that is delivered; 100 unless given" }
  }
}
"#;

const LARGE: &str = r#"{
  "eventType": "invoice.paid",
  "payload": { "id": "in_1", "amount": 120 }
}
"#;

const SMALL: &str = r#"{
  "eventType": "invoice.paid",
  "payload": { "id": "in_2", "amount": 5 }
}
"#;

/// Makes the plugin.
pub(crate) fn new(name: &str, sdk: Option<&str>) -> Result<bool, String> {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if name.is_empty()
        || name.len() > 64
        || !name.bytes().all(letter)
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Err(format!(
            "A plugin's name has 1 to 64 of `a-z 0-9 - _` and starts with a letter, `{name}` does not."
        ));
    }
    let dir = Path::new(name);
    if dir.exists() {
        return Err(format!("{name} is there already: choose another name."));
    }
    let sdk = match sdk {
        None => SDK.to_owned(),
        Some(address) if address.contains("://") => format!("git = {address:?}"),
        Some(path) => {
            let path =
                fs::canonicalize(path).map_err(|error| format!("There is no SDK at {path}: {error}."))?;
            format!("path = {:?}", path.display().to_string())
        }
    };
    for (file, text) in [
        ("Cargo.toml", CARGO.replace("NAME", name).replace("SDK", &sdk).as_str()),
        (".cargo/config.toml", CONFIG),
        (".gitignore", "/target\n"),
        ("src/lib.rs", LIB),
        ("config.schema.json", SCHEMA),
        ("events/large.json", LARGE),
        ("events/small.json", SMALL),
    ] {
        let path = dir.join(file);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
            fs::write(&path, text)
        };
        write().map_err(|error| format!("Could not write {}: {error}.", path.display()))?;
    }
    println!("{name} is made. Next:\n");
    println!("  cd {name}");
    println!("  cargo test                     # natively");
    println!("  weir-plugin run . events       # as wasm, as the gateway runs it");
    println!("  weir-plugin check .            # whether the gateway takes it");
    Ok(true)
}
