//! For tests and the simulator: what an Endpoint object's tables say, read as the object would read them after a start.

use super::due::Store;
use super::history::History;
use super::history::segment::{Detail, How, Of, Recorded, Request};
use crate::sql::{Sql, SqlError};

/// An attempt on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// The message's id.
    pub msg_id: String,
    /// Its number for the delivery.
    pub number: u32,
    /// Whether it was asked for by hand.
    pub manual: bool,
    /// With the API's numbers.
    pub status: i64,
    /// HTTP status, 0 without an answer.
    pub code: u16,
    /// When it was started, and when it ended.
    pub started_at: i64,
    /// See `started_at`.
    pub ended_at: i64,
    /// When the delivery's next attempt is due.
    pub next_at: Option<i64>,
    /// What was answered, or why nothing was.
    pub response: String,
    /// Whether a request was made: plugins did not keep the delivery.
    pub sent: bool,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When it is due.
    pub slot: i64,
    /// Its key.
    pub key: String,
    /// The message's id.
    pub msg_id: String,
    /// Whether it was asked for by hand.
    pub manual: bool,
    /// How many attempts were made.
    pub made: u32,
}

/// All attempts, the oldest first.
///
/// # Errors
/// The tables are not readable.
pub fn attempts(sql: &impl Sql) -> Result<Vec<Seen>, SqlError> {
    let (history, ..) = History::open(sql)?;
    let seen = |(attempt, detail): (Recorded, Detail)| {
        let how = attempt.how;
        Seen {
            id: attempt.id,
            msg_id: attempt.of.msg_id,
            number: attempt.number,
            manual: attempt.of.manual,
            status: how.status,
            code: how.code,
            started_at: how.started_at,
            ended_at: how.started_at.saturating_add(how.duration_ms),
            next_at: how.next_at,
            response: detail.response.as_ref().to_owned(),
            sent: how.request != Request::None,
        }
    };
    Ok(history.everything(sql)?.into_iter().flat_map(|(_, all)| all).map(seen).collect())
}

/// Everything that is due, the longest due first.
///
/// # Errors
/// The tables are not readable.
pub fn due(sql: &impl Sql) -> Result<Vec<Waiting>, SqlError> {
    let (history, _, checkpoint) = History::open(sql)?;
    let all = Store::open(sql, &history, &checkpoint.ended)?.all(sql)?.into_iter();
    let seen = |due: super::due::Due| Waiting {
        slot: due.slot,
        key: due.key,
        msg_id: due.msg_id,
        manual: due.manual,
        made: due.made,
    };
    Ok(all.map(seen).collect())
}

/// Does harm: each attempt gets the status that it is given here, or is lost.
///
/// # Errors
/// The tables cannot be changed.
pub fn harm(sql: &impl Sql, status: impl Fn(i64) -> Option<i64>) -> Result<(), SqlError> {
    let (history, ..) = History::open(sql)?;
    for (key, attempts) in history.everything(sql)? {
        let changed = attempts.into_iter().filter_map(|(mut attempt, detail)| {
            attempt.how.status = status(attempt.how.status)?;
            Some((attempt, detail))
        });
        history.replace(sql, key, &changed.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Adds attempts that succeeded, so many recorded together, which must be older than any that there is: the message of
/// each, and when it was recorded.
///
/// # Errors
/// The tables cannot be changed.
pub fn grow(
    sql: &impl Sql,
    together: usize,
    attempts: impl Iterator<Item = (String, i64)>,
) -> Result<(), SqlError> {
    let (mut history, ..) = History::open(sql)?;
    let of = |(msg_id, at): (String, i64)| {
        let recorded = Recorded {
            id: History::floor_id(at),
            of: Of { msg_id, event_type: "usual".to_owned(), channels: None, manual: false },
            number: 1,
            how: How {
                status: 0,
                code: 200,
                started_at: at.saturating_sub(4),
                duration_ms: 1,
                next_at: None,
                request: Request::Own,
            },
            url: "https://receiver.example.com/".to_owned(),
        };
        (recorded, Detail { response: "ok".into(), headers: None, plugins: None })
    };
    let mut attempts = attempts.map(of).peekable();
    let segments = std::iter::from_fn(|| {
        attempts.peek()?;
        Some(attempts.by_ref().take(together.max(1)).collect::<Vec<_>>())
    });
    history.grow(sql, segments)
}
