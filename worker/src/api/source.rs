//! Sources in the API: the Worker reads and seals what comes, the Directory keeps it, and the source's App object answers
//! everything about its endpoints and messages.

use super::auth::origin;
use super::{Caller, Request, internal};
use crate::ingest::{self, Place};
use crate::js::{Repeat, now};
use crate::{directory, settings};
use std::rc::Rc;
use weir_core::api::body;
use weir_core::api::call::{Call, Reply, from_bytes};
use weir_core::api::model::auth::PortalAccessIn;
use weir_core::api::model::source::{AcceptedOut, RotateTokenOut, SourceIn, SourceOut, overlap_ms};
use weir_core::api::page::Rows;
use weir_core::api::route::{AppOp, DirectoryOp, Op, WorkerOp};
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
    pub(super) async fn list_sources(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let page = source_page(&request.query)?;
        let call = Call { query: request.query.clone(), ..Call::new(DirectoryOp::SourceList) };
        let reply = self.ask(&call).await?;
        let SourceRows { rows, stopped } = from_bytes(&reply.body)?;
        let rows = rows.into_iter().map(|row| self.show(request.url, row)).collect::<Result<Vec<_>, _>>()?;
        page.answer(Rows { rows, stopped }, SourceOut::id)
    }

    pub(super) async fn make_source(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        body::forget_unknown();
        let new = SourceIn::parse(&request.body)?;
        let warnings = body::take_unknown();
        let idempotency = self.idempotency(Op::SourceCreate, &[], &request.body);
        let row = self.create_source(&new, idempotency).await?;
        Ok(self.shown(request.url, 201, row)?.warned(warnings))
    }

    pub(super) async fn get_source(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        self.shown(request.url, 200, self.read_source(request.param(0)).await?)
    }

    pub(super) async fn update_source(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        body::forget_unknown();
        let mut new = SourceIn::parse(&request.body)?;
        let warnings = body::take_unknown();
        let (status, row) = self.put_source(request.param(0), &mut new).await?;
        Ok(self.shown(request.url, status, row)?.warned(warnings))
    }

    pub(super) async fn delete_source(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let row = self.read_source(request.param(0)).await?;
        let reply = self.ask(&source_call(DirectoryOp::SourceDelete, &row.id, Vec::new())).await?;
        ingest::forget(&self.claims.org, &row.id);
        super::auth::forget_tokens();
        Ok(reply)
    }

    pub(super) async fn rotate_source(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let overlap_ms = overlap_ms(&request.query)?;
        let signer = self.signer()?;
        let given = frame::encode(&request.query);
        let idempotency = self.idempotency(Op::SourceRotate, &request.route.params, &given);
        let row = self
            .change_source_once(request.param(0), idempotency, |id, record| {
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
        let ingest_url = self.ingest_url(request.url, &row);
        Ok(Reply::json(200, &RotateTokenOut { ingest_url }))
    }

    pub(super) async fn source_portal(&self, op: WorkerOp, request: &Request<'_>) -> Result<Reply, ApiError> {
        let access = PortalAccessIn::parse(&request.body)?;
        let row = self.read_source(request.param(0)).await?;
        let issued = self.issue(op, request).await?;
        self.portal_token(request.url, &row.id, &access, issued)
    }

    /// Asks the Directory. What it answers to a wrong call, the caller is answered.
    async fn ask(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let reply = directory::ask(&self.env, &self.claims.org, call).await.map_err(ApiError::from)?;
        match reply.status {
            200..=299 => Ok(reply),
            404 => Err(ApiError::not_found("Source")),
            422 => Err(idempotency::reused()),
            409 if String::from_utf8_lossy(&reply.body).contains(Code::ConcurrentUpdate.name()) => {
                Err(stale())
            }
            409 => Err(ApiError::conflict("Another source has this uid. Choose another.")),
            status => Err(internal(format!("the Directory answered {} with {status}", call.op.name()))),
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
        let call = source_call(DirectoryOp::SourceCreate, &id, frame::encode(&record));
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
            let call = source_call(DirectoryOp::SourceUpdate, &id, frame::encode(&record));
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
    pub(super) async fn accept_rejected(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let rejected = request.param(1).to_owned();
        let row = self.read_source(request.param(0)).await?;
        let (source, deployment) = (row.id.clone(), self.deployment()?);
        let place = Place::new(&self.env, &self.claims.org, &source);
        let take = Call { params: vec![rejected.clone()], ..Call::new(AppOp::RejectedTake) };
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

    fn shown(&self, url: &str, status: u16, row: SourceRow) -> Result<Reply, ApiError> {
        self.show(url, row).map(|out| Reply::json(status, &out))
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

fn source_call(op: DirectoryOp, id: &str, body: Vec<u8>) -> Call<DirectoryOp> {
    Call { params: vec![id.to_owned()], body, ..Call::new(op) }
}

fn stale() -> ApiError {
    ApiError::new(Code::ConcurrentUpdate, "The source was changed at the same time. Send the request again.")
}
