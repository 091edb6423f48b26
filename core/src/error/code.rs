//! The error codes of the API: the stable words by which a program tells one error from another.
//!
//! Each code has one HTTP status, one sentence that says when it is returned, and one that says what to do. The page
//! `docs/reference/errors.md` and the API reference are generated from this table, so neither can omit a code.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($( $code:ident $name:literal $status:literal: $when:literal, $action:literal; )+) => {
        /// The code of an error, as `code` in its JSON body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(
                #[doc = concat!("`", $name, "`, status ", stringify!($status), ": ", $when)]
                $code,
            )+
        }

        impl Code {
            /// Every code, in the order of their statuses.
            pub const ALL: &[Code] = &[ $( Code::$code, )+ ];

            /// The word in the JSON body. It does not change between releases.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Code::$code => $name, )+
                }
            }

            /// The HTTP status with which it is returned.
            pub const fn status(self) -> u16 {
                match self {
                    $( Code::$code => $status, )+
                }
            }

            /// When it is returned, in one sentence.
            pub const fn when(self) -> &'static str {
                match self {
                    $( Code::$code => $when, )+
                }
            }

            /// What the caller should do about it, in one or two sentences.
            pub const fn action(self) -> &'static str {
                match self {
                    $( Code::$code => $action, )+
                }
            }
        }
    };
}

codes! {
    GenericError "generic_error" 400:
        "The request cannot be served in the current state, for a reason that has no code of its own.",
        "Read `detail`.";
    LimitReached "limit_reached" 400:
        "A limit on the number of endpoints, plugins, versions, secrets or running tasks is reached.",
        "Delete what you no longer need, or wait for running tasks to finish.";
    MissingPayload "missing_payload" 400:
        "The message's payload is no longer stored: it expired or was expunged.",
        "Send the event again as a new message.";
    PrivateKey "private_key" 400:
        "The endpoint signs with a private key, which the API never returns.",
        "Ask the receiver for the public key, or rotate the secret.";
    EndpointDisabled "endpoint_disabled" 400:
        "The endpoint is disabled or paused, so nothing can be sent to it.",
        "Enable or resume the endpoint, then send the request again.";
    InvalidRange "invalid_range" 400:
        "The period is longer than 28 days, or it ends before it starts.",
        "Send a shorter period, with `since` before `until`.";
    InvalidScheme "invalid_scheme" 400:
        "The event type has no schema with an example, and the request has no payload.",
        "Add an example to the schema, or send `payload`.";
    IncompleteBody "incomplete_body" 400:
        "The request body ended early, or its transfer encoding is malformed.",
        "Send the whole body again.";
    ConfirmationRequired "confirmation_required" 400:
        "The request deletes all data of the tenant and does not confirm it.",
        "Repeat the request with `confirm` set to the tenant's id.";
    BadToken "bad_token" 400:
        "The token has no id (the claim `jti`), so it cannot be revoked.",
        "Wait until the token expires, or change `JWT_SECRET`.";
    AuthenticationFailed "authentication_failed" 401:
        "The token is missing, malformed, expired, revoked, or signed with another secret.",
        "Send a valid token as `Authorization: Bearer <token>`.";
    InsufficientAccess "insufficient access" 403:
        "The token is valid but does not allow this operation.",
        "Use an organization token, or an application token with the required capability.";
    NotFound "not_found" 404:
        "The resource does not exist, or it belongs to another tenant or application.",
        "Check the ids in the path. `detail` names the kind of resource.";
    MethodNotAllowed "method_not_allowed" 405:
        "The path exists, but not with this method.",
        "Use one of the methods in `detail`.";
    RequestTimeout "request_timeout" 408:
        "The request body did not arrive in time.",
        "Send the request again.";
    Conflict "conflict" 409:
        "The request conflicts with the current state, for example because the uid or the event id is taken.",
        "Read `detail`, and change the request.";
    EventTypeExists "event_type_exists" 409:
        "An event type with this name exists.",
        "Update it with `PUT` or `PATCH`.";
    ConcurrentUpdate "concurrent_update" 409:
        "Another request changed the resource at the same time.",
        "Send the request again.";
    IncompatiblePlugin "incompatible_plugin" 409:
        "The plugin's new version does not accept the configuration of an endpoint that follows the plugin.",
        "Change the configurations that `detail` names, pin the version there, or repeat the request with `force=true`.";
    PayloadTooLarge "payload_too_large" 413:
        "The body, the payload or the module is too large, or it holds too many events.",
        "Send less. `detail` names the limit.";
    UnsupportedMediaType "unsupported_media_type" 415:
        "The body is compressed in a way that cannot be read, or it is not what its `Content-Encoding` says.",
        "Send the body uncompressed, or with the `Content-Encoding` gzip or deflate.";
    RateLimitExceeded "rate_limit_exceeded" 429:
        "The token or the source has made too many requests.",
        "Wait for the number of seconds in `Retry-After`, then send the request again.";
    ServerError "server_error" 500:
        "The gateway has a defect. The log has the cause.",
        "Send the request again once. If it fails again, report it.";
    InvalidSetting "invalid_setting" 500:
        "A setting of the deployment is missing or invalid, or a stored secret cannot be decrypted with the current `MASTER_KEY`.",
        "Ask the operator to fix the setting that `detail` names.";
    Unavailable "unavailable" 503:
        "The platform or the storage failed, for example because an object was restarted.",
        "Wait for the number of seconds in `Retry-After`, then send the request again.";
    Overloaded "overloaded" 503:
        "One application or endpoint has more requests than it can process.",
        "Wait for the number of seconds in `Retry-After`, then send the request again at a lower rate.";
    NotReady "not_ready" 503:
        "The endpoint is not ready to deliver yet, or the event was not stored.",
        "Send the request again in a few seconds.";
    StorageFull "storage_full" 507:
        "The application's storage is full.",
        "Shorten the retention, expunge payloads, or use another application.";
    LoopDetected "loop_detected" 508:
        "The event has passed through too many sources: an endpoint sends it back to its own source.",
        "Change the endpoint's URL so that it does not lead to a source of the same chain.";
}

impl Code {
    /// The code of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted_by_status() {
        for (n, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::from_name(code.name()), Some(*code), "{code:?} has the name of another code");
            let next = Code::ALL.get(n + 1).map_or(u16::MAX, |next| next.status());
            assert!(code.status() <= next, "{code:?} comes after a code with a higher status");
        }
    }

    #[test]
    fn every_code_says_when_it_comes_and_what_to_do() {
        for code in Code::ALL {
            for text in [code.when(), code.action()] {
                assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{code:?}: {text}");
            }
        }
    }
}
