//! The calls and requests that an object may still make before its next event.
//!
//! The platform counts an object's calls of other objects and its requests to receivers against the event that was
//! delivered to it *last*, whichever event caused them, and refuses those beyond its limits. It also refuses a chain
//! of calls that is too deep. A call is one deeper than the event delivered last, so if two objects keep calling each
//! other, the depth grows with every round trip although nothing recurses.
//!
//! So a state machine takes calls from its [`Budget`]. Once that is used up, it stops and sets its alarm to now: an
//! alarm is a new event at depth 0. The limits here are below those of every plan.
//!
//! The object's shell reports delivered events ([`Budget::delivered`]), sends [`Budget::next_depth`] with every call,
//! and counts its own calls ([`Budget::count_call`]).

use std::cell::Cell;
use std::rc::Rc;

/// From this depth on, what may wait for the alarm does. The platform refuses a call at depth 16: what remains is for
/// calls that cannot wait, which go one or two deeper.
pub const MAX_DEPTH: u32 = 8;
/// Requests to receivers for each event; the platform's limit is 50 on the free plan, and 10,000 on the paid one.
pub const MAX_REQUESTS: u32 = 40;
/// Calls of other objects for each event; the platform's limit is 1,000 on the free plan, and 10,000 on the paid one.
pub const MAX_CALLS: u32 = 900;
/// The alarm is set while so much is left, so that work does not stop until the alarm goes off.
const LOW_REQUESTS: u32 = 16;
const LOW_CALLS: u32 = 100;

/// The depth of an alarm. The Worker calls an object at depth 1.
pub const ALARM_DEPTH: u32 = 0;

/// See the module's description. One for each object, for as long as the object is in memory: it outlives the state
/// machine, which is dropped when its storage fails.
#[derive(Debug, Default)]
pub struct Budget {
    depth: Cell<u32>,
    requests: Cell<u32>,
    calls: Cell<u32>,
}

impl Budget {
    /// An event was delivered to the object: a call at this depth, or an alarm ([`ALARM_DEPTH`]).
    pub fn delivered(&self, depth: u32) {
        self.depth.set(depth);
        self.requests.set(0);
        self.calls.set(0);
    }

    /// The depth of the event that was delivered last.
    pub fn depth(&self) -> u32 {
        self.depth.get()
    }

    /// The depth of a call that the object makes now.
    pub fn next_depth(&self) -> u32 {
        self.depth.get().saturating_add(1)
    }

    /// Whether a call that may wait for the alarm goes now.
    pub fn may_call(&self) -> bool {
        self.depth.get() < MAX_DEPTH && self.calls.get() < MAX_CALLS
    }

    /// Whether a request goes to a receiver now.
    pub fn may_request(&self) -> bool {
        self.requests.get() < MAX_REQUESTS
    }

    /// Counts a call. It need not be allowed: some cannot wait.
    pub fn count_call(&self) {
        self.calls.set(self.calls.get().saturating_add(1));
    }

    /// Counts a request to a receiver.
    pub fn count_request(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// The platform refused a call: nothing more is sent before the next event, whatever was counted.
    pub fn use_up(&self) {
        self.requests.set(MAX_REQUESTS);
        self.calls.set(MAX_CALLS);
    }

    fn is_low(&self, requests: bool) -> bool {
        let (used, most, low) = if requests {
            (&self.requests, MAX_REQUESTS, LOW_REQUESTS)
        } else {
            (&self.calls, MAX_CALLS, LOW_CALLS)
        };
        most.saturating_sub(used.get()) <= low
    }
}

/// How a state machine uses its object's budget: if it has to stop, it notes that the alarm must continue.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// None where nobody counts: in tests of the machine alone.
    budget: Option<Rc<Budget>>,
    continues: bool,
}

impl Share {
    pub(crate) fn set(&mut self, budget: Rc<Budget>) {
        self.budget = Some(budget);
    }

    /// Whether a call may be made now; if not, the alarm continues with it. It is not counted yet.
    pub(crate) fn may_call(&mut self) -> bool {
        let may = self.budget.as_ref().is_none_or(|budget| budget.may_call());
        self.continues |= !may;
        may
    }

