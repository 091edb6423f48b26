//! The attempts that were made: all SQL on them is here.
//!
//! What is recorded together is one row, a *segment* (`segment.rs`), in a table of its period (`periods.rs`). Attempts have
//! ids that rise, so segments are in the order of their attempts and none overlaps another; a segment's key is the number of
//! its first attempt's id.
//!
//! - An attempt is found by its id: in the last segment that starts at or before it.
//! - The attempts of a message are found by its time: most are recorded within [`PROMPT_MS`] of it. Where one is not, its
//!   period has a table that names the segment: one row for late attempts of messages that were accepted in close succession,
//!   as those of a backlog are.
//! - The newest segment has the object's [`Checkpoint`]: statistics, the circuit breaker and whatever else changes with every
//!   attempt cost no rows of their own.
//!
//! [`History::add`] gathers attempts, [`History::commit`] writes them; both in the same turn.

mod periods;
pub(super) mod segment;
#[cfg(test)]
mod tests;

use super::breaker::Breaker;
use super::standing::Reported;
use super::stats::HourCounts;
use crate::frame;
use crate::id::{self, KEY_MAX};
use crate::sql::{Sql, SqlError, Value, numbered};
use minicbor::{Decode, Encode};
use periods::Periods;
use segment::{Builder, Detail, Recorded};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Attempts recorded so soon after their message's acceptance are found by time, without a row that says where.
pub(super) const PROMPT_MS: i64 = 5_000;
/// The messages of late attempts that share a row were accepted within this time. A longer one would save few rows, and a
/// message's attempts would be looked for in more segments that have none.
const RUN_MS: i64 = 500;
/// At most so many attempts are looked at for one page: a filter that matches little ends early, and the caller goes on
/// from the last one looked at.
const LOOK_MAX: usize = 4096;
/// A page ends when so many bytes of bodies have to be read for it.
const BODIES_MAX: u64 = 4 * 1024 * 1024;
/// So many segments are read in the first step of a search; each further step reads twice as many, up to [`STEP_MAX`].
const STEP: usize = 16;
const STEP_MAX: usize = 128;
/// At most so many periods are dropped in one step.
const DROPS_MAX: usize = 8;

/// What changes with every attempt, as it was after the newest.
#[derive(Debug, Default, Encode, Decode)]
pub(super) struct Checkpoint {
    /// Counts that no row of the statistics includes yet.
    #[n(0)]
    pub(super) hours: Vec<HourCounts>,
    #[n(1)]
    pub(super) breaker: Breaker,
    /// Since when every attempt failed.
    #[n(2)]
    pub(super) failing_since: Option<i64>,
    /// The newest message with an attempt that nobody asked for by hand.
    #[n(3)]
    pub(super) newest: Option<String>,
    /// Bytes in the newest period's table.
    #[n(4)]
    pub(super) bytes: u64,
    /// Groups of deliveries that have ended; see `due.rs`.
    #[n(5)]
    pub(super) ended: Vec<i64>,
    /// The standing that was reported last.
    #[n(6)]
    pub(super) reported: Reported,
}

/// A checkpoint that was written without an attempt, and after which one.
#[derive(Debug, Encode, Decode)]
struct Saved {
    #[n(0)]
    after: i64,
    #[n(1)]
    checkpoint: Checkpoint,
}

/// Which attempts a search is for, and in which order.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// Later than this id, or than all.
    pub(super) after: String,
    /// Earlier than this id.
    pub(super) before: String,
    pub(super) ascending: bool,
}

/// What a search found.
pub(super) struct Found {
    pub(super) attempts: Vec<Whole>,
    /// Where it ended, when enough was looked at or read before it had all.
    pub(super) stopped_at: Option<String>,
}

/// An attempt, and what belongs to it.
type Whole = (Recorded, Detail);

/// A segment without its body.
struct Segment {
    key: i64,
    recorded: Vec<Recorded>,
    /// Bytes of its body.
    body: u64,
}

