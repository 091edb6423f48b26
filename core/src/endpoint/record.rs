//! What comes back from a receiver, and what follows from it.

use super::exchange::kept_lines;
use super::{Attempt, Delivery, Effects, Endpoint};
use crate::frame::{self, ReportKind};
use crate::id;
use crate::operational::FAILING_AT;
use crate::retry;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// At most so many bytes of an answer's body are kept.
pub const RESPONSE_MAX: usize = 16 * 1024;
/// Attempts recorded so soon after their message's acceptance are found by time, without an index entry.
pub(super) const PROMPT_MS: i64 = 5_000;

/// Status of an attempt, with Svix's numbers.
pub(super) const SUCCESS: i64 = 0;
/// See [`SUCCESS`].
pub(super) const FAIL: i64 = 2;
/// See [`SUCCESS`]: taken back before it was sent.
pub(super) const FILTERED: i64 = 4;

macro_rules! finish {
    () => {
        "UPDATE delivery SET slot = 0, id = ?3, attempt = ?4, leased = 0, late = ?5, status = ?6,
            code = ?7, response = ?8, started_at = ?9, duration = ?10, next_at = NULL, url = ?11,
            plugins = ?12, held = ?13, headers = ?14
         WHERE slot = ?1 AND id = ?2"
    };
}

const FINISH: &str = finish!();
const FINISH_RETURNING: &str = concat!(finish!(), " RETURNING 1");

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Head or body took longer than the timeout.
    Timeout,
    /// The connection failed; the platform's text.
    Network(String),
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

    /// What the column `headers` says of it.
    fn headers(&self) -> Option<String> {
        let sent = self.sent.as_ref()?;
        Some(format!("[{sent},{}]", self.answered.as_deref().unwrap_or("{}")))
    }

    /// What the column `held` says of it: that no request was made, or that it was another delivery's.
    fn held(&self, held: bool) -> i64 {
        match (held, self.rode) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        }
    }

    /// Why it was not sent, or the platform's words; empty for an answer.
    pub(super) fn text(&self) -> &str {
        match &self.outcome {
            AttemptOutcome::Failed(Failure::Refused(text) | Failure::Network(text)) => text,
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
            url: self.url,
            started_at: self.started_at,
            sent: self.refused.is_none().then_some(self.kept),
            answered: None,
            outcome,
        }
    }
}

/// What an attempt's row says.
pub(super) struct Record<'a> {
    pub(super) status: i64,
    pub(super) code: u16,
    pub(super) response: &'a str,
    pub(super) next_at: Option<i64>,
    /// Plugins kept it: it was not sent.
    pub(super) held: bool,
}

