//! The world: objects, calls between them, alarms, clocks, and everything that goes wrong.
//!
//! What an effect comes to is modelled on the platform: writes and the alarm set in the same turn are durable
//! together; calls may be lost on either way, be late, or arrive twice; timers and requests die with their
//! process.

use super::check::OVERDUE_MS;
use super::dice::Dice;
use super::form::deliveries;
use super::node::{Fate, Machine, Node};
use super::plan::Plan;
use super::receiver::Mood;
use super::{Defect, Rule, Summary, Violation};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;
use weir_core::api::call::Call;
use weir_core::app::{self, App};
use weir_core::deployment::Deployment;
use weir_core::endpoint::{self, Attempt, AttemptResult, Endpoint, Passed};
use weir_core::filter::Filter;
use weir_core::frame::{
    AppInit, Config, ConfigAnswer, NewMessage, Payloads, PayloadsAsk, Pull, Push, PushAnswer, Report,
    ReportKind, Resend,
};
use weir_core::retry::Schedule;
use weir_core::rng::Seeded;
use weir_core::secret::Secret;
use weir_core::settings::Settings;
use weir_core::sql::memory::Memory;
use weir_core::sql::{Sql, SqlError};

/// When every run starts: 2026-11-18T11:06:40Z.
pub(super) const START: i64 = 1_795_000_000_000;
/// A world in which nothing happens for so long has come to rest: then it is time to forget.
pub(super) const REST_MS: i64 = 20 * 86_400_000;
/// A world that takes more events than this does not come to rest.
const EVENTS_MAX: u64 = 400_000;

pub(super) struct AppNode {
    pub(super) node: Node<App<Memory>>,
}

/// A stretch of the log during which an endpoint had one configuration.
pub(super) struct Era {
    /// The first message that it governs.
    pub(super) from: u64,
    pub(super) version: i64,
    pub(super) filter: Filter,
    pub(super) disabled: bool,
}

/// What is known of one delivery.
#[derive(Default)]
pub(super) struct Owed {
    pub(super) requests: u32,
    /// Successes that were recorded.
    pub(super) successes: u32,
    pub(super) received: bool,
}

pub(super) struct EndpointNode {
    pub(super) node: Node<Endpoint<Memory>>,
    pub(super) id: String,
    pub(super) app: usize,
    /// Messages before this one are none of its business.
    pub(super) born: u64,
    pub(super) eras: Vec<Era>,
    pub(super) deleted: bool,
    pub(super) secrets: Vec<Secret>,
    /// The newest configuration that the object took.
    pub(super) held: Option<Config>,
    pub(super) first_config: Option<Config>,
    pub(super) most_attempts: u32,
    pub(super) least_attempts: u32,
    /// When requests were started, by the object's clock and in truth.
    pub(super) starts: Vec<(i64, i64)>,
    /// Since when the paces in force are, in truth.
    pub(super) paced_since: i64,
    pub(super) in_flight: usize,
    pub(super) mood: Mood,
    pub(super) stays_dead: bool,
    /// It was told to slow down at least once.
    pub(super) slowed: bool,
    pub(super) owed: HashMap<String, Owed>,
    /// Requests made, by message and start.
    pub(super) made: HashMap<(String, i64), u32>,
    pub(super) results: Vec<(AttemptResult, u32)>,
    /// Results that were recorded, and committed.
    pub(super) recorded: u64,
    pub(super) arrivals: Vec<String>,
    pub(super) reported: HashSet<String>,
}

pub(super) struct Message {
    pub(super) app: usize,
    pub(super) number: u64,
    pub(super) event_type: String,
    pub(super) channels: Vec<String>,
    pub(super) payload: Vec<u8>,
}

/// Something that a client wants stored.
pub(super) struct Post {
    pub(super) app: usize,
    pub(super) message: NewMessage,
    /// The id that the client was told.
    pub(super) told: Option<String>,
    pub(super) tries: u32,
}

pub(super) enum Event {
    Act(usize),
    Post(usize, Vec<usize>),
    Told(Vec<usize>, Option<Vec<weir_core::frame::Accepted>>),
    ToApp(usize, AppOp, Reply),
    ToEndpoint(usize, EndpointOp, Reply),
    Answer(Reply, Option<Answer>),
    AppAlarm(usize, u32),
    EndpointAlarm(usize, u32),
    AppTimer(usize, u32),
    EndpointTimer(usize, u32),
    Request(usize, Box<Attempt>, u32, u32),
    Ended(usize, Box<AttemptResult>, u32, u32),
    Passed(usize, Box<Passed>, u32),
    Record(usize, u32),
    Mood(usize),
    CrashApp(usize),
    CrashEndpoint(usize),
    Jump,
    Audit(usize),
    Calm,
}

#[derive(Clone)]
pub(super) enum AppOp {
    Api(Call),
    Payloads(PayloadsAsk),
    Pull(Pull),
    Report(Report),
}

#[derive(Clone)]
pub(super) enum EndpointOp {
    Push(Push),
    Configure(Box<Config>),
    Resend(Resend),
}

/// Who waits for an answer, and under which opening.
#[derive(Clone)]
pub(super) enum Reply {
    Nobody,
    Pushed(usize, u32, String),
    Configured(usize, u32, String),
    Payloads(usize, u32, Vec<String>),
    Reported(usize, u32, i64),
    EventSent(usize, u32, i64),
}

pub(super) enum Answer {
    Push(PushAnswer),
    Config(ConfigAnswer),
    Payloads(Payloads),
    Done,
}

