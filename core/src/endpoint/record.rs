//! What comes back from a receiver, and what follows from it.

use super::exchange::kept_lines;
use super::history::segment::{Detail, How, Of, Recorded, Request};
use super::{Attempt, Delivery, Effects, Endpoint};
use crate::frame::{self, ReportKind};
use crate::id;
use crate::platform;
use crate::redact;
use crate::retry::{self, FAILING_AT, doubled};
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::rc::Rc;

/// At most so many bytes of an answer's body are kept.
pub const RESPONSE_MAX: usize = 16 * 1024;
/// After the platform refused a request none is started for this time, doubling up to [`REFUSED_MAX_MS`].
const REFUSED_MS: i64 = 250;
const REFUSED_MAX_MS: i64 = 60_000;
/// So often a delivery is given back for an internal error of the platform before that is taken for the receiver's.
const INTERNAL_MAX: u32 = 2;

/// Status of an attempt, with Svix's numbers.
pub(super) const SUCCESS: i64 = 0;
/// See [`SUCCESS`].
pub(super) const FAIL: i64 = 2;
/// See [`SUCCESS`]: taken back before it was sent.
pub(super) const FILTERED: i64 = 4;

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Head or body took longer than the timeout.
    Timeout,
    /// The receiver could not be reached, or broke off; a sentence.
    Network(String),
    /// An internal error of the platform, or a fault of the receiver's if it stays; a sentence for the latter.
    Internal(String),
    /// The platform refused to send it: no fault of the receiver's, and no attempt.
    Platform,
    /// The request was refused before it was sent; a sentence.
    Refused(String),
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// An answer, whatever its status.
    Answer {
        /// HTTP status.
        code: u16,
        /// The `Retry-After` header.
        retry_after: Option<String>,
        /// The body, up to [`RESPONSE_MAX`] bytes.
        body: Vec<u8>,
    },
    /// No (complete) answer.
    Failed(Failure),
}

impl AttemptOutcome {
    /// The outcome of a response. A status that was received counts whatever became of the body, also if that did not end in
    /// time: the receiver has the event, and would get it twice.
    pub fn of_response(code: u16, retry_after: Option<String>, body: Vec<u8>) -> Self {
        match platform::answered_for(code, &body) {
            Some(why) => Self::Failed(Failure::Network(why)),
            None => Self::Answer { code, retry_after, body },
        }
    }

    /// What an error of the platform comes to, for a request to this URL.
    pub fn of_error(url: &str, message: &str) -> Self {
        Self::Failed(match platform::fault(url, message) {
            platform::Fault::Refused => Failure::Platform,
            platform::Fault::Internal(why) => Failure::Internal(why.to_owned()),
            platform::Fault::Receiver(why) => Failure::Network(why),
        })
    }
}

/// What the platform itself refuses, and what is made of it. In memory alone.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// None is started before this time.
    until: i64,
    in_a_row: u32,
    /// By delivery: how often it was given back for an internal error.
    internal: HashMap<String, u32>,
    /// Internal errors are the receiver's: one has stayed.
    believed: bool,
}

impl Refusals {
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    fn refused(&mut self, now: i64) {
        // Those that were under way together are one refusal.
        if self.until <= now {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.until = now.saturating_add(doubled(REFUSED_MS, self.in_a_row, REFUSED_MAX_MS));
        }
    }

    /// Whether a result says nothing of the receiver, so that its delivery is given back.
    fn is_platforms(&mut self, now: i64, result: &AttemptResult) -> bool {
        let key = &result.delivery.key;
        match &result.outcome {
            AttemptOutcome::Failed(Failure::Platform) => {
                self.refused(now);
                true
            }
            AttemptOutcome::Failed(Failure::Internal(_)) => {
                let times = self.internal.entry(key.clone()).or_default();
                *times = times.saturating_add(1);
                let given_back = *times <= INTERNAL_MAX && !self.believed;
                if given_back {
                    self.refused(now);
                } else {
                    self.internal.clear();
                    (self.believed, self.in_a_row) = (true, 0);
                }
                given_back
            }
            AttemptOutcome::Failed(Failure::Refused(_)) => false,
            AttemptOutcome::Failed(_) => {
                self.internal.remove(key);
                self.in_a_row = 0;
                false
            }
            AttemptOutcome::Answer { .. } => {
                self.internal.remove(key);
                (self.believed, self.in_a_row) = (false, 0);
                false
            }
        }
    }
}

/// The result of one [`Attempt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// The attempt's delivery, as it was given out.
    pub delivery: Delivery,
    /// Further deliveries that went in the same request.
    pub riders: Vec<Delivery>,
    /// Whether the request was another delivery's.
    pub rode: bool,
    /// Where it went.
    pub url: String,
    /// When it was started.
    pub started_at: i64,
    /// Milliseconds until the end of the answer.
    pub duration_ms: i64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What is kept of the request's headers, where it was sent.
    sent: Option<String>,
    /// The same of the answer's.
    answered: Option<String>,
}

