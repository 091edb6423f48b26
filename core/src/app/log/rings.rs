//! Keys of messages, in rings of tables of which the oldest is dropped: idempotency keys for half a day, in two
//! tables of a day; event ids for as long as messages are kept, in four tables.

use super::Keyed;
use super::segment::New;
use crate::idempotency::Idempotency;
use crate::sql::{Sql, SqlError, Value, numbered};

/// How long an idempotency key is remembered.
pub(super) const IDEMPOTENCY_MS: i64 = 12 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// One kind of ring.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    /// How many tables it has at most.
    tables: u8,
    create: &'static str,
    drop: &'static str,
}

const KEYS: Kind = Kind {
    name: "key",
    tables: 2,
    create: "CREATE TABLE key_# (
        key BLOB PRIMARY KEY,
        body_hash BLOB,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        reply BLOB                 -- of a request with several messages
    ) STRICT, WITHOUT ROWID",
    drop: "DROP TABLE IF EXISTS key_#",
};

const EVENTS: Kind = Kind {
    name: "event",
    tables: 4,
    create: "CREATE TABLE event_# (
        event_id TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    drop: "DROP TABLE IF EXISTS event_#",
};

/// The tables of one kind, the newest first, each with the time from which on it was written to.
#[derive(Debug, Default)]
struct Ring {
    tables: Vec<(u8, i64)>,
    /// For how long a table is written to.
    span_ms: i64,
}

impl Ring {
    fn open(sql: &impl Sql, kind: Kind, span_ms: i64) -> Result<Self, SqlError> {
        let select = "SELECT number, start FROM log_table WHERE kind = ?1 ORDER BY start DESC, number";
        let rows = sql.query(select, &[Value::Text(kind.name)])?;
        let mut tables = Vec::with_capacity(rows.len());
        for row in rows {
            tables.push((u8::try_from(row.int(0)?).unwrap_or(u8::MAX), row.int(1)?));
        }
        Ok(Self { tables, span_ms })
    }

    /// The table to write to. The oldest one is dropped: its keys are too old by then.
    fn take(&mut self, sql: &impl Sql, kind: Kind, now: i64) -> Result<u8, SqlError> {
        if let Some((table, start)) = self.tables.first()
            && now.saturating_sub(*start) < self.span_ms
        {
            return Ok(*table);
        }
        while self.tables.len() >= usize::from(kind.tables) {
            self.drop_oldest(sql, kind)?;
        }
        let free = (0..kind.tables).find(|table| self.tables.iter().all(|(used, _)| used != table));
        let table = free.unwrap_or_default();
        sql.exec(numbered(kind.create, table), &[])?;
        sql.exec(
            "INSERT INTO log_table (kind, number, start, version) VALUES (?1, ?2, ?3, 1)",
            &[Value::Text(kind.name), Value::Int(i64::from(table)), Value::Int(now)],
        )?;
        self.tables.insert(0, (table, now));
        Ok(table)
    }

    fn drop_oldest(&mut self, sql: &impl Sql, kind: Kind) -> Result<(), SqlError> {
        let Some((table, _)) = self.tables.pop() else { return Ok(()) };
        sql.exec(numbered(kind.drop, table), &[])?;
        sql.exec(
            "DELETE FROM log_table WHERE kind = ?1 AND number = ?2",
            &[Value::Text(kind.name), Value::Int(i64::from(table))],
        )
    }

    /// When all keys in the oldest table have expired.
    fn expires_at(&self, remembered_ms: i64) -> Option<i64> {
        let (_, start) = self.tables.last()?;
        let end = match self.tables.iter().rev().nth(1) {
            Some((_, next)) => *next,
            None => start.saturating_add(self.span_ms),
        };
        Some(end.saturating_add(remembered_ms))
    }

    fn purge(&mut self, sql: &impl Sql, kind: Kind, now: i64, remembered_ms: i64) -> Result<(), SqlError> {
        while self.expires_at(remembered_ms).is_some_and(|at| at <= now) {
            self.drop_oldest(sql, kind)?;
        }
        Ok(())
    }

