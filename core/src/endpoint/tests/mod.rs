//! What the object promises, one test each.

use super::*;
use crate::frame::{AttemptsAsk, Outgoing, Payloads, Push, PushAnswer, Resend, SecretFrame, StatsAsk};
use crate::query::Query;
use crate::rng::Seeded;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::signature;
use crate::sql::memory::Memory;

mod breaker;
mod due;
mod headers;
mod line;
mod platform;
mod plugins;
mod presets;
mod standing;

/// 2026-11-18T11:06:40Z.
const NOW: i64 = 1_795_000_000_000;
const HOUR: i64 = 3_600_000;
const SECRET: &str = "plain:whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An object, its storage, and its clock.
struct Sut {
    sql: Memory,
    settings: Settings,
    rng: Seeded,
    ids: Generator,
    endpoint: Endpoint<Memory>,
    now: i64,
}

fn config(version: i64) -> Config {
    Config {
        version,
        org: "org_1".into(),
        app_id: "app_1".into(),
        endpoint_id: "ep_1".into(),
        url: "https://receiver.example.com/".into(),
        disabled: false,
        deleted: false,
        secrets: vec![SecretFrame { sealed: SECRET.into(), expires_at: None }],
        headers: vec![("x-own".into(), "plain:1".into())],
        header_profile: None,
        schedule_ms: Some(vec![5_000, 300_000]),
        timeout_ms: Some(10_000),
        paces: Vec::new(),
        max_in_flight: None,
        plugins: None,
        send_as: None,
        batch: None,
        order: None,
        sealed_url: None,
    }
}

impl Sut {
    fn new() -> Self {
        Self::with(config(1))
    }

    fn with(config: Config) -> Self {
        let (sql, settings) = (Memory::new(), Settings::default());
        let endpoint = open(&sql, &settings, NOW, None);
        let ids = Generator::new(id::MESSAGE, None);
        let mut this = Self { sql, settings, rng: Seeded(7), ids, endpoint, now: NOW };
        this.configure(config);
        this
    }

    /// The memory is lost.
    fn crash(&mut self) {
        self.endpoint = open(&self.sql, &self.settings, self.now, None);
    }

    fn configure(&mut self, config: Config) -> (i64, Effects) {
        let (answer, effects) = self.endpoint.configure(self.now, &mut self.rng, config).unwrap();
        (answer.version, effects)
    }

    fn messages(&mut self, count: usize) -> Vec<Outgoing> {
        (0..count)
            .map(|_| Outgoing {
                id: self.ids.next(self.now, &mut self.rng),
                event_type: "order.paid".into(),
                channels: None,
                payload: b"{}".to_vec().into(),
                headers: None,
            })
            .collect()
    }

    fn push(&mut self, messages: &[Outgoing]) -> (PushAnswer, Effects) {
        let push = Push { config_version: 1, messages: messages.to_vec() };
        self.endpoint.push(self.now, &mut self.rng, push).unwrap()
    }

    /// Pushes one message and gives its request.
    fn sent(&mut self) -> Attempt {
        let messages = self.messages(1);
        let (_, mut effects) = self.push(&messages);
        effects.send.pop().expect("it is sent at once")
    }

    fn answer(&mut self, attempt: Attempt, code: u16) -> Effects {
        self.answer_after(attempt, code, None)
    }

    fn answer_after(&mut self, attempt: Attempt, code: u16, retry_after: Option<&str>) -> Effects {
        let retry_after = retry_after.map(str::to_owned);
        let outcome = AttemptOutcome::Answer { code, retry_after, body: b"ok".to_vec() };
        let result = attempt.ended(self.now, outcome);
        self.endpoint.record(self.now, &mut self.rng, vec![result]).unwrap()
    }

    fn alarm(&mut self) -> Effects {
        self.endpoint.alarm(self.now, &mut self.rng).unwrap()
    }

    fn tick(&mut self) -> Effects {
        self.endpoint.tick(self.now, &mut self.rng).unwrap()
    }

