//! Reading along the message log, as lists do: in pages, with filters, and never for too long at once.

use crate::api::model::message::MessageQuery;
use crate::filter::parse_channels;
use crate::id;
use crate::sql::{Row, Sql, SqlError, Value};

/// How many rows are read in one step while filtering.
const PAGE: i64 = 256;
/// At most so many rows are looked at for one page; the page then ends early and says where to go on.
const LOOK_MAX: i64 = 4096;

/// A place in the log, and the way that a query reads it.
#[derive(Debug)]
pub(super) struct Scan {
    ascending: bool,
    /// The last message looked at.
    at: String,
    lowest: String,
    highest: String,
    looked: i64,
    ended: bool,
}

impl Scan {
    pub(super) fn new(query: &MessageQuery) -> Self {
        let ascending = query.page.reads_ascending();
        let lowest = query.after.map_or_else(String::new, |after| id::floor(id::MESSAGE, after));
        // An id tells the time to 4 ms: the bound includes the tick of `before`, the exact time decides.
        let highest = query.before.map_or_else(
            || "~".to_owned(),
            |before| id::floor(id::MESSAGE, before.saturating_add(id::RESOLUTION_MS)),
        );
        let from = query.page.from().to_owned();
        let at = if ascending { from.max(lowest.clone()) } else { from.min(highest.clone()) };
        Self { ascending, at, lowest, highest, looked: 0, ended: false }
    }

    /// Whether the log has ended, or enough of it was looked at.
    pub(super) fn is_over(&self) -> bool {
        self.ended || self.looked >= LOOK_MAX
    }

    /// Where to go on another time, if the log has not ended.
    pub(super) fn stopped_at(&self) -> Option<String> {
        (!self.ended).then(|| self.at.clone())
    }

    /// The ids of up to `most` messages of the next step that pass the query's filters.
    pub(super) fn next(
        &mut self,
        sql: &impl Sql,
        query: &MessageQuery,
        most: usize,
    ) -> Result<Vec<String>, SqlError> {
        let rows = if self.ascending {
            sql.query(
                "SELECT id, created_at, event_type, channels, tags FROM message
                 WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
                &[Value::Text(&self.at), Value::Text(&self.highest), Value::Int(PAGE)],
            )?
        } else {
            sql.query(
                "SELECT id, created_at, event_type, channels, tags FROM message
                 WHERE id < ?1 AND id > ?2 ORDER BY id DESC LIMIT ?3",
                &[Value::Text(&self.at), Value::Text(&self.lowest), Value::Int(PAGE)],
            )?
        };
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let mut found = Vec::new();
        for mut row in rows {
            if found.len() >= most {
                return Ok(found);
            }
            self.at = row.text(0)?;
            self.looked = self.looked.saturating_add(1);
            if passes(query, &mut row)? {
                found.push(self.at.clone());
            }
        }
        self.ended = count < PAGE;
        Ok(found)
    }
}

fn passes(query: &MessageQuery, row: &mut Row) -> Result<bool, SqlError> {
    let (at, event_type) = (row.int(1)?, row.text(2)?);
    let channels = parse_channels(row.opt_text(3)?.as_deref());
    let tags = parse_channels(row.opt_text(4)?.as_deref());
    Ok(query.before.is_none_or(|before| at < before)
        && query.after.is_none_or(|after| at > after)
        && (query.event_types.is_empty() || query.event_types.contains(&event_type))
        && query.channel.as_ref().is_none_or(|channel| channels.contains(channel))
        && query.tag.as_ref().is_none_or(|tag| tags.contains(tag)))
}
