//! The Directory object of the world: which applications, sources and plugins there are, and who is told.
//!
//! What must hold in the end: an App object knows of itself what the Directory knows of it, and an endpoint that follows
//! a plugin has the version that is current.

use super::dice::Dice;
use super::event::{Answer, Ask, Event, Flow, Reply};
use super::node::{Machine, Node, Object};
use super::storage::Disk;
use super::world::{AppNode, Done, World};
use super::{Defect, Rule};
use serde_json::{Value as Json, json};
use std::rc::Rc;
use weir_core::api::call::{self, Call};
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::app::EndpointRecord;
use weir_core::budget::Budget;
use weir_core::deployment::Deployment;
use weir_core::directory::{Admitted, Directory, Effect, Outcome};
use weir_core::frame::{self, AppInit, PluginUpload, ResolvedPlugins};
use weir_core::query::Query;
use weir_core::rng::Seeded;
use weir_core::source::{SourceRecord, SourceRow};
use weir_core::sql::{Sql, SqlError, Value};

const ORG: &str = "org_sim";
/// What the tenant's plugins are called.
const PLUGINS: [&str; 2] = ["notes", "marks"];

/// What a step of the Directory asks for.
#[derive(Default)]
pub(super) struct Effects {
    tell: Vec<Effect>,
    alarm: Option<i64>,
}

pub(super) struct DirectoryNode {
    pub(super) node: Node<Directory<Disk>>,
}

impl DirectoryNode {
    pub(super) fn new(rng: &mut Seeded, skew_ms: i64) -> Self {
        Self { node: Node::new(rng, skew_ms, false) }
    }
}

impl Machine for Directory<Disk> {
    type Effects = Effects;

    fn open(sql: Disk, _: Rc<Deployment>, now: i64, _: Option<i64>) -> Result<Self, SqlError> {
        Directory::open(sql, now)
    }

    fn set_budget(&mut self, _: Rc<Budget>) {} // it answers, and tells a few objects with each alarm

    fn object(_: usize) -> Object {
        Object::Directory
    }

    fn node(world: &mut World, _: usize) -> &mut Node<Self> {
        &mut world.directory.node
    }

    fn alarm(effects: &Effects) -> Option<i64> {
        effects.alarm
    }

    fn carry_out(world: &mut World, _: usize, effects: Effects, crashed: bool) {
        let process = world.directory.node.on.process;
        let kept = world.kept(crashed, effects.tell.len());
        for effect in effects.tell.into_iter().take(kept) {
            let (app_id, ask) = match &effect {
                Effect::InitApp { app_id, uid, version, .. } => {
                    (app_id, Ask::Init(init(app_id, uid.clone(), *version, false)))
                }
                Effect::DeleteApp { app_id } => (app_id, Ask::Init(init(app_id, None, i64::MAX, true))),
                Effect::TellOfPlugin { app_id, notice } => (app_id, Ask::Notice(notice.clone())),
                Effect::AskUsage(_) => continue, // no world counts
            };
            let Some(a) = world.apps.iter().position(|app| app.id == *app_id) else {
                world.violate(Rule::Exists, format!("the Directory tells {app_id}, which was never created"));
                return;
            };
            let reply = Reply::Directory(process, Box::new(effect));
            world.call_from(Object::Directory, Object::App(a), ask, reply);
        }
    }

    fn check(world: &mut World, _: usize) {
        world.check_directory();
    }
}

fn init(app_id: &str, uid: Option<String>, version: i64, deleted: bool) -> AppInit {
    AppInit {
        org: ORG.to_owned(),
        app_id: app_id.to_owned(),
        uid,
        version,
        deleted,
        rate: None,
        send_as: None,
    }
}

impl World {
    fn step_directory<T>(
        &mut self,
        in_alarm: bool,
        work: impl FnOnce(&mut Directory<Disk>, i64, &mut Seeded) -> Result<(T, Effects), SqlError>,
    ) -> Option<Done<T, Effects>> {
        self.step(0, in_alarm, work)
    }

    fn finish_directory<T>(&mut self, done: Done<T, Effects>) -> Option<T> {
        self.finish::<Directory<Disk>, T>(0, done)
    }