    /// The App answers with the payloads asked for; what is sent then.
    fn payloads(&mut self, asked: &[String]) -> Effects {
        let found = asked.iter().map(|id| (id.clone(), b"{}".to_vec().into())).collect();
        let answer = Payloads { found, gone: Vec::new(), headers: None };
        self.endpoint.payloads(self.now, &mut self.rng, asked, Some(answer)).unwrap()
    }

    /// Lets the alarm go off at `at`, and gives the requests that are sent then.
    fn due_at(&mut self, at: i64) -> Vec<Attempt> {
        self.now = at;
        let effects = self.alarm();
        let asked = effects.fetch_payloads;
        if asked.is_empty() { effects.send } else { self.payloads(&asked).send }
    }

    fn count(&self, sql: &'static str) -> i64 {
        self.sql.query(sql, &[]).unwrap()[0].int(0).unwrap()
    }

    /// What is due, by the tables.
    fn waiting(&self) -> Vec<inspect::Waiting> {
        inspect::due(&self.sql).unwrap()
    }

    fn due(&self) -> i64 {
        i64::try_from(self.waiting().len()).unwrap()
    }

    /// When the first is due, by the tables.
    fn first_due(&self) -> i64 {
        self.waiting().first().expect("something is due").slot
    }

    fn recorded(&self) -> i64 {
        i64::try_from(inspect::attempts(&self.sql).unwrap().len()).unwrap()
    }

    fn stats(&self) -> (i64, i64, i64) {
        let stats =
            self.endpoint.statistics(self.now, &StatsAsk { since: 0, until: NOW * 2, hours: None }).unwrap();
        (stats.success, stats.fail, stats.exhausted)
    }

    fn attempts(&self, query: &str, msg_id: Option<&str>) -> Vec<String> {
        let ask = AttemptsAsk {
            query: Query::parse(query),
            msg_id: msg_id.map(str::to_owned),
            attempt_id: None,
            bytes: None,
        };
        self.endpoint.attempts(self.now, &ask).unwrap().rows.into_iter().map(|row| row.id).collect()
    }
}

fn open(sql: &Memory, settings: &Settings, now: i64, alarm: Option<i64>) -> Endpoint<Memory> {
    Endpoint::open(sql.clone(), Rc::new(Deployment::new(settings.clone())), now, alarm).unwrap()
}

#[test]
fn a_message_is_sent_at_once_as_it_came_signed_and_with_the_endpoints_headers() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    assert_eq!((attempt.body.as_slice(), attempt.timeout_ms), (&b"{}"[..], 10_000));
    let header =
        |name: &str| attempt.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    assert_eq!((header("x-own"), header("svix-id")), ("1", attempt.delivery.msg_id.as_str()));
    let secret = Secret::parse(&SECRET["plain:".len()..]).unwrap();
    let (id, at) = (header("svix-id"), header("svix-timestamp"));
    assert!(signature::verify(&secret, id, at, header("svix-signature"), b"{}"));
}

#[test]
fn a_push_that_is_repeated_is_accepted_again_without_effect() {
    let mut sut = Sut::new();
    let messages = sut.messages(3);
    let (_, effects) = sut.push(&messages);
    assert_eq!(effects.send.len(), 3);
    for attempt in effects.send.into_iter().take(2) {
        sut.answer(attempt, 200);
    }
    for crash in [false, true] {
        if crash {
            sut.crash();
        }
        let (answer, effects) = sut.push(&messages);
        assert_eq!((answer.accepted, effects.send.len()), (3, 0));
        assert_eq!((sut.due(), sut.recorded()), (1, 2));
    }
}

#[test]
fn an_old_push_that_comes_first_after_a_start_does_not_hide_newer_messages() {
    let mut sut = Sut::new();
    let (old, new) = (sut.messages(2), sut.messages(2));
    sut.push(&old);
    sut.push(&new);
    sut.crash();
    sut.push(&old);
    sut.push(&new);
    assert_eq!(sut.due(), 4);
}

