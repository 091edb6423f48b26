//! The breaker: nothing is sent to a receiver that keeps failing, and nothing is lost or used up by waiting.

use super::*;

/// After so many failures and nothing else it opens.
const OPENS_AFTER: usize = 14;

impl Sut {
    /// Sends messages that are answered so, one after the other, as far as they are let.
    fn answered_with(&mut self, codes: &[u16]) -> usize {
        for (done, code) in codes.iter().enumerate() {
            let messages = self.messages(1);
            let (_, mut effects) = self.push(&messages);
            let Some(attempt) = effects.send.pop() else { return done };
            self.answer(attempt, *code);
        }
        codes.len()
    }

    /// An object whose breaker has just opened.
    fn opened() -> Self {
        let mut sut = Self::new();
        assert_eq!(sut.answered_with(&[500; OPENS_AFTER]), OPENS_AFTER);
        sut
    }

    /// Until when it is open; 0 where it is half-open, `None` where it is closed.
    fn open_until(&self) -> Option<i64> {
        let ask = StatsAsk { since: 0, until: NOW, hours: None };
        self.endpoint.statistics(self.now, &ask).unwrap().open_until
    }

    fn resend(&mut self) -> Vec<Attempt> {
        let message = self.messages(1).remove(0);
        let resend = Resend { config_version: 1, message };
        let (taken, effects) = self.endpoint.resend(self.now, &mut self.rng, resend).unwrap();
        assert!(taken);
        effects.send
    }
}

#[test]
fn it_opens_when_fourteen_of_the_latest_twenty_attempts_failed() {
    let mut sut = Sut::new();
    assert_eq!(sut.answered_with(&[500; OPENS_AFTER - 1]), OPENS_AFTER - 1);
    assert_eq!(sut.open_until(), None);
    assert_eq!(sut.answered_with(&[200, 200, 200, 404, 200]), 4, "the fourteenth");
    assert_eq!(sut.open_until(), Some(NOW + 1_000));
}

#[test]
fn a_receiver_that_fails_less_often_is_never_held_back() {
    let mut sut = Sut::new();
    for _ in 0..50 {
        let few = [200, 500, 500, 200, 500, 500, 200, 500, 500, 200];
        assert_eq!(sut.answered_with(&few), few.len());
    }
    assert_eq!(sut.open_until(), None);
}

#[test]
fn while_it_is_open_what_is_due_waits_and_uses_up_no_attempt() {
    let mut sut = Sut::opened();
    let messages = sut.messages(3);
    let (answer, effects) = sut.push(&messages);
    assert_eq!((answer.accepted, effects.send.len(), effects.timer), (2, 0, Some(NOW + 1_000)));
    let attempts = sut.recorded();
    // The probes fail: the pauses double up to a minute, and each costs one attempt of one delivery.
    for (probe, pause) in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].into_iter().enumerate() {
        sut.now = sut.open_until().expect("it is open");
        let due = sut.due_at(sut.now);
        assert_eq!(due.len(), 1, "one request probes");
        sut.answer(due[0].clone(), 500);
        assert_eq!(sut.open_until(), Some(sut.now + pause));
        assert_eq!(sut.recorded(), attempts + 1 + i64::try_from(probe).unwrap());
        assert!(sut.due_at(sut.now + pause - 1).is_empty());
    }
    assert_eq!(sut.due(), i64::try_from(OPENS_AFTER).unwrap() + 2, "all wait");
}

#[test]
fn a_probe_that_gets_through_closes_it_and_all_that_waits_goes_by_its_time() {
    let mut sut = Sut::opened();
    sut.now = NOW + 1_000;
    assert_eq!(sut.open_until(), Some(0), "half-open");
    let messages = sut.messages(2);
    let (_, effects) = sut.push(&messages);
    assert_eq!(effects.send.len(), 1, "one at a time");
    let effects = sut.answer(effects.send[0].clone(), 200);
    assert_eq!((sut.open_until(), effects.send.len()), (None, 1));
    sut.answer(effects.send[0].clone(), 200);
    let waiting: Vec<String> = sut.waiting().into_iter().map(|due| due.key).collect();
    sut.now = NOW + 6_000;
    let mut effects = sut.alarm();
    let mut sent = VecDeque::new();
    for key in &waiting {
        sent.extend(effects.send);
        while !effects.fetch_payloads.is_empty() {
            effects = sut.payloads(&effects.fetch_payloads);
            sent.extend(std::mem::take(&mut effects.send));
        }
        let attempt: Attempt = sent.pop_front().expect("the next one");
        assert_eq!(&attempt.delivery.key, key);
        effects = sut.answer(attempt, 200);
    }
    assert_eq!((waiting.len(), sut.due(), sut.stats().2), (OPENS_AFTER, 0, 0));
    // It begins anew: what failed before is forgotten.
    let mut codes = vec![500; OPENS_AFTER - 1];
    codes.push(200);
    assert_eq!((sut.answered_with(&codes), sut.open_until()), (OPENS_AFTER, None));
}

