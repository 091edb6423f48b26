//! The Endpoint object's shell.

use super::{Shell, bytes, failed};
use crate::engine::{self, Place};
use crate::js::{self, Posted, Posts, now};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use weir_core::budget::ALARM_DEPTH;
use weir_core::encoding;
use weir_core::endpoint::{
    self, Attempt, AttemptOutcome, AttemptResult, Effects, Failure, Passage, Passed, RESPONSE_MAX,
};
use weir_core::frame::{
    Attempts, AttemptsAsk, BulkAsk, Config, ConfigAnswer, Deliveries, DeliveriesAsk, Done, ExpungeAsk,
    PayloadsAsk, Pull, Push, PushAnswer, RecoverAsk, ReplayAsk, Resend, StatsAnswer, StatsAsk, TaskAnswer,
};
use weir_core::id;
use weir_core::plugin::{Decision, Step};
use weir_core::rng::System;
use weir_core::sql::SqlError;
use weir_core::target;
use weir_core::wire::name::{AppName, EndpointName};
use weir_core::wire::{self, Operation};
use worker::console_error;

type Machine = endpoint::Endpoint<crate::sql::DurableSql>;

/// Results may wait so long for others to be recorded with, since they are then one row.
const HOLD_MS: i64 = 100;
/// In steps of this.
const HOLD_STEP_MS: i64 = 20;
/// So many results wait for no more.
const HOLD_MAX: usize = 64;
/// So many deliveries pass their plugins in one turn.
const PASSED_AT_ONCE: usize = 16;
/// After so much fuel of plugins other work goes on before the next one runs: some 50 ms in the interpreter.
const FUEL_AT_ONCE: u64 = 1_500_000;

/// One endpoint: see [`endpoint::Endpoint`].
#[wasm_bindgen]
pub struct Endpoint(Rc<Inner>);

struct Inner {
    shell: Shell<Machine, EndpointName>,
    /// Set right after construction: it calls back.
    posts: OnceCell<Posts>,
    /// Requests under way, by token.
    sent: RefCell<HashMap<u32, Attempt>>,
    tokens: Cell<u32>,
    /// Results that wait for the next commit.
    results: RefCell<Vec<AttemptResult>>,
    recording: Cell<bool>,
    /// A result is there whose recording somebody waits for.
    urgent: Cell<bool>,
    /// Deliveries on their way through plugins.
    passages: RefCell<VecDeque<Passage>>,
    passing: Cell<bool>,
    /// Fuel that plugins have used in this turn.
    fuel: Cell<u64>,
    erased: Cell<bool>,
}

#[wasm_bindgen]
impl Endpoint {
    /// Called by the platform.
    #[wasm_bindgen(constructor)]
    pub fn new(context: JsValue, env: JsValue) -> Result<Endpoint, JsValue> {
        let open = |sql, deployment, budget, now, alarm| {
            let mut machine = endpoint::Endpoint::open(sql, deployment, now, alarm)?;
            machine.set_budget(budget);
            Ok(machine)
        };
        let shell = Shell::new(context, env, open).map_err(|e| failed(&e))?;
        let inner = Rc::new(Inner {
            shell,
            posts: OnceCell::new(),
            sent: RefCell::new(HashMap::new()),
            tokens: Cell::new(0),
            results: RefCell::new(Vec::new()),
            recording: Cell::new(false),
            urgent: Cell::new(false),
            passages: RefCell::new(VecDeque::new()),
            passing: Cell::new(false),
            fuel: Cell::new(0),
            erased: Cell::new(false),
        });
        let weak = Rc::downgrade(&inner);
        let posts = Posts::new(move |token, posted| {
            if let Some(inner) = weak.upgrade() {
                inner.ended(token, posted);
            }
        });
        let _ = inner.posts.set(posts);
        let weak = Rc::downgrade(&inner);
        inner.shell.timer.runs(move || {
            if let Some(inner) = weak.upgrade() {
                inner.shell.logged(inner.step(|m| m.tick(now(), &mut System).map(|effects| ((), effects))));
            }
        });
        Ok(Endpoint(inner))
    }

