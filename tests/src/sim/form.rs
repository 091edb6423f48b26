//! Batches and FIFO: some endpoints of some seeds get batches, others keep the order.
//!
//! No dice are thrown: the other seeds stay the worlds that they were.

use super::world::World;
use super::{Defect, Rule};
use weir_core::endpoint::{Attempt, Batch, Delivery, Order};
use weir_core::frame::Config;

/// The deliveries of a request, the first one first.
pub(super) fn deliveries(attempt: &Attempt) -> impl Iterator<Item = &Delivery> {
    std::iter::once(&attempt.delivery).chain(&attempt.riders)
}

impl World {
    /// How many go in one request, if this endpoint has batches; from its first configuration on.
    pub(super) fn batch(&self, e: usize) -> Option<Batch> {
        let batches = [(2, 0), (3, 500), (10, 2_000), (50, 20_000)];
        let chosen = batches[(self.seed / 7) as usize % batches.len()];
        let has = self.seed % 7 == 3 && !self.plan.orderly && e.is_multiple_of(2);
        has.then_some(Batch { max_events: chosen.0, max_wait_ms: chosen.1 })
    }

    /// Whether this endpoint keeps the order, from its first configuration on. Where one message after the other uses up
    /// a schedule of a day, a world would last for weeks.
    pub(super) fn is_in_order(&self, e: usize) -> bool {
        let short = self.plan.settings.retry_schedule.delays().iter().sum::<i64>() <= 60_000;
        self.seed % 7 == 5 && short && !self.plan.orderly && e.is_multiple_of(2)
    }

    pub(super) fn form(&self, e: usize, config: &mut Config) {
        config.batch = self.batch(e);
        let forgotten = self.defect == Some(Defect::ForgetsOrder);
        config.order = (self.is_in_order(e) && !forgotten).then_some(Order::Fifo);
    }

    /// Where the order is kept, nothing starts while anything earlier in the log is not over.
    pub(super) fn check_turn(&mut self, e: usize, attempt: &Attempt) {
        if attempt.delivery.manual || !self.is_in_order(e) {
            return;
        }
        let started = &attempt.delivery.msg_id;
        let mut waiting = self.waiting(e).into_iter().filter(|due| !due.manual);
        if let Some(earlier) = waiting.find(|due| due.msg_id < *started) {
            let earlier = earlier.msg_id;
            self.violate(Rule::Order, format!("endpoint {e} sends {started}, and {earlier} is not over"));
        }
    }
}
