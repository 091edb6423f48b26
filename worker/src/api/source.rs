//! Sources in the API: the Worker reads and seals what comes, the Directory keeps it, and the source's App object answers
//! everything about its endpoints and messages.

use super::auth::origin;
use super::{Caller, internal};
use crate::ingest::{self, Place};
use crate::js::{Repeat, now};
use crate::{directory, settings};
use std::rc::Rc;
use weir_core::api::body;
use weir_core::api::call::{Call, Reply, from_bytes};
use weir_core::api::model::auth::PortalAccessIn;
use weir_core::api::model::source::{AcceptedOut, RotateTokenOut, SourceIn, SourceOut, overlap_ms};
use weir_core::api::page::Rows;
use weir_core::api::route::{Op, Route};
use weir_core::deployment::Deployment;
use weir_core::directory::{SourceRows, source_page};
use weir_core::error::{ApiError, Code};
use weir_core::frame;
use weir_core::id;
use weir_core::idempotency::{self, Idempotency};
use weir_core::rng::System;
use weir_core::source::rejected::Rejected;
use weir_core::source::url::{PREFIX, Signer, Token};
use weir_core::source::{Definition, SourceRecord, SourceRow};
use weir_core::wire;

/// How often a change is tried that others get ahead of.
const TRIES: usize = 5;

impl Caller {
    /// Answers an operation on sources themselves.
    pub(super) async fn source(
        &self,
        url: &str,
        route: &Route,
        query: &str,
        body: &[u8],
    ) -> Result<Reply, ApiError> {
        let key = route.params.first().map_or("", String::as_str);
        let show = |status: u16, row: SourceRow| self.show(url, row).map(|out| Reply::json(status, &out));
        match route.op {
            Op::SourceList => {
                let page = source_page(query)?;
                let call =
                    Call { query: query.to_owned(), ..Self::source_call(Op::SourceList, None, Vec::new()) };
                let reply = self.ask(&call).await?;
                let SourceRows { rows, stopped } = from_bytes(&reply.body)?;
                let rows = rows.into_iter().map(|row| self.show(url, row)).collect::<Result<Vec<_>, _>>()?;
                page.answer(Rows { rows, stopped }, SourceOut::id)
            }
            Op::SourceCreate => {
                body::forget_unknown();
                let new = SourceIn::parse(body)?;
                let warnings = body::take_unknown();
                let idempotency = self.idempotency(Op::SourceCreate, &[], body);
                Ok(show(201, self.create_source(&new, idempotency).await?)?.warned(warnings))
            }
            Op::SourceGet => show(200, self.read_source(key).await?),
            Op::SourceUpdate => {
                body::forget_unknown();
                let mut new = SourceIn::parse(body)?;
                let warnings = body::take_unknown();
                let (status, row) = self.put_source(key, &mut new).await?;
                Ok(show(status, row)?.warned(warnings))
            }
            Op::SourceDelete => {
                let row = self.read_source(key).await?;
                let call = Self::source_call(Op::SourceDelete, Some(&row.id), Vec::new());
                let reply = self.ask(&call).await?;
                ingest::forget(&self.claims.org, &row.id);
                super::auth::forget_tokens();
                Ok(reply)
            }
            Op::SourceRotate => {
                let overlap_ms = overlap_ms(query)?;
                let signer = self.signer()?;
                let idempotency = self.idempotency(Op::SourceRotate, &route.params, query.as_bytes());
                let row = self
                    .change_source_once(key, idempotency, |id, record| {
                        let tag = |generation| signer.tag(&self.claims.org, id, generation);
                        if record.rotate(now(), overlap_ms, tag) {
                            return Ok(());
                        }
                        Err(ApiError::new(
                            Code::LimitReached,
                            "Three previous URLs are still valid. Wait for the oldest to expire, or send \
                             ?grace_period_seconds=0 to end them all now.",
                        ))
                    })
                    .await?;
                let ingest_url = self.ingest_url(url, &row);
                Ok(Reply::json(200, &RotateTokenOut { ingest_url }))
            }
            Op::SourcePortal => {
                let access = PortalAccessIn::parse(body)?;
                let row = self.read_source(key).await?;
                let issued = self.issue(route, body).await?;
                self.portal_token(url, &row.id, &access, issued)
            }
            Op::RejectedAccept => self.accept_rejected(key, route).await,
            op => Err(internal(format!("the Worker does not answer {}", op.name()))),
        }
    }

    fn source_call(op: Op, key: Option<&str>, body: Vec<u8>) -> Call {
        let params = key.map(str::to_owned).into_iter().collect();
        Call { op: op.name().to_owned(), params, body, ..Call::default() }
    }

    /// Asks the Directory. What it answers to a wrong call, the caller is answered.
    async fn ask(&self, call: &Call) -> Result<Reply, ApiError> {
        let reply = directory::ask(&self.env, &self.claims.org, call).await.map_err(ApiError::from)?;
        match reply.status {
            200..=299 => Ok(reply),
            404 => Err(ApiError::not_found("Source")),
            422 => Err(idempotency::reused()),
            409 if String::from_utf8_lossy(&reply.body).contains(Code::ConcurrentUpdate.name()) => {
                Err(stale())
            }
            409 => Err(ApiError::conflict("Another source has this uid. Choose another.")),
            status => Err(internal(format!("the Directory answered {} with {status}", call.op))),
        }
    }

    pub(super) async fn read_source(&self, key: &str) -> Result<SourceRow, ApiError> {
        let row = ingest::read(&self.env, &self.claims.org, key).await.map_err(ApiError::from)?;
        row.ok_or_else(|| ApiError::not_found("Source"))
    }

