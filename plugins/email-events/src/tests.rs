use super::email_events;
use weir_plugin::prelude::*;
use weir_plugin::test;

/// The example of Reloop's documentation.
const BOUNCED: &str = r#"{
    "type": "email.bounced",
    "created_at": "2023-11-22T23:41:12.126Z",
    "data": {
        "email_id": "em_123456789",
        "from": "Acme <onboarding@reloop.dev>",
        "to": ["delivered@reloop.dev"],
        "subject": "Sending this \u00e9xample",
        "bounce": {
            "message": "The recipient's email address is on the suppression list.",
            "subType": "Suppressed",
            "type": "Permanent"
        }
    }
}"#;

fn run(shape: &str, body: &str) -> test::Outcome {
    let event = test::event("other").id("msg_1").json(body);
    event.config(&format!(r#"{{"shape": "{shape}"}}"#)).run(email_events)
}

fn of(kind: &str, data: &str) -> String {
    format!(r#"{{"type": "{kind}", "created_at": "2026-02-13T12:00:00.000Z", "data": {data}}}"#)
}

#[test]
fn loops_gets_names_seconds_and_identities() {
    let outcome = run("loops", BOUNCED);
    assert_eq!(
        outcome.text(),
        concat!(
            r#"{"eventName":"email.hardBounced","webhookSchemaVersion":"1.0.0","eventTime":1700696472,"sourceType":"transactional","#,
            r#""contactIdentity":{"id":null,"email":"delivered@reloop.dev","userId":null},"#,
            r#""email":{"id":"em_123456789","emailMessageId":null,"subject":"Sending this \u00e9xample"}}"#
        )
    );
    assert_eq!(outcome.event_type(), "email.hardBounced");
    let outcome =
        run("loops", &of("email.sent", r#"{"campaign_id": "c_1", "to": "a@b.c", "email_id": 1e3}"#));
    assert_eq!(
        outcome.text(),
        concat!(
            r#"{"eventName":"campaign.email.sent","webhookSchemaVersion":"1.0.0","eventTime":1770984000,"campaignId":"c_1","#,
            r#""contactIdentity":{"id":null,"email":"a@b.c","userId":null},"email":{"id":1e3,"emailMessageId":null,"subject":null}}"#
        )
    );
    let contact = r#"{"contact_id": "ct_1", "email": "a@b.c", "firstName": null, "plan": "pro"}"#;
    assert_eq!(
        run("loops", &of("contact.created", contact)).text(),
        concat!(
            r#"{"eventName":"contact.created","webhookSchemaVersion":"1.0.0","eventTime":1770984000,"#,
            r#""contactIdentity":{"id":"ct_1","email":"a@b.c","userId":null},"#,
            r#""contact":{"contact_id":"ct_1","email":"a@b.c","firstName":null,"plan":"pro"}}"#
        )
    );
}

#[test]
fn mailabl_gets_an_array_of_resources() {
    let outcome = run("mailabl", BOUNCED);
    assert_eq!(
        outcome.text(),
        concat!(
            r#"[{"id":"msg_1","type":"email.bounced","data":{"object":{"id":"em_123456789","type":"email"}},"#,
            r#""occurredAt":"2023-11-22T23:41:12.126000Z"}]"#
        )
    );
    assert_eq!(outcome.event_type(), "other");
    assert!(run("mailabl", &of("email.opened", "{}")).is_dropped());
}

#[test]
fn relaypost_gets_one_word_and_metadata() {
    let data = r#"{"email_id": "abc123", "message_id": "<uuid@yourapp.com>", "to": ["user@example.com"],
        "mx_host": "mx.example.com", "smtp_code": 250, "smtp_message": "OK"}"#;
    let outcome = run("relaypost", &of("email.delivered", data));
    assert_eq!(
        outcome.text(),
        concat!(
            r#"{"event":"delivered","email_id":"abc123","message_id":"<uuid@yourapp.com>","recipient":"user@example.com","#,
            r#""timestamp":"2026-02-13T12:00:00.000Z","metadata":{"mx_host":"mx.example.com","smtp_code":250,"smtp_message":"OK"}}"#
        )
    );
    assert_eq!(outcome.event_type(), "delivered");
    let outcome = run("relaypost", BOUNCED);
    let body = json::parse(outcome.text()).unwrap();
    assert_eq!(body.get("event").and_then(Value::as_str).as_deref(), Some("bounced"));
    let message = body.at("metadata.smtp_message").and_then(Value::as_str);
    assert_eq!(message.as_deref(), Some("The recipient's email address is on the suppression list."));
}

#[test]
fn every_type_has_the_name_of_the_shape() {
    for (kind, loops, relaypost) in [
        ("email.sent", Some("transactional.email.sent"), Some("processing")),
        ("email.delivered", Some("email.delivered"), Some("delivered")),
        ("email.delivery_delayed", Some("email.softBounced"), Some("deferred")),
        ("email.opened", Some("email.opened"), Some("opened")),
        ("email.clicked", Some("email.clicked"), None),
        ("email.complained", Some("email.spamReported"), Some("complained")),
        ("email.unsubscribed", Some("email.unsubscribed"), None),
        ("email.failed", None, Some("failed")),
        ("email.rejected", None, Some("rejected")),
        ("contact.deleted", Some("contact.deleted"), None),
        ("domain.created", None, None),
    ] {
        for (shape, name) in [("loops", loops), ("relaypost", relaypost)] {
            let outcome = run(shape, &of(kind, "{}"));
            let named = outcome.is_delivered().then(|| outcome.event_type());
            assert_eq!(named, name, "{kind} for {shape}");
        }
    }
    let soft = of("email.bounced", r#"{"bounce": {"type": "Transient"}}"#);
    assert_eq!(run("loops", &soft).event_type(), "email.softBounced");
    assert_eq!(run("relaypost", &soft).event_type(), "deferred");
}

#[test]
fn what_the_shape_does_not_have_is_dropped_or_kept() {
    let outcome = run("loops", &of("domain.created", "{}"));
    assert_eq!(outcome.reason(), Some("the shape has no event for domain.created"));
    let event = test::event("a").json(&of("domain.created", "{}"));
    assert!(event.config(r#"{"shape": "loops", "others": "keep"}"#).run(email_events).is_unchanged());
}

#[test]
fn without_type_and_time_the_message_has_them() {
    let event =
        test::event("email.opened").timestamp(1_770_984_000_000).json(r#"{"data": {"email_id": "1"}}"#);
    let outcome = event.config(r#"{"shape": "loops"}"#).run(email_events);
    assert!(outcome.text().starts_with(
        r#"{"eventName":"email.opened","webhookSchemaVersion":"1.0.0","eventTime":1770984000,"#
    ));
}

#[test]
fn what_is_no_common_event_is_an_error() {
    let outcome = run("loops", "{}");
    assert_eq!(
        outcome.error().map(Error::text),
        Some("body: `data` is missing: this is not a common e-mail event")
    );
    let outcome = run("other", BOUNCED);
    let error = outcome.error().map(Error::text);
    assert_eq!(error, Some("configuration: `shape` must be loops, mailabl or relaypost"));
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), email_events);
}
