//! What the object tells of its attempts.

use super::Endpoint;
use super::history::segment::{Detail, Recorded};
use super::history::{END, Found, Range};
use super::stats::Totals;
use crate::api::model::attempt::AttemptQuery;
use crate::api::page;
use crate::filter::parse_channels;
use crate::frame::{AttemptRow, Attempts, AttemptsAsk, StatsAnswer, StatsAsk};
use crate::id;
use crate::sql::{Sql, SqlError};

/// An attempt has its id by then after its start: a request may take 30 seconds.
const RECORDED_WITHIN_MS: i64 = 600_000;

impl<S: Sql> Endpoint<S> {
    /// Attempts for a list of the API, in the order in which its page is read, up to one more than its limit.
    pub fn attempts(&self, now: i64, ask: &AttemptsAsk) -> Result<Attempts, SqlError> {
        let Some(active) = &self.active else { return Ok(Attempts::default()) };
        let endpoint_id = active.config.endpoint_id.as_str();
        let hidden = self.hidden_up_to(now);
        if let Some(attempt_id) = &ask.attempt_id {
            let found = self.history.one(&self.sql, attempt_id)?;
            let found = found.filter(|(attempt, _)| {
                attempt.id > hidden && ask.msg_id.as_ref().is_none_or(|id| *id == attempt.of.msg_id)
            });
            // Only who asks for one attempt is told its headers.
            let whole = |(attempt, detail): (Recorded, Detail)| {
                let headers = detail.headers.clone();
                AttemptRow { headers, ..row(attempt, detail, endpoint_id) }
            };
            return Ok(Attempts { rows: found.into_iter().map(whole).collect(), stopped_at: None });
        }
        // The App has read the same query before: it is well formed.
        let query = AttemptQuery::parse(&ask.query).map_err(|e| SqlError(e.to_string()))?;
        let Found { attempts, stopped_at } = match &ask.msg_id {
            Some(msg_id) => self.of_message(msg_id, &query, &hidden)?,
            None => self.of_all(&query, hidden)?,
        };
        let rows = attempts.into_iter().map(|(attempt, detail)| row(attempt, detail, endpoint_id)).collect();
        Ok(within(Attempts { rows, stopped_at }, ask.bytes))
    }

    fn of_message(&self, msg_id: &str, query: &AttemptQuery, hidden: &str) -> Result<Found, SqlError> {
        let mut found = self.history.of_messages(&self.sql, &[msg_id])?;
        let ascending = query.page.reads_ascending();
        let beyond = |id: &str| if ascending { id > query.page.from() } else { id < query.page.from() };
        found.retain(|attempt| attempt.id.as_str() > hidden && beyond(&attempt.id) && passes(attempt, query));
        found.sort_by(|a, b| if ascending { a.id.cmp(&b.id) } else { b.id.cmp(&a.id) });
        found.truncate(usize::try_from(query.page.probe()).unwrap_or(usize::MAX));
        Ok(Found { attempts: self.history.with_details(&self.sql, found)?, stopped_at: None })
    }

    fn of_all(&self, query: &AttemptQuery, hidden: String) -> Result<Found, SqlError> {
        let ascending = query.page.reads_ascending();
        let wanted = usize::try_from(query.page.probe()).unwrap_or(usize::MAX);
        let from = query.page.from().to_owned();
        // Times are those of the start, a little before the id's own.
        let lowest = query.after.map_or_else(String::new, |after| {
            id::floor(id::ATTEMPT, after.saturating_sub(id::RESOLUTION_MS))
        });
        let lowest = lowest.max(hidden);
        let highest = query.before.map_or_else(
            || END.to_owned(),
            |before| id::floor(id::ATTEMPT, before.saturating_add(RECORDED_WITHIN_MS)),
        );
        let (after, before) =
            if ascending { (lowest.max(from), highest) } else { (lowest, highest.min(from)) };
        let range = Range { after, before, ascending };
        self.history.page(&self.sql, &range, wanted, |attempt| passes(attempt, query))
    }

    /// Attempts in a period (to the hour), and what waits now. Where the hours are asked for, also the time of the
    /// oldest message that waits.
    pub fn statistics(&self, now: i64, ask: &StatsAsk) -> Result<StatsAnswer, SqlError> {
        let Totals { success, fail, exhausted, filtered } =
            self.stats.totals(&self.sql, ask.since, ask.until)?;
        let waiting = self.due.waiting(&self.sql)?;
        let open_until = self.breaker.open_until(now);
        let mut answer =
            StatsAnswer { success, fail, exhausted, filtered, open_until, ..StatsAnswer::default() };
        (answer.pending, answer.sending) = (waiting.pending, waiting.sending);
        answer.oldest = waiting.oldest.and_then(|oldest| id::millis(id::MESSAGE, &oldest));
        if ask.hours == Some(true) {
            answer.hours = Some(self.stats.hours(&self.sql, ask.since, ask.until)?);
        }
        Ok(answer)
    }
}

/// Cuts an answer after the attempt that takes it over so many bytes.
fn within(mut attempts: Attempts, most: Option<u32>) -> Attempts {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(page::MAX_BYTES);
    let mut bytes: usize = 0;
    let end = attempts.rows.iter().position(|row| {
        bytes = bytes.saturating_add(row.response.len()).saturating_add(row.url.len());
        bytes >= most
    });
    if let Some(count) = end.map(|end| end.saturating_add(1)).filter(|count| *count < attempts.rows.len()) {
        attempts.rows.truncate(count);
        attempts.stopped_at = attempts.rows.last().map(|row| row.id.clone());
    }
    attempts
}

/// Whether an attempt passes the query's filters.
fn passes(attempt: &Recorded, query: &AttemptQuery) -> bool {
    let Recorded { of, how, .. } = attempt;
    let class = how.code.checked_div(100).unwrap_or(0).saturating_mul(100);
    query.status.is_none_or(|status| status.number() == how.status)
        && query.status_code_class.is_none_or(|wanted| wanted == class)
        && (query.event_types.is_empty() || query.event_types.contains(&of.event_type))
        && query.before.is_none_or(|before| how.started_at < before)
        && query.after.is_none_or(|after| how.started_at > after)
        && query
            .channel
            .as_ref()
            .is_none_or(|channel| parse_channels(of.channels.as_deref()).contains(channel))
}

fn row(attempt: Recorded, detail: Detail, endpoint_id: &str) -> AttemptRow {
    let Recorded { id, of, how, url, .. } = attempt;
    AttemptRow {
        id,
        msg_id: of.msg_id,
        endpoint_id: endpoint_id.to_owned(),
        url,
        response: detail.response.as_ref().to_owned(),
        code: how.code,
        duration_ms: how.duration_ms,
        status: how.status,
        manual: of.manual,
        started_at: how.started_at,
        plugins: detail.plugins,
        headers: None,
    }
}
