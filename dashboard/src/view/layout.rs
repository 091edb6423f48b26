//! The frame around every page, and the pages without a session.

use crate::PREFIX;
use crate::brand::Brand;
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

fn head(title: &str, brand: Option<&Brand>, charts: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // No evaluated texts and no styles of its own: the page's policy forbids both.
            meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;
            title { (title) @if let Some(brand) = brand { " · " (brand.name) } }
            link rel="icon" href="data:,";
            link rel="stylesheet" href=(asset("dashboard.css"));
            @if let Some(to) = brand.and_then(Brand::stylesheet) { link rel="stylesheet" href=(to); }
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
            (head(place.title, Some(&session.brand), charts))
            body hx-headers={ r#"{"x-weir-proof":""# (session.proof()) r#""}"# } data-proof=(session.proof()) {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.brand href=(PREFIX) { (session.brand.name) }
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

fn bare(title: &str, brand: Option<&Brand>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, brand, false))
            body.bare { main id="main" { h1 { (title) } (content) } }
        }
    }
}

/// Where one signs in.
pub(crate) fn login(fault: Option<&str>, brand: &Brand) -> Markup {
    bare(
        "Sign in",
        Some(brand),
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

/// A page that says why not, and what to do.
pub(crate) fn refused(status: u16, sentence: &str) -> Markup {
    let (title, hint) = match status {
        401 => (
            "Signed out",
            "The session has ended, or its token was taken back: sign in again, or ask for a new link.",
        ),
        403 => ("Not allowed", "What you signed in with may not do this."),
        404 => (
            "Not found",
            "It may have been deleted, or its time may be over: payloads and attempts are kept for a while.",
        ),
        422 => ("That did not work", "Go back, change what the sentence names, and send it again."),
        429 => ("Too much at once", "Wait a moment, then try again."),
        _ => {
            ("That did not work", "Try again. If it stays so, the gateway's log says why: npx wrangler tail")
        }
    };
    bare(
        title,
        None,
        html! { p.fault role="alert" { (sentence) } p.dim { (hint) } p { a href=(PREFIX) { "To the dashboard" } } },
    )
}
