use super::*;
use crate::api::route::Op;
use crate::frame::PluginUses;
use crate::query::Query;
use crate::rng::Seeded;
use crate::sql::memory::Memory;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const NOW: i64 = 1_795_000_000_000;

/// A Directory on its storage, with a clock, whose effects succeed at once.
struct World {
    sql: Memory,
    directory: Directory<Memory>,
    rng: Seeded,
    now: i64,
}

fn call(op: Op, param: &str, query: &str, body: &Json) -> Call<DirectoryOp> {
    let params: &[&str] = if param.is_empty() { &[] } else { &[param] };
    let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    Call::of(op, params, query, body)
}

impl World {
    fn new() -> Self {
        let sql = Memory::new();
        let directory = Directory::open(sql.clone(), NOW).expect("opens");
        Self { sql, directory, rng: Seeded(7), now: NOW }
    }

    fn reopen(&mut self) {
        self.directory = Directory::open(self.sql.clone(), self.now).expect("opens");
    }

    fn outcome(&mut self, call: &Call<DirectoryOp>) -> Outcome {
        self.now += 10;
        self.directory.handle(self.now, &mut self.rng, call)
    }

    fn send(&mut self, call: &Call<DirectoryOp>) -> (u16, Json) {
        let outcome = self.outcome(call);
        for effect in &outcome.before_reply {
            let done = match effect {
                Effect::TellOfPlugin { app_id, notice } => {
                    let nowhere = PluginUses::default();
                    self.directory.told_of_plugin(self.now, app_id, notice, Some(&nowhere))
                }
                _ => self.directory.done(self.now, effect, true),
            };
            done.expect("done");
        }
        let body = &outcome.reply.body;
        assert_eq!(outcome.reply.log, None);
        let json = if body.is_empty() { Json::Null } else { serde_json::from_slice(body).expect("json") };
        crate::api::doc::check_error(call.op.op(), outcome.reply.status, &json);
        (outcome.reply.status, json)
    }

    fn ask(&mut self, op: Op, param: &str, query: &str, body: &Json) -> (u16, Json) {
        self.send(&call(op, param, query, body))
    }