/// The attempts of one object.
#[derive(Default)]
pub(super) struct History {
    periods: Periods,
    pending: Vec<Whole>,
    /// The number of the newest attempt's id.
    newest: i64,
    /// The newest message that was attempted without being asked for by hand.
    newest_message: Option<String>,
    /// Bytes in the newest period's table.
    bytes: u64,
    /// The start of the oldest period, and its newest attempt's number, once known.
    closed: Option<(i64, i64)>,
}

impl History {
    /// Reads where it stands: the id of the newest attempt, and the newest checkpoint.
    pub(super) fn open(sql: &impl Sql) -> Result<(Self, Option<String>, Checkpoint), SqlError> {
        let periods = Periods::load(sql)?;
        let mut this = Self { periods, ..Self::default() };
        let (mut last, mut checkpoint) = (None, Checkpoint::default());
        if let Some(period) = this.periods.newest() {
            let newest =
                numbered("SELECT key, head, state FROM attempts_# ORDER BY key DESC LIMIT 1", period.table);
            for mut row in sql.query(newest, &[])? {
                last = segment::recorded(&row.blob(1)?)?.pop().map(|attempt| attempt.id);
                this.newest = last.as_deref().map_or(row.int(0), |id| Ok(number(id)))?;
                checkpoint = frame::decode(&row.blob(2)?).map_err(SqlError)?;
            }
        }
        for mut row in sql.query("SELECT v FROM meta WHERE k = 'checkpoint'", &[])? {
            let saved: Saved = frame::decode(&row.blob(0)?).map_err(SqlError)?;
            if saved.after >= this.newest {
                this.newest = saved.after;
                checkpoint = saved.checkpoint;
            }
        }
        this.bytes = checkpoint.bytes;
        this.newest_message.clone_from(&checkpoint.newest);
        Ok((this, last, checkpoint))
    }

    /// Writes the checkpoint where no attempt does.
    pub(super) fn save(&self, sql: &impl Sql, checkpoint: Checkpoint) -> Result<(), SqlError> {
        let saved = Saved { after: self.newest, checkpoint: self.completed(checkpoint) };
        sql.exec(
            "INSERT INTO meta (k, v) VALUES ('checkpoint', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&saved))],
        )
    }

    fn completed(&self, checkpoint: Checkpoint) -> Checkpoint {
        Checkpoint { newest: self.newest_message.clone(), bytes: self.bytes, ..checkpoint }
    }

    /// The newest message that was attempted without being asked for by hand.
    pub(super) fn newest_message(&self) -> Option<&str> {
        self.newest_message.as_deref()
    }

    /// The number of the newest attempt's id; 0 before the first.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// Gathers an attempt, which must be later than those before it.
    pub(super) fn add(&mut self, recorded: Recorded, detail: Detail) {
        let of = &recorded.of;
        if !of.manual && self.newest_message.as_ref().is_none_or(|newest| *newest < of.msg_id) {
            self.newest_message = Some(of.msg_id.clone());
        }
        self.newest = number(&recorded.id);
        self.pending.push((recorded, detail));
    }

