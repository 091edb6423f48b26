//! What the object promises, one test each.

mod flow;

use super::world::World;
use super::*;
use crate::api::call::{Call, Reply};
use crate::api::route::Op;
use crate::frame::{Accepted, ConfigAnswer, NewMessage, PayloadsAsk, Pull, PushAnswer, Report, ReportKind};
use crate::rng::Seeded;
use crate::settings::Settings;
use crate::sql::memory::Memory;
use serde_json::{Value as Json, json};

/// 2026-11-18T11:06:40Z.
const NOW: i64 = 1_795_000_000_000;

/// An object, its storage, and its clock.
struct Sut {
    sql: Memory,
    rng: Seeded,
    app: App<Memory>,
    now: i64,
}

fn open(sql: &Memory, now: i64, alarm: Option<i64>) -> App<Memory> {
    App::open(sql.clone(), Rc::new(Deployment::new(Settings::default())), now, alarm).unwrap()
}

fn init(version: i64, deleted: bool) -> AppInit {
    AppInit {
        org: "org_1".into(),
        app_id: "app_1".into(),
        uid: Some("mine".into()),
        version,
        deleted,
        rate: None,
        send_as: None,
    }
}

fn message(event_type: &str) -> NewMessage {
    NewMessage { event_type: event_type.into(), payload: b"{}".to_vec().into(), ..NewMessage::default() }
}

fn keyed(key: &str, body: &str) -> NewMessage {
    NewMessage {
        idempotency_key: Some(key.as_bytes().to_vec().into()),
        body_hash: Some(body.as_bytes().to_vec().into()),
        ..message("a")
    }
}

impl Sut {
    fn new() -> Self {
        let sql = Memory::new();
        let mut app = open(&sql, NOW, None);
        app.init(NOW, init(1, false)).unwrap();
        Self { sql, rng: Seeded(5), app, now: NOW }
    }

    /// An application with one endpoint that holds its configuration.
    fn with_endpoint(body: Json) -> (Self, String) {
        let mut sut = Self::new();
        let endpoint_id = sut.create(body);
        (sut, endpoint_id)
    }

    /// The memory is lost.
    fn crash(&mut self) {
        self.app = open(&self.sql, self.now, None);
    }

    fn handle(&mut self, op: Op, params: &[&str], query: &str, body: &Json) -> Option<Outcome> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = Call::of(op, params, query, body);
        self.app.handle(self.now, &mut self.rng, &call).unwrap()
    }

    fn api(&mut self, op: Op, params: &[&str], query: &str, body: &Json) -> (Reply, Effects) {
        match self.handle(op, params, query, body) {
            Some(Outcome::Reply(reply)) => (reply, Effects::default()),
            Some(Outcome::Changed(reply, effects)) => (reply, effects),
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, mut body: Json) -> String {
        body["url"] = json!("https://receiver.example.com/");
        let (reply, effects) = self.api(Op::EndpointCreate, &[], "", &body);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        let reply: Json = serde_json::from_slice(&reply.body).unwrap();
        let endpoint_id = reply["id"].as_str().unwrap().to_owned();
        self.acknowledge(&effects);
        endpoint_id
    }

    /// Every configuration is taken by its endpoint, and every operational event is accepted.
    fn acknowledge(&mut self, effects: &Effects) -> Effects {
        let mut last = Effects::default();
        for (endpoint_id, config) in &effects.configure {
            let answer = Some(ConfigAnswer { version: config.version });
            last = self.app.configured(self.now, endpoint_id, answer).unwrap();
        }
        let mut events = effects.events.clone();
        while let Some((seq, _)) = events.pop() {
            events.extend(self.app.event_sent(self.now, seq, true).unwrap().events);
        }
        last
    }

    fn change(&mut self, endpoint_id: &str, body: &Json) -> Effects {
        let (reply, effects) = self.api(Op::EndpointPatch, &[endpoint_id], "", body);
        assert_eq!(reply.status, 200);
        effects
    }

    fn accept(&mut self, messages: Vec<NewMessage>) -> (Vec<Accepted>, Effects) {
        self.app.accept(self.now, &mut self.rng, messages).unwrap()
    }

    /// Accepts so many messages; their ids, and what is to be done.
    fn accepted(&mut self, count: usize) -> (Vec<String>, Effects) {
        let (answers, effects) = self.accept(vec![message("a"); count]);
        let ids = answers.into_iter().map(|answer| match answer {
            Accepted::Stored { id, .. } => id,
            other => panic!("{other:?}"),
        });
        (ids.collect(), effects)
    }

    fn pushed(&mut self, endpoint_id: &str, accepted: usize) -> Effects {
        self.answer(endpoint_id, Some(answer(accepted)))
    }

    fn answer(&mut self, endpoint_id: &str, answer: Option<PushAnswer>) -> Effects {
        self.app.pushed(self.now, endpoint_id, answer).unwrap()
    }

    fn report(&mut self, endpoint_id: &str, kind: ReportKind, config_version: i64) -> Effects {
        let report = Report { endpoint_id: endpoint_id.to_owned(), kind, at: self.now, config_version };
        self.app.reported(self.now, &mut self.rng, &report).unwrap()
    }

    fn disabled(&mut self, endpoint_id: &str) -> bool {
        let (reply, _) = self.api(Op::EndpointGet, &[endpoint_id], "", &Json::Null);
        serde_json::from_slice::<Json>(&reply.body).unwrap()["disabled"] == true
    }
}

