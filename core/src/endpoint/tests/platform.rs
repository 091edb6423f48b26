//! What the platform allows and refuses, and how the object lives with it.

use super::*;
use crate::budget::{ALARM_DEPTH, MAX_DEPTH, MAX_REQUESTS};
use crate::query::Query;

impl Sut {
    fn with_budget(config: Config) -> (Self, Rc<Budget>) {
        let mut sut = Self::with(config);
        let budget = Rc::new(Budget::default());
        sut.endpoint.set_budget(Rc::clone(&budget));
        budget.delivered(2);
        (sut, budget)
    }

    fn ended(&mut self, attempt: Attempt, outcome: AttemptOutcome) -> Effects {
        let result = attempt.ended(self.now, outcome);
        self.endpoint.record(self.now, &mut self.rng, vec![result]).unwrap()
    }

    fn responses(&self) -> Vec<String> {
        let ask = AttemptsAsk { query: Query::default(), msg_id: None, attempt_id: None, bytes: None };
        self.endpoint.attempts(self.now, &ask).unwrap().rows.into_iter().map(|row| row.response).collect()
    }
}

fn refused() -> AttemptOutcome {
    AttemptOutcome::of_error("https://x.example/", "Too many subrequests by single Worker invocation.")
}

fn internal() -> AttemptOutcome {
    AttemptOutcome::of_error("https://x.example/", "internal error; reference = abc")
}

#[test]
fn a_status_counts_whatever_becomes_of_the_body() {
    let of = |code| AttemptOutcome::of_response(code, Some("7".to_owned()), b"part".to_vec());
    for code in [200, 202, 410, 429, 500] {
        let expected =
            AttemptOutcome::Answer { code, retry_after: Some("7".to_owned()), body: b"part".to_vec() };
        assert_eq!(of(code), expected);
    }
    let edge = AttemptOutcome::of_response(530, None, b"error code: 1016".to_vec());
    assert!(
        matches!(&edge, AttemptOutcome::Failed(Failure::Network(why)) if why.contains("DNS")),
        "{edge:?}"
    );
}

#[test]
fn what_the_platform_refuses_is_no_attempt_and_goes_again() {
    let (mut sut, budget) = Sut::with_budget(config(1));
    let messages = sut.messages(3);
    let sent = sut.push(&messages).1.send;
    let mut effects = Effects::default();
    for attempt in sent {
        effects = sut.ended(attempt, refused());
    }
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (3, 0, (0, 0, 0)));
    assert!(sut.endpoint.breaker.is_closed() && sut.endpoint.failing_since.is_none());
    assert!(!budget.may_request(), "nothing more goes with this event");
    assert!(effects.send.is_empty());
    budget.delivered(ALARM_DEPTH);
    let again = sut.due_at(NOW + 250);
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|attempt| attempt.delivery.made == 0), "{again:?}");
    // It goes on refusing: ever more rarely.
    for attempt in again {
        sut.ended(attempt, refused());
    }
    budget.delivered(ALARM_DEPTH);
    assert_eq!(sut.due_at(NOW + 250 + 499).len(), 0);
    for attempt in sut.due_at(NOW + 250 + 500) {
        sut.answer(attempt, 200);
    }
    assert_eq!((sut.due(), sut.stats()), (0, (3, 0, 0)));
}

#[test]
fn an_internal_error_is_the_receivers_only_if_it_stays() {
    let mut sut = Sut::new();
    let mut attempt = sut.sent();
    for pause in [250, 500] {
        sut.ended(attempt, internal());
        assert_eq!((sut.recorded(), sut.due()), (0, 1));
        let at = sut.now + pause;
        attempt = sut.due_at(at).pop().expect("it goes again");
    }
    sut.ended(attempt, internal());
    assert_eq!((sut.recorded(), sut.stats()), (1, (0, 1, 0)));
    assert!(sut.responses()[0].contains("certificate"), "{:?}", sut.responses());
    // It is believed from now on, until the receiver answers.
    let next = sut.sent();
    sut.ended(next, internal());
    assert_eq!(sut.stats(), (0, 2, 0));
    let answered = sut.sent();
    sut.answer(answered, 200);
    let next = sut.sent();
    sut.ended(next, internal());
    assert_eq!(sut.stats(), (1, 2, 0), "once more it may be the platform's");
}

