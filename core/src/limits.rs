//! The page of all limits, `docs/limits.md`, written from the constants that hold them.
//!
//! A limit that is a constant of the code and a line here cannot differ; `WEIR_WRITE_DOCS=1 cargo test -p weir-core limits`
//! writes the page anew.

use crate::api::body;
use crate::api::model::{
    self, endpoint, event_type, forget, message, openapi, plugin, preset, source, task, usage,
};
use crate::api::route::{self, Op};
use crate::settings::Settings;
use crate::{app, directory, error, header, idempotency, scheme, send_as, source as sources, target, token};
use std::fmt::Write;

fn bytes(count: usize) -> String {
    match count {
        n if n >= 1024 * 1024 && n % (1024 * 1024) == 0 => format!("{} MiB", n / (1024 * 1024)),
        n if n >= 1024 && n % 1024 == 0 => format!("{} KiB", n / 1024),
        n => format!("{n} bytes"),
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Limits\n\n<!-- Written by `WEIR_WRITE_DOCS=1 cargo test -p weir-core limits`; a test keeps it in step with the code. -->\n\n\
         Every input is limited before work is done on it. A request that exceeds a limit is refused with a sentence that names it.\n\n\
         ## Bodies of requests\n\n\
         No part of a body is read before the token, the session or the source is verified, and never more than the limit. A body \
         that does not arrive within 10 seconds (plus one for each 100 KB of its limit) is answered with 408, a body that is too \
         large with 413.\n\n| Request | Limit |\n|---|---|\n",
    );
    let mut seen: Vec<Op> = Vec::new();
    for (method, path, op, _) in route::patterns().filter(|(_, _, op, _)| op.max_body() > route::MAX_BODY) {
        if !seen.contains(&op) {
            seen.push(op);
            let _ = writeln!(page, "| `{method} {}/{path}` | {} |", route::PREFIX, bytes(op.max_body()));
        }
    }
    let _ = writeln!(page, "| any other request of the API | {} |", bytes(route::MAX_BODY));
    let _ = writeln!(
        page,
        "| a request to a source (`/in/…`) | {}, or the source's `maxBodyBytes` |",
        bytes(sources::MAX_BODY as usize)
    );
    page.push_str(
        "| a form of the dashboard | 64 KiB, 3 MiB if it holds a plugin, a document or a payload |\n",
    );
    let settings = Settings::default();
    let sections: [(&str, Vec<(&str, String)>); 6] = [
        (
            "Names and texts",
            vec![
                (
                    "uid, event id, name of an event type",
                    format!("{} characters; not `.` or `..`", model::MAX_NAME),
                ),
                ("description, name", bytes(model::MAX_TEXT)),
                ("metadata, as JSON", bytes(model::MAX_METADATA)),
                ("channels or tags", format!("{} of {} characters", model::MAX_CHANNELS, model::MAX_CHANNEL)),
                ("a token", bytes(token::MAX_LENGTH)),
                ("errors in one response", error::MAX_FAULTS.to_string()),
                ("unknown fields of a body", body::MAX_UNKNOWN_FIELDS.to_string()),
                (
                    "how long an idempotency key is remembered",
                    format!("{} hours", idempotency::REMEMBERED_MS / 3_600_000),
                ),
            ],
        ),
        (
            "Messages",
            vec![
                ("payload", bytes(message::MAX_PAYLOAD)),
                ("payload retention of a message", format!("{} days", message::MAX_RETENTION_DAYS)),
                ("messages of one bulk expunge", forget::MAX_IDS.to_string()),
                ("period of a replay", format!("{} days", task::MAX_PERIOD_MS / 86_400_000)),
                ("applications of one count", usage::MAX_APPS.to_string()),
                (
                    "the result of a count that a task shows; beyond it, it has `truncated`",
                    bytes(directory::RESULT_MAX_BYTES),
                ),
            ],
        ),
        (
            "Endpoints",
            vec![
                (
                    "endpoints of an application, created with its application tokens",
                    format!("`MAX_ENDPOINTS` ({})", settings.max_endpoints),
                ),
                ("endpoints of an application", app::MAX_ENDPOINTS.to_string()),
                ("URL", bytes(target::MAX_LENGTH)),
                ("event types in `filterTypes`", endpoint::MAX_EVENT_TYPES.to_string()),
                ("custom headers", format!("{} of {}", header::MAX_HEADERS, bytes(header::MAX_VALUE))),
                ("retries of a schedule", endpoint::MAX_RETRIES.to_string()),
                ("timeout", format!("{} s", endpoint::MAX_TIMEOUT_S)),
                ("events in one request", endpoint::MAX_BATCH.to_string()),
                ("requests in flight", endpoint::MAX_IN_FLIGHT.to_string()),
                (
                    "plugins",
                    format!(
                        "{}, each with {} of configuration",
                        plugin::MAX_CHAIN,
                        bytes(plugin::MAX_CONFIG)
                    ),
                ),
                ("sources that an event may pass through", format!("{}; then 508", sources::MAX_HOPS)),
            ],
        ),
        (
            "Event types",
            vec![
                ("schemas", bytes(event_type::MAX_SCHEMAS)),
                ("feature flags", event_type::MAX_FLAGS.to_string()),
                ("an OpenAPI document", bytes(openapi::MAX_SPEC)),
                ("event types of one import", openapi::MAX_IMPORTED.to_string()),
                ("its schemas with references expanded", bytes(openapi::MAX_WRITTEN)),
            ],
        ),
        (
            "Sources and signatures",
            vec![
                ("secrets", source::MAX_SECRETS.to_string()),
                (
                    "a secret; a certificate or set of keys",
                    format!("{}; {}", bytes(scheme::MAX_SECRET), bytes(scheme::MAX_KEYS)),
                ),
                ("an RSA key", format!("{} bits", scheme::MAX_RSA_BITS)),
                ("a custom scheme", bytes(send_as::MAX_SCHEME)),
                ("events of one request", sources::MAX_EVENTS.to_string()),
                ("fields of a form that is delivered as JSON", sources::MAX_FIELDS.to_string()),
                ("headers of a request to verify", preset::MAX_HEADERS.to_string()),
            ],
        ),
        (
            "Settings that are limits",
            vec![
                (
                    "requests per second of one token",
                    "`API_RATE_LIMIT` (none), counted by each isolate for itself".to_owned(),
                ),
                ("plugins of a tenant", format!("`MAX_PLUGINS` ({})", settings.plugins.plugins)),
                ("versions of a plugin", format!("`MAX_PLUGIN_VERSIONS` ({})", settings.plugins.versions)),
                ("bytes of a tenant's plugins", format!("`MAX_PLUGIN_BYTES` ({})", settings.plugins.bytes)),
                ("fuel of one run", format!("`MAX_PLUGIN_FUEL` ({})", settings.plugin_fuel)),
                ("retention", format!("`RETENTION_DAYS` ({})", settings.retention_days)),
            ],
        ),
    ];
    for (title, rows) in sections {
        let _ = write!(page, "\n## {title}\n\n| What | Limit |\n|---|---|\n");
        for (what, most) in rows {
            let _ = writeln!(page, "| {what} | {most} |");
        }
    }
    page
}

#[test]
fn the_page_of_limits_in_docs_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let page = page();
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, page, "write it anew: WEIR_WRITE_DOCS=1 cargo test -p weir-core limits");
}