fn answer(accepted: usize) -> PushAnswer {
    PushAnswer { accepted: u32::try_from(accepted).unwrap(), enough: false, stale: false, owes: false }
}

/// The ids that are offered, endpoint by endpoint.
fn offered(effects: &Effects) -> Vec<Vec<String>> {
    effects.push.iter().map(|(_, push)| push.messages.iter().map(|m| m.id.clone()).collect()).collect()
}

#[test]
fn an_object_that_is_no_application_accepts_nothing_and_leaves_nothing_behind() {
    let sql = Memory::new();
    let mut app = open(&sql, NOW, None);
    let (answers, _) = app.accept(NOW, &mut Seeded(1), vec![message("a")]).unwrap();
    assert_eq!(answers, [Accepted::Unknown]);
    app.init(NOW, init(1, true)).unwrap();
    assert_eq!(sql.query("SELECT name FROM sqlite_master", &[]).unwrap(), []);
}

#[test]
fn a_message_named_by_a_uid_that_moved_on_is_not_taken() {
    let mut sut = Sut::new();
    let named = |uid: &str| NewMessage { app_uid: Some(uid.into()), ..message("a") };
    let (answers, _) = sut.accept(vec![named("mine"), named("other")]);
    assert!(matches!(answers[..], [Accepted::Stored { .. }, Accepted::Unknown]), "{answers:?}");
    sut.app.init(sut.now, init(2, true)).unwrap();
    sut.app.init(sut.now, init(1, false)).unwrap(); // older news
    assert_eq!(sut.accept(vec![message("a")]).0, [Accepted::Unknown]);
}

#[test]
fn a_repeated_request_gets_the_first_answer_again() {
    let mut sut = Sut::new();
    let (first, _) = sut.accept(vec![keyed("k", "b"), keyed("k", "b"), keyed("k", "other")]);
    let [
        Accepted::Stored { id, .. },
        Accepted::Stored { id: again, replayed: true, .. },
        Accepted::KeyReused,
    ] = &first[..]
    else {
        panic!("{first:?}")
    };
    assert_eq!(id, again);
    sut.crash();
    let (later, _) = sut.accept(vec![keyed("k", "b")]);
    assert!(matches!(&later[..], [Accepted::Stored { id: again, replayed: true, .. }] if again == id));
    sut.now += 12 * 3_600_000;
    let (expired, _) = sut.accept(vec![keyed("k", "b")]);
    assert!(matches!(&expired[..], [Accepted::Stored { replayed: false, .. }]));
}

#[test]
fn an_event_id_is_taken_once() {
    let mut sut = Sut::new();
    let event = || NewMessage { event_id: Some("e".into()), ..message("a") };
    assert!(matches!(sut.accept(vec![event()]).0[..], [Accepted::Stored { .. }]));
    assert_eq!(sut.accept(vec![event(), event()]).0, [Accepted::EventIdTaken, Accepted::EventIdTaken]);
}

