//! The pages of plugins: the list, one plugin with its playground and versions, and the result of a test run.

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
/// The most endpoints that the API lists with a plugin.
const LISTED: usize = 100;

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
                html! { @if flag(plugin, "bundled") { span.small.muted { "bundled with the gateway" } } @else { span.id { (short(text(plugin, "current"))) } } },
                time(text(plugin, "updatedAt")),
            ]
        })
        .collect();
    html! {
        (head("Plugins", html! {}, &[html! { "Your own or bundled code that changes, redacts or filters deliveries." }], opener("upload", "pri i-plus", "Upload a plugin")))
        (result())
        section.card {
            @if table_rows.is_empty() { (empty("plugin", "There are no plugins yet", html! { "Create one with " code { "weir-plugin new" } "." }, html! {})) }
            @else { (table(&["Plugin", "Kind", "Versions", "Current", "#Changed"], &table_rows)) }
        }
        (dialog("upload", "Upload a plugin", super::form::show(&upload(session, link(&["new-plugin"]), None))))
    }
}

/// The data of a plugin's page.
pub(crate) struct PluginView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) plugin: &'a Value,
    pub(crate) versions: &'a Value,
    /// The first endpoints that it is attached to; null for one that no longer exists.
    pub(crate) endpoints: &'a [Value],
    /// The application whose messages can be selected, and its newest messages.
    pub(crate) app: Option<&'a str>,
    pub(crate) messages: &'a Value,
    /// The message, the version and the configuration to start with.
    pub(crate) picked: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) config: &'a Value,
    /// The error that prevented them from loading.
    pub(crate) fault: Option<&'a str>,
}

/// The playground: runs the plugin on a message or on a custom event.
fn playground(view: &PluginView<'_>, manifest: &Value, to: String) -> Markup {
    let here = link(&["plugin", text(view.plugin, "name")]);
    let words: Vec<(String, String)> = rows(view.messages)
        .iter()
        .map(|message| {
            let at = text(message, "timestamp").get(..19).unwrap_or_default().replace('T', " ");
            (text(message, "id").to_owned(), format!("{} · {at}", text(message, "eventType")))
        })
        .collect();
    let mut picks = vec![("", "None: the event below")];
    // A message older than those listed.
    picks.extend(view.picked.filter(|id| words.iter().all(|(known, _)| known != id)).map(|id| (id, id)));
    picks.extend(words.iter().map(|(id, word)| (id.as_str(), word.as_str())));
    let versions: Vec<(&str, &str)> = std::iter::once(("", "The current one"))
        .chain(rows(view.versions).iter().map(|version| (text(version, "id"), short(text(version, "id")))))
        .collect();
    let mut fields = Vec::new();
    if let Some(app) = view.app.filter(|_| view.fault.is_none()) {
        fields.push(hidden("appId", app));
        fields.push(
            field("messageId", "Message", Kind::Choice(&picks))
                .value(view.picked.or(words.first().map(|(id, _)| id.as_str())).unwrap_or_default())
                .hint("The newest messages of the application."),
        );
    }
    fields.extend([
        field("eventType", "Event type", Kind::Text).example("user.created"),
        field("payload", "Payload", Kind::Area(5)).example("{\"id\": 1}").hint("As JSON."),
        field("headers", "Headers", Kind::Area(2)).example("x-name: value").hint("One per line."),
        field("version", "Version", Kind::Choice(&versions)).value(view.version.unwrap_or_default()),
    ]);
    html! {
        form.filters method="get" action=(here) {
            input.in type="search" name="app" value=[view.app] placeholder="Pick a message of an application: its id or uid" aria-label="Application" maxlength="256";
            button.btn type="submit" { "Show its messages" }
        }
        @if let Some(fault) = view.fault { p.fault role="alert" { (fault) } }
        (super::form::show(&Form {
            id: "run",
            to,
            proof: view.session.proof(),
            word: "Run",
            fields,
            more: super::config::fields("run", manifest.get("configSchema"), view.config),
        }))
    }
}

