//! Who goes next: batches, and in order.

use super::*;

fn batched(max_events: u16, max_wait_ms: u32) -> Config {
    Config {
        batch: Some(Batch { max_events, max_wait_ms }),
        schedule_ms: Some(vec![5_000, 60_000]),
        ..config(1)
    }
}

fn in_order() -> Config {
    Config { order: Some(Order::Fifo), schedule_ms: Some(vec![5_000, 60_000]), ..config(1) }
}

fn ids(attempt: &Attempt) -> Vec<String> {
    let riders = attempt.riders.iter().map(|rider| rider.msg_id.clone());
    std::iter::once(attempt.delivery.msg_id.clone()).chain(riders).collect()
}

fn numbered(sut: &mut Sut, count: usize) -> Vec<Outgoing> {
    let mut messages = sut.messages(count);
    for (n, message) in messages.iter_mut().enumerate() {
        message.payload = format!("{{ \"n\" : {n} }}").into_bytes().into();
    }
    messages
}

fn id_header(attempt: &Attempt) -> &str {
    attempt.headers.iter().find(|(name, _)| name == "svix-id").map_or("", |(_, value)| value)
}

#[test]
fn a_full_batch_goes_at_once_as_an_array_of_the_payloads_byte_for_byte() {
    let mut sut = Sut::with(batched(3, 1_000));
    let messages = numbered(&mut sut, 3);
    let (_, effects) = sut.push(&messages);
    let [attempt] = effects.send.as_slice() else { panic!("one request: {:?}", effects.send) };
    assert_eq!(attempt.body, br#"[{ "n" : 0 },{ "n" : 1 },{ "n" : 2 }]"#);
    assert_eq!(ids(attempt), messages.iter().map(|m| m.id.clone()).collect::<Vec<_>>());
    assert!(id_header(attempt).starts_with("batch_"));
    sut.answer(attempt.clone(), 200);
    assert_eq!((sut.due(), sut.recorded(), sut.stats()), (0, 3, (3, 0, 0)), "each has its attempt");
}

#[test]
fn a_batch_that_does_not_fill_goes_when_its_first_event_has_waited_long_enough() {
    let mut sut = Sut::with(batched(10, 1_000));
    let messages = numbered(&mut sut, 2);
    let (_, effects) = sut.push(&messages[..1]);
    assert!(effects.send.is_empty());
    assert_eq!(effects.timer, Some(NOW + 1_000));
    sut.now += 600;
    assert!(sut.push(&messages[1..]).1.send.is_empty());
    sut.now += 399;
    assert!(sut.tick().send.is_empty());
    sut.now += 1;
    let sent = sut.tick().send;
    assert_eq!((sent.len(), ids(&sent[0]).len()), (1, 2));
}

#[test]
fn a_single_event_is_an_array_of_one_under_its_own_id() {
    let mut sut = Sut::with(batched(10, 0));
    let attempt = sut.sent();
    assert_eq!(
        (attempt.body.as_slice(), id_header(&attempt)),
        (&b"[{}]"[..], attempt.delivery.msg_id.as_str())
    );
}

#[test]
fn bytes_bound_a_batch_and_never_keep_an_event_from_going() {
    let mut sut = Sut::with(batched(10, 1_000));
    let mut messages = numbered(&mut sut, 3);
    messages[0].payload = vec![b'1'; BATCH_BYTES + 1].into();
    let (_, effects) = sut.push(&messages);
    let counts: Vec<usize> = effects.send.iter().map(|attempt| ids(attempt).len()).collect();
    assert_eq!(counts, [1], "the large one alone, the others wait");
}

#[test]
fn what_is_no_json_is_refused_with_a_sentence_and_the_others_go_without_it() {
    let mut sut = Sut::with(batched(3, 1_000));
    let mut messages = numbered(&mut sut, 3);
    messages[1].payload = b"<a/>".to_vec().into();
    let (_, effects) = sut.push(&messages);
    let [refused, sent] = effects.send.as_slice() else { panic!("{:?}", effects.send) };
    assert_eq!((ids(refused), &refused.body[..]), (vec![messages[1].id.clone()], &b""[..]));
    assert!(refused.refused.as_ref().is_some_and(|why| why.contains("not JSON")), "{refused:?}");
    assert_eq!((&sent.body[..], &sent.refused), (&br#"[{ "n" : 0 },{ "n" : 2 }]"#[..], &None));
    let starts = sut.endpoint.windows.iter().map(|window| window.starts().count()).sum::<usize>();
    assert_eq!((starts, sut.endpoint.under_way()), (0, 1), "what is refused holds no place");
    let (refused, sent) = (refused.clone(), sent.clone());
    sut.answer(sent, 200);
    let why = refused.refused.clone().unwrap();
    let outcome = AttemptOutcome::Failed(Failure::Refused(why));
    let result = refused.ended(sut.now, outcome);
    sut.endpoint.record(sut.now, &mut sut.rng, vec![result]).unwrap();
    assert_eq!(
        (sut.stats(), sut.due()),
        ((2, 1, 0), 1),
        "it fails by the schedule, as anything that is refused"
    );
    // Alone it is no broken array either.
    let mut sut = Sut::with(batched(1, 0));
    let mut messages = sut.messages(1);
    messages[0].payload = b"not json".to_vec().into();
    let sent = sut.push(&messages).1.send;
    assert!(sent.len() == 1 && sent[0].refused.is_some() && sent[0].body.is_empty(), "{sent:?}");
}

#[test]
fn a_batch_that_failed_meets_again_and_is_the_same_to_its_receiver() {
    let mut sut = Sut::with(batched(3, 1_000));
    let messages = numbered(&mut sut, 3);
    let first = sut.push(&messages).1.send.pop().unwrap();
    let effects = sut.answer(first.clone(), 500);
    let at = sut.endpoint.query_earliest().unwrap().unwrap();
    assert_eq!(
        sut.waiting().iter().map(|due| due.slot).collect::<std::collections::BTreeSet<_>>().len(),
        1,
        "{effects:?}"
    );
    let mut again = sut.due_at(at);
    let again = again.pop().expect("they are due together");
    assert_eq!((ids(&again), id_header(&again)), (ids(&first), id_header(&first)));
    let at = {
        sut.answer(again, 500);
        sut.endpoint.query_earliest().unwrap().unwrap()
    };
    let last = sut.due_at(at).pop().unwrap();
    let effects = sut.answer(last, 500);
    let exhausted =
        effects.reports.iter().filter(|(_, r)| matches!(r.kind, ReportKind::Exhausted { .. })).count();
    assert_eq!((exhausted, sut.due(), sut.stats()), (3, 0, (0, 9, 3)), "each has its whole history");
}

#[test]
fn a_batch_is_one_start_and_holds_one_place_also_after_a_restart() {
    let mut sut = Sut::with(Config { paces: vec![(2, HOUR)], max_in_flight: Some(1), ..batched(2, 0) });
    let messages = numbered(&mut sut, 8);
    let mut effects = sut.push(&messages).1;
    assert_eq!(effects.send.len(), 1, "one place");
    let first = effects.send.pop().unwrap();
    effects = sut.answer(first, 200);
    let second = effects.send.pop().expect("the second start");
    assert!(sut.answer(second, 200).send.is_empty(), "two starts an hour");
    sut.crash();
    let mut after = Window::new(Pace { limit: 2, window_ms: HOUR });
    after.restore(sut.endpoint.windows[0].starts());
    assert_eq!(sut.endpoint.windows[0].starts().filter(|at| *at == NOW).count(), 2, "riders are no starts");
}

#[test]
fn a_crash_while_a_batch_waits_or_is_under_way_sends_everything_again() {
    for wait in [0, 5_000] {
        let mut sut = Sut::with(batched(10, wait));
        let messages = numbered(&mut sut, 3);
        sut.push(&messages);
        sut.crash();
        let at = sut.endpoint.query_earliest().unwrap().expect("leased");
        let mut got = Vec::new();
        let mut sent = sut.due_at(at);
        sut.now += i64::from(wait);
        sent.extend(sut.tick().send);
        got.extend(sent.iter().flat_map(ids));
        got.sort();
        assert_eq!(got, messages.iter().map(|m| m.id.clone()).collect::<Vec<_>>(), "{wait}");
    }
}

#[test]
fn what_is_asked_for_by_hand_goes_alone_and_waits_for_nobody() {
    let mut sut = Sut::with(batched(10, 60_000));
    let messages = numbered(&mut sut, 2);
    assert!(sut.push(&messages[..1]).1.send.is_empty());
    let resend = Resend { config_version: 1, message: messages[1].clone() };
    let (taken, effects) = sut.endpoint.resend(sut.now, &mut sut.rng, resend).unwrap();
    assert!(taken);
    let [attempt] = effects.send.as_slice() else { panic!("{:?}", effects.send) };
    assert_eq!(attempt.body, br#"[{ "n" : 1 }]"#);
}

#[test]
fn in_order_one_goes_after_the_other() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 3);
    let mut effects = sut.push(&messages).1;
    for message in &messages {
        let [attempt] = effects.send.as_slice() else { panic!("one: {:?}", effects.send) };
        assert_eq!(attempt.delivery.msg_id, message.id);
        let attempt = attempt.clone();
        sut.now += 10;
        effects = sut.answer(attempt, 200);
    }
    assert!(effects.send.is_empty() && sut.due() == 0);
}

#[test]
fn the_first_in_line_holds_the_others_up_until_its_schedule_is_used_up() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 3);
    let mut attempt = sut.push(&messages).1.send.pop().unwrap();
    for _ in 0..2 {
        let effects = sut.answer(attempt, 500);
        assert!(effects.send.is_empty(), "nobody overtakes it");
        let at = sut.endpoint.query_earliest().unwrap().unwrap();
        assert!(at > sut.now, "and nothing is due before it is");
        sut.now = at - 1;
        assert!(sut.alarm().send.is_empty());
        attempt = sut.due_at(at).pop().expect("its turn");
        assert_eq!(attempt.delivery.msg_id, messages[0].id);
    }
    let effects = sut.answer(attempt, 500);
    assert!(effects.reports.iter().any(|(_, r)| matches!(r.kind, ReportKind::Exhausted { .. })));
    let next = effects.send.first().expect("the next one's turn");
    assert_eq!(next.delivery.msg_id, messages[1].id);
}