#[test]
fn requests_stop_before_the_platform_refuses_them_and_the_alarm_goes_on() {
    let (mut sut, budget) = Sut::with_budget(config(1));
    let count = 3 * usize::try_from(MAX_REQUESTS).unwrap();
    let messages = sut.messages(count);
    let mut waiting: VecDeque<Outgoing> = messages.into();
    let (mut open, mut done, mut in_event, mut events) = (VecDeque::new(), 0, 0, 1);
    while done < count {
        if let Some(first) = waiting.front().cloned() {
            let (answer, effects) = sut.push(std::slice::from_ref(&first));
            if answer.accepted == 1 {
                waiting.pop_front();
            }
            in_event += effects.send.len();
            open.extend(effects.send);
        }
        sut.now += 1;
        let effects = match open.pop_front() {
            Some(attempt) => {
                done += 1;
                sut.answer(attempt, 200)
            }
            None => Effects::default(),
        };
        in_event += effects.send.len();
        open.extend(effects.send);
        assert!(in_event <= usize::try_from(MAX_REQUESTS).unwrap(), "{in_event} requests of one event");
        if sut.endpoint.alarm.is_some_and(|at| at <= sut.now) {
            budget.delivered(ALARM_DEPTH);
            (in_event, events) = (0, events + 1);
            let effects = sut.alarm();
            in_event += effects.send.len();
            open.extend(effects.send);
        }
    }
    assert!(events >= 3, "{events} events");
    assert_eq!((sut.due(), sut.stats().0), (0, i64::try_from(count).unwrap()));
}

#[test]
fn at_depth_a_pull_and_payloads_wait_for_the_alarm() {
    let (mut sut, budget) = Sut::with_budget(Config { max_in_flight: Some(1), ..config(1) });
    let messages = sut.messages(20);
    budget.delivered(MAX_DEPTH);
    let (answer, mut effects) = sut.push(&messages);
    assert!(answer.enough);
    let mut asks = false;
    while let Some(attempt) = effects.send.pop() {
        assert!(!effects.pull);
        sut.now += 10;
        effects = sut.answer(attempt, 500);
        asks |= effects.alarm == Some(sut.now);
        assert!(effects.fetch_payloads.is_empty());
    }
    assert!(asks, "the alarm goes on");
    budget.delivered(ALARM_DEPTH);
    let effects = sut.alarm();
    assert!(effects.pull);
    let due = sut.endpoint.earliest.expect("retries are due");
    assert!(effects.alarm.is_some_and(|at| at <= due && at > sut.now), "{effects:?}");
    budget.delivered(MAX_DEPTH);
    sut.now = due;
    let effects = sut.tick();
    assert!(effects.fetch_payloads.is_empty() && sut.endpoint.alarm.is_some_and(|at| at <= sut.now));
    budget.delivered(ALARM_DEPTH);
    assert!(!sut.alarm().fetch_payloads.is_empty());
}

#[test]
fn a_pull_that_failed_is_repeated() {
    let mut sut = Sut::with(Config { max_in_flight: Some(1), ..config(1) });
    let messages = sut.messages(20);
    let mut effects = sut.push(&messages).1;
    while !effects.pull {
        let attempt = effects.send.pop().expect("one by one");
        effects = sut.answer(attempt, 200);
    }
    let effects = sut.endpoint.pulled(sut.now, false).unwrap();
    assert_eq!((effects.pull, effects.timer), (false, Some(sut.now + 250)));
    sut.now += 250;
    assert!(sut.tick().pull);
    let effects = sut.endpoint.pulled(sut.now, true).unwrap();
    assert!(!effects.pull && sut.endpoint.timer.is_none());
}

