//! What the object tells of its attempts.

use super::Endpoint;
use super::record::prompt_limit;
use super::stats::Totals;
use crate::api::model::attempt::AttemptQuery;
use crate::api::page;
use crate::filter::parse_channels;
use crate::frame::{AttemptRow, Attempts, AttemptsAsk, StatsAnswer, StatsAsk};
use crate::id;
use crate::sql::{Row, Sql, SqlError, Value};

/// How many rows are read in one step while filtering.
const PAGE: i64 = 256;
/// At most so many rows are looked at for one page: a filter that matches little ends early, and the caller
/// goes on from the last row looked at.
const LOOK_MAX: i64 = 4096;

/// An attempt has its id by then after its start: a request may take 30 seconds.
const RECORDED_WITHIN_MS: i64 = 600_000;

/// A statement about attempts. The response is with one of those that went in the same request.
macro_rules! select {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT id, msg_id, url,
                coalesce(response, (SELECT h.response FROM delivery h WHERE h.slot = 0 AND h.id = delivery.shared)),
                code, duration, status, manual, started_at, plugins, ",
            $columns,
            " FROM delivery WHERE ",
            $rest
        )
    };
}

const COLUMNS_LATEST_FIRST: &str =
    select!("event_type, channels", "slot = 0 AND id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3");
const COLUMNS_EARLIEST_FIRST: &str =
    select!("event_type, channels", "slot = 0 AND id > ?1 AND id < ?2 ORDER BY id LIMIT ?3");
const OF_MESSAGE: &str = concat!(
    select!("event_type, channels", "slot = 0 AND id >= ?2 AND id < ?3 AND msg_id = ?1 AND late IS NULL"),
    " UNION ALL ",
    select!("event_type, channels", "late = ?1 AND slot = 0 ORDER BY 1")
);

impl<S: Sql> Endpoint<S> {
    /// Attempts for a list of the API, in the order in which its page is read, up to one more than its limit.
    pub fn attempts(&self, ask: &AttemptsAsk) -> Result<Attempts, SqlError> {
        let endpoint_id = self.active.as_ref().map(|a| a.config.endpoint_id.clone()).unwrap_or_default();
        if let Some(attempt_id) = &ask.attempt_id {
            let rows =
                self.sql.query(select!("headers", "slot = 0 AND id = ?1"), &[Value::Text(attempt_id)])?;
            // Only who asks for one attempt is told its headers.
            let whole = |mut row: Row| {
                let headers = row.opt_text(10)?;
                Ok(AttemptRow { headers, ..read(row, &endpoint_id)? })
            };
            let rows = rows.into_iter().map(whole).collect::<Result<Vec<_>, SqlError>>()?;
            let mine = |row: &AttemptRow| ask.msg_id.as_ref().is_none_or(|id| *id == row.msg_id);
            return Ok(Attempts { rows: rows.into_iter().filter(mine).collect(), stopped_at: None });
        }
        // The App has read the same query before: it is well formed.
        let query = AttemptQuery::parse(&ask.query).map_err(|e| SqlError(e.to_string()))?;
        let attempts = match &ask.msg_id {
            Some(msg_id) => {
                Attempts { rows: self.of_message(msg_id, &query, &endpoint_id)?, stopped_at: None }
            }
            None => self.of_all(&query, &endpoint_id)?,
        };
        Ok(within(attempts, ask.bytes))
    }

    fn of_message(
        &self,
        msg_id: &str,
        query: &AttemptQuery,
        endpoint_id: &str,
    ) -> Result<Vec<AttemptRow>, SqlError> {
        let from = id::floor(id::ATTEMPT, id::millis(id::MESSAGE, msg_id).unwrap_or(0));
        // The prompt ones are found by time, the late ones by the index; see the schema.
        let rows = self.sql.query(
            OF_MESSAGE,
            &[Value::Text(msg_id), Value::Text(&from), Value::Text(&prompt_limit(msg_id))],
        )?;
        let mut found = Vec::new();
        for row in rows {
            let (row, passes) = keep(row, query, endpoint_id)?;
            if passes {
                found.push(row);
            }
        }
        if !query.page.reads_ascending() {
            found.reverse();
        }
        let beyond = |row: &AttemptRow| {
            if query.page.reads_ascending() {
                row.id.as_str() > query.page.from()
            } else {
                row.id.as_str() < query.page.from()
            }
        };
        found.retain(beyond);
        found.truncate(usize::try_from(query.page.probe()).unwrap_or(usize::MAX));
        Ok(found)
    }

