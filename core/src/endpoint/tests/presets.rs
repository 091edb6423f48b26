//! Endpoints that send as a provider does.

use super::*;
use crate::preset;
use crate::query::Query;
use crate::scheme::{Params, Request, Verdict};
use crate::send_as::SendAs;

fn secret(text: &str, expires_at: Option<i64>) -> SecretFrame {
    SecretFrame { sealed: format!("plain:{text}"), expires_at }
}

/// An endpoint that sends as this preset, and leaves everything else to it; only batches do not wait for others.
fn sending_as(name: &str, secrets: &[&str]) -> Config {
    let delivery = preset::find(name).and_then(|preset| preset.delivery);
    Config {
        batch: delivery.filter(|delivery| delivery.batch).map(|_| Batch { max_events: 100, max_wait_ms: 0 }),
        secrets: secrets.iter().map(|text| secret(text, None)).collect(),
        schedule_ms: None,
        timeout_ms: None,
        send_as: Some(SendAs { preset: name.into(), ..SendAs::default() }),
        ..config(1)
    }
}

fn header<'a>(attempt: &'a Attempt, name: &str) -> Option<&'a str> {
    let mut found = attempt.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} is there twice: {:?}", attempt.headers);
    value
}

fn verify(attempt: &Attempt, name: &str, secret: &str, params: &Params) -> Verdict {
    let scheme = preset::find(name).unwrap().scheme;
    let url = attempt.signed_url.as_deref().unwrap_or(&attempt.url);
    let request = Request { method: "POST", url, headers: &attempt.headers, body: &attempt.body };
    scheme.verify(&scheme.verifying(&[secret]), params, &request, attempt.started_at)
}

/// When the attempts of a delivery that always fails are made, and which answer makes it fail.
fn attempts(sut: &mut Sut, code: u16) -> Vec<i64> {
    let first = sut.sent();
    let mut times = vec![first.started_at];
    sut.answer(first, code);
    while let Some(at) = sut.endpoint.query_earliest().unwrap() {
        let attempt = sut.due_at(at).pop().expect("it is due");
        times.push(attempt.started_at);
        sut.answer(attempt, code);
    }
    times
}

#[test]
fn every_preset_that_can_sign_sends_what_it_verifies_itself() {
    let mut of_another_shape = Vec::new();
    for name in preset::names() {
        let preset = preset::find(name).unwrap();
        let Ok(secret) = crate::send_as::new_secret(&preset, &mut Seeded(3)) else { continue };
        let mut config = sending_as(name, &[&secret]);
        let send_as = config.send_as.as_mut().unwrap();
        for param in preset.scheme.params() {
            send_as.params.insert(param, "value".into());
        }
        let params = send_as.params.clone();
        if send_as.check().is_err() {
            continue; // it signs nothing
        }
        let mut sut = Sut::with(config);
        let mut messages = sut.messages(1);
        messages[0].payload =
            br#"{"type":"a.b","events":[{"a":1}],"notifications":[{"b":2}]}"#.to_vec().into();
        let (_, mut effects) = sut.push(&messages);
        let attempt = effects.send.pop().expect("it is sent");
        if let Some(why) = &attempt.refused {
            assert!(why.contains("The body must be") || why.contains("has no value at"), "{name}: {why}");
            of_another_shape.push(name);
            continue;
        }
        let public = preset.scheme.public_half(&secret).unwrap();
        let verdict = verify(&attempt, name, &public, &params);
        assert!(verdict.is_good(), "{name}: {verdict:?} {:?}", attempt.headers);
    }
    // Their signature is about fields that this event has not.
    assert_eq!(of_another_shape, ["adyen", "braintree", "microsoft-graph"]);
}

