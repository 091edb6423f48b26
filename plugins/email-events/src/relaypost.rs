//! RelayPost: a flat object whose `event` is one word.

use crate::{Common, put};
use weir_plugin::prelude::*;
use weir_plugins_common::time;

pub(crate) fn shape(common: &Common<'_>) -> Option<Patch> {
    let name = match common.kind {
        "email.queued" | "email.scheduled" => "queued",
        "email.sent" | "email.processing" => "processing",
        "email.delivered" => "delivered",
        "email.opened" => "opened",
        "email.bounced" if common.is_hard_bounce() => "bounced",
        "email.bounced" | "email.delivery_delayed" | "email.deferred" => "deferred",
        "email.failed" => "failed",
        "email.complained" => "complained",
        "email.rejected" | "email.suppressed" => "rejected",
        _ => return None,
    };
    let mut metadata = Value::object();
    for name in ["mx_host", "smtp_code", "smtp_message"] {
        put(&mut metadata, name, common.data(name));
    }
    if metadata.get("smtp_message").is_none() {
        let message = common.data.at("bounce.message").cloned().unwrap_or(Value::Null);
        put(&mut metadata, "smtp_message", message);
    }
    let body = Value::object()
        .with("event", name)
        .with("email_id", common.data("email_id"))
        .with("message_id", common.data("message_id"))
        .with("recipient", common.recipient())
        .with("timestamp", time::format(common.time, 3))
        .with("metadata", metadata);
    Some(Patch::new().event_type(name).json(&body))
}