#[test]
fn what_was_under_way_when_it_opened_neither_closes_it_nor_opens_it_further() {
    let mut sut = Sut::new();
    sut.answered_with(&[503; OPENS_AFTER - 4]);
    let mut under_way: Vec<Attempt> = (0..6).map(|_| sut.sent()).collect();
    for attempt in under_way.drain(..4) {
        sut.answer(attempt, 503);
    }
    sut.now += 10;
    for (attempt, code) in under_way.into_iter().zip([503, 200]) {
        sut.answer(attempt, code);
        assert_eq!(sut.open_until(), Some(NOW + 1_000));
    }
}

#[test]
fn it_is_open_after_a_crash_too() {
    let mut sut = Sut::opened();
    sut.now += 1_000;
    let probe = sut.resend();
    sut.answer(probe[0].clone(), 500);
    let until = Some(sut.now + 2_000);
    sut.crash();
    assert_eq!(sut.open_until(), until);
    let messages = sut.messages(1);
    assert_eq!(sut.push(&messages).1.send.len(), 0);
}

#[test]
fn a_delivery_asked_for_by_hand_probes_at_once_but_not_more_often_than_once_a_second() {
    let mut sut = Sut::opened();
    let messages = sut.messages(1);
    sut.push(&messages);
    sut.now = NOW + 999;
    assert!(sut.resend().is_empty());
    sut.now = NOW + 1_000;
    let probe = sut.tick().send;
    sut.answer(probe[0].clone(), 500);
    sut.now += 1_000; // of the two seconds that it is open
    let by_hand = sut.resend();
    assert!(by_hand.len() == 1 && by_hand[0].delivery.manual, "before what waits");
    sut.answer(by_hand[0].clone(), 500);
    assert_eq!(sut.open_until(), Some(sut.now + 4_000));
    assert!(sut.resend().is_empty());
    sut.now += 1_000;
    let by_hand = sut.resend();
    assert_eq!(by_hand.len(), 1);
    assert!(!sut.answer(by_hand[0].clone(), 200).send.is_empty(), "it is well again");
    assert_eq!(sut.open_until(), None);
}

#[test]
fn by_hand_goes_out_where_the_receiver_asked_for_its_rest_which_goes_on_if_that_fails() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.answer_after(attempt, 429, Some("99999999999999999999"));
    let rest = sut.open_until();
    sut.now += 30_000;
    let by_hand = sut.resend();
    assert!(by_hand.len() == 1 && by_hand[0].delivery.manual);
    assert!(sut.answer(by_hand[0].clone(), 500).send.is_empty());
    assert_eq!(sut.open_until(), rest, "nothing else goes before");
    sut.now += 30_000;
    let by_hand = sut.resend();
    sut.answer(by_hand[0].clone(), 200);
    assert_eq!(sut.open_until(), None, "it is well again");
}

#[test]
fn another_url_begins_with_a_closed_one() {
    let mut sut = Sut::opened();
    sut.configure(Config { timeout_ms: Some(9_000), ..config(2) });
    assert!(sut.open_until().is_some(), "the receiver is the same");
    sut.configure(Config { url: "https://other.example.com/".into(), ..config(3) });
    assert_eq!(sut.open_until(), None);
    sut.crash();
    assert_eq!(sut.open_until(), None);
}

#[test]
fn what_was_not_sent_says_nothing_of_the_receiver() {
    let mut sut = Sut::new();
    for _ in 0..3 * OPENS_AFTER {
        let attempt = sut.sent();
        let refused = AttemptOutcome::Failed(Failure::Refused("No.".to_owned()));
        let result = attempt.ended(sut.now, refused);
        sut.endpoint.record(sut.now, &mut sut.rng, vec![result]).unwrap();
    }
    assert_eq!(sut.open_until(), None);
}

#[test]
fn the_events_of_one_request_count_once() {
    let batch = Batch { max_events: 30, max_wait_ms: 0 };
    let mut sut = Sut::with(Config { batch: Some(batch), ..config(1) });
    let messages = sut.messages(30);
    let (_, effects) = sut.push(&messages);
    assert_eq!((effects.send.len(), effects.send[0].riders.len()), (1, 29));
    sut.answer(effects.send[0].clone(), 500);
    assert_eq!((sut.stats().1, sut.open_until()), (30, None));
}

#[test]
fn the_latest_attempts_count_after_a_start_too() {
    let mut sut = Sut::new();
    for _ in 0..usize::try_from(sut.settings.breaker_failures).unwrap() {
        assert_eq!(sut.open_until(), None);
        let attempt = sut.sent();
        sut.answer(attempt, 500);
        sut.crash();
    }
    assert!(sut.open_until().is_some());
}