    async fn create_source(
        &self,
        new: &SourceIn,
        idempotency: Option<Idempotency>,
    ) -> Result<SourceRow, ApiError> {
        let deployment = self.deployment()?;
        let id = id::new(id::SOURCE, now(), &mut System);
        let mut record = new.record(&id, None, &deployment.vault, &mut System)?;
        record.tag = self.signer()?.tag(&self.claims.org, &id, record.generation);
        let call = Self::source_call(Op::SourceCreate, Some(&id), frame::encode(&record));
        let call = Call { idempotency, ..call };
        from_bytes(&self.ask(&call).await?.body)
    }

    /// PUT: changes the source, or creates it where the path names one by a uid that is free.
    async fn put_source(&self, key: &str, new: &mut SourceIn) -> Result<(u16, SourceRow), ApiError> {
        let deployment = self.deployment()?;
        if !id::is(id::SOURCE, key) {
            new.or_uid(key)?;
        }
        let changed = self
            .change_source(key, |id, record| {
                *record = new.record(id, Some(std::mem::take(record)), &deployment.vault, &mut System)?;
                Ok(())
            })
            .await;
        match changed {
            Err(ApiError::Status { code: Code::NotFound, .. }) if !id::is(id::SOURCE, key) => {
                Ok((201, self.create_source(new, None).await?))
            }
            changed => Ok((200, changed?)),
        }
    }

    /// Changes a source as it is now; where somebody else does at the same time, once more.
    async fn change_source(
        &self,
        key: &str,
        change: impl Fn(&str, &mut SourceRecord) -> Result<(), ApiError>,
    ) -> Result<SourceRow, ApiError> {
        self.change_source_once(key, None, change).await
    }

    /// The same, once for an idempotency key.
    async fn change_source_once(
        &self,
        key: &str,
        idempotency: Option<Idempotency>,
        change: impl Fn(&str, &mut SourceRecord) -> Result<(), ApiError>,
    ) -> Result<SourceRow, ApiError> {
        let mut outcome = Err(stale());
        for _ in 0..TRIES {
            let SourceRow { id, mut record } = self.read_source(key).await?;
            change(&id, &mut record)?;
            let call = Self::source_call(Op::SourceUpdate, Some(&id), frame::encode(&record));
            let call = Call { idempotency: idempotency.clone(), ..call };
            outcome = self.ask(&call).await.and_then(|reply| from_bytes(&reply.body));
            ingest::forget(&self.claims.org, &id);
            if !matches!(&outcome, Err(ApiError::Status { code: Code::ConcurrentUpdate, .. })) {
                break;
            }
        }
        outcome
    }

    /// Takes a rejected request as if its signature had been right; the messages say that it was not.
    async fn accept_rejected(&self, key: &str, route: &Route) -> Result<Reply, ApiError> {
        let rejected = route.params.get(1).cloned().unwrap_or_default();
        let row = self.read_source(key).await?;
        let (source, deployment) = (row.id.clone(), self.deployment()?);
        let place = Place::new(&self.env, &self.claims.org, &source);
        let take = Self::source_call(Op::RejectedTake, Some(&rejected), Vec::new());
        let reply = place.call::<wire::app::Api>(&take, Repeat::Safe).await?;
        if reply.status != 200 {
            return if reply.status == 0 { Err(ApiError::not_found("Rejected request")) } else { Ok(reply) };
        }
        let kept: Rejected = from_bytes(&reply.body)?;
        let definition = Definition::new(row, &deployment.vault, deployment.dedup_window_ms);
        let events = definition.accept(&kept).map_err(ApiError::from)?;
        let answers = place.store(events, Some(rejected)).await?;
        let stored = answers.iter().filter_map(|answer| match answer {
            frame::Accepted::Stored { id, .. } => Some(id.clone()),
            _ => None,
        });
        Ok(Reply::json(202, &AcceptedOut { messages: stored.collect() }))
    }

    /// Seals what a source has stored with the newest key; how many texts that were.
    pub(super) async fn reseal_source(&self, id: &str) -> Result<u64, ApiError> {
        let deployment = self.deployment()?;
        let mut row = self.read_source(id).await?;
        let count = row.record.reseal(id, &deployment.vault, &mut System)?;
        if count > 0 {
            let change = |id: &str, record: &mut SourceRecord| {
                record.reseal(id, &deployment.vault, &mut System)?;
                Ok(())
            };
            self.change_source(id, change).await?;
        }
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn show(&self, url: &str, row: SourceRow) -> Result<SourceOut, ApiError> {
        let ingest_url = self.ingest_url(url, &row);
        Ok(SourceOut::new(row.id, row.record, ingest_url, &self.deployment()?.vault))
    }

    /// Where the source takes requests: below the address by which the API was called.
    fn ingest_url(&self, url: &str, row: &SourceRow) -> String {
        let (org, source) = (self.claims.org.clone(), row.id.clone());
        let token = Token { org, source, generation: row.record.generation, tag: row.record.tag };
        format!("{}{PREFIX}{}", origin(url), token.write())
    }

    fn signer(&self) -> Result<Signer, ApiError> {
        Signer::new(&*self.deployment()?).ok_or_else(|| internal("there is no JWT_SECRET".to_owned()))
    }

    fn deployment(&self) -> Result<Rc<Deployment>, ApiError> {
        settings::of(&self.env).map_err(internal)
    }
}

fn stale() -> ApiError {
    ApiError::new(Code::ConcurrentUpdate, "The source was changed at the same time. Send the request again.")
}
