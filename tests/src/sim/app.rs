//! The App objects of the world: what their effects come to, what they are asked, what is answered to them.

use super::Defect;
use super::event::{Answer, Ask, Event, ForApp, Reply};
use super::node::{Machine, Node, Object};
use super::storage::Disk;
use super::world::{Done, World};
use super::{Rule, event::Flow};
use std::rc::Rc;
use weir_core::api::call::Call;
use weir_core::api::route::AppOp;
use weir_core::app::{self, App, Outcome, TaskEffect};
use weir_core::budget::Budget;
use weir_core::deployment::Deployment;
use weir_core::frame::{AppInit, PluginNotice, PluginUses, Report, ReportKind};
use weir_core::rng::Seeded;
use weir_core::sql::SqlError;
use weir_core::wire::{self, TaskAsk};

impl Machine for App<Disk> {
    type Effects = app::Effects;

    fn open(sql: Disk, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        App::open(sql, deployment, now, alarm)
    }

    fn set_budget(&mut self, budget: Rc<Budget>) {
        App::set_budget(self, budget);
    }

    fn object(index: usize) -> Object {
        Object::App(index)
    }

    fn node(world: &mut World, index: usize) -> &mut Node<Self> {
        &mut world.apps[index].node
    }

    fn alarm(effects: &app::Effects) -> Option<i64> {
        effects.alarm
    }

    fn carry_out(world: &mut World, index: usize, effects: app::Effects, crashed: bool) {
        world.carry_out_app(index, effects, crashed);
    }

    fn check(world: &mut World, index: usize) {
        world.check_app(index);
    }
}

/// What a call of the API came to, as far as clients of the world care.
pub(super) struct Handled {
    reply: Option<weir_core::api::call::Reply>,
    asks: Vec<(String, Ask, Reply)>,
    /// Nothing was changed.
    reads: bool,
}

impl World {
    pub(super) fn step_app<T>(
        &mut self,
        a: usize,
        in_alarm: bool,
        work: impl FnOnce(&mut App<Disk>, i64, &mut Seeded) -> Result<(T, app::Effects), SqlError>,
    ) -> Option<Done<T, app::Effects>> {
        self.step(a, in_alarm, work)
    }

    pub(super) fn finish_app<T>(&mut self, a: usize, done: Done<T, app::Effects>) -> Option<T> {
        self.finish::<App<Disk>, T>(a, done)
    }

    /// The App's alarm; whether its handler died.
    pub(super) fn app_alarm(&mut self, a: usize) -> bool {
        let done = self.step_app(a, true, |m, now, _| m.alarm(now).map(|fx| ((), fx)));
        done.and_then(|done| self.finish_app(a, done)).is_none()
    }

    fn carry_out_app(&mut self, a: usize, effects: app::Effects, crashed: bool) {
        let app::Effects {
            push,
            configure,
            operational,
            events,
            tasks,
            scheduled,
            alarm: _,
            timer,
            cancel_timer,
            erase,
        } = effects;
        let opening = self.apps[a].node.on.opening;
        if !crashed {
            self.set_timer(Object::App(a), timer, cancel_timer);
        }
        if !operational.is_empty() {
            // They belong to a report, which is answered once they are accepted.
            self.violate(Rule::Storage, format!("app {a} has operational events without a report"));
        }
        let mut calls: Vec<(Option<String>, Ask, ForApp)> = Vec::new();
        for (id, config) in configure {
            calls.push((Some(id.clone()), Ask::Configure(Box::new(config)), ForApp::Configured(id)));
        }
        for (id, push) in push {
            calls.push((Some(id.clone()), Ask::Push(push), ForApp::Pushed(id)));
        }
        for (id, ask) in scheduled {
            calls.push((Some(id.clone()), Ask::Task(TaskAsk::Replay(ask)), ForApp::Scheduled(id)));
        }
        for id in erase {
            calls.push((Some(id.clone()), Ask::Erase, ForApp::Erased(id)));
        }
        for task in tasks {
            calls.push(match task {
                TaskEffect::Ask { task_id, endpoint_id, ask } => {
                    self.check_asks(a, &task_id);
                    (Some(endpoint_id), Ask::Task(ask), ForApp::Task(task_id))
                }
                TaskEffect::Note { task_id, version, call } => {
                    (None, Ask::Directory(*call), ForApp::Noted(task_id, version))
                }
            });
        }
        let kept = self.kept(crashed, calls.len());
        for (to, ask, what) in calls.into_iter().take(kept) {
            let reply = Reply::App(a, opening, what);
            match to {
                None if self.defect == Some(Defect::SwallowsNotes) => {
                    let reply_of = weir_core::api::call::Reply::empty(204);
                    self.answer(reply, Some(Answer::Api(reply_of)));
                }
                None => self.call_from(Object::App(a), Object::Directory, ask, reply),
                Some(id) => self.call_endpoint_of(a, &id, ask, reply),
            }
        }
        if crashed {
            return; // events are sent again
        }
        for (seq, event) in events {
            self.platform(Object::App(a)).spent.calls += 1;
            let reply = Reply::App(a, opening, ForApp::Event(seq));
            if self.lost(self.plan.call_lost) {
                let delay = self.latency();
                self.after(delay, Event::Answer(reply, None));
            } else {
                if self.defect != Some(Defect::SwallowsEvents) {
                    self.operational.insert(event.id);
                }
                self.answer(reply, Some(Answer::Done(true)));
            }
        }
    }