#[test]
fn what_is_sent_is_leased_and_due_again_when_the_lease_ends() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let lease = attempt.delivery.slot;
    assert!(lease >= NOW + attempt.timeout_ms + LEASE_MARGIN_MS);
    sut.crash();
    assert_eq!(sut.due_at(lease - 1), []);
    let again = sut.due_at(lease);
    assert_eq!((again.len(), again[0].delivery.msg_id == attempt.delivery.msg_id), (1, true));
    assert_eq!(again[0].delivery.made, 0, "an attempt without a record does not use up the schedule");
}

#[test]
fn results_that_come_together_are_recorded_together() {
    let mut sut = Sut::new();
    let messages = sut.messages(3);
    let (_, effects) = sut.push(&messages);
    let results: Vec<AttemptResult> = effects
        .send
        .into_iter()
        .zip([200, 500, 204])
        .map(|(attempt, code)| {
            attempt.ended(NOW + 9, AttemptOutcome::Answer { code, retry_after: None, body: Vec::new() })
        })
        .collect();
    sut.endpoint.record(NOW + 9, &mut sut.rng, results).unwrap();
    assert_eq!((sut.stats(), sut.due(), sut.recorded()), ((2, 1, 0), 1, 3));
}

#[test]
fn a_result_that_comes_after_the_memory_was_lost_still_counts() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.crash();
    sut.answer(attempt, 200);
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (0, 1, (1, 0, 0)));
}

#[test]
fn a_result_that_comes_after_its_lease_is_recorded_beside_the_delivery() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let again = sut.due_at(attempt.delivery.slot);
    sut.answer(attempt, 200);
    assert_eq!((sut.due(), sut.recorded()), (1, 1));
    sut.answer(again[0].clone(), 200);
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (0, 2, (2, 0, 0)));
}

#[test]
fn retries_follow_the_schedule_until_it_is_used_up() {
    let mut sut = Sut::new();
    let mut attempt = sut.sent();
    for (made, pause) in [(1, 5_000), (2, 300_000)] {
        let effects = sut.answer(attempt, 500);
        let at = effects.alarm.unwrap_or_else(|| sut.first_due());
        assert!((at - sut.now - pause).abs() <= pause / 5, "{at}");
        sut.now = sut.first_due();
        attempt = sut.due_at(sut.now).remove(0);
        assert_eq!(attempt.delivery.made, made);
    }
    let effects = sut.answer(attempt.clone(), 503);
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (0, 3, (0, 3, 1)));
    let [(_, Report { kind: ReportKind::Exhausted { msg_id, code, .. }, .. })] = &effects.reports[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((msg_id, *code), (&attempt.delivery.msg_id, 503));
}

/// Whether a report is of the endpoint itself: see `standing.rs`.
fn stands(report: &Report) -> bool {
    matches!(report.kind, ReportKind::Stands { .. })
}

#[test]
fn a_delivery_that_fails_again_and_again_is_reported_and_so_is_its_recovery() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![1_000; 5]), ..config(1) });
    let (one, other) = (sut.messages(1), sut.messages(1));
    let mut attempts: Vec<Attempt> =
        [one, other].iter().flat_map(|message| sut.push(message).1.send).collect();
    let mut reports = Vec::new();
    for code in [500, 500, 500, 500, 200] {
        let results = attempts.drain(..).map(|attempt| {
            let outcome = AttemptOutcome::Answer { code, retry_after: None, body: Vec::new() };
            attempt.ended(sut.now, outcome)
        });
        let results = results.collect();
        let effects = sut.endpoint.record(sut.now, &mut sut.rng, results).unwrap();
        let of_messages = effects.reports.into_iter().filter(|(_, report)| !stands(report));
        reports.extend(of_messages.map(|(_, report)| (code, sut.recorded(), report)));
        attempts = sut.due_at(sut.now + 2_000);
    }
    let told: Vec<_> = reports
        .iter()
        .map(|(code, recorded, report)| match &report.kind {
            ReportKind::Failing { .. } => ("failing", *code, *recorded),
            ReportKind::Recovered { .. } => ("recovered", *code, *recorded),
            other => panic!("{other:?}"),
        })
        .collect();
    let (failing, recovered) = (("failing", 500, 8), ("recovered", 200, 10));
    assert_eq!(
        told,
        [failing, failing, recovered, recovered],
        "each message by itself, though recorded together"
    );
    let ids: std::collections::BTreeSet<_> = reports.iter().map(|(.., report)| report.event_id()).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn the_last_attempt_of_a_schedule_is_exhausted_and_not_failing() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![1_000; 3]), ..config(1) });
    let mut attempts = vec![sut.sent()];
    let mut reports = Vec::new();
    while let Some(attempt) = attempts.pop() {
        reports.extend(sut.answer(attempt, 500).reports.into_iter().filter(|(_, report)| !stands(report)));
        attempts = sut.due_at(sut.now + 2_000);
    }
    assert!(matches!(&reports[..], [(_, Report { kind: ReportKind::Exhausted { .. }, .. })]), "{reports:?}");
}