    fn app(&mut self, uid: &str) -> String {
        let (status, app) = self.ask(Op::AppCreate, "", "", &json!({"name": uid, "uid": uid}));
        assert_eq!(status, 201);
        app["id"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn a_tenant_that_only_reads_leaves_nothing_behind() {
    let mut world = World::new();
    assert_eq!(world.ask(Op::AppList, "", "", &Json::Null).1["data"], json!([]));
    assert_eq!(world.ask(Op::AppGet, "x", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::Resolve, "x", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::AppDelete, "x", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::AppPatch, "x", "", &json!({})).0, 404);
    assert_eq!(world.ask(Op::EventTypeList, "", "", &Json::Null).1["done"], true);
    assert_eq!(world.ask(Op::EventTypeDelete, "x", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::CheckEventTypes, "x", "", &Json::Null).1["unknown"], json!(["x"]));
    assert_eq!(world.ask(Op::PluginList, "", "", &Json::Null).1["data"], json!([]));
    for op in [Op::PluginGet, Op::PluginDelete, Op::PluginCurrent, Op::VersionList, Op::VersionGet] {
        assert_eq!(world.ask(op, "x", "", &Json::Null).0, 404);
    }
    assert_eq!(world.ask(Op::PluginVerify, "x", "", &Json::Null).0, 204);
    assert_eq!(world.ask(Op::AppCreate, "", "", &json!({})).0, 422);
    assert_eq!(world.directory.alarm(NOW).expect("wakes"), Wake { effects: vec![], alarm: None });
    assert!(world.sql.query("SELECT 1 FROM sqlite_master", &[]).expect("rows").is_empty());
}

#[test]
fn an_application_is_found_by_id_and_by_uid() {
    let mut world = World::new();
    let body = json!({"name": "a", "uid": "mine", "metadata": {"k": "v"}, "throttleRate": 5});
    let (status, app) = world.ask(Op::AppCreate, "", "", &body);
    assert_eq!(status, 201);
    let id = app["id"].as_str().expect("an id");
    assert!(id::is(id::APP, id));
    for name in [id, "mine"] {
        assert_eq!(world.ask(Op::AppGet, name, "", &Json::Null), (200, app.clone()));
        assert_eq!(world.ask(Op::Resolve, name, "", &Json::Null), (200, json!({"id": id, "uid": "mine"})));
    }
    assert_eq!((&app["rateLimit"], &app["metadata"]), (&json!(5), &json!({"k": "v"})));
    world.reopen();
    assert_eq!(world.ask(Op::AppGet, "mine", "", &Json::Null), (200, app));
}

#[test]
fn creating_twice_is_a_conflict_or_a_get() {
    let mut world = World::new();
    let id = world.app("mine");
    let body = json!({"name": "other", "uid": "mine"});
    let (status, error) = world.ask(Op::AppCreate, "", "", &body);
    assert_eq!((status, &error["code"]), (409, &json!("conflict")));
    let (status, app) = world.ask(Op::AppCreate, "", "get_if_exists=true", &body);
    assert_eq!((status, &app["id"], &app["name"]), (200, &json!(id), &json!("mine")));
    let new = json!({"name": "n", "uid": "new"});
    assert_eq!(world.ask(Op::AppCreate, "", "get_if_exists=true", &new).0, 201);
    assert_eq!(world.ask(Op::AppCreate, "", "get_if_exists=true", &json!({"name": "n"})).0, 201);
}

#[test]
fn put_changes_or_creates_and_keeps_the_uid_that_the_path_names() {
    let mut world = World::new();
    let (status, made) = world.ask(Op::AppUpdate, "mine", "", &json!({"name": "a"}));
    assert_eq!((status, &made["uid"]), (201, &json!("mine")));
    let (status, again) = world.ask(Op::AppUpdate, "mine", "", &json!({"name": "b", "metadata": {"k": "v"}}));
    assert_eq!((status, &again["id"], &again["name"]), (200, &made["id"], &json!("b")));
    assert!(again["updatedAt"].as_str() > again["createdAt"].as_str());
    let id = made["id"].as_str().expect("an id");
    let (status, renamed) = world.ask(Op::AppUpdate, id, "", &json!({"name": "c", "uid": "other"}));
    assert_eq!((status, &renamed["uid"], &renamed["metadata"]), (200, &json!("other"), &json!({})));
    assert_eq!(world.ask(Op::AppUpdate, id, "", &json!({"name": "c"})).1["uid"], Json::Null);
    world.app("taken");
    assert_eq!(world.ask(Op::AppUpdate, id, "", &json!({"name": "c", "uid": "taken"})).0, 409);
    assert_eq!(world.ask(Op::AppUpdate, "free", "", &json!({"name": "c", "uid": "taken"})).0, 409);
    let unknown = id::new(id::APP, NOW, &mut Seeded(99));
    assert_eq!(world.ask(Op::AppUpdate, &unknown, "", &json!({"name": "c"})).0, 404);
    assert_eq!(world.ask(Op::AppUpdate, "a b", "", &json!({"name": "c"})).0, 422);
}

#[test]
fn patch_changes_what_it_names() {
    let mut world = World::new();
    let id = world.app("mine");
    world.app("taken");
    assert_eq!(world.ask(Op::AppPatch, "mine", "", &json!({"name": "new"})).1["uid"], "mine");
    assert_eq!(world.ask(Op::AppPatch, "mine", "", &json!({"uid": "taken"})).0, 409);
    assert_eq!(world.ask(Op::AppPatch, "mine", "", &json!({"uid": "mine"})).0, 200);
    assert_eq!(world.ask(Op::AppPatch, "mine", "", &json!({"uid": null})).1["uid"], Json::Null);
    assert_eq!(world.ask(Op::AppGet, "mine", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::AppGet, &id, "", &Json::Null).1["name"], "new");
}

#[test]
fn a_deleted_application_is_gone_at_once_and_its_uid_is_free() {
    let mut world = World::new();
    let id = world.app("mine");
    assert_eq!(world.ask(Op::AppDelete, "mine", "", &Json::Null), (204, Json::Null));
    for op in [Op::AppGet, Op::AppDelete, Op::Resolve] {
        assert_eq!(world.ask(op, &id, "", &Json::Null).0, 404);
    }
    assert_ne!(world.app("mine"), id);
    assert_eq!(world.ask(Op::AppList, "", "", &Json::Null).1["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn applications_are_listed_oldest_first_in_pages() {
    let mut world = World::new();
    let ids: Vec<String> = (0..5).map(|n| world.app(&format!("u{n}"))).collect();
    let (_, first) = world.ask(Op::AppList, "", "limit=2&exclude_apps_with_no_endpoints=true", &Json::Null);
    assert_eq!((&first["data"][0]["id"], &first["done"]), (&json!(ids[0]), &json!(false)));
    let next = format!("limit=3&iterator={}", first["iterator"].as_str().expect("more"));
    let (_, last) = world.ask(Op::AppList, "", &next, &Json::Null);
    assert_eq!((&last["data"][2]["id"], &last["done"]), (&json!(ids[4]), &json!(true)));
    let (_, newest) = world.ask(Op::AppList, "", "order=descending&limit=1", &Json::Null);
    assert_eq!(newest["data"][0]["id"], json!(ids[4]));
    assert_eq!(world.ask(Op::AppList, "", "limit=251", &Json::Null).0, 422);
    assert_eq!(world.ask(Op::AppList, "", "iterator=app_bad", &Json::Null).0, 422);
}

#[test]
fn an_app_object_is_told_before_the_reply_and_again_until_it_acknowledges() {
    let mut world = World::new();
    let create = call(Op::AppCreate, "", "", &json!({"name": "a", "uid": "u"}));
    let outcome = world.outcome(&create);
    assert_eq!(outcome.reply.status, 201);
    assert_eq!(outcome.alarm, Some(world.now + LEASE_MS));
    let [init @ Effect::InitApp { app_id, uid: Some(_), version: 1, rate: None, send_as: None }] =
        &outcome.before_reply[..]
    else {
        panic!("{outcome:?}")
    };
    // The object could not be reached: the caller has the reply, and the alarm tries again, ever later.
    let mut now = world.now;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let at = world.directory.done(now, init, false).expect("done").expect("an alarm");
        waits.push(at - now);
        assert!(world.directory.alarm(at - 1).expect("wakes").effects.is_empty());
        let wake = world.directory.alarm(at).expect("wakes");
        assert_eq!((wake.effects.as_slice(), wake.alarm), (&outcome.before_reply[..], Some(at + LEASE_MS)));
        now = at;
    }
    assert_eq!((waits[0], waits[1], waits[11]), (1000, 2000, MAX_WAIT_MS));
    // Whoever asks for it meanwhile tells it, too.
    let resolve = world.outcome(&call(Op::Resolve, app_id, "", &Json::Null));
    assert_eq!((resolve.reply.status, &resolve.before_reply), (200, &outcome.before_reply));
    assert_eq!(world.directory.done(now, init, true), Ok(None));
    // Another try that failed says nothing against the one that arrived.
    assert_eq!(world.directory.done(now, init, false), Ok(None));
    assert!(world.outcome(&call(Op::Resolve, app_id, "", &Json::Null)).before_reply.is_empty());
}

#[test]
fn only_a_changed_uid_is_news_to_an_app_object() {
    let mut world = World::new();
    let id = world.app("a");
    assert!(world.outcome(&call(Op::AppPatch, "a", "", &json!({"name": "n"}))).before_reply.is_empty());
    let renamed = world.outcome(&call(Op::AppPatch, "a", "", &json!({"uid": "b"}))).before_reply;
    let expected = [Effect::InitApp {
        app_id: id.clone(),
        uid: Some("b".into()),
        version: 2,
        rate: None,
        send_as: None,
    }];
    assert_eq!(renamed, expected);
    // An acknowledgement of what was before does not count for what is now.
    let old = Effect::InitApp { app_id: id, uid: Some("a".into()), version: 1, rate: None, send_as: None };
    assert!(world.directory.done(world.now, &old, true).expect("done").is_some());
    assert_eq!(world.directory.done(world.now, &renamed[0], true), Ok(None));
}

#[test]
fn a_deletion_is_remembered_until_the_app_object_has_heard_of_it() {
    let mut world = World::new();
    let id = world.app("a");
    let outcome = world.outcome(&call(Op::AppDelete, "a", "", &Json::Null));
    let deletion = Effect::DeleteApp { app_id: id.clone() };
    assert_eq!(outcome.before_reply, std::slice::from_ref(&deletion));
    world.reopen(); // crashed before the object was told
    let due = world.directory.next_alarm().expect("unacknowledged");
    let wake = world.directory.alarm(due).expect("wakes");
    assert_eq!(wake.effects, std::slice::from_ref(&deletion));
    // An init that was under way arrives late: the object may exist again, so it is deleted once more.
    let late = Effect::InitApp { app_id: id, uid: None, version: 1, rate: None, send_as: None };
    world.directory.done(due, &late, true).expect("done");
    assert_eq!(world.directory.done(due, &deletion, true), Ok(Some(due)));
    assert_eq!(world.directory.alarm(due).expect("wakes").effects, std::slice::from_ref(&deletion));
    assert_eq!(world.directory.done(due, &deletion, true), Ok(None));
    assert_eq!(world.directory.done(due, &late, false), Ok(Some(due)));
    assert_eq!(world.directory.alarm(due).expect("wakes").effects, std::slice::from_ref(&deletion));
    assert_eq!(world.directory.done(due, &deletion, true), Ok(None));
    assert!(world.sql.query("SELECT 1 FROM app", &[]).expect("rows").is_empty());
}

#[test]
fn event_types_are_created_once_archived_and_brought_back() {
    let mut world = World::new();
    let body = json!({"name": "a.b", "description": "d", "schemas": {"1": {"type": "object"}},
        "groupName": "g", "deprecated": true, "featureFlags": ["f"]});
    let (status, made) = world.ask(Op::EventTypeCreate, "", "", &body);
    assert_eq!(status, 201);
    assert_eq!(world.ask(Op::EventTypeGet, "a.b", "", &Json::Null), (200, made.clone()));
    assert_eq!((&made["schemas"]["1"]["type"], &made["featureFlag"]), (&json!("object"), &json!("f")));
    let (status, error) = world.ask(Op::EventTypeCreate, "", "", &body);
    assert_eq!((status, &error["code"]), (409, &json!("event_type_exists")));
    assert_eq!(world.ask(Op::EventTypeDelete, "a.b", "", &Json::Null), (204, Json::Null));
    assert_eq!(world.ask(Op::EventTypeGet, "a.b", "", &Json::Null).1["archived"], true);
    let (status, back) =
        world.ask(Op::EventTypeCreate, "", "", &json!({"name": "a.b", "description": "new"}));
    assert_eq!((status, &back["archived"], &back["description"]), (201, &json!(false), &json!("new")));
    assert_eq!((&back["createdAt"], &back["schemas"]), (&made["createdAt"], &Json::Null));
    assert_eq!(world.ask(Op::EventTypeDelete, "a.b", "expunge=true", &Json::Null).0, 204);
    assert_eq!(world.ask(Op::EventTypeGet, "a.b", "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::EventTypeDelete, "a.b", "", &Json::Null).0, 404);
}

#[test]
fn event_types_are_put_and_patched() {
    let mut world = World::new();
    assert_eq!(
        world.ask(Op::EventTypeUpdate, "a", "", &json!({"description": "d", "groupName": "g"})).0,
        201
    );
    let (status, changed) = world.ask(Op::EventTypePatch, "a", "", &json!({"deprecated": true}));
    assert_eq!((status, &changed["groupName"], &changed["deprecated"]), (200, &json!("g"), &json!(true)));
    let (status, replaced) = world.ask(Op::EventTypeUpdate, "a", "", &json!({"description": "e"}));
    assert_eq!((status, &replaced["groupName"], &replaced["deprecated"]), (200, &Json::Null, &json!(false)));
    assert_eq!(world.ask(Op::EventTypePatch, "b", "", &json!({})).0, 404);
    assert_eq!(world.ask(Op::EventTypeUpdate, "a b", "", &json!({"description": "e"})).0, 422);
}

#[test]
fn lists_of_event_types_leave_out_what_was_not_asked_for() {
    let mut world = World::new();
    for (name, flags) in [("a", json!(null)), ("b", json!(["f"])), ("c", json!(null)), ("d", json!(null))] {
        let body = json!({"name": name, "description": "", "schemas": {}, "featureFlags": flags});
        assert_eq!(world.ask(Op::EventTypeCreate, "", "", &body).0, 201);
    }
    world.ask(Op::EventTypeDelete, "c", "", &Json::Null);
    let names = |list: &Json| {
        let data = list["data"].as_array().expect("data");
        data.iter().map(|e| e["name"].as_str().expect("a name")).collect::<String>()
    };
    let (_, list) = world.ask(Op::EventTypeList, "", "", &Json::Null);
    assert_eq!((names(&list).as_str(), &list["iterator"]), ("abd", &json!("d")));
    assert_eq!(list["data"][0]["schemas"], Json::Null);
    let (_, list) = world.ask(Op::EventTypeList, "", "include_archived=true&with_content=true", &Json::Null);
    assert_eq!((names(&list).as_str(), &list["data"][0]["schemas"]), ("abcd", &json!({})));
    let (_, list) = world.ask(Op::EventTypeList, "", "order=descending&limit=1&iterator=d", &Json::Null);
    assert_eq!((names(&list).as_str(), &list["done"]), ("b", &json!(false)));
    let mut for_app = call(Op::EventTypeList, "", "", &Json::Null);
    for_app.app_scope = true;
    assert_eq!(names(&world.send(&for_app).1), "ad");
    let mut hidden = call(Op::EventTypeGet, "b", "", &Json::Null);
    hidden.app_scope = true;
    assert_eq!(world.send(&hidden).0, 404);
}

#[test]
fn new_applications_get_the_tenants_preset_and_existing_ones_keep_theirs() {
    let mut world = World::new();
    let preset = |app: &Json| app["endpointPreset"].clone();
    assert_eq!(world.ask(Op::TenantGet, "", "", &Json::Null).1["endpointPreset"], Json::Null);
    let (_, before) = world.ask(Op::AppCreate, "", "", &json!({ "name": "a" }));
    let (status, set) = world.ask(Op::TenantPatch, "", "", &json!({ "endpointPreset": "loops" }));
    assert_eq!((status, &set["endpointPreset"]), (200, &json!("loops")), "{set}");
    assert_eq!(world.ask(Op::TenantGet, "", "", &Json::Null).1, set);
    let (_, inherits) = world.ask(Op::AppCreate, "", "", &json!({ "name": "b" }));
    let (_, put) = world.ask(Op::AppUpdate, "c", "", &json!({ "name": "c" }));
    let (_, own) = world.ask(Op::AppCreate, "", "", &json!({ "name": "d", "endpointPreset": "resend" }));
    assert_eq!([&inherits, &put, &own].map(preset), ["loops", "loops", "resend"].map(Json::from));
    let (_, before) = world.ask(Op::AppGet, before["id"].as_str().expect("an id"), "", &Json::Null);
    assert_eq!(preset(&before), Json::Null);
    for wrong in [json!({ "endpointPreset": "lops" }), json!({ "endpointPresetParams": { "x": "y" } })] {
        assert_eq!(world.ask(Op::TenantPatch, "", "", &wrong).0, 422, "{wrong}");
    }
    assert_eq!(world.ask(Op::TenantPatch, "", "", &json!({ "endpointPreset": null })).0, 200);
    let (_, free) = world.ask(Op::AppCreate, "", "", &json!({ "name": "e" }));
    assert_eq!(preset(&free), Json::Null);
}

#[test]
fn what_cannot_be_subscribed_to_is_named_in_order() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.ask(Op::EventTypeCreate, "", "", &json!({"name": name, "description": ""}));
    }
    world.ask(Op::EventTypeDelete, "b", "", &Json::Null);
    let mut check = call(Op::CheckEventTypes, "", "", &Json::Null);
    check.params = ["z", "a", "b", "y\"z"].map(str::to_owned).into();
    let refused = |unknown: &[&str]| (200, json!({ "unknown": unknown, "hidden": [] }));
    assert_eq!(world.send(&check), refused(&["z", "b", "y\"z"]));
    let names = ["z", "b"].map(str::to_owned);
    let error = crate::api::model::endpoint::unknown_event_types(&names);
    assert!(error.body().contains("The following event types don't exist: z, b."));
    check.params = vec!["a".into()];
    assert_eq!(world.send(&check), refused(&[]));
}

#[test]
fn what_a_token_may_not_see_is_told_apart_from_what_is_not_there() {
    let mut world = World::new();
    for (name, flags) in
        [("open", json!(null)), ("beta", json!(["b"])), ("both", json!(["b", "c"])), ("gone", json!(["b"]))]
    {
        let body = json!({"name": name, "description": "", "featureFlags": flags});
        assert_eq!(world.ask(Op::EventTypeCreate, "", "", &body).0, 201);
    }
    world.ask(Op::EventTypeDelete, "gone", "", &Json::Null);
    let mut check = call(Op::CheckEventTypes, "", "", &Json::Null);
    check.params = ["open", "beta", "both", "gone"].map(str::to_owned).into();
    let mut refused = |app_scope: bool, flags: &[&str]| {
        check.app_scope = app_scope;
        check.feature_flags = Some(flags.iter().map(|&flag| flag.to_owned()).collect());
        world.send(&check).1
    };
    assert_eq!(refused(false, &[]), json!({ "unknown": ["gone"], "hidden": [] }), "the tenant sees all");
    assert_eq!(refused(true, &[]), json!({ "unknown": ["gone"], "hidden": ["beta", "both"] }));
    assert_eq!(refused(true, &["c", "x"]), json!({ "unknown": ["gone"], "hidden": ["beta"] }));
    assert_eq!(refused(true, &["b"]), json!({ "unknown": ["gone"], "hidden": [] }));
}

#[test]
fn a_call_without_its_parameter_is_a_defect_of_ours() {
    let mut world = World::new();
    let outcome = world.outcome(&call(Op::AppGet, "", "", &Json::Null));
    assert_eq!((outcome.reply.status, outcome.reply.log.is_some()), (500, true));
}

#[derive(Debug, Clone)]
enum Step {
    Create {
        uid: Option<u8>,
    },
    Rename {
        app: usize,
        uid: Option<u8>,
    },
    Put {
        uid: u8,
    },
    Delete {
        app: usize,
    },
    Resolve {
        app: usize,
    },
    /// The oldest effect under way arrives, or fails (having arrived or not).
    Carry {
        nth: usize,
        arrives: bool,
        ok: bool,
    },
    Alarm {
        later: i64,
    },
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uid = || proptest::option::of(0u8..4);
    let step = prop_oneof![
        3 => uid().prop_map(|uid| Step::Create { uid }),
        2 => (0usize..8, uid()).prop_map(|(app, uid)| Step::Rename { app, uid }),
        1 => (0u8..4).prop_map(|uid| Step::Put { uid }),
        2 => (0usize..8).prop_map(|app| Step::Delete { app }),
        1 => (0usize..8).prop_map(|app| Step::Resolve { app }),
        6 => (0usize..3, any::<bool>(), any::<bool>())
            .prop_map(|(nth, arrives, ok)| Step::Carry { nth, arrives, ok: ok && arrives }),
        2 => (0i64..60_000).prop_map(|later| Step::Alarm { later }),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What the App objects believe: uid and version by id.
type Objects = BTreeMap<String, (Option<String>, i64)>;

fn arrive(objects: &mut Objects, effect: &Effect) {
    match effect {
        Effect::InitApp { app_id, uid, version, .. } => {
            let known = objects.get(app_id).map_or(0, |(_, version)| *version);
            if *version > known {
                objects.insert(app_id.clone(), (uid.clone(), *version));
            }
        }
        Effect::DeleteApp { app_id } => {
            objects.remove(app_id);
        }
        Effect::TellOfPlugin { .. } | Effect::AskUsage(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Effects may be lost, fail after they arrived, arrive out of order; the Directory may crash at any
    /// step. In the end every App object knows what the Directory knows.
    #[test]
    fn in_the_end_the_app_objects_agree_with_the_directory(steps in steps()) {
        let mut world = World::new();
        let mut objects = Objects::new();
        let mut under_way: Vec<Effect> = Vec::new();
        let mut ids: Vec<String> = Vec::new();
        for step in steps {
            let name = |uid: u8| format!("u{uid}");
            let request = match &step {
                Step::Create { uid } => {
                    Some(call(Op::AppCreate, "", "", &json!({"name": "n", "uid": uid.map(name)})))
                }
                Step::Rename { app, uid } => {
                    ids.get(*app).map(|id| call(Op::AppPatch, id, "", &json!({"uid": uid.map(name)})))
                }
                Step::Put { uid } => Some(call(Op::AppUpdate, &name(*uid), "", &json!({"name": "n"}))),
                Step::Delete { app } => ids.get(*app).map(|id| call(Op::AppDelete, id, "", &Json::Null)),
                Step::Resolve { app } => ids.get(*app).map(|id| call(Op::Resolve, id, "", &Json::Null)),
                _ => None,
            };
            if let Some(request) = request {
                let outcome = world.outcome(&request);
                prop_assert!(outcome.reply.status < 500, "{:?}", outcome.reply.log);
                prop_assert!(outcome.before_reply.is_empty() || outcome.alarm.is_some());
                if outcome.reply.status == 201 {
                    ids.extend(outcome.before_reply.iter().map(|e| e.app_id().to_owned()));
                }
                under_way.extend(outcome.before_reply);
            }
            match step {
                Step::Carry { nth, arrives, ok } if nth < under_way.len() => {
                    let effect = under_way.remove(nth);
                    if arrives {
                        arrive(&mut objects, &effect);
                    }
                    world.directory.done(world.now, &effect, ok).expect("done");
                }
                Step::Alarm { later } => {
                    world.now += later;
                    let wake = world.directory.alarm(world.now).expect("wakes");
                    under_way.extend(wake.effects);
                }
                Step::Crash => {
                    under_way.clear();
                    world.reopen();
                }
                _ => {}
            }
        }
        // What is under way ends, then nothing fails any more.
        for effect in under_way {
            arrive(&mut objects, &effect);
            world.directory.done(world.now, &effect, true).expect("done");
        }
        let mut rounds = 0;
        while let Some(at) = world.directory.next_alarm() {
            world.now = world.now.max(at);
            for effect in world.directory.alarm(world.now).expect("wakes").effects {
                arrive(&mut objects, &effect);
                world.directory.done(world.now, &effect, true).expect("done");
            }
            rounds += 1;
            prop_assert!(rounds < 1000, "the alarm never rests");
        }
        let (_, list) = world.ask(Op::AppList, "", "limit=250", &Json::Null);
        let known: BTreeMap<String, Json> = list["data"]
            .as_array()
            .expect("data")
            .iter()
            .map(|app| (app["id"].as_str().expect("an id").to_owned(), app["uid"].clone()))
            .collect();
        let believed: BTreeMap<String, Json> =
            objects.into_iter().map(|(id, (uid, _))| (id, json!(uid))).collect();
        prop_assert_eq!(&believed, &known);
        let uids: Vec<&Json> = known.values().filter(|uid| !uid.is_null()).collect();
        prop_assert!(uids.iter().enumerate().all(|(i, uid)| !uids[..i].contains(uid)), "a uid twice");
        let tombstones = world.sql.query("SELECT 1 FROM app WHERE state <> 1", &[]);
        prop_assert!(known.is_empty() || tombstones.expect("rows").is_empty());
    }

    #[test]
    fn no_application_that_stays_is_skipped_or_repeated_while_others_come_and_go(
        start in 0usize..20,
        changes in proptest::collection::vec((any::<bool>(), 0usize..24), 0..24),
        limit in 1usize..5,
        descending: bool,
    ) {
        let mut world = World::new();
        let mut ids: Vec<String> = (0..start).map(|n| world.app(&format!("u{n}"))).collect();
        let mut stayed: BTreeSet<String> = ids.iter().cloned().collect();
        let mut seen = Vec::new();
        let mut iterator = String::new();
        let mut changes = changes.into_iter();
        loop {
            let order = if descending { "descending" } else { "ascending" };
            let query = format!("limit={limit}&order={order}&iterator={iterator}");
            let (status, page) = world.ask(Op::AppList, "", &query, &Json::Null);
            prop_assert_eq!(status, 200);
            let data = page["data"].as_array().expect("data");
            seen.extend(data.iter().map(|app| app["id"].as_str().expect("an id").to_owned()));
            if page["done"] == true {
                break;
            }
            iterator = page["iterator"].as_str().expect("more").to_owned();
            if let Some((add, nth)) = changes.next() {
                if add {
                    let n = ids.len();
                    ids.push(world.app(&format!("u{n}")));
                } else if let Some(id) = ids.get(nth) {
                    world.ask(Op::AppDelete, id, "", &Json::Null);
                    stayed.remove(id);
                }
            }
        }
        let unique: BTreeSet<String> = seen.iter().cloned().collect();
        prop_assert_eq!(unique.len(), seen.len(), "repeated");
        prop_assert!(stayed.is_subset(&unique), "skipped");
    }

    #[test]
    fn any_call_is_answered_in_json(
        op in 0..DirectoryOp::ALL.len(),
        params in proptest::collection::vec(".*", 0..3),
        query in ".*",
        body: Vec<u8>,
        app_scope: bool,
    ) {
        let mut world = World::new();
        world.app("a");
        let query = Query::parse(&query);
        let call = Call { params, query, body, app_scope, ..Call::new(DirectoryOp::ALL[op]) };
        let outcome = world.outcome(&call);
        if outcome.reply.status != 204 && outcome.reply.content_type.is_none() {
            prop_assert!(serde_json::from_slice::<Json>(&outcome.reply.body).is_ok());
        }
    }
}

#[test]
fn event_types_are_imported_from_a_document() {
    let mut world = World::new();
    let kept = json!({ "name": "a.b", "description": "by hand" });
    assert_eq!(world.ask(Op::EventTypeCreate, "", "", &kept).0, 201);
    assert_eq!(world.ask(Op::EventTypeCreate, "", "", &json!({ "name": "old", "description": "" })).0, 201);
    let mut body = json!({ "dryRun": true, "specRaw":
        "webhooks:\n  a.b: {post: {description: imported}}\n  c.d: {post: {summary: new}}\n" });
    let (status, done) = world.ask(Op::EventTypeImport, "", "", &body);
    assert_eq!((status, &done["data"]["modified"]), (200, &json!(["a.b", "c.d"])), "{done}");
    assert_eq!(done["data"]["toModify"][1]["description"], "new");
    assert_eq!(world.ask(Op::EventTypeGet, "c.d", "", &Json::Null).0, 404, "nothing was done");
    body["dryRun"] = json!(false);
    body["replaceAll"] = json!(true);
    let (status, done) = world.ask(Op::EventTypeImport, "", "", &body);
    assert_eq!((status, &done["data"]["toModify"]), (200, &Json::Null), "{done}");
    assert_eq!(world.ask(Op::EventTypeGet, "a.b", "", &Json::Null).1["description"], "imported");
    assert_eq!(world.ask(Op::EventTypeGet, "old", "", &Json::Null).1["archived"], true);
    assert_eq!(world.ask(Op::EventTypeGet, "c.d", "", &Json::Null).1["archived"], false);
    assert_eq!(world.ask(Op::EventTypeImport, "", "", &json!({})).0, 422);
}

#[test]
fn a_token_with_a_feature_flag_sees_what_is_behind_it() {
    let mut world = World::new();
    for (name, flags) in [("open", json!(null)), ("beta", json!(["b", "c"])), ("other", json!(["d"]))] {
        let body = json!({ "name": name, "description": "", "featureFlags": flags });
        assert_eq!(world.ask(Op::EventTypeCreate, "", "", &body).0, 201);
    }
    let mut seen = |app_scope: bool, flags: Option<&str>| {
        let feature_flags = flags.map(|flag| vec![flag.to_owned()]);
        let list = Call { app_scope, feature_flags, ..call(Op::EventTypeList, "", "", &Json::Null) };
        let (_, page) = world.send(&list);
        let (status, _) =
            world.send(&Call { params: vec!["beta".into()], op: DirectoryOp::EventTypeGet, ..list });
        let names = page["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["name"].as_str().expect("a name"));
        (names.collect::<Vec<_>>().join(" "), status)
    };
    assert_eq!(seen(false, None), ("beta open other".to_owned(), 200));
    assert_eq!(seen(true, None), ("open".to_owned(), 404));
    assert_eq!(seen(true, Some("c")), ("beta open".to_owned(), 200));
    assert_eq!(seen(true, Some("x")), ("open".to_owned(), 404));
}

#[test]
fn a_presets_event_types_are_made_in_their_groups_with_examples() {
    let mut world = World::new();
    let (status, made) = world.ask(Op::PresetEventTypes, "loops", "", &Json::Null);
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["data"]["modified"].as_array().map(Vec::len), Some(16));
    let (_, one) = world.ask(Op::EventTypeGet, "contact.mailingList.subscribed", "", &Json::Null);
    assert_eq!(one["groupName"], "Contacts", "{one}");
    assert_eq!(one["schemas"]["1"]["examples"][0]["eventName"], "contact.mailingList.subscribed");
    world.ask(Op::EventTypeDelete, "testing.testEvent", "", &Json::Null);
    assert_eq!(world.ask(Op::PresetEventTypes, "loops", "", &Json::Null).0, 200);
    assert_eq!(world.ask(Op::EventTypeGet, "testing.testEvent", "", &Json::Null).1["archived"], false);
    world.ask(Op::PresetEventTypes, "mailabl", "", &Json::Null);
    let (_, task) = world.ask(Op::EventTypeGet, "task.updated", "", &Json::Null);
    assert_eq!(
        task["schemas"]["1"]["examples"][0]["type"], "task.updated",
        "one event, not its batch: {task}"
    );
    assert_eq!(world.ask(Op::PresetEventTypes, "nobody", "", &Json::Null).0, 404);
}
