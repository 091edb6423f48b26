//! The Endpoint objects of the world: what their effects come to, what they are asked, and their requests.

use super::Defect;
use super::Rule;
use super::dice::Dice;
use super::event::{Answer, Ask, Event, ForEndpoint, Reply};
use super::form::deliveries;
use super::node::{Machine, Node, Object};
use super::storage::Disk;
use super::world::{Done, World};
use std::rc::Rc;
use weir_core::budget::Budget;
use weir_core::deployment::Deployment;
use weir_core::endpoint::{self, Attempt, AttemptOutcome, AttemptResult, Endpoint, Passed, inspect};
use weir_core::frame::{
    Config, ExpungeAsk, Outgoing, PayloadsAsk, Pull, Push, PushAnswer, ReportKind, TaskAnswer,
};
use weir_core::retry::Schedule;
use weir_core::rng::Seeded;
use weir_core::sql::SqlError;
use weir_core::wire::TaskAsk;

/// How long results wait for others, where they do.
const HELD_MS: i64 = 100;

impl Machine for Endpoint<Disk> {
    type Effects = endpoint::Effects;

    fn open(sql: Disk, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        Endpoint::open(sql, deployment, now, alarm)
    }

    fn set_budget(&mut self, budget: Rc<Budget>) {
        Endpoint::set_budget(self, budget);
    }

    fn object(index: usize) -> Object {
        Object::Endpoint(index)
    }

    fn node(world: &mut World, index: usize) -> &mut Node<Self> {
        &mut world.endpoints[index].node
    }

    fn alarm(effects: &endpoint::Effects) -> Option<i64> {
        effects.alarm
    }

    fn carry_out(world: &mut World, index: usize, effects: endpoint::Effects, crashed: bool) {
        world.carry_out_endpoint(index, effects, crashed);
    }

    fn check(world: &mut World, index: usize) {
        world.check_endpoint(index);
    }
}

impl World {
    pub(super) fn step_endpoint<T>(
        &mut self,
        e: usize,
        in_alarm: bool,
        work: impl FnOnce(&mut Endpoint<Disk>, i64, &mut Seeded) -> Result<(T, endpoint::Effects), SqlError>,
    ) -> Option<Done<T, endpoint::Effects>> {
        self.step(e, in_alarm, work)
    }

    pub(super) fn finish_endpoint<T>(&mut self, e: usize, done: Done<T, endpoint::Effects>) -> Option<T> {
        self.finish::<Endpoint<Disk>, T>(e, done)
    }

    /// The Endpoint's alarm; whether its handler died.
    pub(super) fn endpoint_alarm(&mut self, e: usize) -> bool {
        let done = self.step_endpoint(e, true, |m, now, rng| m.alarm(now, rng).map(|fx| ((), fx)));
        done.and_then(|done| self.finish_endpoint(e, done)).is_none()
    }

    fn carry_out_endpoint(&mut self, e: usize, effects: endpoint::Effects, crashed: bool) {
        let endpoint::Effects { send, pass, fetch_payloads, pull, reports, alarm: _, timer, cancel_timer } =
            effects;
        let (opening, process) = (self.endpoints[e].node.on.opening, self.endpoints[e].node.on.process);
        let (own, app) = (Object::Endpoint(e), Object::App(self.endpoints[e].app));
        if !crashed {
            self.set_timer(Object::Endpoint(e), timer, cancel_timer);
        }
        let kept = self.kept(crashed, send.len());
        for attempt in send.into_iter().take(kept) {
            self.check_start(e, &attempt);
            if attempt.refused.is_none() {
                self.count_request(e);
            }
            self.endpoints[e].in_flight += 1;
            let delay = self.rng.between(0, 20);
            self.after(delay, Event::Request(e, Box::new(attempt), opening, process));
        }
        if crashed {
            return; // the others are all repeated in the same way
        }
        self.pass(e, pass);
        if !fetch_payloads.is_empty() {
            let reply = Reply::Endpoint(e, opening, ForEndpoint::Payloads(fetch_payloads.clone()));
            self.call_from(own, app, Ask::Payloads(PayloadsAsk { ids: fetch_payloads }), reply);
        }
        if pull {
            let pull = Pull { endpoint_id: self.endpoints[e].id.clone() };
            self.call_from(own, app, Ask::Pull(pull), Reply::Endpoint(e, opening, ForEndpoint::Pulled));
        }
        for (seq, report) in reports {
            let reply = Reply::Endpoint(e, opening, ForEndpoint::Reported(seq));
            self.call_from(own, app, Ask::Report(report), reply);
        }
    }

