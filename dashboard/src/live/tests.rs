use super::*;
use crate::Answer;
use crate::session::Keeper;
use proptest::prelude::*;
use serde_json::json;
use std::cell::RefCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use weir_core::api::page::{Keys, Order, Page as ListPage};
use weir_core::query::Query;
use weir_core::rng::Seeded;
use weir_core::token::Claims;

const NOW: i64 = 1_795_000_000_000;

/// An application whose lists are as the real ones. Its endpoints get its messages in turn.
struct World {
    endpoints: usize,
    lists: RefCell<[Vec<(String, i64)>; 2]>,
    now: RefCell<i64>,
    rng: RefCell<Seeded>,
    refuses: RefCell<Option<u16>>,
    calls: RefCell<u32>,
}

impl World {
    fn new() -> Self {
        Self {
            endpoints: 1,
            lists: RefCell::default(),
            now: RefCell::new(NOW),
            rng: RefCell::new(Seeded(7)),
            refuses: RefCell::default(),
            calls: RefCell::default(),
        }
    }

    fn now(&self) -> i64 {
        *self.now.borrow()
    }

    fn pass(&self, ms: i64) {
        self.now.replace_with(|now| now.saturating_add(ms));
    }

    /// So many messages, and an attempt of each.
    fn send(&self, count: usize) {
        for _ in 0..count {
            self.pass(5);
            for (list, prefix) in self.lists.borrow_mut().iter_mut().zip([id::MESSAGE, id::ATTEMPT]) {
                list.push((id::new(prefix, self.now(), &mut *self.rng.borrow_mut()), self.now()));
            }
        }
    }

    fn ids(&self) -> Vec<String> {
        let mut all: Vec<String> = self.lists.borrow().iter().flatten().map(|(id, _)| id.clone()).collect();
        all.sort();
        all
    }

    fn open(&self, query: &str) -> Tail {
        let request = Request::new("GET", "/dashboard/app/app_1/live/events", query, b"");
        assert!(is_stream(&request));
        done(Tail::open(self, &request, self.now())).unwrap_or_else(|page| panic!("{}", page.body))
    }

    fn look(&self, tail: &mut Tail) -> Vec<Event> {
        read(&done(tail.look(self, self.now())))
    }
}

impl Api for World {
    async fn fetch(&self, method: &str, path: &str, _: Vec<u8>) -> (u16, Vec<u8>) {
        let answer = self.respond(method, path);
        (answer.status, answer.body.to_string().into_bytes())
    }
}

