//! Requests that a source has rejected: the newest are kept for as long as messages are.

use super::handle::Handled;
use super::{App, Effects, Outcome};
use crate::api::call::{Call, Reply};
use crate::api::page::{Keys, Order, Page, raw};
use crate::api::route::AppOp;
use crate::error::{ApiError, Code};
use crate::frame::{self, Accepted};
use crate::id::{self, Generator};
use crate::rng::Entropy;
use crate::source::rejected::{MAX_LIST, Rejected, RejectedOut};
use crate::sql::{Row, Sql, SqlError, Value};
use serde::Deserialize;
use serde_json::json;

impl<S: Sql> App<S> {
    /// Stores a rejected request; the oldest is deleted if there are too many.
    pub fn keep_rejected(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        kept: &Rejected,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if !self.exists(None) || self.refuses_messages() {
            return Ok(effects);
        }
        // Those of one moment stay in their order.
        let last = self.sql.query("SELECT id FROM rejected ORDER BY id DESC LIMIT 1", &[])?;
        let last = last.into_iter().next().map(|mut row| row.text(0)).transpose()?;
        let id = Generator::new(id::REJECTED, last.as_deref()).next(kept.at, rng);
        self.sql.exec(
            "INSERT INTO rejected (id, frame) VALUES (?1, ?2)",
            &[Value::Text(&id), Value::Blob(&frame::encode(kept))],
        )?;
        self.sql.exec(
            "DELETE FROM rejected WHERE id <= (SELECT id FROM rejected ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            &[Value::Int(MAX_LIST)],
        )?;
        self.note_purge(Some(self.over(now)));
        self.arm(now, &mut effects);
        Ok(effects)
    }

    pub(super) fn list_rejected(&self, call: &Call<AppOp>) -> Handled {
        let page = Page::from_query_ordered(&call.query, Keys::Id(id::REJECTED), Order::Descending)?;
        let sql = if page.reads_ascending() {
            "SELECT id FROM rejected WHERE id > ?1 ORDER BY id LIMIT ?2"
        } else {
            "SELECT id FROM rejected WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
        };
        let rows = self.sql.query(sql, &[Value::Text(page.from()), Value::Int(page.probe())])?;
        let ids = rows.into_iter().map(|mut row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        // One after the other: a request may be large.
        let write = |id: &String| raw(&out(self.rejected_row(id)?, false)?).map(Some);
        Ok(Outcome::Reply(page.answer_with(ids, |id| id, write)?))
    }

    pub(super) fn get_rejected(&self, id: &str) -> Handled {
        Ok(Outcome::Reply(Reply::json(200, &out(self.rejected_row(id)?, true)?)))
    }

    /// A complete rejected request, to be accepted.
    pub(super) fn take_rejected(&self, id: &str) -> Handled {
        let mut row = self.rejected_row(id)?;
        if row.opt_text(2)?.is_some() {
            return Err(ApiError::conflict("This request has already been accepted."));
        }
        let kept = read(&mut row)?;
        if !kept.is_whole() {
            return Err(ApiError::conflict(format!(
                "The request had {} bytes, and only its beginning was kept, so it cannot be accepted. Ask the \
                 provider to resend it.",
                kept.size
            )));
        }
        Ok(Outcome::Reply(Reply::frame(200, &kept)))
    }

    fn rejected_row(&self, id: &str) -> Result<Row, ApiError> {
        let rows =
            self.sql.query("SELECT id, frame, accepted FROM rejected WHERE id = ?1", &[Value::Text(id)])?;
        rows.into_iter().next().ok_or_else(|| ApiError::not_found("Rejected request"))
    }

    /// Records the messages that an accepted request became.
    pub(super) fn note_accepted(&mut self, id: &str, answers: &[Accepted]) -> Result<(), SqlError> {
        let stored = answers.iter().filter_map(|answer| match answer {
            Accepted::Stored { id, .. } => Some(id.as_str()),
            _ => None,
        });
        let messages = json!(stored.collect::<Vec<_>>()).to_string();
        self.sql.exec(
            "UPDATE rejected SET accepted = ?2 WHERE id = ?1",
            &[Value::Text(id), Value::Text(&messages)],
        )
    }

    /// The bytes of a message as they came in, with their content type.
    pub(super) fn raw_message(&self, key: &str) -> Handled {
        let msg_id = self.message_id(key)?;
        let header = self.log.get(&self.sql, &msg_id)?.ok_or_else(|| ApiError::not_found("Message"))?;
        let body = self.log.raw(&self.sql, &header)?.ok_or_else(|| {
            ApiError::new(Code::MissingPayload, "The message's payload is no longer stored.")
        })?;
        let origin = self.log.origin(&self.sql, &header)?;
        let origin = origin.and_then(|text| serde_json::from_str::<Origin>(&text).ok());
        let content_type = origin.and_then(|origin| origin.content_type);
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        Ok(Outcome::Reply(Reply { status: 200, body, content_type: Some(content_type), ..Reply::default() }))
    }
}

/// What is known of the request that a message came with, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    content_type: Option<String>,
}

fn read(row: &mut Row) -> Result<Rejected, SqlError> {
    frame::decode(&row.blob(1)?).map_err(SqlError)
}

fn out(mut row: Row, whole: bool) -> Result<RejectedOut, SqlError> {
    let accepted = row.opt_text(2)?.and_then(|text| serde_json::from_str(&text).ok());
    let kept = read(&mut row)?;
    Ok(RejectedOut::new(row.text(0)?, kept, accepted, whole))
}