#[test]
fn an_alarm_that_does_not_fit_the_table_is_repaired_by_the_next_call() {
    let mut sut = Sut::new();
    let lease = sut.sent().delivery.slot;
    sut.crash();
    let (_, effects) = sut.push(&[]);
    assert_eq!(effects.alarm, Some(lease));
    // A call that is turned away repairs it, too.
    sut.crash();
    let newer = Push { config_version: 2, messages: Vec::new() };
    let (answer, effects) = sut.endpoint.push(sut.now, &mut sut.rng, newer).unwrap();
    assert_eq!((answer.stale, effects.alarm), (true, Some(lease)));
    // Where the platform's alarm fits, it is left alone.
    sut.endpoint = open(&sut.sql, &sut.settings, sut.now, Some(lease));
    assert_eq!(sut.push(&[]).1.alarm, None);
}

#[test]
fn an_alarm_that_is_overdue_is_taken_for_lost() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.now = attempt.delivery.slot + 70_000;
    let effects = sut.answer(attempt, 500);
    assert!(effects.alarm.is_some_and(|at| at > sut.now));
}

#[test]
fn a_newer_configuration_replaces_an_older_one_and_never_the_other_way() {
    let mut sut = Sut::new();
    let mut newer = config(3);
    newer.url = "https://new.example.com/".into();
    assert_eq!(sut.configure(newer).0, 3);
    assert_eq!(sut.configure(config(2)).0, 3);
    sut.crash();
    assert_eq!(sut.endpoint.config_version(), 3);
    assert_eq!(sut.sent().url, "https://new.example.com/");
    let push = Push { config_version: 4, messages: sut.messages(1) };
    let (answer, _) = sut.endpoint.push(sut.now, &mut sut.rng, push).unwrap();
    assert_eq!((answer.stale, answer.accepted), (true, 0));
}

#[test]
fn gone_stops_the_endpoint_until_the_app_decides() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let effects = sut.answer(attempt, 410);
    assert!(matches!(&effects.reports[..], [(_, Report { kind: ReportKind::Gone, .. })]));
    let messages = sut.messages(1);
    let (answer, effects) = sut.push(&messages);
    assert_eq!((answer.accepted, effects.send.len()), (1, 0));
    sut.crash();
    sut.now += HOUR;
    assert_eq!(sut.alarm().fetch_payloads.len(), 0, "also after a start");
    let (_, effects) = sut.configure(config(2));
    assert_eq!(effects.fetch_payloads.len(), 2, "enabled again, it delivers what waited");
}

#[test]
fn failing_for_long_stops_the_endpoint_too() {
    let mut sut = Sut::new();
    sut.settings.endpoint_disable_after_ms = Some(HOUR);
    sut.crash();
    for (wait, reported) in [(0, false), (HOUR - 1, false), (1, true)] {
        sut.now += wait;
        let attempt = sut.sent();
        let reports = sut.answer(attempt, 500).reports;
        let since = reports.iter().any(|(_, report)| report.kind == ReportKind::FailingSince { since: NOW });
        assert_eq!(since, reported);
        sut.crash();
    }
}

