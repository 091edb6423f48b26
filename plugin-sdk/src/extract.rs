//! The parameters of a plugin's function: each is created from the event.

use crate::json::Value;
use crate::{Event, Result};

/// A parameter of a plugin's function; the crate's documentation has the table.
///
/// Anything else is told where it is written:
///
/// ```compile_fail,E0277
/// use weir_plugin::prelude::*;
/// #[plugin]
/// fn large_only(amount: u32) -> bool { amount > 100 }
/// ```
#[diagnostic::on_unimplemented(
    message = "a plugin cannot have a parameter of type `{Self}`",
    label = "not a parameter type of a plugin",
    note = "a parameter is `Event`, `&str`, `&[u8]`, `json::Value`, `Json<T>` or `Config<T>` (feature \
         `serde`, with a `T` that is `Deserialize`)"
)]
pub trait FromEvent<'a>: Sized {
    /// Makes it from the event; a failure is the plugin's failure.
    fn from_event(event: Event<'a>) -> Result<Self>;
}

impl<'a> FromEvent<'a> for Event<'a> {
    fn from_event(event: Event<'a>) -> Result<Self> {
        Ok(event)
    }
}

impl<'a> FromEvent<'a> for &'a [u8] {
    fn from_event(event: Event<'a>) -> Result<Self> {
        Ok(event.body())
    }
}

impl<'a> FromEvent<'a> for &'a str {
    fn from_event(event: Event<'a>) -> Result<Self> {
        event.text()
    }
}

impl<'a> FromEvent<'a> for Value<'a> {
    fn from_event(event: Event<'a>) -> Result<Self> {
        event.json()
    }
}

#[cfg(feature = "serde")]
mod typed {
    use super::{Event, FromEvent, Result};
    use crate::Error;
    use core::ops::{Deref, DerefMut};
    use serde::Deserialize;

    /// The body as a value of a type of your own; as an answer, a new body.
    ///
    /// A number passes through Rust's types: what must keep its text (`1.0`, `1e3`, integers beyond 64 bits) is better
    /// left to [`json::Value`](crate::json::Value).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Json<T>(pub T);

    /// The configuration with which the plugin is attached, as a value of a type of your own. Where there is none it is
    /// read from `{}`, so a type all of whose fields have defaults needs no configuration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Config<T>(pub T);

    macro_rules! wrapper {
        ($name:ident) => {
            impl<T> Deref for $name<T> {
                type Target = T;

                fn deref(&self) -> &T {
                    &self.0
                }
            }

            impl<T> DerefMut for $name<T> {
                fn deref_mut(&mut self) -> &mut T {
                    &mut self.0
                }
            }
        };
    }
    wrapper!(Json);
    wrapper!(Config);

    impl<'a, T: Deserialize<'a>> FromEvent<'a> for Json<T> {
        fn from_event(event: Event<'a>) -> Result<Self> {
            serde_json::from_slice(event.body()).map(Self).map_err(|error| Error::from(error).context("body"))
        }
    }

    impl<'a, T: Deserialize<'a>> FromEvent<'a> for Config<T> {
        fn from_event(event: Event<'a>) -> Result<Self> {
            let text = event.config_text();
            serde_json::from_str(if text.is_empty() { "{}" } else { text })
                .map(Self)
                .map_err(|error| Error::from(error).context("configuration"))
        }
    }
}

#[cfg(feature = "serde")]
pub use typed::{Config, Json};
