//! What an operator has to know of keys and tokens: what cannot be opened, and which tokens were revoked.

use super::parts::{card, empty, note, table, time};
use crate::data::{rows, text};
use maud::{Markup, html};

/// A warning where something that is stored cannot be opened, such as after a change of `MASTER_KEY`; then the page.
pub(crate) fn with_problem(of: &serde_json::Value, page: &Markup) -> Markup {
    let problem = text(of, "problem");
    html! {
        @if !problem.is_empty() {
            (note("bad", "shield", html! { p { b { "Nothing is sent. " } (problem) } }, html! {}))
        }
        (page)
    }
}

/// The page of settings, with the tokens that were revoked by their ids.
pub(crate) fn with_revoked(page: &Markup, revoked: &serde_json::Value) -> Markup {
    let ids: Vec<_> = rows(revoked)
        .iter()
        .map(|token| vec![html! { code.id { (text(token, "id")) } }, time(text(token, "revokedAt"))])
        .collect();
    html! {
        (page)
        (card("Revoked tokens", html! {}, html! {
            @if ids.is_empty() { (empty("key", "No token was revoked by its id", html! { "POST /api/v1/auth/token/ID/revoke revokes one. Its id is the claim jti, which cargo xtask token prints." }, html! {})) }
            @else { (table(&["Token", "Revoked"], &ids)) }
        }))
    }
}