/// A plugin.
pub(crate) fn plugin(view: &PluginView<'_>) -> Markup {
    let PluginView { session, plugin, versions, .. } = view;
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
            // Versions are listed newest first.
            let older = rows(versions).iter().position(|one| flag(one, "current")).is_some_and(|now| at > now);
            let (delete, question) = ask("Delete", "sm", Question {
                id: &dialog,
                title: "Delete this version?",
                says: html! { p { "Endpoints pinned to version " code { (short(id)) } " must select another." } },
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
                    @if flag(version, "bundled") { span.muted { "bundled with the gateway" } } @else {
                        @if !current { (button(&to("current"), "sm", if older { "Roll back" } else { "Promote" }, Some("#result"), &[proof, ("version", id)])) " " (delete) (question) }
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
            fields: vec![field("force", "Also detach it from the endpoints that use it", Kind::Box)],
        },
    );
    let play = playground(view, &manifest, to("test"));
    html! {
        (head(name, html! { @if bundled { (pill("", "plugin", "Bundled")) } }, &[
            plain(text(&manifest, "description")),
            html! { "Current " span.id { (short(text(plugin, "current"))) } },
            html! { @if !text(plugin, "updatedAt").is_empty() { "Changed " (time(text(plugin, "updatedAt"))) } },
        ], html! { @if !bundled { (delete) } (opener("upload", "pri i-plus", "Upload version")) }))
        (result())
        div.grid {
            div.w5 { (card("Playground", html! { span.small.muted { "Nothing is sent" } }, html! { div.body.stack { (play) } })) }
            div.w7.stack {
                (card("Versions", html! {}, html! {
                    @if table_rows.is_empty() { (empty("plugin", "No version", html! {}, html! {})) } @else { (table(&["Version", "#Size", "#Uploaded", "#"], &table_rows)) }
                    footer { "Endpoints use the current version unless they are pinned to one. To roll back, make an older version current." }
                }))
                (attached(view))
                @if let Some(schema) = manifest.get("configSchema") { (card("Configuration schema", html! {}, code_of(&schema.to_string(), "Schema"))) }
            }
        }
        (dialog("upload", "Upload a version", super::form::show(&upload(session, to("upload"), Some(name)))))
        @if !bundled { (deletes) }
    }
}

/// The endpoints that run the plugin.
fn attached(view: &PluginView<'_>) -> Markup {
    let all = items(view.plugin, "attachedTo");
    let table_rows: Vec<_> = all
        .iter()
        .zip(view.endpoints.iter().map(Some).chain(std::iter::repeat(None)))
        .map(|(place, endpoint)| {
            let (app, endpoint_id) = (text(place, "appId"), text(place, "endpointId"));
            let name = endpoint.map(super::state::name_of).filter(|name| !name.is_empty()).unwrap_or(endpoint_id);
            let version = text(place, "version");
            vec![
                row_link(&link(&["app", app, "endpoint", endpoint_id, "plugins"]), name, app),
                html! { @if version.is_empty() { "current" } @else { span.id title=(version) { (short(version)) } " " span.tag { "pinned" } } },
            ]
        })
        .collect();
    card(
        "Attached to",
        html! { @if !all.is_empty() { span.small.muted { (count(i64::try_from(all.len()).unwrap_or(0), "endpoint", "endpoints")) } } },
        html! {
            @if all.is_empty() { (empty("plugin", "Not attached to an endpoint", html! { "Attach it on the Plugins tab of an endpoint." }, html! {})) }
            @else { (table(&["Endpoint", "Version"], &table_rows)) }
            @if all.len() >= LISTED { footer { "Shows the first " (LISTED) " endpoints." } }
        },
    )
}

fn code_of(text: &str, label: &str) -> Markup {
    let (lines, cut) = highlighted(text, SHOWN);
    html! { pre.code tabindex="0" role="region" aria-label=(label) { (lines) } @if cut { p.says { "Truncated." } } }
}

/// The memory limit of a plugin, in KiB.
const MEMORY_KIB: i64 = 16_384;

/// Usage against a limit, as text and as a bar.
fn meter(used: i64, limit: Option<i64>, unit: &str) -> Markup {
    html! {
        (grouped(used)) (unit)
        @if let Some(limit) = limit.filter(|limit| *limit > 0) {
            " of " (grouped(limit)) (unit) " "
            progress max=(limit) value=(used.min(limit)) aria-label="Share of the limit" {}
        }
    }
}

/// The result of a test run. `payload` is the body that would be sent, byte for byte.
pub(crate) fn tested(report: &Value, payload: Option<&str>, limit: Option<i64>) -> Markup {
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
                ("Fuel", meter(int(report, "fuel"), limit, "")),
                ("Memory", meter(int(report, "memoryPages").saturating_mul(64), Some(MEMORY_KIB), " KiB")),
                ("Engine", plain(text(report, "engine"))),
                ("Version", mono(short(text(report, "version")))),
            ])) }
            @for (word, what) in [("Body", "body"), ("Headers", "headers")] {
                header.sub-h { h3.grow { (word) } }
                (changes(items(&diff, what)))
            }
            @if flag(&diff, "truncated") { p.says { "Not all changes are shown." } }
            @if !log.is_empty() { header.sub-h { h3.grow { "Log" } } pre.code.plain tabindex="0" { (excerpt(&log, SHOWN).0) } }
            @if let Some(payload) = payload.filter(|payload| *payload != "null") {
                details.fold { summary { "The body that would be sent" } (code_of(payload, "Body")) }
            }
        }
    }
}

/// The changes: the line before and the line after.
fn changes(all: &[Value]) -> Markup {
    let side = |change: &Value, name: &str| change.get(name).map(Value::to_string).unwrap_or_default();
    let line = |class: &str, change: &Value, value: &str| html! { span class={ "ln wrapl " (class) } { (text(change, "path")) ": " (excerpt(value, 2_000).0) } };
    html! {
        @if all.is_empty() { p.says { "Unchanged." } } @else {
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