#[test]
fn an_overloaded_receiver_is_left_alone_for_a_while_and_then_probed_once() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 429);
    let messages = sut.messages(2);
    let (_, effects) = sut.push(&messages);
    assert_eq!((effects.send.len(), effects.timer), (0, Some(NOW + 1_000)));
    sut.now = NOW + 1_000;
    let probe = sut.endpoint.tick(sut.now, &mut sut.rng).unwrap().send;
    assert_eq!(probe.len(), 1);
    let effects = sut.answer(probe[0].clone(), 200);
    assert_eq!(effects.send.len(), 1, "it has recovered");
}

#[test]
fn retry_after_holds_the_endpoint_back_also_after_a_start() {
    let mut sut = Sut::new();
    let (first, second) = (sut.sent(), sut.sent());
    sut.answer_after(first, 503, Some("3600"));
    assert_eq!(sut.waiting().last().unwrap().slot, NOW + HOUR, "this delivery waits as long");
    sut.now += 1;
    let third = sut.sent();
    sut.answer_after(third, 429, Some("60"));
    sut.answer(second, 200); // it was under way before
    sut.crash();
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.send.len(), 0);
    assert!(sut.endpoint.breaker.until() > NOW + 60_000);
}

#[test]
fn the_pace_is_kept_and_nothing_is_refused() {
    let mut sut = Sut::with(Config { paces: vec![(2, 1_000)], ..config(1) });
    let messages = sut.messages(5);
    let (answer, effects) = sut.push(&messages);
    assert_eq!((answer.accepted, effects.send.len(), effects.alarm), (5, 2, Some(NOW + 1_051)));
    sut.now += 1_051;
    assert_eq!(sut.alarm().send.len(), 2);
    sut.crash();
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.send.len(), 0, "what was started counts after a crash");
}

#[test]
fn a_change_that_leaves_the_pace_does_not_hold_deliveries_back() {
    let paced = Config { paces: vec![(3, HOUR)], max_in_flight: Some(1), ..config(1) };
    let mut sut = Sut::with(paced.clone());
    let messages = sut.messages(3);
    let mut effects = sut.push(&messages).1;
    sut.configure(Config { version: 2, url: "https://new.example.com/".into(), ..paced });
    for _ in 0..2 {
        let attempt = effects.send.remove(0);
        effects = sut.answer(attempt, 200);
        assert_eq!(effects.send.len(), 1, "what waits was not started yet");
    }
}

#[test]
fn a_start_that_was_never_recorded_counts_towards_the_pace() {
    let mut sut = Sut::with(Config { paces: vec![(2, HOUR)], ..config(1) });
    let attempt = sut.sent();
    sut.crash();
    assert_eq!(sut.due_at(attempt.delivery.slot).len(), 1); // the second start, of the same delivery
    sut.crash();
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.send.len(), 0);
}

#[test]
fn a_clock_that_was_ahead_when_the_object_was_opened_forgets_no_start() {
    let mut sut = Sut::with(Config { paces: vec![(2, 60_000)], ..config(1) });
    for _ in 0..2 {
        let attempt = sut.sent();
        sut.answer(attempt, 200);
    }
    sut.now += HOUR;
    sut.crash();
    sut.now -= HOUR;
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.send.len(), 0, "by this clock both were started just now");
}

#[test]
fn no_more_requests_are_under_way_than_allowed() {
    let mut sut = Sut::with(Config { max_in_flight: Some(2), ..config(1) });
    let messages = sut.messages(4);
    let (_, mut effects) = sut.push(&messages);
    assert_eq!(effects.send.len(), 2);
    let attempt = effects.send.remove(0);
    assert_eq!(sut.answer(attempt, 200).send.len(), 1, "an answer makes room");
}

#[test]
fn a_full_endpoint_says_enough_and_pulls_when_it_has_room() {
    let mut sut = Sut::with(Config { paces: vec![(1, 10_000)], ..config(1) });
    let messages = sut.messages(12);
    let (answer, effects) = sut.push(&messages);
    assert!(answer.enough && answer.accepted < 12 && !effects.pull);
    for _ in 0..answer.accepted {
        sut.now += 10_251;
        if sut.endpoint.tick(sut.now, &mut sut.rng).unwrap().pull {
            return;
        }
    }
    panic!("it never pulls");
}