    fn call_endpoint_of(&mut self, a: usize, id: &str, ask: Ask, reply: Reply) {
        let Some(&e) = self.by_id.get(id) else {
            self.violate(Rule::Storage, format!("app {a} calls {id}, which was never created"));
            return;
        };
        if let Ask::Push(push) = &ask {
            let ids: Vec<String> = push.messages.iter().map(|message| message.id.clone()).collect();
            self.check_gives(a, &ids);
        }
        self.call_from(Object::App(a), Object::Endpoint(e), ask, reply);
    }

    pub(super) fn app_called(&mut self, a: usize, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Api(call) => self.api(a, &call).map(Answer::Api),
            Ask::Init(init) => self.init(a, init),
            Ask::Notice(notice) => self.notice(a, &notice),
            Ask::Payloads(ask) => {
                let done = self
                    .step_app(a, false, |m, _, _| m.payloads(&ask).map(|p| (p, app::Effects::default())))?;
                let mut answer = self.finish_reading::<App<Disk>, _>(a, done)?;
                if self.defect == Some(Defect::KeepsExpunged) {
                    let gone = std::mem::take(&mut answer.gone);
                    let kept = gone.into_iter().filter_map(|id| {
                        let payload = self.messages.get(&id)?.payload.clone();
                        Some((id, payload.into()))
                    });
                    answer.found.extend(kept);
                }
                let ids: Vec<String> = answer.found.iter().map(|(id, _)| id.clone()).collect();
                self.check_gives(a, &ids);
                Some(Answer::Payloads(answer))
            }
            Ask::Pull(pull) => {
                let done = self.step_app(a, false, |m, now, _| m.pulled(now, &pull).map(|fx| ((), fx)))?;
                self.finish_app(a, done).map(|()| Answer::Done(true))
            }
            Ask::Report(report) => self.report(a, &report),
            Ask::Directory(_)
            | Ask::Upload(_)
            | Ask::Push(_)
            | Ask::Configure(_)
            | Ask::Resend(_)
            | Ask::Task(_)
            | Ask::Expunge(_)
            | Ask::Erase => None,
        }
    }

    fn init(&mut self, a: usize, init: AppInit) -> Option<Answer> {
        if self.defect == Some(Defect::SwallowsDeletions) && init.deleted {
            return Some(Answer::Done(true));
        }
        let done = self.step_app(a, false, |m, now, _| m.init(now, init).map(|fx| ((), fx)))?;
        if done.committed {
            self.learn(a);
        }
        self.finish_app(a, done)?;
        self.erase_app(a).map(Answer::Done)
    }

    /// What a deleted application has left is erased, then the object itself; whether nothing is left.
    fn erase_app(&mut self, a: usize) -> Option<bool> {
        loop {
            let done = self.step_app(a, false, |m, _, _| Ok((m.to_erase(), app::Effects::default())))?;
            let Some(endpoints) = self.finish_reading::<App<Disk>, _>(a, done)? else { return Some(true) };
            if endpoints.is_empty() {
                self.wipe(Object::App(a));
                return Some(true);
            }
            for id in &endpoints {
                if let Some(&e) = self.by_id.get(id) {
                    self.erase_endpoint(e);
                }
            }
            let done = self
                .step_app(a, false, |m, _, _| m.erased(&endpoints).map(|()| ((), app::Effects::default())))?;
            self.finish_reading::<App<Disk>, _>(a, done)?;
        }
    }

    fn notice(&mut self, a: usize, notice: &PluginNotice) -> Option<Answer> {
        if self.defect == Some(Defect::SwallowsNotices) {
            return Some(Answer::Uses(PluginUses { uses: self.uses(a, &notice.plugin) }));
        }
        let done = self.step_app(a, false, |m, now, _| m.plugin_notice(now, notice))?;
        if done.committed {
            self.learn(a);
        }
        self.finish_app(a, done).map(Answer::Uses)
    }

    fn report(&mut self, a: usize, report: &Report) -> Option<Answer> {
        if self.defect == Some(Defect::SwallowsReports) {
            return Some(Answer::Done(true));
        }
        let mut done =
            self.step_app(a, false, |m, now, rng| m.reported(now, rng, report).map(|fx| ((), fx)))?;
        if done.committed {
            self.learn(a);
        }
        let told = std::mem::take(&mut done.effects.operational).len();
        let answer = self.finish_app(a, done).map(|()| Answer::Done(true));
        if answer.is_some()
            && told > 0
            && let ReportKind::Exhausted { msg_id, .. } = &report.kind
            && let Some(&e) = self.by_id.get(&report.endpoint_id)
        {
            self.endpoints[e].reported.insert(msg_id.clone());
        }
        answer
    }

    /// A call of the API arrives at its App object. `None` where there is no answer.
    pub(super) fn api(&mut self, a: usize, call: &Call<AppOp>) -> Option<weir_core::api::call::Reply> {
        if self.defect == Some(Defect::IgnoresStops) && call.op == AppOp::TaskStop {
            return Some(self.pretend_to_stop(call));
        }
        let done = self.step_app(a, false, |m, now, rng| {
            let outcome = m.handle(now, rng, call)?;
            Ok(handled(outcome))
        })?;
        if done.committed {
            self.learn(a);
            if let Some(reply) = &done.value.reply {
                self.note_call(a, call, reply.status, &reply.body.clone());
            }
        }
        let handled = if done.value.reads {
            self.finish_reading::<App<Disk>, _>(a, done)
        } else {
            self.finish_app(a, done)
        }?;
        for (endpoint_id, ask, reply) in handled.asks {
            let Some(&e) = self.by_id.get(&endpoint_id) else { continue };
            if let Ask::Resend(resend) = &ask {
                self.check_gives(a, std::slice::from_ref(&resend.message.id));
                *self.endpoints[e].resends.entry(resend.message.id.clone()).or_default() += 1;
            }
            let reply = if let (Reply::Worker(_), Ask::Expunge(ask)) = (&reply, &ask) {
                Reply::Worker(Flow::Expunged(e, ask.attempt_id.clone()))
            } else {
                reply
            };
            self.call_from(Object::App(a), Object::Endpoint(e), ask, reply);
        }
        handled.reply
    }

    /// An answer to an App arrives, if it is still the one that asked.
    pub(super) fn app_answered(&mut self, a: usize, opening: u32, what: ForApp, answer: Option<Answer>) {
        let node = &self.apps[a].node;
        let same = node.on.opening == opening || self.defect == Some(Defect::MistakesAnswers);
        if !same || node.machine.is_none() {
            return;
        }
        let done = self.step_app(a, false, |m, now, _| {
            let effects = match what {
                ForApp::Pushed(id) => {
                    let answer = if let Some(Answer::Push(answer)) = answer { Some(answer) } else { None };
                    m.pushed(now, &id, answer)
                }
                ForApp::Configured(id) => {
                    let answer = if let Some(Answer::Config(answer)) = answer { Some(answer) } else { None };
                    m.configured(now, &id, answer)
                }
                ForApp::Scheduled(id) => {
                    let answer = if let Some(Answer::Task(answer)) = answer { Some(answer) } else { None };
                    m.scheduled_told(now, &id, answer.as_ref())
                }
                ForApp::Task(id) => {
                    let answer = if let Some(Answer::Task(answer)) = answer { Some(answer) } else { None };
                    m.task_told(now, &id, answer)
                }
                ForApp::Noted(id, version) => {
                    let acknowledged = matches!(&answer, Some(Answer::Api(reply)) if reply.status == 204);
                    m.task_noted(now, &id, version, acknowledged)
                }
                ForApp::Erased(id) => m.endpoint_erased(now, &id, matches!(answer, Some(Answer::Done(true)))),
                ForApp::Event(seq) => m.event_sent(now, seq, answer.is_some()),
            }?;
            Ok(((), effects))
        });
        done.and_then(|done| self.finish_app(a, done));
    }
}

