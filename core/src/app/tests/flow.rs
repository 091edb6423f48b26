//! What flows to the endpoints at once, and what the platform allows for it.

use super::*;
use crate::budget::{ALARM_DEPTH, MAX_CALLS, MAX_DEPTH};

/// So many endpoints, in the order of their ids.
fn endpoints(sut: &mut Sut, count: usize) -> Vec<String> {
    let mut all: Vec<String> = (0..count)
        .map(|_| {
            sut.now += 1_000;
            sut.create(json!({}))
        })
        .collect();
    all.sort();
    all
}

fn large(bytes: usize) -> NewMessage {
    NewMessage { payload: vec![b'1'; bytes].into(), ..message("a") }
}

fn names(effects: &Effects) -> Vec<String> {
    effects.push.iter().map(|(endpoint_id, _)| endpoint_id.clone()).collect()
}

fn bytes(effects: &Effects) -> usize {
    effects.push.iter().flat_map(|(_, push)| &push.messages).map(|message| message.payload.len()).sum()
}

/// Everybody answers until nothing is pushed any more; who was pushed to, in order, and the most bytes at once.
fn drain(sut: &mut Sut, effects: Effects) -> (Vec<String>, usize) {
    let mut open: VecDeque<(String, usize, usize)> = VecDeque::new();
    let (mut order, mut most) = (Vec::new(), 0);
    let mut effects = effects;
    loop {
        for (endpoint_id, push) in &effects.push {
            let bytes = push.messages.iter().map(|message| message.payload.len()).sum();
            open.push_back((endpoint_id.clone(), push.messages.len(), bytes));
            order.push(endpoint_id.clone());
        }
        most = most.max(open.iter().map(|(.., bytes)| bytes).sum());
        let Some((endpoint_id, count, _)) = open.pop_front() else { return (order, most) };
        effects = sut.pushed(&endpoint_id, count);
    }
}

#[test]
fn what_is_on_its_way_is_bounded_by_pushes_and_by_bytes_and_everybody_gets_everything() {
    let mut sut = Sut::new();
    let all = endpoints(&mut sut, 100);
    let (_, effects) = sut.accepted(1);
    assert_eq!(names(&effects), all[..32], "so many at once");
    assert_eq!(drain(&mut sut, effects).0, all);
    let (_, effects) = sut.accept(vec![large(1 << 20)]);
    assert_eq!(bytes(&effects), 8 << 20, "so much at once");
    let (order, most) = drain(&mut sut, effects);
    assert_eq!((order, most), (all, 8 << 20));
}

#[test]
fn a_payload_is_in_memory_once_however_many_endpoints_it_goes_to() {
    let mut sut = Sut::new();
    endpoints(&mut sut, 4);
    let (_, effects) = sut.accept(vec![large(1_000)]);
    let places: Vec<*const u8> =
        effects.push.iter().map(|(_, push)| push.messages[0].payload.as_ptr()).collect();
    assert!(places.len() == 4 && places.iter().all(|place| *place == places[0]), "{places:?}");
}

#[test]
fn endpoints_take_turns_while_more_waits_for_all_of_them() {
    let mut sut = Sut::new();
    let all = endpoints(&mut sut, 40);
    let (_, effects) = sut.accept(vec![large(1 << 20); 3]);
    let (order, _) = drain(&mut sut, effects);
    assert_eq!(order.len(), 120, "each message is a push of its own");
    let first: Vec<&String> = order.iter().take(40).collect();
    assert!(
        first.iter().eq(all.iter().collect::<Vec<_>>().iter()),
        "nobody is served twice before all are once"
    );
}

#[test]
fn objects_that_hang_do_not_hold_up_the_others() {
    let mut sut = Sut::new();
    let all = endpoints(&mut sut, 40);
    let (_, effects) = sut.accepted(1);
    let hanging = names(&effects);
    assert_eq!(hanging.len(), 32);
    assert_eq!(effects.timer, Some(sut.now + 1_000), "nobody may ever answer");
    sut.now += 1_000;
    let effects = sut.app.tick(sut.now).unwrap();
    assert_eq!(names(&effects), all[32..]);
    // Those that hung are few at once from now on, and the others get what they are sent.
    for endpoint_id in &hanging {
        sut.answer(endpoint_id, None);
    }
    for endpoint_id in &all[32..] {
        sut.pushed(endpoint_id, 1);
    }
    sut.now += 1_000;
    let effects = sut.app.tick(sut.now).unwrap();
    assert_eq!(names(&effects), hanging[..8], "one for each of a few");
    let (_, effects) = sut.accepted(1);
    assert_eq!(names(&effects), all[32..]);
}

#[test]
fn pushes_that_hang_hold_no_more_memory_than_is_allowed() {
    let mut sut = Sut::new();
    endpoints(&mut sut, 60);
    let mut open = 0;
    let (_, mut effects) = sut.accept(vec![large(1 << 20)]);
    for _ in 0..20 {
        open += bytes(&effects);
        sut.now += 1_000;
        effects = sut.app.tick(sut.now).unwrap();
    }
    assert_eq!(open, 16 << 20);
}