#[test]
fn messages_are_offered_in_order_one_push_at_a_time() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (first, effects) = sut.accepted(2);
    assert!(first.is_sorted());
    assert_eq!(offered(&effects), [first]);
    let (second, effects) = sut.accepted(3);
    assert_eq!(offered(&effects), [[""; 0]; 0], "they gather while a push is under way");
    let effects = sut.pushed(&endpoint_id, 2);
    assert_eq!(offered(&effects), [second]);
    assert_eq!(offered(&sut.pushed(&endpoint_id, 3)), [[""; 0]; 0]);
}

#[test]
fn a_message_is_offered_to_the_endpoints_that_it_matches() {
    let mut sut = Sut::new();
    let by_type = sut.create(json!({ "filterTypes": ["a"] }));
    let by_channel = sut.create(json!({ "channels": ["north"] }));
    let (_, effects) = sut.accept(vec![
        message("a"),
        message("b"),
        NewMessage { channels: Some(r#"["north","south"]"#.into()), ..message("b") },
    ]);
    let offered: Vec<(&String, usize)> =
        effects.push.iter().map(|(id, push)| (id, push.messages.len())).collect();
    let mut expected = [(&by_type, 1), (&by_channel, 1)];
    expected.sort_unstable();
    assert_eq!(offered, expected);
}

#[test]
fn a_crash_repeats_the_offer_until_the_cursor_is_written() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(2);
    sut.pushed(&endpoint_id, 2);
    sut.crash();
    assert_eq!(offered(&sut.app.alarm(NOW + RECONCILE_MS).unwrap()), [ids]);
    sut.pushed(&endpoint_id, 2);
    sut.app.alarm(NOW + 2 * RECONCILE_MS).unwrap();
    sut.crash();
    assert_eq!(offered(&sut.app.alarm(NOW + 3 * RECONCILE_MS).unwrap()), [[""; 0]; 0]);
}

#[test]
fn an_alarm_that_does_not_fit_the_tables_is_repaired_by_the_next_call() {
    let (mut sut, _) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    sut.crash();
    assert_eq!(sut.app.tick(NOW).unwrap().alarm, Some(NOW + RECONCILE_MS));
    // The platform drops alarms: one that is long overdue is set again.
    sut.now += RECONCILE_MS + 61_000;
    assert_eq!(sut.app.tick(sut.now).unwrap().alarm, Some(sut.now + RECONCILE_MS));
}

#[test]
fn an_offer_that_failed_is_repeated_ever_more_rarely() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(1);
    for pause in [500, 1_000, 2_000] {
        let effects = sut.answer(&endpoint_id, None);
        let wakes = if pause <= TIMER_MAX_MS { effects.timer } else { effects.alarm };
        assert_eq!((effects.push.len(), wakes), (0, Some(sut.now + pause)));
        sut.now += pause;
        assert_eq!(offered(&sut.app.tick(sut.now).unwrap())[0], ids);
    }
}

#[test]
fn what_an_endpoint_did_not_accept_waits_until_it_pulls() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(3);
    let effects = sut.answer(&endpoint_id, Some(PushAnswer { enough: true, ..answer(1) }));
    assert_eq!(effects.push.len(), 0);
    let pull = Pull { endpoint_id };
    assert_eq!(offered(&sut.app.pulled(NOW, &pull).unwrap()), [&ids[1..]]);
}

#[test]
fn a_pull_that_got_lost_is_made_good_by_the_alarm() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(2);
    sut.answer(&endpoint_id, Some(PushAnswer { enough: true, ..answer(1) }));
    assert_eq!(offered(&sut.app.alarm(NOW + RECONCILE_MS).unwrap()), [&ids[1..]]);
}

#[test]
fn a_configuration_goes_before_every_message_accepted_after_it() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let change = sut.change(&endpoint_id, &json!({ "url": "https://new.example.com/" }));
    let (ids, effects) = sut.accepted(1);
    assert_eq!((change.configure.len(), effects.push.len()), (1, 0));
    assert_eq!(offered(&sut.acknowledge(&change)), [ids]);
}

