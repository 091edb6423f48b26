//! Bearer tokens for the local gateway.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use weir_core::token::sign_org;

/// Ten years.
const TTL_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// A token of the organisation for the gateway whose data is in `data`.
pub fn for_org(data: &Path, org: &str) -> Result<String, String> {
    let secret = crate::local::jwt_secret(data)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = i64::try_from(now).unwrap_or_default();
    sign_org(secret.as_bytes(), org, now, TTL_MS)
        .map_err(|error| format!("No token could be made for `{org}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local;

    #[test]
    fn a_token_is_good_for_the_gateway_with_the_same_data() -> Result<(), String> {
        let data = local::scratch("token")?;
        let token = for_org(&data, crate::args::ORG)?;
        let secret = local::jwt_secret(&data)?;
        let claims = weir_core::token::verify(secret.as_bytes(), &token, 1_800_000_000_000);
        assert!(claims.is_ok(), "{claims:?}");
        std::fs::remove_dir_all(&data).map_err(|error| error.to_string())
    }
}
