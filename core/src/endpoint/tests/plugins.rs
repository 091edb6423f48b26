//! What plugins on a delivery's way come to.

use super::*;
use crate::frame::AttemptRow;
use crate::plugin::{Attached, EngineName, OnError, Ran, Step, Verdict};
use crate::query::Query;

fn plugin(version: &str) -> Attached {
    Attached {
        name: "p".into(),
        version: version.into(),
        pinned: false,
        config: None,
        on_error: OnError::Hold,
    }
}

fn with_plugin(version: i64) -> Config {
    Config { plugins: Some(vec![plugin("1")]), ..config(version) }
}

fn replaced() -> Verdict {
    let headers = vec![("x-new".to_owned(), Some("2".to_owned())), ("x-own".to_owned(), None)];
    Verdict::Replace { body: Some(b"changed".to_vec()), headers, event_type: None }
}

fn failed() -> Verdict {
    Verdict::Failed { code: "trap".into(), text: "unreachable".into() }
}

fn dropped() -> Verdict {
    Verdict::Drop { reason: "not wanted".into() }
}

impl Sut {
    fn run(&mut self, passages: Vec<Passage>, verdict: &Verdict) -> Effects {
        let run = |mut passage: Passage| {
            let verdict = verdict.clone();
            let engine = EngineName::Wasmi;
            passage.chain.ran(Ran { verdict, logs: Vec::new(), fuel: 1, pages: 1, engine, version: None });
            passage.ended()
        };
        let passed = passages.into_iter().map(run).collect();
        self.endpoint.passed(self.now, &mut self.rng, passed).unwrap()
    }

    /// Pushes one message, and lets its plugin say this.
    fn passed(&mut self, verdict: &Verdict) -> Effects {
        let messages = self.messages(1);
        let (_, effects) = self.push(&messages);
        self.run(effects.pass, verdict)
    }

    /// The same, and whatever is sent then is taken; what is reported.
    fn passed_and_answered(&mut self, verdict: &Verdict) -> Vec<(i64, Report)> {
        let effects = self.passed(verdict);
        for attempt in effects.send {
            self.answer(attempt, 200);
        }
        effects.reports
    }

    /// Lets the alarm go off when the next delivery is due; what has to pass then.
    fn next_passage(&mut self) -> Vec<Passage> {
        self.now = self.first_due().max(self.now);
        let asked = self.alarm().fetch_payloads;
        self.payloads(&asked).pass
    }

    fn last_attempt(&self) -> AttemptRow {
        let ask = AttemptsAsk { query: Query::parse("limit=1"), msg_id: None, attempt_id: None, bytes: None };
        self.endpoint.attempts(self.now, &ask).unwrap().rows.remove(0)
    }

    fn filtered(&self) -> i64 {
        self.endpoint
            .statistics(self.now, &StatsAsk { since: 0, until: NOW * 2, hours: None })
            .unwrap()
            .filtered
    }
}

#[test]
fn what_a_plugin_makes_of_a_message_is_signed_and_sent() {
    let mut sut = Sut::with(with_plugin(1));
    let effects = sut.passed(&replaced());
    let attempt = effects.send.into_iter().next().unwrap();
    let header = |name: &str| attempt.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((&attempt.body[..], header("x-new"), header("x-own")), (&b"changed"[..], Some("2"), None));
    let secret = Secret::parse(&SECRET["plain:".len()..]).unwrap();
    let (id, at) = (header("svix-id").unwrap(), header("svix-timestamp").unwrap());
    assert!(signature::verify(&secret, id, at, header("svix-signature").unwrap(), b"changed"));
    sut.answer(attempt, 200);
    let plugins = sut.last_attempt().plugins.unwrap();
    assert!(plugins.contains(r#""verdict":"replaced""#), "{plugins}");
}

#[test]
fn what_a_plugin_drops_is_on_record_as_filtered_and_costs_no_request_and_no_pace() {
    let paced = Config { paces: vec![(1, 3_600_000)], ..with_plugin(1) };
    let mut sut = Sut::with(paced);
    for _ in 0..3 {
        let effects = sut.passed(&dropped());
        assert_eq!((effects.send.len(), effects.reports.len()), (0, 0));
    }
    let row = sut.last_attempt();
    assert_eq!(
        (row.status, row.code, row.response.as_str()),
        (4, 0, "Filtered out by the plugin p: not wanted")
    );
    assert_eq!((sut.due(), sut.recorded(), sut.filtered(), sut.stats()), (0, 3, 3, (0, 0, 0)));
    sut.crash();
    assert_eq!((sut.filtered(), sut.stats()), (3, (0, 0, 0)), "counted again from the table");
    assert_eq!(sut.passed(&Verdict::Unchanged).send.len(), 1, "the pace was not used");
}

#[test]
fn a_filtered_message_costs_two_rows_as_a_delivered_one_does() {
    let mut sut = Sut::with(with_plugin(1));
    sut.passed(&dropped()); // the alarm is set
    let before = sut.sql.changes();
    for _ in 0..10 {
        sut.passed(&dropped());
    }
    assert_eq!(sut.sql.changes() - before, 20);
}

#[test]
fn what_a_failed_plugin_holds_is_tried_again_by_the_schedule_and_exhausts_it() {
    let mut sut = Sut::with(with_plugin(1));
    sut.passed(&failed());
    let row = sut.last_attempt();
    assert_eq!((row.status, row.response.as_str()), (2, "The plugin p failed (trap): unreachable"));
    let mut reports = Vec::new();
    for _ in 0..2 {
        let passages = sut.next_passage();
        assert_eq!(passages.len(), 1);
        reports = sut.run(passages, &failed()).reports;
    }
    assert!(matches!(&reports[..], [(_, Report { kind: ReportKind::Exhausted { code: 0, .. }, .. })]));
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (0, 3, (0, 3, 1)));
}

#[test]
fn a_plugin_that_fails_for_days_does_not_disable_the_endpoint() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![8 * 86_400_000; 2]), ..with_plugin(1) });
    sut.passed(&failed());
    let passages = sut.next_passage();
    assert_eq!(sut.run(passages, &failed()).reports.len(), 0);
}

