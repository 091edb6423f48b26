//! The actions of buttons and forms. An action is described as data: one API call, sometimes with a read before it, and what
//! to show afterwards. [`act`] performs it. (A description takes a fraction of the code that an async function takes.)

mod app;
mod endpoint;
mod messages;
mod plugin;
mod source;
mod tenant;

use crate::data::{base, link, path, text};
use crate::said::Said;
use crate::scope::t;
use crate::session::Session;
use crate::view;
use crate::{Answer, Api, Page, Request};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// A page, or an error page.
type Done = Result<Page, Page>;
/// The action to perform, or an error page.
type Planned<'a> = Result<Step<'a>, Page>;

/// The steps of an action.
enum Step<'a> {
    /// One API call.
    Call(Call<'a>),
    /// A call that depends on the API's response at this path.
    After(String, Box<dyn Asks<'a> + 'a>),
}

/// Builds the call from the response that was read.
trait Asks<'a>: FnOnce(&Value) -> Result<Call<'a>, Page> {}
impl<'a, F: FnOnce(&Value) -> Result<Call<'a>, Page>> Asks<'a> for F {}

/// An API call, and what to show of its response.
struct Call<'a> {
    method: &'static str,
    path: String,
    body: Vec<u8>,
    shows: Shows<'a>,
}

/// What to show after a call.
enum Shows<'a> {
    /// Redirect to this path, which reports what was done.
    Page(String, Said),
    /// The same below this path, to the value of this member of the response.
    Below(String, &'static str, Said),
    /// A fragment, in place.
    Piece(Box<dyn FnOnce(&Value) -> Markup + 'a>),
    /// A fragment that shows the response's payload byte for byte.
    Exact(Box<dyn FnOnce(&Answer) -> Markup + 'a>),
}

/// An API call.
fn call<'a>(method: &'static str, path: String, body: Option<Value>, shows: Shows<'a>) -> Call<'a> {
    Call { method, path, body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(), shows }
}

/// A call followed by a redirect.
#[allow(clippy::unnecessary_wraps)] // other plans fail
fn go<'a>(method: &'static str, path: String, body: Option<Value>, to: String, said: Said) -> Planned<'a> {
    Ok(Step::Call(call(method, path, body, Shows::Page(to, said))))
}

/// A call whose response is shown in place.
#[allow(clippy::unnecessary_wraps)] // other plans fail
fn show<'a>(
    method: &'static str,
    path: String,
    body: Option<Value>,
    piece: impl FnOnce(&Value) -> Markup + 'a,
) -> Planned<'a> {
    Ok(Step::Call(call(method, path, body, Shows::Piece(Box::new(piece)))))
}

/// Deletes a resource after its name, uid or id was typed to confirm.
#[allow(clippy::unnecessary_wraps)] // other plans fail
fn confirmed(request: &Request, at: String, to: String, said: Said) -> Planned<'_> {
    let own = at.clone();
    let delete = move |there: &Value| {
        let typed = request.field("confirm").unwrap_or_default();
        let name = |field: &str| Some(text(there, field)).filter(|name| !name.is_empty());
        let names = ["uid", "name", "id"].map(name);
        // Surrounding spaces are invisible, so nobody types them.
        if names.iter().flatten().any(|name| name.trim() == typed) {
            return Ok(call("DELETE", own, None, Shows::Page(to, said)));
        }
        let name = names.into_iter().flatten().next().unwrap_or_default();
        Err(wrong(422, &format!("Type {name} to confirm the deletion.")))
    };
    Ok(Step::After(at, Box::new(delete)))
}

/// Creates a resource and redirects to its page.
#[allow(clippy::unnecessary_wraps)] // other plans fail
fn make<'a>(
    path: &str,
    body: Map<String, Value>,
    above: String,
    name: &'static str,
    said: Said,
) -> Planned<'a> {
    Ok(Step::Call(call("POST", path.to_owned(), Some(Value::Object(body)), Shows::Below(above, name, said))))
}

/// Performs the action of a form.
pub(crate) async fn act<A: Api>(api: &A, session: &Session, request: &Request) -> Page {
    let done = match request.parts().as_slice() {
        ["app", app, "messages", "count"] => messages::count(api, session, request, app).await,
        ["app", app, "messages", "replay"] => messages::replay(api, request, app).await,
        ["app", source, "rejected", id, "check"] => source::check(api, request, source, id).await,
        ["app", source, "rejected", id, "adopt"] => source::adopt(api, request, source, id).await,
        parts => carry_out(api, request, planned(session, request, parts)).await,
    };
    let page = done.unwrap_or_else(|refusal| refusal);
    if request.partial { page } else { page.whole(session) }
}

