//! The App object's shell.

use super::{Shell, bytes, failed};
use crate::js;
use crate::js::now;
use futures_util::future::join_all;
use js_sys::Function;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use weir_core::api::call::{Call, Reply};
use weir_core::api::route::Op;
use weir_core::app::{self, AskPlan, Effects, Outcome, TaskEffect, Told};
use weir_core::budget::ALARM_DEPTH;
use weir_core::frame::{
    self, Accepted, AppInit, BatchAsk, Done, IngestAsk, Ingested, NewMessage, PayloadsAsk, PluginNotice,
    Pull, Report, UsageAsk,
};
use weir_core::operational::{self, Event};
use weir_core::rng::System;
use weir_core::source::rejected::Rejected;
use weir_core::sql::SqlError;
use worker::console_error;

type Machine = app::App<crate::sql::DurableSql>;

/// So many messages wait for the next commit, and so many bytes of their payloads.
const WAITING_MAX: usize = 2_000;
const WAITING_MAX_BYTES: usize = 24 * 1024 * 1024;
/// How many endpoints are asked for their statistics at once.
const ASKED_AT_ONCE: usize = 64;
/// In how many rounds the endpoints of a deleted application are erased before the Directory is told that it goes on.
const ERASE_ROUNDS: usize = 12;

/// One application: see [`app::App`].
#[wasm_bindgen]
pub struct App(Rc<Inner>);

struct Inner {
    shell: Shell<Machine>,
    /// Messages that wait for the next commit, with who waits for the answer.
    waiting: RefCell<Vec<(NewMessage, Function)>>,
    /// How many bytes of payload they have.
    waiting_bytes: Cell<usize>,
    committing: Cell<bool>,
}

#[wasm_bindgen]
impl App {
    /// Called by the platform.
    #[wasm_bindgen(constructor)]
    pub fn new(context: JsValue, env: JsValue) -> Result<App, JsValue> {
        let open = |sql, deployment, budget, now, alarm| {
            let mut machine = app::App::open(sql, deployment, now, alarm)?;
            machine.set_budget(budget);
            if let Some((endpoint_id, error)) = machine.lacks_key() {
                console_error!("{endpoint_id} and perhaps others cannot send: {error}");
            }
            Ok(machine)
        };
        let shell = Shell::new(context, env, open).map_err(|e| failed(&e))?;
        let inner = Rc::new(Inner {
            shell,
            waiting: RefCell::new(Vec::new()),
            waiting_bytes: Cell::new(0),
            committing: Cell::new(false),
        });
        let weak = Rc::downgrade(&inner);
        inner.shell.timer.runs(move || {
            if let Some(inner) = weak.upgrade() {
                inner.logged(inner.step(|machine| machine.tick(now()).map(|effects| ((), effects))));
            }
        });
        Ok(App(inner))
    }

    /// One call of another object or of the Worker.
    pub async fn call(&self, op: String, frame: Vec<u8>, depth: u32) -> Result<JsValue, JsValue> {
        let inner = self.0.clone();
        inner.shell.budget.delivered(depth);
        inner.call(&op, &frame).await.map_err(|e| failed(&e))
    }

    /// Accepts one message: `reply` is called with the answer. The hot path has no promise of its own: one that
    /// Rust makes costs more than the call.
    pub fn accept(&self, frame: Vec<u8>, reply: Function, depth: u32) -> Result<(), JsValue> {
        self.0.shell.budget.delivered(depth);
        let message = frame::decode(&frame).map_err(|e| failed(&e))?;
        self.0.accept(message, reply);
        Ok(())
    }

    /// Called by the platform. Never fails: the platform drops an alarm that does.
    pub async fn alarm(&self) {
        let inner = self.0.clone();
        inner.shell.budget.delivered(ALARM_DEPTH);
        if let Err(error) = inner.wake().await {
            console_error!("{}: alarm: {error}", inner.shell.name);
            inner.shell.set_alarm(now().saturating_add(app::RECONCILE_MS));
        }
    }
}

