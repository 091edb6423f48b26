//! Errors of the API: what a caller did wrong, in the shapes that Svix's SDKs parse.
//!
//! Not 422: `{"code": …, "detail": …}`. 422: `{"detail": [{"loc": […], "msg": …, "type": …}]}`.

use crate::sql::SqlError;
use serde::Serialize;
use std::fmt;

/// One thing that is wrong with the input of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ValidationError"))]
pub struct Fault {
    /// Where: `["body", "url"]`, `["query", "limit"]`, `["path", "app_id"]`.
    pub loc: Vec<String>,
    /// A sentence that says what to do.
    pub msg: String,
    /// A stable word for programs, such as `value_error`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An error that is answered to the caller of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// 422 with the list of faults.
    Invalid(Vec<Fault>),
    /// Any other status, with a stable code and a sentence.
    Status {
        /// The HTTP status.
        status: u16,
        /// A stable word for programs.
        code: &'static str,
        /// A sentence for people.
        detail: String,
    },
    /// The storage failed: a defect, answered as 500 without its text; the text goes to the log.
    Internal(String),
}

impl ApiError {
    /// A 422 about one place.
    pub fn invalid(loc: &[&str], msg: impl Into<String>) -> Self {
        Self::invalid_kind(loc, msg, "value_error")
    }

    /// A 422 about one place, with its own type word.
    pub fn invalid_kind(loc: &[&str], msg: impl Into<String>, kind: &str) -> Self {
        ApiError::Invalid(vec![Fault {
            loc: loc.iter().map(|&part| part.to_owned()).collect(),
            msg: msg.into(),
            kind: kind.to_owned(),
        }])
    }

    /// Any status but 422.
    pub fn status(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        ApiError::Status { status, code, detail: detail.into() }
    }

    /// 400 with the code `generic_error`.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::status(400, "generic_error", detail)
    }

    /// 404; `what` is the entity's word ("Application", "Endpoint", …).
    pub fn not_found(what: &str) -> Self {
        Self::status(404, "not_found", format!("{what} not found"))
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::status(409, "conflict", detail)
    }

    /// The HTTP status.
    pub fn http_status(&self) -> u16 {
        match self {
            ApiError::Invalid(_) => 422,
            ApiError::Status { status, .. } => *status,
            ApiError::Internal(_) => 500,
        }
    }

    /// The JSON body.
    pub fn body(&self) -> String {
        let value = match self {
            ApiError::Invalid(faults) => serde_json::json!({ "detail": faults }),
            ApiError::Status { code, detail, .. } => serde_json::json!({ "code": code, "detail": detail }),
            ApiError::Internal(_) => serde_json::json!({
                "code": "server_error",
                "detail": "Something went wrong on our side. The request may be sent again.",
            }),
        };
        value.to_string()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Internal(text) => write!(f, "500 {text}"),
            other => write!(f, "{} {}", other.http_status(), other.body()),
        }
    }
}

impl std::error::Error for ApiError {}

impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        ApiError::Internal(error.to_string())
    }
}
