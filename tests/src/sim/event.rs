//! What happens in a world: events, and the calls between objects.

use super::node::Object;
use weir_core::api::call::{self, Call};
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::directory::Effect;
use weir_core::endpoint::{Attempt, AttemptResult, Passed};
use weir_core::frame::{
    Accepted, AppInit, Config, ConfigAnswer, ExpungeAsk, Payloads, PayloadsAsk, PluginNotice, PluginUpload,
    PluginUses, Pull, Push, PushAnswer, Report, Resend, TaskAnswer,
};
use weir_core::wire::TaskAsk;

pub(super) enum Event {
    /// A client of an application does something.
    Act(usize),
    /// Somebody changes the tenant's plugins.
    ActOnPlugins,
    Post(usize, Vec<usize>),
    Told(Vec<usize>, Option<Vec<Accepted>>),
    /// With its depth in the chain of calls.
    Call(Object, Ask, Reply, u32),
    Answer(Reply, Option<Answer>),
    Alarm(Object, u32),
    Timer(Object, u32, u32),
    Request(usize, Box<Attempt>, u32, u32),
    Ended(usize, Box<AttemptResult>, u32, u32),
    Passed(usize, Box<Passed>, u32),
    Record(usize, u32),
    Mood(usize),
    Crash(Object),
    /// All objects are reset at once: their code was updated.
    Deploy,
    /// An object is overloaded for so long: calls of it are refused.
    Overload(Object, i64),
    /// An object's storage is full, or has room again.
    Fill(Object, bool),
    Jump,
    Audit(usize),
    Calm,
}

/// What one object asks of another, or the Worker of one of them.
#[derive(Clone)]
pub(super) enum Ask {
    Api(Call<AppOp>),
    /// A call of the API that the Directory answers.
    Directory(Call<DirectoryOp>),
    Upload(PluginUpload),
    Init(AppInit),
    Notice(PluginNotice),
    Payloads(PayloadsAsk),
    Pull(Pull),
    Report(Report),
    Push(Push),
    Configure(Box<Config>),
    Resend(Resend),
    Task(TaskAsk),
    Expunge(ExpungeAsk),
    Erase,
}

impl Ask {
    /// Whether nobody can tell when it arrives twice.
    pub(super) fn may_be_doubled(&self) -> bool {
        !matches!(self, Self::Api(_) | Self::Directory(_) | Self::Upload(_) | Self::Resend(_))
    }
}

/// Who waits for an answer, and under which opening.
#[derive(Clone)]
pub(super) enum Reply {
    Nobody,
    App(usize, u32, ForApp),
    Endpoint(usize, u32, ForEndpoint),
    /// The process counts, not the opening: what comes of it is written down in the tables.
    Directory(u32, Box<Effect>),
    Worker(Flow),
}

#[derive(Debug, Clone)]
pub(super) enum ForApp {
    Pushed(String),
    Configured(String),
    Scheduled(String),
    Task(String),
    Noted(String, i64),
    Erased(String),
    Event(i64),
}

#[derive(Debug, Clone)]
pub(super) enum ForEndpoint {
    Payloads(Vec<String>),
    Pulled,
    Reported(i64),
}

/// What the Worker does with an answer.
#[derive(Debug, Clone)]
pub(super) enum Flow {
    /// The Directory has resolved an endpoint's plugins: the App stores them.
    Attach { app: usize, endpoint_id: String, plugins: Vec<u8>, tries: u32 },
    /// The App has stored them: the Directory is told.
    Stored { app: usize, endpoint_id: String, plugins: Vec<u8>, seq: i64, tries: u32 },
    /// An Endpoint object has forgotten an attempt's response.
    Expunged(usize, String),
}

pub(super) enum Answer {
    Push(PushAnswer),
    Config(ConfigAnswer),
    Payloads(Payloads),
    Task(TaskAnswer),
    Uses(PluginUses),
    Api(call::Reply),
    Done(bool),
}

