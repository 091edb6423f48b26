//! The store of plugins, and that in the end every application has what the store says.

mod bundled;

use super::*;
use crate::api::route::Op;
use crate::app::{self, App};
use crate::deployment::Deployment;
use crate::error::Code;
use crate::frame::{self, AppInit, PluginModule, PluginModuleAsk, PluginUses, ResolvedPlugins};
use crate::plugin::Attached;
use crate::rng::Seeded;
use crate::settings::Settings;
use crate::sql::Value;
use crate::sql::memory::Memory;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const NOW: i64 = 1_795_000_000_000;
const LIMITS: PluginLimits = PluginLimits { plugins: 3, versions: 3, bytes: 10_000 };
const MANIFEST: &str = r#"{"abi":1,"name":"n","version":"1","configSchema":
    {"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}"#;

/// A Directory, some App objects, and what is under way between them.
struct World {
    now: i64,
    rng: Seeded,
    sql: Memory,
    directory: Directory<Memory>,
    apps: Vec<AppObject>,
    /// Told by nobody yet.
    effects: Vec<Effect>,
    /// Acted upon; the answer is on its way back.
    answers: Vec<(String, PluginNotice, PluginUses)>,
    /// Resolved, not stored yet: application, endpoint.
    resolved: Vec<(usize, usize, ResolvedPlugins)>,
    /// Stored, not settled yet: application, number.
    unsettled: Vec<(usize, i64)>,
}

struct AppObject {
    id: String,
    sql: Memory,
    app: App<Memory>,
    endpoints: Vec<String>,
}

fn open_app(sql: &Memory, now: i64) -> App<Memory> {
    App::open(sql.clone(), Rc::new(Deployment::new(Settings::default())), now, None).expect("opens")
}

/// The Endpoint objects take what they are told.
fn acknowledge(app: &mut App<Memory>, now: i64, effects: app::Effects) {
    for (id, config) in effects.configure {
        let answer = Some(frame::ConfigAnswer { version: config.version });
        app.configured(now, &id, answer).expect("configured");
    }
}

fn read(reply: &Reply) -> (u16, Json) {
    assert_eq!(reply.log, None);
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Json::Null))
}

fn admitted(rewritten: &[u8], manifest: Option<&str>) -> Admitted {
    Admitted { rewritten: rewritten.to_vec(), pass: 1, manifest: manifest.map(str::to_owned) }
}

impl World {
    /// With so many applications of two endpoints each.
    fn new(apps: usize) -> Self {
        let sql = Memory::new();
        let directory = Directory::open(sql.clone(), NOW).expect("opens");
        let mut world = Self {
            now: NOW,
            rng: Seeded(3),
            sql,
            directory,
            apps: Vec::new(),
            effects: Vec::new(),
            answers: Vec::new(),
            resolved: Vec::new(),
            unsettled: Vec::new(),
        };
        for n in 0..apps {
            let (id, sql) = (format!("app_{n}"), Memory::new());
            let mut app = open_app(&sql, NOW);
            let init = AppInit {
                org: "org_1".into(),
                app_id: id.clone(),
                uid: None,
                version: 1,
                deleted: false,
                rate: None,
                send_as: None,
            };
            app.init(NOW, init).expect("init");
            let mut endpoints = Vec::new();
            for _ in 0..2 {
                let body = json!({ "url": "https://example.com/" }).to_string().into_bytes();
                let made = app.handle(NOW, &mut world.rng, &Call::of(Op::EndpointCreate, &[], "", body));
                let Ok(Some(app::Outcome::Changed(reply, effects))) = made else { panic!("{made:?}") };
                acknowledge(&mut app, NOW, effects);
                endpoints.push(read(&reply).1["id"].as_str().expect("an id").to_owned());
            }
            world.apps.push(AppObject { id, sql, app, endpoints });
        }
        world
    }

    fn directory(&mut self, call: &Call<DirectoryOp>) -> Reply {
        self.now += 1;
        let outcome = self.directory.handle(self.now, &mut self.rng, call);
        assert!(outcome.before_reply.is_empty() || outcome.alarm.is_some());
        self.effects.extend(outcome.before_reply);
        outcome.reply
    }