impl AttemptResult {
    /// The result of a delivery for which no request was made.
    pub(super) fn unsent(now: i64, delivery: Delivery, url: String, outcome: AttemptOutcome) -> Self {
        Self {
            delivery,
            riders: Vec::new(),
            rode: false,
            url,
            started_at: now,
            duration_ms: 0,
            outcome,
            sent: None,
            answered: None,
        }
    }

    /// The result of each delivery of the request: it is the same for all.
    pub fn each(mut self) -> impl Iterator<Item = Self> {
        let riders = std::mem::take(&mut self.riders);
        let others: Vec<Self> = riders
            .into_iter()
            .map(|delivery| Self { delivery, rode: true, sent: None, ..self.clone() })
            .collect();
        std::iter::once(self).chain(others)
    }

    /// With the answer's headers, a line each: name, colon, value.
    #[must_use]
    pub fn with_headers(self, lines: &str) -> Self {
        Self { answered: Some(kept_lines(lines)), ..self }
    }

    /// What is kept of the headers: the text of a JSON array.
    fn headers(&self) -> Option<String> {
        let sent = self.sent.as_ref()?;
        Some(format!("[{sent},{}]", self.answered.as_deref().unwrap_or("{}")))
    }

    /// Why it was not sent, or the platform's words; empty for an answer.
    pub(super) fn text(&self) -> &str {
        match &self.outcome {
            AttemptOutcome::Failed(
                Failure::Refused(text) | Failure::Network(text) | Failure::Internal(text),
            ) => text,
            _ => "",
        }
    }
}

impl Attempt {
    /// The result of this attempt.
    pub fn ended(self, at: i64, outcome: AttemptOutcome) -> AttemptResult {
        AttemptResult {
            duration_ms: at.saturating_sub(self.started_at).max(0),
            delivery: self.delivery,
            riders: self.riders,
            rode: false,
            // A record shows no credentials.
            url: redact::url(&self.url).unwrap_or(self.url),
            started_at: self.started_at,
            sent: self.refused.is_none().then_some(self.kept),
            answered: None,
            outcome,
        }
    }
}

/// What an answer comes to, the same for all deliveries of a request.
struct Said {
    code: u16,
    retry_after: Option<String>,
    /// The body, or why there is none.
    response: Rc<str>,
}

/// One delivery's part of a request's result.
struct Part {
    result: AttemptResult,
    /// The jitter's number, where those that failed together are to meet again.
    unit: Option<f64>,
    said: Rc<Said>,
}

/// What an attempt's record says.
pub(super) struct Record {
    pub(super) status: i64,
    pub(super) code: u16,
    pub(super) response: Rc<str>,
    pub(super) next_at: Option<i64>,
    /// Plugins kept it: it was not sent.
    pub(super) held: bool,
}

/// How an attempt failed.
pub(super) struct Failed {
    pub(super) code: u16,
    pub(super) response: Rc<str>,
    /// How long the receiver asked to wait.
    pub(super) asked: Option<i64>,
    /// A plugin holds it: it was not sent.
    pub(super) held: bool,
    /// The jitter's number, where those that failed together are to meet again.
    pub(super) unit: Option<f64>,
}

impl<S: Sql> Endpoint<S> {
    /// Records how requests ended, several in one commit, and plans what follows.
    pub fn record(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        results: Vec<AttemptResult>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        let (mut succeeded, mut others) = (Vec::new(), Vec::new());
        for result in results {
            if self.refusals.is_platforms(now, &result) {
                self.give_back(now, result)?;
                continue;
            }
            let unit = if result.riders.is_empty() { None } else { Some(rng.unit()) };
            let said = Rc::new(describe(&result.outcome));
            // Successes first: what a failure says of the receiver (not now, not any more) is the last word.
            let parts = if self.succeeded(&result.outcome) { &mut succeeded } else { &mut others };
            parts.extend(result.each().map(|result| Part { result, unit, said: Rc::clone(&said) }));
        }
        self.throughput.ended(now, succeeded.len().saturating_add(others.len()));
        for part in succeeded.into_iter().chain(others) {
            self.record_one(now, rng, &part, &mut effects)?;
        }
        self.report_standing(now, &mut effects)?;
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
    }

    /// The platform did not send a request: no attempt was made, and its deliveries are due again soon. Where nobody
    /// waits for the result any more, they are due already.
    fn give_back(&mut self, now: i64, result: AttemptResult) -> Result<(), SqlError> {
        if matches!(result.outcome, AttemptOutcome::Failed(Failure::Platform)) {
            self.share.use_up();
        }
        let at = self.refusals.until.max(now);
        for delivery in std::iter::once(result.delivery).chain(result.riders) {
            if self.is_under_way(&delivery) {
                self.forget_in_flight(&delivery.key);
                self.move_row(delivery.slot, &delivery.key, at, false)?;
                self.note_due(at);
            }
        }
        Ok(())
    }

