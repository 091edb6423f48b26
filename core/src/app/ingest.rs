//! What comes in at a source: stored once within the source's window, as fast as the source wants it.

use super::accept::Group;
use super::{App, Effects};
use crate::frame::{Accepted, IngestAsk, Ingested, NewMessage};
use crate::pace::Pace;
use crate::rng::Entropy;
use crate::source::Gate;
use crate::sql::{Sql, SqlError, Value};

impl<S: Sql> App<S> {
    /// Stores the events of one request, and notes which rejected one it was, where somebody accepted it by hand.
    pub fn ingest(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: IngestAsk,
    ) -> Result<(Ingested, Effects), SqlError> {
        let IngestAsk { mut messages, rejected } = ask;
        // It is one request, however many events it has; and what somebody accepts by hand has come already.
        let first = messages.first().and_then(|message| message.ingest.as_ref());
        let rate = first.and_then(|ingest| ingest.rate).filter(|_| rejected.is_none());
        if let Some(limited) = self.limit(now, rate) {
            let answers = messages.iter().map(|_| limited.clone()).collect();
            return Ok((Ingested { answers }, Effects::default()));
        }
        for ingest in messages.iter_mut().filter_map(|message| message.ingest.as_mut()) {
            ingest.rate = None;
        }
        let (answers, mut effects) = self.accept(now, rng, messages)?;
        if let Some(rejected) = &rejected {
            self.note_accepted(rejected, &answers)?;
        }
        self.arm(now, &mut effects);
        Ok((Ingested { answers }, effects))
    }

    /// Refuses a request where there were too many before it.
    pub(super) fn limit(&mut self, now: i64, rate: Option<(u32, i64)>) -> Option<Accepted> {
        let (limit, window_ms) = rate?;
        let pace = Pace { limit, window_ms };
        let gate = self.gate.get_or_insert_with(|| Gate::new(pace));
        gate.set_pace(pace);
        gate.enter(now).err().map(|wait_ms| Accepted::Limited { wait_ms })
    }

    /// The answer for an event that came before, where that is remembered.
    pub(super) fn came_before(
        &self,
        now: i64,
        event_id: &str,
        dedup_ms: i64,
        group: &Group,
    ) -> Result<Option<Accepted>, SqlError> {
        if dedup_ms <= 0 {
            return Ok(None);
        }
        let replayed = |id: String, at: i64| Accepted::Stored { id, at, replayed: true };
        if let Some(id) = group.id_of(event_id) {
            return Ok(Some(replayed(id.to_owned(), now)));
        }
        let rows = self.sql.query(
            "SELECT id, created_at FROM message WHERE event_id = ?1 ORDER BY id DESC LIMIT 1",
            &[Value::Text(event_id)],
        )?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let at = row.int(1)?;
        let remembered = now.saturating_sub(at) < dedup_ms;
        Ok(if remembered { Some(replayed(row.text(0)?, at)) } else { None })
    }

    pub(super) fn insert_ingested(&self, id: &str, now: i64, message: &NewMessage) -> Result<(), SqlError> {
        let ingest = message.ingest.as_ref();
        let headers = ingest.filter(|ingest| !ingest.headers.is_empty());
        let headers = headers.and_then(|ingest| serde_json::to_string(&ingest.headers).ok());
        self.sql.exec(
            "INSERT INTO message (id, created_at, event_type, event_id, payload, origin, headers, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            &[
                Value::Text(id),
                Value::Int(now),
                Value::Text(&message.event_type),
                Value::opt_text(message.event_id.as_deref()),
                Value::Blob(&message.payload),
                Value::opt_text(ingest.map(|ingest| ingest.origin.as_str())),
                Value::opt_text(headers.as_deref()),
                Value::opt_blob(ingest.and_then(|ingest| ingest.raw.as_deref())),
            ],
        )
    }
}
