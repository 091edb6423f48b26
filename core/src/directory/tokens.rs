//! Tokens that were taken back.
//!
//! An application's tokens can be: one by one (logout, or by id), or all of an application or session that were issued up to
//! a time (expire-all). A tenant's own token can be if it has an id. The Worker asks before it believes a token, and believes
//! the answer for some seconds; a tenant's token without an id is never asked about.

use super::Directory;
use crate::api::call::{Call, Reply};
use crate::api::model::auth::{RevokedOut, TOKEN_KEY};
use crate::api::page::ListOut;
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame::{self, Revocation, RevokedAsk};
use crate::id;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use crate::time::rfc3339;
use serde::{Deserialize, Serialize};

/// The answer of [`DirectoryOp::Issue`], as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The token's id.
    pub id: String,
    /// When it was issued, in milliseconds.
    pub at_ms: i64,
}

/// Later than any token: a double holds it exactly.
const ALWAYS: i64 = (1 << 53) - 1;

impl<S: Sql> Directory<S> {
    /// Takes tokens back.
    pub(super) fn revoke(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let revocation: Revocation = frame::decode(&call.body).map_err(ApiError::Internal)?;
        self.prepare(now)?;
        self.sql.exec("DELETE FROM revoked WHERE forget_at <= ?1", &[Value::Int(now)])?;
        for key in &revocation.keys {
            let issued_until = revocation.issued_until.unwrap_or(ALWAYS).min(ALWAYS);
            let void_from = now.saturating_add(revocation.grace_ms);
            if revocation.grace_ms <= 0 {
                // This says all that earlier ones say.
                self.sql.exec(
                    "DELETE FROM revoked WHERE key = ?1 AND issued_until <= ?2",
                    &[Value::Text(key), Value::Int(issued_until)],
                )?;
            }
            self.sql.exec(
                "INSERT INTO revoked (key, issued_until, void_from, forget_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key, issued_until) DO UPDATE SET void_from = min(void_from, excluded.void_from)",
                &[
                    Value::Text(key),
                    Value::Int(issued_until),
                    Value::Int(void_from),
                    Value::opt_int(revocation.forget_at.filter(|&at| at < ALWAYS)),
                ],
            )?;
        }
        Ok(Reply::empty(204))
    }

    /// Revokes all tokens of an application that is deleted. Its id is never given to another one, and tokens that others
    /// signed may live for ever, so this is kept.
    pub(super) fn revoke_app(&mut self, now: i64, app_id: &str) -> Result<(), SqlError> {
        self.sql.exec("DELETE FROM revoked WHERE key = ?1", &[Value::Text(app_id)])?;
        self.sql.exec(
            "INSERT INTO revoked (key, issued_until, void_from) VALUES (?1, ?2, ?3)",
            &[Value::Text(app_id), Value::Int(ALWAYS), Value::Int(now)],
        )
    }

    /// Gives a new token its id and the time at which it was issued. A request with an idempotency key is given the same
    /// again, so the token that the Worker signs is the same, and is stored nowhere.
    pub(super) fn issue(&mut self, now: i64, rng: &mut impl Entropy) -> Result<Reply, ApiError> {
        self.prepare(now)?;
        Ok(Reply::json(200, &Issued { id: id::new("jti", now, rng), at_ms: now }))
    }

    /// The ids of tokens that were revoked one by one.
    pub(super) fn list_revoked(&self) -> Result<Reply, ApiError> {
        let mut data = Vec::new();
        if self.ready {
            let rows = self.sql.query(
                "SELECT key, void_from FROM revoked WHERE key >= 'jti:' AND key < 'jti;' ORDER BY key DESC LIMIT 1000",
                &[],
            )?;
            for mut row in rows {
                let key = row.text(0)?;
                let id = key.strip_prefix(TOKEN_KEY).unwrap_or(&key).to_owned();
                data.push(RevokedOut { id, revoked_at: rfc3339(row.int(1)?) });
            }
        }
        Ok(Reply::json(200, &ListOut { data, iterator: None, prev_iterator: None, done: true }))
    }

