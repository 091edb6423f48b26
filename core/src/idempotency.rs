//! Idempotency keys of requests that create something: the response is stored for 12 hours and returned again for the
//! same request.
//!
//! Messages have their keys in the log ([`crate::app`]); this module is for everything else. The response is stored
//! in the transaction of the change, so there is never one without the other. A key belongs to the tenant (not to the
//! token, which may have been renewed in between) and to the operation.
//!
//! Some responses contain credentials (a rotated secret, a URL with a token): an object with a vault encrypts them.

use crate::error::ApiError;
use crate::rng::Entropy;
use crate::sql::{Migration, Sql, SqlError, Value};
use crate::vault::{Place, Vault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// How long a key is remembered, in milliseconds: 12 hours.
pub const REMEMBERED_MS: i64 = 12 * 3_600_000;
/// The longest key.
pub const MAX_KEY: usize = 256;
/// A larger answer is not kept: the request is then carried out again.
const MAX_REPLY: usize = 64 * 1024;

/// The table, in every object that creates.
pub(crate) const fn migration(id: i64) -> Migration {
    Migration {
        id,
        statements: &["CREATE TABLE idempotent (
            key BLOB PRIMARY KEY,
            body BLOB NOT NULL,
            reply BLOB NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID"],
    }
}

/// The key of a request, and what it came with, both as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Idempotency {
    /// Of the tenant, the operation and the key.
    #[n(0)]
    pub key: ByteVec,
    /// Of the path's parameters and the body.
    #[n(1)]
    pub body: ByteVec,
}

/// How an object keeps the answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keeping<'v> {
    /// As they are: none of them grants access.
    Plain,
    /// Sealed, each bound to its key.
    Sealed(&'v Vault),
}

impl Keeping<'_> {
    fn write(self, key: &[u8], reply: &[u8], rng: &mut impl Entropy) -> Result<Vec<u8>, SqlError> {
        let Self::Sealed(vault) = self else { return Ok(reply.to_vec()) };
        let of = BASE64.encode(key);
        let sealed = vault.seal(Place::reply(&of), &BASE64.encode(reply), rng);
        sealed.map(String::into_bytes).map_err(|error| SqlError(error.to_string()))
    }

    /// `None` where it cannot be opened (its key was lost): the request is then carried out again.
    fn read(self, key: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
        let Self::Sealed(vault) = self else { return Some(kept.to_vec()) };
        let of = BASE64.encode(key);
        let text = vault.open(Place::reply(&of), std::str::from_utf8(kept).ok()?).ok()?;
        BASE64.decode(text).ok()
    }
}

impl Idempotency {
    /// Of a request with this key.
    pub fn new(org: &str, op: &str, key: &str, params: &[String], body: &[u8]) -> Self {
        let mut of_key = Sha256::new();
        for part in [org, op, key] {
            of_key.update(part);
            of_key.update([0]);
        }
        let mut of_body = Sha256::new();
        for part in params {
            of_body.update(part);
            of_body.update([0]);
        }
        of_body.update(body);
        Self { key: of_key.finalize().to_vec().into(), body: of_body.finalize().to_vec().into() }
    }
}

/// The error of a key that came with another request before.
pub fn reused() -> ApiError {
    ApiError::invalid_kind(
        &["header", "idempotency-key"],
        "This idempotency key was used with another body. Use a new key for a new request.",
        "idempotency_key_reused",
    )
}

/// The reply that is kept for this key, if there is one.
pub(crate) fn recall<S: Sql>(
    sql: &S,
    now: i64,
    asked: &Idempotency,
    keeping: Keeping<'_>,
) -> Result<Option<Vec<u8>>, ApiError> {
    let since = now.saturating_sub(REMEMBERED_MS);
    let rows = sql.query(
        "SELECT body, reply FROM idempotent WHERE key = ?1 AND created_at > ?2",
        &[Value::Blob(&asked.key), Value::Int(since)],
    )?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    if row.blob(0)? != asked.body.as_slice() {
        return Err(reused());
    }
    Ok(keeping.read(&asked.key, &row.blob(1)?))
}

/// Keeps the reply to a request that has changed something, and deletes old ones. A reply that is too large is not kept.
pub(crate) fn remember<S: Sql>(
    sql: &S,
    now: i64,
    rng: &mut impl Entropy,
    asked: &Idempotency,
    reply: &[u8],
    keeping: Keeping<'_>,
) -> Result<(), SqlError> {
    if reply.len() > MAX_REPLY {
        return Ok(());
    }
    let kept = keeping.write(&asked.key, reply, rng)?;
    sql.exec(
        "DELETE FROM idempotent WHERE created_at <= ?1",
        &[Value::Int(now.saturating_sub(REMEMBERED_MS))],
    )?;
    sql.exec(
        "INSERT INTO idempotent (key, body, reply, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key) DO UPDATE SET body = excluded.body, reply = excluded.reply, created_at = excluded.created_at",
        &[Value::Blob(&asked.key), Value::Blob(&asked.body), Value::Blob(&kept), Value::Int(now)],
    )
}
