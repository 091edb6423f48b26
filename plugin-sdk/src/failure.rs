//! Why a plugin failed: a sentence, and whether trying again may help.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;

/// The return type of a plugin's function that may fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failure of a plugin.
///
/// A plugin is a pure function: the same event and configuration fail the same way again. So a failure is permanent
/// unless [`Error::retry`] says otherwise. What becomes of the event (held, delivered as it was, or dropped) is for the
/// endpoint's configuration to say.
///
/// `?` turns every error into one. It is not itself a [`core::error::Error`], as that would forbid exactly this.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    pub(crate) text: Cow<'static, str>,
    pub(crate) retryable: bool,
}

impl Error {
    /// A failure that will be the same next time.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), retryable: false }
    }

    /// A failure that a later attempt may not have (it sees another [`Event::attempt`](crate::Event::attempt)).
    pub fn retry(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), retryable: true }
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The same failure with what was being done before its text: `configuration: unexpected end`.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        let mut text = String::from(doing);
        text.push_str(": ");
        text.push_str(&self.text);
        self.text = text.into();
        self
    }
}

impl<E: core::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