#[test]
fn a_resend_is_one_attempt_and_does_not_disturb_the_schedule() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt.clone(), 500);
    let next = sut.first_due();
    let message = Outgoing {
        id: attempt.delivery.msg_id.clone(),
        event_type: "order.paid".into(),
        channels: None,
        payload: b"{}".to_vec().into(),
        headers: None,
    };
    let resend = Resend { config_version: 1, message };
    let (taken, mut effects) = sut.endpoint.resend(sut.now, &mut sut.rng, resend.clone()).unwrap();
    let manual = effects.send.remove(0);
    assert!(taken && manual.delivery.manual);
    sut.answer(manual, 500);
    assert_eq!((sut.due(), sut.first_due()), (1, next));
    assert_eq!(sut.stats(), (0, 2, 0), "a failed resend exhausts nothing");
    sut.configure(Config { deleted: true, ..config(2) });
    assert!(!sut.endpoint.resend(sut.now, &mut sut.rng, resend).unwrap().0);
}

#[test]
fn a_disabled_endpoint_keeps_what_it_owes_and_goes_on_when_it_is_enabled() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    sut.configure(Config { disabled: true, ..config(2) });
    sut.now += HOUR;
    let effects = sut.alarm();
    assert_eq!((effects.fetch_payloads.len(), effects.alarm, sut.due()), (0, None, 1));
    assert_eq!(sut.configure(config(3)).1.fetch_payloads.len(), 1);
}

#[test]
fn a_deleted_endpoint_drops_what_it_owes_and_keeps_its_attempts() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    sut.configure(Config { deleted: true, ..config(2) });
    assert_eq!((sut.due(), sut.attempts("", None).len()), (0, 1));
    let messages = sut.messages(1);
    let (answer, _) = sut.push(&messages);
    assert_eq!((answer.accepted, sut.due()), (1, 0));
}

#[test]
fn a_payload_that_comes_later_than_the_lease_lasts_is_still_sent_once() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    sut.now += 6_001;
    let asked = sut.alarm().fetch_payloads;
    sut.now += 60_000;
    assert_eq!(sut.alarm().fetch_payloads.len(), 0, "it is on its way");
    let attempt = sut.payloads(&asked).send.remove(0);
    sut.answer(attempt, 200);
    assert_eq!((sut.due(), sut.recorded()), (0, 2));
}

#[test]
fn a_delivery_whose_payload_is_gone_fails_for_good_and_says_why() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    sut.now += 6_001;
    let asked = sut.alarm().fetch_payloads;
    let gone = Payloads { found: Vec::new(), gone: asked.clone(), headers: None };
    let effects = sut.endpoint.payloads(sut.now, &mut sut.rng, &asked, Some(gone)).unwrap();
    assert!(matches!(&effects.reports[..], [(_, Report { kind: ReportKind::Exhausted { .. }, .. })]));
    assert_eq!((sut.due(), sut.stats()), (0, (0, 2, 1)));
}

#[test]
fn a_report_is_sent_until_it_is_acknowledged() {
    let mut sut = Sut::with(Config { schedule_ms: Some(Vec::new()), ..config(1) });
    let attempt = sut.sent();
    let reports = sut.answer(attempt, 500).reports;
    sut.crash();
    let (answer, effects) = sut.push(&[]);
    assert_eq!(
        (answer.owes, &effects.reports),
        (true, &reports),
        "who asks wakes it, and hears that it owes"
    );
    sut.crash();
    let again = sut.alarm().reports;
    assert_eq!(again, reports);
    sut.endpoint.reported(sut.now, again[0].0, true).unwrap();
    sut.crash();
    assert_eq!(sut.alarm().reports, []);
    // A second acknowledgement of the same report takes no other one with it.
    sut.now += 1;
    let attempt = sut.sent();
    let other = sut.answer(attempt, 500).reports;
    sut.endpoint.reported(sut.now, again[0].0, true).unwrap();
    sut.crash();
    let mut again = sut.alarm().reports;
    again.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    assert_eq!(again, other);
}

