//! The frame of every page: navigation, breadcrumbs, search; and the pages without a session.

use super::parts::{note, opener};
use crate::PREFIX;
use crate::brand::Brand;
use crate::data::link;
use crate::lang::Lang;
use crate::said::Said;
use crate::scope::{self, lang, t};
use crate::session::Session;
use maud::{DOCTYPE, Markup, html};

/// The title and breadcrumbs of a page.
pub(crate) struct Place<'a> {
    /// The page's title.
    pub(crate) title: &'a str,
    /// From the top down.
    pub(crate) above: Vec<(&'a str, String)>,
}

/// The path of a script or style.
fn asset(name: &str) -> String {
    format!("{PREFIX}/assets/{name}?v={}", env!("WEIR_ASSETS"))
}

fn head(title: &str, brand: Option<&Brand>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            // The content security policy forbids `eval` and inline styles.
            meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;
            title { (t(title)) @if let Some(brand) = brand { " · " (brand.name) } }
            link rel="icon" href=(asset("icon.svg")) type="image/svg+xml";
            link rel="stylesheet" href=(asset("dashboard.css"));
            link rel="stylesheet" href=(asset("icons.css"));
            @if let Some(to) = brand.and_then(Brand::stylesheet) { link rel="stylesheet" href=(to); }
            script src=(asset("htmx.js")) defer {}
            script src=(asset("dashboard.js")) defer {}
        }
    }
}

/// A link of the navigation: icon, label, path.
type Way = (&'static str, &'static str, String);

/// The navigation: groups with their headings.
fn ways(session: &Session) -> Vec<(&'static str, Vec<Way>)> {
    if let Some(app) = &session.app {
        return vec![(
            "",
            vec![
                ("apps", "Endpoints", link(&["app", app])),
                ("send", "Messages", link(&["app", app, "messages"])),
                ("live", "Live", link(&["app", app, "live"])),
                ("types", "Event types", link(&["event-types"])),
            ],
        )];
    }
    let to = |part: &str| link(&[part]);
    vec![
        ("", vec![("overview", "Overview", PREFIX.to_owned())]),
        ("Send", vec![("apps", "Applications", to("apps")), ("types", "Event types", to("event-types"))]),
        ("Receive", vec![("source", "Sources", to("sources"))]),
        ("Process", vec![("plugin", "Plugins", to("plugins")), ("tasks", "Tasks", to("tasks"))]),
    ]
}

/// A page of a session.
pub(crate) fn page(session: &Session, place: &Place<'_>, content: Markup) -> Markup {
    let Place { title, above } = place;
    // A page belongs to the navigation link of its top breadcrumb.
    let root = above.first().map_or(*title, |(word, _)| *word);
    let ways = ways(session);
    let known = |word: &str| word == *title || word == root;
    let first = ways.first().and_then(|(_, ways)| ways.first()).map_or("", |(_, word, _)| *word);
    let foot = [("book", "API reference", "/docs".to_owned()), ("settings", "Settings", link(&["settings"]))];
    let foot: Vec<Way> = foot.into_iter().filter(|_| session.app.is_none()).collect();
    let all = || ways.iter().flat_map(|(_, ways)| ways).chain(foot.iter());
    let current = all().map(|(_, word, _)| *word).find(|word| known(word)).unwrap_or(first);
    let one = |(icon, word, to): &Way| html! { a class={ "n i-" (icon) } href=(to) title=(t(word)) aria-current=[(*word == current).then_some("page")] { span.lab { (t(word)) } } };
    let home = session.app.as_ref().map_or_else(|| PREFIX.to_owned(), |app| link(&["app", app]));
    html! {
        (DOCTYPE)
        html lang=(lang().code()) {
            (head(title, Some(&session.brand)))
            body data-words=[script_words()] hx-headers={ r#"{"x-weir-proof":""# (session.proof()) r#""}"# } data-proof=(session.proof()) {
                a.skip href="#main" { (t("Skip to content")) }
                (toasts())
                div.shell {
                    nav.side id="nav" popover aria-label=(t("Main")) {
                        a.logo.brand href=(home) { (mark(&session.brand, session.app.is_some())) span.lab { (session.brand.name) } }
                        @for (heading, ways) in &ways {
                            @if !heading.is_empty() { h2 { (heading) } }
                            @for way in ways { (one(way)) }
                        }
                        @if session.app.is_none() { div.foot { @for way in &foot { (one(way)) } } }
                    }
                    div.main {
                        header.bar {
                            button.btn.icon.ghost.menu-btn.i-menu type="button" popovertarget="nav" aria-label=(t("Menu")) {}
                            nav.crumbs aria-label=(t("Breadcrumb")) {
                                @for (word, to) in above { a href=(to) { (t(word)) } }
                                span aria-current="page" { (t(title)) }
                            }
                            (search(session))
                            details.menu {
                                summary.btn.ghost.icon.i-user aria-label=(t("Account")) {}
                                div {
                                    span.who { (session.app.as_deref().unwrap_or(&session.org)) }
                                    button type="button" popovertarget="shortcuts" { (t("Keyboard shortcuts")) }
                                    @if session.app.is_some() { (languages()) }
                                    form method="post" action=(link(&["logout"])) {
                                        input type="hidden" name="_proof" value=(session.proof());
                                        button.i-external type="submit" { (t("Sign out")) }
                                    }
                                }
                            }
                        }
                        main.page id="main" data-part { (said()) (content) }
                    }
                }
                (palette(session, all()))
                (super::parts::dialog("shortcuts", "Keyboard shortcuts", shortcuts()))
            }
        }
    }
}

