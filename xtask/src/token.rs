//! Bearer tokens for the local gateway.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use weir_core::rng::{Entropy, System};
use weir_core::token::sign_org_with_id;

/// How long a token is valid unless it is asked for another time: 30 days.
pub const TTL_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// A token of the organization for the gateway whose data is in `data`. It has an id, by which it can be revoked.
pub fn for_org(data: &Path, org: &str, ttl_ms: i64) -> Result<String, String> {
    let secret = crate::local::jwt_secret(data)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = i64::try_from(now).unwrap_or_default();
    let id = format!("jti_{now:x}{:016x}", System.number());
    sign_org_with_id(secret.as_bytes(), org, &id, now, ttl_ms)
        .map_err(|error| format!("Could not create a token for `{org}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local;

    #[test]
    fn a_token_is_good_for_the_gateway_with_the_same_data() -> Result<(), String> {
        let data = local::scratch("token")?;
        let token = for_org(&data, crate::args::ORG, TTL_MS)?;
        let secret = local::jwt_secret(&data)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or_default();
        let at = |ms: i64| weir_core::token::verify(secret.as_bytes(), &token, now + ms);
        let claims = at(0).map_err(|error| error.to_string())?;
        assert!(claims.id.is_some_and(|id| id.starts_with("jti_")), "it can be revoked");
        assert!(at(TTL_MS - 60_000).is_ok() && at(TTL_MS + 60_000).is_err(), "30 days");
        std::fs::remove_dir_all(&data).map_err(|error| error.to_string())
    }
}