pub(super) struct Timed {
    at: i64,
    tie: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

/// A step that was made.
pub(super) struct Done<T, E> {
    pub(super) value: T,
    pub(super) effects: E,
    pub(super) committed: bool,
    /// Whoever asked gets an answer.
    pub(super) answered: bool,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) defect: Option<Defect>,
    pub(super) plan: Plan,
    pub(super) rng: Seeded,
    pub(super) deployment: Rc<Deployment>,
    /// Milliseconds since the start.
    pub(super) now: i64,
    /// How far all clocks have jumped.
    pub(super) jump: i64,
    queue: BinaryHeap<Reverse<Timed>>,
    ties: u64,
    pub(super) calm: bool,
    pub(super) apps: Vec<AppNode>,
    pub(super) endpoints: Vec<EndpointNode>,
    pub(super) by_id: HashMap<String, usize>,
    pub(super) messages: HashMap<String, Message>,
    pub(super) posts: Vec<Post>,
    pub(super) keys: HashMap<(usize, Vec<u8>), String>,
    pub(super) event_ids: HashMap<(usize, String), String>,
    /// The operational events that the tenant's operational application has accepted.
    pub(super) operational: HashSet<String>,
    /// The number of the next message.
    pub(super) next: u64,
    pub(super) summary: Summary,
    pub(super) violation: Option<Violation>,
    trace: bool,
}

impl Event {
    /// For the trace of a run.
    fn describe(&self) -> String {
        match self {
            Self::Act(a) => format!("a client of app {a} acts"),
            Self::Post(a, posts) => format!("app {a} gets posts {posts:?}"),
            Self::Told(posts, answers) => format!("a client is told of {posts:?}: {answers:?}"),
            Self::ToApp(a, AppOp::Api(call), _) => {
                format!("app {a}: {} {:?} {}", call.op, call.params, String::from_utf8_lossy(&call.body))
            }
            Self::ToApp(a, AppOp::Payloads(ask), _) => format!("app {a}: payloads of {:?}", ask.ids),
            Self::ToApp(a, AppOp::Pull(pull), _) => format!("app {a}: {} pulls", pull.endpoint_id),
            Self::ToApp(a, AppOp::Report(report), _) => format!("app {a}: {report:?}"),
            Self::ToEndpoint(e, EndpointOp::Push(push), _) => {
                let ids: Vec<&String> = push.messages.iter().map(|message| &message.id).collect();
                format!("endpoint {e}: push under {} of {ids:?}", push.config_version)
            }
            Self::ToEndpoint(e, EndpointOp::Configure(config), _) => {
                format!("endpoint {e}: configuration {} (disabled: {})", config.version, config.disabled)
            }
            Self::ToEndpoint(e, EndpointOp::Resend(resend), _) => {
                format!("endpoint {e}: resend of {}", resend.message.id)
            }
            Self::Answer(reply, answer) => match reply {
                Reply::Nobody => "an answer to nobody".to_owned(),
                Reply::Pushed(a, opening, id) => {
                    let answer = if let Some(Answer::Push(answer)) = answer { Some(answer) } else { None };
                    format!("app {a} (opening {opening}): {id} answers a push: {answer:?}")
                }
                Reply::Configured(a, opening, id) => {
                    let there = answer.is_some();
                    format!("app {a} (opening {opening}): {id} answers a configuration: {there}")
                }
                Reply::Payloads(e, opening, asked) => {
                    let there = answer.is_some();
                    format!("endpoint {e} (opening {opening}): payloads of {asked:?}: {there}")
                }
                Reply::EventSent(a, opening, seq) => {
                    format!("app {a} (opening {opening}): event {seq} accepted: {}", answer.is_some())
                }
                Reply::Reported(e, opening, seq) => {
                    format!(
                        "endpoint {e} (opening {opening}): report {seq} acknowledged: {}",
                        answer.is_some()
                    )
                }
            },
            Self::AppAlarm(a, number) => format!("app {a}: alarm {number}"),
            Self::EndpointAlarm(e, number) => format!("endpoint {e}: alarm {number}"),
            Self::AppTimer(a, _) => format!("app {a}: timer"),
            Self::EndpointTimer(e, _) => format!("endpoint {e}: timer"),
            Self::Request(e, attempt, ..) => format!("endpoint {e}: request for {:?}", attempt.delivery),
            Self::Ended(e, result, ..) => {
                format!("endpoint {e}: {} ended: {:?}", result.delivery.key, result.outcome)
            }
            Self::Passed(e, passed, _) => {
                format!("endpoint {e}: {} has passed: {:?}", passed.delivery.key, passed.outcome.decision)
            }
            Self::Record(e, _) => format!("endpoint {e}: records"),
            Self::Mood(e) => format!("the receiver of endpoint {e} changes its mood"),
            Self::CrashApp(a) => format!("app {a} crashes"),
            Self::CrashEndpoint(e) => format!("endpoint {e} crashes"),
            Self::Jump => "the clocks jump".to_owned(),
            Self::Audit(e) => format!("endpoint {e}: the statistics are compared"),
            Self::Calm => "the faults stop".to_owned(),
        }
    }
}