    /// Whether the receiver took a delivery.
    pub(super) fn succeeded(&self, outcome: &AttemptOutcome) -> bool {
        self.active.as_ref().is_some_and(|active| active.succeeded(outcome))
    }

    /// Whether this object waits for just this result. If not, its lease ran out, or the object was opened anew:
    /// the attempt is still recorded, but the delivery's fate is decided by the row that is due.
    fn is_under_way(&self, delivery: &Delivery) -> bool {
        self.in_flight.get(&delivery.key).is_some_and(|request| request.until == delivery.slot)
    }

    fn record_one(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        part: &Part,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let Part { result, unit, said } = part;
        let (delivery, code, response) = (&result.delivery, said.code, Rc::clone(&said.response));
        let ours = self.is_under_way(delivery);
        if ours {
            self.forget_in_flight(&delivery.key);
        }
        if self.succeeded(&result.outcome) {
            let record = Record { status: SUCCESS, code, response, next_at: None, held: false };
            let (attempt_id, ended) = self.finish(now, rng, result, record, ours)?;
            if ours && !result.rode {
                self.failing_since = None;
                self.breaker.succeeded(result.started_at);
            }
            self.stats.success(result.started_at, result.duration_ms, code);
            if ended && is_recovery(delivery) {
                let msg_id = delivery.msg_id.clone();
                self.report(now, ReportKind::Recovered { msg_id, attempt_id, code }, effects)?;
            }
            return Ok(());
        }
        let asked = said.retry_after.as_deref().and_then(|text| retry::retry_after(text, now));
        // What was not sent says nothing of the receiver, and all that went in one request say one thing.
        let speaks =
            ours && !result.rode && !matches!(result.outcome, AttemptOutcome::Failed(Failure::Refused(_)));
        if speaks {
            let most = self.deployment.breaker_failures;
            self.breaker.failed(now, most, result.started_at, code, asked);
        }
        let failed = Failed { code, response, asked, held: false, unit: *unit };
        self.record_failure(now, rng, result, failed, ours, effects)?;
        self.failed(now, code, effects)
    }

    /// A delivery that did not get through: when it is tried again, or that it is not.
    pub(super) fn record_failure(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        failed: Failed,
        ours: bool,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let (delivery, Failed { code, response, asked, held, unit }) = (&result.delivery, failed);
        let made = delivery.made.saturating_add(1);
        let delay = match &self.active {
            Some(active) if !delivery.manual && !active.config.deleted => {
                active.sender.schedule.next(made, unit.unwrap_or_else(|| rng.unit()))
            }
            _ => None,
        };
        let next_at = delay.map(|delay| now.saturating_add(delay.max(asked.unwrap_or(0))).max(1));
        let record = Record { status: FAIL, code, response, next_at, held };
        if let Some(next_at) = next_at {
            let attempt_id = self.add_attempt(now, rng, result, record);
            self.due.retry(&self.sql, (delivery.slot, &delivery.key), next_at, made, held)?;
            self.note_due(next_at);
            if made == FAILING_AT {
                let msg_id = delivery.msg_id.clone();
                self.report(now, ReportKind::Failing { msg_id, attempt_id, code }, effects)?;
            }
        } else {
            let (attempt_id, ended) = self.finish(now, rng, result, record, ours)?;
            if ended && !delivery.manual {
                self.stats.exhausted(result.started_at);
                let msg_id = delivery.msg_id.clone();
                self.report(now, ReportKind::Exhausted { msg_id, attempt_id, code }, effects)?;
            }
        }
        self.stats.fail(result.started_at, result.duration_ms, code);
        Ok(())
    }

    /// The last attempt of a delivery. Gives the attempt's id, and whether the delivery has ended with it.
    pub(super) fn finish(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        record: Record,
        ours: bool,
    ) -> Result<(String, bool), SqlError> {
        let there = self.due.end(&self.sql, result.delivery.slot, &result.delivery.key)?;
        // A delivery under way is where it was put. One that is not known to be under way may have been taken up again, or
        // dropped: then it goes on elsewhere, and this was not its last attempt, whatever its number.
        let ended = there || ours;
        let record =
            if ended { record } else { Record { next_at: (record.status == FAIL).then_some(now), ..record } };
        Ok((self.add_attempt(now, rng, result, record), ended))
    }