#[test]
fn a_message_that_comes_alone_and_is_delivered_at_once_costs_two_rows() {
    let mut sut = Sut::new();
    let attempt = sut.sent(); // the alarm is set
    sut.answer(attempt, 200); // the period begins
    let before = sut.sql.changes();
    for _ in 0..10 {
        let attempt = sut.sent();
        sut.answer(attempt, 200);
    }
    assert_eq!(sut.sql.changes() - before, 20);
}

#[test]
fn messages_that_are_pushed_and_recorded_together_cost_two_rows_together() {
    let mut sut = Sut::with(Config { max_in_flight: Some(50), ..config(1) });
    sut.settings.max_in_flight = 50;
    sut.crash();
    let attempt = sut.sent();
    sut.answer(attempt, 200);
    let before = sut.sql.changes();
    let messages = sut.messages(50);
    let effects = sut.push(&messages).1;
    let results = effects.send.into_iter().map(|attempt| {
        attempt.ended(NOW, AttemptOutcome::Answer { code: 200, retry_after: None, body: b"ok".to_vec() })
    });
    let results: Vec<_> = results.collect();
    assert_eq!(results.len(), 50);
    sut.endpoint.record(sut.now, &mut sut.rng, results).unwrap();
    assert_eq!((sut.sql.changes() - before, sut.due(), sut.stats().0), (2, 0, 51));
}

#[test]
fn those_of_a_push_that_were_not_done_when_the_memory_was_lost_are_due_when_their_lease_ends() {
    let mut sut = Sut::new();
    let messages = sut.messages(5);
    let mut sent = sut.push(&messages).1.send;
    assert_eq!(sent.len(), 5);
    let (done, failed) = (sent.remove(0), sent.remove(0));
    let lease = done.delivery.slot;
    sut.answer(done, 200);
    sut.answer(failed, 500);
    sut.crash();
    let mut of_group: Vec<_> = sut.waiting().into_iter().filter(|due| due.slot == lease).collect();
    of_group.sort_by(|a, b| a.key.cmp(&b.key));
    let keys: Vec<_> = of_group.iter().map(|due| due.key.as_str()).collect();
    assert_eq!(keys, [&messages[2].id, &messages[3].id, &messages[4].id]);
    assert_eq!(sut.due(), 4, "and the one that failed, by its schedule");
    // A result that comes now ends its delivery; the others are sent again.
    let late = sent.remove(0);
    sut.answer(late, 200);
    let again: Vec<_> = sut.due_at(lease).into_iter().map(|attempt| attempt.delivery).collect();
    assert_eq!(again.len(), 3, "with the retry: {again:?}");
    assert!(again.iter().all(|delivery| delivery.msg_id != messages[2].id));
    sut.crash();
    assert_eq!(sut.due(), 3);
}

#[test]
fn statistics_are_exact_whatever_was_lost() {
    let mut sut = Sut::with(Config { schedule_ms: Some(Vec::new()), ..config(1) });
    for code in [200, 500, 200] {
        let attempt = sut.sent();
        sut.answer(attempt, code);
    }
    assert_eq!(sut.stats(), (2, 1, 1));
    sut.crash();
    assert_eq!(sut.stats(), (2, 1, 1), "counted from the table");
    sut.alarm();
    let attempt = sut.sent();
    sut.answer(attempt, 200);
    sut.crash();
    assert_eq!(sut.stats(), (3, 1, 1));
    assert_eq!(sut.count("SELECT count(*) FROM stat"), 0, "they are with the attempts");
    for _ in 0..40 {
        sut.now += HOUR;
        let attempt = sut.sent();
        sut.answer(attempt, 200);
        sut.crash();
    }
    assert_eq!((sut.stats(), sut.count("SELECT count(*) FROM stat") >= 2), ((43, 1, 1), true));
    let ask = |since, until| StatsAsk { since, until, hours: Some(true) };
    let last = sut.endpoint.statistics(sut.now, &ask(sut.now - 9 * HOUR, sut.now)).unwrap();
    assert_eq!((last.success, last.hours.unwrap().len()), (10, 10));
    let first = sut.endpoint.statistics(sut.now, &ask(NOW, NOW + HOUR)).unwrap();
    assert_eq!((first.success, first.fail, first.hours.unwrap().len()), (4, 1, 2));
}