#[test]
fn a_configuration_is_offered_until_it_is_acknowledged() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let change = sut.change(&endpoint_id, &json!({ "description": "new" }));
    let lost = sut.app.configured(NOW, &endpoint_id, None).unwrap();
    sut.now += 500;
    assert_eq!(
        (lost.timer, sut.app.tick(sut.now).unwrap().configure),
        (Some(sut.now), change.configure.clone())
    );
    sut.crash();
    let effects = sut.app.alarm(sut.now + RECONCILE_MS).unwrap();
    assert_eq!(effects.configure, change.configure);
    sut.acknowledge(&effects);
    sut.crash();
    assert_eq!(sut.app.tick(sut.now).unwrap().configure, []);
}

#[test]
fn an_endpoint_that_lost_its_configuration_gets_it_again_first() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(1);
    let effects = sut.answer(&endpoint_id, Some(PushAnswer { stale: true, ..answer(0) }));
    assert_eq!((effects.configure.len(), effects.push.len()), (1, 0));
    assert_eq!(offered(&sut.acknowledge(&effects)), [ids]);
}

#[test]
fn an_endpoint_that_knows_a_newer_configuration_gets_a_newer_one_still() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let change = sut.change(&endpoint_id, &json!({ "description": "new" }));
    let ahead = Some(ConfigAnswer { version: 9 });
    let effects = sut.app.configured(NOW, &endpoint_id, ahead).unwrap();
    assert_eq!((change.configure[0].1.version, effects.configure[0].1.version), (2, 10));
}

#[test]
fn enabling_resumes_what_waited_and_passes_over_what_came_meanwhile() {
    for crash in [false, true] {
        let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
        let (before, _) = sut.accepted(2);
        let disabling = sut.change(&endpoint_id, &json!({ "disabled": true }));
        sut.acknowledge(&disabling);
        sut.answer(&endpoint_id, None); // what was accepted before was not taken
        let (_, effects) = sut.accepted(3);
        assert_eq!(effects.push.len(), 0);
        if crash {
            sut.crash();
        }
        let enabling = sut.change(&endpoint_id, &json!({ "disabled": false }));
        let (after, _) = sut.accepted(1);
        let resumed = sut.acknowledge(&enabling);
        assert_eq!(offered(&resumed), [[before, after].concat()]);
    }
}

#[test]
fn an_endpoint_is_owed_only_what_is_accepted_after_its_creation() {
    let mut sut = Sut::new();
    sut.accepted(2);
    sut.create(json!({}));
    let (ids, effects) = sut.accepted(1);
    assert_eq!(offered(&effects), [ids]);
}

#[test]
fn a_deleted_endpoint_is_told_and_offered_nothing_any_more() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({ "uid": "u" }));
    let (reply, effects) = sut.api(Op::EndpointDelete, &["u"], "", &Json::Null);
    assert_eq!((reply.status, effects.configure[0].1.deleted), (204, true));
    sut.acknowledge(&effects);
    assert_eq!(sut.accepted(1).1.push.len(), 0);
    assert_eq!(sut.api(Op::EndpointGet, &[&endpoint_id], "", &Json::Null).0.status, 404);
    sut.create(json!({ "uid": "u" })); // the uid is free again
}

#[test]
fn an_endpoint_that_owes_and_is_silent_is_woken() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    sut.answer(&endpoint_id, Some(PushAnswer { owes: true, ..answer(1) }));
    sut.now += RECONCILE_MS;
    let poke = sut.app.alarm(sut.now).unwrap();
    assert_eq!(offered(&poke), [[""; 0]], "it may have delivered what it was given");
    sut.answer(&endpoint_id, Some(PushAnswer { owes: true, ..answer(0) }));
    let asked = sut.now;
    sut.now += RECONCILE_MS;
    assert_eq!(sut.app.alarm(sut.now).unwrap().alarm, Some(asked + SILENCE_MS));
    sut.crash();
    sut.now += SILENCE_MS - 1;
    assert_eq!(sut.app.alarm(sut.now).unwrap().push.len(), 0);
    sut.now += 1;
    let poke = sut.app.alarm(sut.now).unwrap();
    assert_eq!(offered(&poke), [[""; 0]]);
    let effects = sut.pushed(&endpoint_id, 0);
    assert_eq!(soon(&effects, sut.now), None, "it owes nothing any more, and that is written");
    sut.crash();
    assert_eq!(soon(&sut.app.tick(sut.now).unwrap(), sut.now), None);
}