    /// Whether attempts wait for [`History::commit`].
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes what was gathered, and the checkpoint with it.
    pub(super) fn commit(
        &mut self,
        sql: &impl Sql,
        retention_ms: i64,
        checkpoint: Checkpoint,
    ) -> Result<(), SqlError> {
        let mut pending = std::mem::take(&mut self.pending).into_iter().peekable();
        let mut checkpoint = Some(checkpoint);
        while pending.peek().is_some() {
            let mut builder = Builder::default();
            let mut late = BTreeSet::new();
            let mut first = None;
            while !builder.is_full()
                && let Some((recorded, detail)) = pending.next()
            {
                builder.add(&recorded, &detail);
                first.get_or_insert_with(|| recorded.id.clone());
                if is_late(&recorded) {
                    late.insert(message_number(&recorded.of.msg_id));
                }
            }
            let first = first.unwrap_or_default();
            let (head, body) = builder.frames();
            let at = id::millis(id::ATTEMPT, &first).unwrap_or(0);
            let key = number(&first);
            let (table, begins) = self.periods.for_new(sql, (key, at), self.bytes, retention_ms)?;
            let bytes = u64::try_from(head.len().saturating_add(body.len())).unwrap_or(u64::MAX);
            self.bytes = if begins { bytes } else { self.bytes.saturating_add(bytes) };
            let state = match pending.peek() {
                Some(_) => Vec::new(),
                None => frame::encode(&self.completed(checkpoint.take().unwrap_or_default())),
            };
            sql.exec(
                numbered("INSERT INTO attempts_# (key, head, state, body) VALUES (?1, ?2, ?3, ?4)", table),
                &[Value::Int(key), Value::Blob(&head), Value::Blob(&state), Value::Blob(&body)],
            )?;
            if !late.is_empty() {
                self.periods.note_late(sql, key, &pairs(&runs(&late))?)?;
            }
        }
        Ok(())
    }

    /// The key of the segment that has an attempt with this number, or would have it.
    fn segment_of(&self, sql: &impl Sql, number: i64) -> Result<Option<i64>, SqlError> {
        let Some(period) = self.periods.of(number) else { return Ok(None) };
        let last = numbered("SELECT max(key) FROM attempts_# WHERE key <= ?1", period.table);
        sql.query(last, &[Value::Int(number)])?.first().map_or(Ok(None), |row| row.opt_int(0))
    }

    /// Up to so many segments, by their keys, without their bodies.
    fn segments(
        &self,
        sql: &impl Sql,
        (low, high): (i64, i64),
        ascending: bool,
        most: usize,
    ) -> Result<Vec<Segment>, SqlError> {
        let mut found: Vec<Segment> = Vec::new();
        let periods = self.periods.between(low, high);
        let periods: Box<dyn Iterator<Item = _>> =
            if ascending { Box::new(periods) } else { Box::new(periods.rev()) };
        for period in periods {
            let left = most.saturating_sub(found.len());
            if left == 0 {
                break;
            }
            let template = if ascending {
                "SELECT key, head, length(body) FROM attempts_# WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3"
            } else {
                "SELECT key, head, length(body) FROM attempts_# WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT ?3"
            };
            let left = Value::Int(u32::try_from(left).unwrap_or(u32::MAX).into());
            for mut row in
                sql.query(numbered(template, period.table), &[Value::Int(low), Value::Int(high), left])?
            {
                let body = u64::try_from(row.int(2)?).unwrap_or(0);
                found.push(Segment { key: row.int(0)?, recorded: segment::recorded(&row.blob(1)?)?, body });
            }
        }
        Ok(found)
    }

    /// Hands out attempts in order, until `take` breaks off with what stopped it.
    fn walk<T>(
        &self,
        sql: &impl Sql,
        range: &Range,
        mut take: impl FnMut(&Segment, usize) -> Option<T>,
    ) -> Result<Option<T>, SqlError> {
        let after = id::bound(id::ATTEMPT, &range.after, false);
        let mut low = self.segment_of(sql, after)?.unwrap_or(0);
        let mut high = id::bound(id::ATTEMPT, &range.before, true);
        let mut step = STEP;
        loop {
            let segments = self.segments(sql, (low, high), range.ascending, step)?;
            for segment in &segments {
                let count = segment.recorded.len();
                for n in 0..count {
                    let at = if range.ascending { n } else { count.saturating_sub(n).saturating_sub(1) };
                    let within = segment
                        .recorded
                        .get(at)
                        .is_some_and(|attempt| attempt.id > range.after && attempt.id < range.before);
                    if within && let Some(stopped) = take(segment, at) {
                        return Ok(Some(stopped));
                    }
                }
            }
            let Some(last) = segments.last().filter(|_| segments.len() >= step) else { return Ok(None) };
            if range.ascending {
                low = last.key.saturating_add(1);
            } else {
                high = last.key.saturating_sub(1);
            }
            step = step.saturating_mul(2).min(STEP_MAX);
        }
    }