#[test]
fn another_version_of_the_plugin_releases_what_is_held() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![3_600_000]), ..with_plugin(1) });
    sut.passed(&failed());
    sut.now += 1_000;
    let fixed = Config { plugins: Some(vec![plugin("2")]), ..with_plugin(2) };
    let (_, effects) = sut.configure(fixed);
    let passages = sut.payloads(&effects.fetch_payloads).pass;
    assert_eq!(passages.len(), 1);
    let attempt = sut.run(passages, &Verdict::Unchanged).send.remove(0);
    assert_eq!(attempt.delivery.made, 1);
    sut.answer(attempt, 200);
    assert_eq!((sut.due(), sut.stats()), (0, (1, 1, 0)));
}

#[test]
fn another_version_of_the_plugin_does_not_touch_what_a_receiver_refused() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![3_600_000]), ..with_plugin(1) });
    let attempt = sut.passed(&Verdict::Unchanged).send.remove(0);
    sut.answer(attempt, 500);
    let (_, effects) = sut.configure(Config { plugins: Some(vec![plugin("2")]), ..with_plugin(2) });
    assert_eq!(effects.fetch_payloads.len(), 0);
}

#[test]
fn a_plugin_that_fails_again_and_again_is_left_alone_for_a_while() {
    let mut sut = Sut::with(with_plugin(1));
    for _ in 0..5 {
        sut.passed(&failed());
    }
    let messages = sut.messages(1);
    let (_, effects) = sut.push(&messages);
    assert_eq!((effects.pass.len(), effects.timer), (0, Some(NOW + 1_000)));
    sut.now += 1_000;
    let passages = sut.endpoint.tick(sut.now, &mut sut.rng).unwrap().pass;
    assert_eq!(passages.len(), 1);
    sut.run(passages, &Verdict::Unchanged);
    assert_eq!(sut.passed(&Verdict::Unchanged).send.len(), 1, "one that passes closes it");
}