#[test]
fn a_message_that_was_delivered_at_once_costs_one_cursor_and_no_later_alarm_but_to_forget_it() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    let before = sut.sql.changes();
    sut.answer(&endpoint_id, Some(PushAnswer { owes: true, ..answer(1) }));
    sut.now += RECONCILE_MS;
    let poke = sut.app.alarm(sut.now).unwrap();
    assert_eq!((offered(&poke), poke.alarm), (vec![Vec::new()], Some(sut.now + RECONCILE_MS)));
    sut.pushed(&endpoint_id, 0);
    sut.now += RECONCILE_MS;
    assert_eq!(soon(&sut.app.alarm(sut.now).unwrap(), sut.now), None);
    assert_eq!(sut.sql.changes() - before, 1);
}

/// The alarm, unless it is the one that forgets messages after their retention.
fn soon(effects: &Effects, now: i64) -> Option<i64> {
    effects.alarm.filter(|at| *at < now + 86_400_000)
}

#[test]
fn an_endpoint_with_nothing_but_a_resend_is_woken_too() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(1);
    sut.pushed(&endpoint_id, 1);
    sut.now += RECONCILE_MS;
    sut.app.alarm(sut.now).unwrap();
    let resend = sut.handle(Op::Resend, &[&ids[0], &endpoint_id], "", &Json::Null);
    let Some(Outcome::Resend(plan)) = resend else { panic!("{resend:?}") };
    assert_eq!(plan.effects.alarm, Some(sut.now - RECONCILE_MS + SILENCE_MS));
    sut.crash(); // before it knows whether the endpoint has taken it
    sut.now += SILENCE_MS;
    assert_eq!(offered(&sut.app.alarm(sut.now).unwrap()), [[""; 0]]);
}

#[test]
fn what_an_endpoint_owes_is_not_forgotten_when_it_is_changed() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    sut.answer(&endpoint_id, Some(PushAnswer { owes: true, ..answer(1) }));
    let change = sut.change(&endpoint_id, &json!({ "description": "new" }));
    sut.acknowledge(&change);
    sut.crash();
    assert_eq!(sut.app.tick(sut.now).unwrap().alarm, Some(sut.now + SILENCE_MS));
}

#[test]
fn an_endpoint_that_may_have_been_offered_what_its_new_filter_passes_over_is_asked_what_it_owes() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    sut.answer(&endpoint_id, Some(PushAnswer { owes: true, ..answer(1) }));
    sut.crash(); // before the cursor was written
    let change = sut.change(&endpoint_id, &json!({ "filterTypes": ["another.type"] }));
    sut.acknowledge(&change);
    sut.now += SILENCE_MS;
    assert_eq!(offered(&sut.app.alarm(sut.now).unwrap()), [[""; 0]]);
}