impl Event {
    /// For the trace of a run.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Act(a) => format!("a client of app {a} acts"),
            Self::ActOnPlugins => "somebody changes the plugins".to_owned(),
            Self::Post(a, posts) => format!("app {a} gets posts {posts:?}"),
            Self::Told(posts, answers) => format!("a client is told of {posts:?}: {answers:?}"),
            Self::Call(to, ask, _, depth) => format!("{to:?} (depth {depth}): {}", ask.describe()),
            Self::Answer(reply, answer) => {
                let answer = answer.as_ref().map_or("nothing".to_owned(), Answer::describe);
                match reply {
                    Reply::Nobody => "an answer to nobody".to_owned(),
                    Reply::App(a, opening, what) => {
                        format!("app {a} (opening {opening}): {what:?}: {answer}")
                    }
                    Reply::Endpoint(e, opening, what) => {
                        format!("endpoint {e} (opening {opening}): {what:?}: {answer}")
                    }
                    Reply::Directory(process, effect) => {
                        format!("the Directory (process {process}): {effect:?}: {answer}")
                    }
                    Reply::Worker(flow) => format!("the Worker: {flow:?}: {answer}"),
                }
            }
            Self::Alarm(object, number) => format!("{object:?}: alarm {number}"),
            Self::Timer(object, ..) => format!("{object:?}: timer"),
            Self::Request(e, attempt, ..) => format!("endpoint {e}: request for {:?}", attempt.delivery),
            Self::Ended(e, result, ..) => {
                format!("endpoint {e}: {} ended: {:?}", result.delivery.key, result.outcome)
            }
            Self::Passed(e, passed, _) => {
                format!("endpoint {e}: {} has passed: {:?}", passed.delivery.key, passed.outcome.decision)
            }
            Self::Record(e, _) => format!("endpoint {e}: records"),
            Self::Mood(e) => format!("the receiver of endpoint {e} changes its mood"),
            Self::Crash(object) => format!("{object:?} crashes"),
            Self::Deploy => "all objects are reset".to_owned(),
            Self::Overload(object, ms) => format!("{object:?} is overloaded for {ms} ms"),
            Self::Fill(object, full) => format!("{object:?}: the storage is full: {full}"),
            Self::Jump => "the clocks jump".to_owned(),
            Self::Audit(e) => format!("endpoint {e}: the statistics are compared"),
            Self::Calm => "the faults stop".to_owned(),
        }
    }
}

impl Ask {
    /// What kind of call it is.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Api(_) | Self::Directory(_) => "api",
            Self::Upload(_) => "upload-plugin",
            Self::Init(_) => "init",
            Self::Notice(_) => "plugin",
            Self::Payloads(_) => "payloads",
            Self::Pull(_) => "pull",
            Self::Report(_) => "report",
            Self::Push(_) => "push",
            Self::Configure(_) => "configure",
            Self::Resend(_) => "resend",
            Self::Task(ask) => ask.name(),
            Self::Expunge(_) => "expunge",
            Self::Erase => "erase",
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Api(call) => describe_call(call.op.name(), &call.params, &call.body),
            Self::Directory(call) => describe_call(call.op.name(), &call.params, &call.body),
            Self::Upload(upload) => {
                describe_call("upload", std::slice::from_ref(&upload.name), &upload.module)
            }
            Self::Init(init) => format!("{init:?}"),
            Self::Notice(notice) => format!("{notice:?}"),
            Self::Payloads(ask) => format!("payloads of {:?}", ask.ids),
            Self::Pull(pull) => format!("{} pulls", pull.endpoint_id),
            Self::Report(report) => format!("{report:?}"),
            Self::Push(push) => {
                let ids: Vec<&String> = push.messages.iter().map(|message| &message.id).collect();
                format!("push under {} of {ids:?}", push.config_version)
            }
            Self::Configure(config) => {
                format!("configuration {} (disabled: {})", config.version, config.disabled)
            }
            Self::Resend(resend) => format!("resend of {}", resend.message.id),
            Self::Task(ask) => format!("a batch: {}", ask.name()),
            Self::Expunge(ask) => format!("{ask:?}"),
            Self::Erase => "erase".to_owned(),
        }
    }
}

fn describe_call(op: &str, params: &[String], body: &[u8]) -> String {
    format!("{op} {params:?} {}", String::from_utf8_lossy(body))
}

impl Answer {
    fn describe(&self) -> String {
        match self {
            Self::Push(answer) => format!("{answer:?}"),
            Self::Config(answer) => format!("{answer:?}"),
            Self::Payloads(answer) => {
                let found: Vec<&String> = answer.found.iter().map(|(id, _)| id).collect();
                format!("payloads of {found:?}, gone: {:?}", answer.gone)
            }
            Self::Task(answer) => format!("{answer:?}"),
            Self::Uses(uses) => format!("{uses:?}"),
            Self::Api(reply) => format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)),
            Self::Done(done) => format!("done: {done}"),
        }
    }
}
