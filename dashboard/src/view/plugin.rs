//! The pages of plugins: the store, one plugin with its versions, and what a test run tells.

use super::form::{Form, Kind, facts, field, folded, hidden, mono, plain, result, table};
use super::{button, pretty, time};
use crate::data::{flag, int, items, link, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}

fn upload<'a>(session: &'a Session, to: String, name: Option<&'a str>) -> Form<'a> {
    let file =
        field("wasm", "The module (.wasm, at most 1 MiB)", Kind::File(".wasm,application/wasm")).required();
    let fields = match name {
        Some(name) => vec![hidden("name", name), file],
        None => vec![field("name", "Name", Kind::Text).hint("redact-pii").required(), file],
    };
    Form { to, proof: session.proof(), word: "Upload", fields, more: html! {} }
}

/// The plugins of a tenant.
pub(crate) fn plugins(session: &Session, page: &Value) -> Markup {
    let table_rows: Vec<_> = rows(page)
        .iter()
        .map(|plugin| {
            vec![
                html! { a href=(link(&["plugin", text(plugin, "name")])) { (text(plugin, "name")) } },
                plain(plugin.get("manifest").map(|about| text(about, "description")).unwrap_or_default()),
                plain(&int(plugin, "versions").to_string()),
                html! { @if flag(plugin, "bundled") { "comes with the gateway" } @else { code { (short(text(plugin, "current"))) } } },
                time(text(plugin, "updatedAt")),
            ]
        })
        .collect();
    html! {
        (result())
        (folded("Upload a plugin", rows(page).is_empty(), &upload(session, link(&["new-plugin"]), None)))
        (table(&["Name", "What it does", "Versions", "Current", "Changed"], &table_rows,
            "There are no plugins yet. cargo xtask plugin new begins one."))
    }
}

/// A plugin.
pub(crate) fn plugin(session: &Session, plugin: &Value, versions: &Value) -> Markup {
    let name = text(plugin, "name");
    let to = |what: &str| link(&["plugin", name, what]);
    let bundled = flag(plugin, "bundled");
    let manifest = plugin.get("manifest").cloned().unwrap_or_default();
    let table_rows: Vec<_> = rows(versions)
        .iter()
        .map(|version| {
            let id = text(version, "id");
            let current = flag(version, "current");
            let proof = ("_proof", session.proof());
            vec![
                html! { code title=(id) { (short(id)) } @if current { " " span.status.success { "current" } } },
                plain(&int(version, "size").to_string()),
                time(text(version, "createdAt")),
                html! {
                    @if flag(version, "bundled") { span.dim { "comes with the gateway" } } @else {
                        @if !current { (button(&to("current"), "Make it current", Some("#result"), None, &[proof, ("version", id)])) " " }
                        (button(&to("delete-version"), "Delete", Some("#result"), Some("Delete this version?"), &[proof, ("version", id)]))
                    }
                },
            ]
        })
        .collect();
    html! {
        (result())
        (facts(&[
            ("What it does", plain(text(&manifest, "description"))),
            ("Current", html! { code { (short(text(plugin, "current"))) } }),
            ("Created", time(text(plugin, "createdAt"))),
            ("Changed", time(text(plugin, "updatedAt"))),
        ]))
        h2 { "Versions" }
        p.dim { "Endpoints follow the current version, unless they keep to one. To roll back, make an older one current." }
        (table(&["Version", "Bytes", "Uploaded", "Actions"], &table_rows, "None."))
        (folded("Upload another version", false, &upload(session, to("upload"), Some(name))))
        h2 { "Test run" }
        (super::form::show(&Form {
            to: to("test"),
            proof: session.proof(),
            word: "Run",
            fields: vec![
                field("config", "Configuration (JSON)", Kind::Area(3)).hint("{}"),
                field("messageId", "A message, by id or event id", Kind::Text),
                field("appId", "…and its application, by id or your own id", Kind::Text),
                field("eventType", "Or an event type", Kind::Text).hint("user.created"),
                field("payload", "…and a payload (JSON)", Kind::Area(5)),
                field("headers", "…and headers, a line each", Kind::Area(2)).hint("x-name: value"),
                field("version", "Version (empty: the current one)", Kind::Text),
            ],
            more: html! {},
        }))
        @if let Some(schema) = manifest.get("configSchema") {
            details { summary { "What its configuration may be" } pre tabindex="0" { (pretty(schema)) } }
        }
        @if !bundled {
            (folded("Delete it", false, &Form {
                to: to("delete"),
                proof: session.proof(),
                word: "Delete for good",
                fields: vec![field("force", "Also where endpoints use it", Kind::Box)],
                more: html! {},
            }))
        }
    }
}

/// What a test run told.
pub(crate) fn tested(report: &Value) -> Markup {
    let verdict = text(report, "verdict");
    let class = match verdict {
        "failed" => "fail",
        "dropped" => "pending",
        _ => "success",
    };
    let diff = report.get("diff").cloned().unwrap_or_default();
    let changes = |what: &str| -> Vec<Vec<Markup>> {
        let side = |change: &Value, name: &str| change.get(name).map(Value::to_string).unwrap_or_default();
        let row = |change: &Value| {
            vec![
                mono(text(change, "path")),
                plain(text(change, "op")),
                mono(&side(change, "from")),
                mono(&side(change, "to")),
            ]
        };
        items(&diff, what).iter().map(row).collect()
    };
    let fault = report.get("error").filter(|error| !error.is_null());
    html! {
        div.task role="status" {
            p { span class={ "status " (class) } { (verdict) } " " (text(report, "reason"))
                @if let Some(fault) = fault { (text(fault, "message")) " " code { (text(fault, "code")) } } }
            (facts(&[
                ("Fuel", plain(&int(report, "fuel").to_string())),
                ("Memory", plain(&format!("{} pages of 64 KiB", int(report, "memoryPages")))),
                ("Engine", plain(text(report, "engine"))),
                ("Version", mono(short(text(report, "version")))),
            ]))
            @for (word, what) in [("Body", "body"), ("Headers", "headers")] {
                h2 { (word) }
                (table(&["Where", "What", "Before", "After"], &changes(what), "As it was."))
            }
            @if flag(&diff, "truncated") { p.dim { "There are more changes than are shown." } }
            @if !items(report, "logs").is_empty() {
                h2 { "Log" }
                pre tabindex="0" { @for line in items(report, "logs") { (text(line, "level")) ": " (text(line, "message")) "\n" } }
            }
            @if let Some(payload) = report.get("payload") {
                details { summary { "The body that would be sent" } pre tabindex="0" { (pretty(payload)) } }
            }
        }
    }
}