fn handled(outcome: Option<Outcome>) -> (Handled, app::Effects) {
    let nothing = |reply| Handled { reply, asks: Vec::new(), reads: true };
    match outcome {
        Some(Outcome::Changed(reply, effects)) => (Handled { reads: false, ..nothing(Some(reply)) }, effects),
        Some(Outcome::Resend(mut plan)) => {
            let effects = std::mem::take(&mut plan.effects);
            let ask = (plan.endpoint_id, Ask::Resend(plan.resend), Reply::Nobody);
            (Handled { asks: vec![ask], ..nothing(None) }, effects)
        }
        Some(Outcome::Ask(plan)) => {
            let wire::Ask::Expunge(ask) = plan.ask else { return (nothing(None), app::Effects::default()) };
            let asks = plan.endpoints.into_iter().map(|id| {
                let reply = Reply::Worker(Flow::Expunged(0, String::new()));
                (id, Ask::Expunge(ask.clone()), reply)
            });
            (Handled { asks: asks.collect(), ..nothing(None) }, app::Effects::default())
        }
        Some(Outcome::Reply(reply)) => (nothing(Some(reply)), app::Effects::default()),
        // The Worker asks the Directory.
        None => (nothing(Some(weir_core::api::call::Reply::empty(0))), app::Effects::default()),
        Some(Outcome::Attempts(_) | Outcome::Stats(_)) => (nothing(None), app::Effects::default()),
    }
}