#[test]
fn payloads_that_could_not_be_fetched_are_asked_for_again_soon() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    sut.now = sut.endpoint.earliest.expect("a retry");
    for pause in [500, 1_000] {
        let asked = sut.alarm().fetch_payloads;
        assert_eq!(asked.len(), 1);
        let effects = sut.endpoint.payloads(sut.now, &mut sut.rng, &asked, None).unwrap();
        assert_eq!(effects.alarm, Some(sut.now + pause));
        sut.now += pause;
    }
    let asked = sut.alarm().fetch_payloads;
    assert_eq!(sut.payloads(&asked).send.len(), 1);
}

#[test]
fn payloads_that_do_not_fit_one_answer_are_not_leased_for_nothing() {
    let mut sut = Sut::new();
    let messages = sut.messages(6);
    for attempt in sut.push(&messages).1.send {
        sut.answer(attempt, 500);
    }
    sut.now += HOUR;
    let mut asks = VecDeque::from([sut.alarm().fetch_payloads]);
    let mut sizes = Vec::new();
    while let Some(asked) = asks.pop_front() {
        sizes.push(asked.len());
        let fits = asked.iter().take(2).map(|id| (id.clone(), vec![b'1'; 1 << 20].into())).collect();
        let answer = Payloads { found: fits, gone: Vec::new(), headers: None };
        let mut effects = sut.endpoint.payloads(sut.now, &mut sut.rng, &asked, Some(answer)).unwrap();
        loop {
            asks.extend(Some(effects.fetch_payloads).filter(|asked| !asked.is_empty()));
            let Some(attempt) = effects.send.pop() else { break };
            let more = sut.answer(attempt, 200);
            effects.send.extend(more.send);
            effects.fetch_payloads = more.fetch_payloads;
        }
    }
    assert_eq!(sizes, [6, 2, 2], "what the last answer held");
    assert_eq!((sut.due(), sut.stats().0), (0, 6));
}

#[test]
fn with_nothing_under_way_there_is_no_timer() {
    let mut sut = Sut::with(Config { batch: Some(Batch { max_events: 2, max_wait_ms: 500 }), ..config(1) });
    let messages = sut.messages(2);
    let (_, effects) = sut.push(&messages[..1]);
    assert_eq!(effects.timer, Some(NOW + 500));
    let (_, mut effects) = sut.push(&messages[1..]);
    assert!(effects.cancel_timer, "the batch is full: it waits for nobody");
    let effects = sut.answer(effects.send.pop().expect("the batch"), 200);
    assert_eq!((effects.timer, sut.endpoint.timer), (None, None));
}

#[test]
fn what_waits_long_waits_for_the_alarm_alone() {
    // Dead: the circuit breaker is open.
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let effects = sut.answer_after(attempt, 429, Some("30"));
    assert_eq!(effects.timer, None);
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.timer, None);
    let at = sut.endpoint.alarm.expect("an alarm");
    assert!(at <= NOW + 30_000, "{at}");
    sut.now = NOW + 30_000;
    let effects = sut.alarm();
    assert!(!effects.send.is_empty() || !effects.fetch_payloads.is_empty(), "{effects:?}");
    // Rate-limited.
    let mut sut = Sut::with(Config { paces: vec![(1, 60_000)], ..config(1) });
    let messages = sut.messages(2);
    let (_, mut effects) = sut.push(&messages);
    assert_eq!((effects.timer, effects.send.len()), (None, 1));
    sut.answer(effects.send.remove(0), 200);
    assert!(sut.endpoint.timer.is_none() && sut.endpoint.alarm.is_some_and(|at| at <= NOW + 60_251));
}

