//! Every method of Svix's SDKs, called for real.
//!
//! Which methods there are is read from the SDKs themselves: from the client object in JavaScript and Python, from the
//! crate's source in Rust. What each is called with, and which error it has to end in when it is called wrongly, is in
//! `tests/sdk/calls.json` (and below for Rust). A method that nobody called fails the test; so does one that has no
//! route here and does not end in an error of the API. The table is printed at the end:
//! `cargo test -p weir-tests --test conformance -- --nocapture`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use weir_tests::client::Api;
use weir_tests::gateway::shared;
use weir_tests::receiver::Receiver;
use weir_tests::sdk::{self, Run};

/// What came of a method: how it stands in the table, and why it failed if it did.
type Outcomes = BTreeMap<String, (&'static str, Option<String>)>;

fn outcomes(run: &Run) -> Outcomes {
    assert!(run.ok, "the script itself failed: {}", run.noise);
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let read = |line: &Value| {
        let word = match (line["ok"] == true, line["kind"].as_str()) {
            (false, _) => "FAILED",
            (true, Some("none")) => "404",
            (true, _) => "ok",
        };
        let why = (word == "FAILED").then(|| text(line, "why"));
        (text(line, "method"), (word, why))
    };
    run.lines.iter().map(read).collect()
}

/// Prints what came of every method in every SDK; fails where something did.
fn conclude(columns: &[(String, Outcomes)]) {
    let methods: BTreeSet<&String> = columns.iter().flat_map(|(_, column)| column.keys()).collect();
    let mut table = format!("{:<45}", "method");
    for (name, _) in columns {
        let _ = write!(table, "{name:>16}");
    }
    for method in methods {
        let _ = write!(table, "\n{method:<45}");
        for (_, column) in columns {
            let _ = write!(table, "{:>16}", column.get(method).map_or("-", |(word, _)| word));
        }
    }
    let _ = write!(table, "\n{:<45}", "called with a route, answered as documented");
    for (_, column) in columns {
        let called = column.values().filter(|(word, _)| *word == "ok").count();
        let _ = write!(table, "{called:>16}");
    }
    println!("{table}");
    let failed: Vec<String> = columns
        .iter()
        .flat_map(|(name, column)| {
            column
                .iter()
                .filter_map(move |(method, (_, why))| Some(format!("{name} {method}: {}", why.as_ref()?)))
        })
        .collect();
    assert!(failed.is_empty(), "{} calls failed:\n{}", failed.len(), failed.join("\n"));
}

/// Runs a script as a tenant of its own.
fn called(name: &str, run: impl FnOnce(&Api, &[(&str, &str)]) -> Option<Run>) -> Option<(String, Outcomes)> {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let url = receiver.url("/");
    let label = name.replace([' ', '.'], "-");
    let env = [
        ("WEIR_URL", api.url()),
        ("WEIR_TOKEN", api.token.as_str()),
        ("RECEIVER_URL", &url),
        ("NAME", &label),
    ];
    let run = run(&api, &env)?;
    Some((name.to_owned(), outcomes(&run)))
}

fn javascript(package: &str) -> (String, Outcomes) {
    let text = std::fs::read_to_string(sdk::npm_package(package).join("package.json")).unwrap();
    let version = serde_json::from_str::<Value>(&text).unwrap()["version"].as_str().unwrap().to_owned();
    let script = |_: &Api, env: &[(&str, &str)]| {
        let env: Vec<_> = env.iter().copied().chain([("SVIX_PACKAGE", package)]).collect();
        Some(sdk::node("conformance.mjs", &env))
    };
    called(&format!("js {version}"), script).unwrap()
}

fn python(version: &str) -> Option<(String, Outcomes)> {
    let package = format!("svix=={version}");
    called(&format!("py {version}"), |_, env| sdk::python(&package, "conformance.py", env))
}

#[test]
fn every_method_of_every_sdk_is_answered() {
    let mut columns = vec![javascript("svix-1"), javascript("svix")];
    for version in ["1.99.1", "2.9.1"] {
        match python(version) {
            Some(column) => columns.push(column),
            None => eprintln!("skipped: there is no Python 3 with venv on this machine"),
        }
    }
    columns.push(rust::every_method());
    conclude(&columns);
}

mod rust {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use std::process::Command;
    use std::time::Duration;
    use svix::api::{Ingest, Svix, SvixOptions};
    use svix::error::Error;
    use weir_core::time::rfc3339;
    use weir_tests::receiver::unix_ms;

    /// The methods of the crate, by the names that `calls.json` has for them, read from its source.
    fn methods() -> Vec<String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--locked"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let svix = packages.iter().find(|package| package["name"] == "svix").unwrap();
        let source =
            std::path::Path::new(svix["manifest_path"].as_str().unwrap()).parent().unwrap().join("src/api");
        let mut found = Vec::new();
        for file in std::fs::read_dir(source).unwrap() {
            let path = file.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if matches!(stem.as_str(), "mod" | "client") {
                continue;
            }
            // The groups that are reached through another one.
            let within =
                ["operational_webhook_", "ingest_", "streaming_", "destination_", "endpoint_", "message_"];
            let outer = within.iter().find(|outer| stem.starts_with(*outer) && stem != "message_attempt");
            let group = match outer {
                Some(outer) => {
                    format!("{}.{}", camel(outer.trim_end_matches('_')), camel(&stem[outer.len()..]))
                }
                None => camel(&stem),
            };
            let text = std::fs::read_to_string(path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("pub async fn "));
            found.extend(names.map(|rest| {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                format!("{group}.{}", camel(&rest[..end]))
            }));
        }
        assert!(found.len() > 100, "the crate's source was not understood: {found:?}");
        found
    }

    fn camel(name: &str) -> String {
        let mut words = name.split('_');
        let mut out = words.next().unwrap_or_default().to_owned();
        for word in words {
            out.extend(word.chars().take(1).map(|c| c.to_ascii_uppercase()));
            out.push_str(word.get(1..).unwrap_or_default());
        }
        out
    }

    /// An argument, as the type that the method wants.
    fn of<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[track_caller]
    fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> u16 {
        match result {
            Err(Error::Http(content)) => {
                assert!(content.payload.is_some_and(|body| !body.code.is_empty() && !body.detail.is_empty()));
                content.status.as_u16()
            }
            Err(Error::Validation(content)) => {
                assert!(content.payload.is_some_and(|body| !body.detail.is_empty()));
                content.status.as_u16()
            }
            other => panic!("expected an answer that says what is wrong, not {other:?}"),
        }
    }

    /// Calls a method as it should be called, and as it should not; gives what the first call gave.
    macro_rules! call {
        ($called:ident, $method:literal, $good:expr, $code:literal, $bad:expr) => {{
            let value = $good.await.unwrap_or_else(|error| panic!("{}: {error:?}", $method));
            assert_eq!(code($bad.await), $code, $method);
            $called.insert($method.to_owned(), ("ok", None));
            value
        }};
    }

    pub(super) fn every_method() -> (String, Outcomes) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Both have runtimes of their own, which do not start or stop within this one.
        let (gateway, receiver) = (shared(), Receiver::start());
        let mut called = runtime.block_on(all(&gateway.url(), &gateway.tenant(), &receiver.url("/")));
        let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/calls.json")).unwrap();
        let table: Value = serde_json::from_str(&table).unwrap();
        let patterns: Vec<&str> =
            table["no_route"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for method in methods() {
            let without = patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => method.starts_with(prefix),
                None => *pattern == method,
            });
            called.entry(method).or_insert_with(|| {
                if without {
                    ("not called", None)
                } else {
                    ("FAILED", Some("nobody has called this method".to_owned()))
                }
            });
        }
        ("rust 2.9.1".to_owned(), called)
    }

    #[allow(clippy::too_many_lines, clippy::many_single_char_names)] // one call for each method, and ids often
    async fn all(server: &str, api: &Api, url: &str) -> Outcomes {
        let client = |token: &str| {
            let options = SvixOptions { server_url: Some(server.to_owned()), ..SvixOptions::default() };
            Svix::new(token.to_owned(), Some(options))
        };
        let (svix, stranger) = (client(&api.token), client("nonsense"));
        let s = str::to_owned;
        let mut done = Outcomes::new();
        let since = json!({ "since": rfc3339(unix_ms() - 60_000) });
        let too_long = json!({ "since": "2020-01-01T00:00:00Z" });

        svix.health().get().await.unwrap();
        done.insert("health.get".to_owned(), ("ok", None));
        let named = || of(json!({ "name": "by SDK", "uid": "rust" }));
        let applications = svix.application();
        let app = call!(
            done,
            "application.create",
            applications.create(named(), None),
            409,
            applications.create(named(), None)
        )
        .id;
        let a = || app.clone();
        call!(
            done,
            "application.getOrCreate",
            applications.get_or_create(named(), None),
            422,
            applications.get_or_create(of(json!({ "name": "" })), None)
        );
        call!(done, "application.list", applications.list(None), 401, stranger.application().list(None));
        call!(done, "application.get", applications.get(a()), 404, applications.get(s("nobody")));
        call!(
            done,
            "application.patch",
            applications.patch(a(), of(json!({ "name": "patched" }))),
            404,
            applications.patch(s("nobody"), of(json!({})))
        );
        call!(
            done,
            "application.upsert",
            applications.upsert(a(), named()),
            422,
            applications.upsert(a(), of(json!({ "name": "" })))
        );

        let types = svix.event_type();
        let event_type = || of(json!({ "name": "sdk.rust", "description": "from the SDK" }));
        call!(
            done,
            "eventType.create",
            types.create(event_type(), None),
            409,
            types.create(event_type(), None)
        );
        call!(done, "eventType.list", types.list(None), 401, stranger.event_type().list(None));
        call!(done, "eventType.get", types.get(s("sdk.rust")), 404, types.get(s("no.such")));
        call!(
            done,
            "eventType.patch",
            types.patch(s("sdk.rust"), of(json!({ "description": "x" }))),
            404,
            types.patch(s("no.such"), of(json!({})))
        );
        call!(
            done,
            "eventType.upsert",
            types.upsert(s("sdk.rust"), of(json!({ "description": "x" }))),
            422,
            types.upsert(s("no such"), of(json!({ "description": "x" })))
        );
        let spec = json!({ "spec": { "webhooks": { "sdk.imported": { "post": {} } } } });
        call!(
            done,
            "eventType.importOpenapi",
            types.import_openapi(of(spec), None),
            422,
            types.import_openapi(of(json!({})), None)
        );

        let endpoints = svix.endpoint();
        let endpoint = call!(
            done,
            "endpoint.create",
            endpoints.create(a(), of(json!({ "url": url })), None),
            422,
            endpoints.create(a(), of(json!({ "url": "no url" })), None)
        )
        .id;
        let e = || endpoint.clone();
        call!(done, "endpoint.list", endpoints.list(a(), None), 404, endpoints.list(s("nobody"), None));
        call!(done, "endpoint.get", endpoints.get(a(), e()), 404, endpoints.get(a(), s("nobody")));
        call!(
            done,
            "endpoint.patch",
            endpoints.patch(a(), e(), of(json!({ "description": "x" }))),
            422,
            endpoints.patch(a(), e(), of(json!({ "url": "ftp://x" })))
        );
        call!(
            done,
            "endpoint.upsert",
            endpoints.upsert(a(), e(), of(json!({ "url": url }))),
            422,
            endpoints.upsert(a(), e(), of(json!({ "url": "" })))
        );
        call!(
            done,
            "endpoint.getSecret",
            endpoints.get_secret(a(), e()),
            404,
            endpoints.get_secret(a(), s("nobody"))
        );
        call!(
            done,
            "endpoint.rotateSecret",
            endpoints.rotate_secret(a(), e(), of(json!({})), None),
            422,
            endpoints.rotate_secret(a(), e(), of(json!({ "key": "short" })), None)
        );
        let headers = || of(json!({ "headers": { "x-a": "b" } }));
        call!(
            done,
            "endpoint.setHeaders",
            endpoints.set_headers(a(), e(), headers()),
            422,
            endpoints.set_headers(a(), e(), of(json!({ "headers": { "svix-id": "b" } })))
        );
        call!(
            done,
            "endpoint.getHeaders",
            endpoints.get_headers(a(), e()),
            404,
            endpoints.get_headers(a(), s("nobody"))
        );
        let patch = || of(json!({ "headers": { "x-c": "d" } }));
        call!(
            done,
            "endpoint.patchHeaders",
            endpoints.patch_headers(a(), e(), patch()),
            404,
            endpoints.patch_headers(a(), s("nobody"), patch())
        );

        let messages = svix.message();
        let message = |event_type: &str| of(json!({ "eventType": event_type, "payload": { "n": 1 } }));
        let sent = call!(
            done,
            "message.create",
            messages.create(a(), message("sdk.rust"), None),
            422,
            messages.create(a(), message("no type"), None)
        )
        .id;
        let m = || sent.clone();
        call!(done, "message.list", messages.list(a(), None), 404, messages.list(s("nobody"), None));
        call!(done, "message.get", messages.get(a(), m(), None), 404, messages.get(a(), s("nothing"), None));
        let precheck = || of(json!({ "eventType": "sdk.rust" }));
        call!(
            done,
            "message.precheck",
            messages.precheck(a(), precheck(), None),
            404,
            messages.precheck(s("nobody"), precheck(), None)
        );
        let example = |event_type: &str| of(json!({ "eventType": event_type }));
        call!(
            done,
            "endpoint.sendExample",
            endpoints.send_example(a(), e(), example("svix.ping"), None),
            404,
            endpoints.send_example(a(), e(), example("no.such"), None)
        );

        let attempt =
            api.attempts(&app, &sent, 1, Duration::from_secs(10))[0]["id"].as_str().unwrap().to_owned();
        let attempts = svix.message_attempt();
        call!(
            done,
            "messageAttempt.listByMsg",
            attempts.list_by_msg(a(), m(), None),
            404,
            attempts.list_by_msg(a(), s("nothing"), None)
        );
        call!(
            done,
            "messageAttempt.listByEndpoint",
            attempts.list_by_endpoint(a(), e(), None),
            404,
            attempts.list_by_endpoint(a(), s("nobody"), None)
        );
        call!(
            done,
            "messageAttempt.listAttemptedMessages",
            attempts.list_attempted_messages(a(), e(), None),
            404,
            attempts.list_attempted_messages(a(), s("nobody"), None)
        );
        call!(
            done,
            "messageAttempt.listAttemptedDestinations",
            attempts.list_attempted_destinations(a(), m(), None),
            404,
            attempts.list_attempted_destinations(a(), s("nothing"), None)
        );
        call!(
            done,
            "messageAttempt.get",
            attempts.get(a(), m(), attempt.clone(), None),
            404,
            attempts.get(a(), m(), s("nothing"), None)
        );
        call!(
            done,
            "messageAttempt.resend",
            attempts.resend(a(), m(), e(), None),
            404,
            attempts.resend(a(), m(), s("nobody"), None)
        );
        call!(
            done,
            "messageAttempt.expungeContent",
            attempts.expunge_content(a(), m(), attempt.clone()),
            404,
            attempts.expunge_content(a(), m(), s("nothing"))
        );
        call!(
            done,
            "endpoint.getStats",
            endpoints.get_stats(a(), e(), None),
            404,
            endpoints.get_stats(a(), s("nobody"), None)
        );
        call!(
            done,
            "endpoint.getAttemptStats",
            endpoints.get_attempt_stats(a(), e(), None),
            404,
            endpoints.get_attempt_stats(a(), s("nobody"), None)
        );

        let task = call!(
            done,
            "endpoint.recover",
            endpoints.recover(a(), e(), of(since.clone()), None),
            422,
            endpoints.recover(a(), e(), of(too_long.clone()), None)
        )
        .id;
        call!(
            done,
            "endpoint.replayMissing",
            endpoints.replay_missing(a(), e(), of(since.clone()), None),
            422,
            endpoints.replay_missing(a(), e(), of(too_long.clone()), None)
        );
        call!(
            done,
            "endpoint.bulkReplay",
            endpoints.bulk_replay(a(), e(), of(since.clone()), None),
            422,
            endpoints.bulk_replay(a(), e(), of(too_long.clone()), None)
        );
        let tasks = svix.background_task();
        call!(done, "backgroundTask.list", tasks.list(None), 401, stranger.background_task().list(None));
        call!(done, "backgroundTask.get", tasks.get(task.clone()), 404, tasks.get(s("qtask_none")));

        let webhooks = svix.operational_webhook();
        let ops = webhooks.endpoint();
        let to = |url: &str| of(json!({ "url": url }));
        let listener = call!(
            done,
            "operationalWebhook.endpoint.create",
            ops.create(to(url), None),
            422,
            ops.create(to(""), None)
        )
        .id;
        let l = || listener.clone();
        call!(
            done,
            "operationalWebhook.endpoint.list",
            ops.list(None),
            401,
            stranger.operational_webhook().endpoint().list(None)
        );
        call!(done, "operationalWebhook.endpoint.get", ops.get(l()), 404, ops.get(s("nobody")));
        let put = |url: &str| of(json!({ "url": url }));
        call!(
            done,
            "operationalWebhook.endpoint.upsert",
            ops.upsert(l(), put(url)),
            422,
            ops.upsert(l(), put(""))
        );
        call!(
            done,
            "operationalWebhook.endpoint.getSecret",
            ops.get_secret(l()),
            404,
            ops.get_secret(s("nobody"))
        );
        call!(
            done,
            "operationalWebhook.endpoint.rotateSecret",
            ops.rotate_secret(l(), of(json!({})), None),
            404,
            ops.rotate_secret(s("nobody"), of(json!({})), None)
        );
        let headers = || of(json!({ "headers": { "x-a": "b" } }));
        call!(
            done,
            "operationalWebhook.endpoint.setHeaders",
            ops.set_headers(l(), headers()),
            404,
            ops.set_headers(s("nobody"), headers())
        );
        call!(
            done,
            "operationalWebhook.endpoint.getHeaders",
            ops.get_headers(l()),
            404,
            ops.get_headers(s("nobody"))
        );
        call!(done, "operationalWebhook.endpoint.delete", ops.delete(l()), 404, ops.delete(l()));

        ingest(&mut done, &svix.ingest(), &stranger.ingest(), url).await;

        let auth = svix.authentication();
        let access = || of(json!({ "featureFlags": [] }));
        let portal = call!(
            done,
            "authentication.appPortalAccess",
            auth.app_portal_access(a(), access(), None),
            404,
            auth.app_portal_access(s("nobody"), access(), None)
        );
        call!(done, "authentication.whoami", auth.whoami(), 401, stranger.authentication().whoami());
        let customer = client(&portal.token);
        call!(done, "authentication.logout", customer.authentication().logout(None), 400, auth.logout(None));
        call!(
            done,
            "authentication.expireAll",
            auth.expire_all(a(), of(json!({})), None),
            404,
            auth.expire_all(s("nobody"), of(json!({})), None)
        );

        let statistics = svix.statistics();
        let until = rfc3339(unix_ms());
        let usage = |apps: Value| of(json!({ "since": since["since"], "until": until, "appIds": apps }));
        call!(
            done,
            "statistics.aggregateAppStats",
            statistics.aggregate_app_stats(usage(Value::Null), None),
            422,
            statistics.aggregate_app_stats(usage(json!(["nobody"])), None)
        );
        call!(
            done,
            "statistics.aggregateEventTypes",
            statistics.aggregate_event_types(),
            401,
            stranger.statistics().aggregate_event_types()
        );

        let ids = || of(json!({ "ids": [m()] }));
        call!(
            done,
            "message.bulkExpungeContent",
            messages.bulk_expunge_content(a(), ids(), None),
            404,
            messages.bulk_expunge_content(s("nobody"), ids(), None)
        );
        call!(
            done,
            "message.expungeAllContents",
            messages.expunge_all_contents(a(), None),
            404,
            messages.expunge_all_contents(s("nobody"), None)
        );
        call!(
            done,
            "message.expungeContent",
            messages.expunge_content(a(), m()),
            404,
            messages.expunge_content(a(), s("nothing"))
        );
        call!(done, "endpoint.delete", endpoints.delete(a(), e()), 404, endpoints.delete(a(), e()));
        call!(
            done,
            "eventType.delete",
            types.delete(s("sdk.rust"), None),
            404,
            types.delete(s("no.such"), None)
        );
        call!(done, "application.delete", applications.delete(a()), 404, applications.delete(a()));
        done
    }

    /// Sources, and the endpoints to which their events go.
    async fn ingest(done: &mut Outcomes, svix: &Ingest<'_>, stranger: &Ingest<'_>, url: &str) {
        let s = str::to_owned;
        let sources = svix.source();
        let github = |name: &str| {
            of(json!({ "name": name, "uid": "rust", "type": "github", "config": { "secret": "a secret" } }))
        };
        let source = call!(
            done,
            "ingest.source.create",
            sources.create(github("in"), None),
            409,
            sources.create(github("in"), None)
        )
        .id;
        let i = || source.clone();
        call!(done, "ingest.source.list", sources.list(None), 401, stranger.source().list(None));
        call!(done, "ingest.source.get", sources.get(i()), 404, sources.get(s("nobody")));
        call!(
            done,
            "ingest.source.upsert",
            sources.upsert(i(), github("put")),
            422,
            sources.upsert(i(), github(""))
        );
        call!(
            done,
            "ingest.source.rotateToken",
            sources.rotate_token(i(), None),
            404,
            sources.rotate_token(s("nobody"), None)
        );
        let auth = svix.authentication();
        let access = || of(json!({ "readOnly": true }));
        call!(
            done,
            "ingest.authentication.consumerPortalAccess",
            auth.consumer_portal_access(i(), access(), None),
            404,
            auth.consumer_portal_access(s("nobody"), access(), None)
        );
        let endpoints = svix.endpoint();
        let to = |url: &str| of(json!({ "url": url }));
        let endpoint = call!(
            done,
            "ingest.endpoint.create",
            endpoints.create(i(), to(url), None),
            422,
            endpoints.create(i(), to("no url"), None)
        )
        .id;
        let e = || endpoint.clone();
        call!(
            done,
            "ingest.endpoint.list",
            endpoints.list(i(), None),
            404,
            endpoints.list(s("nobody"), None)
        );
        call!(done, "ingest.endpoint.get", endpoints.get(i(), e()), 404, endpoints.get(i(), s("nobody")));
        let put = |url: &str| of(json!({ "url": url }));
        call!(
            done,
            "ingest.endpoint.upsert",
            endpoints.upsert(i(), e(), put(url)),
            422,
            endpoints.upsert(i(), e(), put(""))
        );
        call!(
            done,
            "ingest.endpoint.getSecret",
            endpoints.get_secret(i(), e()),
            404,
            endpoints.get_secret(i(), s("nobody"))
        );
        call!(
            done,
            "ingest.endpoint.rotateSecret",
            endpoints.rotate_secret(i(), e(), of(json!({})), None),
            422,
            endpoints.rotate_secret(i(), e(), of(json!({ "key": "short" })), None)
        );
        let headers = || of(json!({ "headers": { "x-a": "b" } }));
        call!(
            done,
            "ingest.endpoint.setHeaders",
            endpoints.set_headers(i(), e(), headers()),
            404,
            endpoints.set_headers(i(), s("nobody"), headers())
        );
        call!(
            done,
            "ingest.endpoint.getHeaders",
            endpoints.get_headers(i(), e()),
            404,
            endpoints.get_headers(i(), s("nobody"))
        );
        call!(done, "ingest.endpoint.delete", endpoints.delete(i(), e()), 404, endpoints.delete(i(), e()));
        call!(done, "ingest.source.delete", sources.delete(i()), 404, sources.delete(i()));
    }
}
