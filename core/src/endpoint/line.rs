//! Decides what is sent next: one delivery, or several in one request; in any order, or strictly in the order of the
//! log.
//!
//! A batch starts when it is full (by events or by bytes), or when its first event has waited for as long as the
//! endpoint allows. It is a plan in memory only: every delivery in it has its own row, lease and attempts, so that
//! after a crash each is due on its own, and they meet again in the next batch. A resend is sent alone and at once. A
//! payload that is not JSON cannot be part of an array: that delivery fails with an error, and the others are sent
//! without it.
//!
//! With FIFO, the next delivery is always the first one in the table, by id, that has not ended; all others wait. A
//! failing delivery therefore blocks the others until it succeeds or its schedule ends. It is then recorded as
//! failed, and the next one is sent. Resends are not part of the order.

use super::plugins::Ready;
use super::{Delivery, Endpoint, Queued};
pub use crate::delivery::{Batch, Order};
use crate::plugin::Subject;
use crate::scheme::Encoding;
use crate::sql::{Sql, SqlError};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// The maximum number of payload bytes in one request with several deliveries.
pub const BATCH_BYTES: usize = 1024 * 1024;
/// The default batch of a preset that sends batches.
pub(super) const PRESET_BATCH: Batch = Batch { max_events: 100, max_wait_ms: 500 };

/// What happens next.
pub(super) enum Next {
    /// Send these in one request; there is at least one.
    Start(Vec<Ready>),
    /// Run the plugins on this one.
    Pass(Queued),
}

/// Which delivery may be sent.
enum Turn {
    Anyones,
    /// Only this delivery, and resends.
    Only(Option<String>),
}

impl Turn {
    fn lets(&self, delivery: &Delivery) -> bool {
        match self {
            Self::Anyones => true,
            Self::Only(key) => delivery.manual || key.as_ref() == Some(&delivery.key),
        }
    }
}

