//! Plugins that the deployment bundles, beside those that a tenant uploads.

use super::*;

fn bundled(plugins: &[(&str, &str)]) -> Rc<[Bundled]> {
    let entry = |(name, version): &(&str, &str)| {
        let manifest: Json = serde_json::from_str(MANIFEST).expect("json");
        json!({ "name": name, "version": version, "size": 9, "pass": 1, "manifest": manifest })
    };
    let catalog = Json::Array(plugins.iter().map(entry).collect()).to_string();
    Bundled::read(&catalog).expect("a catalog")
}

fn world(apps: usize) -> World {
    let mut world = World::new(apps);
    world.directory.bundle(bundled(&[("b", "0b"), ("d", "0d")]));
    world
}

const FITTING: &str = r#"{"n":1}"#;

fn attachment(name: &str, version: Option<&str>) -> Json {
    json!({ "name": name, "version": version, "config": serde_json::from_str::<Json>(FITTING).expect("json") })
}

fn running(world: &mut World, endpoint: usize) -> Vec<String> {
    let plugins = world.plugins_of(0, endpoint);
    let versions = plugins.as_array().expect("a list").iter();
    versions.map(|plugin| plugin["runningVersion"].as_str().expect("a version").to_owned()).collect()
}

#[test]
fn bundled_plugins_are_listed_among_the_tenants_own() {
    let mut world = world(0);
    for name in ["c", "a"] {
        world.upload(name, name);
    }
    let mut seen = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let (_, page) = world.ask(Op::PluginList, &[], &query, &Json::Null);
        for plugin in page["data"].as_array().expect("data") {
            seen.push((plugin["name"].as_str().expect("a name").to_owned(), plugin["bundled"] == true));
        }
        if page["done"] == true {
            break;
        }
        query = format!("limit=2&iterator={}", page["iterator"].as_str().expect("more"));
    }
    let expected = [("a", false), ("b", true), ("c", false), ("d", true)];
    assert_eq!(seen, expected.map(|(name, bundled)| (name.to_owned(), bundled)));
    let (_, back) = world.ask(Op::PluginList, &[], "limit=2&order=descending", &Json::Null);
    assert_eq!((&back["data"][0]["name"], &back["data"][1]["name"]), (&json!("d"), &json!("c")));

    let (status, plugin) = world.ask(Op::PluginGet, &["b"], "", &Json::Null);
    assert_eq!((status, &plugin["current"], &plugin["createdAt"]), (200, &json!("0b"), &Json::Null));
    let (_, versions) = world.ask(Op::VersionList, &["b"], "", &Json::Null);
    assert_eq!((&versions["data"][0]["id"], &versions["data"][1]), (&json!("0b"), &Json::Null));
    for version in ["bundled", "0b"] {
        let (status, version) = world.ask(Op::VersionGet, &["b", version], "", &Json::Null);
        assert_eq!((status, &version["id"], &version["size"]), (200, &json!("0b"), &json!(9)));
    }
    assert_eq!(world.ask(Op::VersionGet, &["b", "0d"], "", &Json::Null).0, 404);
}

#[test]
fn who_follows_a_bundled_plugin_runs_whatever_the_deployment_brings() {
    let mut world = world(1);
    world.attach(0, 0, &json!([attachment("b", None)]));
    assert_eq!(running(&mut world, 0), ["bundled"]);
    // Nothing has to be told when a later deployment brings another module.
    world.directory.bundle(bundled(&[("b", "1b")]));
    world.rest();
    assert_eq!(running(&mut world, 0), ["bundled"]);
    let (status, error) = world.resolve(0, 0, &json!([{ "name": "b", "config": { "n": "x" } }]));
    assert_eq!((status, &error["detail"][0]["loc"][4]), (422, &json!("n")), "{error}");
    let (status, error) = world.resolve(0, 0, &json!([attachment("b", Some("1b"))]));
    assert_eq!((status, &error["detail"][0]["loc"][3]), (422, &json!("version")), "{error}");
}

#[test]
fn a_plugin_of_the_tenants_own_comes_before_the_bundled_one_of_its_name() {
    let mut world = world(1);
    world.attach(0, 0, &json!([attachment("b", None)]));
    world.attach(0, 1, &json!([attachment("b", Some("bundled"))]));
    let own = world.upload("b", "mine");
    world.deliver();
    assert_eq!(running(&mut world, 0), [own.as_str()]);
    assert_eq!(running(&mut world, 1), ["bundled"], "it was asked for by its version");
    assert_eq!(world.ask(Op::PluginGet, &["b"], "", &Json::Null).1["bundled"], json!(false));
    let (_, list) = world.ask(Op::PluginList, &[], "", &Json::Null);
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{list}");
    world.attach(0, 1, &json!([{ "name": "b" }, attachment("b", Some("bundled"))]));
    assert_eq!(running(&mut world, 1), [own.as_str(), "bundled"]);

    // Deleted, the bundled one takes its place where it was followed; who asked for that keeps it.
    assert_eq!(world.ask(Op::PluginDelete, &["b"], "", &Json::Null).0, 409);
    assert_eq!(world.ask(Op::PluginDelete, &["b"], "force=true", &Json::Null).0, 204);
    world.rest();
    let bundled = "bundled".to_owned();
    assert_eq!(running(&mut world, 0), std::slice::from_ref(&bundled));
    assert_eq!(running(&mut world, 1), [bundled.clone(), bundled]);
    assert_eq!(world.ask(Op::PluginGet, &["b"], "", &Json::Null).1["bundled"], json!(true));
}

#[test]
fn the_bundled_version_does_not_keep_an_uploaded_plugin_from_being_deleted() {
    let mut world = world(1);
    world.upload("b", "mine");
    world.attach(0, 0, &json!([attachment("b", Some("bundled"))]));
    assert_eq!(world.ask(Op::PluginDelete, &["b"], "", &Json::Null).0, 204);
    world.rest();
    assert_eq!(running(&mut world, 0), ["bundled"]);
}

#[test]
fn a_bundled_plugin_cannot_be_changed() {
    let mut world = world(0);
    let version = json!({ "version": "0b" });
    for (op, params, body) in [
        (Op::PluginDelete, &["b"][..], &Json::Null),
        (Op::PluginCurrent, &["b"][..], &version),
        (Op::VersionDelete, &["b", "0b"][..], &Json::Null),
        (Op::VersionWasm, &["b", "0b"][..], &Json::Null),
    ] {
        let (status, error) = world.ask(op, params, "", body);
        assert_eq!((status, &error["code"]), (409, &json!("conflict")), "{op:?}: {error}");
    }
}