    /// Everything of an Endpoint object is gone. A call that is late does not begin it anew.
    pub(super) fn erase_endpoint(&mut self, e: usize) {
        if !self.endpoints[e].deleted {
            self.violate(Rule::Exists, format!("endpoint {e} is erased, and nobody has deleted it"));
        }
        self.endpoints[e].erased = true;
        self.endpoints[e].held = None;
        self.wipe(Object::Endpoint(e));
        self.endpoint_forgot(e, true);
    }

    pub(super) fn endpoint_called(&mut self, e: usize, ask: Ask) -> Option<Answer> {
        if self.endpoints[e].erased {
            return matches!(ask, Ask::Erase).then_some(Answer::Done(true));
        }
        match ask {
            Ask::Erase => {
                self.erase_endpoint(e);
                Some(Answer::Done(true))
            }
            Ask::Push(push) => self.push(e, push),
            Ask::Configure(config) => self.configure(e, *config),
            Ask::Resend(resend) => {
                let done = self.step_endpoint(e, false, |m, now, rng| m.resend(now, rng, resend))?;
                self.finish_endpoint(e, done).map(Answer::Done)
            }
            Ask::Task(ask) => self.batch_of_task(e, ask),
            Ask::Expunge(ask) => self.expunge_attempt(e, &ask),
            Ask::Api(_)
            | Ask::Directory(_)
            | Ask::Upload(_)
            | Ask::Init(_)
            | Ask::Notice(_)
            | Ask::Payloads(_)
            | Ask::Pull(_)
            | Ask::Report(_) => None,
        }
    }

