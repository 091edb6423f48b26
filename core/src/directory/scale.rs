//! What the Directory's lists cost does not depend on how many applications, event types and tasks there are.

use super::Directory;
use crate::api::call::Call;
use crate::api::route::Op;
use crate::id;
use crate::rng::Seeded;
use crate::sql::memory::Memory;
use crate::sql::{Sql, SqlError, Value};
use serde_json::json;

const NOW: i64 = 1_795_000_000_000;

/// A Directory with that many of each; half of the applications are tombstones in a row, and all event types but one
/// are archived.
fn directory(count: i64) -> (Memory, Directory<Memory>) {
    let sql = Memory::new();
    let mut directory = Directory::open(sql.clone(), NOW).expect("opens");
    let body = json!({ "name": "first", "uid": "first" }).to_string().into_bytes();
    let create = Call::of(Op::AppCreate, &[], "", body);
    assert_eq!(directory.handle(NOW, &mut Seeded(1), &create).reply.status, 201);
    let at = |n: i64| NOW - 3_600_000 - (count - n) * 8;
    sql.transaction(|| {
        for n in 0..count {
            let (app, task) = (id::floor(id::APP, at(n)), id::floor(id::TASK, at(n)));
            let (uid, name) = (format!("uid-{n}"), format!("type.{n:07}"));
            let state = if n >= count / 2 { 2 } else { 1 };
            sql.exec(
                "INSERT INTO app (id, uid, name, metadata, created_at, updated_at, state, version, tries)
                 VALUES (?1, ?2, 'a', '{}', ?3, ?3, ?4, 1, 0)",
                &[Value::Text(&app), Value::Text(&uid), Value::Int(at(n)), Value::Int(state)],
            )?;
            sql.exec(
                "INSERT INTO event_type (name, description, archived, deprecated, created_at, updated_at)
                 VALUES (?1, '', ?2, 0, ?3, ?3)",
                &[Value::Text(&name), Value::flag(n > 0), Value::Int(at(n))],
            )?;
            sql.exec(
                "INSERT INTO task (id, app_id, task, status, data, updated_at, version)
                 VALUES (?1, ?2, 'endpoint.recover', 'finished', '{}', ?3, 1)",
                &[Value::Text(&task), Value::Text(&app), Value::Int(at(n))],
            )?;
        }
        Ok::<_, SqlError>(())
    })
    .expect("rows");
    (sql, directory)
}

fn costs(count: i64) -> Vec<(String, u64)> {
    let (sql, mut directory) = directory(count);
    let middle = count / 2 - 20;
    let at = NOW - 3_600_000 - (count - middle) * 8;
    let mut out = Vec::new();
    let mut note = |op: Op, params: &[&str], query: &str| {
        let call = Call::of(op, params, query, Vec::new());
        let before = sql.steps();
        let reply = directory.handle(NOW, &mut Seeded(1), &call).reply;
        assert_eq!(reply.status, 200, "{op:?} {query}: {}", String::from_utf8_lossy(&reply.body));
        out.push((format!("{op:?} {query}"), sql.steps() - before));
    };
    for (op, place) in [
        (Op::AppList, id::floor(id::APP, at)),
        (Op::EventTypeList, format!("type.{middle:07}")),
        (Op::TaskList, id::floor(id::TASK, at)),
    ] {
        for order in ["ascending", "descending"] {
            for page in [String::new(), format!("&iterator={place}"), format!("&iterator=-{place}")] {
                note(op, &[], &format!("order={order}{page}"));
                note(op, &[], &format!("limit=250&order={order}{page}"));
            }
        }
    }
    for query in ["include_archived=true", "with_content=true", "order=descending&include_archived=true"] {
        note(Op::EventTypeList, &[], query);
    }
    for query in ["status=running", "task=endpoint.replay", "status=failed&order=ascending"] {
        note(Op::TaskList, &[], query);
    }
    for app in ["uid-7", "first", &id::floor(id::APP, at)] {
        note(Op::AppGet, &[app], "");
        note(Op::Resolve, &[app], "");
    }
    note(Op::EventTypeGet, &["type.0000007"], "");
    note(Op::CheckEventTypes, &["type.0000000"], "");
    note(Op::TaskGet, &[&id::floor(id::TASK, at)], "");
    out
}

#[test]
fn a_list_costs_as_much_with_a_hundred_thousand_applications_as_with_twenty_thousand() {
    let (few, many) = (costs(20_000), costs(100_000));
    for ((name, few), (_, many)) in few.into_iter().zip(many) {
        println!("{name:<70} {few:>8} {many:>8}");
        assert!(many <= few + few / 20 + 50, "{name}: {few} steps, and {many} where there is more");
        assert!(many <= 400_000, "{name}: {many} steps");
    }
}