    /// One call of another object.
    pub async fn call(&self, op: String, frame: Vec<u8>, depth: u32) -> Result<JsValue, JsValue> {
        let this = Endpoint(self.0.clone());
        this.0.shell.budget.delivered(depth);
        let served = async {
            // What is to be erased is not opened first: an endpoint that stores nothing would begin to.
            if op != wire::endpoint::Erase::NAME {
                this.0.ready().await?;
            }
            wire::endpoint::serve(&this, &op, &frame).await
        };
        served.await.map(|frame| bytes(&frame)).map_err(|e| failed(&e))
    }

    /// Called by the platform. Never fails: the platform drops an alarm that does.
    pub async fn alarm(&self) {
        let inner = self.0.clone();
        inner.shell.budget.delivered(ALARM_DEPTH);
        let done = match inner.shell.opened(true).await {
            Ok(_) => inner.step(|m| m.alarm(now(), &mut System).map(|effects| ((), effects))),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            console_error!("{}: alarm: {error}", inner.shell.name);
            inner.shell.set_alarm(now().saturating_add(endpoint::LEASE_MARGIN_MS));
        }
    }
}

impl wire::endpoint::Server for Endpoint {
    async fn list_attempts(&self, ask: AttemptsAsk) -> Result<Attempts, String> {
        self.0.shell.light_step(|m| m.attempts(now(), &ask))
    }

    async fn bulk_replay(&self, ask: BulkAsk) -> Result<TaskAnswer, String> {
        self.0.step(|m| m.bulk_replay(now(), &mut System, ask))
    }

    async fn configure(&self, config: Config) -> Result<ConfigAnswer, String> {
        self.0.step(|m| m.configure(now(), &mut System, config))
    }

    async fn read_deliveries(&self, ask: DeliveriesAsk) -> Result<Deliveries, String> {
        self.0.shell.step(|m| m.deliveries(&ask))
    }

    /// What is under way to receivers is answered to nobody.
    async fn erase(&self, (): ()) -> Result<Done, String> {
        let Self(inner) = self;
        inner.erased.set(true);
        inner.sent.borrow_mut().clear();
        inner.results.borrow_mut().clear();
        inner.passages.borrow_mut().clear();
        inner.shell.erase(|_| Ok(())).await?;
        Ok(Done { done: true })
    }

    async fn expunge_attempt(&self, ask: ExpungeAsk) -> Result<Done, String> {
        self.0.shell.step(|m| m.expunge(&ask))
    }

    async fn take_push(&self, push: Push) -> Result<PushAnswer, String> {
        self.0.step(|m| m.push(now(), &mut System, push))
    }

    async fn recover(&self, ask: RecoverAsk) -> Result<TaskAnswer, String> {
        self.0.step(|m| m.recover(now(), &mut System, ask))
    }

    async fn replay(&self, ask: ReplayAsk) -> Result<TaskAnswer, String> {
        self.0.step(|m| m.replay(now(), &mut System, ask))
    }

    async fn resend_message(&self, resend: Resend) -> Result<bool, String> {
        self.0.step(|m| m.resend(now(), &mut System, resend))
    }

    async fn read_stats(&self, ask: StatsAsk) -> Result<StatsAnswer, String> {
        self.0.shell.light_step(|m| m.statistics(now(), &ask))
    }
}