impl World {
    pub(super) fn new(seed: u64, defect: Option<Defect>) -> Self {
        let mut rng = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5765_6972);
        let mut plan = Plan::new(&mut rng);
        // By the seed, so that the numbers that follow are those that seeds had before there was a breaker.
        plan.settings.breaker_failures = if seed % 4 == 2 { 3 } else { 0 };
        let mut settings = plan.settings.clone();
        if defect == Some(Defect::IgnoresMaxInFlight) {
            settings.max_in_flight = 1_000;
        }
        Self {
            seed,
            defect,
            plan,
            rng,
            deployment: Rc::new(Deployment::new(settings)),
            now: 0,
            jump: 0,
            queue: BinaryHeap::new(),
            ties: 0,
            calm: false,
            apps: Vec::new(),
            endpoints: Vec::new(),
            by_id: HashMap::new(),
            messages: HashMap::new(),
            posts: Vec::new(),
            keys: HashMap::new(),
            event_ids: HashMap::new(),
            operational: HashSet::new(),
            next: 0,
            summary: Summary::default(),
            violation: None,
            trace: std::env::var_os("WEIR_SIM_TRACE").is_some(),
        }
    }

    pub(super) fn run(mut self) -> Result<Summary, Violation> {
        self.begin();
        let mut events: u64 = 0;
        let mut limit = self.limit();
        let mut rests = false;
        while self.violation.is_none() {
            let Some(Reverse(Timed { at, event, .. })) = self.queue.pop() else { break };
            if !rests && self.calm && at > self.now + REST_MS {
                // Nothing but forgetting is left to be done.
                rests = true;
                limit = at + 2 * REST_MS;
                self.check_end();
                if self.violation.is_some() {
                    break;
                }
            }
            self.now = self.now.max(at);
            events += 1;
            if events > EVENTS_MAX || self.now > limit {
                let what = if events > EVENTS_MAX { "too much happens" } else { "it takes too long" };
                let state = self.unfinished().unwrap_or_else(|| "though nothing waits".to_owned());
                self.violate(Rule::Stuck, format!("the world does not come to rest ({what}): {state}"));
                break;
            }
            self.happen(event);
        }
        if self.violation.is_none() {
            if !rests {
                self.check_end();
            }
            if self.violation.is_none() {
                self.check_forgotten();
            }
        }
        self.summary.virtual_ms = self.now;
        self.summary.crashes = self.apps.iter().map(|a| u64::from(a.node.crashes)).sum::<u64>()
            + self.endpoints.iter().map(|e| u64::from(e.node.crashes)).sum::<u64>();
        match self.violation {
            None => Ok(self.summary),
            Some(violation) => Err(violation),
        }
    }

    /// When everything must have come to rest: the longest schedule, paced, behind the longest waits.
    fn limit(&self) -> i64 {
        let schedule: i64 = self.plan.settings.retry_schedule.delays().iter().sum::<i64>().max(36_000_000);
        self.plan.chaos_ms + schedule * 2 + 6 * 3_600_000 + 4 * app::SILENCE_MS
    }

    fn begin(&mut self) {
        for a in 0..self.plan.apps {
            let node = Node::new(&mut self.rng, self.plan.skew_ms);
            let id = weir_core::id::new(weir_core::id::APP, START, &mut self.rng);
            self.apps.push(AppNode { node });
            let init =
                AppInit { org: "org_sim".to_owned(), app_id: id, uid: None, version: 1, deleted: false };
            self.calm = true; // the first steps are made without faults
            let done =
                self.step_app(a, false, |app, now, _| app.init(now, init).map(|effects| ((), effects)));
            if let Some(done) = done {
                self.carry_out_app(a, done.effects, false);
            }
            for _ in 0..self.plan.endpoints {
                self.create_endpoint(a);
            }
            self.calm = false;
            for _ in 0..self.plan.actions {
                let at = self.rng.between(0, self.plan.chaos_ms);
                self.at(at, Event::Act(a));
            }
            for _ in 0..self.plan.crashes {
                let at = self.rng.between(0, self.plan.chaos_ms);
                self.at(at, Event::CrashApp(a));
            }
        }
        for _ in 0..self.plan.jumps {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Jump);
        }
        self.at(self.plan.chaos_ms, Event::Calm);
    }

    pub(super) fn at(&mut self, at: i64, event: Event) {
        self.ties += 1;
        self.queue.push(Reverse(Timed { at: at.max(self.now), tie: self.ties, event }));
    }

    pub(super) fn after(&mut self, delay: i64, event: Event) {
        self.at(self.now.saturating_add(delay.max(0)), event);
    }

    pub(super) fn violate(&mut self, rule: Rule, text: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { seed: self.seed, rule, text, at: self.now });
        }
    }

    pub(super) fn clock(&self, skew: i64) -> i64 {
        START + self.now + self.jump + skew
    }

    pub(super) fn app_clock(&self, a: usize) -> i64 {
        self.clock(self.apps[a].node.skew)
    }

    pub(super) fn endpoint_clock(&self, e: usize) -> i64 {
        self.clock(self.endpoints[e].node.skew)
    }

    fn fate(&mut self) -> Fate {
        if self.calm {
            Fate::Good
        } else if self.rng.chance(self.plan.crash_before) {
            Fate::CrashBefore { process: self.rng.chance(0.6) }
        } else if self.rng.chance(self.plan.crash_after) {
            Fate::CrashAfter
        } else {
            Fate::Good
        }
    }

    // Steps.

    pub(super) fn step_app<T>(
        &mut self,
        a: usize,
        in_alarm: bool,
        work: impl FnOnce(&mut App<Memory>, i64, &mut Seeded) -> Result<(T, app::Effects), SqlError>,
    ) -> Option<Done<T, app::Effects>> {
        let (fate, clock) = (self.fate(), self.app_clock(a));
        self.summary.steps += 1;
        let node = &mut self.apps[a].node;
        let deployment = &self.deployment;
        let stepped =
            node.step(deployment, clock, &mut self.rng, in_alarm, fate, |m, rng| work(m, clock, rng));
        match stepped {
            Err(error) => {
                self.violate(Rule::Storage, format!("app {a}: {error}"));
                None
            }
            Ok(((value, effects), committed)) => {
                let lying = self.defect == Some(Defect::AnswersBeforeCommit);
                let answered = fate == Fate::Good || (lying && !committed);
                if committed
                    && let Some(at) = effects.alarm
                    && self.defect != Some(Defect::DropsAppAlarms)
                {
                    self.set_app_alarm(a, at);
                }
                Some(Done { value, effects, committed, answered })
            }
        }
    }

    pub(super) fn step_endpoint<T>(
        &mut self,
        e: usize,
        in_alarm: bool,
        work: impl FnOnce(&mut Endpoint<Memory>, i64, &mut Seeded) -> Result<(T, endpoint::Effects), SqlError>,
    ) -> Option<Done<T, endpoint::Effects>> {
        let (fate, clock) = (self.fate(), self.endpoint_clock(e));
        self.summary.steps += 1;
        let node = &mut self.endpoints[e].node;
        let deployment = &self.deployment;
        let stepped =
            node.step(deployment, clock, &mut self.rng, in_alarm, fate, |m, rng| work(m, clock, rng));
        if fate != Fate::Good {
            self.endpoints[e].in_flight = 0;
        }
        if fate == (Fate::CrashBefore { process: true }) {
            self.endpoints[e].results.clear();
        }
        match stepped {
            Err(error) => {
                self.violate(Rule::Storage, format!("endpoint {e}: {error}"));
                None
            }
            Ok(((value, effects), committed)) => {
                if committed
                    && let Some(at) = effects.alarm
                    && self.defect != Some(Defect::DropsEndpointAlarms)
                {
                    self.set_endpoint_alarm(e, at);
                }
                Some(Done { value, effects, committed, answered: fate == Fate::Good })
            }
        }
    }

    /// Finishes a step of an App object; `false` where nobody gets an answer.
    pub(super) fn finish_app<T>(&mut self, a: usize, done: Done<T, app::Effects>) -> Option<T> {
        let committed = done.committed;
        let value = self.finish_reading_app(a, done);
        if committed {
            self.check_app(a);
        }
        value
    }

    /// Finishes a step that only read, and so repairs nothing.
    pub(super) fn finish_reading_app<T>(&mut self, a: usize, done: Done<T, app::Effects>) -> Option<T> {
        if done.committed {
            let crashed = !done.answered;
            self.carry_out_app(a, done.effects, crashed);
            if crashed {
                self.apps[a].node.crash(true);
            }
        }
        done.answered.then_some(done.value)
    }

    /// See [`Self::finish_app`].
    pub(super) fn finish_endpoint<T>(&mut self, e: usize, done: Done<T, endpoint::Effects>) -> Option<T> {
        let committed = done.committed;
        let value = self.finish_reading_endpoint(e, done);
        if committed {
            self.check_endpoint(e);
        }
        value
    }

    /// See [`Self::finish_reading_app`].
    pub(super) fn finish_reading_endpoint<T>(
        &mut self,
        e: usize,
        done: Done<T, endpoint::Effects>,
    ) -> Option<T> {
        if done.committed {
            let crashed = !done.answered;
            self.carry_out_endpoint(e, done.effects, crashed);
            if crashed {
                self.crash_endpoint(e);
            }
        }
        done.answered.then_some(done.value)
    }

    fn crash_endpoint(&mut self, e: usize) {
        self.endpoints[e].node.crash(true);
        self.endpoints[e].in_flight = 0;
        self.endpoints[e].results.clear();
    }

    // Effects.

    fn set_app_alarm(&mut self, a: usize, at: i64) {
        if self.defect == Some(Defect::NeverForgets) && at > self.app_clock(a) + REST_MS {
            return;
        }
        let delay = at - self.app_clock(a);
        let number = set_alarm(&mut self.apps[a].node, at);
        let late = self.rng.between(0, 5);
        self.after(delay.max(0) + late, Event::AppAlarm(a, number));
    }

    fn set_endpoint_alarm(&mut self, e: usize, at: i64) {
        let delay = at - self.endpoint_clock(e);
        let number = set_alarm(&mut self.endpoints[e].node, at);
        let late = self.rng.between(0, 5);
        self.after(delay.max(0) + late, Event::EndpointAlarm(e, number));
    }

    /// How many of so many effects are carried out.
    fn kept(&mut self, crashed: bool, count: usize) -> usize {
        if crashed { self.rng.below(count + 1) } else { count }
    }

    pub(super) fn carry_out_app(&mut self, a: usize, effects: app::Effects, crashed: bool) {
        let opening = self.apps[a].node.opening;
        if let Some(at) = effects.timer
            && !crashed
        {
            let delay = at - self.app_clock(a);
            self.after(delay, Event::AppTimer(a, self.apps[a].node.process));
        }
        let configs =
            effects.configure.into_iter().map(|(id, config)| (id, EndpointOp::Configure(Box::new(config))));
        let pushes = effects.push.into_iter().map(|(id, push)| (id, EndpointOp::Push(push)));
        let calls: Vec<_> = configs.chain(pushes).collect();
        let kept = self.kept(crashed, calls.len());
        for (id, op) in calls.into_iter().take(kept) {
            let reply = match &op {
                EndpointOp::Configure(_) => Reply::Configured(a, opening, id.clone()),
                _ => Reply::Pushed(a, opening, id.clone()),
            };
            let Some(&e) = self.by_id.get(&id) else {
                self.violate(Rule::Storage, format!("app {a} calls {id}, which was never created"));
                return;
            };
            self.call_endpoint(e, op, reply);
        }
        if crashed {
            return; // events are sent again
        }
        for (seq, event) in effects.events {
            let reply = Reply::EventSent(a, opening, seq);
            if self.lost(self.plan.call_lost) {
                let delay = self.latency();
                self.after(delay, Event::Answer(reply, None));
            } else {
                if self.defect != Some(Defect::SwallowsEvents) {
                    self.operational.insert(event.id);
                }
                self.answer(reply, Some(Answer::Done));
            }
        }
    }

    fn carry_out_endpoint(&mut self, e: usize, effects: endpoint::Effects, crashed: bool) {
        let (opening, process) = (self.endpoints[e].node.opening, self.endpoints[e].node.process);
        let a = self.endpoints[e].app;
        if let Some(at) = effects.timer
            && !crashed
        {
            let delay = at - self.endpoint_clock(e);
            self.after(delay, Event::EndpointTimer(e, process));
        }
        let kept = self.kept(crashed, effects.send.len());
        for attempt in effects.send.into_iter().take(kept) {
            self.check_start(e, &attempt);
            self.endpoints[e].in_flight += 1;
            let delay = self.rng.between(0, 20);
            self.after(delay, Event::Request(e, Box::new(attempt), opening, process));
        }
        if crashed {
            return; // the others are all repeated in the same way
        }
        self.pass(e, effects.pass);
        if !effects.fetch_payloads.is_empty() {
            let ids = effects.fetch_payloads;
            let reply = Reply::Payloads(e, opening, ids.clone());
            self.call_app(a, AppOp::Payloads(PayloadsAsk { ids }), reply);
        }
        if effects.pull {
            let pull = Pull { endpoint_id: self.endpoints[e].id.clone() };
            self.call_app(a, AppOp::Pull(pull), Reply::Nobody);
        }
        for (seq, report) in effects.reports {
            self.call_app(a, AppOp::Report(report), Reply::Reported(e, opening, seq));
        }
    }

    // Calls.

    pub(super) fn latency(&mut self) -> i64 {
        if !self.calm && self.rng.chance(self.plan.late) {
            self.summary.calls_disturbed += 1;
            self.rng.between(1_000, 60_000)
        } else {
            self.rng.between(1, 40)
        }
    }

    fn lost(&mut self, probability: f64) -> bool {
        let lost = !self.calm && self.rng.chance(probability);
        self.summary.calls_disturbed += u64::from(lost);
        lost
    }

    pub(super) fn call_app(&mut self, a: usize, op: AppOp, reply: Reply) {
        let delay = self.latency();
        if self.lost(self.plan.call_lost) {
            self.after(delay, Event::Answer(reply, None));
            return;
        }
        if self.lost(self.plan.doubled) && !matches!(op, AppOp::Api(_)) {
            let later = self.latency();
            self.after(later, Event::ToApp(a, op.clone(), Reply::Nobody));
        }
        self.after(delay, Event::ToApp(a, op, reply));
    }

    fn call_endpoint(&mut self, e: usize, op: EndpointOp, reply: Reply) {
        let delay = self.latency();
        if self.lost(self.plan.call_lost) {
            self.after(delay, Event::Answer(reply, None));
            return;
        }
        if self.lost(self.plan.doubled) && !matches!(op, EndpointOp::Resend(_)) {
            let later = self.latency();
            self.after(later, Event::ToEndpoint(e, op.clone(), Reply::Nobody));
        }
        self.after(delay, Event::ToEndpoint(e, op, reply));
    }

    fn answer(&mut self, reply: Reply, answer: Option<Answer>) {
        if matches!(reply, Reply::Nobody) {
            return;
        }
        let delay = self.latency();
        let answer = if self.lost(self.plan.answer_lost) { None } else { answer };
        self.after(delay, Event::Answer(reply, answer));
    }

    fn happen(&mut self, event: Event) {
        if self.trace {
            eprintln!("{:>10} {}", self.now, event.describe());
        }
        match event {
            Event::Act(a) => self.act(a),
            Event::Post(a, posts) => self.accept(a, posts),
            Event::Told(posts, answers) => self.told(posts, answers),
            Event::ToApp(a, op, reply) => self.app_called(a, op, reply),
            Event::ToEndpoint(e, op, reply) => self.endpoint_called(e, op, reply),
            Event::Answer(reply, answer) => self.answered(reply, answer),
            Event::AppAlarm(a, number) => self.app_alarm(a, number),
            Event::EndpointAlarm(e, number) => self.endpoint_alarm(e, number),
            Event::AppTimer(a, process) => {
                let node = &self.apps[a].node;
                if node.process == process && node.machine.is_some() {
                    let done = self.step_app(a, false, |m, now, _| m.tick(now).map(|fx| ((), fx)));
                    done.and_then(|done| self.finish_app(a, done));
                }
            }
            Event::EndpointTimer(e, process) => {
                let node = &self.endpoints[e].node;
                if node.process == process && node.machine.is_some() {
                    let done =
                        self.step_endpoint(e, false, |m, now, rng| m.tick(now, rng).map(|fx| ((), fx)));
                    done.and_then(|done| self.finish_endpoint(e, done));
                }
            }
            Event::Request(e, attempt, opening, process) => self.request(e, *attempt, opening, process),
            Event::Ended(e, result, opening, process) => {
                if self.endpoints[e].node.process == process {
                    if self.endpoints[e].results.is_empty() {
                        self.after(0, Event::Record(e, process));
                    }
                    self.endpoints[e].results.push((*result, opening));
                }
            }
            Event::Passed(e, passed, process) => {
                if self.endpoints[e].node.process == process {
                    let done = self.step_endpoint(e, false, |m, now, rng| {
                        m.passed(now, rng, vec![*passed]).map(|fx| ((), fx))
                    });
                    done.and_then(|done| self.finish_endpoint(e, done));
                }
            }
            Event::Record(e, process) => {
                if self.endpoints[e].node.process == process {
                    self.record(e);
                }
            }
            Event::Mood(e) => {
                if !self.calm && !self.endpoints[e].stays_dead {
                    self.endpoints[e].mood = Mood::any(&mut self.rng);
                }
            }
            Event::CrashApp(a) => self.apps[a].node.crash(true),
            Event::CrashEndpoint(e) => self.crash_endpoint(e),
            Event::Jump => self.clock_jumps(),
            Event::Audit(e) => self.check_statistics(e),
            Event::Calm => self.becalm(),
        }
    }

    fn app_alarm(&mut self, a: usize, number: u32) {
        let node = &mut self.apps[a].node;
        if node.alarm_number != number || node.alarm.is_none() {
            return;
        }
        if !self.calm && self.rng.chance(self.plan.alarm_lost) {
            lose_alarm(node);
            self.summary.alarms_lost += 1;
            return;
        }
        node.alarm = None;
        let done = self.step_app(a, true, |m, now, _| m.alarm(now).map(|fx| ((), fx)));
        let finished = done.and_then(|done| self.finish_app(a, done));
        // An alarm whose handler died is tried again; so is, at times, one whose handler did not.
        if self.apps[a].node.alarm.is_none()
            && (finished.is_none() || (!self.calm && self.rng.chance(self.plan.alarm_twice)))
        {
            let at = self.app_clock(a) + 2_000;
            self.set_app_alarm(a, at);
        }
    }

    fn endpoint_alarm(&mut self, e: usize, number: u32) {
        let node = &mut self.endpoints[e].node;
        if node.alarm_number != number || node.alarm.is_none() {
            return;
        }
        let forgets = self.defect == Some(Defect::ForgetsDebts);
        if forgets || (!self.calm && self.rng.chance(self.plan.alarm_lost)) {
            lose_alarm(node);
            self.summary.alarms_lost += 1;
            return;
        }
        node.alarm = None;
        let done = self.step_endpoint(e, true, |m, now, rng| m.alarm(now, rng).map(|fx| ((), fx)));
        let Some(done) = done else { return };
        let died = !done.answered;
        if self.endpoints[e].node.alarm.is_none()
            && (died || (!self.calm && self.rng.chance(self.plan.alarm_twice)))
        {
            let at = self.endpoint_clock(e) + 2_000;
            self.set_endpoint_alarm(e, at);
        }
        self.finish_endpoint(e, done);
    }

    fn app_called(&mut self, a: usize, op: AppOp, reply: Reply) {
        let answer = match op {
            AppOp::Api(call) => {
                self.api(a, &call);
                None
            }
            AppOp::Payloads(ask) => {
                let done =
                    self.step_app(a, false, |m, _, _| m.payloads(&ask).map(|p| (p, app::Effects::default())));
                done.and_then(|done| self.finish_reading_app(a, done)).map(Answer::Payloads)
            }
            AppOp::Pull(pull) => {
                let done = self.step_app(a, false, |m, now, _| m.pulled(now, &pull).map(|fx| ((), fx)));
                done.and_then(|done| self.finish_app(a, done)).map(|()| Answer::Done)
            }
            AppOp::Report(report) => self.report(a, &report),
        };
        self.answer(reply, answer);
    }

    fn report(&mut self, a: usize, report: &Report) -> Option<Answer> {
        if self.defect == Some(Defect::SwallowsReports) {
            return Some(Answer::Done);
        }
        let done = self.step_app(a, false, |m, now, rng| m.reported(now, rng, report).map(|fx| ((), fx)))?;
        if done.committed {
            self.learn(a);
        }
        let told = done.effects.operational.len();
        let answer = self.finish_app(a, done).map(|()| Answer::Done);
        if answer.is_some()
            && told > 0
            && let ReportKind::Exhausted { msg_id, .. } = &report.kind
            && let Some(&e) = self.by_id.get(&report.endpoint_id)
        {
            self.endpoints[e].reported.insert(msg_id.clone());
        }
        answer
    }

    fn endpoint_called(&mut self, e: usize, op: EndpointOp, reply: Reply) {
        let answer = match op {
            EndpointOp::Push(mut push) => {
                let count = u32::try_from(push.messages.len()).unwrap_or(u32::MAX);
                match self.defect {
                    Some(Defect::AcknowledgesWithoutStoring) if count > 0 && self.rng.chance(0.5) => {
                        let answer = PushAnswer { accepted: count, enough: false, stale: false, owes: false };
                        self.answer(reply, Some(Answer::Push(answer)));
                        return;
                    }
                    Some(Defect::ChangesPayloads) => {
                        for message in &mut push.messages {
                            message.payload = [&*message.payload, b" "].concat().into();
                        }
                    }
                    Some(Defect::PushesBackwards) if self.plan.orderly => push.messages.reverse(),
                    Some(Defect::DoublesMessages) => push.messages.extend(push.messages.first().cloned()),
                    Some(Defect::IgnoresFilters) => self.add_unwanted(e, &mut push),
                    _ => {}
                }
                let done = self.step_endpoint(e, false, |m, now, rng| m.push(now, rng, push));
                let mut answer = done.and_then(|done| self.finish_endpoint(e, done));
                if self.defect == Some(Defect::ForgetsDebts)
                    && let Some(answer) = &mut answer
                {
                    answer.owes = false;
                }
                answer.map(Answer::Push)
            }
            EndpointOp::Configure(config) => self.configure(e, *config),
            EndpointOp::Resend(resend) => {
                let done = self.step_endpoint(e, false, |m, now, rng| m.resend(now, rng, resend));
                done.and_then(|done| self.finish_endpoint(e, done)).map(|_| Answer::Done)
            }
        };
        self.answer(reply, answer);
    }

    fn configure(&mut self, e: usize, config: Config) -> Option<Answer> {
        let mut told = config.clone();
        self.plug(e, &mut told);
        self.form(e, &mut told);
        match self.defect {
            Some(Defect::RetriesWithoutEnd) => told.schedule_ms = Some(vec![1_000; 12]),
            Some(Defect::IgnoresPace) => told.paces.clear(),
            Some(Defect::ForgetsPlugins) => told.plugins = None,
            Some(Defect::IgnoresMaxInFlight) => told.max_in_flight = None,
            Some(Defect::KeepsOldConfig) => {
                let first = self.endpoints[e].first_config.get_or_insert_with(|| config.clone());
                told.url.clone_from(&first.url);
            }
            _ => {}
        }
        let done = self.step_endpoint(e, false, |m, now, rng| m.configure(now, rng, told))?;
        if done.committed {
            let endpoint = &mut self.endpoints[e];
            let held = endpoint.held.as_ref().map_or(0, |held| held.version);
            if config.version > held {
                let schedule = config
                    .schedule_ms
                    .clone()
                    .map_or_else(|| self.plan.settings.retry_schedule.clone(), Schedule::from_ms);
                if endpoint.held.as_ref().is_none_or(|held| held.paces != config.paces) {
                    endpoint.paced_since = self.now;
                }
                endpoint.most_attempts = endpoint.most_attempts.max(schedule.attempts());
                endpoint.least_attempts = endpoint.least_attempts.min(schedule.attempts());
                endpoint.held = Some(config.clone());
            }
            let expected = held.max(config.version);
            if done.value.version != expected {
                let text = format!(
                    "endpoint {e} says that it holds version {}, it should be {expected}",
                    done.value.version
                );
                self.violate(Rule::Config, text);
            }
        }
        self.finish_endpoint(e, done).map(Answer::Config)
    }

    fn add_unwanted(&self, e: usize, push: &mut Push) {
        let stranger =
            self.messages.iter().filter(|(id, _)| !self.may_receive(e, id)).map(|(id, message)| {
                weir_core::frame::Outgoing {
                    id: id.clone(),
                    event_type: message.event_type.clone(),
                    channels: None,
                    payload: message.payload.clone().into(),
                    headers: None,
                }
            });
        push.messages.extend(stranger.min_by(|a, b| a.id.cmp(&b.id)));
        push.messages.sort_by(|a, b| a.id.cmp(&b.id));
    }

    fn answered(&mut self, reply: Reply, answer: Option<Answer>) {
        match reply {
            Reply::Nobody => {}
            Reply::Pushed(a, opening, id) => {
                if self.app_awake(a, opening) {
                    let answer = if let Some(Answer::Push(answer)) = answer { Some(answer) } else { None };
                    let done =
                        self.step_app(a, false, |m, now, _| m.pushed(now, &id, answer).map(|fx| ((), fx)));
                    done.and_then(|done| self.finish_app(a, done));
                }
            }
            Reply::Configured(a, opening, id) => {
                if self.app_awake(a, opening) {
                    let answer = if let Some(Answer::Config(answer)) = answer { Some(answer) } else { None };
                    let done = self
                        .step_app(a, false, |m, now, _| m.configured(now, &id, answer).map(|fx| ((), fx)));
                    done.and_then(|done| self.finish_app(a, done));
                }
            }
            Reply::Payloads(e, opening, asked) => {
                if self.endpoint_awake(e, opening) {
                    let answer =
                        if let Some(Answer::Payloads(answer)) = answer { Some(answer) } else { None };
                    let done = self.step_endpoint(e, false, |m, now, rng| {
                        m.payloads(now, rng, &asked, answer).map(|fx| ((), fx))
                    });
                    done.and_then(|done| self.finish_endpoint(e, done));
                }
            }
            Reply::EventSent(a, opening, seq) => {
                if self.app_awake(a, opening) {
                    let accepted = answer.is_some();
                    let done = self
                        .step_app(a, false, |m, now, _| m.event_sent(now, seq, accepted).map(|fx| ((), fx)));
                    done.and_then(|done| self.finish_app(a, done));
                }
            }
            Reply::Reported(e, opening, seq) => {
                if self.endpoint_awake(e, opening) {
                    let acknowledged = answer.is_some();
                    let done = self.step_endpoint(e, false, |m, now, _| {
                        m.reported(now, seq, acknowledged).map(|fx| ((), fx))
                    });
                    done.and_then(|done| self.finish_endpoint(e, done));
                }
            }
        }
    }

    fn app_awake(&self, a: usize, opening: u32) -> bool {
        let same = self.apps[a].node.opening == opening || self.defect == Some(Defect::MistakesAnswers);
        same && self.apps[a].node.machine.is_some()
    }

    fn endpoint_awake(&self, e: usize, opening: u32) -> bool {
        self.endpoints[e].node.opening == opening && self.endpoints[e].node.machine.is_some()
    }

    // Requests.

    fn request(&mut self, e: usize, attempt: Attempt, opening: u32, process: u32) {
        let (outcome, took, taken) = self.endpoints[e].mood.answer(&mut self.rng, attempt.timeout_ms);
        // Its breaker may open: at once, or after some failures.
        let overloaded = matches!(outcome, endpoint::AttemptOutcome::Answer { code: 429 | 502 | 504, .. });
        if overloaded
            || (self.plan.settings.breaker_failures > 0
                && !matches!(outcome, endpoint::AttemptOutcome::Answer { code: 200..=299, .. }))
        {
            self.endpoints[e].slowed = true;
        }
        if taken {
            self.check_content(e, &attempt);
            let endpoint = &mut self.endpoints[e];
            for delivery in deliveries(&attempt) {
                endpoint.owed.entry(delivery.msg_id.clone()).or_default().received = true;
                endpoint.arrivals.push(delivery.msg_id.clone());
            }
        }
        let ended = self.endpoint_clock(e) + took;
        let result = attempt.ended(ended, outcome);
        self.after(took, Event::Ended(e, Box::new(result), opening, process));
    }

    fn record(&mut self, e: usize) {
        let results = std::mem::take(&mut self.endpoints[e].results);
        let opening = self.endpoints[e].node.opening;
        let ours = results.iter().filter(|(_, under)| *under == opening).count();
        let mut results: Vec<AttemptResult> = results.into_iter().map(|(result, _)| result).collect();
        let made: Vec<AttemptResult> = results.iter().cloned().flat_map(AttemptResult::each).collect();
        if self.defect == Some(Defect::RecordsTwice) {
            results.extend(results.clone());
        }
        let done = self.step_endpoint(e, false, |m, now, rng| m.record(now, rng, results).map(|fx| ((), fx)));
        let Some(done) = done else { return };
        let endpoint = &mut self.endpoints[e];
        if done.answered {
            endpoint.in_flight = endpoint.in_flight.saturating_sub(ours);
        }
        if done.committed {
            for result in &made {
                endpoint.recorded += 1;
                let success =
                    matches!(result.outcome, endpoint::AttemptOutcome::Answer { code: 200..=299, .. });
                if success {
                    self.summary.successes += 1;
                    if !result.delivery.manual {
                        let owed = endpoint.owed.entry(result.delivery.msg_id.clone()).or_default();
                        owed.successes += 1;
                    }
                }
            }
            for (_, report) in &done.effects.reports {
                if matches!(report.kind, ReportKind::Gone | ReportKind::FailingSince { .. })
                    && let Some(held) = &mut endpoint.held
                    && held.version == report.config_version
                {
                    held.disabled = true; // it stops by itself
                }
            }
            let harm = match self.defect {
                Some(Defect::LosesAttempts) => "DELETE FROM delivery WHERE slot = 0 AND status = 2",
                Some(Defect::TurnsSuccesses) => {
                    "UPDATE delivery SET status = 2 WHERE slot = 0 AND status = 0"
                }
                _ => "",
            };
            if !harm.is_empty() {
                endpoint.node.db.exec(harm, &[]).expect("rows are changed");
            }
        }
        self.finish_endpoint(e, done);
        self.check_successes(e, &made);
    }

    // The clock, and the end of the faults.

    fn clock_jumps(&mut self) {
        if self.calm {
            return;
        }
        let most = *self.rng.pick(&[5_000, 60_000, 3_600_000]);
        self.jump += self.rng.between(-most, most);
        for a in 0..self.apps.len() {
            if let Some(at) = self.apps[a].node.alarm {
                self.set_app_alarm(a, at);
            }
        }
        for e in 0..self.endpoints.len() {
            if let Some(at) = self.endpoints[e].node.alarm {
                self.set_endpoint_alarm(e, at);
            }
        }
    }

    fn becalm(&mut self) {
        self.calm = true;
        for endpoint in &mut self.endpoints {
            if !endpoint.stays_dead {
                endpoint.mood = Mood::Well;
            }
        }
        // An App object whose alarm was dropped is repaired by the next call: at once where it was asleep,
        // else once the alarm is overdue.
        for a in 0..self.apps.len() {
            if self.plan.jumps > 0 {
                // Where the clock went back, "overdue" may be an hour away: idle objects are put to sleep.
                self.after(OVERDUE_MS - 1, Event::CrashApp(a));
            }
            for delay in [1, OVERDUE_MS] {
                let post = self.new_post(a, false);
                self.after(delay, Event::Post(a, vec![post]));
            }
        }
    }
}

fn set_alarm<M: Machine>(node: &mut Node<M>, at: i64) -> u32 {
    node.alarm = Some(at);
    node.alarm_number += 1;
    node.lost_at = None;
    node.alarm_number
}

fn lose_alarm<M: Machine>(node: &mut Node<M>) {
    node.lost_at = node.alarm.take();
    node.ever_lost = true;
}

pub(super) fn limits(settings: &Settings, config: &Config) -> usize {
    let own = config.max_in_flight.unwrap_or(u32::MAX);
    usize::try_from(own.min(settings.max_in_flight)).unwrap_or(usize::MAX).max(1)
}
