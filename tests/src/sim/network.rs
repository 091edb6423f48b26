//! Calls between objects: late, lost on either way, or twice.

use super::dice::Dice;
use super::event::{Answer, Ask, Event, Reply};
use super::node::Object;
use super::world::World;

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

    /// A call on its way to an object.
    pub(super) fn call(&mut self, to: Object, ask: Ask, reply: Reply) {
        let delay = self.latency();
        if self.lost(self.plan.call_lost) {
            self.after(delay, Event::Answer(reply, None));
            return;
        }
        if self.lost(self.plan.doubled) && ask.may_be_doubled() {
            let later = self.latency();
            self.after(later, Event::Call(to, ask.clone(), Reply::Nobody));
        }
        self.after(delay, Event::Call(to, ask, reply));
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
