//! For tests: one App object, its Endpoint objects and a receiver, with nothing in between that could fail
//! unless a test says so.

use super::{App, AskPlan, Effects, Outcome, TaskEffect, Told};
use crate::api::call::{Call, Reply};
use crate::api::route::{AppOp, Op};
use crate::deployment::Deployment;
use crate::endpoint::{self, AttemptOutcome, Endpoint};
use crate::frame::{
    self, Accepted, AppInit, BatchAnswer, BatchAsk, NewMessage, PayloadsAsk, TaskAnswer, TaskNote,
};
use crate::operational::Event;
use crate::rng::Seeded;
use crate::settings::Settings;
use crate::sql::Sql;
use crate::sql::memory::Memory;
use crate::wire::{Answers, Ask, TaskAsk};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) const START: i64 = 1_795_000_000_000;

pub(super) struct World {
    pub(super) now: i64,
    rng: Seeded,
    deployment: Rc<Deployment>,
    storage: Memory,
    pub(super) app: App<Memory>,
    stores: BTreeMap<String, Memory>,
    endpoints: BTreeMap<String, Endpoint<Memory>>,
    /// What receivers answer.
    pub(super) code: u16,
    /// How long they take to answer, in milliseconds.
    pub(super) took: i64,
    /// What receivers got: the message, and whether by hand.
    pub(super) got: Vec<(String, bool)>,
    /// The headers of each.
    pub(super) sent: Vec<Vec<(String, String)>>,
    /// Where each went.
    pub(super) urls: Vec<String>,
    /// Whether Endpoint objects take pushes.
    pub(super) pushes: bool,
    /// Whether answers to tasks' asks get lost.
    pub(super) deaf: bool,
    pub(super) notes: Vec<TaskNote>,
    /// Operational events that were accepted.
    pub(super) events: Vec<Event>,
    /// Whether operational events cannot be sent.
    pub(super) refuses_events: bool,
    /// How often an endpoint was called for nothing but to see whether it is awake.
    pub(super) pokes: usize,
    /// Endpoints whose objects were erased.
    pub(super) erased: Vec<String>,
}

impl World {
    pub(super) fn new(vars: &[(&str, &str)]) -> Self {
        Self::as_app(vars, "app_1")
    }

    pub(super) fn as_app(vars: &[(&str, &str)], app_id: &str) -> Self {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let deployment = Rc::new(Deployment::new(Settings::from_vars(var).expect("settings")));
        let storage = Memory::new();
        let app = App::open(storage.clone(), deployment.clone(), START, None).expect("opens");
        let mut world = Self {
            now: START,
            rng: Seeded(7),
            deployment,
            storage,
            app,
            stores: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            code: 200,
            took: 0,
            got: Vec::new(),
            sent: Vec::new(),
            urls: Vec::new(),
            pushes: true,
            deaf: false,
            notes: Vec::new(),
            events: Vec::new(),
            refuses_events: false,
            pokes: 0,
            erased: Vec::new(),
        };
        let init = AppInit {
            org: "org_1".into(),
            app_id: app_id.into(),
            uid: None,
            version: 1,
            deleted: false,
            rate: None,
            send_as: None,
        };
        let effects = world.app.init(START, init).expect("init");
        world.carry_out(effects);
        world
    }

    /// The Directory tells the App object of itself.
    pub(super) fn init(&mut self, init: AppInit) {
        let effects = self.app.init(self.now, init).expect("init");
        self.carry_out(effects);
    }

    /// The deployment gets other settings, which objects that start from now on have.
    pub(super) fn set_vars(&mut self, vars: &[(&str, &str)]) {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        self.deployment = Rc::new(Deployment::new(Settings::from_vars(var).expect("settings")));
    }

    pub(super) fn settings(&self) -> Settings {
        (**self.deployment).clone()
    }

    /// A number of the App object's tables.
    pub(super) fn count(&self, sql: &'static str) -> i64 {
        self.storage.query(sql, &[]).expect("rows")[0].int(0).expect("a number")
    }

    /// How many rows the App object has inserted, updated and deleted.
    pub(super) fn changes(&self) -> u64 {
        self.storage.changes()
    }

