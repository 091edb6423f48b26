//! The pages of plugins: the store, one plugin with its playground and its versions, and what a test run tells.

use super::form::{Form, Kind, button, field, hidden, mono, plain, result};
use super::json::highlighted;
use super::layout::{Question, ask};
use super::parts::{
    bytes, card, count, dialog, empty, excerpt, facts, grouped, head, opener, pill, row_link, table, time,
};
use crate::data::{flag, int, items, link, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How much of a body or a schema is shown, in bytes of HTML.
const SHOWN: usize = 12_000;

fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}

fn upload<'a>(session: &'a Session, to: String, name: Option<&'a str>) -> Form<'a> {
    let file = field("wasm", "The module", Kind::File(".wasm,application/wasm"))
        .hint("A .wasm file, at most 1 MiB.")
        .required();
    let fields = match name {
        Some(name) => vec![hidden("name", name), file],
        None => vec![field("name", "Name", Kind::Text).example("redact-pii").required(), file],
    };
    Form { id: "upload-form", to, proof: session.proof(), word: "Upload", fields, more: html! {} }
}

/// The plugins of a tenant.
pub(crate) fn plugins(session: &Session, page: &Value) -> Markup {
    let table_rows: Vec<_> = rows(page)
        .iter()
        .map(|plugin| {
            let about = plugin.get("manifest").map(|about| text(about, "description")).unwrap_or_default();
            vec![
                row_link(&link(&["plugin", text(plugin, "name")]), text(plugin, "name"), about),
                html! { @if flag(plugin, "bundled") { (pill("", "plugin", "Bundled")) } @else { (pill("info", "plugin", "Uploaded")) } },
                plain(&count(int(plugin, "versions"), "version", "versions")),
                html! { @if flag(plugin, "bundled") { span.small.muted { "comes with the gateway" } } @else { span.id { (short(text(plugin, "current"))) } } },
                time(text(plugin, "updatedAt")),
            ]
        })
        .collect();
    html! {
        (head("Plugins", html! {}, &[html! { "Code of your own, or that comes along, which changes, redacts or filters what is delivered." }], opener("upload", "pri i-plus", "Upload a plugin")))
        (result())
        section.card {
            @if table_rows.is_empty() { (empty("plugin", "There are no plugins yet", html! { code { "weir-plugin new" } " begins one." }, html! {})) }
            @else { (table(&["Plugin", "Kind", "Versions", "Current", "#Changed"], &table_rows)) }
        }
        (dialog("upload", "Upload a plugin", super::form::show(&upload(session, link(&["new-plugin"]), None))))
    }
}

/// A plugin.
pub(crate) fn plugin(session: &Session, plugin: &Value, versions: &Value) -> Markup {
    let name = text(plugin, "name");
    let to = |what: &str| link(&["plugin", name, what]);
    let bundled = flag(plugin, "bundled");
    let manifest = plugin.get("manifest").cloned().unwrap_or_default();
    let proof = ("_proof", session.proof());
    let table_rows: Vec<_> = rows(versions)
        .iter()
        .enumerate()
        .map(|(at, version)| {
            let dialog = format!("delete-{at}");
            let id = text(version, "id");
            let current = flag(version, "current");
            let (delete, question) = ask("Delete", "sm", Question {
                id: &dialog,
                title: "Delete this version?",
                says: html! { p { "Endpoints that keep to version " code { (short(id)) } " have to choose another." } },
                to: to("delete-version"),
                proof: session.proof(),
                word: "Delete version",
                typed: None,
                fields: vec![hidden("version", id)],
            });
            vec![
                html! { span.id title=(id) { (short(id)) } @if current { " " (pill("ok", "check", "current")) } },
                plain(&bytes(int(version, "size"))),
                time(text(version, "createdAt")),
                html! {
                    @if flag(version, "bundled") { span.muted { "comes with the gateway" } } @else {
                        @if !current { (button(&to("current"), "sm", "Make it current", Some("#result"), &[proof, ("version", id)])) " " (delete) (question) }
                    }
                },
            ]
        })
        .collect();
    let (delete, deletes) = ask(
        "Delete…",
        "i-trash c-bad",
        Question {
            id: "delete",
            title: "Delete this plugin?",
            says: html! { p { "All of its versions are deleted." } },
            to: to("delete"),
            proof: session.proof(),
            word: "Delete plugin",
            typed: None,
            fields: vec![field(
                "force",
                "Also where endpoints use it: they then deliver without it",
                Kind::Box,
            )],
        },
    );
    let input = Form {
        id: "run",
        to: to("test"),
        proof: session.proof(),
        word: "Run",
        fields: vec![
            field("config", "Configuration", Kind::Area(4)).example("{}").hint("As JSON."),
            field("messageId", "Message", Kind::Text).hint("Its id or event id; with its application."),
            field("appId", "Application", Kind::Text).hint("Its id or uid."),
            field("eventType", "Or an event type", Kind::Text).example("user.created"),
            field("payload", "With a payload", Kind::Area(5)).hint("As JSON."),
            field("headers", "And headers", Kind::Area(2)).example("x-name: value").hint("One a line."),
            field("version", "Version", Kind::Text).hint("Empty: the current one."),
        ],
        more: html! {},
    };
    html! {
        (head(name, html! { @if bundled { (pill("", "plugin", "Bundled")) } }, &[
            plain(text(&manifest, "description")),
            html! { "Current " span.id { (short(text(plugin, "current"))) } },
            html! { @if !text(plugin, "updatedAt").is_empty() { "Changed " (time(text(plugin, "updatedAt"))) } },
        ], html! { @if !bundled { (delete) } (opener("upload", "pri i-plus", "Upload version")) }))
        (result())
        div.grid {
            div.w5 { (card("Playground", html! { span.small.muted { "Nothing is sent" } }, html! { div.body { (super::form::show(&input)) } })) }
            div.w7.stack {
                (card("Versions", html! {}, html! {
                    @if table_rows.is_empty() { (empty("plugin", "No version", html! {}, html! {})) } @else { (table(&["Version", "#Size", "#Uploaded", "#"], &table_rows)) }
                    footer { "Endpoints follow the current version, unless they keep to one. To roll back, make an older one current." }
                }))
                @if let Some(schema) = manifest.get("configSchema") { (card("What its configuration may be", html! {}, code_of(&schema.to_string(), "Schema"))) }
            }
        }
        (dialog("upload", "Upload a version", super::form::show(&upload(session, to("upload"), Some(name)))))
        @if !bundled { (deletes) }
    }
}

