//! Plugins: they run on a delivery between the queue and the request.
//!
//! Before a delivery starts, the endpoint's plugins run: [`Effects::pass`] contains it with its [`Chain`], and
//! [`Endpoint::passed`] takes the decision. Meanwhile it counts as a request in flight and has its lease; if the
//! decision never comes, the lease ends and the delivery is due again.
//!
//! A filtered delivery uses neither rate limit nor request. A delivery that a failed plugin holds waits like a failed
//! attempt, but does not count as a failure of the receiver. When the endpoint's plugins change, all held deliveries
//! are due.
//!
//! If a plugin keeps failing, its circuit breaker opens, and the tenant is notified. With `onError: hold`, nothing
//! passes meanwhile, so that waiting deliveries do not use up their schedules. Otherwise the plugin counts as failed
//! without being run. An error that the plugin returns itself does not count, because the plugin works and may accept
//! the next event.

use super::due;
use super::record::{FILTERED, Failed, Record};
use super::{AttemptOutcome, AttemptResult, Delivery, Effects, Endpoint, Failure, Queued};
use crate::frame::ReportKind;
use crate::plugin::{Attached, Chain, Decision, Fault, OnError, Outcome, Subject};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use std::rc::Rc;

/// The number of failures in a row that open a plugin's circuit breaker.
const BREAKER_AFTER: u32 = 5;
/// The first such pause; it doubles up to [`BREAKER_MAX_MS`].
const BREAKER_BASE_MS: i64 = 1_000;
const BREAKER_MAX_MS: i64 = 60_000;
/// The minimum time between two notices to the tenant that a plugin fails.
const TELL_EVERY_MS: i64 = 3_600_000;

/// A delivery on which the plugins run; the result is one [`Passed`].
#[derive(Debug)]
pub struct Passage {
    /// The delivery.
    pub delivery: Delivery,
    /// Its plugins.
    pub chain: Chain,
}

/// The result of the plugins.
#[derive(Debug)]
pub struct Passed {
    /// The delivery, as in [`Passage`].
    pub delivery: Delivery,
    /// The decision, and how it was made.
    pub outcome: Outcome,
}

impl Passage {
    /// A chain that has ended.
    pub fn ended(self) -> Passed {
        Passed { delivery: self.delivery, outcome: self.chain.outcome() }
    }
}

/// A delivery that has passed its plugins and waits for its request.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) subject: Subject,
    /// When it began to wait.
    pub(super) since: i64,
}

/// A plugin's circuit breaker. In memory only: it soon opens again after a restart.
#[derive(Debug, Default, Clone)]
pub(super) struct PluginBreaker {
    failures: u32,
    /// It is open until this time.
    until: i64,
    /// No further notice to the tenant before this time.
    told_until: i64,
}

impl PluginBreaker {
    /// Counts a failure; returns whether to notify the tenant.
    fn failed(&mut self, now: i64) -> bool {
        // Runs that started before the circuit breaker opened do not count.
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
    /// Whether the endpoint has plugins.
    pub(super) fn has_plugins(&self) -> bool {
        self.active.as_ref().is_some_and(|active| !active.plugins.is_empty())
    }

    /// Starts the plugins on a delivery.
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

    /// Until when nothing passes, because the circuit breaker of a plugin with `onError: hold` is open.
    pub(super) fn plugins_hold_until(&self) -> i64 {
        let plugins = self.active.iter().flat_map(|active| active.plugins.iter());
        let holding =
            plugins.zip(&self.plugin_breakers).filter(|(plugin, _)| plugin.on_error == OnError::Hold);
        holding.map(|(_, breaker)| breaker.until).max().unwrap_or(0)
    }

    /// Counts the plugins' failures.
    fn note_ran(
        &mut self,
        now: i64,
        plugins: &[Attached],
        ran: Vec<(usize, Option<Fault>)>,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        // Results of other versions of the plugins do not count.
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

    /// Takes the decision of the plugins, and acts on it.
    pub fn passed(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        passed: Vec<Passed>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        for Passed { mut delivery, outcome } in passed {
            let Outcome { decision, trace, ran, plugins } = outcome;
            // After the end of the lease, the delivery is due again.
            if self.passing.get(&delivery.key) != Some(&delivery.slot) {
                continue;
            }
            self.passing.remove(&delivery.key);
            delivery.plugins = Some(trace);
            self.note_ran(now, &plugins, ran, &mut effects)?;
            match decision {
                Decision::Deliver(subject) => {
                    // A delivery that passed previous plugins must pass the current ones.
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

    /// Ends a delivery's lease: it is due now.
    fn release(&mut self, now: i64, delivery: &Delivery) -> Result<(), SqlError> {
        self.move_row(delivery.slot, &delivery.key, now, false)?;
        self.note_due(now);
        Ok(())
    }

    /// The plugins were changed: held deliveries are due now, and deliveries that passed the previous plugins must
    /// pass the new ones.
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