    fn of_all(&self, query: &AttemptQuery, endpoint_id: &str) -> Result<Attempts, SqlError> {
        let ascending = query.page.reads_ascending();
        let wanted = usize::try_from(query.page.probe()).unwrap_or(usize::MAX);
        let mut at = query.page.from().to_owned();
        let mut found = Vec::new();
        let mut looked: i64 = 0;
        // Times are those of the start, a little before the id's own.
        let lowest = query.after.map_or_else(String::new, |after| id::floor(id::ATTEMPT, after));
        let highest = query.before.map_or_else(
            || "~".to_owned(),
            |before| id::floor(id::ATTEMPT, before.saturating_add(RECORDED_WITHIN_MS)),
        );
        at = if ascending { at.max(lowest.clone()) } else { at.min(highest.clone()) };
        let mut ended = false;
        while found.len() < wanted && looked < LOOK_MAX && !ended {
            let (sql, other) = if ascending {
                (COLUMNS_EARLIEST_FIRST, highest.as_str())
            } else {
                (COLUMNS_LATEST_FIRST, lowest.as_str())
            };
            let rows = self.sql.query(sql, &[Value::Text(&at), Value::Text(other), Value::Int(PAGE)])?;
            let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            looked = looked.saturating_add(count);
            ended = count < PAGE;
            for row in rows {
                let (row, passes) = keep(row, query, endpoint_id)?;
                at.clone_from(&row.id);
                if passes {
                    found.push(row);
                    if found.len() >= wanted {
                        break;
                    }
                }
            }
        }
        let stopped_at = (!ended && found.len() < wanted).then_some(at);
        Ok(Attempts { rows: found, stopped_at })
    }

    /// Attempts in a period (to the hour), and what waits now. Where the hours are asked for, also the time of the
    /// oldest message that waits.
    pub fn statistics(&self, now: i64, ask: &StatsAsk) -> Result<StatsAnswer, SqlError> {
        let Totals { success, fail, exhausted, filtered } =
            self.stats.totals(&self.sql, ask.since, ask.until)?;
        let rows = self.sql.query(
            "SELECT coalesce(sum(attempt = 0), 0), coalesce(sum(attempt > 0), 0), min(msg_id)
             FROM delivery WHERE slot > 0",
            &[],
        )?;
        let open_until = self.breaker.told(now);
        let mut answer =
            StatsAnswer { success, fail, exhausted, filtered, open_until, ..StatsAnswer::default() };
        if let Some(mut row) = rows.into_iter().next() {
            (answer.pending, answer.sending) = (row.int(0)?, row.int(1)?);
            answer.oldest = row.opt_text(2)?.and_then(|oldest| id::millis(id::MESSAGE, &oldest));
        }
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

/// The row, and whether it passes the query's filters.
fn keep(mut row: Row, query: &AttemptQuery, endpoint_id: &str) -> Result<(AttemptRow, bool), SqlError> {
    let event_type = row.text(10)?;
    let channels = parse_channels(row.opt_text(11)?.as_deref());
    let row = read(row, endpoint_id)?;
    let class = row.code.checked_div(100).unwrap_or(0).saturating_mul(100);
    let passes = query.status.is_none_or(|status| status.number() == row.status)
        && query.status_code_class.is_none_or(|wanted| wanted == class)
        && query.channel.as_ref().is_none_or(|channel| channels.contains(channel))
        && (query.event_types.is_empty() || query.event_types.contains(&event_type))
        && query.before.is_none_or(|before| row.started_at < before)
        && query.after.is_none_or(|after| row.started_at > after);
    Ok((row, passes))
}

fn read(mut row: Row, endpoint_id: &str) -> Result<AttemptRow, SqlError> {
    Ok(AttemptRow {
        id: row.text(0)?,
        msg_id: row.text(1)?,
        endpoint_id: endpoint_id.to_owned(),
        url: row.text(2)?,
        response: row.opt_text(3)?.unwrap_or_default(),
        code: u16::try_from(row.int(4)?).unwrap_or(0),
        duration_ms: row.int(5)?,
        status: row.int(6)?,
        manual: row.flag(7)?,
        started_at: row.int(8)?,
        plugins: row.opt_text(9)?,
        headers: None,
    })
}