    /// Counts a call.
    pub(crate) fn count_call(&self) {
        if let Some(budget) = &self.budget {
            budget.count_call();
        }
    }

    /// Takes a call from the budget if it may be made now; if not, the alarm continues with it.
    pub(crate) fn take_call(&mut self) -> bool {
        let may = self.may_call();
        if may {
            self.count_call();
        }
        may
    }

    /// Whether a request may be sent to a receiver now; if not, the alarm continues with it. It is not counted yet.
    pub(crate) fn may_request(&mut self) -> bool {
        let may = self.budget.as_ref().is_none_or(|budget| budget.may_request());
        self.continues |= !may;
        may
    }

    /// Counts a request to a receiver.
    pub(crate) fn count_request(&self) {
        if let Some(budget) = &self.budget {
            budget.count_request();
        }
    }

    /// The platform refused a call: the alarm continues.
    pub(crate) fn use_up(&mut self) {
        if let Some(budget) = &self.budget {
            budget.use_up();
            self.continues = true;
        }
    }

    /// More requests wait: where few are left, the alarm is set before they are used up.
    pub(crate) fn more_requests(&mut self) {
        self.continues |= self.budget.as_ref().is_some_and(|budget| budget.is_low(true));
    }

    /// More calls wait: the same.
    pub(crate) fn more_calls(&mut self) {
        self.continues |= self.budget.as_ref().is_some_and(|budget| budget.is_low(false));
    }

    /// Whether the alarm must be set to now. Checked once in each step, when the alarm is set.
    pub(crate) fn take_continues(&mut self) -> bool {
        std::mem::take(&mut self.continues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_objects_that_keep_calling_each_other_stop_before_the_platform_stops_them() {
        let (one, other) = (Budget::default(), Budget::default());
        one.delivered(1);
        let mut deepest = 0;
        while one.may_call() {
            other.delivered(one.next_depth());
            if !other.may_call() {
                break;
            }
            one.delivered(other.next_depth());
            deepest = one.depth();
        }
        assert!(deepest <= MAX_DEPTH, "{deepest}");
        one.delivered(ALARM_DEPTH);
        assert!(one.may_call());
    }

    #[test]
    fn what_is_asked_for_is_counted_until_the_next_event_of_any_kind() {
        let budget = Budget::default();
        for _ in 0..MAX_REQUESTS {
            assert!(budget.may_request());
            budget.count_request();
        }
        assert!(!budget.may_request() && budget.may_call());
        budget.delivered(3);
        assert!(budget.may_request());
        for _ in 0..MAX_CALLS {
            assert!(budget.may_call());
            budget.count_call();
        }
        assert!(!budget.may_call());
        budget.delivered(ALARM_DEPTH);
        assert!(budget.may_call());
        budget.use_up();
        assert!(!budget.may_call() && !budget.may_request());
    }

    /// On every plan.
    const _: () = assert!(MAX_REQUESTS < 50 && MAX_CALLS < 1_000 && MAX_DEPTH < 14);

    #[test]
    fn a_machine_asks_for_the_alarm_before_its_budget_is_used_up_and_when_it_is() {
        let budget = Rc::new(Budget::default());
        let mut share = Share::default();
        assert!(share.take_call() && share.may_request() && !share.take_continues(), "nobody counts");
        share.set(Rc::clone(&budget));
        budget.delivered(1);
        share.more_requests();
        share.more_calls();
        assert!(!share.take_continues(), "there is enough left");
        (0..MAX_REQUESTS - LOW_REQUESTS).for_each(|_| budget.count_request());
        share.more_calls();
        assert!(!share.take_continues(), "calls are counted apart");
        share.more_requests();
        assert!(share.take_continues() && share.may_request(), "it is asked for in time");
        assert!(!share.take_continues(), "it is asked for once");
        budget.delivered(MAX_DEPTH);
        assert!(!share.take_call() && share.take_continues());
        budget.delivered(ALARM_DEPTH);
        share.use_up();
        assert!(share.take_continues() && !share.may_request());
    }
}