impl Inner {
    async fn call(self: Rc<Self>, op: &str, frame: &[u8]) -> Result<JsValue, String> {
        self.ready().await?;
        match op {
            "api" => self.api(frame::decode(frame)?).await,
            "payloads" => {
                let ask: PayloadsAsk = frame::decode(frame)?;
                self.shell.light_step(|machine| machine.payloads(&ask)).map(|answer| bytes(&answer))
            }
            "pull" => {
                let pull: Pull = frame::decode(frame)?;
                self.step(|machine| machine.pulled(now(), &pull).map(|effects| ((), effects)))?;
                Ok(JsValue::UNDEFINED)
            }
            "report" => self.report(&frame::decode(frame)?).await,
            "init" => {
                let init: AppInit = frame::decode(frame)?;
                self.step(|machine| machine.init(now(), init).map(|effects| ((), effects)))?;
                Ok(bytes(&Done { done: self.erase().await? }))
            }
            "plugin" => {
                let notice: PluginNotice = frame::decode(frame)?;
                let (uses, effects) = self.shell.step(|machine| machine.plugin_notice(now(), &notice))?;
                // Whoever changed the plugin and then sends a message gets what the change made of it.
                self.carry_out_and_wait(effects).await;
                Ok(bytes(&uses))
            }
            "ingest" => {
                let ask: IngestAsk = frame::decode(frame)?;
                let told: Ingested = self.step(|machine| machine.ingest(now(), &mut System, ask))?;
                Ok(bytes(&told))
            }
            "batch" => {
                let ask: BatchAsk = frame::decode(frame)?;
                let told = self.step(|machine| machine.accept_batch(now(), &mut System, ask))?;
                Ok(bytes(&told))
            }
            "rejected" => {
                let kept: Rejected = frame::decode(frame)?;
                let keep = |machine: &mut Machine| machine.keep_rejected(now(), &mut System, &kept);
                self.step(|machine| keep(machine).map(|effects| ((), effects)))?;
                Ok(JsValue::UNDEFINED)
            }
            "usage" => {
                let ask: UsageAsk = frame::decode(frame)?;
                let mut plan = self.shell.light_step(|machine| Ok(machine.usage(&ask)))?;
                let ask = frame::encode(&plan.ask);
                for endpoints in std::mem::take(&mut plan.endpoints).chunks(ASKED_AT_ONCE) {
                    let asks =
                        endpoints.iter().map(|endpoint_id| self.ask_endpoint(endpoint_id, "stats", &ask));
                    for told in join_all(asks).await {
                        plan.add(&frame::decode(&told?)?);
                    }
                }
                Ok(bytes(&plan.answer()))
            }
            #[cfg(feature = "test-hooks")]
            "panic" => crate::test_hooks::panic(),
            other => Err(format!("unknown call {other}")),
        }
    }

    /// Erases what a deleted application has left, or begins to: whether nothing is left.
    async fn erase(self: &Rc<Self>) -> Result<bool, String> {
        for _ in 0..ERASE_ROUNDS {
            self.ready().await?;
            let Some(endpoints) = self.shell.light_step(|machine| Ok(machine.to_erase()))? else {
                return Ok(true);
            };
            if endpoints.is_empty() {
                self.shell.erase(|_| Ok(())).await?;
                return Ok(true);
            }
            let asks = endpoints.iter().map(|endpoint_id| self.ask_endpoint(endpoint_id, "erase", &[]));
            let told = join_all(asks).await;
            let done = endpoints.into_iter().zip(told).filter_map(|(id, told)| self.logged(told).map(|_| id));
            let done: Vec<String> = done.collect();
            if done.is_empty() {
                return Ok(false);
            }
            self.ready().await?;
            self.shell.step(|machine| machine.erased(&done))?;
        }
        Ok(false)
    }

    /// What the alarm is for: two transactions, since what the first deletes makes room for the second.
    async fn wake(self: &Rc<Self>) -> Result<(), String> {
        self.shell.opened(true).await?;
        // Where it fails, that is logged; the rest is done all the same.
        let forgotten = self.shell.step(|machine| machine.forget(now())).unwrap_or_default();
        self.shell.opened(true).await?;
        self.step(|machine| machine.wake(now(), forgotten).map(|effects| ((), effects)))
    }

