//! The types that requests and answers are made of, and what must hold of them.

pub mod application;
pub mod attempt;
pub mod auth;
pub mod batch;
pub mod delivery;
pub mod endpoint;
pub mod event_type;
pub mod example;
pub mod forget;
mod json_schema;
pub mod message;
pub mod openapi;
pub mod overview;
mod pattern;
pub mod plugin;
pub mod preset;
pub mod setting;
pub mod source;
pub mod task;
pub mod usage;

use super::body::Faults;
use crate::error::ApiError;
use crate::id;
pub use crate::text::{MAX_NAME, Metadata, is_name};
pub(crate) use crate::text::{is_dots, shown};
use serde::{Deserialize, Deserializer};

/// The most bytes of a metadata object, as JSON.
pub const MAX_METADATA: usize = 4096;
/// The most channels (or tags) of a message or an endpoint.
pub const MAX_CHANNELS: usize = 10;
/// The longest channel (or tag).
pub const MAX_CHANNEL: usize = 128;
/// The longest name or description that people write for people.
pub const MAX_TEXT: usize = 4096;

const NAME_RULE: &str =
    "Use 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and . (but not '.' or '..' alone).";

/// Notes what is wrong with a uid.
pub fn check_uid(faults: &mut Faults, loc: &[&str], uid: &str) {
    faults.check(is_name(uid), loc, NAME_RULE);
    faults.check(!id::looks_like_id(uid), loc, "A uid must not look like an id. Choose another.");
}

/// A 422 where the path names something new by what cannot be a uid.
pub fn check_new_uid(uid: Option<&str>) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    if let Some(uid) = uid {
        check_uid(&mut faults, &["uid"], uid);
    }
    faults.into_result()
}

/// Notes what is wrong with the name of an event type.
pub fn check_event_type(faults: &mut Faults, loc: &[&str], name: &str) {
    faults.check(is_name(name), loc, NAME_RULE);
    // "-name" as an iterator means "before name".
    faults.check(!name.starts_with('-'), loc, "The name of an event type must not begin with a hyphen.");
}

/// Notes what is wrong with channels (or tags, which follow the same rule).
pub fn check_channels(faults: &mut Faults, loc: &[&str], channels: &[String]) {
    faults.check(
        (1..=MAX_CHANNELS).contains(&channels.len()),
        loc,
        format!("Send 1 to {MAX_CHANNELS} items, or omit the field."),
    );
    for (index, channel) in channels.iter().enumerate().take(MAX_CHANNELS) {
        let right = (1..=MAX_CHANNEL).contains(&channel.len())
            && channel
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'+'));
        if !right {
            let index = index.to_string();
            let loc: Vec<&str> = loc.iter().copied().chain([index.as_str()]).collect();
            faults.add(&loc, "Use 1 to 128 of the characters a-z, A-Z, 0-9, -, _, ., : and +");
        }
    }
}

/// Notes what is wrong with metadata.
pub fn check_metadata(faults: &mut Faults, metadata: &Metadata) {
    let size = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    faults.check(
        size <= MAX_METADATA,
        &["metadata"],
        format!("The metadata has {size} bytes as JSON; the limit is {MAX_METADATA}."),
    );
}

/// Notes a text that is too long.
pub fn check_text(faults: &mut Faults, field: &str, text: &str) {
    faults.check(text.len() <= MAX_TEXT, &[field], format!("Use at most {MAX_TEXT} bytes."));
}

/// Notes a rate of zero.
pub fn check_rate(faults: &mut Faults, rate: Option<u16>) {
    faults.check(rate != Some(0), &["throttleRate"], "Send a rate of at least 1, or null for none.");
}

/// Reads null as the default, as SDKs send null for what was left out.
pub(crate) fn null_is_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// An empty list means the same as none.
pub(crate) fn none_if_empty(list: Option<Vec<String>>) -> Option<Vec<String>> {
    list.filter(|list| !list.is_empty())
}

/// The same list, each item once, where it came first.
pub(crate) fn unique(list: Vec<String>) -> Vec<String> {
    let keep: Vec<bool> = {
        let mut seen = std::collections::HashSet::with_capacity(list.len());
        list.iter().map(|item| seen.insert(item.as_str())).collect()
    };
    list.into_iter().zip(keep).filter_map(|(item, keep)| keep.then_some(item)).collect()
}