    /// The attempts of a range that pass, up to so many.
    pub(super) fn page(
        &self,
        sql: &impl Sql,
        range: &Range,
        most: usize,
        passes: impl Fn(&Recorded) -> bool,
    ) -> Result<Found, SqlError> {
        let (mut hits, mut looked, mut bodies) = (Vec::new(), 0usize, BTreeMap::new());
        let stopped_at = self.walk(sql, range, |segment, at| {
            let attempt = segment.recorded.get(at)?;
            looked = looked.saturating_add(1);
            if passes(attempt) {
                bodies.insert(segment.key, segment.body);
                hits.push((segment.key, at, attempt.clone()));
                if hits.len() >= most {
                    return Some(None);
                }
            }
            let read = bodies.values().fold(0u64, |sum, body| sum.saturating_add(*body));
            (looked >= LOOK_MAX || read >= BODIES_MAX).then(|| Some(attempt.id.clone()))
        })?;
        let keys: Vec<i64> = bodies.into_keys().collect();
        let details = self.details(sql, &keys)?;
        let whole = |(key, at, attempt): (i64, usize, Recorded)| {
            let detail = details.get(&key).and_then(|all| all.get(at)).cloned();
            (attempt, detail.unwrap_or_else(Detail::none))
        };
        Ok(Found { attempts: hits.into_iter().map(whole).collect(), stopped_at: stopped_at.flatten() })
    }

    /// Up to so many attempts of a range, in order, and whether these are all.
    pub(super) fn range(
        &self,
        sql: &impl Sql,
        range: &Range,
        most: usize,
    ) -> Result<(Vec<Recorded>, bool), SqlError> {
        let mut found = Vec::new();
        let stopped = self.walk(sql, range, |segment, at| {
            found.extend(segment.recorded.get(at).cloned());
            (found.len() >= most).then_some(())
        })?;
        Ok((found, stopped.is_none()))
    }

    /// What belongs to segments' attempts, by the segments' keys.
    fn details(&self, sql: &impl Sql, keys: &[i64]) -> Result<BTreeMap<i64, Vec<Detail>>, SqlError> {
        let mut of_periods: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        for key in keys {
            if let Some(period) = self.periods.of(*key) {
                of_periods.entry(period.table).or_default().push(*key);
            }
        }
        let mut found = BTreeMap::new();
        for (table, keys) in of_periods {
            let keys = serde_json::to_string(&keys).map_err(|error| SqlError(error.to_string()))?;
            let bodies = numbered(
                "SELECT key, body FROM attempts_# WHERE key IN (SELECT value FROM json_each(?1))",
                table,
            );
            for mut row in sql.query(bodies, &[Value::Text(&keys)])? {
                found.insert(row.int(0)?, segment::details(&row.blob(1)?)?);
            }
        }
        Ok(found)
    }

    /// The segment that has an attempt, and the attempt's place in it.
    fn find(&self, sql: &impl Sql, attempt_id: &str) -> Result<Option<(Segment, usize)>, SqlError> {
        let Some(number) = id::key(id::ATTEMPT, attempt_id) else { return Ok(None) };
        let Some(key) = self.segment_of(sql, number)? else { return Ok(None) };
        let segment = self.segments(sql, (key, key), true, 1)?.pop();
        Ok(segment.and_then(|segment| {
            let at = segment.recorded.iter().position(|attempt| attempt.id == attempt_id)?;
            Some((segment, at))
        }))
    }

    /// One attempt.
    pub(super) fn one(
        &self,
        sql: &impl Sql,
        attempt_id: &str,
    ) -> Result<Option<(Recorded, Detail)>, SqlError> {
        let Some((mut segment, at)) = self.find(sql, attempt_id)? else { return Ok(None) };
        let mut details = self.details(sql, &[segment.key])?.remove(&segment.key).unwrap_or_default();
        let detail = if at < details.len() { details.swap_remove(at) } else { Detail::none() };
        Ok((at < segment.recorded.len()).then(|| (segment.recorded.swap_remove(at), detail)))
    }