    /// Opens the state machine if it is not; where it was not, its alarm is made to fit what it finds.
    async fn ready(self: &Rc<Self>) -> Result<(), String> {
        if self.shell.opened(false).await? {
            self.step(|m| m.tick(now()).map(|effects| ((), effects)))?;
        }
        Ok(())
    }

    /// The step that an answer leads to, if the opening that asked is still the one.
    fn answered(self: &Rc<Self>, opening: u32, work: impl FnOnce(&mut Machine) -> Result<Effects, SqlError>) {
        if self.shell.opening() == opening {
            self.logged(self.step(|m| work(m).map(|effects| ((), effects))));
        }
    }

    /// One step of the state machine, and its effects.
    fn step<T>(
        self: &Rc<Self>,
        work: impl FnOnce(&mut Machine) -> Result<(T, Effects), SqlError>,
    ) -> Result<T, String> {
        let (value, effects) = self.shell.step(work)?;
        self.carry_out(effects);
        Ok(value)
    }

    /// Group commit: a message that comes while no commit is under way is stored at once; those that come while
    /// one is, are stored together when it has ended. Where too much waits, it is refused at once: whoever sends it is told when
    /// to try again, and what was accepted is delivered meanwhile.
    fn accept(self: &Rc<Self>, message: NewMessage, reply: Function) {
        let waiting = self.waiting_bytes.get().saturating_add(message.payload.len());
        if self.waiting.borrow().len() >= WAITING_MAX || waiting > WAITING_MAX_BYTES {
            let _ = reply.call1(&JsValue::UNDEFINED, &bytes(&Accepted::Overloaded));
            return;
        }
        self.waiting_bytes.set(waiting);
        self.waiting.borrow_mut().push((message, reply));
        if self.committing.replace(true) {
            return;
        }
        let this = self.clone();
        spawn_local(async move {
            while !this.waiting.borrow().is_empty() {
                this.logged(this.ready().await);
                let count = this.commit();
                this.shell.durable(count).await;
                this.shell.give_way(count, || this.waiting.borrow().len()).await;
            }
            this.committing.set(false);
        });
    }

    fn commit(self: &Rc<Self>) -> usize {
        let (messages, replies): (Vec<_>, Vec<_>) = self.waiting.take().into_iter().unzip();
        self.waiting_bytes.set(0);
        let count = replies.len();
        let accepted = self.step(|machine| machine.accept(now(), &mut System, messages));
        let failed = accepted.as_ref().err().map_or(Accepted::Failed, |error| Accepted::failed(error));
        let mut answers = accepted.unwrap_or_default().into_iter();
        for reply in replies {
            let answer = answers.next().unwrap_or_else(|| failed.clone());
            // Who asked may have gone; the message is stored all the same.
            let _ = reply.call1(&JsValue::UNDEFINED, &bytes(&answer));
        }
        count
    }

    async fn api(self: &Rc<Self>, call: Call) -> Result<JsValue, String> {
        let outcome = self.shell.step(|machine| machine.handle(now(), &mut System, &call))?;
        let reply = match outcome {
            // Status 0: this object is no application; the Worker asks the Directory.
            None => Reply::empty(0),
            Some(Outcome::Reply(reply)) => reply,
            Some(Outcome::Changed(reply, effects)) => {
                // Created or changed, then used at once, must work: the Endpoint object knows before the caller.
                self.carry_out_and_wait(effects).await;
                reply
            }
            Some(Outcome::Attempts(mut plan)) => {
                let ask = frame::encode(&plan.ask);
                loop {
                    let round = plan.next_round();
                    if round.is_empty() {
                        break;
                    }
                    let asks =
                        round.iter().map(|endpoint_id| self.ask_endpoint(endpoint_id, "attempts", &ask));
                    for told in join_all(asks).await {
                        plan.add(frame::decode(&told?)?);
                    }
                }
                self.ready().await?;
                self.shell.light_step(|machine| machine.attempts_reply(*plan))?
            }
            Some(Outcome::Resend(mut plan)) => {
                self.carry_out(std::mem::take(&mut plan.effects));
                let frame = frame::encode(&plan.resend);
                let taken = self.ask_endpoint(&plan.endpoint_id, "resend", &frame).await?;
                let reply = plan.reply(frame::decode(&taken)?);
                if let Some(call) = &plan.call {
                    self.ready().await?;
                    self.shell.step(|machine| machine.resent(now(), &mut System, call, &reply))?;
                }
                reply
            }
            Some(Outcome::Stats(plan)) => {
                let frame = frame::encode(&plan.ask);
                let told = self.ask_endpoint(&plan.endpoint_id, "stats", &frame).await?;
                plan.reply(&frame::decode(&told)?)
            }
            Some(Outcome::Ask(plan)) => self.ask(plan).await?,
        };
        Ok(bytes(&reply))
    }

