//! The world: what there is in it, its time, and the loop in which one event after the other happens.
//!
//! What an effect comes to is modeled on the platform: writes and the alarm set in the same turn are durable
//! together; calls may be lost on either way, be late, or arrive twice; timers and requests die with their
//! process.

use super::dice::Dice;
use super::directory::DirectoryNode;
use super::event::{Ask, Event};
use super::forget::Forgetting;
use super::node::{Fate, Machine, Node, Object, Platform};
use super::plan::Plan;
use super::receiver::Mood;
use super::storage::Disk;
use super::task::Task;
use super::{Defect, Rule, Summary, Violation};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::rc::Rc;
use weir_core::app::{self, App};
use weir_core::budget::ALARM_DEPTH;
use weir_core::deployment::Deployment;
use weir_core::endpoint::{AttemptResult, Endpoint};
use weir_core::filter::Filter;
use weir_core::frame::{Config, NewMessage};
use weir_core::rng::Seeded;
use weir_core::secret::Secret;
use weir_core::sql::SqlError;

/// When every run starts: 2026-11-18T11:06:40Z.
pub(super) const START: i64 = 1_795_000_000_000;
/// A world in which nothing happens for so long has come to rest: then it is time to forget.
pub(super) const REST_MS: i64 = 20 * 86_400_000;
/// A world that takes more events than this does not come to rest.
const EVENTS_MAX: u64 = 400_000;

pub(super) struct AppNode {
    pub(super) node: Node<App<Disk>>,
    /// By what the Directory knows it.
    pub(super) id: String,
    /// It is a source's: its messages come in at a URL.
    pub(super) source: bool,
    /// A client was told that it is deleted.
    pub(super) deleted: bool,
}

/// A stretch of the log during which an endpoint had one configuration.
pub(super) struct Era {
    /// The first message that it governs.
    pub(super) from: u64,
    /// When it began, in milliseconds since the start.
    pub(super) since: i64,
    pub(super) version: i64,
    pub(super) filter: Filter,
    pub(super) disabled: bool,
    /// Disabled or paused.
    pub(super) stopped: bool,
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
    pub(super) node: Node<Endpoint<Disk>>,
    pub(super) id: String,
    pub(super) app: usize,
    /// Messages before this one are none of its business.
    pub(super) born: u64,
    pub(super) eras: Vec<Era>,
    pub(super) deleted: bool,
    /// A client deleted it, and not with its application.
    pub(super) deleted_alone: bool,
    /// Its object was erased.
    pub(super) erased: bool,
    pub(super) secrets: Vec<Secret>,
    /// The newest configuration that the object took.
    pub(super) held: Option<Config>,
    pub(super) first_config: Option<Config>,
    pub(super) most_attempts: u32,
    pub(super) least_attempts: u32,
    /// When requests were started, by the object's clock and in truth.
    pub(super) starts: Vec<(i64, i64)>,
    /// Since when the rate limits in force are, in truth.
    pub(super) paced_since: i64,
    pub(super) in_flight: usize,
    pub(super) mood: Mood,
    pub(super) stays_dead: bool,
    /// It was told to slow down at least once, or had plugins.
    pub(super) slowed: bool,
    pub(super) owed: HashMap<String, Owed>,
    /// Requests made, by message and start.
    pub(super) made: HashMap<(String, i64), u32>,
    pub(super) results: Vec<(AttemptResult, u32)>,
    /// Results that were recorded, and committed.
    pub(super) recorded: u64,
    pub(super) arrivals: Vec<String>,
    pub(super) reported: HashSet<String>,
    /// Deliveries asked for by hand: the keys that were seen, and how many may have been asked for.
    pub(super) by_hand: HashMap<String, HashSet<String>>,
    pub(super) resends: HashMap<String, usize>,
    /// The deliveries that were sent while the storage is full.
    pub(super) sent_when_full: HashSet<String>,
}

pub(super) struct Message {
    pub(super) app: usize,
    pub(super) number: u64,
    /// In milliseconds since the start.
    pub(super) accepted_at: i64,
    pub(super) event_type: String,
    pub(super) channels: Vec<String>,
    pub(super) payload: Vec<u8>,
    /// By the App's clock.
    pub(super) deliver_at: Option<i64>,
    pub(super) forgetting: Forgetting,
}