#[test]
fn a_plugin_that_keeps_failing_rests_and_its_attachment_says_what_follows() {
    for (on_error, sent) in [(OnError::Deliver, 1), (OnError::Drop, 0)] {
        let resting =
            |config: Config| Config { plugins: Some(vec![Attached { on_error, ..plugin("1") }]), ..config };
        let mut sut = Sut::with(resting(with_plugin(1)));
        let told: Vec<_> = (0..5).flat_map(|_| sut.passed_and_answered(&failed())).collect();
        let [(_, Report { kind: ReportKind::PluginFailing { name, error, .. }, .. })] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((name.as_str(), error.as_str()), ("p", "(trap): unreachable"));

        // It is not run, and nothing waits for it.
        let messages = sut.messages(1);
        let (_, effects) = sut.push(&messages);
        assert!(matches!(effects.pass[0].chain.step(), Step::Decided));
        let passed = effects.pass.into_iter().map(Passage::ended).collect();
        let effects = sut.endpoint.passed(sut.now, &mut sut.rng, passed).unwrap();
        assert_eq!((effects.send.len(), effects.reports.len()), (sent, 0));
        for attempt in effects.send {
            sut.answer(attempt, 200);
        }
        let shown = sut.last_attempt().plugins.unwrap();
        assert!(shown.contains(r#""verdict":"skipped""#) && shown.contains("skipped for now"), "{shown}");

        // Then one event tries it: it fails, and it rests for longer, and the tenant has been told.
        sut.now += 1_000;
        assert_eq!(sut.passed_and_answered(&failed()).len(), 0);
        sut.now += 1_999;
        let messages = sut.messages(1);
        let (_, effects) = sut.push(&messages);
        assert!(matches!(effects.pass[0].chain.step(), Step::Decided));
        sut.now += 1;
        sut.passed_and_answered(&Verdict::Unchanged);
        let messages = sut.messages(1);
        let (_, effects) = sut.push(&messages);
        assert!(matches!(effects.pass[0].chain.step(), Step::Run(..)), "one that does its work ends it");
    }
}

#[test]
fn a_plugin_that_calls_events_errors_works_and_does_not_rest_unless_they_are_held() {
    for (on_error, reports) in [(OnError::Deliver, 0), (OnError::Drop, 0), (OnError::Hold, 1)] {
        let plugins = Some(vec![Attached { on_error, ..plugin("1") }]);
        let mut sut = Sut::with(Config { plugins, ..with_plugin(1) });
        let error = Verdict::Failed { code: "permanent".into(), text: "not of mine".into() };
        let told: Vec<_> = (0..5).flat_map(|_| sut.passed_and_answered(&error)).collect();
        assert_eq!(told.len(), reports, "{on_error:?}");
    }
}

#[test]
fn what_was_on_its_way_when_a_plugin_began_to_rest_does_not_make_it_rest_longer() {
    let mut sut = Sut::with(with_plugin(1));
    let messages = sut.messages(9);
    let (_, effects) = sut.push(&messages);
    assert_eq!(effects.pass.len(), 6, "one more than makes it rest");
    let effects = sut.run(effects.pass, &failed());
    assert_eq!((effects.reports.len(), effects.timer), (1, Some(NOW + 1_000)));
}

#[test]
fn what_was_on_its_way_through_plugins_when_memory_was_lost_is_due_again() {
    let mut sut = Sut::with(with_plugin(1));
    let messages = sut.messages(1);
    let (_, effects) = sut.push(&messages);
    assert_eq!(effects.pass.len(), 1);
    sut.crash();
    let late = sut.run(effects.pass, &Verdict::Unchanged);
    assert_eq!(late.send.len(), 0, "nobody waits for that any more");
    let passages = sut.next_passage();
    assert_eq!(sut.run(passages, &Verdict::Unchanged).send.len(), 1);
}

#[test]
fn an_answer_that_never_comes_is_made_good_when_the_lease_ends() {
    let mut sut = Sut::with(with_plugin(1));
    let messages = sut.messages(1);
    sut.push(&messages);
    let passages = sut.next_passage();
    assert_eq!(sut.run(passages, &Verdict::Unchanged).send.len(), 1);
}

#[test]
fn past_its_plugins_a_delivery_waits_for_the_pace() {
    let mut sut = Sut::with(Config { paces: vec![(1, 10_000)], ..with_plugin(1) });
    let messages = sut.messages(2);
    let (_, effects) = sut.push(&messages);
    assert_eq!(effects.pass.len(), 2);
    let effects = sut.run(effects.pass, &Verdict::Unchanged);
    assert_eq!((effects.send.len(), effects.timer, effects.alarm), (1, None, Some(NOW + 10_251)));
    sut.now += 10_251;
    assert_eq!(sut.alarm().send.len(), 1);
}

#[test]
fn a_disabled_endpoint_keeps_what_is_past_its_plugins() {
    let mut sut = Sut::with(Config { paces: vec![(1, 10_000)], ..with_plugin(1) });
    let messages = sut.messages(3);
    let (_, effects) = sut.push(&messages);
    let mut passages = effects.pass;
    let later = passages.split_off(2);
    let effects = sut.run(passages, &Verdict::Unchanged);
    sut.configure(Config { disabled: true, paces: vec![(1, 10_000)], ..with_plugin(2) });
    assert_eq!(sut.run(later, &Verdict::Unchanged).send.len(), 0);
    for attempt in effects.send {
        sut.answer(attempt, 200);
    }
    assert_eq!((sut.due(), sut.recorded()), (2, 1));
}

#[test]
fn what_passed_plugins_that_were_taken_away_is_sent_without_them_in_batches_too() {
    let batch = Some(Batch { max_events: 2, max_wait_ms: 10_000 });
    for late in [false, true] {
        let mut sut = Sut::with(Config { batch, ..with_plugin(1) });
        let messages = sut.messages(1);
        let (_, mut effects) = sut.push(&messages);
        let passages = std::mem::take(&mut effects.pass);
        let without = Config { batch, plugins: None, ..config(2) };
        let asked = if late {
            sut.configure(without);
            sut.run(passages, &Verdict::Unchanged).fetch_payloads
        } else {
            assert_eq!(sut.run(passages, &Verdict::Unchanged).send.len(), 0, "it waits for others");
            sut.configure(without).1.fetch_payloads
        };
        assert_eq!(asked, [messages[0].id.clone()], "{late}");
        sut.payloads(&asked);
        sut.now += 10_000;
        assert_eq!(sut.tick().send.len(), 1, "{late}");
    }
}