    /// Asks endpoints, in as many rounds as it takes.
    async fn ask(self: &Rc<Self>, mut plan: Box<AskPlan>) -> Result<Reply, String> {
        loop {
            let asks = plan.asks.iter();
            let asks = asks.map(|(endpoint_id, op, ask)| self.ask_endpoint(endpoint_id, op, ask));
            let told = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            self.ready().await?;
            match self.shell.step(|machine| machine.told(*plan, &told))? {
                Told::Reply(reply) => return Ok(reply),
                Told::Ask(next) => plan = next,
            }
        }
    }

    /// Asks an endpoint for whoever called this object.
    async fn ask_endpoint(&self, endpoint_id: &str, op: &str, frame: &[u8]) -> Result<Vec<u8>, String> {
        self.shell.budget.count_call();
        self.call_endpoint(endpoint_id, op, frame).await
    }

    /// Calls an endpoint as the state machine said, which has counted it.
    async fn call_endpoint(&self, endpoint_id: &str, op: &str, frame: &[u8]) -> Result<Vec<u8>, String> {
        self.shell.call("ENDPOINT", &self.endpoint_name(endpoint_id), op, frame).await
    }

    /// A report is acknowledged once everything that follows from it is stored.
    async fn report(self: &Rc<Self>, report: &Report) -> Result<JsValue, String> {
        let mut effects = self.shell.step(|machine| machine.reported(now(), &mut System, report))?;
        let events = std::mem::take(&mut effects.operational);
        self.carry_out(effects);
        for event in events {
            self.shell.budget.count_call();
            self.operational(event).await?;
        }
        Ok(JsValue::UNDEFINED)
    }

    /// Operational events are messages of the tenant's operational application. Where that was never made, or has
    /// no endpoint for such an event, nobody wants it.
    async fn operational(&self, event: Event) -> Result<(), String> {
        let Some((org, _)) = self.shell.name.split_once('/') else { return Ok(()) };
        let app::Route { note, event } = app::route(event);
        if let Some(note) = note {
            let note = Call {
                op: Op::StandingNote.name().to_owned(),
                body: frame::encode(&note),
                ..Call::default()
            };
            if event.is_some() {
                self.shell.budget.count_call(); // the state machine has counted one
            }
            let told = self.shell.call("DIRECTORY", org, "api", &frame::encode(&note)).await?;
            if frame::decode::<Reply>(&told)?.status != 204 {
                return Err("the Directory did not take the note".to_owned());
            }
        }
        let Some(event) = event else { return Ok(()) };
        let name = format!("{org}/{}", operational::APP_ID);
        let frame = frame::encode(&event.into_message());
        let answer = self.shell.call("APP", &name, "accept", &frame).await?;
        let answer: Accepted = frame::decode(&answer)?;
        if answer.trouble().is_some() {
            Err("the operational event was not stored".to_owned())
        } else {
            Ok(())
        }
    }

    fn endpoint_name(&self, endpoint_id: &str) -> String {
        format!("{}/{endpoint_id}", self.shell.name)
    }

    fn carry_out(self: &Rc<Self>, mut effects: Effects) {
        for (endpoint_id, config) in std::mem::take(&mut effects.configure) {
            let this = self.clone();
            spawn_local(async move { this.configure(endpoint_id, config).await });
        }
        self.carry_out_rest(effects);
    }