    /// What the App object's log has stored.
    pub(super) fn stored(&self) -> Vec<super::Inspected> {
        super::inspect(&self.storage)
    }

    /// How the statements are carried out that a call of the API leads to, in all objects.
    pub(super) fn plans(&mut self, op: Op, params: &[&str], query: &str) -> Vec<(&'static str, String)> {
        let all: Vec<Memory> = self.stores.values().chain([&self.storage]).cloned().collect();
        all.iter().for_each(Memory::record);
        assert_eq!(self.call(op, params, query, &Json::Null).0, 200);
        all.iter().flat_map(Memory::plans).collect()
    }

    /// What the tenant was told last of a task: its status and data.
    pub(super) fn noted(&self, task_id: &str) -> Option<(String, Json)> {
        let note = self.notes.iter().rev().find(|note| note.id == task_id)?;
        Some((note.status.clone(), serde_json::from_str(&note.data).expect("json")))
    }

    /// How many steps the tables' machines take for a call of the API, in all objects, and how many bytes they give.
    pub(super) fn steps(&mut self, op: Op, params: &[&str], query: &str) -> (u64, u64) {
        let all: Vec<Memory> = self.stores.values().chain([&self.storage]).cloned().collect();
        let sum = || {
            all.iter().map(|store| (store.steps(), store.bytes())).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        let before = sum();
        let (status, body) = self.call(op, params, query, &Json::Null);
        assert_eq!(status, 200, "{body}");
        let after = sum();
        (after.0 - before.0, after.1 - before.1)
    }

    /// The tables of the App object and of an Endpoint object.
    pub(super) fn tables(&self, endpoint_id: &str) -> (Memory, Memory) {
        (self.storage.clone(), self.stores.get(endpoint_id).expect("an endpoint").clone())
    }

    /// Crashes the App object: what is in its memory is gone.
    pub(super) fn crash(&mut self) {
        self.app = App::open(self.storage.clone(), self.deployment.clone(), self.now, None).expect("opens");
    }

    /// Crashes an Endpoint object.
    pub(super) fn crash_endpoint(&mut self, id: &str) {
        let store = self.stores.get(id).expect("an endpoint").clone();
        let object = Endpoint::open(store, self.deployment.clone(), self.now, None).expect("opens");
        self.endpoints.insert(id.to_owned(), object);
    }

    /// Time passes: alarms and timers of all objects go off.
    pub(super) fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.now = end.min(self.now + 1_000);
            let effects = self.app.alarm(self.now).expect("alarm");
            self.carry_out(effects);
            for id in self.endpoints.keys().cloned().collect::<Vec<_>>() {
                let now = self.now;
                self.endpoint(&id, |endpoint, rng| Ok(((), endpoint.alarm(now, rng)?)));
            }
        }
    }

    pub(super) fn call(&mut self, op: Op, params: &[&str], query: &str, body: &Json) -> (u16, Json) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = Call::of(op, params, query, body);
        self.make(&call)
    }

    /// A call as the Worker makes it.
    pub(super) fn make(&mut self, call: &Call<AppOp>) -> (u16, Json) {
        let outcome = self.app.handle(self.now, &mut self.rng, call).expect("handled");
        let reply = match outcome.expect("an application") {
            Outcome::Reply(reply) => reply,
            Outcome::Changed(reply, effects) => {
                self.carry_out(effects);
                reply
            }
            Outcome::Ask(plan) => self.ask(*plan),
            Outcome::Resend(plan) => {
                let (now, resend) = (self.now, plan.resend.clone());
                let taken =
                    self.endpoint(&plan.endpoint_id, |endpoint, rng| endpoint.resend(now, rng, resend));
                let reply = plan.reply(taken);
                if let Some(call) = &plan.call {
                    self.app.resent(self.now, &mut self.rng, call, &reply).expect("kept");
                }
                reply
            }
            Outcome::Attempts(mut plan) => {
                loop {
                    let round = plan.next_round();
                    if round.is_empty() {
                        break;
                    }
                    for id in &round {
                        let endpoint = self.endpoints.get(id).expect("an endpoint");
                        let told = endpoint.attempts(self.now, &plan.ask).expect("attempts");
                        plan.add(told);
                    }
                }
                self.app.attempts_reply(*plan).expect("a reply")
            }
            Outcome::Stats(plan) => {
                let endpoint = self.endpoints.get(&plan.endpoint_id).expect("an endpoint");
                plan.reply(&endpoint.statistics(self.now, &plan.ask).expect("statistics"))
            }
        };
        let body = serde_json::from_slice(&reply.body).unwrap_or(Json::Null);
        crate::api::doc::check_error(call.op.op(), reply.status, &body);
        (reply.status, body)
    }

    fn ask(&mut self, mut plan: AskPlan) -> Reply {
        loop {
            let answers = self.answers(&plan.endpoints.clone(), &plan.ask.clone());
            match self.app.told(plan, answers).expect("told") {
                Told::Reply(reply) => return reply,
                Told::Ask(next) => plan = *next,
            }
        }
    }

    fn answers(&mut self, ids: &[String], ask: &Ask) -> Answers {
        let now = self.now;
        if let Ask::Task(ask) = ask {
            return Answers::Task(ids.iter().map(|id| self.ask_task(id, ask.clone())).collect());
        }
        let each = ids.iter().map(|id| self.endpoints.get(id).expect("an endpoint"));
        match ask {
            Ask::Attempts(ask) => {
                Answers::Attempts(each.map(|it| it.attempts(now, ask).expect("attempts")).collect())
            }
            Ask::Deliveries(ask) => {
                Answers::Deliveries(each.map(|it| it.deliveries(ask).expect("rows")).collect())
            }
            Ask::Expunge(ask) => {
                Answers::Expunge(each.map(|it| it.expunge(ask).expect("expunged")).collect())
            }
            Ask::Stats(ask) => {
                Answers::Stats(each.map(|it| it.statistics(now, ask).expect("statistics")).collect())
            }
            Ask::Task(_) => unreachable!("handled above"),
        }
    }

    fn ask_task(&mut self, id: &str, ask: TaskAsk) -> TaskAnswer {
        let now = self.now;
        self.endpoint(id, |endpoint, rng| match ask {
            TaskAsk::Recover(ask) => endpoint.recover(now, rng, ask),
            TaskAsk::Replay(ask) => endpoint.replay(now, rng, ask),
            TaskAsk::BulkReplay(ask) => endpoint.bulk_replay(now, rng, ask),
        })
    }

    /// One step of an Endpoint object, and its effects.
    fn endpoint<T>(
        &mut self,
        id: &str,
        work: impl FnOnce(
            &mut Endpoint<Memory>,
            &mut Seeded,
        ) -> Result<(T, endpoint::Effects), crate::sql::SqlError>,
    ) -> T {
        let store = self.stores.entry(id.to_owned()).or_default().clone();
        let (deployment, now) = (self.deployment.clone(), self.now);
        let object = self
            .endpoints
            .entry(id.to_owned())
            .or_insert_with(|| Endpoint::open(store, deployment, now, None).expect("opens"));
        let (value, effects) = work(object, &mut self.rng).expect("a step");
        self.carry_out_endpoint(id, effects);
        value
    }

    fn carry_out_endpoint(&mut self, id: &str, effects: endpoint::Effects) {
        // Every field by its name: an effect that is added does not compile until it is carried out.
        let endpoint::Effects {
            send,
            pass: _,
            fetch_payloads: asked,
            pull: _,
            reports,
            alarm: _,
            timer: _,
            cancel_timer: _,
        } = effects;
        let now = self.now;
        if !asked.is_empty() {
            let answer = self.app.payloads(&PayloadsAsk { ids: asked.clone() }).expect("payloads");
            self.endpoint(id, |endpoint, rng| Ok(((), endpoint.payloads(now, rng, &asked, Some(answer))?)));
        }
        let mut results = Vec::new();
        for attempt in send {
            self.got.push((attempt.delivery.msg_id.clone(), attempt.delivery.manual));
            self.sent.push(attempt.headers.to_vec());
            self.urls.push(attempt.url.clone());
            let answer = AttemptOutcome::Answer { code: self.code, retry_after: None, body: b"said".into() };
            results.push(attempt.ended(now + self.took, answer));
        }
        if !results.is_empty() {
            self.endpoint(id, |endpoint, rng| Ok(((), endpoint.record(now, rng, results)?)));
        }
        for (seq, report) in reports {
            let told = self.app.reported(now, &mut self.rng, &report).expect("reported");
            self.events.extend(told.operational.iter().cloned());
            self.carry_out(told);
            self.endpoint(id, |endpoint, _| Ok(((), endpoint.reported(now, seq, true)?)));
        }
    }

    pub(super) fn carry_out(&mut self, effects: Effects) {
        let Effects {
            configure,
            operational: _,
            push,
            events,
            tasks,
            scheduled,
            erase,
            alarm: _,
            timer: _,
            cancel_timer: _,
        } = effects;
        let now = self.now;
        for (id, config) in configure {
            let answer = self.endpoint(&id, |endpoint, rng| endpoint.configure(now, rng, config));
            let effects = self.app.configured(now, &id, Some(answer)).expect("configured");
            self.carry_out(effects);
        }
        for id in erase {
            self.stores.remove(&id);
            self.endpoints.remove(&id);
            let effects = self.app.endpoint_erased(now, &id, true).expect("erased");
            self.erased.push(id);
            self.carry_out(effects);
        }
        for (id, push) in push {
            self.pokes += usize::from(push.messages.is_empty());
            let answer =
                self.pushes.then(|| self.endpoint(&id, |endpoint, rng| endpoint.push(now, rng, push)));
            let effects = self.app.pushed(now, &id, answer).expect("pushed");
            self.carry_out(effects);
        }
        for (id, ask) in scheduled {
            let answer = self.ask_task(&id, TaskAsk::Replay(ask));
            let answer = (!self.deaf).then_some(answer);
            let effects = self.app.scheduled_told(now, &id, answer.as_ref()).expect("told");
            self.carry_out(effects);
        }
        for (seq, event) in events {
            let accepted = !self.refuses_events;
            if accepted {
                self.events.push(event);
            }
            let effects = self.app.event_sent(now, seq, accepted).expect("sent");
            self.carry_out(effects);
        }
        for task in tasks {
            match task {
                TaskEffect::Ask { task_id, endpoint_id, ask } => {
                    let answer = self.ask_task(&endpoint_id, ask);
                    let answer = (!self.deaf).then_some(answer);
                    let effects = self.app.task_told(now, &task_id, answer).expect("told");
                    self.carry_out(effects);
                }
                TaskEffect::Note { task_id, version, call } => {
                    self.notes.push(frame::decode(&call.body).expect("a note"));
                    let effects = self.app.task_noted(now, &task_id, version, true).expect("noted");
                    self.carry_out(effects);
                }
            }
        }
    }

    pub(super) fn add_endpoint(&mut self, extra: &Json) -> String {
        let mut body = json!({ "url": "https://example.com/hook" });
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let (status, created) = self.call(Op::EndpointCreate, &[], "", &body);
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().expect("an id").to_owned()
    }

    pub(super) fn disable(&mut self, endpoint_id: &str, disabled: bool) {
        let patched = self.call(Op::EndpointPatch, &[endpoint_id], "", &json!({ "disabled": disabled }));
        assert_eq!(patched.0, 200, "{}", patched.1);
    }

    /// Sends a message of that type; a second passes before.
    pub(super) fn send(&mut self, event_type: &str) -> String {
        self.now += 1_000;
        let message = NewMessage {
            event_type: event_type.to_owned(),
            payload: b"{\"secret\":1}".to_vec().into(),
            ..NewMessage::default()
        };
        match self.accept(message) {
            Accepted::Stored { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn batch(&mut self, ask: BatchAsk) -> BatchAnswer {
        let (answer, effects) = self.app.accept_batch(self.now, &mut self.rng, ask).expect("accepts");
        self.carry_out(effects);
        answer
    }

    pub(super) fn accept(&mut self, message: NewMessage) -> Accepted {
        self.accept_all(vec![message]).remove(0)
    }

    /// Messages that are committed together.
    pub(super) fn accept_all(&mut self, messages: Vec<NewMessage>) -> Vec<Accepted> {
        let (answers, effects) = self.app.accept(self.now, &mut self.rng, messages).expect("accepts");
        self.carry_out(effects);
        answers
    }
}
