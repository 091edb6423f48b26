//! For tests: what a log has, and logs that are filled at once.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use super::segment::{Draft, Entry, Head, New};
use super::{Log, Span};
use crate::frame::{self, NewMessage};
use crate::id;
use crate::sql::{Sql, SqlError, Value, numbered};

/// A message as it is stored, expired or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its id.
    pub id: String,
    /// Whether endpoints are offered it with the log: it has no time of its own.
    pub is_offered: bool,
    /// Whether anything of its payload is stored.
    pub has_content: bool,
    /// The sender's id.
    pub event_id: Option<String>,
}

/// All that an App object's log stores, in the order of ids. A deleted application has none.
pub fn inspect(sql: &impl Sql) -> Vec<Inspected> {
    let exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'log_table'";
    if sql.query(exists, &[]).expect("tables").is_empty() {
        return Vec::new();
    }
    let log = Log::open(sql, 0, i64::MAX).expect("a log");
    let span = Span { after: "", before: "~", ascending: true };
    let mut out = Vec::new();
    let mut at = String::new();
    loop {
        let page = log.page(sql, Span { after: &at, ..span }, usize::MAX).expect("a page");
        for header in page.headers {
            at.clone_from(&header.id);
            out.push(Inspected {
                is_offered: header.deliver_at().is_none(),
                has_content: header.entry.parts != header.entry.parts.without_content(),
                event_id: header.event_id().map(str::to_owned),
                id: header.id,
            });
        }
        if page.end {
            return out;
        }
    }
}

/// Puts messages of the type `usual` before all that the log has, each in a segment of its own: what they were accepted at,
/// from old to new, and the sender's ids. They have the least ids of their times.
pub fn backfill<'a>(
    sql: &impl Sql,
    messages: impl Iterator<Item = (i64, Option<&'a str>)>,
) -> Result<(), SqlError> {
    let mut messages = messages.peekable();
    let Some((first, _)) = messages.peek().copied() else { return Ok(()) };
    let used = sql.query("SELECT number FROM log_table WHERE kind = 'segment'", &[])?;
    let used: Vec<i64> = used.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    let table = (0..=u8::MAX).find(|table| !used.contains(&i64::from(*table))).expect("a table");
    sql.exec(numbered(super::period::CREATE, table), &[])?;
    sql.exec(
        "INSERT INTO log_table (kind, number, start, version) VALUES ('segment', ?1, ?2, 1)",
        &[Value::Int(i64::from(table)), Value::Int(id::key_floor(first))],
    )?;
    let mut message =
        NewMessage { event_type: "usual".into(), payload: b"{}".to_vec().into(), ..NewMessage::default() };
    let mut rings = super::Rings::open(sql, i64::from(u32::MAX))?;
    for (at, event_id) in messages {
        let msg_id = id::floor(id::MESSAGE, at);
        message.event_id = event_id.map(str::to_owned);
        let new = New { id: &msg_id, message: &message, only_for: None };
        let mut draft = Draft::default();
        draft.push(at, &new)?;
        let key = draft.entries.first().map_or(0, Entry::key);
        let head = frame::encode(&Head { at, total: 0, entries: draft.entries });
        sql.exec(
            numbered("INSERT INTO segment_# (key, head, body) VALUES (?1, ?2, ?3)", table),
            &[Value::Int(key), Value::Blob(&head), Value::Blob(&draft.body)],
        )?;
        rings.note(sql, at, &[new])?;
    }
    Ok(())
}
