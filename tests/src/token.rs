//! Tokens as a customer's backend creates them: JWTs signed with `JWT_SECRET`. They are built without Weir's code, so
//! that the code does not confirm itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// The `JWT_SECRET` of every gateway that the tests start.
pub const SECRET: &str = "a secret that only the tests know";

/// A token with these claims, signed by HS256 with `secret`.
pub fn sign(claims: &Value, secret: &str) -> String {
    with_header(&json!({ "alg": "HS256", "typ": "JWT" }), claims, secret)
}

/// The same with a header of the caller's choice; the signature stays HS256.
pub fn with_header(header: &Value, claims: &Value, secret: &str) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A token without a signature (`alg` `none`), which must never be accepted.
pub fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "JWT" });
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Claims for `sub` from now, for `seconds` (which may be negative: expired).
pub fn claims(sub: &str, seconds: i64) -> Value {
    let now = now();
    let from = now.min(now + seconds) - 60;
    json!({ "iat": from, "nbf": from, "exp": now + seconds, "iss": "weir-tests", "sub": sub })
}

/// A tenant's token.
pub fn for_org(org: &str) -> String {
    sign(&claims(org, 3600), SECRET)
}

/// An application's token.
pub fn for_app(org: &str, app: &str) -> String {
    let mut claims = claims(app, 3600);
    claims["org"] = json!(org);
    sign(&claims, SECRET)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7515_a_1_is_signed_as_printed_there() {
        // The RFC's octet key, and its header and claims with the line breaks that it prints.
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                      eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        assert_eq!(
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
    }

    #[test]
    fn expired_claims_are_expired_and_began_before_that() {
        let claims = claims("org_x", -10);
        assert!(claims["exp"].as_i64().unwrap() < now());
        assert!(claims["nbf"].as_i64().unwrap() < claims["exp"].as_i64().unwrap());
    }
}