    async fn carry_out_and_wait(self: &Rc<Self>, mut effects: Effects) {
        let configs = std::mem::take(&mut effects.configure);
        // A task that was started is in the tenant's list before the caller asks for it.
        let is_note = |task: &TaskEffect| matches!(task, TaskEffect::Note { .. });
        let (notes, asks) = std::mem::take(&mut effects.tasks).into_iter().partition::<Vec<_>, _>(is_note);
        effects.tasks = asks;
        self.carry_out_rest(effects);
        join_all(configs.into_iter().map(|(id, config)| self.configure(id, config))).await;
        for task in notes {
            self.task(task).await;
        }
    }

    fn carry_out_rest(self: &Rc<Self>, effects: Effects) {
        // Every field by its name: an effect that is added does not compile until it is carried out. The first two are taken
        // by the callers.
        let Effects {
            configure: _,
            operational: _,
            push,
            events,
            tasks,
            scheduled,
            erase,
            alarm,
            timer,
            cancel_timer,
        } = effects;
        if let Some(at) = alarm {
            self.shell.set_alarm(at);
        }
        self.shell.set_timer(timer, cancel_timer);
        for (endpoint_id, frame) in scheduled {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let answer = this.call_endpoint(&endpoint_id, "replay", &frame).await;
                let answer = this.logged(answer).and_then(|bytes| this.logged(frame::decode(&bytes)));
                this.answered(opening, |m| m.scheduled_told(now(), &endpoint_id, answer.as_ref()));
            });
        }
        for (seq, event) in events {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let accepted = this.logged(this.operational(event).await).is_some();
                this.answered(opening, |m| m.event_sent(now(), seq, accepted));
            });
        }
        for task in tasks {
            let this = self.clone();
            spawn_local(async move { this.task(task).await });
        }
        for endpoint_id in erase {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let done = this.logged(this.ask_endpoint(&endpoint_id, "erase", &[]).await).is_some();
                this.answered(opening, |m| m.endpoint_erased(now(), &endpoint_id, done));
            });
        }
        for (endpoint_id, push) in push {
            let (this, opening) = (self.clone(), self.shell.opening());
            // Begun here, so that neither the push nor its frame waits for the answer: they can be large.
            let name = self.endpoint_name(&endpoint_id);
            let called = self.shell.begin_call("ENDPOINT", &name, "push", &frame::encode(&push));
            spawn_local(async move {
                let answer = match called {
                    Ok(called) => js::answer_of(called).await,
                    Err(error) => Err(error),
                };
                let answer = this.logged(answer).and_then(|bytes| this.logged(frame::decode(&bytes)));
                this.answered(opening, |m| m.pushed(now(), &endpoint_id, answer));
            });
        }
    }

    async fn configure(self: &Rc<Self>, endpoint_id: String, config: frame::Config) {
        let opening = self.shell.opening();
        let answer = self.call_endpoint(&endpoint_id, "configure", &frame::encode(&config)).await;
        let answer = self.logged(answer).and_then(|bytes| self.logged(frame::decode(&bytes)));
        self.answered(opening, |m| m.configured(now(), &endpoint_id, answer));
    }

    /// One step of a background task.
    async fn task(self: &Rc<Self>, task: TaskEffect) {
        let opening = self.shell.opening();
        match task {
            TaskEffect::Ask { task_id, endpoint_id, op, frame } => {
                // Objects in one process answer each other at once: what comes from outside gets its turn in between, such
                // as the word to stop.
                js::pause(0).await;
                let answer = self.call_endpoint(&endpoint_id, op, &frame).await;
                let answer = self.logged(answer).and_then(|bytes| self.logged(frame::decode(&bytes)));
                self.answered(opening, |m| m.task_told(now(), &task_id, answer));
            }
            TaskEffect::Note { task_id, version, call } => {
                let org = self.shell.name.split('/').next().unwrap_or_default();
                let told = self.shell.call("DIRECTORY", org, "api", &call).await;
                let acknowledged = self
                    .logged(told)
                    .and_then(|bytes| self.logged(frame::decode::<Reply>(&bytes)))
                    .is_some_and(|reply| reply.status == 204);
                self.answered(opening, |m| m.task_noted(now(), &task_id, version, acknowledged));
            }
        }
    }

    fn logged<T>(&self, result: Result<T, String>) -> Option<T> {
        result.map_err(|error| console_error!("{}: {error}", self.shell.name)).ok()
    }
}
