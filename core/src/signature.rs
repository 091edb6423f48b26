//! The headers that sign one delivery.
//!
//! The signed content is `{message id}.{unix seconds}.{body}`, as Svix and Standard Webhooks define it; the two
//! differ only in the names of the headers. Every valid secret of an endpoint makes one signature, newest first, so
//! that a receiver that has not changed its secret yet still finds a valid one.

use crate::secret::Secret;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Which header names an endpoint's deliveries carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum HeaderProfile {
    /// The headers `svix-id`, `svix-timestamp` and `svix-signature`.
    #[default]
    #[n(0)]
    Svix,
    /// The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks).
    #[n(1)]
    Standard,
    /// Both sets of headers, with the same values, for moving receivers from one to the other.
    #[n(2)]
    Both,
}

impl HeaderProfile {
    /// The word for it in settings and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Svix => "svix",
            Self::Standard => "standard",
            Self::Both => "both",
        }
    }

    /// The profile that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Svix, Self::Standard, Self::Both].into_iter().find(|profile| profile.word() == word)
    }

    fn names(self) -> &'static [[&'static str; 3]] {
        const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];
        const STANDARD: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        match self {
            Self::Svix => &[SVIX],
            Self::Standard => &[STANDARD],
            Self::Both => &[SVIX, STANDARD],
        }
    }
}

/// The signature headers of one attempt; `secrets` are the live ones, newest first.
///
/// Each secret signs once, whatever the profile, and the body is not copied.
pub fn headers(
    profile: HeaderProfile,
    secrets: &[Secret],
    message_id: &str,
    unix_seconds: i64,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let timestamp = unix_seconds.to_string();
    let content = content(message_id, &timestamp, body);
    let mut signatures = String::new();
    for secret in secrets {
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str(&secret.sign(&content));
    }
    let values = [message_id, timestamp.as_str(), signatures.as_str()];
    let named = profile.names().iter().flat_map(|names| names.iter().zip(values));
    named.map(|(name, value)| (*name, value.to_owned())).collect()
}

/// Whether any of the space-separated `signatures` is by `secret`, as a receiver checks a delivery.
///
/// The age of the timestamp is the receiver's own affair.
pub fn verify(secret: &Secret, message_id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let content = content(message_id, timestamp, body);
    signatures.split(' ').any(|signature| secret.verify(&content, signature))
}

fn content<'a>(message_id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [message_id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use crate::secret::Kind;
    use proptest::prelude::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = b"{\"test\": 2432232314}";

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    #[test]
    fn signatures_are_those_of_the_standard_webhooks_library() {
        let known = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(
            headers(HeaderProfile::Svix, &[known], ID, AT, BODY),
            [
                ("svix-id", ID.to_owned()),
                ("svix-timestamp", "1614265330".to_owned()),
                ("svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()),
            ]
        );
        let known = secret("whsec_d2VpciB3ZWlyIHdlaXIgd2VpciB3ZWlyIHdlaXIhISE=");
        assert_eq!(
            headers(HeaderProfile::Standard, &[known], "msg_2", 1_795_000_000, "{\"a\":\"ü\"}".as_bytes()),
            [
                ("webhook-id", "msg_2".to_owned()),
                ("webhook-timestamp", "1795000000".to_owned()),
                ("webhook-signature", "v1,rJIdiweNn2KsX69NJGaHhsqz1GP/okpEYmiBb/XAam8=".to_owned()),
            ]
        );
    }

    #[test]
    fn both_profiles_side_by_side_carry_the_same_values() {
        let secrets = [Secret::generate(Kind::Hmac256, &mut Seeded(1))];
        let both = headers(HeaderProfile::Both, &secrets, ID, AT, BODY);
        let (svix, standard) = both.split_at(3);
        assert_eq!(svix, headers(HeaderProfile::Svix, &secrets, ID, AT, BODY));
        assert_eq!(standard, headers(HeaderProfile::Standard, &secrets, ID, AT, BODY));
        assert!(svix.iter().zip(standard).all(|(a, b)| a.1 == b.1));
    }

    #[test]
    fn every_live_secret_signs_newest_first() {
        let mut rng = Seeded(2);
        let kinds = [Kind::Ed25519, Kind::Hmac256, Kind::Hmac256];
        let secrets = kinds.map(|kind| Secret::generate(kind, &mut rng));
        let made = headers(HeaderProfile::Svix, &secrets, ID, AT, BODY);
        let signatures: Vec<_> = made[2].1.split(' ').collect();
        assert_eq!(signatures.len(), 3);
        for (secret, own) in secrets.iter().zip(&signatures) {
            assert!(verify(secret, ID, "1614265330", own, BODY), "each stands at the place of its secret");
            assert!(verify(secret, ID, "1614265330", &made[2].1, BODY), "and is found among the others");
        }
        assert!(signatures[0].starts_with("v1a,") && signatures[1].starts_with("v1,"));
    }

    #[test]
    fn a_profile_has_a_word() {
        for profile in [HeaderProfile::Svix, HeaderProfile::Standard, HeaderProfile::Both] {
            assert_eq!(HeaderProfile::from_word(profile.word()), Some(profile));
        }
        assert_eq!(HeaderProfile::from_word("Svix"), None);
    }

    proptest! {
        #[test]
        fn a_delivery_verifies_and_a_changed_one_does_not(
            seed: u64,
            id in "msg_[A-Za-z0-9]{27}",
            at in 0i64..10_000_000_000,
            body: Vec<u8>,
        ) {
            let secret = Secret::generate(Kind::Hmac256, &mut Seeded(seed));
            let other = Secret::generate(Kind::Hmac256, &mut Seeded(!seed));
            let made = headers(HeaderProfile::Svix, std::slice::from_ref(&secret), &id, at, &body);
            let (time, signatures) = (&made[1].1, &made[2].1);
            prop_assert!(verify(&secret, &id, time, signatures, &body));
            prop_assert!(!verify(&other, &id, time, signatures, &body));
            prop_assert!(!verify(&secret, "msg_other", time, signatures, &body));
            prop_assert!(!verify(&secret, &id, &(at + 1).to_string(), signatures, &body));
            prop_assert!(!verify(&secret, &id, time, signatures, &[&body[..], b" "].concat()));
        }

        #[test]
        fn any_text_is_answered(id in ".*", at in ".*", signatures in ".*", body: Vec<u8>) {
            let secret = Secret::generate(Kind::Hmac256, &mut Seeded(3));
            prop_assert!(!verify(&secret, &id, &at, &signatures, &body));
        }
    }
}
