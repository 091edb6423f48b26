//! The page of operational events, `docs/reference/events.md`, written from the table below.
//!
//! `WEIR_WRITE_DOCS=1 cargo test -p weir-core events` writes the page. Every event that a unit test causes is checked against the
//! table, field by field, so a field that is not documented fails the test that causes it.

use super::{EVENT_TYPES, FAILING_AT, OF_SOURCE};
use serde_json::Value;
use std::fmt::Write as _;

/// Fields of every event about an endpoint.
const OF_ENDPOINT: &[(&str, &str)] = &[
    ("appId", "The application's id."),
    ("appUid", "The application's uid, or `null`."),
    ("endpointId", "The endpoint's id."),
    ("endpointUid", "The endpoint's uid, or `null`."),
];

/// Further fields of every event about an attempt.
const OF_ATTEMPT: &[(&str, &str)] = &[
    ("msgId", "The message's id."),
    ("msgEventId", "The message's event id, or `null`."),
    ("lastAttempt", "The newest attempt: `id`, `responseStatusCode` (0 for no response) and `timestamp`."),
];

/// An event type: its name, when it is sent, whether it is about an endpoint, and its own fields.
type About = (&'static str, String, bool, &'static [(&'static str, &'static str)]);

fn about() -> Vec<About> {
    let text = |text: &str| text.to_owned();
    vec![
        ("endpoint.created", text("An endpoint was created."), true, &[]),
        (
            "endpoint.updated",
            text("An endpoint was updated, or its secret, headers or plugins were changed."),
            true,
            &[],
        ),
        ("endpoint.deleted", text("An endpoint was deleted."), true, &[]),
        (
            "endpoint.disabled",
            text("An endpoint was disabled, manually or because it failed for too long."),
            true,
            &[
                ("trigger", "`manual` or `automatic`."),
                ("failSince", "Since when all attempts have failed. `null` if it was disabled manually."),
                (
                    "reason",
                    "`failing`, or `gone` if the receiver answered 410. Absent if it was disabled manually.",
                ),
            ],
        ),
        ("endpoint.enabled", text("A disabled endpoint was enabled."), true, &[]),
        (
            "endpoint.plugin.failing",
            text("A plugin failed several times in a row at an endpoint. Sent at most once an hour."),
            true,
            &[
                ("plugin", "The plugin: `name` and `version`."),
                ("error", "The plugin's error."),
                ("timestamp", "When it failed."),
            ],
        ),
        (
            "message.attempt.failing",
            format!("A delivery failed {FAILING_AT} times and will be retried."),
            true,
            OF_ATTEMPT,
        ),
        (
            "message.attempt.recovered",
            text("A delivery succeeded after `message.attempt.failing` was sent."),
            true,
            OF_ATTEMPT,
        ),
        (
            "message.attempt.exhausted",
            text("A delivery failed and its retry schedule has ended."),
            true,
            OF_ATTEMPT,
        ),
        (
            "application.storage.high",
            text("An application uses 80 % or more of its storage. Sent at most once a day."),
            false,
            &[
                ("appId", "The application's id."),
                ("appUid", "The application's uid, or `null`."),
                ("bytes", "How many bytes it stores."),
                ("limit", "How many bytes it may store."),
            ],
        ),
        (
            "background_task.finished",
            text("A background task of an application finished, failed or was canceled."),
            false,
            &[
                ("taskId", "The task's id."),
                ("task", "The kind of task, for example `endpoint.recover`."),
                ("status", "`finished` or `failed`."),
                ("data", "The application, the endpoint, and the number of messages."),
            ],
        ),
    ]
}

/// Fails the test that caused an event whose fields are not those of the page.
pub(super) fn check(event_type: &str, data: &Value) {
    let (name, of_source) = match event_type.strip_prefix(OF_SOURCE) {
        Some(name) => (name, true),
        None => (event_type, false),
    };
    let about = about();
    let Some((_, _, of_endpoint, own)) = about.iter().find(|(known, ..)| *known == name) else { return };
    let Some(data) = data.as_object() else { return };
    let shared = if *of_endpoint { OF_ENDPOINT } else { &[] };
    for field in data.keys() {
        let known =
            shared.iter().chain(*own).any(|(known, _)| known == field) || (of_source && field == "sourceId");
        assert!(known, "describe the field {field} of {event_type} in core/src/operational/page.rs");
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Operational events\n\n<!-- Written by `WEIR_WRITE_DOCS=1 cargo test -p weir-core events`; a test keeps it in step with the \
         code. -->\n\n\
         Weir sends events about itself to operational endpoints. Create one with `POST /api/v1/operational-webhook/endpoint`. \
         Operational events are delivered like any other message: signed, retried and on record. If no operational endpoint subscribes \
         to an event type, its events are not stored.\n\nThe payload has two fields:\n\n```json,ignore\n\
         {\"type\": \"endpoint.disabled\", \"data\": {\"appId\": \"app_…\", \"appUid\": \"acme\", \"endpointId\": \"ep_…\", \
         \"endpointUid\": null, \"trigger\": \"automatic\", \"failSince\": \"2026-11-25T08:00:00.000Z\", \"reason\": \"failing\"}}\n```\n\n\
         ## Event types\n\n| Type | Sent when | Fields of `data` |\n|---|---|---|\n",
    );
    let fields = |own: &[(&str, &str)], of_endpoint: bool| {
        let first = of_endpoint.then(|| "the endpoint's".to_owned()).into_iter();
        first.chain(own.iter().map(|(name, _)| format!("`{name}`"))).collect::<Vec<_>>().join(", ")
    };
    let about = about();
    for (name, when, of_endpoint, own) in &about {
        let _ = writeln!(page, "| `{name}` | {when} | {} |", fields(own, *of_endpoint));
    }
    page.push_str(
        "\nEvents about a source have the prefix `ingest.`, for example `ingest.endpoint.disabled`. They carry `sourceId` instead of \
         `appId` and `appUid`.\n\n## Fields\n\n| Field | Meaning |\n|---|---|\n",
    );
    let mut seen = Vec::new();
    let own = about.iter().flat_map(|(.., own)| own.iter());
    for (name, meaning) in OF_ENDPOINT.iter().chain(own) {
        if !seen.contains(name) {
            seen.push(name);
            let _ = writeln!(page, "| `{name}` | {meaning} |");
        }
    }
    page
}

#[test]
fn every_type_of_operational_event_is_on_the_page_of_events() {
    let about = about();
    for name in EVENT_TYPES {
        let name = name.strip_prefix(OF_SOURCE).unwrap_or(name);
        assert!(
            about.iter().any(|(known, ..)| *known == name),
            "describe {name} in core/src/operational/page.rs"
        );
    }
    assert_eq!(about.len() * 2, EVENT_TYPES.len());
}

#[test]
fn the_page_of_events_in_docs_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/events.md");
    let page = page();
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, page, "write it: WEIR_WRITE_DOCS=1 cargo test -p weir-core events");
}
