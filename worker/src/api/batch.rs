//! Several messages in one request.

use super::{Caller, no_app};
use crate::js::{Repeat, now};
use weir_core::api::body;
use weir_core::api::call::Reply;
use weir_core::api::model::batch::{MessageBatchIn, MessageBatchOut, MessageResultOut};
use weir_core::api::route::Op;
use weir_core::error::{ApiError, Trouble};
use weir_core::frame::{Accepted, BatchAnswer, BatchAsk};
use weir_core::idempotency;
use weir_core::wire::app::AcceptBatch;

impl Caller {
    /// Stores the messages that are valid, and answers with a result for each.
    pub(super) async fn create_batch(&self, key: &str, body: &[u8]) -> Result<Reply, ApiError> {
        body::forget_unknown();
        let batch = MessageBatchIn::parse(body)?;
        let (mut results, mut messages) = (Vec::new(), Vec::new());
        for read in batch.read(now()) {
            match read {
                Ok(message) => {
                    messages.push(self.new_message("", &message, body));
                    results.push(None);
                }
                Err(error) => results.push(Some(MessageResultOut::refused(&error))),
            }
        }
        let warnings = body::take_unknown();
        let idempotency = self.idempotency(Op::MessageBatch, &[], body);
        let answer = self.store_batch(key, BatchAsk { messages, app_uid: None, idempotency }).await?;
        let mut answers = answer.answers.into_iter();
        let mut all = Vec::with_capacity(results.len());
        for result in results {
            let result = match result {
                Some(refused) => refused,
                None => result_of(answers.next())?,
            };
            all.push(result);
        }
        Ok(Reply::json(200, &MessageBatchOut { results: all }).warned(warnings))
    }

    /// Has the App object store them; where it does not know itself, the Directory has the last word.
    async fn store_batch(&self, key: &str, mut ask: BatchAsk) -> Result<BatchAnswer, ApiError> {
        for fresh in [false, true] {
            let (app_id, uid) = self.reach(key, fresh).await?;
            let Some(app_id) = app_id else { return Err(no_app()) };
            for message in &mut ask.messages {
                message.app_uid.clone_from(&uid);
            }
            ask.app_uid = uid;
            let answer = self.call_app::<AcceptBatch>(&app_id, &ask, Repeat::Safe).await?;
            if answer.key_reused {
                return Err(idempotency::reused());
            }
            if answer.known {
                return Ok(answer);
            }
        }
        Err(no_app())
    }
}

fn result_of(answer: Option<Accepted>) -> Result<MessageResultOut, ApiError> {
    let failed = |trouble| Err(ApiError::Unavailable(trouble, "the batch was not stored".to_owned()));
    match answer {
        Some(Accepted::Stored { id, at, .. }) => Ok(MessageResultOut::stored(id, at)),
        Some(Accepted::EventIdTaken) => {
            let error = ApiError::conflict("A message with this eventId exists already.");
            Ok(MessageResultOut::refused(&error))
        }
        Some(Accepted::KeyReused) => Err(idempotency::reused()),
        Some(other) => failed(other.trouble().unwrap_or(Trouble::Failed)),
        None => failed(Trouble::Failed),
    }
}