    /// Replaces what a receiver answered to an attempt by this text, for all attempts of the same request. Whether there is
    /// such an attempt of this message.
    pub(super) fn expunge(
        &self,
        sql: &impl Sql,
        (attempt_id, msg_id): (&str, &str),
        text: &str,
    ) -> Result<bool, SqlError> {
        let Some((segment, at)) = self.find(sql, attempt_id)? else { return Ok(false) };
        if segment.recorded.get(at).is_none_or(|attempt| attempt.of.msg_id != msg_id) {
            return Ok(false);
        }
        let mut details = self.details(sql, &[segment.key])?.remove(&segment.key).unwrap_or_default();
        let Some(response) = details.get(at).map(|detail| detail.response.clone()) else { return Ok(false) };
        let expunged: std::rc::Rc<str> = text.into();
        for (n, detail) in details.iter_mut().enumerate() {
            if std::rc::Rc::ptr_eq(&detail.response, &response) {
                detail.response = expunged.clone();
                detail.headers = None;
            }
            if n == at {
                detail.headers = None;
            }
        }
        let (_, body) = segment::rebuilt(&segment.recorded, &details);
        if let Some(period) = self.periods.of(segment.key) {
            sql.exec(
                numbered("UPDATE attempts_# SET body = ?2 WHERE key = ?1", period.table),
                &[Value::Int(segment.key), Value::Blob(&body)],
            )?;
        }
        Ok(true)
    }

    /// The attempts of these messages, in no order.
    pub(super) fn of_messages(&self, sql: &impl Sql, ids: &[&str]) -> Result<Vec<Recorded>, SqlError> {
        let wanted: BTreeSet<&str> = ids.iter().copied().collect();
        let mut segments: BTreeMap<i64, Segment> = BTreeMap::new();
        for (from, to) in windows(&wanted) {
            let Some(low) = self.segment_of(sql, from)?.or(self.first()) else { continue };
            for segment in self.segments(sql, (low, to), true, usize::MAX)? {
                segments.insert(segment.key, segment);
            }
        }
        let oldest = wanted.first().and_then(|oldest| id::millis(id::MESSAGE, oldest)).unwrap_or(0);
        let reach = |number: i64| (floor(time_of(number).saturating_sub(RUN_MS)), number);
        let numbers: BTreeSet<i64> = wanted.iter().map(|id| message_number(id)).collect();
        let text = pairs(&numbers.into_iter().map(reach).collect::<Vec<_>>())?;
        for period in self.periods.between(floor(oldest), KEY_MAX).filter(|period| period.late) {
            let late = numbered(
                "SELECT DISTINCT late.key FROM json_each(?1) AS wanted CROSS JOIN late_# AS late
                 ON late.first BETWEEN wanted.value ->> 0 AND wanted.value ->> 1
                 WHERE late.last >= wanted.value ->> 1",
                period.table,
            );
            for row in sql.query(late, &[Value::Text(&text)])? {
                let key = row.int(0)?;
                if !segments.contains_key(&key) {
                    segments.extend(self.segments(sql, (key, key), true, 1)?.pop().map(|it| (key, it)));
                }
            }
        }
        let all = segments.into_values().flat_map(|segment| segment.recorded);
        Ok(all.filter(|attempt| wanted.contains(attempt.of.msg_id.as_str())).collect())
    }

    /// Attempts with what belongs to them.
    pub(super) fn with_details(
        &self,
        sql: &impl Sql,
        attempts: Vec<Recorded>,
    ) -> Result<Vec<(Recorded, Detail)>, SqlError> {
        let mut whole = Vec::with_capacity(attempts.len());
        for attempt in attempts {
            whole.extend(self.one(sql, &attempt.id)?);
        }
        Ok(whole)
    }