/// The region that scripts put toasts into, and the text that screen readers announce for them. The region is a popover, so
/// that an open dialog does not cover it.
fn toasts() -> Markup {
    html! {
        section id="toasts" popover="manual" aria-label=(t("Notifications")) {}
        div.sr id="said" role="status" aria-live="polite" {}
    }
}

/// What the action before this page did. Scripts make it a toast.
fn said() -> Markup {
    html! { @if let Some(said) = scope::said() { div.note.ok.i-check role="status" data-toast { div.grow { p { (sentence(said)) } } } } }
}

/// The sender's logo, or ours.
fn mark(brand: &Brand, shown: bool) -> Markup {
    html! { @if let Some(logo) = brand.logo.as_deref().filter(|_| shown) { img.mark.own src=(logo) alt=""; } @else { span.mark.i-weir {} } }
}

/// The search field.
fn search(session: &Session) -> Markup {
    html! {
        form.find.i-search method="get" action=(link(&["find"])) role="search" {
            @if let Some(app) = &session.app { input type="hidden" name="app" value=(app); }
            input type="search" name="q" placeholder=(t("Search or paste an id")) aria-label=(t("Search by name, uid, id or event id")) maxlength="256" autocomplete="off" data-palette;
            kbd { "Ctrl K" }
        }
        a.btn.icon.ghost.find-btn.i-search href=(link(&["find"])) aria-label=(t("Search")) {}
    }
}

/// The keyboard shortcuts.
fn shortcuts() -> Markup {
    const KEYS: [(&[&str], &str); 4] = [
        (&["Ctrl K", "⌘ K", "/"], "Search and go to any page"),
        (&["↑", "↓"], "Select a search result"),
        (&["Enter"], "Open the selected result"),
        (&["Esc"], "Close a menu, a dialog or the search"),
    ];
    html! { dl.kv.facts { @for (keys, does) in KEYS { div { dt { @for key in keys { kbd { (key) } " " } } dd { (t(does)) } } } } }
}

/// The command palette (Ctrl-K): search, and every page of the navigation.
fn palette<'a>(session: &Session, ways: impl Iterator<Item = &'a Way>) -> Markup {
    html! {
        dialog id="palette" aria-label=(t("Search")) {
            form.q.i-search method="get" action=(link(&["find"])) hx-get=(link(&["find"])) hx-trigger="input delay:250ms" hx-target="#found" {
                @if let Some(app) = &session.app { input type="hidden" name="app" value=(app); }
                input type="search" name="q" placeholder=(t("Name, uid, id or event id")) aria-label=(t("Search by name, uid, id or event id")) maxlength="256" autocomplete="off";
            }
            ul id="found" data-part {}
            p.keys.small.muted { kbd { "↑" } " " kbd { "↓" } " " (t("select")) " " kbd { "Enter" } " " (t("open")) " " kbd { "Esc" } " " (t("close")) }
            ul { li { h3 { (t("Go to")) } } @for (icon, word, to) in ways { li { a class={ "i-" (icon) } href=(to) { (t(word)) } } } }
        }
    }
}

