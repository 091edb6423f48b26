//! Errors of the API, in the format that Svix's SDKs parse.
//!
//! Not 422: `{"code": …, "detail": …}`. 422: `{"detail": [{"loc": […], "msg": …, "type": …}]}`. The codes, their statuses and
//! their meanings are in [`Code`].

mod code;
#[cfg(test)]
mod page;

pub use code::Code;

use crate::sql::{SqlError, is_full};
use crate::vault::VaultError;
use serde::Serialize;
use std::fmt;

/// One thing that is wrong with the input of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ValidationError"))]
pub struct Fault {
    /// Where the error is: `["body", "url"]`, `["query", "limit"]`, `["path", "app_id"]`.
    pub loc: Vec<String>,
    /// A sentence that says what is wrong and what to do.
    pub msg: String,
    /// A stable word for programs, such as `value_error`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The maximum number of errors in one response.
pub const MAX_FAULTS: usize = 20;
/// The most segments of a fault's place, and characters of each.
const MAX_LOC: (usize, usize) = (16, 128);
/// The most characters of a fault's sentence.
const MAX_MSG: usize = 600;

impl Fault {
    /// A fault whose texts are cut to what an answer may hold, whatever the caller sent.
    pub fn new(loc: impl IntoIterator<Item = String>, msg: String, kind: &str) -> Self {
        let cut = |text: String, most: usize| match text.char_indices().nth(most) {
            Some((at, _)) => text.get(..at).unwrap_or_default().to_owned() + "…",
            None => text,
        };
        let (segments, length) = MAX_LOC;
        Self {
            loc: loc.into_iter().take(segments).map(|segment| cut(segment, length)).collect(),
            msg: cut(msg, MAX_MSG),
            kind: kind.to_owned(),
        }
    }
}

/// An error that is answered to the caller of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// 422 with the list of faults.
    Invalid(Vec<Fault>),
    /// Any other status, with a stable code and a sentence.
    Status {
        /// The code, which implies the HTTP status.
        code: Code,
        /// A sentence for people.
        detail: String,
    },
    /// A defect, answered as 500 without its text; the text goes to the log.
    Internal(String),
    /// It was not done, and no fault of the caller's: the platform or the storage failed. The text goes to the log.
    Unavailable(Trouble, String),
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An object was restarted or moved, its storage failed, or a call got lost.
    Failed,
    /// An object has more to do than it can.
    Overloaded,
    /// An object's storage is full.
    Full,
}

impl Trouble {
    /// What an error of the storage or of a call between objects says.
    pub fn of(error: &str) -> Self {
        if is_full(error) { Self::Full } else { Self::Failed }
    }

    const fn answer(self) -> (Code, &'static str) {
        match self {
            Self::Failed => (
                Code::Unavailable,
                "The gateway is temporarily unavailable. Send the request again in a moment.",
            ),
            Self::Overloaded => (
                Code::Overloaded,
                "There are too many requests at once. Send the request again in a few seconds.",
            ),
            Self::Full => (
                Code::StorageFull,
                "The storage is full. New messages are refused until older ones expire or are expunged. Shorten the \
                 retention, or use another application.",
            ),
        }
    }

    /// How many seconds to wait before the request is sent again.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Failed => Some(1),
            Self::Overloaded => Some(5),
            Self::Full => None,
        }
    }
}

impl ApiError {
    /// A 422 about one place.
    pub fn invalid(loc: &[&str], msg: impl Into<String>) -> Self {
        Self::invalid_kind(loc, msg, "value_error")
    }

    /// A 422 about one place, with its own type word.
    pub fn invalid_kind(loc: &[&str], msg: impl Into<String>, kind: &str) -> Self {
        ApiError::Invalid(vec![Fault::new(loc.iter().map(|&part| part.to_owned()), msg.into(), kind)])
    }

    /// An error with this code and its status.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        ApiError::Status { code, detail: detail.into() }
    }

    /// 400 with the code `generic_error`.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::GenericError, detail)
    }

    /// 404; `what` is the entity's word ("Application", "Endpoint", …).
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// The code; 422 has none.
    pub fn code(&self) -> Option<Code> {
        match self {
            ApiError::Invalid(_) => None,
            ApiError::Status { code, .. } => Some(*code),
            ApiError::Internal(_) => Some(Code::ServerError),
            ApiError::Unavailable(trouble, _) => Some(trouble.answer().0),
        }
    }

    /// The HTTP status.
    pub fn http_status(&self) -> u16 {
        self.code().map_or(422, Code::status)
    }

    /// The JSON body.
    pub fn body(&self) -> String {
        let value = match self {
            ApiError::Invalid(faults) => serde_json::json!({ "detail": faults }),
            ApiError::Status { code, detail, .. } => serde_json::json!({ "code": code, "detail": detail }),
            ApiError::Unavailable(trouble, _) => {
                let (code, detail) = trouble.answer();
                serde_json::json!({ "code": code, "detail": detail })
            }
            ApiError::Internal(_) => serde_json::json!({
                "code": Code::ServerError,
                "detail": "The gateway failed to process the request. You can send it again.",
            }),
        };
        value.to_string()
    }
}

impl From<VaultError> for ApiError {
    /// What the operator can mend is said to whoever asks; the object stays open, and what needs no secret works.
    fn from(error: VaultError) -> Self {
        if error.is_about_keys() {
            Self::new(Code::InvalidSetting, error.to_string())
        } else {
            Self::Internal(error.to_string())
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Internal(text) => write!(f, "500 {text}"),
            ApiError::Unavailable(_, text) => write!(f, "{} {text}", self.http_status()),
            other => write!(f, "{} {}", other.http_status(), other.body()),
        }
    }
}

impl std::error::Error for ApiError {}

impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        let text = error.to_string();
        ApiError::Unavailable(Trouble::of(&text), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_platform_did_not_do_is_no_defect_and_says_when_to_try_again() {
        let of = |text: &str| ApiError::from(SqlError(text.to_owned()));
        let failed = of("disk I/O error: SQLITE_IOERR");
        assert_eq!((failed.http_status(), failed.body().contains("SQLITE")), (503, false));
        let full = of("database or disk is full: SQLITE_FULL");
        assert_eq!(
            full,
            ApiError::Unavailable(Trouble::Full, "storage: database or disk is full: SQLITE_FULL".into())
        );
        assert_eq!(full.http_status(), 507);
        assert_eq!(Trouble::Failed.retry_after(), Some(1));
        assert!(ApiError::Unavailable(Trouble::Overloaded, String::new()).body().contains("overloaded"));
    }
}
