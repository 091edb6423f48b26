//! Rate limits as users set them; [`crate::pace`] enforces them.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// How many requests may start within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RateLimit {
    /// The maximum number of requests in the window.
    #[n(0)]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Limit"))]
    pub limit: u32,
    /// The length of the window.
    #[n(1)]
    pub window: Window,
}

/// The window of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Window {
    /// One second, sliding.
    #[n(0)]
    Second,
    /// One minute, 60 seconds.
    #[n(1)]
    Minute,
    /// One hour, 3600 seconds.
    #[n(2)]
    Hour,
}

impl Window {
    /// Its length in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Window::Second => 1_000,
            Window::Minute => 60_000,
            Window::Hour => 3_600_000,
        }
    }
}
