//! The SDK for plugins of Weir, a webhook gateway.
//!
//! A plugin is a function over an event. It runs before each delivery and returns a verdict: deliver unchanged,
//! deliver changed, drop, or fail. This is a complete plugin:
//!
//! ```
//! use weir_plugin::prelude::*;
//! #[plugin]
//! fn paid_only(event: Event) -> bool { event.event_type() == "invoice.paid" }
//! ```
//!
//! (with `#![no_std]` as the file's first line; see below). Parameters and return types:
//!
//! | parameter | is |
//! |---|---|
//! | [`Event`] | a view of the event: nothing is parsed until it is asked for |
//! | `&[u8]`, `&str` | the body, as bytes or text |
//! | [`json::Value`] | the body as JSON whose numbers, key order and escapes stay as they were written |
//! | [`Json<T>`](Json), [`Config<T>`](Config) | the body or the configuration as a type of your own (feature `serde`) |
//!
//! | answer | is |
//! |---|---|
//! | `bool` | a filter: `false` drops |
//! | `()` | deliver unchanged |
//! | [`Patch`] | a new body, headers, event type; what it does not name stays byte for byte |
//! | [`Json<U>`](Json), [`json::Value`], `String`, `Vec<u8>` | a new body |
//! | [`Option`] of one of these | `None` drops |
//! | [`Result`] of one of these | `?` works on any error; a failure holds, passes or drops the event, as the endpoint is configured |
//! | [`Verdict`] | any of them |
//!
//! # Without the standard library
//!
//! A plugin that is `#![no_std]` is 6 KB smaller. The [`prelude`] has `String`, `Vec`, `Box`, `format!` and `vec!`. A
//! crate that needs `std` enables the feature `std`; without it the compiler reports `duplicate lang item`.
//!
//! # Tests
//!
//! Natively the attribute leaves the function alone, so `cargo test` needs no wasm: [`mod@test`] builds events and reads
//! answers, through the same frames that the gateway writes and reads.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
extern crate std;

mod event;
mod extract;
mod failure;
mod frame;
pub mod json;
mod level;
pub mod log;
#[doc(hidden)]
pub mod rt;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
mod verdict;

pub use event::{Event, Headers};
pub use extract::FromEvent;
#[cfg(feature = "serde")]
pub use extract::{Config, Json};
pub use failure::{Error, Result};
pub use verdict::{IntoVerdict, Patch, Verdict};
pub use weir_plugin_macros::plugin;

/// Everything that a plugin needs, in one `use`.
pub mod prelude {
    pub use crate::json::{self, Value};
    #[cfg(feature = "serde")]
    pub use crate::{Config, Json};
    pub use crate::{Error, Event, FromEvent, IntoVerdict, Patch, Result, Verdict, plugin};
    pub use crate::{debug, error, info, trace, warn};
    pub use alloc::borrow::{Cow, ToOwned};
    pub use alloc::boxed::Box;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use alloc::{format, vec};
    #[cfg(feature = "serde")]
    pub use serde::{self, Deserialize, Serialize};
}