impl Inner {
    /// Opens the state machine if it is not; where it was not, its alarm is made to fit what it finds.
    async fn ready(self: &Rc<Self>) -> Result<(), String> {
        if self.erased.get() {
            return Err("the endpoint is erased".to_owned()); // a call that was late must not begin it anew
        }
        if self.shell.opened(false).await? {
            self.step(|m| m.tick(now(), &mut System).map(|effects| ((), effects)))?;
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

    fn carry_out(self: &Rc<Self>, effects: Effects) {
        // Every field by its name: an effect that is added does not compile until it is carried out.
        let Effects { send, pass, fetch_payloads, pull, reports, alarm, timer, cancel_timer } = effects;
        if let Some(at) = alarm {
            self.shell.set_alarm(at);
        }
        self.shell.set_timer(timer, cancel_timer);
        for attempt in send {
            self.send(attempt);
        }
        self.pass(pass);
        if !fetch_payloads.is_empty() {
            let this = self.clone();
            spawn_local(async move { this.fetch_payloads(fetch_payloads).await });
        }
        if pull {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let EndpointName { app, endpoint_id } = this.shell.name.clone();
                let called = this.shell.call::<wire::app::Resume>(&app, &Pull { endpoint_id }).await;
                let acknowledged = this.shell.logged(called).is_some();
                let work = |m: &mut Machine| m.pulled(now(), acknowledged);
                if this.shell.opening() == opening
                    && let Some(effects) = this.shell.logged(this.shell.light_step(work))
                {
                    this.carry_out(effects);
                }
            });
        }
        for (seq, report) in reports {
            let (this, opening) = (self.clone(), self.shell.opening());
            spawn_local(async move {
                let sent = this.shell.call::<wire::app::TakeReport>(&this.shell.name.app, &report).await;
                let acknowledged = this.shell.logged(sent).is_some();
                this.answered(opening, |m| m.reported(now(), seq, acknowledged));
            });
        }
    }

    /// Takes deliveries through their plugins, a few in one turn: what was decided of one lets the next begin.
    fn pass(self: &Rc<Self>, passages: Vec<Passage>) {
        self.passages.borrow_mut().extend(passages);
        if self.passages.borrow().is_empty() || self.passing.replace(true) {
            return;
        }
        let this = self.clone();
        spawn_local(async move {
            loop {
                let count = this.passages.borrow().len().min(PASSED_AT_ONCE);
                let batch: Vec<Passage> = this.passages.borrow_mut().drain(..count).collect();
                if batch.is_empty() {
                    break;
                }
                let mut passed = Vec::with_capacity(count);
                for passage in batch {
                    // Where a module cannot be asked for, nothing is decided: the lease runs out, and the delivery is due.
                    passed.extend(this.shell.logged(this.run_plugins(passage).await));
                    if this.fuel.get() >= FUEL_AT_ONCE {
                        // What was decided does not wait for a plugin that takes long.
                        this.decided(std::mem::take(&mut passed)).await;
                        this.give_way().await;
                    }
                }
                this.decided(passed).await;
                if !this.passages.borrow().is_empty() {
                    this.give_way().await;
                }
            }
            this.passing.set(false);
        });
    }

    /// Ends the turn, so that other work of this object and of others in this isolate goes on.
    async fn give_way(&self) {
        js::pause(0).await;
        self.fuel.set(0);
    }

    async fn run_plugins(&self, mut passage: Passage) -> Result<Passed, String> {
        let EndpointName { app: AppName { org, app_id }, endpoint_id } = &self.shell.name;
        let delivery = passage.delivery.clone();
        let place = Place {
            org,
            app_id,
            endpoint_id,
            msg_id: &delivery.msg_id,
            accepted_at: id::millis(id::MESSAGE, &delivery.msg_id).unwrap_or_default(),
            attempt: delivery.made.saturating_add(1),
        };
        let all = passage.chain.plugins();
        while let Step::Run(plugin, subject) = passage.chain.step() {
            if self.fuel.get() >= FUEL_AT_ONCE {
                self.give_way().await;
            }
            let ran = engine::run(&self.shell.env, &place, &all, plugin, subject).await?;
            self.fuel.set(self.fuel.get().saturating_add(ran.fuel));
            passage.chain.ran(ran);
        }
        Ok(passage.ended())
    }

    async fn decided(self: &Rc<Self>, passed: Vec<Passed>) {
        if passed.is_empty() || self.shell.logged(self.ready().await).is_none() {
            return;
        }
        // What only goes on its way writes nothing that could not be undone by its lease.
        let light = passed.iter().all(|passed| matches!(passed.outcome.decision, Decision::Deliver(_)));
        let work = |m: &mut Machine| m.passed(now(), &mut System, passed);
        let effects = if light { self.shell.light_step(work) } else { self.shell.step(work) };
        if let Some(effects) = self.shell.logged(effects) {
            self.carry_out(effects);
        }
    }