#[test]
fn reloop_says_its_own_id_beside_the_other_and_keeps_to_its_schedule() {
    let mut sut = Sut::with(sending_as("reloop", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let messages = sut.messages(1);
    let (_, mut effects) = sut.push(&messages);
    let attempt = effects.send.pop().unwrap();
    assert_eq!(header(&attempt, "reloop-id"), Some(messages[0].id.as_str()));
    assert_eq!(header(&attempt, "svix-id"), Some(messages[0].id.as_str()));
    assert_eq!(header(&attempt, "x-own"), Some("1"), "custom headers stay");
    sut.answer(attempt, 200);
    let times = attempts(&mut sut, 500);
    let pauses: Vec<i64> = times.windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect();
    let documented = [5, 300, 1800, 7200, 18_000, 36_000];
    assert_eq!(pauses.len(), documented.len());
    for (pause, documented) in pauses.iter().zip(documented) {
        assert!((documented..=documented * 102 / 100).contains(pause), "{pause} for {documented}");
    }
}

#[test]
fn loops_gets_at_most_ten_a_second_and_the_rest_waits() {
    let mut sut = Sut::with(sending_as("loops", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let messages = sut.messages(12);
    let (mut answer, mut effects) = sut.push(&messages);
    let mut started = Vec::new();
    loop {
        for attempt in std::mem::take(&mut effects.send) {
            started.push(attempt.started_at);
            let after = sut.answer(attempt, 200);
            effects.send.extend(after.send);
        }
        let taken = usize::try_from(answer.accepted).unwrap();
        if started.len() == messages.len() {
            break;
        }
        sut.now += 100;
        if taken < messages.len() {
            let (again, more) = sut.push(&messages[taken..]);
            answer.accepted += again.accepted;
            effects.send.extend(more.send);
        }
        let (now, Sut { endpoint, rng, .. }) = (sut.now, &mut sut);
        effects.send.extend(endpoint.tick(now, rng).unwrap().send);
    }
    assert_eq!(started.iter().filter(|&&at| at <= NOW + 1_000).count(), 10, "{started:?}");
    let mut own = sending_as("loops", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    own.paces = vec![(1, 60_000)];
    let mut sut = Sut::with(own);
    let messages = sut.messages(2);
    assert_eq!(sut.push(&messages).1.send.len(), 1, "the endpoint's own pace goes before");
}

#[test]
fn loops_keeps_thirty_days_of_history_with_what_was_answered() {
    // "We retain 30 days of event history.": also where the deployment keeps everything for longer.
    const DAY: i64 = 24 * HOUR;
    for (days, kept) in [(90, 30), (7, 7)] {
        let mut sut = Sut::with(sending_as("loops", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
        sut.settings.retention_days = days;
        sut.crash();
        let attempt = sut.sent();
        sut.answer(attempt, 200);
        sut.now += 60_000;
        let mut alarm = sut.alarm().alarm;
        sut.now = NOW + kept * DAY - 1;
        let ask = AttemptsAsk { query: Query::default(), msg_id: None, attempt_id: None, bytes: None };
        let shown = sut.endpoint.attempts(sut.now, &ask).unwrap().rows;
        assert_eq!((shown.len(), shown[0].response.as_str()), (1, "ok"), "{days}");
        if kept < i64::from(days) {
            assert!(
                alarm.is_some_and(|at| at <= NOW + (kept + 2) * DAY),
                "it is forgotten by itself: {alarm:?}"
            );
        }
        sut.now = NOW + (kept + 1) * DAY + 60_000;
        alarm = sut.alarm().alarm;
        assert_eq!((sut.recorded(), alarm), (0, None), "{days}");
    }
}

#[test]
fn mailabl_has_three_seconds_ten_retries_and_no_end_of_the_endpoint() {
    let mut sut = Sut::with(sending_as("mailabl", &["app-secret"]));
    let attempt = sut.sent();
    assert_eq!(attempt.timeout_ms, 3_000);
    let effects = sut.answer(attempt, 410);
    assert!(effects.reports.is_empty(), "410 is a failure like any other: {:?}", effects.reports);
    let mut sut = Sut::with(sending_as("mailabl", &["app-secret"]));
    assert_eq!(attempts(&mut sut, 404).len(), 11, "more than five days of failures, and it is still sent to");
    let own = Config { timeout_ms: Some(9_000), schedule_ms: Some(vec![]), ..sending_as("mailabl", &["s"]) };
    let mut sut = Sut::with(own);
    let attempt = sut.sent();
    assert_eq!(attempt.timeout_ms, 9_000, "what the endpoint says goes before");
    sut.answer(attempt, 200);
    assert_eq!(attempts(&mut sut, 500).len(), 1);
}

#[test]
fn mailabl_gathers_events_for_half_a_second() {
    let mut sut = Sut::with(Config { batch: None, ..sending_as("mailabl", &["app-secret"]) });
    let messages = sut.messages(2);
    assert!(sut.push(&messages).1.send.is_empty());
    sut.now += 500;
    let sent = sut.endpoint.tick(sut.now, &mut sut.rng).unwrap().send;
    assert_eq!((sent.len(), sent[0].body.as_slice()), (1, &b"[{},{}]"[..]));
    assert!(verify(&sent[0], "mailabl", "app-secret", &Params::new()).is_good());
}

#[test]
fn resend_takes_only_200_for_a_success() {
    let mut sut = Sut::with(sending_as("resend", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let attempt = sut.sent();
    sut.answer(attempt, 204);
    let attempt = sut.sent();
    sut.answer(attempt, 200);
    assert_eq!(sut.stats(), (1, 1, 0));
}

#[test]
fn resend_counts_each_period_from_the_failure_of_the_attempt_before() {
    // "each period is started following the failure of the preceding attempt": also where that took long to fail.
    let mut sut = Sut::with(sending_as("resend", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let mut attempt = sut.sent();
    for period in [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000] {
        sut.now += 12_000;
        sut.answer(attempt, 500);
        let due = sut.endpoint.query_earliest().unwrap().expect("another attempt");
        let waits = due - sut.now;
        assert!((period * 8 / 10..=period * 12 / 10).contains(&waits), "{waits} for {period}");
        attempt = sut.due_at(due).pop().expect("it is sent then");
        assert_eq!(attempt.started_at, due);
    }
    sut.now += 12_000;
    let reports = sut.answer(attempt, 500).reports;
    assert!(
        reports.iter().any(|(_, report)| matches!(report.kind, ReportKind::Exhausted { .. })),
        "{reports:?}"
    );
    assert_eq!(sut.due(), 0, "there is no seventh");
}

#[test]
fn relayposts_header_has_the_name_that_was_chosen() {
    let mut config = sending_as("relaypost", &["s3cret"]);
    let params = Params::from([("header".to_owned(), "X-Acme-Signature".to_owned())]);
    config.send_as.as_mut().unwrap().params = params.clone();
    let mut sut = Sut::with(config);
    let attempt = sut.sent();
    assert_eq!(header(&attempt, "x-acme-signature").map(str::len), Some(64));
    assert!(verify(&attempt, "relaypost", "s3cret", &params).is_good());
    assert_eq!(header(&attempt, "x-relaypost-signature"), None);
    sut.answer(attempt, 200);
    assert_eq!(attempts(&mut sut, 500).len(), 4, "up to three retries");
}

#[test]
fn where_the_form_has_room_every_live_secret_signs_and_else_the_newest() {
    let (new, old) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
    for (name, several) in [("loops", true), ("mailabl", false)] {
        let mut config = sending_as(name, &[new]);
        config.secrets.push(secret(old, Some(NOW + 10_000)));
        let mut sut = Sut::with(config);
        let attempt = sut.sent();
        assert!(verify(&attempt, name, new, &Params::new()).is_good(), "{name}");
        assert_eq!(verify(&attempt, name, old, &Params::new()).is_good(), several, "{name}");
        sut.answer(attempt, 200);
        sut.now += 10_000;
        assert!(!verify(&sut.sent(), name, old, &Params::new()).is_good(), "{name}: its time is over");
    }
}

#[test]
fn what_the_provider_says_of_an_event_is_not_the_endpoints_to_say() {
    let mut config = sending_as("github", &["s"]);
    config.headers =
        vec![("X-GitHub-Event".into(), "plain:mine".into()), ("x-other".into(), "plain:kept".into())];
    let attempt = Sut::with(config).sent();
    assert_eq!(header(&attempt, "x-github-event"), Some("order.paid"));
    assert_eq!(header(&attempt, "x-other"), Some("kept"));
}

#[test]
fn a_provider_of_forms_is_sent_a_form() {
    let mut sut = Sut::with(sending_as("twilio", &["s"]));
    let mut messages = sut.messages(2);
    messages[0].payload = br#"{"To":"+1 2","Ok":true}"#.to_vec().into();
    messages[1].payload = b"[1]".to_vec().into();
    let (_, effects) = sut.push(&messages);
    assert_eq!(header(&effects.send[0], "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(String::from_utf8_lossy(&effects.send[0].body), "Ok=true&To=%2B1+2");
    assert!(verify(&effects.send[0], "twilio", "s", &Params::new()).is_good());
    assert!(effects.send[1].refused.as_ref().is_some_and(|why| why.contains("JSON object")));
}

#[test]
fn a_secret_that_stands_in_the_url_is_called_and_not_recorded() {
    let scheme = r#"{"kind":"token","at":"query:key"}"#;
    let custom = SendAs { preset: "custom".into(), scheme: Some(scheme.into()), ..SendAs::default() };
    let mut sut = Sut::with(Config { send_as: Some(custom), ..sending_as("custom", &["t0p"]) });
    let attempt = sut.sent();
    assert_eq!(attempt.signed_url.as_deref(), Some("https://receiver.example.com/?key=t0p"));
    assert_eq!(attempt.url, "https://receiver.example.com/");
}

#[test]
fn without_a_secret_of_the_right_form_or_a_known_preset_deliveries_wait() {
    for config in [sending_as("standard-webhooks-ed25519", &["whsec_short"]), sending_as("not-yet", &["s"])] {
        let mut sut = Sut::with(config);
        let messages = sut.messages(1);
        let (answer, effects) = sut.push(&messages);
        assert_eq!((answer.accepted, effects.send.len(), sut.due()), (1, 0, 1));
    }
}
