//! Search results.

use super::parts::{empty, head};
use crate::data::link;
use crate::scope::t;
use maud::{Markup, html};

/// A search result.
pub(crate) struct Hit {
    /// Its icon.
    pub(crate) icon: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// Its kind or id.
    pub(crate) about: String,
    /// Its path.
    pub(crate) to: String,
}

/// The results in the command palette.
pub(crate) fn hits(found: &[Hit], says: &str) -> Markup {
    html! {
        @if !found.is_empty() { li { h3 { (t("Found")) } } }
        @for hit in found { li { a class={ "i-" (hit.icon) } href=(hit.to) { span.clip.grow { (hit.name) } span.id { (hit.about) } } } }
        @if found.is_empty() { li.small.muted.padg { (t("Nothing found")) ". " (t(says)) } }
    }
}

/// The search page.
pub(crate) fn found(app: Option<&str>, wanted: &str, found: &[Hit], says: &str) -> Markup {
    html! {
        (head(&t("Search").text(), html! {}, &[html! { (t("Search by the name or uid of an application or source, or by any id or event id.")) }], html! {}))
        form.filters method="get" action=(link(&["find"])) role="search" {
            @if let Some(app) = app { input type="hidden" name="app" value=(app); }
            input.in type="search" name="q" value=(wanted) aria-label=(t("Name, uid, id or event id")) placeholder=(t("Name, uid, id or event id")) maxlength="256" autofocus;
            button.btn.pri type="submit" { (t("Search")) }
        }
        @if !wanted.is_empty() {
            section.card {
                @if found.is_empty() { (empty("search", "Nothing found", html! { (t(says)) }, html! {})) }
                @else {
                    ul.list { @for hit in found { li { span class={ "ico i-" (hit.icon) } {} div.grow { a.t1.clip.blk href=(hit.to) { (hit.name) } div.tiny.faint.clip { (hit.about) } } } } }
                    footer { (t(says)) }
                }
            }
        }
    }
}
