//! Plugins on a delivery's way: between the queue and the request.
//!
//! A delivery that is about to start passes the endpoint's plugins first: [`Effects::pass`] gives it out with its
//! [`Chain`], and [`Endpoint::passed`] takes what was decided. Meanwhile it holds a place as a request does, and its
//! lease; where the answer never comes, the lease runs out and it is due again.
//!
//! What plugins filter out costs neither pace nor a request. What a failed plugin holds waits like a failed attempt,
//! but says nothing of the receiver: it neither slows the endpoint down nor disables it. A plugin that fails again
//! and again is left alone for a while, so that what waits does not use up its schedule; a change of the endpoint's
//! plugins makes everything due that they held.

use super::record::{FILTERED, Failed, Record};
use super::{AttemptOutcome, AttemptResult, Delivery, Effects, Endpoint, Failure, Queued};
use crate::plugin::{Chain, Decision, Subject};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use std::rc::Rc;

/// After so many failures in a row the plugins are left alone for a while.
const BREAKER_AFTER: u32 = 5;
/// The first such pause; it doubles up to [`BREAKER_MAX_MS`].
const BREAKER_BASE_MS: i64 = 1_000;
const BREAKER_MAX_MS: i64 = 60_000;

/// A delivery that passes the endpoint's plugins; answered by one [`Passed`].
#[derive(Debug)]
pub struct Passage {
    /// The delivery.
    pub delivery: Delivery,
    /// Its way.
    pub chain: Chain,
}

/// What the plugins came to.
#[derive(Debug)]
pub struct Passed {
    /// The delivery, as it was given out.
    pub delivery: Delivery,
    /// What was decided.
    pub decision: Decision,
    /// What each plugin did: the text of a JSON array.
    pub trace: String,
}

impl Passage {
    /// The end of the way.
    pub fn ended(self) -> Passed {
        let (decision, trace) = self.chain.decision();
        Passed { delivery: self.delivery, decision, trace }
    }
}

/// A delivery that has passed its plugins and waits for its request.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) subject: Subject,
    /// When it came here.
    pub(super) since: i64,
}

/// Failures of plugins in a row, and what follows.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Nothing passes before this time.
    pub(super) until: i64,
}

impl Breaker {
    fn failed(&mut self, now: i64) {
        self.failures = self.failures.saturating_add(1);
        if let Some(over) = self.failures.checked_sub(BREAKER_AFTER) {
            let pause = doubled(BREAKER_BASE_MS, over.saturating_add(1), BREAKER_MAX_MS);
            self.until = self.until.max(now.saturating_add(pause));
        }
    }
}

impl<S: Sql> Endpoint<S> {
    /// Whether deliveries have plugins to pass.
    pub(super) fn has_plugins(&self) -> bool {
        self.active.as_ref().is_some_and(|active| !active.plugins.is_empty())
    }

    /// Sends a delivery on its way through the plugins.
    pub(super) fn pass(&mut self, now: i64, queued: Queued, effects: &mut Effects) -> Result<(), SqlError> {
        let Queued { mut delivery, payload, headers, .. } = queued;
        self.renew(now, &mut delivery)?;
        let subject = self.subject(&delivery, payload, headers);
        let Some(active) = &self.active else { return Ok(()) };
        let chain = Chain::new(Rc::clone(&active.plugins), subject);
        self.passing.insert(delivery.key.clone(), delivery.slot);
        effects.pass.push(Passage { delivery, chain });
        Ok(())
    }

    /// What plugins decided, and what follows.
    pub fn passed(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        passed: Vec<Passed>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        for Passed { mut delivery, decision, trace } in passed {
            // Whoever comes later than the lease lasts was given up.
            if self.passing.get(&delivery.key) != Some(&delivery.slot) {
                continue;
            }
            self.passing.remove(&delivery.key);
            delivery.plugins = Some(trace);
            match decision {
                Decision::Deliver(subject) => {
                    self.breaker = Breaker::default();
                    if self.can_send() {
                        self.ready.push_back(Ready { delivery, subject, since: now });
                    } else {
                        self.move_row(delivery.slot, &delivery.key, now, false)?;
                        self.note_due(now);
                    }
                }
                Decision::Filtered(reason) => {
                    self.breaker = Breaker::default();
                    let result = self.unsent(now, delivery, reason);
                    let response = result.text();
                    let record = Record { status: FILTERED, code: 0, response, next_at: None, held: true };
                    self.finish(now, rng, &result, &record, true)?;
                    self.stats.filtered(now, self.attempt_ids_last());
                }
                Decision::Held(why) => {
                    self.breaker.failed(now);
                    let result = self.unsent(now, delivery, why);
                    let failed =
                        Failed { code: 0, response: result.text(), asked: None, held: true, unit: None };
                    self.record_failure(now, rng, &result, &failed, true, &mut effects)?;
                }
            }
        }
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
    }

    /// The result of a delivery that was not sent.
    fn unsent(&self, now: i64, delivery: Delivery, why: String) -> AttemptResult {
        let url = self.active.as_ref().map(|a| a.config.url.clone()).unwrap_or_default();
        let outcome = AttemptOutcome::Failed(Failure::Refused(why));
        AttemptResult::unsent(now, delivery, url, outcome)
    }

    /// The plugins were changed: what they held is due now.
    pub(super) fn release_held(&mut self, now: i64) -> Result<(), SqlError> {
        self.breaker = Breaker::default();
        self.sql.exec(
            "UPDATE delivery SET slot = ?1, held = 0 WHERE slot > ?1 AND held = 1 AND leased = 0",
            &[Value::Int(now)],
        )?;
        self.earliest = self.query_earliest()?;
        Ok(())
    }
}
