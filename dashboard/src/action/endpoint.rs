//! What is done on the page of an endpoint.

use super::{chosen, gone, said};
use crate::data::{link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Api, PREFIX, Page, Request};
use maud::html;
use serde_json::{Value, json};

pub(super) async fn on_endpoint<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    app: &str,
    id: &str,
    what: &str,
) -> Page {
    let own = path(&["app", app, "endpoint", id]);
    let here = link(&["app", app, "endpoint", id]);
    match what {
        "toggle" => {
            let body = json!({ "disabled": request.field("disabled") == Some("true") });
            gone(&api.call("PATCH", &own, Some(body)).await, request, &here)
        }
        "edit" => gone(&api.call("PATCH", &own, Some(edited(request))).await, request, &here),
        "delete" => {
            let to = if session.app.is_some() { PREFIX.to_owned() } else { link(&["app", app]) };
            gone(&api.call("DELETE", &own, None).await, request, &to)
        }
        "secret" => match api.call("GET", &format!("{own}/secret"), None).await {
            answer if answer.is_ok() => {
                Page::html(200, view::secret(text(&answer.body, "key"), "The secret that signs:"))
            }
            answer => said(&answer, ""),
        },
        "rotate" => match api.call("POST", &format!("{own}/secret/rotate"), Some(json!({}))).await {
            answer if answer.is_ok() => Page::html(
                200,
                view::secret(
                    text(&answer.body, "key"),
                    "The new secret. For 24 hours the old one signs beside it; give the receiver the new one by then.",
                ),
            ),
            answer => said(&answer, ""),
        },
        "test" => {
            let mut body = chosen(request, &["eventType"]);
            if let Some(payload) = request.field("payload") {
                match serde_json::from_str::<Value>(payload) {
                    Ok(payload) => drop(body.insert("payload".to_owned(), payload)),
                    Err(error) => {
                        let fault =
                            html! { p.fault role="alert" { "The payload is not JSON: " (error) "." } };
                        return Page::html(422, fault);
                    }
                }
            }
            let answer = api.call("POST", &format!("{own}/send-example"), Some(Value::Object(body))).await;
            if !answer.is_ok() {
                return said(&answer, "");
            }
            let message = link(&["app", app, "message", text(&answer.body, "id")]);
            Page::html(
                200,
                html! { p role="status" { "Sent. " a href=(message) { "See what comes of it" } } },
            )
        }
        "replay" => {
            let kind = request.field("what").unwrap_or_default();
            if !["recover", "replay-missing", "bulk-replay"].contains(&kind) {
                return Page::refused(422, "Choose what to send again.");
            }
            let body = Value::Object(chosen(request, &["since"]));
            match api.call("POST", &format!("{own}/{kind}"), Some(body)).await {
                answer if answer.is_ok() => Page::html(200, view::task(&answer.body)),
                answer => said(&answer, ""),
            }
        }
        _ => Page::refused(404, "There is no such action."),
    }
}

/// What the form of an endpoint changes.
fn edited(request: &Request) -> Value {
    let events = request.fields("event");
    let rate = request
        .field("throttleRate")
        .map(|rate| rate.parse::<u64>().map_or_else(|_| json!(rate), |n| json!(n)));
    json!({
        "url": request.field("url").unwrap_or_default(),
        "description": request.field("description").unwrap_or_default(),
        "throttleRate": rate,
        "eventTypes": if events.is_empty() { Value::Null } else { json!(events) },
    })
}