    fn send(self: &Rc<Self>, mut attempt: Attempt) {
        // Checked when the endpoint was saved, and again here: the rules may have become stricter since.
        let url = attempt.signed_url.as_deref().unwrap_or(&attempt.url);
        let allowed = match &attempt.refused {
            Some(why) => Err(why.clone()),
            None => target::check(url, &self.shell.deployment.policy).map_err(|refusal| refusal.to_string()),
        };
        match allowed {
            Ok(target) => {
                let token = self.tokens.replace(self.tokens.get().wrapping_add(1));
                // The platform has its own copy of what is sent: none is kept here while the request is under way.
                let (headers, body) =
                    (std::mem::take(&mut attempt.headers), std::mem::take(&mut attempt.body));
                if let Some(posts) = self.posts.get() {
                    posts.send(token, &target.url, &headers, &body, attempt.timeout_ms, RESPONSE_MAX);
                }
                self.sent.borrow_mut().insert(token, attempt);
            }
            Err(refusal) => {
                let outcome = AttemptOutcome::Failed(Failure::Refused(refusal));
                self.results.borrow_mut().push(attempt.ended(now(), outcome));
                self.urgent.set(true);
                self.record();
            }
        }
    }

    fn ended(self: &Rc<Self>, token: u32, posted: Posted) {
        let Some(attempt) = self.sent.borrow_mut().remove(&token) else { return };
        let (outcome, headers) = match posted {
            Posted::Response { code, retry_after, encoding, headers, body } => {
                let body = match &encoding {
                    Some(encoding) => encoding::decoded(encoding, body, RESPONSE_MAX)
                        .unwrap_or_else(|why| format!("The response is {why}.").into_bytes()),
                    None => body,
                };
                (AttemptOutcome::of_response(code, retry_after, body), Some(headers))
            }
            Posted::Timeout => (AttemptOutcome::Failed(Failure::Timeout), None),
            Posted::Error(message) => (AttemptOutcome::of_error(&attempt.url, &message), None),
        };
        let mut result = attempt.ended(now(), outcome);
        if let Some(headers) = headers {
            result = result.with_headers(&headers);
        }
        // Its connection is free for the next one, before its result is on record.
        if let Some(effects) = self.shell.logged(self.shell.light_step(|m| m.answered(now(), &result))) {
            self.carry_out(effects);
        }
        let waits = self.shell.logged(self.shell.light_step(|m| Ok(m.may_wait(&result))));
        if waits != Some(true) {
            self.urgent.set(true);
        }
        self.results.borrow_mut().push(result);
        self.record();
    }

    /// Waits a moment for further results, unless somebody waits for those that are there.
    async fn hold(&self) {
        let mut held: i64 = 0;
        let more = || !self.sent.borrow().is_empty() && self.results.borrow().len() < HOLD_MAX;
        while held < HOLD_MS && !self.urgent.get() && more() {
            js::pause(HOLD_STEP_MS).await;
            held = held.saturating_add(HOLD_STEP_MS);
        }
        self.urgent.set(false);
    }

    /// Group commit, as for messages: results that come while a commit is under way are recorded together when it
    /// has ended. Where nobody waits for them, they wait a moment for those of other requests in flight.
    fn record(self: &Rc<Self>) {
        if self.recording.replace(true) {
            return;
        }
        let this = self.clone();
        spawn_local(async move {
            while !this.results.borrow().is_empty() {
                this.hold().await;
                if let Err(error) = this.ready().await {
                    console_error!("{}: {error}", this.shell.name);
                    this.results.take(); // their leases run out, and the deliveries are due again
                    break;
                }
                let results = this.results.take();
                let count = results.len();
                this.shell.logged(
                    this.step(|m| m.record(now(), &mut System, results).map(|effects| ((), effects))),
                );
                this.shell.durable(count).await;
            }
            this.recording.set(false);
        });
    }

    async fn fetch_payloads(self: &Rc<Self>, ids: Vec<String>) {
        let opening = self.shell.opening();
        let ask = PayloadsAsk { ids };
        let answer = self.shell.call::<wire::app::ReadPayloads>(&self.shell.name.app, &ask).await;
        let answer = self.shell.logged(answer);
        self.answered(opening, |m| m.payloads(now(), &mut System, &ask.ids, answer));
    }
}