    /// The Directory's alarm; whether its handler died.
    pub(super) fn directory_alarm(&mut self) -> bool {
        let done = self.step_directory(true, |m, now, _| {
            let wake = m.alarm(now)?;
            Ok(((), Effects { tell: wake.effects, alarm: wake.alarm }))
        });
        done.and_then(|done| self.finish_directory(done)).is_none()
    }

    pub(super) fn directory_called(&mut self, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Directory(call) => self.ask_directory(&call),
            Ask::Upload(upload) => self.upload(&upload),
            Ask::Api(_)
            | Ask::Init(_)
            | Ask::Notice(_)
            | Ask::Payloads(_)
            | Ask::Pull(_)
            | Ask::Report(_)
            | Ask::Push(_)
            | Ask::Configure(_)
            | Ask::Resend(_)
            | Ask::Task(_)
            | Ask::Expunge(_)
            | Ask::Erase => None,
        }
        .map(Answer::Api)
    }

    /// A call of the API arrives at the Directory.
    fn ask_directory(&mut self, call: &Call<DirectoryOp>) -> Option<call::Reply> {
        let done = self.step_directory(false, |m, now, rng| outcome(m.handle(now, rng, call)))?;
        if done.committed {
            self.note_directory_call(call, &done.value);
        }
        self.finish_directory(done)
    }

    /// A plugin's module arrives at the Directory.
    fn upload(&mut self, upload: &PluginUpload) -> Option<call::Reply> {
        let limits = self.plan.settings.plugins;
        let done = self.step_directory(false, |m, now, _| {
            let admitted = Admitted { rewritten: upload.module.to_vec(), pass: 1, manifest: None };
            outcome(m.upload(now, &limits, upload, Ok(admitted)))
        })?;
        self.finish_directory(done)
    }

    /// What a call has changed, of which the world keeps account.
    fn note_directory_call(&mut self, call: &Call<DirectoryOp>, reply: &call::Reply) {
        match call.op {
            DirectoryOp::AppCreate if reply.status == 201 => {
                let body: Json = serde_json::from_slice(&reply.body).expect("JSON");
                self.new_app(body["id"].as_str().expect("an id").to_owned(), false);
            }
            DirectoryOp::SourceCreate if reply.status == 201 => {
                let row: SourceRow = frame::decode(&reply.body).expect("a source");
                self.new_app(row.id, true);
            }
            DirectoryOp::AppDelete if reply.status == 204 => {
                let deleted = self.apps.iter_mut().filter(|app| Some(&app.id) == call.params.first());
                deleted.for_each(|app| app.deleted = true);
            }
            _ => {}
        }
    }

    fn new_app(&mut self, id: String, source: bool) {
        let lies = self.defect == Some(Defect::LosesWhenFull);
        let mut node = Node::new(&mut self.rng, self.plan.skew_ms, lies);
        if self.defect == Some(Defect::LosesSegments) {
            node.on.db.lose_segments();
        }
        self.apps.push(AppNode { node, id, source, deleted: false });
    }

    /// An answer to the Directory arrives: what comes of it is the tables' business.
    pub(super) fn directory_answered(&mut self, process: u32, effect: &Effect, answer: Option<Answer>) {
        if self.directory.node.on.process != process {
            return;
        }
        let done = self.step_directory(false, |m, now, _| {
            let alarm = match effect {
                Effect::TellOfPlugin { app_id, notice } => {
                    let uses = if let Some(Answer::Uses(uses)) = &answer { Some(uses) } else { None };
                    m.told_of_plugin(now, app_id, notice, uses)
                }
                _ => m.done(now, effect, matches!(answer, Some(Answer::Done(true)))),
            }?;
            Ok(((), Effects { tell: Vec::new(), alarm }))
        });
        done.and_then(|done| self.finish_directory(done));
    }

    // What is done at the beginning.

    pub(super) fn create_app(&mut self, nth: usize) {
        let uid = (nth == 0 && self.plan.directory).then(|| "customer".to_owned());
        let body = json!({ "name": "an application", "uid": uid });
        self.create(&api(DirectoryOp::AppCreate, vec![], body.to_string().into_bytes()));
        let a = self.apps.len() - 1;
        for _ in 0..self.plan.endpoints {
            self.create_endpoint(a);
        }
    }

    pub(super) fn create_source(&mut self) {
        let record = SourceRecord { kind: "generic".to_owned(), ..SourceRecord::default() };
        self.create(&api(DirectoryOp::SourceCreate, vec![], frame::encode(&record)));
        let a = self.apps.len() - 1;
        self.create_endpoint(a);
    }

    /// An application is there at once, before anything goes wrong.
    fn create(&mut self, call: &Call<DirectoryOp>) {
        let Some(reply) = self.ask_directory(call) else { return };
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        let a = self.apps.len() - 1;
        let first = init(&self.apps[a].id.clone(), self.uid_of(a), 1, false);
        self.app_called(a, Ask::Init(first));
    }

    // What is done later.

    /// Somebody changes the tenant's plugins, or an application.
    pub(super) fn act_on_plugins(&mut self) {
        let plugin = (*self.rng.pick(&PLUGINS)).to_owned();
        match self.rng.below(12) {
            0..=3 => {
                let module = format!("module {}", self.rng.below(4)).into_bytes();
                let upload = PluginUpload { name: plugin, module: module.into() };
                self.call(Object::Directory, Ask::Upload(upload), Reply::Nobody);
            }
            4..=7 => self.attach(),
            8 => {
                let query = if self.rng.chance(0.5) { "force=true" } else { "" };
                self.call_directory(
                    DirectoryOp::PluginDelete,
                    vec![plugin],
                    query,
                    Vec::new(),
                    Reply::Nobody,
                );
            }
            9..=10 => {
                let a = self.rng.below(self.apps.len());
                if !self.apps[a].source {
                    let uid = self.rng.pick(&["customer", "client", "buyer"]).to_string();
                    let body = json!({ "uid": uid }).to_string().into_bytes();
                    let id = self.apps[a].id.clone();
                    self.call_directory(DirectoryOp::AppPatch, vec![id], "", body, Reply::Nobody);
                }
            }
            _ => {
                let a = self.rng.below(self.apps.len());
                if self.rng.chance(0.2) && !self.apps[a].source {
                    let id = self.apps[a].id.clone();
                    self.call_directory(DirectoryOp::AppDelete, vec![id], "", Vec::new(), Reply::Nobody);
                }
            }
        }
    }

    fn attach(&mut self) {
        let live: Vec<usize> = (0..self.endpoints.len()).filter(|&e| !self.endpoints[e].deleted).collect();
        if live.is_empty() {
            return;
        }
        let e = *self.rng.pick(&live);
        let names: Vec<&str> = PLUGINS.into_iter().filter(|_| self.rng.chance(0.6)).collect();
        let plugins: Vec<Json> = names.into_iter().map(|name| json!({ "name": name })).collect();
        let plugins = json!({ "plugins": plugins }).to_string().into_bytes();
        let (app, endpoint_id) = (self.endpoints[e].app, self.endpoints[e].id.clone());
        self.resolve_plugins(Flow::Attach { app, endpoint_id, plugins, tries: 0 });
    }

    fn resolve_plugins(&mut self, flow: Flow) {
        let Flow::Attach { app, endpoint_id, plugins, .. } = &flow else { return };
        let params = vec![self.apps[*app].id.clone(), endpoint_id.clone()];
        let body = plugins.clone();
        self.call_directory(DirectoryOp::PluginAttach, params, "", body, Reply::Worker(flow));
    }

    /// The Worker goes on with an answer.
    pub(super) fn worker_answered(&mut self, flow: Flow, answer: Option<Answer>) {
        match (flow, answer) {
            (Flow::Attach { app, endpoint_id, plugins, tries }, Some(Answer::Api(reply)))
                if reply.status == 200 =>
            {
                let seq = frame::decode::<ResolvedPlugins>(&reply.body).expect("resolved").seq;
                let put = api(AppOp::PluginsPut, vec![endpoint_id.clone()], reply.body);
                let flow = Flow::Stored { app, endpoint_id, plugins, seq, tries };
                self.call(Object::App(app), Ask::Api(put), Reply::Worker(flow));
            }
            (Flow::Stored { app, endpoint_id, plugins, tries, .. }, Some(Answer::Api(reply)))
                if reply.status == 409 && tries < 8 =>
            {
                self.resolve_plugins(Flow::Attach { app, endpoint_id, plugins, tries: tries + 1 });
            }
            (Flow::Stored { .. }, Some(Answer::Api(reply))) if reply.status == 409 => {}
            (Flow::Stored { app, seq, .. }, Some(Answer::Api(_))) => {
                let params = vec![self.apps[app].id.clone(), seq.to_string()];
                self.call_directory(DirectoryOp::PluginSettle, params, "", Vec::new(), Reply::Nobody);
            }
            (Flow::Expunged(e, attempt_id), Some(Answer::Done(true))) => {
                self.expunged_attempts.push((e, attempt_id));
            }
            _ => {} // an error for the client
        }
    }

    fn call_directory(
        &mut self,
        op: DirectoryOp,
        params: Vec<String>,
        query: &str,
        body: Vec<u8>,
        reply: Reply,
    ) {
        let call = Call { query: Query::parse(query), ..api(op, params, body) };
        self.call(Object::Directory, Ask::Directory(call), reply);
    }

    /// The Worker finds that an App object does not know of itself: the Directory tells it again.
    pub(super) fn resolve(&mut self, a: usize) {
        let id = self.apps[a].id.clone();
        self.call_directory(DirectoryOp::Resolve, vec![id], "", Vec::new(), Reply::Nobody);
    }

    /// A call that has an object see to its alarm.
    pub(super) fn call_to_repair(&mut self, object: Object, delay: i64) {
        if let Object::App(a) = object {
            let post = self.new_post(a, false);
            self.after(delay, Event::Post(a, vec![post]));
        } else {
            // Somebody uploads a plugin: the answer brings the alarm.
            let upload = PluginUpload { name: "late".to_owned(), module: b"module".to_vec().into() };
            self.after(delay, Event::Call(Object::Directory, Ask::Upload(upload), Reply::Nobody, 1));
        }
    }

    // What is checked.

    /// What is to be told has an alarm.
    fn check_directory(&mut self) {
        let on = &self.directory.node.on;
        if on.alarm.is_some() || on.lost_at.is_some() {
            return;
        }
        let due =
            "SELECT id FROM app WHERE due_at IS NOT NULL UNION ALL SELECT plugin FROM plugin_notice LIMIT 1";
        if let Some(mut row) = self.directory_rows(due).into_iter().next() {
            let what = row.text(0).expect("a name");
            self.violate(Rule::Alarm, format!("the Directory has no alarm, and {what} is to be told"));
        }
    }

    fn directory_rows(&self, sql: &'static str) -> Vec<weir_core::sql::Row> {
        self.directory.node.on.db.query(sql, &[]).expect("the tables are readable")
    }

    /// The uid that the Directory has of an application.
    pub(super) fn uid_of(&self, a: usize) -> Option<String> {
        let rows = self
            .directory
            .node
            .on
            .db
            .query("SELECT uid FROM app WHERE id = ?1 AND state < 2", &[Value::Text(&self.apps[a].id)]);
        rows.expect("applications").into_iter().next()?.opt_text(0).expect("a uid")
    }

    /// What an App object knows of itself.
    pub(super) fn info_of(&self, a: usize) -> Option<AppInit> {
        let db = &self.apps[a].node.on.db;
        let tables = db.query("SELECT 1 FROM sqlite_master WHERE name = 'meta'", &[]).expect("tables");
        if tables.is_empty() {
            return None;
        }
        let mut row =
            db.query("SELECT v FROM meta WHERE k = 'info'", &[]).expect("meta").into_iter().next()?;
        Some(frame::decode(&row.blob(0).expect("a frame")).expect("an init"))
    }

    /// Whether an App object knows that its application exists: then it has tables.
    pub(super) fn exists(&self, a: usize) -> bool {
        self.info_of(a).is_some_and(|info| !info.deleted)
    }

    /// The places where a plugin is attached in an application: the endpoint, and the version where it is pinned.
    pub(super) fn uses(&self, a: usize, plugin: &str) -> Vec<(String, Option<String>)> {
        let mut uses = Vec::new();
        for (endpoint_id, record) in self.records(a) {
            for attached in record.plugins.iter().flatten().filter(|attached| attached.name == plugin) {
                uses.push((endpoint_id.clone(), attached.pinned.then(|| attached.version.clone())));
            }
        }
        uses
    }

    fn records(&self, a: usize) -> Vec<(String, EndpointRecord)> {
        if self.info_of(a).is_none() {
            return Vec::new();
        }
        let rows = self.apps[a].node.on.db.query("SELECT id, record FROM endpoint WHERE deleted = 0", &[]);
        rows.expect("endpoints")
            .into_iter()
            .map(|mut row| {
                let record = frame::decode(&row.blob(1).expect("a record")).expect("a record");
                (row.text(0).expect("an id"), record)
            })
            .collect()
    }

    /// In the end, every App object knows what the Directory knows.
    pub(super) fn check_known(&mut self) {
        let mut known: Vec<(String, Option<String>, i64, bool)> = self
            .directory_rows("SELECT id, uid, state, due_at IS NOT NULL FROM app")
            .into_iter()
            .map(|mut row| {
                let uid = row.opt_text(1).expect("a uid");
                let (state, due) = (row.int(2).expect("a state"), row.flag(3).expect("a flag"));
                (row.text(0).expect("an id"), uid, state, due)
            })
            .collect();
        for a in 0..self.apps.len() {
            let (id, deleted) = (self.apps[a].id.clone(), self.apps[a].deleted);
            let at = known.iter().position(|(known, ..)| *known == id);
            let row = at.map(|at| known.swap_remove(at));
            let info = self.info_of(a);
            let exists = info.as_ref().is_some_and(|info| !info.deleted);
            let text = match row {
                Some((_, _, _, true)) => format!("{id} was not told what the Directory has decided"),
                Some((_, _, state, _)) if deleted || state >= 2 => format!("{id} was deleted, and is kept"),
                Some((_, uid, ..)) if !exists || info.as_ref().is_none_or(|info| info.uid != uid) => {
                    format!("{id} has the uid {uid:?}, and knows of itself {info:?}")
                }
                None if !deleted => format!("{id} is gone, and nobody has deleted it"),
                None if info.is_some() => format!("{id} was deleted, and is not erased: {info:?}"),
                _ => continue,
            };
            self.violate(Rule::Exists, text);
        }
        self.check_attached();
    }

    /// An endpoint that follows a plugin has its current version; one that was deleted is attached nowhere.
    fn check_attached(&mut self) {
        let current: Vec<(String, String)> = self
            .directory_rows("SELECT name, current FROM plugin")
            .into_iter()
            .map(|mut row| (row.text(0).expect("a name"), row.text(1).expect("a version")))
            .collect();
        for a in 0..self.apps.len() {
            if self.apps[a].deleted {
                continue;
            }
            for (endpoint_id, record) in self.records(a) {
                for attached in record.plugins.iter().flatten() {
                    let version = current.iter().find(|(name, _)| *name == attached.name).map(|(_, it)| it);
                    if version != Some(&attached.version) {
                        let text = format!(
                            "{endpoint_id} has {} of {}, the current version is {version:?}",
                            attached.version, attached.name
                        );
                        self.violate(Rule::Attached, text);
                    }
                    let noted = self.directory.node.on.db.query(
                        "SELECT 1 FROM plugin_use WHERE plugin = ?1 AND endpoint_id = ?2",
                        &[Value::Text(&attached.name), Value::Text(&endpoint_id)],
                    );
                    if noted.expect("uses").is_empty() {
                        let text =
                            format!("{endpoint_id} has {}, and the Directory does not know", attached.name);
                        self.violate(Rule::Attached, text);
                    }
                }
            }
        }
    }
}

/// A call of the API.
pub(super) fn api<O>(op: O, params: Vec<String>, body: Vec<u8>) -> Call<O> {
    Call { params, body, ..Call::new(op) }
}

fn outcome(outcome: Outcome) -> Result<(call::Reply, Effects), SqlError> {
    let Outcome { reply, before_reply, alarm } = outcome;
    match &reply.log {
        Some(log) => Err(SqlError(log.clone())),
        None => Ok((reply, Effects { tell: before_reply, alarm })),
    }
}
