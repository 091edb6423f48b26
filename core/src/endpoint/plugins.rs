//! Plugins on a delivery's way: between the queue and the request.
//!
//! A delivery that is about to start passes the endpoint's plugins first: [`Effects::pass`] gives it out with its
//! [`Chain`], and [`Endpoint::passed`] takes what was decided. Meanwhile it holds a place as a request does, and its
//! lease; where the answer never comes, the lease runs out and it is due again.
//!
//! What plugins filter out costs neither pace nor a request. What a failed plugin holds waits like a failed attempt,
//! but says nothing of the receiver: it neither slows the endpoint down nor disables it. A change of the endpoint's
//! plugins makes everything due that they held.
//!
//! A plugin that fails again and again rests for a while, and the tenant is told. Where its attachment says hold, nothing
//! passes meanwhile, so that what waits does not use up its schedule. Else it counts as failed without being run; an error
//! that it answers itself is then no such failure, since it works, and may well take the next event.

use super::due;
use super::record::{FILTERED, Failed, Record};
use super::{AttemptOutcome, AttemptResult, Delivery, Effects, Endpoint, Failure, Queued};
use crate::frame::ReportKind;
use crate::plugin::{Attached, Chain, Decision, Fault, OnError, Outcome, Subject};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use std::rc::Rc;

/// After so many failures in a row a plugin rests.
const BREAKER_AFTER: u32 = 5;
/// The first such pause; it doubles up to [`BREAKER_MAX_MS`].
const BREAKER_BASE_MS: i64 = 1_000;
const BREAKER_MAX_MS: i64 = 60_000;
/// The tenant is told at most so often that a plugin fails.
const TELL_EVERY_MS: i64 = 3_600_000;

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
    /// What was decided, and how.
    pub outcome: Outcome,
}

impl Passage {
    /// The end of the way.
    pub fn ended(self) -> Passed {
        Passed { delivery: self.delivery, outcome: self.chain.outcome() }
    }
}

/// A delivery that has passed its plugins and waits for its request.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) subject: Subject,
    /// When it came here.
    pub(super) since: i64,
}

/// A plugin's failures in a row, and what follows. In memory alone: what was lost is soon learnt again.
#[derive(Debug, Default, Clone)]
pub(super) struct PluginBreaker {
    failures: u32,
    /// It rests until this time.
    until: i64,
    /// Until this time the tenant knows.
    told_until: i64,
}

impl PluginBreaker {
    /// Notes a failure; whether the tenant is to be told.
    fn failed(&mut self, now: i64) -> bool {
        // What was on its way when the rest began says nothing new.
        if now < self.until {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let Some(over) = self.failures.checked_sub(BREAKER_AFTER) else { return false };
        let pause = doubled(BREAKER_BASE_MS, over.saturating_add(1), BREAKER_MAX_MS);
        self.until = now.saturating_add(pause);
        let tell = self.told_until <= now;
        if tell {
            self.told_until = now.saturating_add(TELL_EVERY_MS);
        }
        tell
    }

    fn succeeded(&mut self) {
        (self.failures, self.until) = (0, 0);
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
        let resting = active.plugins.iter().enumerate().map(|(place, plugin)| {
            plugin.on_error != OnError::Hold && self.plugin_breakers.get(place).is_some_and(|b| now < b.until)
        });
        let chain = Chain::new(Rc::clone(&active.plugins), subject).without(resting.collect());
        self.passing.insert(delivery.key.clone(), delivery.slot);
        effects.pass.push(Passage { delivery, chain });
        Ok(())
    }

    /// Until when nothing passes, since a plugin rests whose attachment says hold.
    pub(super) fn plugins_hold_until(&self) -> i64 {
        let plugins = self.active.iter().flat_map(|active| active.plugins.iter());
        let holding =
            plugins.zip(&self.plugin_breakers).filter(|(plugin, _)| plugin.on_error == OnError::Hold);
        holding.map(|(_, breaker)| breaker.until).max().unwrap_or(0)
    }

    /// Notes which plugins failed.
    fn note_ran(
        &mut self,
        now: i64,
        plugins: &[Attached],
        ran: Vec<(usize, Option<Fault>)>,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        // What plugins did that are others now, says nothing of these.
        if self.active.as_ref().is_none_or(|active| *active.plugins != *plugins) {
            return Ok(());
        }
        self.plugin_breakers.resize(plugins.len(), PluginBreaker::default());
        for (place, fault) in ran {
            let (Some(plugin), Some(breaker)) = (plugins.get(place), self.plugin_breakers.get_mut(place))
            else {
                continue;
            };
            match fault.filter(|fault| !fault.own || plugin.on_error == OnError::Hold) {
                None => breaker.succeeded(),
                Some(fault) if breaker.failed(now) => {
                    let (name, version, error) = (plugin.name.clone(), plugin.version.clone(), fault.why);
                    self.report(now, ReportKind::PluginFailing { name, version, error }, effects)?;
                }
                Some(_) => {}
            }
        }
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
        for Passed { mut delivery, outcome } in passed {
            let Outcome { decision, trace, ran, plugins } = outcome;
            // Whoever comes later than the lease lasts was given up.
            if self.passing.get(&delivery.key) != Some(&delivery.slot) {
                continue;
            }
            self.passing.remove(&delivery.key);
            delivery.plugins = Some(trace);
            self.note_ran(now, &plugins, ran, &mut effects)?;
            match decision {
                Decision::Deliver(subject) => {
                    // What passed plugins that are others now is to pass these.
                    let same = self.active.as_ref().is_some_and(|active| *active.plugins == *plugins);
                    if self.can_send() && same {
                        self.ready.push_back(Ready { delivery, subject, since: now });
                    } else {
                        self.release(now, &delivery)?;
                    }
                }
                Decision::Filtered(reason) => {
                    let result = self.unsent(now, delivery, reason);
                    let response = result.text().into();
                    let record = Record { status: FILTERED, code: 0, response, next_at: None, held: true };
                    self.finish(now, rng, &result, record, true)?;
                    self.stats.filtered(now);
                }
                Decision::Held(why) => {
                    let result = self.unsent(now, delivery, why);
                    let response = result.text().into();
                    let failed = Failed { code: 0, response, asked: None, held: true, unit: None };
                    self.record_failure(now, rng, &result, failed, true, &mut effects)?;
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

    /// Gives a delivery's lease back: it is due now.
    fn release(&mut self, now: i64, delivery: &Delivery) -> Result<(), SqlError> {
        self.move_row(delivery.slot, &delivery.key, now, false)?;
        self.note_due(now);
        Ok(())
    }

    /// The plugins were changed: what they held is due now, and what has passed them is to pass the others.
    pub(super) fn release_held(&mut self, now: i64) -> Result<(), SqlError> {
        self.plugin_breakers.clear();
        let passed: Vec<Delivery> = self.ready.drain(..).map(|ready| ready.delivery).collect();
        for delivery in passed {
            self.release(now, &delivery)?;
        }
        due::Store::release_held(&self.sql, now)?;
        self.earliest = self.query_earliest()?;
        Ok(())
    }
}