    fn erase(&mut self, sql: &impl Sql, kind: Kind) -> Result<(), SqlError> {
        for (table, _) in self.tables.drain(..) {
            sql.exec(numbered(kind.drop, table), &[])?;
        }
        Ok(())
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Rings {
    keys: Ring,
    events: Ring,
}

macro_rules! rows {
    ($head:literal, $row:literal) => {
        [
            (
                16,
                concat!(
                    $head, $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row,
                    ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row
                ),
            ),
            (4, concat!($head, $row, ",", $row, ",", $row, ",", $row)),
            (1, concat!($head, $row)),
        ]
    };
}

/// Statements for so many rows. A key or event id that was remembered stands for the newer message from then on.
const INSERT_KEYS: [(usize, &str); 3] =
    rows!("INSERT OR REPLACE INTO key_# (key, body_hash, id, at) VALUES ", "(?,?,?,?)");
const INSERT_EVENTS: [(usize, &str); 3] =
    rows!("INSERT OR REPLACE INTO event_# (event_id, id, at) VALUES ", "(?,?,?)");

/// Inserts rows in as few statements as possible: each costs a call to the platform.
fn insert<const N: usize>(
    sql: &impl Sql,
    table: u8,
    statements: &[(usize, &'static str)],
    mut rows: &[[Value<'_>; N]],
) -> Result<(), SqlError> {
    while let Some((count, statement)) = statements.iter().find(|(count, _)| *count <= rows.len()) {
        let Some((these, others)) = rows.split_at_checked(*count) else { break };
        sql.exec(numbered(statement, table), these.as_flattened())?;
        rows = others;
    }
    Ok(())
}

impl Rings {
    pub(super) fn open(sql: &impl Sql, retention_ms: i64) -> Result<Self, SqlError> {
        // Three tables have all that is remembered when a fourth is begun.
        let span = retention_ms.checked_div(i64::from(EVENTS.tables.saturating_sub(1))).unwrap_or(0).max(1);
        Ok(Self { keys: Ring::open(sql, KEYS, DAY_MS)?, events: Ring::open(sql, EVENTS, span)? })
    }

    /// Stores the idempotency keys and event ids of messages.
    pub(super) fn note(&mut self, sql: &impl Sql, now: i64, messages: &[New<'_>]) -> Result<(), SqlError> {
        let keys: Vec<_> = messages
            .iter()
            .filter_map(|new| {
                let key = new.message.idempotency_key.as_deref()?;
                let hash = Value::opt_blob(new.message.body_hash.as_deref());
                Some([Value::Blob(key), hash, Value::Text(new.id), Value::Int(now)])
            })
            .collect();
        if !keys.is_empty() {
            let table = self.keys.take(sql, KEYS, now)?;
            insert(sql, table, &INSERT_KEYS, &keys)?;
        }
        let events: Vec<_> = messages
            .iter()
            .filter_map(|new| {
                let event_id = new.message.event_id.as_deref()?;
                Some([Value::Text(event_id), Value::Text(new.id), Value::Int(now)])
            })
            .collect();
        if !events.is_empty() {
            let table = self.events.take(sql, EVENTS, now)?;
            insert(sql, table, &INSERT_EVENTS, &events)?;
        }
        Ok(())
    }

    /// Stores the reply to a request with several messages.
    pub(super) fn note_reply(
        &mut self,
        sql: &impl Sql,
        now: i64,
        asked: &Idempotency,
        reply: &[u8],
    ) -> Result<(), SqlError> {
        let table = self.keys.take(sql, KEYS, now)?;
        sql.exec(
            numbered(
                "INSERT OR REPLACE INTO key_# (key, body_hash, id, at, reply) VALUES (?1, ?2, '', ?3, ?4)",
                table,
            ),
            &[Value::Blob(&asked.key), Value::Blob(&asked.body), Value::Int(now), Value::Blob(reply)],
        )
    }

    pub(super) fn by_key(&self, sql: &impl Sql, key: &[u8]) -> Result<Option<Keyed>, SqlError> {
        for (table, _) in &self.keys.tables {
            let select = numbered("SELECT id, at, body_hash, reply FROM key_# WHERE key = ?1", *table);
            if let Some(mut row) = sql.query(select, &[Value::Blob(key)])?.into_iter().next() {
                let (body_hash, reply) = (row.opt_blob(2)?, row.opt_blob(3)?);
                return Ok(Some(Keyed { id: row.text(0)?, at: row.int(1)?, body_hash, reply }));
            }
        }
        Ok(None)
    }

    pub(super) fn by_event_id(
        &self,
        sql: &impl Sql,
        event_id: &str,
    ) -> Result<Option<(String, i64)>, SqlError> {
        for (table, _) in &self.events.tables {
            let select = numbered("SELECT id, at FROM event_# WHERE event_id = ?1", *table);
            if let Some(mut row) = sql.query(select, &[Value::Text(event_id)])?.into_iter().next() {
                return Ok(Some((row.text(0)?, row.int(1)?)));
            }
        }
        Ok(None)
    }

    /// When a table with event ids, which may name people, has to go. Keys are hashes: they go with the next purge.
    pub(super) fn expires_at(&self, retention_ms: i64) -> Option<i64> {
        self.events.expires_at(retention_ms)
    }

    pub(super) fn purge(&mut self, sql: &impl Sql, now: i64, retention_ms: i64) -> Result<(), SqlError> {
        self.keys.purge(sql, KEYS, now, IDEMPOTENCY_MS)?;
        self.events.purge(sql, EVENTS, now, retention_ms)
    }

    pub(super) fn erase(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        self.keys.erase(sql, KEYS)?;
        self.events.erase(sql, EVENTS)
    }
}