    fn push(&mut self, e: usize, mut push: Push) -> Option<Answer> {
        let count = u32::try_from(push.messages.len()).unwrap_or(u32::MAX);
        match self.defect {
            Some(Defect::AcknowledgesWithoutStoring) if count > 0 && self.rng.chance(0.5) => {
                return Some(Answer::Push(PushAnswer {
                    accepted: count,
                    enough: false,
                    stale: false,
                    owes: false,
                }));
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
        let done = self.step_endpoint(e, false, |m, now, rng| m.push(now, rng, push))?;
        let mut answer = self.finish_endpoint(e, done)?;
        if self.defect == Some(Defect::ForgetsDebts) {
            answer.owes = false;
        }
        Some(Answer::Push(answer))
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
            Some(Defect::IgnoresPause) => {
                let era = self.endpoints[e].eras.iter().rfind(|era| era.version == config.version);
                told.disabled &= era.is_none_or(|era| era.disabled);
            }
            Some(Defect::KeepsOldConfig) => {
                let first = self.endpoints[e].first_config.get_or_insert_with(|| config.clone());
                told.url.clone_from(&first.url);
            }
            _ => {}
        }
        let done = self.step_endpoint(e, false, |m, now, rng| m.configure(now, rng, told))?;
        if done.committed {
            let endpoint = &mut self.endpoints[e];
            endpoint.slowed |= config.plugins.is_some();
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
            self.messages.iter().filter(|(id, _)| !self.may_receive(e, id)).map(|(id, message)| Outgoing {
                id: id.clone(),
                event_type: message.event_type.clone(),
                channels: None,
                payload: message.payload.clone().into(),
                headers: None,
            });
        push.messages.extend(stranger.min_by(|a, b| a.id.cmp(&b.id)));
        push.messages.sort_by(|a, b| a.id.cmp(&b.id));
    }

    fn batch_of_task(&mut self, e: usize, ask: TaskAsk) -> Option<Answer> {
        if self.defect == Some(Defect::SkipsBatches) {
            let upto = Some("atmpt_".to_owned());
            return Some(Answer::Task(TaskAnswer { upto, end: true, ..TaskAnswer::default() }));
        }
        let repeats = self.defect == Some(Defect::RepeatsBatches);
        let upto = |upto: Option<String>| upto.map(|upto| if repeats { "atmpt_~".to_owned() } else { upto });
        let mut reads = false; // the first ask of a task only finds out where it begins
        let done = self.step_endpoint(e, false, |m, now, rng| match ask {
            TaskAsk::Recover(mut ask) => {
                reads = ask.upto.is_none();
                ask.upto = upto(ask.upto);
                m.recover(now, rng, ask)
            }
            TaskAsk::BulkReplay(mut ask) => {
                reads = ask.upto.is_none();
                ask.upto = upto(ask.upto);
                m.bulk_replay(now, rng, ask)
            }
            TaskAsk::Replay(ask) => m.replay(now, rng, ask),
        })?;
        let answer = if reads {
            self.finish_reading::<Endpoint<Disk>, _>(e, done)
        } else {
            self.finish_endpoint(e, done)
        };
        answer.map(Answer::Task)
    }

    fn expunge_attempt(&mut self, e: usize, ask: &ExpungeAsk) -> Option<Answer> {
        let done = self.step_endpoint(e, false, |m, _, _| {
            m.expunge(ask).map(|done| (done, endpoint::Effects::default()))
        })?;
        self.finish_reading::<Endpoint<Disk>, _>(e, done).map(|done| Answer::Done(done.done))
    }

    /// An answer to an Endpoint object arrives, if it is still the one that asked.
    pub(super) fn endpoint_answered(
        &mut self,
        e: usize,
        opening: u32,
        what: ForEndpoint,
        answer: Option<Answer>,
    ) {
        let node = &self.endpoints[e].node;
        if node.on.opening != opening || node.machine.is_none() {
            return;
        }
        let done = self.step_endpoint(e, false, |m, now, rng| {
            let effects = match what {
                ForEndpoint::Payloads(asked) => {
                    let answer =
                        if let Some(Answer::Payloads(answer)) = answer { Some(answer) } else { None };
                    m.payloads(now, rng, &asked, answer)
                }
                ForEndpoint::Pulled => m.pulled(now, answer.is_some()),
                ForEndpoint::Reported(seq) => m.reported(now, seq, answer.is_some()),
            }?;
            Ok(((), effects))
        });
        done.and_then(|done| self.finish_endpoint(e, done));
    }

    // Requests.

    pub(super) fn request(&mut self, e: usize, attempt: Attempt, opening: u32, process: u32) {
        let (outcome, took, taken) = self.endpoints[e].mood.answer(&mut self.rng, attempt.timeout_ms);
        // Its circuit breaker may open: at once, or after some failures.
        let overloaded = matches!(outcome, AttemptOutcome::Answer { code: 429 | 502 | 504, .. });
        if overloaded || (self.plan.settings.breaker_failures > 0 && !is_success(&outcome)) {
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

    pub(super) fn ended(&mut self, e: usize, result: AttemptResult, opening: u32, process: u32) {
        if self.endpoints[e].node.on.process == process {
            if self.endpoints[e].results.is_empty() {
                // In some worlds results wait for others to be recorded with.
                let held = if self.seed % 3 == 1 { HELD_MS } else { 0 };
                self.after(held, Event::Record(e, process));
            }
            self.endpoints[e].results.push((result, opening));
        }
    }

    pub(super) fn passed(&mut self, e: usize, passed: Passed, process: u32) {
        if self.endpoints[e].node.on.process == process {
            let done = self
                .step_endpoint(e, false, |m, now, rng| m.passed(now, rng, vec![passed]).map(|fx| ((), fx)));
            done.and_then(|done| self.finish_endpoint(e, done));
        }
    }

    pub(super) fn record(&mut self, e: usize) {
        let results = std::mem::take(&mut self.endpoints[e].results);
        let opening = self.endpoints[e].node.on.opening;
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
                if is_success(&result.outcome) {
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
            let db = &endpoint.node.on.db;
            match self.defect {
                Some(Defect::LosesAttempts) => inspect::harm(db, |status| (status != 2).then_some(status)),
                Some(Defect::TurnsSuccesses) => {
                    inspect::harm(db, |status| Some(if status == 0 { 2 } else { status }))
                }
                _ => Ok(()),
            }
            .expect("attempts are changed");
        }
        self.finish_endpoint(e, done);
        self.check_successes(e, &made);
    }
}

fn is_success(outcome: &AttemptOutcome) -> bool {
    matches!(outcome, AttemptOutcome::Answer { code: 200..=299, .. })
}