/// How an attempt failed.
pub(super) struct Failed<'a> {
    pub(super) code: u16,
    pub(super) response: &'a str,
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
        let mut each = Vec::with_capacity(results.len());
        for result in results {
            let unit = if result.riders.is_empty() { None } else { Some(rng.unit()) };
            each.extend(result.each().map(|result| (result, unit)));
        }
        self.throughput.ended(now, each.len());
        let together = each.len() > 1;
        let (mut succeeded, mut others) = (Vec::new(), Vec::new());
        for (result, unit) in each {
            let usual = self.succeeded(&result.outcome) && !is_recovery(&result.delivery);
            if together && usual && self.is_under_way(&result.delivery) {
                self.forget_in_flight(&result.delivery.key);
                succeeded.push(result);
            } else {
                others.push((result, unit));
            }
        }
        // Successes first: what a failure says of the receiver (not now, not any more) is the last word.
        if !succeeded.is_empty() {
            self.record_successes(now, rng, &succeeded)?;
        }
        for (result, unit) in others {
            self.record_one(now, rng, &result, unit, &mut effects)?;
        }
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
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

    /// The usual case, several in one statement: each statement costs a call of the platform.
    fn record_successes(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        results: &[AttemptResult],
    ) -> Result<(), SqlError> {
        let mut rows = String::new();
        for result in results {
            let delivery = &result.delivery;
            let attempt_id = self.next_attempt_id(now, rng, &delivery.msg_id);
            let (code, _, response) = describe(&result.outcome);
            let late = is_late(&attempt_id, &delivery.msg_id).then_some(&delivery.msg_id);
            self.stats.success(result.started_at, result.duration_ms, attempt_id.clone());
            let row = (
                delivery.slot,
                &delivery.key,
                attempt_id,
                delivery.made.saturating_add(1),
                late,
                code,
                response,
                result.started_at,
                result.duration_ms,
                &result.url,
                &delivery.plugins,
                result.held(false),
            );
            let row = serde_json::to_string(&row).map_err(|error| SqlError(error.to_string()))?;
            // The headers are JSON already. Where there are none, the place after the last is NULL.
            let before = if rows.is_empty() { "[" } else { "," };
            rows.extend([before, row.strip_suffix(']').unwrap_or_default()]);
            if let Some(headers) = result.headers() {
                rows.extend([",", &headers]);
            }
            rows.push(']');
        }
        rows.push(']');
        self.sql.exec(
            "UPDATE delivery SET slot = 0, id = r.value->>2, attempt = r.value->>3, leased = 0,
                late = r.value->>4, status = 0, code = r.value->>5, response = r.value->>6,
                started_at = r.value->>7, duration = r.value->>8, next_at = NULL, url = r.value->>9,
                plugins = r.value->>10, held = r.value->>11, headers = r.value->12
             FROM json_each(?1) AS r
             WHERE delivery.slot = r.value->>0 AND delivery.id = r.value->>1",
            &[Value::Text(&rows)],
        )?;
        self.recovered(results.iter().filter(|result| !result.rode).map(|result| result.started_at))
    }

    fn record_one(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        unit: Option<f64>,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let delivery = &result.delivery;
        let ours = self.is_under_way(delivery);
        if ours {
            self.forget_in_flight(&delivery.key);
        }
        let (code, retry_after, response) = describe(&result.outcome);
        if self.succeeded(&result.outcome) {
            let record = Record { status: SUCCESS, code, response: &response, next_at: None, held: false };
            let (attempt_id, ended) = self.finish(now, rng, result, &record, ours)?;
            self.recovered(std::iter::once(result.started_at).filter(|_| ours && !result.rode))?;
            self.stats.success(result.started_at, result.duration_ms, self.attempt_ids_last());
            if ended && is_recovery(delivery) {
                let msg_id = delivery.msg_id.clone();
                self.report(now, ReportKind::Recovered { msg_id, attempt_id, code }, effects)?;
            }
            return Ok(());
        }
        let asked = retry_after.as_deref().and_then(|text| retry::retry_after(text, now));
        // What was not sent says nothing of the receiver, and all that went in one request say one thing.
        let speaks =
            ours && !result.rode && !matches!(result.outcome, AttemptOutcome::Failed(Failure::Refused(_)));
        if speaks
            && self.breaker.failed(now, self.deployment.breaker_failures, result.started_at, code, asked)
        {
            self.save_breaker()?;
        }
        let failed = Failed { code, response: &response, asked, held: false, unit };
        self.record_failure(now, rng, result, &failed, ours, effects)?;
        self.failed(now, code, effects)
    }

    /// A delivery that did not get through: when it is tried again, or that it is not.
    pub(super) fn record_failure(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        failed: &Failed<'_>,
        ours: bool,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let (delivery, &Failed { code, response, asked, held, unit }) = (&result.delivery, failed);
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
            self.insert_attempt(now, rng, result, &record)?;
            self.sql.exec(
                "UPDATE delivery SET slot = ?3, attempt = ?4, leased = 0, held = ?5 WHERE slot = ?1 AND id = ?2",
                &[
                    Value::Int(delivery.slot),
                    Value::Text(&delivery.key),
                    Value::Int(next_at),
                    Value::Int(i64::from(made)),
                    Value::flag(held),
                ],
            )?;
            self.note_due(next_at);
            if made == FAILING_AT {
                let (msg_id, attempt_id) = (delivery.msg_id.clone(), self.attempt_ids_last());
                self.report(now, ReportKind::Failing { msg_id, attempt_id, code }, effects)?;
            }
        } else {
            let (attempt_id, ended) = self.finish(now, rng, result, &record, ours)?;
            if ended && !delivery.manual {
                self.stats.exhausted(result.started_at);
                let msg_id = delivery.msg_id.clone();
                self.report(now, ReportKind::Exhausted { msg_id, attempt_id, code }, effects)?;
            }
        }
        self.stats.fail(result.started_at, result.duration_ms, self.attempt_ids_last());
        Ok(())
    }

    pub(super) fn attempt_ids_last(&self) -> String {
        self.attempt_ids.last()
    }

    /// The row of the delivery becomes the row of its last attempt. Gives the attempt's id, and whether the delivery has
    /// ended with it.
    pub(super) fn finish(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        record: &Record<'_>,
        ours: bool,
    ) -> Result<(String, bool), SqlError> {
        let attempt_id = self.next_attempt_id(now, rng, &result.delivery.msg_id);
        let late = is_late(&attempt_id, &result.delivery.msg_id);
        let headers = result.headers();
        let values = [
            Value::Int(result.delivery.slot),
            Value::Text(&result.delivery.key),
            Value::Text(&attempt_id),
            Value::Int(i64::from(result.delivery.made.saturating_add(1))),
            if late { Value::Text(&result.delivery.msg_id) } else { Value::Null },
            Value::Int(record.status),
            Value::Int(i64::from(record.code)),
            Value::Text(record.response),
            Value::Int(result.started_at),
            Value::Int(result.duration_ms),
            Value::Text(&result.url),
            Value::opt_text(result.delivery.plugins.as_deref()),
            Value::Int(result.held(record.held)),
            Value::opt_text(headers.as_deref()),
        ];
        // The row of a request under way is where it was put. One that is not known to be under way may have been
        // taken up again, or dropped: then this attempt gets a row of its own.
        if ours {
            self.sql.exec(FINISH, &values)?;
        } else if self.sql.query(FINISH_RETURNING, &values)?.is_empty() {
            // The delivery goes on elsewhere: this was not its last attempt, whatever its number.
            let record = Record { next_at: (record.status == FAIL).then_some(now), ..*record };
            self.insert_attempt_as(&attempt_id, result, &record)?;
            return Ok((attempt_id, false));
        }
        Ok((attempt_id, true))
    }

    fn insert_attempt(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        result: &AttemptResult,
        record: &Record<'_>,
    ) -> Result<(), SqlError> {
        let attempt_id = self.next_attempt_id(now, rng, &result.delivery.msg_id);
        self.insert_attempt_as(&attempt_id, result, record)
    }

    fn insert_attempt_as(
        &mut self,
        attempt_id: &str,
        result: &AttemptResult,
        record: &Record<'_>,
    ) -> Result<(), SqlError> {
        let (delivery, headers) = (&result.delivery, result.headers());
        self.sql.exec(
            "INSERT INTO delivery (slot, id, msg_id, event_type, channels, manual, attempt, leased, late,
                status, code, response, started_at, duration, next_at, url, plugins, held, headers)
             VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            &[
                Value::Text(attempt_id),
                Value::Text(&delivery.msg_id),
                Value::Text(&delivery.event_type),
                Value::opt_text(delivery.channels.as_deref()),
                Value::flag(delivery.manual),
                Value::Int(i64::from(delivery.made.saturating_add(1))),
                if is_late(attempt_id, &delivery.msg_id) {
                    Value::Text(&delivery.msg_id)
                } else {
                    Value::Null
                },
                Value::Int(record.status),
                Value::Int(i64::from(record.code)),
                Value::Text(record.response),
                Value::Int(result.started_at),
                Value::Int(result.duration_ms),
                Value::opt_int(record.next_at),
                Value::Text(&result.url),
                Value::opt_text(delivery.plugins.as_deref()),
                Value::Int(result.held(record.held)),
                Value::opt_text(headers.as_deref()),
            ],
        )
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
        let (code, _, response) = describe(&result.outcome);
        let record = Record { status: FAIL, code, response: &response, next_at: None, held: false };
        let (attempt_id, _) = self.finish(now, rng, &result, &record, false)?;
        self.stats.fail(now, 0, self.attempt_ids_last());
        if !manual {
            self.stats.exhausted(now);
            self.report(now, ReportKind::Exhausted { msg_id, attempt_id, code }, effects)?;
        }
        Ok(())
    }

    /// Requests that were started then got through.
    fn recovered(&mut self, started_at: impl Iterator<Item = i64>) -> Result<(), SqlError> {
        if self.failing_since.take().is_some() {
            self.set_meta("failing", &frame::encode(&None::<i64>))?;
        }
        let mut closed = false;
        for at in started_at {
            closed |= self.breaker.succeeded(at);
        }
        if closed { self.save_breaker() } else { Ok(()) }
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
                self.set_meta("failing", &frame::encode(&Some(now)))
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

fn is_late(attempt_id: &str, msg_id: &str) -> bool {
    attempt_id >= prompt_limit(msg_id).as_str()
}

/// Attempts of the message with smaller ids than this are found by time; see [`PROMPT_MS`].
pub(super) fn prompt_limit(msg_id: &str) -> String {
    let at = id::millis(id::MESSAGE, msg_id).unwrap_or(0);
    id::floor(id::ATTEMPT, at.saturating_add(PROMPT_MS))
}

fn describe(outcome: &AttemptOutcome) -> (u16, Option<String>, String) {
    match outcome {
        AttemptOutcome::Answer { code, retry_after, body } => {
            let body = body.get(..body.len().min(RESPONSE_MAX)).unwrap_or(body);
            (*code, retry_after.clone(), response_text(body))
        }
        AttemptOutcome::Failed(failure) => {
            let text = match failure {
                Failure::Timeout => "The receiver did not answer in time.".to_owned(),
                Failure::Network(text) => format!("The receiver could not be reached: {text}"),
                Failure::Refused(text) => text.clone(),
            };
            (0, None, text)
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
