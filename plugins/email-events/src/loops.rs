//! Loops: a flat object with `eventName`, `webhookSchemaVersion` and `eventTime` in seconds.

use crate::{Common, put};
use weir_plugin::prelude::*;

pub(crate) fn shape(common: &Common<'_>) -> Option<Patch> {
    let name = match common.kind {
        "email.sent" => sent(common),
        "email.delivered" => "email.delivered",
        "email.bounced" if common.is_hard_bounce() => "email.hardBounced",
        "email.bounced" | "email.delivery_delayed" => "email.softBounced",
        "email.opened" => "email.opened",
        "email.clicked" => "email.clicked",
        "email.unsubscribed" => "email.unsubscribed",
        "email.complained" => "email.spamReported",
        "contact.created" => "contact.created",
        "contact.unsubscribed" => "contact.unsubscribed",
        "contact.deleted" => "contact.deleted",
        _ => return None,
    };
    let mut body = Value::object()
        .with("eventName", name)
        .with("webhookSchemaVersion", "1.0.0")
        .with("eventTime", common.time.div_euclid(1000));
    if common.kind.starts_with("email.") {
        if common.kind != "email.sent" {
            body.set("sourceType", source(common));
        }
        for (from, to) in
            [("campaign_id", "campaignId"), ("loop_id", "loopId"), ("transactional_id", "transactionalId")]
        {
            put(&mut body, to, common.data(from));
        }
    }
    let email = if common.kind.starts_with("email.") { common.recipient() } else { common.data("email") };
    let identity = Value::object()
        .with("id", common.data("contact_id"))
        .with("email", email)
        .with("userId", common.data("user_id"));
    body.set("contactIdentity", identity);
    if common.kind == "contact.created" {
        body.set("contact", common.data.clone());
    }
    if common.kind.starts_with("email.") {
        let email = Value::object()
            .with("id", common.data("email_id"))
            .with("emailMessageId", common.data("message_id"))
            .with("subject", common.data("subject"));
        body.set("email", email);
    }
    Some(Patch::new().event_type(name).json(&body))
}

/// What kind of sending an e-mail came from. One that names none is transactional.
fn source(common: &Common<'_>) -> &'static str {
    match (common.data.get("campaign_id"), common.data.get("loop_id")) {
        (Some(_), _) => "campaign",
        (None, Some(_)) => "loop",
        (None, None) => "transactional",
    }
}

fn sent(common: &Common<'_>) -> &'static str {
    match source(common) {
        "campaign" => "campaign.email.sent",
        "loop" => "loop.email.sent",
        _ => "transactional.email.sent",
    }
}