#[test]
fn late_attempts_of_a_backlog_cost_a_row_for_each_segment_and_are_found() {
    let mut sut = Sut::new();
    let messages: Vec<Outgoing> = (0..18)
        .map(|_| {
            sut.now += 20;
            sut.messages(1).remove(0)
        })
        .collect();
    sut.now += 60_000; // the App was not able to push them any sooner
    let (_, mut effects) = sut.push(&messages);
    let (mut segments, mut attempts) = (0, 0);
    while !effects.send.is_empty() {
        sut.now += 200;
        segments += 1;
        attempts += effects.send.len();
        let ok = || AttemptOutcome::Answer { code: 200, retry_after: None, body: b"ok".to_vec() };
        let results = effects.send.into_iter().map(|attempt| attempt.ended(sut.now, ok())).collect();
        effects = sut.endpoint.record(sut.now, &mut sut.rng, results).unwrap();
    }
    assert_eq!((attempts, sut.count("SELECT count(*) FROM late_0")), (18, segments));
    for message in &messages {
        assert_eq!(sut.attempts("", Some(&message.id)).len(), 1);
    }
}

#[test]
fn the_attempts_of_a_message_are_found_the_prompt_and_the_late() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let msg_id = attempt.delivery.msg_id.clone();
    sut.sent();
    sut.answer(attempt, 500);
    let at = sut.waiting().iter().find(|due| due.made == 1).unwrap().slot;
    let late = sut.due_at(at).remove(0);
    sut.now += 2_000;
    sut.answer(late, 200);
    assert_eq!(sut.count("SELECT count(*) FROM late_0"), 1);
    assert_eq!(sut.attempts("", Some(&msg_id)).len(), 2);
    let newest_first = sut.attempts("", Some(&msg_id));
    let ask = |attempt_id: &String, msg_id: &str| AttemptsAsk {
        query: Query::default(),
        msg_id: Some(msg_id.to_owned()),
        attempt_id: Some(attempt_id.clone()),
        bytes: None,
    };
    assert_eq!(sut.endpoint.attempts(sut.now, &ask(&newest_first[0], &msg_id)).unwrap().rows.len(), 1);
    assert_eq!(sut.endpoint.attempts(sut.now, &ask(&newest_first[0], "msg_other")).unwrap().rows.len(), 0);
}

#[test]
fn attempts_are_read_page_by_page() {
    let mut sut = Sut::new();
    for n in 0..5 {
        let attempt = sut.sent();
        sut.answer(attempt, if n == 2 { 400 } else { 200 });
    }
    let all = sut.attempts("limit=10", None);
    assert!(all.len() == 5 && all.is_sorted_by(|a, b| a > b), "newest first");
    // One more than asked for tells that there are more.
    assert_eq!(sut.attempts("limit=2", None), all[..3]);
    assert_eq!(sut.attempts(&format!("limit=2&iterator={}", all[1]), None), all[2..5]);
    assert_eq!(sut.attempts("status=2", None), all[2..3]);
    assert_eq!(sut.attempts("status_code_class=400", None), all[2..3]);
}

#[test]
fn an_object_that_was_never_configured_leaves_nothing_behind() {
    let sql = Memory::new();
    let mut endpoint = open(&sql, &Settings::default(), NOW, None);
    let mut rng = Seeded(1);
    let push = Push { config_version: 1, messages: Vec::new() };
    assert!(endpoint.push(NOW, &mut rng, push).unwrap().0.stale);
    assert_eq!(endpoint.alarm(NOW, &mut rng).unwrap().alarm, None);
    assert_eq!(sql.query("SELECT name FROM sqlite_master", &[]).unwrap(), []);
}