#[test]
fn at_depth_the_alarm_goes_on_with_the_fan_out_and_keeps_every_later_time() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let later = NewMessage { deliver_at: Some(sut.now + 3_600_000), ..message("a") };
    sut.accept(vec![later]);
    let budget = Rc::new(Budget::default());
    sut.app.set_budget(Rc::clone(&budget));
    budget.delivered(MAX_DEPTH - 1);
    let (_, effects) = sut.accepted(1);
    assert_eq!(effects.push.len(), 1, "not too deep yet");
    budget.delivered(MAX_DEPTH);
    sut.accepted(1);
    sut.now += 50;
    let effects = sut.pushed(&endpoint_id, 1);
    assert_eq!((effects.push.len(), effects.alarm), (0, Some(sut.now)));
    budget.delivered(ALARM_DEPTH);
    let effects = sut.app.alarm(sut.now).unwrap();
    assert_eq!(effects.push.len(), 1);
    assert!(
        effects.alarm.is_some_and(|at| at > sut.now),
        "what is to be written is not forgotten: {effects:?}"
    );
    sut.pushed(&endpoint_id, 1);
    sut.now += RECONCILE_MS;
    let effects = sut.app.alarm(sut.now).unwrap();
    assert_eq!(effects.alarm, Some(NOW + 3_600_000), "nor is what is to be delivered later");
}

#[test]
fn a_pull_that_comes_too_deep_is_answered_from_the_alarm() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let budget = Rc::new(Budget::default());
    sut.app.set_budget(Rc::clone(&budget));
    budget.delivered(1);
    let (ids, _) = sut.accepted(3);
    sut.answer(&endpoint_id, Some(PushAnswer { enough: true, ..answer(1) }));
    budget.delivered(MAX_DEPTH);
    let effects = sut.app.pulled(sut.now, &Pull { endpoint_id: endpoint_id.clone() }).unwrap();
    assert_eq!((effects.push.len(), effects.alarm), (0, Some(sut.now)));
    budget.delivered(ALARM_DEPTH);
    assert_eq!(offered(&sut.app.alarm(sut.now).unwrap()), [&ids[1..]]);
}

#[test]
fn a_pull_that_overtakes_the_answer_to_a_push_is_not_forgotten() {
    let (mut sut, endpoint_id) = Sut::with_endpoint(json!({}));
    let (ids, _) = sut.accepted(3);
    let pull = Pull { endpoint_id: endpoint_id.clone() };
    assert!(sut.app.pulled(sut.now, &pull).unwrap().push.is_empty(), "one push at a time");
    let effects = sut.answer(&endpoint_id, Some(PushAnswer { enough: true, ..answer(1) }));
    assert_eq!(offered(&effects), [&ids[1..]]);
    let effects = sut.answer(&endpoint_id, Some(PushAnswer { enough: true, ..answer(1) }));
    assert!(effects.push.is_empty(), "it was good for one push");
}

#[test]
fn what_one_event_may_not_call_any_more_the_next_one_does() {
    let mut sut = Sut::new();
    let all = endpoints(&mut sut, 40);
    sut.app.alarm(sut.now).unwrap();
    let budget = Rc::new(Budget::default());
    sut.app.set_budget(Rc::clone(&budget));
    budget.delivered(1);
    (0..MAX_CALLS - 10).for_each(|_| budget.count_call());
    let (_, effects) = sut.accepted(1);
    assert_eq!((names(&effects), effects.alarm), (all[..10].to_vec(), Some(sut.now)));
    budget.delivered(ALARM_DEPTH);
    let effects = sut.app.alarm(sut.now).unwrap();
    assert_eq!(names(&effects), all[10..32]);
}

#[test]
fn messages_whose_time_has_come_are_given_to_some_endpoints_at_a_time() {
    let mut sut = Sut::new();
    let all = endpoints(&mut sut, 50);
    sut.accept(vec![NewMessage { deliver_at: Some(sut.now + 60_000), ..message("a") }]);
    sut.now += 60_000;
    let mut effects = sut.app.alarm(sut.now).unwrap();
    assert_eq!(effects.scheduled.len(), 32);
    let mut asked: VecDeque<String> = VecDeque::new();
    let mut told = Vec::new();
    loop {
        asked.extend(effects.scheduled.into_iter().map(|(endpoint_id, _)| endpoint_id));
        let Some(endpoint_id) = asked.pop_front() else { break };
        let taken =
            frame::TaskAnswer { count: 1, after: String::new(), upto: None, end: true, not_ready: false };
        effects = sut.app.scheduled_told(sut.now, &endpoint_id, Some(&taken)).unwrap();
        told.push(endpoint_id);
    }
    assert_eq!(told, all);
    assert_eq!(sut.app.schedule_due(), None, "everybody has it");
}

#[test]
fn many_configurations_are_offered_some_at_a_time() {
    let mut sut = Sut::new();
    endpoints(&mut sut, 100);
    for slot in sut.app.slots.values_mut() {
        slot.acknowledged = 0;
    }
    let mut effects = sut.app.tick(sut.now).unwrap();
    assert_eq!(effects.configure.len(), 64);
    let mut open: VecDeque<(String, i64)> = VecDeque::new();
    let mut count = 0;
    loop {
        open.extend(effects.configure.into_iter().map(|(id, config)| (id, config.version)));
        assert!(open.len() <= 64);
        let Some((endpoint_id, version)) = open.pop_front() else { break };
        effects = sut.app.configured(sut.now, &endpoint_id, Some(ConfigAnswer { version })).unwrap();
        count += 1;
    }
    assert_eq!(count, 100);
}
