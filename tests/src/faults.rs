//! A gateway whose platform fails on demand: `tests/faults/entry.mjs` in front of the unmodified Worker, and the production
//! emulator in front of both.

use crate::client::Api;
use crate::gateway::{Running, scratch};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use xtask::build;
use xtask::local::Profile;

const ENTRY: &str = include_str!("../faults/entry.mjs");
/// What the Worker's own entry is called there.
const INNER: &str = "weir.mjs";

/// Starts such a gateway under the rules of the paid plan, as [`Running::start`] starts one.
#[track_caller]
pub fn start(vars: &[(&str, &str)]) -> Running {
    let mut options = Running::under(Profile::Paid, vars);
    let dir = wrapped().unwrap_or_else(|error| panic!("the Worker is not wrapped: {error}"));
    options.worker_dir = Some(dir.clone());
    let running = Running::with(options);
    let _ = fs::remove_dir_all(dir); // it is read when it starts
    running
}

/// The built Worker behind the entry that spoils its calls.
fn wrapped() -> Result<PathBuf, String> {
    let built = match std::env::var_os(build::WORKER_DIR) {
        Some(dir) => PathBuf::from(dir),
        None => build::ensure_built(true)?,
    };
    let dir = scratch("faults");
    for file in fs::read_dir(&built).map_err(|error| error.to_string())? {
        let file = file.map_err(|error| error.to_string())?;
        let name = file.file_name();
        let name = if name == build::ENTRY { INNER.into() } else { name };
        if file.path().is_file() {
            link(&file.path(), &dir.join(name))?;
        }
    }
    fs::write(dir.join(build::ENTRY), ENTRY).map_err(|error| error.to_string())?;
    Ok(dir)
}

fn link(from: &Path, to: &Path) -> Result<(), String> {
    let copied = fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop));
    copied.map_err(|error| format!("{}: {error}", from.display()))
}

/// What the platform is to do from now on; see the entry.
#[track_caller]
pub fn tell(api: &Api, what: &Value) -> Value {
    let (status, body) = api.post("/__faults", what);
    assert_eq!(status, 200, "{body}");
    body
}

/// Spoils so many of the next calls of `op` to objects of a kind: `when` is `before`, `after` or `reset`.
#[track_caller]
pub fn spoil(api: &Api, kind: &str, op: &str, when: &str, times: u32, error: &Value) {
    let rule = json!({ "kind": kind, "op": op, "when": when, "times": times, "skip": 0, "error": error });
    tell(api, &json!({ "rules": [rule] }));
}

/// How often that was called.
#[track_caller]
pub fn calls(api: &Api, kind_and_op: &str) -> u64 {
    api.get("/__faults").1["calls"][kind_and_op].as_u64().unwrap_or(0)
}

/// What the platform says of an object that may be asked again.
pub fn retryable() -> Value {
    json!({ "message": "Durable Object reset because its code was updated.", "retryable": true })
}

/// What the platform says of an object that has too much to do.
pub fn overloaded() -> Value {
    json!({ "message": "Durable Object is overloaded. Requests queued for too long.", "overloaded": true })
}