/// The language menu. Its buttons work without scripts.
fn languages() -> Markup {
    html! {
        form method="post" action=(link(&["language"])) aria-label=(t("Language")) {
            input type="hidden" name="_proof" value=(scope::proof());
            @for (code, name) in Lang::all() {
                button type="submit" name="lang" value=(code) lang=(code) aria-current=[(code == lang().code()).then_some("true")] { (name) }
            }
        }
    }
}

/// The translations for the script.
fn script_words() -> Option<String> {
    const WORDS: [&str; 14] = [
        "Copied",
        "Close",
        "Press Ctrl+C to copy.",
        "The gateway did not respond. Check your connection and try again.",
        "Matching lines: {}",
        "Resend selected",
        "{} selected.",
        "None selected: the endpoint receives all events.",
        "Connected.",
        "Connecting…",
        "The connection was lost. Trying again…",
        "Paused. New entries appear when you resume.",
        "Pause",
        "Resume",
    ];
    let words: serde_json::Map<String, serde_json::Value> =
        WORDS.iter().map(|word| ((*word).to_owned(), t(word).text().into())).collect();
    (lang() != Lang::En).then(|| serde_json::Value::Object(words).to_string())
}

fn bare(title: &str, brand: Option<&Brand>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang().code()) {
            (head(title, brand))
            body.bare { main id="main" { (content) } }
        }
    }
}

/// The sign-in page.
pub(crate) fn login(fault: Option<&str>, brand: &Brand) -> Markup {
    signing_in(fault, brand, false)
}

/// The sign-in page for a browser that has a session already.
pub(crate) fn login_again(brand: &Brand) -> Markup {
    signing_in(None, brand, true)
}

fn signing_in(fault: Option<&str>, brand: &Brand, again: bool) -> Markup {
    let own = *brand == Brand::default();
    bare(
        "Sign in",
        Some(brand),
        html! {
            div.signin {
                div.logo.brand { (mark(brand, true)) span { (brand.name) } }
                h1 { (t("Sign in")) }
                @if again { p { (t("You are already signed in.")) " " a href=(PREFIX) { (t("Go to the dashboard")) } } }
                form.form id="login" method="post" action=(link(&["login"])) data-home=[again.then_some(PREFIX)] {
                    div.field {
                        label for="token" { (t("Token")) }
                        input.in id="token" name="token" type="password" autocomplete="off" required
                            aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| "token-fault")];
                        @if let Some(fault) = fault { p.err.i-bad id="token-fault" role="alert" { (fault) } }
                    }
                    button.btn.pri type="submit" { (t("Sign in")) }
                }
                @if own {
                    p.hint { "An organization token gives access to everything, an application token to that application. For a local gateway, " code { "cargo xtask token" } " prints one." }
                } @else {
                    p.hint { (t("Use the link that you received. If it has expired, ask for a new one.")) }
                }
            }
        },
    )
}

/// The title and advice of an error page.
fn advice(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => (
            "Signed out",
            "The session has ended or its token was revoked. Sign in again, or ask for a new link.",
        ),
        403 => ("Not allowed", "Your token does not allow this."),
        404 => (
            "Not found",
            "Check the address. The resource may have been deleted, or its retention period may have ended.",
        ),
        409 => ("Changed in the meantime", "Reload the page and try again."),
        413 => ("Too large", "Send less data."),
        422 => ("Invalid request", "Correct it and try again."),
        429 => ("Too many requests", "Wait a moment, then try again."),
        // The sender's customers cannot see its log.
        _ if scope::portal() => ("Something went wrong", "Try again in a moment."),
        _ => (
            "Something went wrong",
            "Try again. If the problem persists, see the gateway's log: npx wrangler tail",
        ),
    }
}

/// An error page without a session.
pub(crate) fn refused(status: u16, sentence: &str) -> Markup {
    let (title, hint) = advice(status);
    bare(
        title,
        None,
        html! {
            div.signin {
                h1 { (t(title)) }
                p.fault role="alert" { (t(sentence)) }
                p.hint { (t(hint)) }
                p { a.btn href=(PREFIX) { (t("Go to the dashboard")) } }
            }
        },
    )
}