fn planned<'a>(session: &'a Session, request: &'a Request, parts: &[&'a str]) -> Planned<'a> {
    match *parts {
        ["new-app"] => make("app", chosen(request, &["name", "uid"]), link(&["app"]), "id", Said::AppCreated),
        ["portal"] => app::portal(request, request.field("app").unwrap_or_default()),
        ["expire"] => tenant::expire(request),
        ["new-source"] => source::new(request),
        ["app", app, "new-endpoint"] => app::new_endpoint(request, app),
        ["app", app, "portal"] => app::portal(request, app),
        ["app", app, "edit-app"] => app::edit(request, app),
        ["app", app, "delete-app"] => {
            confirmed(request, path(&["app", app]), link(&["apps"]), Said::AppDeleted)
        }
        ["app", source, "edit-source"] => source::edit(request, source),
        ["app", source, "rotate-token"] => source::rotate_token(request, source),
        ["app", source, "test-source"] => source::test(request, source),
        ["app", source, "delete-source"] => {
            confirmed(request, base(source, &[]), link(&["sources"]), Said::SourceDeleted)
        }
        ["app", source, "rejected", id, "accept"] => source::accept(source, id),
        ["app", app, "message", id, "resend"] => {
            let endpoint = request.field("endpoint").unwrap_or_default();
            show("POST", base(app, &["msg", id, "endpoint", endpoint, "resend"]), None, |_| {
                notice("Resent. The attempt appears below in a moment.")
            })
        }
        ["app", app, "endpoint", id, what] => endpoint::planned(session, request, app, id, what),
        ["new-plugin"] => plugin::planned(request, request.field("name").unwrap_or_default(), "upload"),
        ["plugin", name, what] => plugin::planned(request, name, what),
        ["new-event-type"] => tenant::new_event_type(request),
        ["import"] => tenant::import(request),
        ["event-type", name, what] => tenant::on_event_type(request, name, what),
        ["new-operational"] => tenant::new_operational(request),
        ["operational", id, what] => tenant::on_operational(id, what),
        ["task", id, "cancel"] => show("POST", path(&["background-task", id, "cancel"]), None, view::task),
        _ => Err(nothing()),
    }
}

async fn carry_out<A: Api>(api: &A, request: &Request, step: Planned<'_>) -> Done {
    let Call { method, path, body, shows } = match step? {
        Step::Call(call) => call,
        Step::After(path, call) => {
            let answer = api.call("GET", &path, None).await;
            if !answer.is_ok() {
                return Err(fault(&answer));
            }
            if crate::lossless::is_changed(&answer.body) {
                return Err(wrong(
                    422,
                    "This contains JSON that the dashboard cannot read without changing it. Use the API to edit it.",
                ));
            }
            call(&answer.body)?
        }
    };
    let answer = api.send(method, &path, body).await;
    let (to, said) = match shows {
        Shows::Piece(_) | Shows::Exact(_) if !answer.is_ok() => return Err(fault(&answer)),
        Shows::Exact(piece) => return Ok(Page::piece(piece(&answer))),
        Shows::Piece(piece) => return Ok(Page::piece(piece(&answer.body))),
        Shows::Page(to, said) => (to, said),
        Shows::Below(above, name, said) => {
            (format!("{above}/{}", crate::data::path(&[text(&answer.body, name)])), said)
        }
    };
    match (answer.is_ok(), request.partial) {
        (true, partial) => Ok(Page::go_or_load(&to, partial).saying(said)),
        (false, true) => Err(fault(&answer)),
        (false, false) => Err(Page::refused(answer.status, &answer.sentence())),
    }
}

fn nothing() -> Page {
    Page::refused(404, "There is no such action.")
}

/// An API error, shown in place.
fn fault(answer: &Answer) -> Page {
    wrong(answer.status, &answer.sentence())
}

/// An error, shown in place.
fn wrong(status: u16, sentence: &str) -> Page {
    Page { sentence: Some(sentence.to_owned()), ..Page::html(status, view::fault(sentence)) }
}

/// A confirmation: a toast, or a notice without scripts.
fn notice(sentence: &str) -> Markup {
    html! { div.note.ok.i-check role="status" data-toast { div.grow { p { (t(sentence)) } } } }
}

/// The non-empty fields of a form as a JSON object.
fn chosen(request: &Request, names: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| Some(((*name).to_owned(), json!(request.field(name)?)));
    names.iter().filter_map(field).collect()
}

/// A field that contains JSON. `None` if it is empty.
fn json_field(request: &Request, name: &str) -> Result<Option<Value>, Page> {
    let read = |text: &str| match serde_json::from_str(text) {
        Err(error) => Err(wrong(422, &format!("The field {name} is not JSON: {error}."))),
        Ok(_) if !crate::lossless::read(text).1 => Err(wrong(
            422,
            &format!(
                "The field {name} has a number that the dashboard cannot send without changing it. Use the API."
            ),
        )),
        Ok(value) => Ok(value),
    };
    request.field(name).map(read).transpose()
}

/// A field that contains a number; null if it is empty. The API rejects invalid numbers.
fn number(request: &Request, name: &str) -> Value {
    let Some(text) = request.field(name) else { return Value::Null };
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// A field that contains lines of `name: value`.
fn lines_field(request: &Request, name: &str) -> Result<Map<String, Value>, Page> {
    crate::data::pairs(request.field(name).unwrap_or_default())
        .map_err(|line| wrong(422, &format!("Enter one “name: value” per line. Invalid line: {line}")))
}
