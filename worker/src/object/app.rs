//! The App object's shell.

use super::{Shell, bytes, failed};
use crate::js;
use crate::js::now;
use futures_util::future::join_all;
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use weir_core::api::call::{Call, Reply};
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::app::{self, AskPlan, Effects, Outcome, TaskEffect, Told};
use weir_core::budget::ALARM_DEPTH;
use weir_core::frame::{
    self, Accepted, AppInit, BatchAnswer, BatchAsk, Done, IngestAsk, Ingested, NewMessage, Payloads,
    PayloadsAsk, PluginNotice, PluginUses, Pull, Report, TaskAnswer, UsageAnswer, UsageAsk,
};
use weir_core::operational::{self, Event};
use weir_core::rng::System;
use weir_core::source::rejected::Rejected;
use weir_core::sql::SqlError;
use weir_core::wire::name::{AppName, EndpointName};
use weir_core::wire::{self, Answers, Ask, Operation, TaskAsk};
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
    shell: Shell<Machine, AppName>,
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
                inner.shell.logged(inner.step(|machine| machine.tick(now()).map(|effects| ((), effects))));
            }
        });
        Ok(App(inner))
    }

    /// One call of another object or of the Worker.
    pub async fn call(&self, op: String, frame: Vec<u8>, depth: u32) -> Result<JsValue, JsValue> {
        let this = App(self.0.clone());
        this.0.shell.budget.delivered(depth);
        #[cfg(feature = "test-hooks")]
        if op == crate::test_hooks::PANIC {
            crate::test_hooks::panic();
        }
        let served = async {
            this.0.ready().await?;
            wire::app::serve(&this, &op, &frame).await
        };
        served.await.map(|frame| bytes(&frame)).map_err(|e| failed(&e))
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

impl wire::app::Server for App {
    /// For callers that do not take the way of [`App::accept`], which has no promise.
    async fn accept(&self, message: NewMessage) -> Result<Accepted, String> {
        let mut message = Some(message);
        let stored = Promise::new(&mut |resolve, _| {
            if let Some(message) = message.take() {
                self.0.accept(message, resolve);
            }
        });
        js::response_to::<wire::app::Accept>(stored).await
    }

    async fn api(&self, call: Call<AppOp>) -> Result<Reply, String> {
        self.0.api(call).await
    }

    async fn accept_batch(&self, ask: BatchAsk) -> Result<BatchAnswer, String> {
        self.0.step(|machine| machine.accept_batch(now(), &mut System, ask))
    }

    async fn ingest(&self, ask: IngestAsk) -> Result<Ingested, String> {
        self.0.step(|machine| machine.ingest(now(), &mut System, ask))
    }

    async fn init(&self, init: AppInit) -> Result<Done, String> {
        self.0.step(|machine| machine.init(now(), init).map(|effects| ((), effects)))?;
        Ok(Done { done: self.0.erase().await? })
    }

    async fn read_payloads(&self, ask: PayloadsAsk) -> Result<Payloads, String> {
        self.0.shell.light_step(|machine| machine.payloads(&ask))
    }

    async fn note_plugin(&self, notice: PluginNotice) -> Result<PluginUses, String> {
        let (uses, effects) = self.0.shell.step(|machine| machine.plugin_notice(now(), &notice))?;
        // Whoever changed the plugin and then sends a message gets what the change made of it.
        self.0.carry_out_and_wait(effects).await;
        Ok(uses)
    }

    async fn resume(&self, pull: Pull) -> Result<(), String> {
        self.0.step(|machine| machine.pulled(now(), &pull).map(|effects| ((), effects)))
    }

    async fn keep_rejected(&self, kept: Rejected) -> Result<(), String> {
        let keep = |machine: &mut Machine| machine.keep_rejected(now(), &mut System, &kept);
        self.0.step(|machine| keep(machine).map(|effects| ((), effects)))
    }

    async fn take_report(&self, report: Report) -> Result<(), String> {
        self.0.report(&report).await
    }

    async fn usage(&self, ask: UsageAsk) -> Result<UsageAnswer, String> {
        let mut plan = self.0.shell.light_step(|machine| Ok(machine.usage(&ask)))?;
        for endpoints in std::mem::take(&mut plan.endpoints).chunks(ASKED_AT_ONCE) {
            for stats in self.0.ask_each::<wire::endpoint::ReadStats>(endpoints, &plan.ask).await? {
                plan.add(&stats);
            }
        }
        Ok(plan.answer())
    }
}

impl Inner {
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
            let asks = endpoints.iter().map(|id| self.ask_endpoint::<wire::endpoint::Erase>(id, &()));
            let told = join_all(asks).await;
            let done =
                endpoints.into_iter().zip(told).filter_map(|(id, told)| self.shell.logged(told).map(|_| id));
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
            self.shell.logged(self.step(|m| work(m).map(|effects| ((), effects))));
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
            let _ = reply.call1(&JsValue::UNDEFINED, &bytes(&frame::encode(&Accepted::Overloaded)));
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
                this.shell.logged(this.ready().await);
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
            let _ = reply.call1(&JsValue::UNDEFINED, &bytes(&frame::encode(&answer)));
        }
        count
    }

    async fn api(self: &Rc<Self>, call: Call<AppOp>) -> Result<Reply, String> {
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
                loop {
                    let round = plan.next_round();
                    if round.is_empty() {
                        break;
                    }
                    for page in self.ask_each::<wire::endpoint::ListAttempts>(&round, &plan.ask).await? {
                        plan.add(page);
                    }
                }
                self.ready().await?;
                self.shell.light_step(|machine| machine.attempts_reply(*plan))?
            }
            Some(Outcome::Resend(mut plan)) => {
                self.carry_out(std::mem::take(&mut plan.effects));
                let resend =
                    self.ask_endpoint::<wire::endpoint::ResendMessage>(&plan.endpoint_id, &plan.resend);
                let taken = resend.await?;
                let reply = plan.reply(taken);
                if let Some(call) = &plan.call {
                    self.ready().await?;
                    self.shell.step(|machine| machine.resent(now(), &mut System, call, &reply))?;
                }
                reply
            }
            Some(Outcome::Stats(plan)) => {
                let read = self.ask_endpoint::<wire::endpoint::ReadStats>(&plan.endpoint_id, &plan.ask);
                let stats = read.await?;
                plan.reply(&stats)
            }
            Some(Outcome::Ask(plan)) => self.ask(plan).await?,
        };
        Ok(reply)
    }

    /// Asks endpoints, in as many rounds as it takes.
    async fn ask(self: &Rc<Self>, mut plan: Box<AskPlan>) -> Result<Reply, String> {
        loop {
            let answers = self.answers(&plan).await?;
            self.ready().await?;
            match self.shell.step(|machine| machine.told(*plan, answers))? {
                Told::Reply(reply) => return Ok(reply),
                Told::Ask(next) => plan = next,
            }
        }
    }

    async fn answers(&self, AskPlan { endpoints, ask, .. }: &AskPlan) -> Result<Answers, String> {
        use wire::endpoint::{ExpungeAttempt, ListAttempts, ReadDeliveries, ReadStats};
        match ask {
            Ask::Attempts(ask) => self.ask_each::<ListAttempts>(endpoints, ask).await.map(Answers::Attempts),
            Ask::Deliveries(ask) => {
                self.ask_each::<ReadDeliveries>(endpoints, ask).await.map(Answers::Deliveries)
            }
            Ask::Expunge(ask) => self.ask_each::<ExpungeAttempt>(endpoints, ask).await.map(Answers::Expunge),
            Ask::Stats(ask) => self.ask_each::<ReadStats>(endpoints, ask).await.map(Answers::Stats),
            Ask::Task(ask) => {
                let asks = endpoints.iter().map(|endpoint_id| {
                    self.shell.budget.count_call();
                    self.ask_task(endpoint_id, ask)
                });
                join_all(asks).await.into_iter().collect::<Result<_, _>>().map(Answers::Task)
            }
        }
    }

    /// Asks endpoints the same, for whoever called this object.
    async fn ask_each<O: Operation<Object = EndpointName>>(
        &self,
        endpoints: &[String],
        request: &O::Request,
    ) -> Result<Vec<O::Response>, String> {
        let asks = endpoints.iter().map(|endpoint_id| self.ask_endpoint::<O>(endpoint_id, request));
        join_all(asks).await.into_iter().collect()
    }

    /// Asks an endpoint for whoever called this object.
    async fn ask_endpoint<O: Operation<Object = EndpointName>>(
        &self,
        endpoint_id: &str,
        request: &O::Request,
    ) -> Result<O::Response, String> {
        self.shell.budget.count_call();
        self.call_endpoint::<O>(endpoint_id, request).await
    }

    /// Calls an endpoint as the state machine said, which has counted it.
    async fn call_endpoint<O: Operation<Object = EndpointName>>(
        &self,
        endpoint_id: &str,
        request: &O::Request,
    ) -> Result<O::Response, String> {
        self.shell.call::<O>(&self.shell.name.endpoint(endpoint_id), request).await
    }

    async fn ask_task(&self, endpoint_id: &str, ask: &TaskAsk) -> Result<TaskAnswer, String> {
        use wire::endpoint::{BulkReplay, Recover, Replay};
        match ask {
            TaskAsk::Recover(ask) => self.call_endpoint::<Recover>(endpoint_id, ask).await,
            TaskAsk::Replay(ask) => self.call_endpoint::<Replay>(endpoint_id, ask).await,
            TaskAsk::BulkReplay(ask) => self.call_endpoint::<BulkReplay>(endpoint_id, ask).await,
        }
    }

    /// A report is acknowledged once everything that follows from it is stored.
    async fn report(self: &Rc<Self>, report: &Report) -> Result<(), String> {
        let mut effects = self.shell.step(|machine| machine.reported(now(), &mut System, report))?;
        let events = std::mem::take(&mut effects.operational);
        self.carry_out(effects);
        for event in events {
            self.shell.budget.count_call();
            self.operational(event).await?;
        }
        Ok(())
    }

    /// Operational events are messages of the tenant's operational application. Where that was never made, or has
    /// no endpoint for such an event, nobody wants it.
    async fn operational(&self, event: Event) -> Result<(), String> {
        let directory = self.shell.name.directory();
        let app::Route { note, event } = app::route(event);
        if let Some(note) = note {
            let note = Call { body: frame::encode(&note), ..Call::new(DirectoryOp::StandingNote) };
            if event.is_some() {
                self.shell.budget.count_call(); // the state machine has counted one
            }
            if self.shell.call::<wire::directory::Api>(&directory, &note).await?.status != 204 {
                return Err("the Directory did not take the note".to_owned());
            }
        }
        let Some(event) = event else { return Ok(()) };
        let name = directory.app(operational::APP_ID);
        let answer = self.shell.call::<wire::app::Accept>(&name, &event.into_message()).await?;
        if answer.trouble().is_some() {
            Err("the operational event was not stored".to_owned())
        } else {
            Ok(())
        }
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
        for (endpoint_id, ask) in scheduled {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let answer = this.call_endpoint::<wire::endpoint::Replay>(&endpoint_id, &ask).await;
                let answer = this.shell.logged(answer);
                this.answered(opening, |m| m.scheduled_told(now(), &endpoint_id, answer.as_ref()));
            });
        }
        for (seq, event) in events {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let accepted = this.shell.logged(this.operational(event).await).is_some();
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
                let erased = this.ask_endpoint::<wire::endpoint::Erase>(&endpoint_id, &()).await;
                let done = this.shell.logged(erased).is_some();
                this.answered(opening, |m| m.endpoint_erased(now(), &endpoint_id, done));
            });
        }
        for (endpoint_id, push) in push {
            let (this, opening) = (self.clone(), self.shell.opening());
            // Begun here, so that neither the push nor its frame waits for the answer: they can be large.
            let name = self.shell.name.endpoint(&endpoint_id);
            let called = self.shell.begin_call::<wire::endpoint::TakePush>(&name, &push);
            spawn_local(async move {
                let answer = match called {
                    Ok(called) => js::response_to::<wire::endpoint::TakePush>(called).await,
                    Err(error) => Err(error),
                };
                let answer = this.shell.logged(answer);
                this.answered(opening, |m| m.pushed(now(), &endpoint_id, answer));
            });
        }
    }

    async fn configure(self: &Rc<Self>, endpoint_id: String, config: frame::Config) {
        let opening = self.shell.opening();
        let answer = self.call_endpoint::<wire::endpoint::Configure>(&endpoint_id, &config).await;
        let answer = self.shell.logged(answer);
        self.answered(opening, |m| m.configured(now(), &endpoint_id, answer));
    }

    /// One step of a background task.
    async fn task(self: &Rc<Self>, task: TaskEffect) {
        let opening = self.shell.opening();
        match task {
            TaskEffect::Ask { task_id, endpoint_id, ask } => {
                // Objects in one process answer each other at once: what comes from outside gets its turn in between, such
                // as the word to stop.
                js::pause(0).await;
                let answer = self.shell.logged(self.ask_task(&endpoint_id, &ask).await);
                self.answered(opening, |m| m.task_told(now(), &task_id, answer));
            }
            TaskEffect::Note { task_id, version, call } => {
                let called =
                    self.shell.call::<wire::directory::Api>(&self.shell.name.directory(), &call).await;
                let acknowledged = self.shell.logged(called).is_some_and(|reply| reply.status == 204);
                self.answered(opening, |m| m.task_noted(now(), &task_id, version, acknowledged));
            }
        }
    }
}