fn code_of(text: &str, label: &str) -> Markup {
    let (lines, cut) = highlighted(text, SHOWN);
    html! { pre.code tabindex="0" role="region" aria-label=(label) { (lines) } @if cut { p.says { "This is its beginning." } } }
}

/// What a test run told.
pub(crate) fn tested(report: &Value) -> Markup {
    let verdict = text(report, "verdict");
    let (class, icon) = match verdict {
        "failed" => ("bad", "bad"),
        "dropped" => ("alt", "filter"),
        _ => ("ok", "ok"),
    };
    let diff = report.get("diff").cloned().unwrap_or_default();
    let fault = report.get("error").filter(|error| !error.is_null());
    let said = |line: &Value| format!("{}: {}", text(line, "level"), text(line, "message"));
    let log = items(report, "logs").iter().map(said).collect::<Vec<_>>().join("\n");
    html! {
        div.task.card.flat role="status" {
            header { div.grow { (pill(class, icon, verdict)) " " (text(report, "reason")) @if let Some(fault) = fault { " " (text(fault, "message")) " " code { (text(fault, "code")) } } } }
            div.padc { (facts(&[
                ("Fuel", plain(&grouped(int(report, "fuel")))),
                ("Memory", plain(&format!("{} pages of 64 KiB", int(report, "memoryPages")))),
                ("Engine", plain(text(report, "engine"))),
                ("Version", mono(short(text(report, "version")))),
            ])) }
            @for (word, what) in [("Body", "body"), ("Headers", "headers")] {
                header.sub-h { h3.grow { (word) } }
                (changes(items(&diff, what)))
            }
            @if flag(&diff, "truncated") { p.says { "There are more changes than are shown." } }
            @if !log.is_empty() { header.sub-h { h3.grow { "Log" } } pre.code.plain tabindex="0" { (excerpt(&log, SHOWN).0) } }
            @if let Some(payload) = report.get("payload") {
                details.fold { summary { "The body that would be sent" } (code_of(&payload.to_string(), "Body")) }
            }
        }
    }
}

/// What changed: the line before, and the line after.
fn changes(all: &[Value]) -> Markup {
    let side = |change: &Value, name: &str| change.get(name).map(Value::to_string).unwrap_or_default();
    let line = |class: &str, change: &Value, value: &str| html! { span class={ "ln wrapl " (class) } { (text(change, "path")) ": " (excerpt(value, 2_000).0) } };
    html! {
        @if all.is_empty() { p.says { "As it was." } } @else {
            div.code.diff tabindex="0" role="region" aria-label="Changes" {
                @for change in all {
                    span.ln.cm { (text(change, "op")) }
                    @let (from, to) = (side(change, "from"), side(change, "to"));
                    @if !from.is_empty() { (line("del", change, &from)) }
                    @if !to.is_empty() { (line("add", change, &to)) }
                }
            }
        }
    }
}
