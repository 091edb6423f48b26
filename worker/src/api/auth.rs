//! Access of applications: their portal's tokens, and taking tokens back.

use super::{Caller, REMEMBERED, Request, internal, no_app};
use crate::directory;
use crate::js::now;
use crate::settings;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use weir_core::api::call::{Call, Reply, from_bytes};
use weir_core::api::model::auth::{
    ExpireAllIn, PortalAccessIn, PortalAccessOut, ResealOut, session_key, token_key,
};
use weir_core::api::model::message::check_brought_application;
use weir_core::api::route::{AppOp, DirectoryOp, WorkerOp};
use weir_core::cache::Cache;
use weir_core::directory::{Issued, SourceRows, source_page};
use weir_core::error::{ApiError, Code};
use weir_core::frame::{self, Revocation, RevokedAsk};
use weir_core::id;
use weir_core::idempotency;
use weir_core::query::Query;
use weir_core::rng::System;
use weir_core::source::SourceRow;
use weir_core::token::{self, Limits};

/// How long the Worker believes that a token was not taken back.
const BELIEF_MS: i64 = 5_000;
/// The same of a tenant's token, which every message comes with.
const ORG_BELIEF_MS: i64 = 30_000;

thread_local! {
    /// Whether tokens and sessions were revoked.
    static ASKED: RefCell<Cache<String, bool>> = RefCell::new(Cache::new(REMEMBERED));
}

/// How many applications or sources are gone through at a time.
const RESEALED: usize = 20;

#[derive(serde::Deserialize)]
struct AppsPage {
    data: Vec<AppId>,
    iterator: Option<String>,
    done: bool,
}

#[derive(serde::Deserialize)]
struct AppId {
    id: String,
}

#[derive(serde::Deserialize)]
struct Resealed {
    resealed: u64,
    locked: u64,
}

impl Caller {
    /// Refuses a token that was revoked: an application's also when its application was deleted.
    pub(crate) async fn check_revoked(&self) -> Result<(), ApiError> {
        let Some(app) = &self.claims.app else { return self.check_org_token().await };
        if self.is_revoked(app).await? {
            return Err(ApiError::new(
                Code::AuthenticationFailed,
                "This token has been revoked. Ask for a new one.",
            ));
        }
        Ok(())
    }

    /// A tenant's token can be taken back by its id; one without an id is valid until it expires.
    async fn check_org_token(&self) -> Result<(), ApiError> {
        let Some(id) = &self.claims.id else { return Ok(()) };
        if self.any_revoked(&self.token, || vec![token_key(id)], ORG_BELIEF_MS).await? {
            return Err(ApiError::new(
                Code::AuthenticationFailed,
                "This token has been revoked. Create a new one.",
            ));
        }
        Ok(())
    }

    /// Whether it is known, without asking, that the token was not taken back.
    pub(super) fn is_trusted(&self) -> bool {
        self.claims.id.is_none() || ASKED.with_borrow(|asked| asked.fresh(&self.token, now()) == Some(&false))
    }

    async fn is_revoked(&self, app: &str) -> Result<bool, ApiError> {
        let session = self.claims.session.as_ref().map(|session| session_key(app, session));
        let id = self.claims.id.as_deref().map(token_key);
        let keys = || [self.token_hash(), app.to_owned()].into_iter().chain(session).chain(id).collect();
        self.any_revoked(&self.token, keys, BELIEF_MS).await
    }

    /// Whether somebody has signed out of this session of the dashboard.
    pub(crate) async fn is_session_over(&self, key: &str) -> Result<bool, ApiError> {
        self.any_revoked(key, || vec![key.to_owned()], BELIEF_MS).await
    }

    /// Signs out of this session of the dashboard; elsewhere it is believed for some seconds more.
    pub(crate) async fn end_session(&self, key: &str, ends_at: i64) -> Result<(), ApiError> {
        self.revoke(Revocation {
            keys: vec![key.to_owned()],
            issued_until: None,
            grace_ms: 0,
            forget_at: Some(ends_at),
        })
        .await
    }