    fn ask(&mut self, op: Op, params: &[&str], query: &str, body: &Json) -> (u16, Json) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, body) = read(&self.directory(&Call::of(op, params, query, body)));
        crate::api::doc::check_error(op, status, &body);
        (status, body)
    }

    fn upload_as(&mut self, name: &str, bytes: &[u8], judged: Result<Admitted, Refused>) -> (u16, Json) {
        self.now += 1;
        let upload = PluginUpload { name: name.to_owned(), module: bytes.to_vec().into() };
        let outcome = self.directory.upload(self.now, &LIMITS, &upload, judged);
        self.effects.extend(outcome.before_reply);
        read(&outcome.reply)
    }

    /// Uploads these bytes; gives the version.
    fn upload(&mut self, name: &str, bytes: &str) -> String {
        let (status, version) = self.upload_as(name, bytes.as_bytes(), Ok(admitted(b"rewritten", None)));
        assert!(matches!(status, 200 | 201), "{version}");
        version["id"].as_str().expect("an id").to_owned()
    }

    fn resolve(&mut self, app: usize, endpoint: usize, plugins: &Json) -> (u16, Json) {
        let (app_id, endpoint_id) = (self.apps[app].id.clone(), self.apps[app].endpoints[endpoint].clone());
        let body = json!({ "plugins": plugins }).to_string().into_bytes();
        let reply = self.directory(&Call::of(Op::PluginAttach, &[&app_id, &endpoint_id], "", body));
        if reply.status == 200 {
            let resolved = frame::decode(&reply.body).expect("a frame");
            self.resolved.push((app, endpoint, resolved));
            return (200, Json::Null);
        }
        read(&reply)
    }

    /// The App stores what was resolved first.
    fn store(&mut self, nth: usize) -> u16 {
        let (app, endpoint, resolved) = self.resolved.remove(nth);
        let object = &mut self.apps[app];
        let put = Call::of(Op::PluginsPut, &[&object.endpoints[endpoint]], "", frame::encode(&resolved));
        match object.app.handle(self.now, &mut self.rng, &put).expect("handled").expect("an application") {
            app::Outcome::Changed(reply, effects) => {
                let id = &object.endpoints[endpoint];
                let config = effects.configure.iter().find(|(of, _)| of == id).expect("it is told");
                let vault = crate::vault::Vault::new(None);
                let told =
                    config.1.plugins.iter().flatten().map(|plugin| plugin.opened(id, &vault).expect("open"));
                assert_eq!(told.collect::<Vec<_>>(), resolved.plugins);
                acknowledge(&mut object.app, self.now, effects);
                self.unsettled.push((app, resolved.seq));
                reply.status
            }
            app::Outcome::Reply(reply) => {
                assert_eq!(reply.status, 409);
                assert!(String::from_utf8_lossy(&reply.body).contains(Code::ConcurrentUpdate.name()));
                409
            }
            other => panic!("{other:?}"),
        }
    }

    fn settle(&mut self, nth: usize) {
        let (app, seq) = self.unsettled.remove(nth);
        let app_id = self.apps[app].id.clone();
        assert_eq!(self.ask(Op::PluginSettle, &[&app_id, &seq.to_string()], "", &Json::Null).0, 204);
    }

    /// An App is told. The answer is then under way, unless it is lost.
    fn tell(&mut self, nth: usize, answered: bool) {
        let Effect::TellOfPlugin { app_id, notice } = self.effects.remove(nth) else { panic!() };
        let object = self.apps.iter_mut().find(|object| object.id == app_id).expect("an application");
        let (uses, effects) = object.app.plugin_notice(self.now, &notice).expect("told");
        acknowledge(&mut object.app, self.now, effects);
        if answered {
            self.answers.push((app_id, notice, uses));
        } else {
            self.directory.told_of_plugin(self.now, &app_id, &notice, None).expect("told");
        }
    }

    fn take_answer(&mut self, nth: usize) {
        let (app_id, notice, uses) = self.answers.remove(nth);
        self.directory.told_of_plugin(self.now, &app_id, &notice, Some(&uses)).expect("told");
    }

    /// Whatever is under way arrives.
    fn deliver(&mut self) {
        while !self.effects.is_empty() {
            self.tell(0, true);
        }
        while !self.answers.is_empty() {
            self.take_answer(0);
        }
    }

    /// The three steps of attaching, with nothing in between.
    fn attach(&mut self, app: usize, endpoint: usize, plugins: &Json) {
        assert_eq!(self.resolve(app, endpoint, plugins).0, 200);
        assert_eq!(self.store(self.resolved.len() - 1), 200);
        self.settle(self.unsettled.len() - 1);
        self.deliver();
    }

    /// Alarms go off until there is nothing left to tell.
    fn rest(&mut self) {
        let mut rounds = 0;
        self.deliver();
        while let Some(at) = self.directory.next_alarm() {
            self.now = self.now.max(at);
            let wake = self.directory.alarm(self.now).expect("wakes");
            self.effects.extend(wake.effects);
            self.deliver();
            rounds += 1;
            assert!(rounds < 1000, "the alarm never rests");
        }
    }

    fn plugins_of(&mut self, app: usize, endpoint: usize) -> Json {
        let object = &mut self.apps[app];
        let get = Call::of(Op::PluginsGet, &[&object.endpoints[endpoint]], "", Vec::new());
        match object.app.handle(self.now, &mut self.rng, &get).expect("handled") {
            Some(app::Outcome::Reply(reply)) => read(&reply).1["plugins"].take(),
            other => panic!("{other:?}"),
        }
    }

    /// Application, endpoint, plugin, and the version that is pinned or nothing; and beside it what runs.
    fn attachments(&mut self) -> Vec<(String, String, String, String, String)> {
        let mut out = Vec::new();
        for app in 0..self.apps.len() {
            for endpoint in 0..self.apps[app].endpoints.len() {
                for plugin in self.plugins_of(app, endpoint).as_array().expect("a list") {
                    out.push((
                        self.apps[app].id.clone(),
                        self.apps[app].endpoints[endpoint].clone(),
                        plugin["name"].as_str().expect("a name").to_owned(),
                        plugin["version"].as_str().unwrap_or_default().to_owned(),
                        plugin["runningVersion"].as_str().expect("a version").to_owned(),
                    ));
                }
            }
        }
        out
    }

    fn uses(&self) -> BTreeSet<(String, String, String, String)> {
        let rows = self.sql.query("SELECT app_id, endpoint_id, plugin, pinned FROM plugin_use", &[]);
        rows.unwrap_or_default()
            .into_iter()
            .map(|mut row| {
                let mut text = |i| row.text(i).expect("text");
                (text(0), text(1), text(2), text(3))
            })
            .collect()
    }
}