impl World {
    fn respond(&self, method: &str, path: &str) -> Answer {
        assert_eq!(method, "GET");
        self.calls.replace_with(|calls| calls.saturating_add(1));
        if let Some(status) = *self.refuses.borrow() {
            return Answer { status, body: json!({ "detail": "No & no." }), payload: None };
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (list, prefix) = match path {
            "app/app_1" => return Answer { status: 200, body: json!({ "id": "app_1" }), payload: None },
            "app/app_1/endpoint" => {
                let all: Vec<_> = (1..=self.endpoints).map(|n| json!({ "id": format!("ep_{n}") })).collect();
                return Answer { status: 200, body: json!({ "data": all }), payload: None };
            }
            "app/app_1/msg" => (0, id::MESSAGE),
            _ => (1, id::ATTEMPT),
        };
        let of = path
            .strip_prefix("app/app_1/attempt/endpoint/ep_")
            .map(|n| n.parse::<usize>().unwrap().wrapping_sub(1));
        assert!(list == 0 || of.is_some(), "{path}");
        let page = ListPage::from_query_ordered(&Query::parse(query), Keys::Id(prefix), Order::Descending);
        let page = page.unwrap();
        let rows = self.lists.borrow()[list].clone().into_iter().enumerate();
        let own = rows.filter(|(n, _)| of.is_none_or(|of| n.checked_rem(self.endpoints) == Some(of)));
        let mut rows: Vec<_> = own.map(|(_, row)| row).collect();
        let from = page.from().to_owned();
        rows.retain(|(id, _)| if page.reads_ascending() { *id > from } else { *id < from });
        if !page.reads_ascending() {
            rows.reverse();
        }
        rows.truncate(usize::try_from(page.probe()).unwrap());
        let shown = page.finish(rows, |(id, _)| id).map(|(id, at)| {
            json!({ "id": id, "timestamp": rfc3339(at), "eventType": "<b>\n", "msgId": "msg_1", "endpointId": "ep_1" })
        });
        Answer { status: 200, body: serde_json::to_value(shown).unwrap(), payload: None }
    }
}

fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[derive(Debug)]
struct Event {
    kind: String,
    place: String,
    data: String,
}

/// Reads a stream as browsers do.
fn read(text: &str) -> Vec<Event> {
    let events = text.split_terminator("\n\n").map(|event| {
        let line = |name: &str| {
            event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        assert_eq!(event.lines().count(), if line("id: ").is_empty() { 2 } else { 3 }, "{event}");
        Event { kind: line("event: "), place: line("id: "), data: line("data: ") }
    });
    events.collect()
}

/// The ids of the rows that events bring.
fn shown(events: &[Event]) -> Vec<String> {
    let rows = events.iter().flat_map(|event| event.data.split("id=\"t-").skip(1));
    rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_comes_is_shown_once_though_the_tail_is_cut_off_again_and_again(
        steps in proptest::collection::vec((0usize..60, 0i64..3_000, any::<bool>()), 1..30),
        before in 0usize..15,
    ) {
        let world = World::new();
        world.send(before);
        let mut tail = world.open("");
        let mut seen = shown(&world.look(&mut tail));
        let mut place;
        for (count, pause, cut) in steps {
            world.send(count);
            world.pass(pause);
            let events = world.look(&mut tail);
            prop_assert!(events.iter().all(|event| event.kind != "over" && !event.data.contains("class=\"gap\"")));
            seen.extend(shown(&events));
            place = events[0].place.clone();
            if cut || tail.is_over() {
                tail = world.open(&format!("from={place}"));
            }
        }
        seen.sort();
        prop_assert_eq!(seen, world.ids());
    }
}

#[test]
fn many_endpoints_take_turns_and_nothing_of_any_is_missed_or_shown_twice() {
    let world = World { endpoints: 20, ..World::new() };
    let mut tail = world.open("what=attempts");
    let mut seen = Vec::new();
    for round in 0..12 {
        if round < 9 {
            world.send(20);
        }
        world.pass(EVERY_MS);
        let before = *world.calls.borrow();
        let events = world.look(&mut tail);
        assert_eq!(*world.calls.borrow() - before, u32::try_from(AT_ONCE).unwrap(), "calls of a look");
        seen.extend(shown(&events));
        // Cut off when not all have had their turn, and later.
        if matches!(round, 0 | 5) {
            tail = world.open(&format!("what=attempts&from={}", events[0].place));
        }
    }
    seen.sort();
    let attempts = world.ids().into_iter().filter(|id| id.starts_with("atmpt")).collect::<Vec<_>>();
    assert_eq!(seen, attempts);
}

#[test]
fn what_is_more_than_a_tail_shows_is_said_with_where_to_find_it() {
    let world = World::new();
    world.send(3);
    let mut tail = world.open("what=messages");
    world.look(&mut tail);
    world.send(STEP * STEPS + 1);
    world.pass(100);
    let events = world.look(&mut tail);
    assert_eq!(shown(&events).len(), STEP * STEPS);
    assert!(
        events[0].data.contains("class=\"gap\"") && events[0].data.contains("/messages?after="),
        "{events:?}"
    );
    world.pass(2_000);
    world.send(2);
    let events = world.look(&mut tail);
    assert_eq!(shown(&events).len(), 2, "it goes on with what is new: {events:?}");
}

#[test]
fn who_was_away_for_long_is_told_and_begins_anew() {
    let world = World::new();
    world.send(1);
    let mut tail = world.open("");
    let place = world.look(&mut tail)[0].place.clone();
    world.send(30);
    world.pass(AWAY_MS + 1);
    let events = world.look(&mut world.open(&format!("from={place}")));
    assert!(events[0].data.contains("are missing: the live view"), "{events:?}");
    assert_eq!(shown(&events).iter().filter(|id| id.starts_with("msg")).count(), BEFORE);
    // A place that is none is a beginning, too.
    for odd in ["x", "-", "1-msg_x", "99999999999999999999-", "%00-%0A"] {
        assert!(!shown(&world.look(&mut world.open(&format!("from={odd}")))).is_empty(), "{odd}");
    }
}

#[test]
fn a_stream_ends_by_itself_and_says_that_it_is_to_be_asked_again() {
    let world = World::new();
    let mut tail = world.open("");
    let mut looks = 0;
    let last = loop {
        world.pass(EVERY_MS);
        let events = world.look(&mut tail);
        looks += 1;
        if tail.is_over() {
            break events;
        }
    };
    assert_eq!(last.last().unwrap().kind, "again");
    assert!(
        i64::from(looks) * EVERY_MS <= MOST_MS && *world.calls.borrow() <= MOST_CALLS + 4,
        "{looks} looks"
    );
}

#[test]
fn a_session_that_may_not_look_any_more_hears_why_and_no_more() {
    let world = World::new();
    let mut tail = world.open("");
    world.look(&mut tail);
    *world.refuses.borrow_mut() = Some(503);
    assert_eq!(world.look(&mut tail)[0].kind, "tick", "a fault that passes is waited out");
    *world.refuses.borrow_mut() = Some(401);
    let events = world.look(&mut tail);
    assert_eq!((events[0].kind.as_str(), events[0].data.as_str()), ("over", "No & no."));
    assert!(tail.is_over());
}

#[test]
fn what_is_not_chosen_is_not_asked_for() {
    let world = World::new();
    world.send(3);
    for (query, first) in [("what=messages", "msg_"), ("what=attempts", "atmpt_")] {
        let events = world.look(&mut world.open(query));
        assert!(
            shown(&events).len() == 3 && shown(&events).iter().all(|id| id.starts_with(first)),
            "{events:?}"
        );
    }
    let keeper = Keeper::new("a secret of the tests");
    let session = keeper.begin("ses_1", "a.b.c", &Claims { org: "org_1".into(), ..Claims::default() }, NOW);
    let request =
        Request::new("GET", "/dashboard/app/app_1/live", "what=%22%3E%3Cscript%3E&tag=%3Cb%3E", b"");
    let page = done(crate::answer(&world, &session, &request)).body;
    assert!(
        page.contains("value=\"&lt;b&gt;\"") && !page.contains("<script>") && !page.contains("<b>"),
        "{page}"
    );
}
