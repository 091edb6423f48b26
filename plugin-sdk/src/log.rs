//! Log lines: [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!), [`debug!`](crate::debug!),
//! [`trace!`](crate::trace!), used as `println!` is.
//!
//! They are shown with the attempt, with the answer of a test run, and by `weir-plugin run`; also where the plugin failed.
//! The last 64 KiB are kept.

pub use crate::level::Level;
use core::fmt;

/// Writes a line; the macros call it.
#[doc(hidden)]
pub fn line(level: Level, text: fmt::Arguments<'_>) {
    crate::rt::log(level, text);
}

/// Logs that something failed.
#[macro_export]
macro_rules! error {
    ($($part:tt)*) => {
        $crate::log::line($crate::log::Level::Error, ::core::format_args!($($part)*))
    };
}

/// Logs that something is odd.
#[macro_export]
macro_rules! warn {
    ($($part:tt)*) => {
        $crate::log::line($crate::log::Level::Warn, ::core::format_args!($($part)*))
    };
}

/// Logs that something happened.
#[macro_export]
macro_rules! info {
    ($($part:tt)*) => {
        $crate::log::line($crate::log::Level::Info, ::core::format_args!($($part)*))
    };
}

/// Logs what helps to find a mistake.
#[macro_export]
macro_rules! debug {
    ($($part:tt)*) => {
        $crate::log::line($crate::log::Level::Debug, ::core::format_args!($($part)*))
    };
}

/// Logs everything else.
#[macro_export]
macro_rules! trace {
    ($($part:tt)*) => {
        $crate::log::line($crate::log::Level::Trace, ::core::format_args!($($part)*))
    };
}
