//! Gives e-mail events the body shapes that receivers of Loops, Mailabl and RelayPost know, from one common event.
//!
//! Configuration: `{"shape": "loops"}`, `"mailabl"` or `"relaypost"`.
//!
//! The common event is what Reloop and Resend send:
//!
//! ```json
//! {"type": "email.bounced", "created_at": "2023-11-22T23:41:12.126Z",
//!  "data": {"email_id": "em_1", "from": "…", "to": ["ann@example.com"], "subject": "…",
//!           "bounce": {"message": "…", "type": "Permanent", "subType": "Suppressed"}}}
//! ```
//!
//! Of `data`, these are used where they are there: `message_id`, `contact_id`, `user_id`, `campaign_id`, `loop_id`, `transactional_id`,
//! `mx_host`, `smtp_code`, `smtp_message`, `bounce`. The time is `created_at`, or else when the event was accepted.
//!
//! A type that the shape has no name for is dropped (its reason says so), or delivered as it is with `"others": "keep"`.
#![no_std]

mod loops;
mod mailabl;
mod relaypost;

use weir_plugin::prelude::*;
use weir_plugins_common::{text_of, time};

/// What all shapes are made from.
struct Common<'a> {
    id: &'a str,
    /// The type, such as `email.bounced`.
    kind: &'a str,
    /// Milliseconds since 1970.
    time: i64,
    data: &'a Value<'a>,
}

impl<'a> Common<'a> {
    /// A member of `data`; `null` where there is none.
    fn data(&self, name: &str) -> Value<'a> {
        self.data.get(name).cloned().unwrap_or(Value::Null)
    }

    /// The first recipient.
    fn recipient(&self) -> Value<'a> {
        match self.data.get("to") {
            Some(Value::Array(all)) => all.first().cloned().unwrap_or(Value::Null),
            Some(one) => one.clone(),
            None => Value::Null,
        }
    }

    /// Whether a bounce is one that is not tried again. One that does not say so is.
    fn is_hard_bounce(&self) -> bool {
        let kind = self.data.at("bounce.type").and_then(Value::as_str);
        !kind.is_some_and(|kind| ["transient", "temporary", "soft"].contains(&&*kind.to_ascii_lowercase()))
    }
}

/// A member that is left out where there is nothing to say.
fn put<'a>(object: &mut Value<'a>, name: &str, value: Value<'a>) {
    if !value.is_null() {
        object.set(name, value);
    }
}

/// The plugin.
#[plugin(config = "config.schema.json", events = ["email.*", "contact.*"])]
fn email_events(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let shape: fn(&Common<'_>) -> Option<Patch> = match text_of(&config, "shape")?.as_deref() {
        Some("loops") => loops::shape,
        Some("mailabl") => mailabl::shape,
        Some("relaypost") => relaypost::shape,
        _ => return Err(Error::new("configuration: `shape` must be loops, mailabl or relaypost")),
    };
    let body = event.json()?;
    let kind = body.get("type").and_then(Value::as_str);
    let created = body.get("created_at").and_then(Value::as_str);
    let common = Common {
        id: event.id(),
        kind: kind.as_deref().unwrap_or(event.event_type()),
        time: created.and_then(|text| time::parse(&text)).unwrap_or(event.timestamp()),
        data: body
            .get("data")
            .ok_or_else(|| Error::new("body: `data` is missing: this is not a common e-mail event"))?,
    };
    match shape(&common) {
        Some(patch) => Ok(patch.into_verdict()),
        None if config.get("others").and_then(Value::as_str).as_deref() == Some("keep") => {
            Ok(Verdict::Deliver)
        }
        None => Ok(Verdict::drop(format!("the shape has no event for {}", common.kind))),
    }
}

#[cfg(test)]
mod tests;
