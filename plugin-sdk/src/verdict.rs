//! The verdict of a plugin.

use crate::frame::{self, key};
use crate::json::Value;
use crate::{Error, Result};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// What becomes of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered as it came.
    Deliver,
    /// It is delivered with these changes.
    Replace(Patch),
    /// It is not delivered, for this reason, and shown as filtered.
    Drop(Cow<'static, str>),
    /// The plugin failed.
    Fail(Error),
}

impl Verdict {
    /// Does not deliver; the reason is shown beside the delivery.
    pub fn drop(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Drop(reason.into())
    }
}

/// Changes to an event: body, headers, event type. The rest of the event stays byte for byte.
///
/// ```
/// use weir_plugin::prelude::*;
/// let patch = Patch::new().header("x-tenant", "acme").remove_header("x-debug");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    event_type: Option<String>,
    headers: Vec<(String, Option<String>)>,
    body: Option<Vec<u8>>,
}

impl Patch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Replaces the body by JSON.
    #[must_use]
    pub fn json(self, value: &Value<'_>) -> Self {
        self.body(value.to_json())
    }

    /// Sets a header, replacing all its earlier values.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Renames the event's type, for this endpoint.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.event_type.is_none() && self.headers.is_empty() && self.body.is_none()
    }

    /// The output frame of ABI version 1.
    #[doc(hidden)]
    pub fn to_frame(&self) -> Vec<u8> {
        let headers = (!self.headers.is_empty()).then(|| {
            frame::write_headers(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())))
        });
        let mut entries = Vec::with_capacity(3);
        if let Some(event_type) = &self.event_type {
            entries.push((key::EVENT_TYPE, event_type.as_bytes()));
        }
        if let Some(headers) = &headers {
            entries.push((key::HEADERS, headers.as_slice()));
        }
        if let Some(body) = &self.body {
            entries.push((key::BODY, body.as_slice()));
        }
        frame::write(&entries)
    }
}

/// The return types of a plugin's function; the crate's documentation has the table.
///
/// Anything else is told where it is written:
///
/// ```compile_fail,E0277
/// use weir_plugin::prelude::*;
/// #[plugin]
/// fn attempts(event: Event) -> u32 { event.attempt() }
/// ```
#[diagnostic::on_unimplemented(
    message = "a plugin cannot return `{Self}`",
    label = "not a return type of a plugin",
    note = "a plugin returns `bool`, `()`, `Verdict`, `Patch`, `String`, `Vec<u8>`, `json::Value`, `Json<T>` \
         (feature `serde`), or an `Option` or `Result` of one of them"
)]
pub trait IntoVerdict {
    /// The verdict that the answer stands for.
    fn into_verdict(self) -> Verdict;
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl IntoVerdict for () {
    fn into_verdict(self) -> Verdict {
        Verdict::Deliver
    }
}

impl IntoVerdict for bool {
    fn into_verdict(self) -> Verdict {
        if self { Verdict::Deliver } else { Verdict::Drop(Cow::Borrowed("")) }
    }
}

impl IntoVerdict for Patch {
    fn into_verdict(self) -> Verdict {
        if self.is_empty() { Verdict::Deliver } else { Verdict::Replace(self) }
    }
}

impl IntoVerdict for Vec<u8> {
    fn into_verdict(self) -> Verdict {
        Patch::new().body(self).into_verdict()
    }
}

impl IntoVerdict for String {
    fn into_verdict(self) -> Verdict {
        self.into_bytes().into_verdict()
    }
}

impl IntoVerdict for Value<'_> {
    fn into_verdict(self) -> Verdict {
        Patch::new().json(&self).into_verdict()
    }
}

impl<T: IntoVerdict> IntoVerdict for Option<T> {
    fn into_verdict(self) -> Verdict {
        self.map_or(Verdict::Drop(Cow::Borrowed("")), IntoVerdict::into_verdict)
    }
}

impl<T: IntoVerdict, E: Into<Error>> IntoVerdict for Result<T, E> {
    fn into_verdict(self) -> Verdict {
        self.map_or_else(|error| Verdict::Fail(error.into()), IntoVerdict::into_verdict)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> IntoVerdict for crate::Json<T> {
    fn into_verdict(self) -> Verdict {
        serde_json::to_vec(&self.0).into_verdict()
    }
}