    /// Records an attempt; its id.
    fn add_attempt(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        record: Record,
    ) -> String {
        let delivery = &result.delivery;
        let attempt_id = self.next_attempt_id(now, rng, &delivery.msg_id);
        let request = match (record.held, result.rode) {
            (true, _) => Request::None,
            (false, true) => Request::Shared,
            (false, false) => Request::Own,
        };
        let recorded = Recorded {
            id: attempt_id.clone(),
            of: Of {
                msg_id: delivery.msg_id.clone(),
                event_type: delivery.event_type.clone(),
                channels: delivery.channels.clone(),
                manual: delivery.manual,
            },
            number: delivery.made.saturating_add(1),
            how: How {
                status: record.status,
                code: record.code,
                started_at: result.started_at,
                duration_ms: result.duration_ms,
                next_at: record.next_at,
                request,
            },
            url: result.url.clone(),
        };
        let (headers, plugins) = (result.headers(), delivery.plugins.clone());
        self.history.add(recorded, Detail { response: record.response, headers, plugins });
        attempt_id
    }

    /// An attempt's id is never earlier than its message's, whatever this object's clock says: searches by
    /// a message's time rely on it.
    fn next_attempt_id(&mut self, now: i64, rng: &mut impl Entropy, msg_id: &str) -> String {
        let after = id::millis(id::MESSAGE, msg_id).unwrap_or(0).saturating_add(id::RESOLUTION_MS);
        self.attempt_ids.next(now.max(after), rng)
    }

    /// A delivery whose payload is gone (expunged, or past its retention) ends here.
    pub(super) fn give_up(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        delivery: Delivery,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let url = self.active.as_ref().map(|a| a.config.url.clone()).unwrap_or_default();
        let manual = delivery.manual;
        let msg_id = delivery.msg_id.clone();
        let outcome = AttemptOutcome::Failed(Failure::Refused(
            "The message's payload is no longer stored, so it could not be delivered.".to_owned(),
        ));
        let result = AttemptResult::unsent(now, delivery, url, outcome);
        let Said { code, response, .. } = describe(&result.outcome);
        let record = Record { status: FAIL, code, response, next_at: None, held: false };
        let (attempt_id, _) = self.finish(now, rng, &result, record, false)?;
        self.stats.fail(now, 0, code);
        if !manual {
            self.stats.exhausted(now);
            self.report(now, ReportKind::Exhausted { msg_id, attempt_id, code }, effects)?;
        }
        Ok(())
    }

    fn failed(&mut self, now: i64, code: u16, effects: &mut Effects) -> Result<(), SqlError> {
        let Some(active) = &self.active else { return Ok(()) };
        if active.config.disabled || active.config.deleted {
            return Ok(());
        }
        let gives_up = active.sender.gives_up;
        if code == 410 && gives_up {
            return self.disable_self(now, ReportKind::Gone, effects);
        }
        match self.failing_since {
            None => {
                self.failing_since = Some(now);
                Ok(())
            }
            Some(since) => {
                let limit = self.deployment.endpoint_disable_after_ms;
                if gives_up && limit.is_some_and(|limit| now.saturating_sub(since) >= limit) {
                    return self.disable_self(now, ReportKind::FailingSince { since }, effects);
                }
                Ok(())
            }
        }
    }

    /// Stops sending at once, and asks the App, which owns the configuration, to disable the endpoint.
    fn disable_self(&mut self, now: i64, kind: ReportKind, effects: &mut Effects) -> Result<(), SqlError> {
        self.report(now, kind, effects)?;
        if let Some(active) = &mut self.active {
            // The version stays: the App's next configuration, disabled or not, replaces this one.
            active.config.disabled = true;
            let config = frame::encode(&active.config);
            self.set_meta("config", &config)?;
        }
        self.release_queue(now)
    }
}

/// Whether a success of this attempt is one after failures that were reported.
fn is_recovery(delivery: &Delivery) -> bool {
    !delivery.manual && delivery.made >= FAILING_AT
}

fn describe(outcome: &AttemptOutcome) -> Said {
    match outcome {
        AttemptOutcome::Answer { code, retry_after, body } => {
            let body = body.get(..body.len().min(RESPONSE_MAX)).unwrap_or(body);
            let response = response_text(body).into();
            Said { code: *code, retry_after: retry_after.clone(), response }
        }
        AttemptOutcome::Failed(failure) => {
            let text = match failure {
                Failure::Timeout => "The receiver did not answer in time.",
                Failure::Network(text) | Failure::Internal(text) | Failure::Refused(text) => text,
                Failure::Platform => "The platform did not send the request.",
            };
            Said { code: 0, retry_after: None, response: text.into() }
        }
    }
}

/// A body as text: as it is where it is UTF-8 (a character cut at the cap is dropped), else in base64.
fn response_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() => {
            let whole = body.get(..error.valid_up_to()).unwrap_or_default();
            String::from_utf8_lossy(whole).into_owned()
        }
        Err(_) => STANDARD.encode(body),
    }
}