    /// Whether one of the keys was taken back; for some seconds the answer is remembered by `name`.
    async fn any_revoked(
        &self,
        name: &str,
        keys: impl FnOnce() -> Vec<String>,
        belief_ms: i64,
    ) -> Result<bool, ApiError> {
        if let Some(revoked) = ASKED.with_borrow(|asked| asked.fresh(name, now()).copied()) {
            return Ok(revoked);
        }
        let keys = keys();
        let ask = RevokedAsk { keys, issued_at: self.claims.issued_at.unwrap_or(0) };
        let reply = self.ask_directory(DirectoryOp::IsRevoked, frame::encode(&ask)).await?;
        let revoked: bool = serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
        // A revocation is final.
        let until = if revoked { i64::MAX } else { now().saturating_add(belief_ms) };
        ASKED.with_borrow_mut(|asked| asked.insert_until(name.to_owned(), revoked, until));
        Ok(revoked)
    }

    fn token_hash(&self) -> String {
        let hash = Sha256::digest(self.token.as_bytes());
        hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    async fn ask_directory(&self, op: DirectoryOp, body: Vec<u8>) -> Result<Reply, ApiError> {
        let call = Call { body, ..Call::new(op) };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        match reply.status {
            200..=299 => Ok(reply),
            status => Err(internal(format!("the Directory answered {} with {status}", call.op.name()))),
        }
    }

    pub(super) async fn portal_access(&self, op: WorkerOp, request: &Request<'_>) -> Result<Reply, ApiError> {
        let (key, body) = (request.param(0), request.body.as_slice());
        let access = PortalAccessIn::parse(body)?;
        let app_id = match self.resolve(key, true).await?.0 {
            Some(app_id) => app_id,
            None if access.application.is_some() => {
                check_brought_application(access.application.as_ref(), key)?;
                self.create_application(body).await?
            }
            None => return Err(no_app()),
        };
        let issued = self.issue(op, request).await?;
        self.portal_token(request.url, &app_id, &access, issued)
    }

    /// The id and time of a new token: the same again for a request with an idempotency key that is sent again.
    pub(super) async fn issue(&self, op: WorkerOp, request: &Request<'_>) -> Result<Issued, ApiError> {
        let Some(idempotency) = self.idempotency(op.op(), &request.route.params, &request.body) else {
            return Ok(Issued { id: id::new("jti", now(), &mut System), at_ms: now() });
        };
        let call = Call { idempotency: Some(idempotency), ..Call::new(DirectoryOp::Issue) };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        match reply.status {
            200 => serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string())),
            422 => Err(idempotency::reused()),
            status => Err(internal(format!("the Directory answered {} with {status}", call.op.name()))),
        }
    }

    /// A token with which somebody sees and changes what this application, or source, has, and nothing else.
    pub(super) fn portal_token(
        &self,
        url: &str,
        app_id: &str,
        access: &PortalAccessIn,
        issued: Issued,
    ) -> Result<Reply, ApiError> {
        let deployment = settings::of(&self.env).map_err(internal)?;
        let secret =
            deployment.jwt_secret.as_ref().ok_or_else(|| internal("there is no JWT_SECRET".to_owned()))?;
        let limits = Limits {
            id: issued.id,
            capabilities: access.capabilities(),
            session: access.session_id.clone(),
            feature_flags: access.feature_flags.clone(),
        };
        let org = &self.claims.org;
        let token =
            token::sign_portal(secret.as_bytes(), org, app_id, issued.at_ms, access.ttl_ms(), &limits)
                .map_err(|e| internal(e.to_string()))?;
        Ok(Reply::json(200, &PortalAccessOut::new(origin(url), token)))
    }

    /// Takes this very token back. Elsewhere it is believed for some seconds more.
    pub(super) async fn logout(&self) -> Result<Reply, ApiError> {
        if self.claims.app.is_none() {
            return match &self.claims.id {
                Some(id) => self.revoke_token(id).await,
                None => Err(ApiError::new(
                    Code::BadToken,
                    "This token has no id (the claim jti), so it cannot be revoked. It is valid until it expires or \
                     JWT_SECRET is changed.",
                )),
            };
        }
        let revocation = Revocation {
            keys: vec![self.token_hash()],
            issued_until: None,
            grace_ms: 0,
            forget_at: self.claims.expires_at,
        };
        self.revoke(revocation).await?;
        Ok(Reply::empty(204))
    }

    /// Takes the token with this id back, whoever has it.
    pub(super) async fn revoke_token(&self, id: &str) -> Result<Reply, ApiError> {
        let own = self.claims.id.as_deref() == Some(id);
        let forget_at = self.claims.expires_at.filter(|_| own);
        let revocation = Revocation { keys: vec![token_key(id)], issued_until: None, grace_ms: 0, forget_at };
        self.revoke(revocation).await?;
        Ok(Reply::empty(204))
    }

    /// Has some applications and sources seal what they have stored with the newest key.
    pub(super) async fn reseal(&self, query: &Query) -> Result<Reply, ApiError> {
        let from = query.text("iterator").unwrap_or("apps:").to_owned();
        let (kind, at) = from.split_once(':').unwrap_or(("apps", ""));
        let list = if kind == "sources" { DirectoryOp::SourceList } else { DirectoryOp::AppList };
        let page = Query::default().with("limit", RESEALED.to_string());
        let page = if at.is_empty() { page } else { page.with("iterator", at) };
        let call = Call { query: page.clone(), ..Call::new(list) };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await?;
        let (ids, iterator, done) = if kind == "sources" {
            let SourceRows { rows, stopped } = from_bytes(&reply.body)?;
            let page = source_page(&page)?.finish(rows, |row: &SourceRow| row.id.as_str());
            let done = page.done && stopped.is_none();
            (page.data.into_iter().map(|row| row.id).collect(), page.iterator, done)
        } else {
            let page: AppsPage = serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
            (page.data.into_iter().map(|app| app.id).collect::<Vec<_>>(), page.iterator, page.done)
        };
        let mut out = ResealOut::default();
        for id in &ids {
            if kind == "sources" {
                match self.reseal_source(id).await {
                    Ok(count) => out.resealed = out.resealed.saturating_add(count),
                    Err(ApiError::Status { code: Code::InvalidSetting, .. }) => {
                        out.locked = out.locked.saturating_add(1);
                    }
                    Err(error) => return Err(error),
                }
            }
            let reply = self.ask_app(id, &Call::new(AppOp::Reseal)).await?;
            let told: Resealed = serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
            out.resealed = out.resealed.saturating_add(told.resealed);
            out.locked = out.locked.saturating_add(told.locked);
        }
        out.iterator = match (kind, done) {
            ("sources", true) => None,
            (_, true) => Some("sources:".to_owned()),
            (kind, false) => iterator.map(|at| format!("{kind}:{at}")),
        };
        out.done = out.iterator.is_none();
        Ok(Reply::json(200, &out))
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), ApiError> {
        self.ask_directory(DirectoryOp::Revoke, frame::encode(&revocation)).await?;
        forget_tokens();
        Ok(())
    }

    pub(super) async fn expire_all(&self, key: &str, body: &[u8]) -> Result<Reply, ApiError> {
        let expire = ExpireAllIn::parse(body)?;
        let app_id = self.resolve(key, true).await?.0.ok_or_else(no_app)?;
        let revocation = Revocation {
            keys: expire.keys(&app_id),
            issued_until: Some(now()),
            grace_ms: expire.grace_ms(),
            // Tokens that others signed may live for ever.
            forget_at: None,
        };
        self.revoke(revocation).await?;
        Ok(Reply::empty(204))
    }
}

/// Forgets what is believed of tokens: some were revoked with their application.
pub(super) fn forget_tokens() {
    ASKED.with_borrow_mut(Cache::clear);
}

/// The scheme and host of a URL.
pub(crate) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at.saturating_add(3));
    let end = url.get(host..).and_then(|rest| rest.find('/')).map(|at| at.saturating_add(host));
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}
