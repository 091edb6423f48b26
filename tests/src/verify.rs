//! Verifies signatures without Weir's code: plain HMAC over the signed content.
//!
//! The end-to-end tests also use the reference libraries; this one serves where thousands have to be checked and
//! where a library would refuse an old timestamp.

use crate::receiver::Received;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The three headers of a delivery, whichever family they are in: id, timestamp, signature list.
#[track_caller]
pub fn signed(request: &Received, family: &str) -> (String, String, String) {
    let get = |name: &str| {
        let name = format!("{family}-{name}");
        request.header(&name).unwrap_or_else(|| panic!("no {name} among {:?}", request.headers)).to_owned()
    };
    (get("id"), get("timestamp"), get("signature"))
}

/// The `v1` signature that `secret` (`whsec_…`) gives for this content, in base 64.
pub fn hmac(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = secret.strip_prefix("whsec_").expect("a secret for HMAC begins with whsec_");
    let key = STANDARD.decode(key).expect("a secret in base 64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length");
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether the delivery carries a `v1` signature by `secret`, in the headers of `family`.
#[track_caller]
pub fn is_signed_by(request: &Received, family: &str, secret: &str) -> bool {
    let (id, timestamp, list) = signed(request, family);
    let expected = format!("v1,{}", hmac(secret, &id, &timestamp, &request.body));
    list.split(' ').any(|one| one == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_signed_as_printed_there() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signature = hmac(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b"{\"test\": 2432232314}");
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