/// An error message for a script to insert.
pub(crate) fn fault(sentence: &str) -> Markup {
    note("bad", "bad", html! { p.fault role="alert" { (t(sentence)) } }, html! {})
}

/// An error page with the navigation of a session.
pub(crate) fn refused_here(session: &Session, status: u16, sentence: &str) -> Markup {
    let (title, hint) = advice(status);
    let content = html! {
        (super::parts::head(&t(title).text(), html! {}, &[], html! {}))
        (note("bad", "bad", html! { p.fault role="alert" { (t(sentence)) } p { (t(hint)) } }, html! {}))
    };
    page(session, &Place { title, above: Vec::new() }, content)
}

/// The result of a form as a whole page.
pub(crate) fn done(piece: impl maud::Render) -> Markup {
    html! { (super::parts::head(&t("Done").text(), html! {}, &[], html! {})) (piece) }
}

/// A confirmation before an irreversible action. `typed` is the text to type to confirm.
pub(crate) struct Question<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) says: Markup,
    pub(crate) to: String,
    pub(crate) proof: &'a str,
    pub(crate) word: &'a str,
    pub(crate) typed: Option<&'a str>,
    pub(crate) fields: Vec<super::form::Field<'a>>,
}

/// The button that opens the confirmation, and the confirmation.
pub(crate) fn ask(opens: &str, class: &str, question: Question<'_>) -> (Markup, Markup) {
    let Question { id, title, says, to, proof, word, typed, fields } = question;
    let label = typed.map(|name| t("Type {} to confirm").text().replace("{}", name));
    let mut all = fields;
    if let Some(label) = &label {
        all.push(super::form::field("confirm", label, super::form::Kind::Text).required());
    }
    let form_id = format!("{id}-form");
    let form = super::form::Form { id: &form_id, to, proof, word, fields: all, more: html! {} };
    let content = html! { div.says { (says) } (super::form::danger(&form)) };
    (opener(id, class, opens), super::parts::dialog(id, title, content))
}

/// The sentence. Pages of a tenant are in English only.
fn sentence(said: Said) -> String {
    let english = match said {
        Said::Saved => t("Changes saved."),
        Said::EndpointCreated => t("Endpoint created."),
        Said::EndpointDeleted => t("Endpoint deleted."),
        Said::EndpointEnabled => t("Endpoint enabled."),
        Said::EndpointDisabled => t("Endpoint disabled."),
        Said::EndpointPaused => t("Endpoint paused."),
        Said::EndpointResumed => t("Endpoint resumed."),
        Said::AppCreated => return "Application created.".to_owned(),
        Said::AppDeleted => return "Application deleted.".to_owned(),
        Said::SourceCreated => return "Source created.".to_owned(),
        Said::SourceDeleted => return "Source deleted.".to_owned(),
        Said::Accepted => return "Request accepted.".to_owned(),
        Said::SecretSaved => return "Secret saved and request accepted.".to_owned(),
        Said::TypeCreated => return "Event type created.".to_owned(),
        Said::TypesImported => return "Event types imported.".to_owned(),
        Said::TypeDeleted => return "Event type deleted.".to_owned(),
        Said::PluginUploaded => return "Plugin uploaded.".to_owned(),
        Said::VersionPromoted => return "Version promoted.".to_owned(),
        Said::PluginDeleted => return "Plugin deleted.".to_owned(),
        Said::WebhookCreated => return "Operational webhook created.".to_owned(),
        Said::WebhookDeleted => return "Operational webhook deleted.".to_owned(),
    };
    english.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::words;

    #[test]
    fn every_error_page_of_the_portal_is_translated() {
        let portal = scope::Scope { portal: true, ..scope::Scope::default() };
        for status in [401, 403, 404, 409, 413, 422, 429, 500] {
            let (title, hint) = scope::within(&portal, || advice(status));
            for lang in [Lang::De, Lang::Fr, Lang::Es, Lang::Ja] {
                let known = words(lang);
                assert!(
                    known.contains_key(title) && known.contains_key(hint),
                    "{}: {title} {hint}",
                    lang.code()
                );
            }
        }
    }
}