#[test]
fn the_queue_is_bounded_by_bytes_and_asks_for_more_when_it_has_room() {
    let mut sut = Sut::with(Config { max_in_flight: Some(1), ..config(1) });
    let mut messages = sut.messages(8);
    for message in &mut messages {
        message.payload = vec![b'1'; 1 << 20].into();
    }
    let (answer, mut effects) = sut.push(&messages);
    assert_eq!((answer.accepted, answer.enough), (2, true), "the second takes it to the bound");
    let mut taken = 2;
    loop {
        if effects.pull {
            let (answer, pushed) = sut.push(&messages[taken..]);
            assert!(sut.endpoint.queue_bytes <= QUEUE_MAX_BYTES && answer.accepted <= 1);
            taken += usize::try_from(answer.accepted).unwrap();
            effects.send.extend(pushed.send);
            effects.pull = pushed.pull;
            continue;
        }
        let Some(attempt) = effects.send.pop() else { break };
        effects = sut.answer(attempt, 200);
    }
    assert_eq!((taken, sut.stats().0), (8, 8));
}

#[test]
fn a_batch_of_five_hundred_with_long_responses_is_recorded_once() {
    let mut sut = Sut::with(Config {
        batch: Some(Batch { max_events: 500, max_wait_ms: 100 }),
        schedule_ms: Some(vec![5_000]),
        ..config(1)
    });
    for code in [200, 500] {
        let messages = sut.messages(500);
        let mut rest = messages.as_slice();
        let mut sent = Vec::new();
        while !rest.is_empty() {
            let (answer, effects) = sut.push(rest);
            rest = &rest[usize::try_from(answer.accepted).unwrap()..];
            sent.extend(effects.send);
            sut.now += 100;
            sent.extend(sut.tick().send);
        }
        let all: Vec<AttemptResult> = sent
            .into_iter()
            .map(|attempt| {
                // Control characters take six bytes each where JSON carries them.
                let body = vec![1; RESPONSE_MAX];
                attempt.ended(sut.now, AttemptOutcome::Answer { code, retry_after: None, body })
            })
            .collect();
        let requests = i64::try_from(all.len()).unwrap();
        let before = sut.recorded();
        sut.endpoint.record(sut.now, &mut sut.rng, all).unwrap();
        assert_eq!(sut.recorded() - before, 500, "{code}");
        let (history, ..) = History::open(&sut.sql).unwrap();
        let segments = history.everything(&sut.sql).unwrap();
        let responses = segments.iter().map(|(_, all)| {
            let all: std::collections::BTreeSet<_> =
                all.iter().map(|(_, detail)| Rc::as_ptr(&detail.response).cast::<u8>()).collect();
            i64::try_from(all.len()).unwrap()
        });
        let (stored, segments) = (responses.sum::<i64>(), i64::try_from(segments.len()).unwrap());
        assert!(stored <= requests + before + segments, "{stored} responses of {requests} requests");
    }
    let shown = sut.responses();
    assert!(
        !shown.is_empty() && shown.iter().all(|response| response.len() == RESPONSE_MAX),
        "every one shows it"
    );
}

#[test]
fn many_results_with_the_longest_responses_are_recorded_in_one_step() {
    let mut sut = Sut::new();
    let mut results = Vec::new();
    while results.len() < 300 {
        let messages = sut.messages(64);
        let (_, effects) = sut.push(&messages);
        let mut effects = effects;
        while let Some(attempt) = effects.send.pop() {
            let body = "\u{1}".repeat(RESPONSE_MAX).into_bytes();
            let outcome = AttemptOutcome::Answer { code: 200, retry_after: None, body };
            let result = attempt.ended(sut.now, outcome);
            let more = sut.endpoint.answered(sut.now, &result).unwrap();
            effects.send.extend(more.send);
            results.push(result);
        }
    }
    let count = i64::try_from(results.len()).unwrap();
    sut.endpoint.record(sut.now, &mut sut.rng, results).unwrap();
    assert_eq!((sut.recorded(), sut.stats().0), (count, count));
}
