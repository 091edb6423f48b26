//! The page of a message: its payload, where it went, every attempt.

use super::form::{facts, mono, result};
pub(super) use super::timeline::attempts;
use super::{button, excerpt, pretty, status, time};
use crate::data::{link, rows, text, texts};
use maud::{Markup, html};
use serde_json::Value;

/// How much of a payload is shown, in bytes of HTML.
const PAYLOAD: usize = 12_000;

/// What the page of a message shows.
pub(crate) struct MessageView<'a> {
    pub(crate) app: &'a str,
    pub(crate) message: &'a Value,
    pub(crate) destinations: &'a Value,
    pub(crate) attempts: &'a Value,
}

/// A message.
pub(crate) fn message(view: &MessageView<'_>) -> Markup {
    let id = text(view.message, "id");
    let here = link(&["app", view.app, "message", id]);
    let payload = view.message.get("payload").map(pretty).unwrap_or_default();
    let (shown, cut) = excerpt(&payload, PAYLOAD);
    let tags = |name: &str| html! { @for one in texts(view.message, name) { span.tag { (one) } " " } };
    html! {
        (facts(&[
            ("Id", mono(id)),
            ("Event id", mono(text(view.message, "eventId"))),
            ("Accepted", time(text(view.message, "timestamp"))),
            ("Channels", tags("channels")),
            ("Tags", tags("tags")),
        ]))
        h2 { "Payload" }
        pre tabindex="0" { (shown) }
        @if cut { p { "It is longer: " a href={ (here) "/payload" } { "the whole payload" } } }
        (result())
        div id="live" hx-get=(here) hx-trigger="every 3s" hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            h2 { "Where it goes" }
            @if rows(view.destinations).is_empty() { p { "To no endpoint: none had chosen this event type, or there was none. " a href=(link(&["app", view.app])) { "Create one, or change one" } ", and have it sent what it missed: " em { "Send again" } " on its page." } }
            @else {
                table {
                    thead { tr { th { "Endpoint" } th { "State" } th { span.hidden { "Actions" } } } }
                    tbody { @for endpoint in rows(view.destinations) {
                        @let endpoint_id = text(endpoint, "id");
                        tr {
                            td { a href=(link(&["app", view.app, "endpoint", endpoint_id])) { (text(endpoint, "url")) } }
                            td { (status(endpoint)) }
                            td { (button(&format!("{here}/resend"), "Send again", Some("#result"), None, &[("endpoint", endpoint_id)])) }
                        }
                    } }
                }
            }
            h2 { "Attempts" }
            @for endpoint in rows(view.destinations).iter().filter(|endpoint| !text(endpoint, "nextAttempt").is_empty()) {
                p.next { span.status.pending { "next" } " " (time(text(endpoint, "nextAttempt"))) " " (text(endpoint, "url")) }
            }
            (attempts(view.app, view.attempts, false))
        }
    }
}