#[test]
fn the_same_bytes_are_the_same_version_and_the_newest_is_current() {
    let mut world = World::new(0);
    let (status, first) = world.upload_as("redact", b"one", Ok(admitted(b"rewritten one", Some(MANIFEST))));
    let id = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!((status, &first["id"], &first["current"]), (201, &json!(id), &json!(true)));
    assert_eq!(
        (&first["size"], &first["fuelPass"], &first["plugin"]),
        (&json!(3), &json!(1), &json!("redact"))
    );
    assert_eq!(first["manifest"]["configSchema"]["required"], json!(["n"]));
    let second = world.upload("redact", "two");
    assert_eq!(world.ask(Op::PluginGet, &["redact"], "", &Json::Null).1["current"], json!(second));
    let (status, again) = world.upload_as("redact", b"one", Ok(admitted(b"rewritten one", Some(MANIFEST))));
    assert_eq!((status, &again), (200, &first));
    let (status, plugin) = world.ask(Op::PluginGet, &["redact"], "", &Json::Null);
    assert_eq!((status, &plugin["current"], &plugin["versions"]), (200, &json!(id), &json!(2)));
    assert_eq!(plugin["manifest"]["name"], "n");
}

#[test]
fn a_plugin_lists_the_endpoints_that_it_is_attached_to() {
    let mut world = World::new(2);
    let first = world.upload("a", "one");
    let places = |world: &mut World| {
        let (_, plugin) = world.ask(Op::PluginGet, &["a"], "", &Json::Null);
        let of = |place: &Json| {
            let text = |name: &str| place[name].as_str().map(str::to_owned);
            (text("appId"), text("endpointId"), text("version"))
        };
        plugin["attachedTo"].as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(places(&mut world), []);
    world.attach(0, 0, &json!([{ "name": "a" }]));
    world.attach(1, 0, &json!([{ "name": "a", "version": first }]));
    let place = |world: &World, app: usize, version: Option<&str>| {
        let object = &world.apps[app];
        (Some(object.id.clone()), Some(object.endpoints[0].clone()), version.map(str::to_owned))
    };
    let mut wanted = vec![place(&world, 0, None), place(&world, 1, Some(&first))];
    wanted.sort();
    assert_eq!(places(&mut world), wanted);
    world.attach(0, 0, &json!([]));
    world.rest();
    assert_eq!(places(&mut world), [place(&world, 1, Some(&first))]);
}

#[test]
fn modules_are_given_as_they_came_and_as_engines_run_them() {
    let mut world = World::new(0);
    world.upload("a", "one");
    let current = world.upload("a", "two");
    let wasm = world.directory(&Call::of(Op::VersionWasm, &["a", &current], "", Vec::new()));
    assert_eq!((wasm.status, wasm.body.as_slice()), (200, &b"two"[..]));
    assert_eq!(wasm.content_type.as_deref(), Some("application/wasm"));
    let mut module = |name: &str, version: Option<&str>| {
        let ask = PluginModuleAsk { name: name.to_owned(), version: version.map(str::to_owned) };
        let reply = world.directory(&Call::of(Op::PluginModule, &[], "", frame::encode(&ask)));
        (reply.status == 200).then(|| frame::decode::<PluginModule>(&reply.body).expect("a frame"))
    };
    let found = module("a", None).expect("the current one");
    assert_eq!((&found.version, found.pass, found.bytes.as_slice()), (&current, 1, &b"rewritten"[..]));
    assert_eq!(module("a", Some(&current)), Some(found));
    assert_eq!((module("b", None), module("a", Some("ff"))), (None, None));
}

#[test]
fn a_later_pass_takes_the_place_of_an_earlier_one() {
    let mut world = World::new(0);
    let id = world.upload("a", "one");
    let later = Admitted { pass: 2, ..admitted(b"better", None) };
    assert_eq!(world.upload_as("a", b"one", Ok(later)).1["fuelPass"], 2);
    let ask = PluginModuleAsk { name: "a".to_owned(), version: Some(id) };
    let reply = world.directory(&Call::of(Op::PluginModule, &[], "", frame::encode(&ask)));
    let module: PluginModule = frame::decode(&reply.body).expect("a frame");
    assert_eq!((module.pass, module.bytes.as_slice()), (2, &b"better"[..]));
    world
        .directory
        .rewritten("a", &module.version, &Admitted { pass: 3, ..admitted(b"best", None) })
        .expect("stored");
    let reply = world.directory(&Call::of(Op::PluginModule, &[], "", frame::encode(&ask)));
    let module: PluginModule = frame::decode(&reply.body).expect("a frame");
    assert_eq!((module.pass, module.bytes.as_slice()), (3, &b"best"[..]));
}

#[test]
fn what_may_not_be_stored_is_refused_and_leaves_nothing_behind() {
    let mut world = World::new(0);
    let refused = Refused { code: "imports".to_owned(), sentence: "Remove the imports.".to_owned() };
    let (status, error) = world.upload_as("a", b"x", Err(refused));
    assert_eq!((status, &error["detail"][0]["type"]), (422, &json!("imports")));
    assert_eq!(error["detail"][0]["msg"], "Remove the imports.");
    let fits = || Ok(admitted(b"", None));
    assert_eq!(world.upload_as("a", &vec![0; 1024 * 1024 + 1], fits()).0, 413);
    for name in ["A", "a.b", "-a", &"a".repeat(65)] {
        let (status, error) = world.upload_as(name, b"x", fits());
        assert_eq!((status, &error["detail"][0]["loc"]), (422, &json!(["path", "plugin_name"])));
    }
    let too_long = Ok(admitted(&vec![0; MAX_REWRITTEN + 1], None));
    assert_eq!(world.upload_as("a", b"x", too_long).1["detail"][0]["type"], "too_large");
    let pattern = r#"{"configSchema":{"properties":{"a":{"pattern":"x"}}}}"#;
    let (status, error) = world.upload_as("a", b"x", Ok(admitted(b"", Some(pattern))));
    assert_eq!((status, &error["detail"][0]["type"]), (422, &json!("config_schema")));
    assert!(world.sql.query("SELECT 1 FROM sqlite_master", &[]).expect("rows").is_empty());
}

#[test]
fn the_store_has_limits_and_old_versions_give_way() {
    let mut world = World::new(1);
    let ids: Vec<String> = ["1", "2", "3"].map(|bytes| world.upload("a", bytes)).into();
    world.attach(0, 0, &json!([{ "name": "a", "version": ids[0] }]));
    let fourth = world.upload("a", "4");
    let (_, list) = world.ask(Op::VersionList, &["a"], "", &Json::Null);
    let left: Vec<&Json> = list["data"].as_array().expect("data").iter().map(|v| &v["id"]).collect();
    assert_eq!(
        left,
        [&json!(fourth), &json!(ids[2]), &json!(ids[0])],
        "the second went: the first is pinned"
    );
    world.attach(0, 1, &json!([{ "name": "a", "version": ids[2] }, { "name": "a", "version": fourth }]));
    let (status, error) = world.upload_as("a", b"5", Ok(admitted(b"", None)));
    assert_eq!((status, &error["code"]), (400, &json!("limit_reached")));
    assert_eq!(world.upload_as("a", b"4", Ok(admitted(b"", None))).0, 200, "what is there takes no room");

    world.upload("b", "1");
    let (status, error) = world.upload_as("c", &[0; 10_000], Ok(admitted(b"", None)));
    assert_eq!((status, &error["code"]), (400, &json!("limit_reached")));
    assert!(error["detail"].as_str().expect("a sentence").contains("MAX_PLUGIN_BYTES"));
    world.upload("c", "1");
    let (status, error) = world.upload_as("d", b"1", Ok(admitted(b"", None)));
    assert_eq!((status, &error["code"]), (400, &json!("limit_reached")));
    world.ask(Op::PluginDelete, &["c"], "", &Json::Null);
    world.upload("d", "1");
}

#[test]
fn plugins_and_versions_are_listed_page_by_page() {
    let mut world = World::new(0);
    for name in ["b", "a", "c"] {
        world.upload(name, name);
    }
    let column = |page: &Json, field: &str| -> Vec<String> {
        let data = page["data"].as_array().expect("data").iter();
        data.map(|item| item[field].as_str().expect("text").to_owned()).collect()
    };
    let (_, first) = world.ask(Op::PluginList, &[], "limit=2", &Json::Null);
    assert_eq!((column(&first, "name"), &first["done"]), (vec!["a".into(), "b".into()], &json!(false)));
    let (_, last) = world.ask(Op::PluginList, &[], "iterator=b", &Json::Null);
    assert_eq!((column(&last, "name"), &last["done"]), (vec!["c".into()], &json!(true)));
    let mut ids =
        vec![world.ask(Op::PluginGet, &["a"], "", &Json::Null).1["current"].as_str().unwrap().to_owned()];
    ids.insert(0, world.upload("a", "2"));
    ids.insert(0, world.upload("a", "3"));
    let (_, first) = world.ask(Op::VersionList, &["a"], "limit=2", &Json::Null);
    assert_eq!(column(&first, "id"), ids[..2], "newest first");
    let next = format!("limit=2&iterator={}", first["iterator"].as_str().expect("more"));
    world.ask(Op::VersionDelete, &["a", &ids[1]], "", &Json::Null);
    let (_, last) = world.ask(Op::VersionList, &["a"], &next, &Json::Null);
    assert_eq!((column(&last, "id"), &last["done"]), (ids[2..].to_vec(), &json!(true)));
    let (_, oldest) = world.ask(Op::VersionList, &["a"], "order=ascending&limit=1", &Json::Null);
    assert_eq!((column(&oldest, "id"), &oldest["done"]), (ids[2..].to_vec(), &json!(false)));
    let (status, version) = world.ask(Op::VersionGet, &["a", &ids[0]], "", &Json::Null);
    assert_eq!((status, &version["current"]), (200, &json!(true)));
    assert_eq!(world.ask(Op::VersionGet, &["a", &ids[1]], "", &Json::Null).0, 404);
}

#[test]
fn what_cannot_be_attached_is_said_with_its_place() {
    let mut world = World::new(1);
    world.upload("free", "1");
    world.upload_as("strict", b"2", Ok(admitted(b"", Some(MANIFEST))));
    let plugins = json!([
        { "name": "free", "version": "ff" },
        { "name": "unknown" },
        { "name": "strict", "config": { "n": "1" } },
        { "name": "strict" },
        { "name": "strict", "config": { "n": 1 } },
    ]);
    let (status, error) = world.resolve(0, 0, &plugins);
    let places: Vec<String> = error["detail"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| {
            fault["loc"]
                .as_array()
                .expect("a place")
                .iter()
                .filter_map(Json::as_str)
                .collect::<Vec<_>>()
                .join(".")
        })
        .collect();
    assert_eq!(status, 422);
    assert_eq!(
        places,
        [
            "body.plugins.0.version",
            "body.plugins.1.name",
            "body.plugins.2.config.n",
            "body.plugins.3.config.n"
        ]
    );
    assert!(world.uses().is_empty());
}

#[test]
fn endpoints_that_follow_a_plugin_get_its_current_version_and_pinned_ones_stay() {
    let mut world = World::new(2);
    let first = world.upload("a", "1");
    world.attach(0, 0, &json!([{ "name": "a", "config": { "k": 1.0 }, "onError": "drop" }]));
    world.attach(1, 0, &json!([{ "name": "a", "version": first }, { "name": "a" }]));
    let second = world.upload("a", "2");
    assert_eq!(world.effects.len(), 2, "both are told before the upload is answered");
    world.deliver();
    let followed = json!([{ "name": "a", "version": null, "runningVersion": second, "config": { "k": 1.0 }, "onError": "drop" }]);
    assert_eq!(world.plugins_of(0, 0), followed);
    let other = world.plugins_of(1, 0);
    assert_eq!((&other[0]["runningVersion"], &other[1]["runningVersion"]), (&json!(first), &json!(second)));
    let (status, plugin) = world.ask(Op::PluginCurrent, &["a"], "", &json!({ "version": first }));
    assert_eq!((status, &plugin["current"]), (200, &json!(first)));
    world.deliver();
    assert_eq!(world.plugins_of(0, 0)[0]["runningVersion"], json!(first));
    assert_eq!(world.ask(Op::PluginCurrent, &["a"], "", &json!({ "version": first })).0, 200);
    assert!(world.effects.is_empty(), "nothing has changed");
    let (status, error) = world.ask(Op::PluginCurrent, &["a"], "", &json!({ "version": "ff" }));
    assert_eq!((status, &error["detail"][0]["loc"]), (422, &json!(["body", "version"])));
    assert_eq!(world.directory.next_alarm(), None);
}

#[test]
fn a_plugin_is_deleted_where_it_is_attached_nowhere_or_by_force() {
    let mut world = World::new(2);
    world.upload("a", "1");
    world.upload("b", "2");
    world.attach(0, 0, &json!([{ "name": "a" }, { "name": "b" }]));
    let (status, error) = world.ask(Op::PluginDelete, &["a"], "", &Json::Null);
    let place = format!("{} of app_0", world.apps[0].endpoints[0]);
    assert_eq!((status, &error["code"]), (409, &json!("conflict")));
    assert!(error["detail"].as_str().expect("a sentence").contains(&place), "{error}");
    // Detached, it is free at once.
    world.attach(0, 0, &json!([{ "name": "b" }]));
    assert_eq!(world.ask(Op::PluginDelete, &["a"], "", &Json::Null), (204, Json::Null));
    assert_eq!(world.ask(Op::PluginGet, &["a"], "", &Json::Null).0, 404);
    assert_eq!(world.ask(Op::PluginDelete, &["b"], "force=true", &Json::Null), (204, Json::Null));
    world.deliver();
    assert_eq!(world.plugins_of(0, 0), json!([]));
    assert_eq!((world.uses().len(), world.directory.next_alarm()), (0, None));
    for table in ["SELECT 1 FROM plugin_version", "SELECT 1 FROM plugin_module"] {
        assert!(world.sql.query(table, &[]).expect("rows").is_empty());
    }
}

#[test]
fn a_version_is_deleted_where_it_is_not_current_and_not_pinned_or_by_force() {
    let mut world = World::new(1);
    let first = world.upload("a", "1");
    let second = world.upload("a", "2");
    world.attach(0, 0, &json!([{ "name": "a", "version": first }, { "name": "a" }]));
    assert_eq!(
        world.ask(Op::VersionDelete, &["a", &second], "force=true", &Json::Null).0,
        409,
        "it is current"
    );
    assert_eq!(world.ask(Op::VersionDelete, &["a", &first], "", &Json::Null).0, 409, "it is pinned");
    assert_eq!(world.ask(Op::VersionDelete, &["a", &first], "force=true", &Json::Null).0, 204);
    world.deliver();
    let left = world.plugins_of(0, 0);
    assert_eq!((left.as_array().map(Vec::len), &left[0]["runningVersion"]), (Some(1), &json!(second)));
    assert_eq!(world.uses().len(), 1);
}

#[test]
fn places_that_are_none_do_not_keep_a_plugin_from_being_deleted() {
    let mut world = World::new(1);
    world.upload("a", "1");
    world.resolve(0, 0, &json!([{ "name": "a" }])); // and whoever asked has crashed
    assert_eq!(world.ask(Op::PluginDelete, &["a"], "", &Json::Null).0, 409);
    assert_eq!(world.ask(Op::PluginVerify, &["a"], "", &Json::Null).0, 204);
    world.deliver();
    assert_eq!(world.ask(Op::PluginDelete, &["a"], "", &Json::Null).0, 204);
    assert_eq!(world.store(0), 409, "it was not dead but slow: what it resolved is out of date");
}

#[test]
fn a_plugin_that_comes_back_under_the_same_name_is_another_one() {
    let mut world = World::new(1);
    world.upload("a", "1");
    world.attach(0, 0, &json!([{ "name": "a" }]));
    world.ask(Op::PluginDelete, &["a"], "force=true", &Json::Null);
    world.effects.clear(); // nobody hears of it
    world.upload("a", "2");
    world.rest();
    assert_eq!(world.plugins_of(0, 0), json!([]));
}

#[test]
fn what_was_resolved_before_a_change_is_not_stored_after_it() {
    let mut world = World::new(1);
    world.upload("a", "1");
    world.resolve(0, 0, &json!([{ "name": "a" }]));
    let second = world.upload("a", "2");
    world.deliver();
    assert_eq!(world.store(0), 409);
    world.attach(0, 0, &json!([{ "name": "a" }]));
    assert_eq!(world.plugins_of(0, 0)[0]["runningVersion"], json!(second));
}

#[test]
fn older_news_does_not_undo_newer_news() {
    let mut world = World::new(1);
    world.upload("a", "1");
    world.attach(0, 0, &json!([{ "name": "a" }]));
    world.upload("a", "2");
    let third = world.upload("a", "3");
    world.effects.reverse();
    world.deliver();
    let object = &mut world.apps[0];
    object.app = open_app(&object.sql, NOW);
    assert_eq!(world.plugins_of(0, 0)[0]["runningVersion"], json!(third));
}

#[test]
fn an_application_that_could_not_be_told_is_told_again() {
    let mut world = World::new(1);
    world.upload("a", "1");
    world.attach(0, 0, &json!([{ "name": "a" }]));
    let second = world.upload("a", "2");
    let Some(Effect::TellOfPlugin { app_id, notice }) = world.effects.pop() else { panic!() };
    let mut waits = Vec::new();
    for _ in 0..12 {
        let at =
            world.directory.told_of_plugin(world.now, &app_id, &notice, None).expect("told").expect("again");
        waits.push(at - world.now);
        world.now = at;
        assert_eq!(world.directory.alarm(at - 1).expect("wakes").effects, []);
        assert_eq!(world.directory.alarm(at).expect("wakes").effects.len(), 1);
    }
    assert_eq!((waits[0], waits[1], waits[11]), (1000, 2000, MAX_WAIT_MS));
    world.directory = Directory::open(world.sql.clone(), world.now).expect("opens");
    world.rest();
    assert_eq!(world.plugins_of(0, 0)[0]["runningVersion"], json!(second));
}

#[test]
fn more_applications_than_are_told_at_once_are_told_by_the_alarm() {
    let mut world = World::new(45);
    world.upload("a", "1");
    for app in 0..45 {
        world.attach(app, 0, &json!([{ "name": "a" }]));
    }
    let second = world.upload("a", "2");
    assert_eq!(world.effects.len(), 20);
    assert_eq!(world.directory.next_alarm(), Some(world.now), "at once");
    world.rest();
    assert!(world.attachments().iter().all(|(.., runs)| *runs == second));
}

#[test]
fn a_deleted_application_keeps_no_plugin() {
    let mut world = World::new(0);
    world.upload("a", "1");
    let (_, app) = world.ask(Op::AppCreate, &[], "", &json!({ "name": "n" }));
    let app_id = app["id"].as_str().expect("an id");
    let body = json!({ "plugins": [{ "name": "a" }] }).to_string().into_bytes();
    world.directory(&Call::of(Op::PluginAttach, &[app_id, "ep_1"], "", body));
    assert_eq!(world.uses().len(), 1);
    world.ask(Op::AppDelete, &[app_id], "", &Json::Null);
    assert!(world.uses().is_empty());
    assert_eq!(world.ask(Op::PluginDelete, &["a"], "", &Json::Null).0, 204);
}

#[test]
fn an_object_of_the_release_before_gets_the_tables() {
    let sql = Memory::new();
    sql::migrate(&sql, &schema::MIGRATIONS[..1], NOW).expect("migrates");
    let mut directory = Directory::open(sql, NOW).expect("opens");
    let upload = PluginUpload { name: "a".to_owned(), module: b"x".to_vec().into() };
    assert_eq!(directory.upload(NOW, &LIMITS, &upload, Ok(admitted(b"", None))).reply.status, 201);
}

#[derive(Debug, Clone)]
enum Step {
    Upload {
        plugin: u8,
        bytes: u8,
    },
    Current {
        plugin: u8,
        bytes: u8,
    },
    Delete {
        plugin: u8,
        force: bool,
    },
    DeleteVersion {
        plugin: u8,
        bytes: u8,
    },
    Verify {
        plugin: u8,
    },
    /// `pinned`: to what these bytes are.
    Resolve {
        app: usize,
        endpoint: usize,
        plugins: Vec<(u8, Option<u8>)>,
    },
    Store {
        nth: usize,
    },
    Abandon {
        nth: usize,
    },
    Settle {
        nth: usize,
    },
    Tell {
        nth: usize,
        answered: bool,
    },
    Lose {
        nth: usize,
    },
    Answer {
        nth: usize,
    },
    Alarm {
        later: i64,
    },
    DeleteEndpoint {
        app: usize,
    },
    CrashDirectory,
    CrashApp {
        app: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let plugin = || 0u8..2;
    let bytes = || 0u8..4;
    let chain = proptest::collection::vec((plugin(), proptest::option::weighted(0.3, bytes())), 0..3);
    let step = prop_oneof![
        4 => (plugin(), bytes()).prop_map(|(plugin, bytes)| Step::Upload { plugin, bytes }),
        2 => (plugin(), bytes()).prop_map(|(plugin, bytes)| Step::Current { plugin, bytes }),
        1 => (plugin(), any::<bool>()).prop_map(|(plugin, force)| Step::Delete { plugin, force }),
        1 => (plugin(), bytes()).prop_map(|(plugin, bytes)| Step::DeleteVersion { plugin, bytes }),
        1 => plugin().prop_map(|plugin| Step::Verify { plugin }),
        6 => (0usize..2, 0usize..2, chain)
            .prop_map(|(app, endpoint, plugins)| Step::Resolve { app, endpoint, plugins }),
        6 => (0usize..4).prop_map(|nth| Step::Store { nth }),
        1 => (0usize..4).prop_map(|nth| Step::Abandon { nth }),
        4 => (0usize..4).prop_map(|nth| Step::Settle { nth }),
        8 => (0usize..4, any::<bool>()).prop_map(|(nth, answered)| Step::Tell { nth, answered }),
        1 => (0usize..4).prop_map(|nth| Step::Lose { nth }),
        6 => (0usize..4).prop_map(|nth| Step::Answer { nth }),
        2 => (0i64..60_000).prop_map(|later| Step::Alarm { later }),
        1 => (0usize..2).prop_map(|app| Step::DeleteEndpoint { app }),
        1 => Just(Step::CrashDirectory),
        1 => (0usize..2).prop_map(|app| Step::CrashApp { app }),
    ];
    proptest::collection::vec(step, 0..80)
}

fn version_of(bytes: u8) -> String {
    use sha2::{Digest, Sha256};
    plugins::hex(&Sha256::digest([bytes]))
}

impl World {
    fn take(&mut self, step: Step) {
        let name = |plugin: u8| if plugin == 0 { "a" } else { "b" };
        match step {
            Step::Upload { plugin, bytes } => {
                let (status, error) = self.upload_as(name(plugin), &[bytes], Ok(admitted(b"", None)));
                assert!(matches!(status, 200 | 201 | 400), "{error}");
            }
            Step::Current { plugin, bytes } => {
                self.ask(Op::PluginCurrent, &[name(plugin)], "", &json!({ "version": version_of(bytes) }));
            }
            Step::Delete { plugin, force } => {
                let query = if force { "force=true" } else { "" };
                self.ask(Op::PluginDelete, &[name(plugin)], query, &Json::Null);
            }
            Step::DeleteVersion { plugin, bytes } => {
                let params = [name(plugin), &version_of(bytes)];
                self.ask(Op::VersionDelete, &params, "force=true", &Json::Null);
            }
            Step::Verify { plugin } => {
                self.ask(Op::PluginVerify, &[name(plugin)], "", &Json::Null);
            }
            Step::Resolve { app, endpoint, plugins } => {
                let item = |(plugin, pinned): &(u8, Option<u8>)| json!({ "name": name(*plugin), "version": pinned.map(version_of) });
                let endpoint = endpoint.min(self.apps[app].endpoints.len().saturating_sub(1));
                if !self.apps[app].endpoints.is_empty() {
                    self.resolve(app, endpoint, &plugins.iter().map(item).collect());
                }
            }
            Step::Store { nth } if nth < self.resolved.len() => {
                let (app, endpoint, _) = &self.resolved[nth];
                if self.apps[*app].endpoints.get(*endpoint).is_some() {
                    self.store(nth);
                }
            }
            Step::Abandon { nth } if nth < self.resolved.len() => drop(self.resolved.remove(nth)),
            Step::Settle { nth } if nth < self.unsettled.len() => self.settle(nth),
            Step::Tell { nth, answered } if nth < self.effects.len() => self.tell(nth, answered),
            Step::Lose { nth } if nth < self.effects.len() => drop(self.effects.remove(nth)),
            Step::Answer { nth } if nth < self.answers.len() => self.take_answer(nth),
            Step::Alarm { later } => {
                self.now += later;
                let wake = self.directory.alarm(self.now).expect("wakes");
                self.effects.extend(wake.effects);
            }
            Step::DeleteEndpoint { app } if self.apps[app].endpoints.len() > 1 => {
                let object = &mut self.apps[app];
                let endpoint = object.endpoints.pop().expect("an endpoint");
                let delete = Call::of(Op::EndpointDelete, &[&endpoint], "", Vec::new());
                object.app.handle(self.now, &mut self.rng, &delete).expect("handled");
            }
            Step::CrashDirectory => {
                self.effects.clear();
                self.directory = Directory::open(self.sql.clone(), self.now).expect("opens");
            }
            Step::CrashApp { app } => {
                let object = &mut self.apps[app];
                object.app = open_app(&object.sql, self.now);
            }
            _ => {}
        }
    }

    /// The list of places never has too few.
    fn check(&mut self) {
        let uses = self.uses();
        for (app, endpoint, plugin, pinned, _) in self.attachments() {
            let place = (app, endpoint, plugin, pinned);
            assert!(uses.contains(&place), "{place:?} is not in the list: {uses:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Steps of several callers come between each other, calls and answers are lost, late or out of order, objects
    /// crash. In the end every endpoint runs what the store says, and the store knows where.
    #[test]
    fn in_the_end_every_endpoint_runs_what_the_store_says(steps in steps()) {
        let mut world = World::new(2);
        for step in steps {
            world.take(step);
            world.check();
        }
        world.resolved.clear();
        // What was sent last arrives first.
        world.effects.reverse();
        world.answers.reverse();
        world.rest();
        // A deleted endpoint takes its attachments with it and tells nobody: who wants to know asks.
        for plugin in [0, 1] {
            world.take(Step::Verify { plugin });
        }
        world.rest();
        let mut uses = BTreeSet::new();
        for (app, endpoint, plugin, pinned, runs) in world.attachments() {
            let (status, found) = world.ask(Op::PluginGet, &[&plugin], "", &Json::Null);
            prop_assert_eq!(status, 200, "{} is attached and not there", plugin);
            if pinned.is_empty() {
                prop_assert_eq!(&found["current"], &json!(runs));
            } else {
                prop_assert_eq!(world.ask(Op::VersionGet, &[&plugin, &pinned], "", &Json::Null).0, 200);
                prop_assert_eq!(&pinned, &runs);
            }
            uses.insert((app, endpoint, plugin, pinned));
        }
        prop_assert_eq!(world.uses(), uses, "no place too many is left");
    }
}

#[test]
fn what_an_app_has_stored_names_its_plugins() {
    let attached = Attached {
        name: "a".into(),
        version: "v".into(),
        pinned: false,
        config: None,
        on_error: crate::plugin::OnError::Hold,
    };
    let mut world = World::new(1);
    let resolved = ResolvedPlugins { seq: 1, plugins: vec![attached.clone()] };
    world.resolved.push((0, 0, resolved));
    assert_eq!(world.store(0), 200);
    let rows = world.apps[0]
        .sql
        .query("SELECT record FROM endpoint WHERE id = ?1", &[Value::Text(&world.apps[0].endpoints[0])]);
    let record: app::EndpointRecord =
        frame::decode(&rows.expect("rows")[0].clone().blob(0).expect("a blob")).expect("a record");
    assert_eq!(record.plugins, Some(vec![attached]));
}