    /// Whether a token was taken back: `true` or `false`.
    pub(super) fn is_revoked(&self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let ask: RevokedAsk = frame::decode(&call.body).map_err(ApiError::Internal)?;
        let mut revoked = false;
        if self.ready {
            for key in &ask.keys {
                let rows = self.sql.query(
                    "SELECT 1 FROM revoked WHERE key = ?1 AND issued_until >= ?2 AND void_from <= ?3 LIMIT 1",
                    &[Value::Text(key), Value::Int(ask.issued_at.clamp(0, ALWAYS)), Value::Int(now)],
                )?;
                revoked |= !rows.is_empty();
            }
        }
        Ok(Reply::json(200, &revoked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Op;
    use crate::rng::Seeded;
    use crate::sql::memory::Memory;

    const NOW: i64 = 1_795_000_000_000;

    fn ask(directory: &mut Directory<Memory>, now: i64, op: Op, body: Vec<u8>) -> Reply {
        let call = Call::of(op, &[], "", body);
        directory.handle(now, &mut Seeded(1), &call).reply
    }

    fn revoke(directory: &mut Directory<Memory>, now: i64, key: &str, until: Option<i64>, grace_ms: i64) {
        let revocation =
            Revocation { keys: vec![key.into()], issued_until: until, grace_ms, forget_at: None };
        let reply = ask(directory, now, Op::Revoke, frame::encode(&revocation));
        assert_eq!(reply.status, 204);
    }

    fn is_revoked(directory: &mut Directory<Memory>, now: i64, keys: &[&str], issued_at: i64) -> bool {
        let body = RevokedAsk { keys: keys.iter().map(|&key| key.to_owned()).collect(), issued_at };
        let reply = ask(directory, now, Op::IsRevoked, frame::encode(&body));
        serde_json::from_slice(&reply.body).expect("a flag")
    }

    #[test]
    fn one_token_is_taken_back_and_another_is_not() {
        let mut directory = Directory::open(Memory::new(), NOW).expect("opens");
        assert!(!is_revoked(&mut directory, NOW, &["hash"], 0), "nothing was ever written");
        revoke(&mut directory, NOW, "hash", None, 0);
        assert!(is_revoked(&mut directory, NOW, &["hash", "app_1"], NOW + 5));
        assert!(!is_revoked(&mut directory, NOW, &["other", "app_1"], NOW));
    }

    #[test]
    fn all_tokens_that_were_issued_before_are_taken_back() {
        let mut directory = Directory::open(Memory::new(), NOW).expect("opens");
        revoke(&mut directory, NOW, "app_1", Some(NOW), 0);
        assert!(is_revoked(&mut directory, NOW, &["app_1"], NOW));
        assert!(is_revoked(&mut directory, NOW, &["app_1"], 0), "one that does not say when is old");
        assert!(!is_revoked(&mut directory, NOW, &["app_1"], NOW + 1));
        assert!(!is_revoked(&mut directory, NOW, &["app_2"], NOW));
    }

    #[test]
    fn the_tokens_of_an_application_that_is_deleted_are_revoked() {
        let mut directory = Directory::open(Memory::new(), NOW).expect("opens");
        let made = ask(&mut directory, NOW, Op::AppCreate, br#"{"name":"a"}"#.to_vec());
        assert_eq!(made.status, 201);
        let made: serde_json::Value = serde_json::from_slice(&made.body).expect("JSON");
        let id = made["id"].as_str().expect("an id");
        assert!(!is_revoked(&mut directory, NOW, &[id], NOW));
        let call = Call::of(Op::AppDelete, &[id], "", Vec::new());
        assert_eq!(directory.handle(NOW, &mut Seeded(1), &call).reply.status, 204);
        for issued_at in [0, NOW, NOW + 1_000_000_000] {
            assert!(is_revoked(&mut directory, NOW + 5, &["other", id], issued_at));
        }
        assert!(!is_revoked(&mut directory, NOW + 5, &["app_other"], NOW));
    }

    #[test]
    fn a_grace_period_ends_and_does_not_prolong_an_earlier_decision() {
        let mut directory = Directory::open(Memory::new(), NOW).expect("opens");
        revoke(&mut directory, NOW, "app_1", Some(NOW), 0);
        revoke(&mut directory, NOW + 10, "app_1", Some(NOW + 10), 60_000);
        assert!(is_revoked(&mut directory, NOW + 20, &["app_1"], NOW));
        assert!(!is_revoked(&mut directory, NOW + 20, &["app_1"], NOW + 5));
        assert!(is_revoked(&mut directory, NOW + 60_010, &["app_1"], NOW + 5));
    }

    #[test]
    fn what_has_expired_anyway_is_forgotten() {
        let storage = Memory::new();
        let mut directory = Directory::open(storage.clone(), NOW).expect("opens");
        let forget_at = Some(NOW + 10);
        let revocation = Revocation { keys: vec!["hash".into()], issued_until: None, grace_ms: 0, forget_at };
        ask(&mut directory, NOW, Op::Revoke, frame::encode(&revocation));
        revoke(&mut directory, NOW + 20, "other", None, 0);
        let rows = storage.query("SELECT key FROM revoked", &[]).expect("rows");
        assert_eq!(rows.len(), 1);
    }
}