    /// The messages that were attempted after the attempt with this number without being asked for by hand, each with the
    /// number of its newest attempt.
    pub(super) fn tried_since(&self, sql: &impl Sql, number: i64) -> Result<HashMap<String, i64>, SqlError> {
        let Some(low) = self.segment_of(sql, number)?.or(self.first()) else { return Ok(HashMap::new()) };
        let segments = self.segments(sql, (low, KEY_MAX), true, usize::MAX)?;
        let all = segments.into_iter().flat_map(|segment| segment.recorded);
        Ok(all
            .filter(|attempt| !attempt.of.manual)
            .map(|attempt| (attempt.of.msg_id, self::number(&attempt.id)))
            .filter(|(_, at)| *at > number)
            .collect())
    }

    /// When requests were started, by attempts recorded since this time; those that were started before `since` do not count.
    pub(super) fn starts_since(&self, sql: &impl Sql, since: i64) -> Result<Vec<i64>, SqlError> {
        let range = Range { after: id::floor(id::ATTEMPT, since), before: END.to_owned(), ascending: true };
        let (all, _) = self.range(sql, &range, usize::MAX)?;
        let own = all.into_iter().filter(|attempt| attempt.how.request == segment::Request::Own);
        Ok(own.map(|attempt| attempt.how.started_at).filter(|at| *at >= since).collect())
    }

    /// The newest attempt that made a request of its own: when it was started.
    pub(super) fn newest_start(&self, sql: &impl Sql) -> Result<Option<i64>, SqlError> {
        let all = Range { after: String::new(), before: END.to_owned(), ascending: false };
        self.walk(sql, &all, |segment, at| {
            let attempt = segment.recorded.get(at)?;
            (attempt.how.request == segment::Request::Own).then_some(attempt.how.started_at)
        })
    }

    /// The least id of an attempt that is recorded at this time.
    pub(super) fn floor_id(at: i64) -> String {
        id::floor(id::ATTEMPT, at)
    }

    /// Every segment's key, with its attempts.
    #[cfg(any(test, feature = "memory"))]
    pub(super) fn everything(&self, sql: &impl Sql) -> Result<Vec<(i64, Vec<Whole>)>, SqlError> {
        let segments = self.segments(sql, (0, KEY_MAX), true, usize::MAX)?;
        let keys: Vec<i64> = segments.iter().map(|segment| segment.key).collect();
        let mut details = self.details(sql, &keys)?;
        let whole = |segment: Segment| {
            let details = details.remove(&segment.key).unwrap_or_default();
            (segment.key, segment.recorded.into_iter().zip(details).collect())
        };
        Ok(segments.into_iter().map(whole).collect())
    }

    /// Puts these attempts in the place of a segment's.
    #[cfg(any(test, feature = "memory"))]
    pub(super) fn replace(
        &self,
        sql: &impl Sql,
        key: i64,
        attempts: &[(Recorded, Detail)],
    ) -> Result<(), SqlError> {
        let (recorded, details): (Vec<_>, Vec<_>) = attempts.iter().cloned().unzip();
        let (head, body) = segment::rebuilt(&recorded, &details);
        let Some(period) = self.periods.of(key) else { return Ok(()) };
        sql.exec(
            numbered("UPDATE attempts_# SET head = ?2, body = ?3 WHERE key = ?1", period.table),
            &[Value::Int(key), Value::Blob(&head), Value::Blob(&body)],
        )
    }

