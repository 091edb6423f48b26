//! What the buttons and forms do: each is one call of the API, and tells in place what came of it.

mod endpoint;

use crate::data::{link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Answer, Api, Page, Request};
use endpoint::on_endpoint;
use maud::html;
use serde_json::{Map, Value, json};

/// Does what the form asks.
pub(crate) async fn act<A: Api>(api: &A, session: &Session, request: &Request) -> Page {
    match request.parts().as_slice() {
        ["new-app"] => new_app(api, request).await,
        ["app", app, "new-endpoint"] => new_endpoint(api, request, app).await,
        ["app", app, "message", id, "resend"] => resend(api, request, app, id).await,
        ["app", app, "endpoint", id, what] => on_endpoint(api, session, request, app, id, what).await,
        ["task", id, "cancel"] => match api
            .call("POST", &path(&["background-task", id, "cancel"]), None)
            .await
        {
            answer if answer.is_ok() => match api.call("GET", &path(&["background-task", id]), None).await {
                task if task.is_ok() => Page::html(200, view::task(&task.body)),
                task => said(&task, ""),
            },
            answer => said(&answer, ""),
        },
        _ => Page::refused(404, "There is no such action."),
    }
}

/// What came of a call, in a sentence.
fn said(answer: &Answer, done: &str) -> Page {
    if answer.is_ok() {
        Page::html(200, html! { p role="status" { (done) } })
    } else {
        Page::html(answer.status, html! { p.fault role="alert" { (answer.sentence()) } })
    }
}

/// On to a page, or why not.
fn gone(answer: &Answer, request: &Request, to: &str) -> Page {
    match (answer.is_ok(), request.partial) {
        (true, partial) => Page::go_or_load(to, partial),
        (false, true) => said(answer, ""),
        (false, false) => Page::refused(answer.status, &answer.sentence()),
    }
}

/// The fields of a form that have a value, as a JSON object.
fn chosen(request: &Request, names: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| Some(((*name).to_owned(), json!(request.field(name)?)));
    names.iter().filter_map(field).collect()
}

async fn new_app<A: Api>(api: &A, request: &Request) -> Page {
    let answer = api.call("POST", "app", Some(Value::Object(chosen(request, &["name", "uid"])))).await;
    let to = link(&["app", text(&answer.body, "id")]);
    gone(&answer, request, &to)
}

async fn new_endpoint<A: Api>(api: &A, request: &Request, app: &str) -> Page {
    let mut body = chosen(request, &["url", "description"]);
    let events = request.fields("event");
    if !events.is_empty() {
        body.insert("eventTypes".to_owned(), json!(events));
    }
    let answer = api.call("POST", &path(&["app", app, "endpoint"]), Some(Value::Object(body))).await;
    let to = link(&["app", app, "endpoint", text(&answer.body, "id")]);
    gone(&answer, request, &to)
}

async fn resend<A: Api>(api: &A, request: &Request, app: &str, id: &str) -> Page {
    let endpoint = request.field("endpoint").unwrap_or_default();
    let to = path(&["app", app, "msg", id, "endpoint", endpoint, "resend"]);
    said(&api.call("POST", &to, None).await, "It is sent again. The attempt shows below in a moment.")
}
