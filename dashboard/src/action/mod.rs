//! What the buttons and forms do: each is one call of the API, or a few, and tells in place what came of it.

mod app;
mod endpoint;
mod plugin;
mod source;
mod tenant;

use crate::data::{base, link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Answer, Api, Page, Request};
use app::{delete_app, edit_app, new_app, new_endpoint, portal};
use endpoint::on_endpoint;
use maud::html;
use plugin::on_plugin;
use serde_json::{Map, Value, json};
use source::{accept, delete_source, edit_source, new_source, rotate_token};

/// Does what the form asks.
pub(crate) async fn act<A: Api>(api: &A, session: &Session, request: &Request) -> Page {
    let done = match request.parts().as_slice() {
        ["new-app"] => new_app(api, request).await,
        ["portal"] => portal(api, request, request.field("app").unwrap_or_default()).await,
        ["expire"] => tenant::expire(api, request).await,
        ["new-source"] => new_source(api, request).await,
        ["app", app, "new-endpoint"] => new_endpoint(api, request, app).await,
        ["app", app, "portal"] => portal(api, request, app).await,
        ["app", app, "edit-app"] => edit_app(api, request, app).await,
        ["app", app, "delete-app"] => delete_app(api, request, app).await,
        ["app", source, "edit-source"] => edit_source(api, request, source).await,
        ["app", source, "rotate-token"] => rotate_token(api, source).await,
        ["app", source, "delete-source"] => delete_source(api, request, source).await,
        ["app", source, "rejected", id, "accept"] => accept(api, source, id).await,
        ["app", app, "message", id, "resend"] => resend(api, request, app, id).await,
        ["app", app, "endpoint", id, what] => on_endpoint(api, session, request, app, id, what).await,
        ["new-plugin"] => on_plugin(api, request, request.field("name").unwrap_or_default(), "upload").await,
        ["plugin", name, what] => on_plugin(api, request, name, what).await,
        ["new-event-type"] => tenant::new_event_type(api, request).await,
        ["import"] => tenant::import(api, request).await,
        ["event-type", name, what] => tenant::on_event_type(api, request, name, what).await,
        ["new-operational"] => tenant::new_operational(api, request).await,
        ["operational", id, what] => tenant::on_operational(api, request, id, what).await,
        ["task", id, "cancel"] => cancel(api, id).await,
        _ => Err(Page::refused(404, "There is no such action.")),
    };
    done.unwrap_or_else(|refusal| refusal)
}

/// A page, or one that says why not.
type Done = Result<Page, Page>;

async fn cancel<A: Api>(api: &A, id: &str) -> Done {
    let own = path(&["background-task", id]);
    ask(api, "POST", &format!("{own}/cancel"), None).await?;
    Ok(Page::html(200, view::task(&ask(api, "GET", &own, None).await?)))
}

/// A call that has to succeed: its answer, or in place why not.
async fn ask<A: Api>(api: &A, method: &str, path: &str, body: Option<Value>) -> Result<Value, Page> {
    let answer = api.call(method, path, body).await;
    if answer.is_ok() { Ok(answer.body) } else { Err(fault(&answer)) }
}

/// In place, why not.
fn fault(answer: &Answer) -> Page {
    wrong(answer.status, &answer.sentence())
}

/// In place, what is wrong.
fn wrong(status: u16, sentence: &str) -> Page {
    Page::html(status, html! { p.fault role="alert" { (sentence) } })
}

/// In place, what was done.
fn said(sentence: &str) -> Page {
    Page::html(200, html! { p role="status" { (sentence) } })
}

/// On to a page once this is done, or why not.
async fn then<A: Api>(
    api: &A,
    request: &Request,
    (method, path, body): (&str, &str, Option<Value>),
    to: impl FnOnce(&Value) -> String,
) -> Done {
    let answer = api.call(method, path, body).await;
    match (answer.is_ok(), request.partial) {
        (true, partial) => Ok(Page::go_or_load(&to(&answer.body), partial)),
        (false, true) => Err(fault(&answer)),
        (false, false) => Err(Page::refused(answer.status, &answer.sentence())),
    }
}

/// The fields of a form that have a value, as a JSON object.
fn chosen(request: &Request, names: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| Some(((*name).to_owned(), json!(request.field(name)?)));
    names.iter().filter_map(field).collect()
}

/// A field that holds JSON; none where it is empty.
fn json_field(request: &Request, name: &str) -> Result<Option<Value>, Page> {
    let read = |text: &str| {
        serde_json::from_str(text)
            .map_err(|error| wrong(422, &format!("The field {name} is not JSON: {error}.")))
    };
    request.field(name).map(read).transpose()
}

/// A field that holds a number; null where it is empty. What is no number is left to the API to refuse.
fn number(request: &Request, name: &str) -> Value {
    let Some(text) = request.field(name) else { return Value::Null };
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// A field that holds lines `name: value`.
fn lines_field(request: &Request, name: &str) -> Result<Map<String, Value>, Page> {
    crate::data::pairs(request.field(name).unwrap_or_default())
        .map_err(|line| wrong(422, &format!("Write a line each, name: value. This is none: {line}")))
}

async fn resend<A: Api>(api: &A, request: &Request, app: &str, id: &str) -> Done {
    let endpoint = request.field("endpoint").unwrap_or_default();
    ask(api, "POST", &base(app, &["msg", id, "endpoint", endpoint, "resend"]), None).await?;
    Ok(said("It is sent again. The attempt shows below in a moment."))
}

/// The page of an endpoint, to go on to.
fn endpoint_page(app: &str, endpoint: &Value) -> String {
    link(&["app", app, "endpoint", text(endpoint, "id")])
}