    /// Adds segments with these attempts, of which all are older than any that there is, in a period of their own.
    #[cfg(any(test, feature = "memory"))]
    pub(super) fn grow(
        &mut self,
        sql: &impl Sql,
        segments: impl Iterator<Item = Vec<Whole>>,
    ) -> Result<(), SqlError> {
        let (state, mut table) = (frame::encode(&Checkpoint::default()), None);
        for attempts in segments {
            let (recorded, details): (Vec<_>, Vec<_>) = attempts.into_iter().unzip();
            let first = recorded.first().map(|attempt| attempt.id.clone()).unwrap_or_default();
            let (key, at) = (number(&first), id::millis(id::ATTEMPT, &first).unwrap_or(0));
            let table = match table {
                Some(table) => table,
                None => *table.insert(self.periods.for_new(sql, (key, at), u64::MAX, 1)?.0),
            };
            let (head, body) = segment::rebuilt(&recorded, &details);
            sql.exec(
                numbered("INSERT INTO attempts_# (key, head, state, body) VALUES (?1, ?2, ?3, ?4)", table),
                &[Value::Int(key), Value::Blob(&head), Value::Blob(&state), Value::Blob(&body)],
            )?;
        }
        Ok(())
    }

    fn first(&self) -> Option<i64> {
        self.periods.all().first().map(|period| period.start)
    }

    /// Drops periods whose attempts are all older than this number, and says whether it dropped any.
    pub(super) fn purge(&mut self, sql: &impl Sql, before: i64) -> Result<bool, SqlError> {
        let mut dropped = false;
        for _ in 0..DROPS_MAX {
            if self.first_end(sql)?.is_none_or(|end| end >= before) {
                break;
            }
            self.periods.drop_oldest(sql)?;
            dropped = true;
        }
        Ok(dropped)
    }

    /// The number of the oldest period's newest attempt.
    pub(super) fn first_end(&mut self, sql: &impl Sql) -> Result<Option<i64>, SqlError> {
        let [first, _, ..] = self.periods.all() else {
            return Ok(self.periods.newest().map(|_| self.newest));
        };
        // It is closed: it gets no more attempts.
        if let Some((_, end)) = self.closed.filter(|(start, _)| *start == first.start) {
            return Ok(Some(end));
        }
        let newest = numbered("SELECT head FROM attempts_# ORDER BY key DESC LIMIT 1", first.table);
        let mut end = first.start;
        for mut row in sql.query(newest, &[])? {
            end = segment::recorded(&row.blob(0)?)?.last().map_or(end, |attempt| number(&attempt.id));
        }
        self.closed = Some((first.start, end));
        Ok(Some(end))
    }
}

impl Detail {
    /// Where nothing is known.
    fn none() -> Self {
        Self { response: "".into(), headers: None, plugins: None }
    }
}

/// Greater than every id.
pub(super) const END: &str = "~";

fn number(attempt_id: &str) -> i64 {
    id::key(id::ATTEMPT, attempt_id).unwrap_or(0)
}

/// The least number of an attempt that is made at this time.
pub(super) fn floor(at: i64) -> i64 {
    id::key_floor(at)
}

/// When an attempt with this number was recorded.
pub(super) fn time_of(number: i64) -> i64 {
    id::key_millis(number)
}

fn message_number(msg_id: &str) -> i64 {
    id::key(id::MESSAGE, msg_id).unwrap_or(0)
}

/// The first and the last of messages in close succession, by their numbers.
fn runs(numbers: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some((first, last)) if time_of(*number).saturating_sub(time_of(*first)) <= RUN_MS => {
                *last = *number;
            }
            _ => all.push((*number, *number)),
        }
    }
    all
}

/// The text of a JSON array of pairs.
fn pairs(all: &[(i64, i64)]) -> Result<String, SqlError> {
    serde_json::to_string(all).map_err(|error| SqlError(error.to_string()))
}

fn is_late(attempt: &Recorded) -> bool {
    let accepted = id::millis(id::MESSAGE, &attempt.of.msg_id).unwrap_or(0);
    number(&attempt.id) >= floor(accepted.saturating_add(PROMPT_MS))
}

/// The numbers that prompt attempts of these messages have: from and to, those that overlap as one.
fn windows(ids: &BTreeSet<&str>) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for at in ids.iter().filter_map(|id| id::millis(id::MESSAGE, id)) {
        let (from, to) = (floor(at), floor(at.saturating_add(PROMPT_MS)));
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}
