//! Calls between objects: late, lost on either way, or twice; and what the platform counts of them.
//!
//! The platform refuses a chain of calls that is too deep, and too many calls or requests for one event. What an object
//! does belongs to the event that was delivered to it last, whatever the code has in mind: so two objects that keep
//! calling each other get deeper with every round trip. No object may come to that.

use super::dice::Dice;
use super::event::{Answer, Ask, Event, Reply};
use super::node::Object;
use super::world::World;
use super::{Defect, Rule};
use weir_core::budget::ALARM_DEPTH;

/// The limits of the free plan.
const DEPTH_MAX: u32 = 16;
const CALLS_MAX: u32 = 1_000;
const REQUESTS_MAX: u32 = 50;
/// An object that is overloaded for a minute at most is called so often meanwhile, by each caller for each purpose: what
/// doubles its pause, from a quarter of a second on, calls less often.
const REFUSED_MAX: u32 = 20;

impl World {
    pub(super) fn latency(&mut self) -> i64 {
        if !self.calm && self.rng.chance(self.plan.late) {
            self.summary.calls_disturbed += 1;
            self.rng.between(1_000, 60_000)
        } else {
            self.rng.between(1, 40)
        }
    }

    pub(super) fn lost(&mut self, probability: f64) -> bool {
        let lost = !self.calm && self.rng.chance(probability);
        self.summary.calls_disturbed += u64::from(lost);
        lost
    }

    /// A call of the Worker's on its way to an object.
    pub(super) fn call(&mut self, to: Object, ask: Ask, reply: Reply) {
        self.send(to, ask, reply, 1);
    }

    /// A call of an object's on its way to another.
    pub(super) fn call_from(&mut self, from: Object, to: Object, ask: Ask, reply: Reply) {
        let spent = &mut self.platform(from).spent;
        spent.calls += 1;
        let (depth, calls) = (spent.depth + 1, spent.calls);
        self.summary.deepest = self.summary.deepest.max(u64::from(depth));
        if depth > DEPTH_MAX {
            self.violate(Rule::Depth, format!("{from:?} calls {to:?} at depth {depth}: {}", ask.describe()));
        }
        if calls > CALLS_MAX {
            self.violate(Rule::Subrequests, format!("{from:?} makes {calls} calls for one event"));
        }
        self.send(to, ask, reply, depth);
    }

    /// An Endpoint object makes a request.
    pub(super) fn count_request(&mut self, e: usize) {
        let spent = &mut self.platform(Object::Endpoint(e)).spent;
        spent.requests += 1;
        let requests = spent.requests;
        self.summary.most_requests = self.summary.most_requests.max(u64::from(requests));
        if requests > REQUESTS_MAX {
            self.violate(Rule::Subrequests, format!("endpoint {e} makes {requests} requests for one event"));
        }
    }

    /// An event is delivered to an object: a call at this depth, or an alarm.
    pub(super) fn delivered(&mut self, object: Object, depth: u32) {
        let defect = self.defect;
        let on = self.platform(object);
        on.spent = super::node::Spent { depth, ..Default::default() };
        match defect {
            // The shell takes every event for the first of a chain.
            Some(Defect::ForgetsDepth) => on.budget.delivered(ALARM_DEPTH),
            _ => on.budget.delivered(depth),
        }
    }

    /// An object is overloaded, and refuses a call; whoever called has to wait before it calls again.
    pub(super) fn refuse(&mut self, to: Object, ask: Ask, reply: Reply, depth: u32) {
        self.summary.refused += 1;
        let caller = match &reply {
            Reply::App(a, ..) => Some(Object::App(*a)),
            Reply::Endpoint(e, ..) => Some(Object::Endpoint(*e)),
            Reply::Directory(..) => Some(Object::Directory),
            Reply::Nobody | Reply::Worker(_) => None,
        };
        // Reports, messages whose time has come and tasks wait each on their own.
        let own = matches!(
            ask,
            Ask::Report(_) | Ask::Task(_) | Ask::Api(_) | Ask::Directory(_) | Ask::Init(_) | Ask::Notice(_)
        );
        if let Some(caller) = caller.filter(|_| !own) {
            let crashes = self.platform(caller).crashes;
            let count = self.platform(to).refused.entry((caller, ask.kind())).or_default();
            *count += 1;
            let count = *count;
            if count > REFUSED_MAX + 10 * crashes {
                let text = format!(
                    "{caller:?} calls {to:?} for the {count}th time while it is overloaded ({})",
                    ask.kind()
                );
                self.violate(Rule::Overload, text);
            }
        }
        if self.defect == Some(Defect::RetriesAtOnce) {
            return self.after(20, Event::Call(to, ask, reply, depth));
        }
        let delay = self.latency();
        self.after(delay, Event::Answer(reply, None));
    }

    fn send(&mut self, to: Object, ask: Ask, reply: Reply, depth: u32) {
        let delay = self.latency();
        if self.lost(self.plan.call_lost) {
            self.after(delay, Event::Answer(reply, None));
            return;
        }
        if self.lost(self.plan.doubled) && ask.may_be_doubled() {
            let later = self.latency();
            self.after(later, Event::Call(to, ask.clone(), Reply::Nobody, depth));
        }
        self.after(delay, Event::Call(to, ask, reply, depth));
    }

    /// An answer on its way back; `None` where the call failed.
    pub(super) fn answer(&mut self, reply: Reply, answer: Option<Answer>) {
        if matches!(reply, Reply::Nobody) {
            return;
        }
        let delay = self.latency();
        let answer = if self.lost(self.plan.answer_lost) { None } else { answer };
        self.after(delay, Event::Answer(reply, answer));
    }

    /// An answer arrives, if whoever asked is still there.
    pub(super) fn answered(&mut self, reply: Reply, answer: Option<Answer>) {
        match reply {
            Reply::Nobody => {}
            Reply::App(a, opening, what) => self.app_answered(a, opening, what, answer),
            Reply::Endpoint(e, opening, what) => self.endpoint_answered(e, opening, what, answer),
            Reply::Directory(process, effect) => self.directory_answered(process, &effect, answer),
            Reply::Worker(flow) => self.worker_answered(flow, answer),
        }
    }
}