/// Something that a client wants stored.
pub(super) struct Post {
    pub(super) app: usize,
    pub(super) message: NewMessage,
    /// The id that the client was told.
    pub(super) told: Option<String>,
    pub(super) tries: u32,
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
    pub(super) directory: DirectoryNode,
    pub(super) apps: Vec<AppNode>,
    pub(super) endpoints: Vec<EndpointNode>,
    pub(super) by_id: HashMap<String, usize>,
    pub(super) messages: HashMap<String, Message>,
    pub(super) posts: Vec<Post>,
    pub(super) keys: HashMap<(usize, Vec<u8>), String>,
    /// Requests that were stored: as which message, and when by the App's clock.
    pub(super) nonces: HashMap<u64, (String, i64)>,
    pub(super) event_ids: HashMap<(usize, String), String>,
    /// Of sources: when an event was last stored, by the App's clock, and as what.
    pub(super) came: HashMap<(usize, String), (i64, String)>,
    /// The operational events that the tenant's operational application has accepted.
    pub(super) operational: HashSet<String>,
    pub(super) tasks: BTreeMap<String, Task>,
    /// Attempts whose response a client was told is forgotten.
    pub(super) expunged_attempts: Vec<(usize, String)>,
    /// The number of the next message.
    pub(super) next: u64,
    pub(super) summary: Summary,
    pub(super) violation: Option<Violation>,
    trace: bool,
}

