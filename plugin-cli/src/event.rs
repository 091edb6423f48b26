//! Events from files: an object that names its type and payload, or a payload as it is.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An event to run a plugin on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where it is from.
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) timestamp: i64,
    pub(crate) attempt: u32,
    pub(crate) app_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) config: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    id: Option<String>,
    event_type: Option<String>,
    timestamp: Option<i64>,
    attempt: Option<u32>,
    app_id: Option<String>,
    endpoint_id: Option<String>,
    headers: BTreeMap<String, String>,
    /// As it is written: numbers keep their digits.
    config: Option<Box<RawValue>>,
    payload: Option<Box<RawValue>>,
    body: Option<String>,
}

/// The event in a text.
pub(crate) fn read(source: &str, bytes: &[u8], event_type: Option<&str>, config: Option<&str>) -> Event {
    // What has neither a payload nor a body is a payload itself.
    let file = serde_json::from_slice::<File>(bytes)
        .ok()
        .filter(|file| file.payload.is_some() || file.body.is_some());
    let plain = file.is_none();
    let file = file.unwrap_or_default();
    let body = match (&file.payload, &file.body) {
        _ if plain => bytes.to_vec(),
        (Some(payload), _) => payload.get().as_bytes().to_vec(),
        (None, body) => body.clone().unwrap_or_default().into_bytes(),
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (name, value) in file.headers {
        let name = name.to_ascii_lowercase();
        headers.retain(|(have, _)| *have != name);
        headers.push((name, value));
    }
    let own = file.config.map(|config| config.get().to_owned());
    Event {
        source: source.to_owned(),
        id: file.id.unwrap_or_else(|| "msg_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into()),
        event_type: file.event_type.unwrap_or_else(|| event_type.unwrap_or("test.event").to_owned()),
        timestamp: file.timestamp.unwrap_or(1_767_225_600_000),
        attempt: file.attempt.unwrap_or(1),
        app_id: file.app_id.unwrap_or_else(|| "app_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into()),
        endpoint_id: file.endpoint_id.unwrap_or_else(|| "ep_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into()),
        headers,
        config: config.map(str::to_owned).or(own).unwrap_or_default(),
        body,
    }
}

/// The events that a command line names.
pub(crate) fn collect(
    names: &[String],
    event_type: Option<&str>,
    config: Option<&str>,
) -> Result<Vec<Event>, String> {
    let standard = ["-".to_owned()];
    let names = if names.is_empty() { &standard } else { names };
    let mut events = Vec::new();
    for name in names {
        if name == "-" {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| format!("Could not read the standard input: {error}."))?;
            events.push(read("standard input", &bytes, event_type, config));
            continue;
        }
        for path in files(Path::new(name))? {
            let bytes =
                fs::read(&path).map_err(|error| format!("Could not read {}: {error}.", path.display()))?;
            events.push(read(&path.display().to_string(), &bytes, event_type, config));
        }
    }
    Ok(events)
}

/// A file, or the `.json` files of a directory in their order.
fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries =
        fs::read_dir(path).map_err(|error| format!("Could not list {}: {error}.", path.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{} has no .json files.", path.display()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_payload_and_the_payload_stays_as_it_is_written() {
        let text = br#"{"eventType": "a.b", "payload": {"z": 1.0, "a": 1e3}, "headers": {"X-A": "b"}, "config": {"n": 1.0}}"#;
        let event = read("x", text, Some("c.d"), None);
        assert_eq!(event.body, br#"{"z": 1.0, "a": 1e3}"#);
        assert_eq!((event.event_type.as_str(), event.config.as_str()), ("a.b", r#"{"n": 1.0}"#));
        assert!(event.headers.contains(&("x-a".into(), "b".into())));
        assert_eq!(read("x", text, None, Some("{}")).config, "{}", "the command line goes before the file");
        assert_eq!(read("x", br#"{"body": "text"}"#, None, None).body, b"text");
    }

    #[test]
    fn anything_else_is_a_payload() {
        for text in [&br#"{"amount": 1}"#[..], b"[1]", b"no JSON", b"\xff"] {
            let event = read("x", text, Some("c.d"), None);
            assert_eq!((event.body.as_slice(), event.event_type.as_str()), (text, "c.d"));
        }
        assert_eq!(read("x", b"1", None, None).event_type, "test.event");
    }
}