impl<S: Sql> Endpoint<S> {
    pub(super) fn is_fifo(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.sender.order == Some(Order::Fifo))
    }

    pub(super) fn batch(&self) -> Option<Batch> {
        self.active.as_ref().and_then(|active| active.sender.batch)
    }

    /// The maximum number of deliveries in one request.
    pub(super) fn together(&self) -> usize {
        self.batch().map_or(1, |batch| usize::from(batch.max_events.max(1)))
    }

    /// What may happen next, if anything may.
    pub(super) fn next(&mut self, now: i64) -> Result<Option<Next>, SqlError> {
        if let Some(batch) = self.batch() {
            if let Some(range) = self.full_batch(batch, now) {
                return Ok(Some(Next::Start(self.take(range))));
            }
            let waits = self.has_plugins().then(|| self.queue.pop_front()).flatten();
            return Ok(waits.map(|queued| Next::Pass(self.unqueued(queued))));
        }
        let turn = self.turn()?;
        if let Some(at) = self.ready.iter().position(|ready| turn.lets(&ready.delivery)) {
            return Ok(self.ready.remove(at).map(|ready| Next::Start(vec![ready])));
        }
        let Some(at) = self.queue.iter().position(|queued| turn.lets(&queued.delivery)) else {
            return Ok(None);
        };
        let Some(queued) = self.queue.remove(at).map(|queued| self.unqueued(queued)) else { return Ok(None) };
        Ok(Some(if self.has_plugins() {
            Next::Pass(queued)
        } else {
            Next::Start(vec![self.unchanged(queued)])
        }))
    }

    fn turn(&self) -> Result<Turn, SqlError> {
        if !self.is_fifo() {
            return Ok(Turn::Anyones);
        }
        Ok(Turn::Only(self.due.first_scheduled(&self.sql)?))
    }

    fn unqueued(&mut self, queued: Queued) -> Queued {
        self.queue_bytes = self.queue_bytes.saturating_sub(queued.payload.len());
        queued
    }

    /// A delivery that has no plugins to pass.
    fn unchanged(&self, queued: Queued) -> Ready {
        let Queued { delivery, payload, headers, since } = queued;
        let subject = self.subject(&delivery, payload, headers);
        Ready { delivery, subject, since }
    }

    // Batches.

    /// The deliveries that wait for a batch: those that have passed the plugins, if there are any.
    fn in_line(&self) -> Box<dyn Iterator<Item = InLine<'_>> + '_> {
        if self.has_plugins() {
            return Box::new(self.ready.iter().map(|ready| {
                let Ready { delivery, subject: Subject { headers, body, .. }, since } = ready;
                InLine { manual: delivery.manual, bytes: body.len(), since: *since, headers }
            }));
        }
        Box::new(self.queue.iter().map(|queued| {
            let Queued { delivery, payload, headers, since } = queued;
            let headers = headers.as_deref().unwrap_or_default();
            InLine { manual: delivery.manual, bytes: payload.len(), since: *since, headers }
        }))
    }

    /// Which of the waiting deliveries are sent now.
    fn full_batch(&self, batch: Batch, now: i64) -> Option<Range<usize>> {
        if let Some(at) = self.in_line().position(|one| one.manual) {
            return Some(at..at.saturating_add(1));
        }
        let first = self.in_line().next()?;
        let (mut count, mut bytes) = (0usize, 0usize);
        let mut full = false;
        for one in self.in_line() {
            bytes = bytes.saturating_add(one.bytes);
            // Deliveries with different headers cannot be sent in the same request.
            full = count >= self.together()
                || (count > 0 && (bytes > BATCH_BYTES || one.headers != first.headers));
            if full {
                break;
            }
            count = count.saturating_add(1);
        }
        full |= count >= self.together();
        (full || goes_at(batch, first.since, now) <= now).then_some(0..count)
    }

    fn take(&mut self, range: Range<usize>) -> Vec<Ready> {
        if self.has_plugins() {
            return self.ready.drain(range).collect();
        }
        let taken: Vec<Queued> = self.queue.drain(range).collect();
        taken
            .into_iter()
            .map(|queued| {
                let queued = self.unqueued(queued);
                self.unchanged(queued)
            })
            .collect()
    }

    /// When the waiting batch is sent, if no delivery is added.
    pub(super) fn batch_goes_at(&self, now: i64) -> Option<i64> {
        let batch = self.batch()?;
        let first = self.in_line().next()?;
        Some(if self.full_batch(batch, now).is_some() { now } else { goes_at(batch, first.since, now) })
    }
}

struct InLine<'a> {
    manual: bool,
    bytes: usize,
    since: i64,
    headers: &'a [(String, String)],
}

/// If the clock went back, nothing waits longer.
fn goes_at(batch: Batch, since: i64, now: i64) -> i64 {
    since.min(now).saturating_add(i64::from(batch.max_wait_ms))
}

/// Why a delivery to an endpoint with batches is refused.
pub(super) const NO_ITEM: &str = "The endpoint receives batches as JSON arrays, and this payload is not JSON, \
     so it cannot be part of one. Disable batches for the endpoint, or convert the payload with a plugin.";

/// Whether a payload can be part of a JSON array.
pub(super) fn is_item(ready: &Ready) -> bool {
    serde_json::from_slice::<&RawValue>(&ready.subject.body).is_ok()
}

/// The event id that the receiver sees: the id of a single event, or for a batch an id that is the same whenever the
/// same events are sent together again.
pub(super) struct Together {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

impl Together {
    /// `in_batches`: even a single one is an array.
    pub(super) fn of(going: &mut [Ready], in_batches: bool) -> Self {
        let ids: Vec<&str> = going.iter().map(|ready| ready.delivery.msg_id.as_str()).collect();
        let id = match ids.as_slice() {
            [only] => (*only).to_owned(),
            several => {
                let digest = Sha256::digest(several.join(","));
                format!("batch_{}", Encoding::Hex.encode(digest.get(..16).unwrap_or_default()))
            }
        };
        let bodies = going.iter_mut().map(|ready| std::mem::take(&mut ready.subject.body));
        let body = if in_batches {
            let parts: Vec<Vec<u8>> = bodies.collect();
            [b"[", parts.join(&b","[..]).as_slice(), b"]"].concat()
        } else {
            bodies.flatten().collect()
        };
        Self { id, body }
    }
}
