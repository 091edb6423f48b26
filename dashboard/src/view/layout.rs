//! The frame around every page, and the pages without a session.

use crate::PREFIX;
use crate::data::link;
use crate::session::Session;
use maud::{DOCTYPE, Markup, html};

/// Where a page is: its title, and the pages above it with their paths.
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

fn head(title: &str, charts: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // No evaluated texts and no styles of its own: the page's policy forbids both.
            meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;
            title { (title) " · Weir" }
            link rel="icon" href="data:,";
            link rel="stylesheet" href=(asset("dashboard.css"));
            script src=(asset("htmx.js")) defer {}
            script src=(asset("dashboard.js")) defer {}
            @if charts {
                link rel="stylesheet" href=(asset("uplot.css"));
                script src=(asset("uplot.js")) defer {}
                script src=(asset("chart.js")) defer {}
            }
        }
    }
}

/// A page of a session.
pub(crate) fn page(session: &Session, place: &Place<'_>, content: Markup) -> Markup {
    // Only the pages that draw something load what draws. What others write cannot say so: its quotes are escaped.
    let charts = content.0.contains("<div class=\"charts\">");
    let tenants = [
        ("Overview", ""),
        ("Sources", "sources"),
        ("Event types", "event-types"),
        ("Plugins", "plugins"),
        ("Tasks", "tasks"),
        ("Settings", "settings"),
    ];
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(place.title, charts))
            body hx-headers={ r#"{"x-weir-proof":""# (session.proof()) r#""}"# } data-proof=(session.proof()) {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.brand href=(PREFIX) { "Weir" }
                    nav aria-label="Main" {
                        @if let Some(app) = &session.app {
                            a href=(link(&["app", app])) { "Endpoints" }
                            a href=(link(&["app", app, "messages"])) { "Messages" }
                            a href=(link(&["app", app, "live"])) { "Live" }
                            a href=(link(&["event-types"])) { "Event types" }
                        } @else {
                            @for (word, to) in tenants { a href=(link(&[to])) { (word) } }
                        }
                    }
                    form.inline method="post" action=(link(&["logout"])) {
                        input type="hidden" name="_proof" value=(session.proof());
                        button.plain type="submit" title=(session.org) { "Sign out" }
                    }
                }
                main id="main" {
                    @if !place.above.is_empty() {
                        nav.crumbs aria-label="Where you are" {
                            @for (word, to) in &place.above { a href=(to) { (word) } span aria-hidden="true" { " / " } }
                        }
                    }
                    h1 { (place.title) }
                    (content)
                }
            }
        }
    }
}

fn bare(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, false))
            body.bare { main id="main" { h1 { (title) } (content) } }
        }
    }
}

/// Where one signs in.
pub(crate) fn login(fault: Option<&str>) -> Markup {
    bare(
        "Sign in",
        html! {
            @if let Some(fault) = fault { p.fault role="alert" { (fault) } }
            form id="login" method="post" action=(link(&["login"])) {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="off" required autofocus;
                button type="submit" { "Sign in" }
            }
            p.dim { "A token of your organisation shows everything; an application's shows that application. On your own machine, " code { "cargo xtask token" } " prints one." }
        },
    )
}

/// A page that says why not.
pub(crate) fn refused(status: u16, sentence: &str) -> Markup {
    let title = if status == 404 { "Not found" } else { "That did not work" };
    bare(title, html! { p.fault role="alert" { (sentence) } p { a href=(PREFIX) { "To the dashboard" } } })
}