#[test]
fn the_order_survives_a_crash_at_any_point() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 3);
    let first = sut.push(&messages).1.send.pop().unwrap();
    sut.answer(first, 500); // the first waits for its retry, the others' leases are short
    sut.crash();
    let mut got: Vec<String> = Vec::new();
    while let Some(at) = sut.endpoint.query_earliest().unwrap() {
        let mut sent = sut.due_at(at.max(sut.now));
        sut.now += 1;
        while let Some(attempt) = sent.pop() {
            assert!(sent.is_empty(), "one at a time");
            got.push(attempt.delivery.msg_id.clone());
            let effects = sut.answer(attempt, 200);
            sent = effects.send;
            if !effects.fetch_payloads.is_empty() {
                sent.extend(sut.payloads(&effects.fetch_payloads).send);
            }
        }
    }
    assert_eq!(got, messages.iter().map(|m| m.id.clone()).collect::<Vec<_>>());
}

#[test]
fn the_first_in_line_has_its_place_where_memory_is_full_of_those_behind_it() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 60);
    let (mut answer, mut effects) = sut.push(&messages);
    let first = effects.send.pop().unwrap();
    sut.answer(first, 500);
    while !answer.enough {
        let taken = usize::try_from(answer.accepted).unwrap();
        let (again, _) = sut.push(&messages[taken..]);
        answer = PushAnswer { accepted: answer.accepted + again.accepted, ..again };
    }
    let at = sut.endpoint.query_earliest().unwrap().unwrap();
    let again = sut.due_at(at).pop().expect("its turn");
    assert_eq!(again.delivery.msg_id, messages[0].id);
}

#[test]
fn by_hand_is_out_of_turn_while_the_first_in_line_waits() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 2);
    let first = sut.push(&messages).1.send.pop().unwrap();
    sut.answer(first, 500);
    let resend = Resend { config_version: 1, message: messages[1].clone() };
    let (_, effects) = sut.endpoint.resend(sut.now, &mut sut.rng, resend).unwrap();
    assert_eq!(effects.send.len(), 1);
    assert!(effects.send[0].delivery.manual);
}

#[test]
fn without_the_order_what_waited_behind_goes() {
    let mut sut = Sut::with(in_order());
    let messages = numbered(&mut sut, 3);
    let first = sut.push(&messages).1.send.pop().unwrap();
    sut.answer(first, 500);
    let (_, effects) = sut.configure(Config { order: None, version: 2, ..in_order() });
    assert_eq!(effects.send.len(), 2);
}
