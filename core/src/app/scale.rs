//! What lists cost does not depend on how much there is: every list and filter, on a log of twenty thousand messages and
//! on one of a million, takes the same number of steps of SQLite's machine.

use super::world::{START, World};
use crate::api::route::Op;
use crate::endpoint::inspect;
use crate::id;
use crate::sql::Sql;
use crate::time::rfc3339;
use serde_json::json;

/// Between two messages.
const APART_MS: i64 = 20;
/// So many attempts are recorded together.
const TOGETHER: usize = 6;

/// A world with that many messages, each delivered once, all of them before it begins.
fn world(messages: i64) -> (World, String) {
    let mut world = World::new(&[]);
    let endpoint = world.add_endpoint(&json!({}));
    let (log, attempts) = world.tables(&endpoint);
    let at = |n: i64| START - 3_600_000 - (messages - n) * APART_MS;
    let ids: Vec<Option<String>> =
        (0..messages).map(|n| (n % 1_000 == 0).then(|| format!("event-{n}"))).collect(); // one of a thousand has a name
    log.transaction(|| super::backfill(&log, (0..messages).map(at).zip(ids.iter().map(Option::as_deref))))
        .expect("messages");
    world.crash();
    let delivered = (0..messages).map(|n| (id::floor(id::MESSAGE, at(n)), at(n) + 8));
    attempts.transaction(|| inspect::grow(&attempts, TOGETHER, delivered)).expect("attempts");
    world.crash_endpoint(&endpoint);
    (world, endpoint)
}

/// The steps of every list with every filter, from the end and from the middle, and the bytes that it reads.
fn costs(messages: i64) -> Vec<(String, (u64, u64))> {
    let (mut world, endpoint) = world(messages);
    let middle = START - 3_600_000 - 10_000 * APART_MS;
    let (msg, attempt) = (id::floor(id::MESSAGE, middle), id::floor(id::ATTEMPT, middle + 8));
    let time = rfc3339(middle);
    let filters = [
        "",
        "limit=250",
        "event_types=none",
        "channel=none",
        "tag=none",
        "event_types=usual&with_content=false",
    ];
    let mut queries: Vec<String> = filters.iter().map(|&query| query.to_owned()).collect();
    queries.extend([
        format!("before={time}"),
        format!("after={time}"),
        format!("before={time}&channel=none"),
    ]);
    queries.push(format!("after={time}&channel=none"));
    let mut out = Vec::new();
    let mut note = |world: &mut World, op: Op, params: &[&str], query: &str| {
        out.push((format!("{op:?} {query}"), world.steps(op, params, query)));
    };
    let lists: [(Op, Vec<&str>, &str); 3] = [
        (Op::MessageList, vec![], &msg),
        (Op::AttemptedMessages, vec![&endpoint], &msg),
        (Op::AttemptsByEndpoint, vec![&endpoint], &attempt),
    ];
    for (op, params, place) in lists {
        for query in &queries {
            note(&mut world, op, &params, query);
        }
        for iterator in [format!("iterator={place}"), format!("iterator=-{place}")] {
            note(&mut world, op, &params, &iterator);
            note(&mut world, op, &params, &format!("{iterator}&channel=none"));
        }
    }
    for query in ["status=2", "status_code_class=500", "status=0&limit=1"] {
        note(&mut world, Op::AttemptsByEndpoint, &[&endpoint], query);
    }
    note(&mut world, Op::AttemptedMessages, &[&endpoint], "status=2");
    note(&mut world, Op::MessageList, &[], &format!("event_id=event-{}", messages - 10_000));
    for op in [Op::AttemptsByMessage, Op::Destinations, Op::MessageGet] {
        note(&mut world, op, &[&msg], "");
    }
    note(&mut world, Op::AttemptsByMessage, &[&msg], "tag=none");
    note(&mut world, Op::MessageGet, &[&format!("event-{}", messages - 10_000)], "");
    note(&mut world, Op::EndpointList, &[], "metadata[a]=b");
    out
}

#[test]
fn a_list_costs_as_much_with_a_million_messages_as_with_twenty_thousand() {
    let (few, many) = (costs(20_000), costs(1_000_000));
    for ((name, few), (_, many)) in few.iter().zip(&many) {
        println!("{name:<60} {few:>16?} {many:>16?}");
    }
    for ((name, (few, _)), (_, (many, bytes))) in few.into_iter().zip(many) {
        assert!(bytes <= 4_000_000, "{name}: {bytes} bytes");
        // A page has 50 items at most where nothing else is said, and a filter looks at 4096 rows.
        assert!(many <= few + few / 20 + 50, "{name}: {few} steps, and {many} where there is more");
        assert!(many <= 400_000, "{name}: {many} steps");
    }
}