#[test]
fn an_endpoint_whose_receiver_is_gone_is_disabled() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let effects = sut.report(&endpoint_id, ReportKind::Gone, 1);
    assert!(effects.configure[0].1.disabled && sut.disabled(&endpoint_id));
    // Said twice, it happens once.
    sut.report(&endpoint_id, ReportKind::Gone, 1);
    let mut told = Vec::new();
    sut.crash();
    while let [(seq, event), ..] = &sut.app.alarm(sut.now).unwrap().events[..] {
        told.push(event.clone());
        sut.app.event_sent(sut.now, *seq, true).unwrap();
        sut.crash();
    }
    let [event] = &told[..] else { panic!("{told:?}") };
    assert_eq!((event.event_type.as_str(), event.id.contains(".disabled.")), ("endpoint.disabled", true));
    assert!(event.payload.contains(r#""trigger":"automatic""#), "{event:?}");
    assert!(
        event.payload.contains(r#""reason":"gone""#) && event.payload.contains(&endpoint_id),
        "{event:?}"
    );
}

#[test]
fn a_report_about_an_older_configuration_is_void() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.change(&endpoint_id, &json!({ "url": "https://new.example.com/" }));
    let effects = sut.report(&endpoint_id, ReportKind::FailingSince { since: NOW }, 1);
    assert_eq!((effects.operational.len(), sut.disabled(&endpoint_id)), (0, false));
}

#[test]
fn a_delivery_that_failed_for_good_is_an_operational_event() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(1);
    let kind = ReportKind::Exhausted { msg_id: ids[0].clone(), attempt_id: "atmpt_1".into(), code: 503 };
    let effects = sut.report(&endpoint_id, kind, 1);
    let [event] = &effects.operational[..] else { panic!("{effects:?}") };
    assert_eq!(event.event_type, "message.attempt.exhausted");
    let event: Json = serde_json::from_str(&event.payload).unwrap();
    assert_eq!(event["data"]["msgId"], json!(ids[0]));
    assert_eq!(event["data"]["lastAttempt"]["responseStatusCode"], 503);
    assert_eq!(event["data"]["appUid"], "mine");
}

#[test]
fn payloads_are_told_where_they_are_stored() {
    let mut sut = Sut::new();
    let (ids, _) = sut.accepted(1);
    let unknown = id::new(id::MESSAGE, NOW, &mut sut.rng);
    let ask = PayloadsAsk { ids: vec![ids[0].clone(), unknown.clone()] };
    let answer = sut.app.payloads(&ask).unwrap();
    assert_eq!((answer.found.len(), answer.gone), (1, vec![unknown]));
}

#[test]
fn a_message_costs_one_row() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    sut.accepted(1);
    let before = sut.sql.changes();
    for _ in 0..10 {
        sut.accepted(1);
        sut.pushed(&endpoint_id, 1);
    }
    assert_eq!(sut.sql.changes() - before, 10);
    sut.app.alarm(NOW + RECONCILE_MS).unwrap();
    assert_eq!(sut.sql.changes() - before, 11, "the cursor is written now and then");
}

#[test]
fn messages_are_listed_page_by_page() {
    let mut sut = Sut::new();
    let (ids, _) = sut.accepted(5);
    let mut list = |query: &str| {
        let (reply, _) = sut.api(Op::MessageList, &[], query, &Json::Null);
        let page: Json = serde_json::from_slice(&reply.body).unwrap();
        let found = page["data"].as_array().unwrap().iter();
        let found: Vec<String> = found.map(|m| m["id"].as_str().unwrap().to_owned()).collect();
        (found, page["iterator"].as_str().unwrap_or_default().to_owned(), page["done"] == true)
    };
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    let (first, iterator, done) = list("limit=2");
    assert_eq!((&first[..], done), (&newest_first[..2], false));
    let (second, iterator, done) = list(&format!("limit=2&iterator={iterator}"));
    assert_eq!((&second[..], done), (&newest_first[2..4], false));
    let (third, _, done) = list(&format!("limit=2&iterator={iterator}"));
    assert_eq!((&third[..], done), (&newest_first[4..], true));
}

#[test]
fn what_is_accepted_while_an_endpoint_is_paused_is_delivered_afterwards() {
    let mut world = World::new(&[("RETRY_SCHEDULE", "1")]);
    let endpoint = world.add_endpoint(&json!({}));
    let patch = |world: &mut World, body: Json| {
        let (status, patched) = world.call(Op::EndpointPatch, &[&endpoint], "", &body);
        assert_eq!((status, &patched["paused"]), (200, &body["paused"]), "{patched}");
    };
    patch(&mut world, json!({ "paused": true }));
    let sent = [world.send("a.b"), world.send("a.b")];
    world.pass(20_000);
    assert!(world.got.is_empty(), "nothing is sent while it is paused: {:?}", world.got);
    assert_eq!(world.call(Op::EndpointStats, &[&endpoint], "", &Json::Null).1["pending"], 2);
    world.crash();
    world.pass(5_000);
    patch(&mut world, json!({ "paused": false }));
    world.pass(20_000);
    assert_eq!(world.got, sent.map(|id| (id, false)), "and then everything, once, in its order");
}
