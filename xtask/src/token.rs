//! Bearer tokens for the local gateway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ten years.
const TTL_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// A token of the organisation for the gateway whose data is in `data`.
pub fn for_org(data: &Path, org: &str) -> Result<String, String> {
    let secret = crate::local::jwt_secret(data)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(sign_org(secret.as_bytes(), org, i64::try_from(now).unwrap_or_default(), TTL_MS))
}

fn sign_org(secret: &[u8], org: &str, now_ms: i64, ttl_ms: i64) -> String {
    let (iat, exp) = (now_ms / 1000, (now_ms + ttl_ms) / 1000);
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let signed = format!(
        "{}.{}",
        part(r#"{"alg":"HS256","typ":"JWT"}"#),
        part(&format!(r#"{{"iat":{iat},"exp":{exp},"sub":"{org}"}}"#))
    );
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { unreachable!("HMAC takes any key") };
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}