impl World {
    pub(super) fn new(seed: u64, defect: Option<Defect>) -> Self {
        let mut rng = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5765_6972);
        let plan = Plan::new(&mut rng, seed);
        let mut settings = plan.settings.clone();
        if defect == Some(Defect::IgnoresMaxInFlight) {
            settings.max_in_flight = 1_000;
        }
        let directory = DirectoryNode::new(&mut rng, plan.skew_ms);
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
            directory,
            apps: Vec::new(),
            endpoints: Vec::new(),
            by_id: HashMap::new(),
            messages: HashMap::new(),
            posts: Vec::new(),
            keys: HashMap::new(),
            nonces: HashMap::new(),
            event_ids: HashMap::new(),
            came: HashMap::new(),
            operational: HashSet::new(),
            tasks: BTreeMap::new(),
            expunged_attempts: Vec::new(),
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
        self.summary.crashes = self.apps.iter().map(|a| u64::from(a.node.on.crashes)).sum::<u64>()
            + self.endpoints.iter().map(|e| u64::from(e.node.on.crashes)).sum::<u64>();
        match self.violation {
            None => Ok(self.summary),
            Some(violation) => Err(violation),
        }
    }

    /// When everything must have come to rest: the longest schedule, rate-limited, behind the longest waits.
    fn limit(&self) -> i64 {
        let schedule: i64 = self.plan.settings.retry_schedule.delays().iter().sum::<i64>().max(36_000_000);
        self.plan.chaos_ms + self.plan.latest_ms + schedule * 2 + 6 * 3_600_000 + 4 * app::SILENCE_MS
    }

    fn begin(&mut self) {
        self.calm = true; // the first steps are made without faults
        for nth in 0..self.plan.apps {
            self.create_app(nth);
        }
        if self.plan.source {
            self.create_source();
        }
        self.calm = false;
        for a in 0..self.apps.len() {
            for _ in 0..self.plan.actions {
                let at = self.rng.between(0, self.plan.chaos_ms);
                self.at(at, Event::Act(a));
            }
            self.plan_crashes(Object::App(a));
        }
        if self.plan.directory {
            self.plan_crashes(Object::Directory);
            for _ in 0..self.plan.actions / 2 {
                let at = self.rng.between(0, self.plan.chaos_ms);
                self.at(at, Event::ActOnPlugins);
            }
        }
        for _ in 0..self.plan.jumps {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Jump);
        }
        for _ in 0..self.plan.deploys {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Deploy);
        }
        self.at(self.plan.chaos_ms, Event::Calm);
    }

    pub(super) fn plan_crashes(&mut self, object: Object) {
        for _ in 0..self.plan.crashes {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Crash(object));
        }
        if self.plan.overloads && self.rng.chance(0.6) {
            let (from, ms) = (self.rng.between(0, self.plan.chaos_ms), self.rng.between(100, 60_000));
            self.at(from, Event::Overload(object, ms));
        }
        if self.plan.fills && object != Object::Directory && self.rng.chance(0.6) {
            let from = self.rng.between(0, self.plan.chaos_ms);
            let to = self.rng.between(from, self.plan.chaos_ms + 1);
            self.at(from, Event::Fill(object, true));
            self.at(to, Event::Fill(object, false));
        }
    }

    /// Changes what has not happened yet.
    pub(super) fn change_queue(&mut self, mut change: impl FnMut(&mut Seeded, Event) -> Event) {
        for Reverse(mut timed) in std::mem::take(&mut self.queue).into_sorted_vec().into_iter().rev() {
            timed.event = change(&mut self.rng, timed.event);
            self.queue.push(Reverse(timed));
        }
    }

    // Time.

    pub(super) fn at(&mut self, at: i64, event: Event) {
        self.ties += 1;
        self.queue.push(Reverse(Timed { at: at.max(self.now), tie: self.ties, event }));
    }

    pub(super) fn after(&mut self, delay: i64, event: Event) {
        self.at(self.now.saturating_add(delay.max(0)), event);
    }

    /// What an object's clock says.
    pub(super) fn clock(&mut self, object: Object) -> i64 {
        let skew = self.platform(object).skew;
        self.clock_with(skew)
    }

    fn clock_with(&self, skew: i64) -> i64 {
        START + self.now + self.jump + skew
    }

    pub(super) fn app_clock(&self, a: usize) -> i64 {
        self.clock_with(self.apps[a].node.on.skew)
    }

    pub(super) fn endpoint_clock(&self, e: usize) -> i64 {
        self.clock_with(self.endpoints[e].node.on.skew)
    }

    /// When an App's clock shows that time, in milliseconds since the start; where no clock jumps.
    pub(super) fn when(&self, a: usize, clock: i64) -> i64 {
        clock - START - self.apps[a].node.on.skew
    }

    // Objects.

    pub(super) fn platform(&mut self, object: Object) -> &mut Platform {
        match object {
            Object::Directory => &mut self.directory.node.on,
            Object::App(a) => &mut self.apps[a].node.on,
            Object::Endpoint(e) => &mut self.endpoints[e].node.on,
        }
    }

    pub(super) fn violate(&mut self, rule: Rule, text: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { seed: self.seed, rule, text, at: self.now });
        }
    }

    /// One step of an object. `None` where a statement failed: then there is no answer.
    pub(super) fn step<M: Machine, T>(
        &mut self,
        index: usize,
        in_alarm: bool,
        work: impl FnOnce(&mut M, i64, &mut Seeded) -> Result<(T, M::Effects), SqlError>,
    ) -> Option<Done<T, M::Effects>> {
        let object = M::object(index);
        if self.defect == Some(Defect::CountsAnew) {
            let on = self.platform(object);
            on.budget.delivered(on.spent.depth);
        }
        let (fate, clock) = (self.fate(), self.clock(object));
        self.summary.steps += 1;
        let deployment = Rc::clone(&self.deployment);
        let mut rng = Seeded(self.rng.0);
        let node = M::node(self, index);
        let stepped = node.step(&deployment, clock, &mut rng, in_alarm, fate, |m, rng| work(m, clock, rng));
        self.rng = rng;
        if let Object::Endpoint(e) = object
            && (fate != Fate::Good || stepped.is_err())
        {
            self.endpoint_forgot(e, fate == (Fate::CrashBefore { process: true }));
        }
        match stepped {
            Err(error) => {
                self.statement_failed(object, in_alarm, &error);
                None
            }
            Ok(((value, effects), committed)) => {
                let lying =
                    matches!(object, Object::App(_)) && self.defect == Some(Defect::AnswersBeforeCommit);
                let answered = fate == Fate::Good || (lying && !committed);
                if committed && let Some(at) = M::alarm(&effects) {
                    self.set_alarm(object, at);
                }
                Some(Done { value, effects, committed, answered })
            }
        }
    }

    /// Carries out what a step asked for, and checks what must hold after it; `None` where nobody gets an answer.
    pub(super) fn finish<M: Machine, T>(&mut self, index: usize, done: Done<T, M::Effects>) -> Option<T> {
        let committed = done.committed;
        let value = self.finish_reading::<M, T>(index, done);
        if committed {
            M::check(self, index);
        }
        value
    }

    /// The same for a step that only read, and so repairs nothing.
    pub(super) fn finish_reading<M: Machine, T>(
        &mut self,
        index: usize,
        done: Done<T, M::Effects>,
    ) -> Option<T> {
        if done.committed {
            let crashed = !done.answered;
            M::carry_out(self, index, done.effects, crashed);
            if crashed {
                self.crash(M::object(index));
            }
        }
        done.answered.then_some(done.value)
    }

    /// How many of so many effects are carried out.
    pub(super) fn kept(&mut self, crashed: bool, count: usize) -> usize {
        if crashed { self.rng.below(count + 1) } else { count }
    }

    fn happen(&mut self, event: Event) {
        if self.trace {
            eprintln!("{:>10} {}", self.now, event.describe());
        }
        match event {
            Event::Act(a) => self.act(a),
            Event::ActOnPlugins => self.act_on_plugins(),
            Event::Post(a, posts) => self.accept(a, posts),
            Event::Told(posts, answers) => self.told(posts, answers),
            Event::Call(to, ask, reply, depth) => self.called(to, ask, reply, depth),
            Event::Answer(reply, answer) => self.answered(reply, answer),
            Event::Alarm(object, number) => self.alarm(object, number),
            Event::Timer(object, process, number) => self.timer(object, process, number),
            Event::Request(e, attempt, opening, process) => self.request(e, *attempt, opening, process),
            Event::Ended(e, result, opening, process) => self.ended(e, *result, opening, process),
            Event::Passed(e, passed, process) => self.passed(e, *passed, process),
            Event::Record(e, process) => {
                if self.endpoints[e].node.on.process == process {
                    self.record(e);
                }
            }
            Event::Mood(e) => {
                if !self.calm && !self.endpoints[e].stays_dead {
                    self.endpoints[e].mood = Mood::any(&mut self.rng);
                }
            }
            Event::Crash(object) => self.crash(object),
            Event::Deploy => self.deploy(),
            Event::Overload(object, ms) => {
                let until = self.now + ms;
                let on = self.platform(object);
                on.refuses_until = until;
                on.refused.clear();
            }
            Event::Fill(object, full) => self.fill(object, full),
            Event::Jump => self.clock_jumps(),
            Event::Audit(e) => self.check_statistics(e),
            Event::Calm => self.becalm(),
        }
    }

    fn called(&mut self, to: Object, ask: Ask, reply: super::event::Reply, depth: u32) {
        if !self.calm && self.platform(to).refuses_until > self.now {
            return self.refuse(to, ask, reply, depth);
        }
        self.delivered(to, depth);
        let answer = match to {
            Object::Directory => self.directory_called(ask),
            Object::App(a) => self.app_called(a, ask),
            Object::Endpoint(e) => self.endpoint_called(e, ask),
        };
        self.answer(reply, answer);
    }

    /// An object asks for a timer, which replaces the one before, or for none.
    pub(super) fn set_timer(&mut self, object: Object, timer: Option<i64>, cancels: bool) {
        if timer.is_none() && !cancels {
            return;
        }
        let clock = self.clock(object);
        let on = self.platform(object);
        on.timer_number += 1;
        let (process, number) = (on.process, on.timer_number);
        if let Some(at) = timer {
            self.after(at - clock, Event::Timer(object, process, number));
        }
    }

    fn timer(&mut self, object: Object, process: u32, number: u32) {
        let on = self.platform(object);
        if (on.process, on.timer_number) != (process, number) {
            return;
        }
        match object {
            Object::App(a) if self.apps[a].node.machine.is_some() => {
                let done = self.step::<App<Disk>, _>(a, false, |m, now, _| m.tick(now).map(|fx| ((), fx)));
                done.and_then(|done| self.finish::<App<Disk>, _>(a, done));
            }
            Object::Endpoint(e) if self.endpoints[e].node.machine.is_some() => {
                let done = self
                    .step::<Endpoint<Disk>, _>(e, false, |m, now, rng| m.tick(now, rng).map(|fx| ((), fx)));
                done.and_then(|done| self.finish::<Endpoint<Disk>, _>(e, done));
            }
            _ => {}
        }
    }

    /// The platform's alarm of an object goes off, unless it was set anew since.
    fn alarm(&mut self, object: Object, number: u32) {
        let forgets = self.defect == Some(Defect::ForgetsDebts) && matches!(object, Object::Endpoint(_));
        let on = self.platform(object);
        if on.alarm_number != number || on.alarm.is_none() {
            return;
        }
        if forgets || (!self.calm && self.rng.chance(self.plan.alarm_lost)) {
            self.summary.alarms_lost += 1;
            self.platform(object).lose_alarm();
            return;
        }
        self.platform(object).alarm = None;
        let forgets = self.defect == Some(Defect::ForgetsLaterAlarms)
            && std::mem::take(&mut self.platform(object).alarm_is_now);
        self.delivered(object, ALARM_DEPTH);
        let died = match object {
            Object::Directory => self.directory_alarm(),
            Object::App(a) => self.app_alarm(a),
            Object::Endpoint(e) => self.endpoint_alarm(e),
        };
        if forgets {
            self.platform(object).alarm = None;
        }
        if self.platform(object).alarm.is_none()
            && (died || (!self.calm && self.rng.chance(self.plan.alarm_twice)))
        {
            // The platform repeats an alarm that failed, and sometimes one that did not.
            let at = self.clock(object) + 2_000;
            self.set_alarm(object, at);
        }
    }

    pub(super) fn set_alarm(&mut self, object: Object, at: i64) {
        let clock = self.clock(object);
        let dropped = match self.defect {
            Some(Defect::DropsAppAlarms) => matches!(object, Object::App(_)),
            Some(Defect::DropsEndpointAlarms) => matches!(object, Object::Endpoint(_)),
            Some(Defect::DropsDirectoryAlarms) => object == Object::Directory,
            Some(Defect::NeverForgets) => matches!(object, Object::App(_)) && at > clock + REST_MS,
            _ => false,
        };
        if dropped {
            return;
        }
        let number = self.platform(object).set_alarm(at);
        self.platform(object).alarm_is_now = at <= clock;
        let late = self.rng.between(0, 5);
        self.after((at - clock).max(0) + late, Event::Alarm(object, number));
    }
}
