//! What holds for whatever strangers send. Each target takes any bytes: the tests give it mutations from seeds
//! (`core/tests/fuzzed.rs`), the fuzzer what its coverage leads to (`core/fuzz/`).

#![allow(dead_code, unreachable_pub)] // each binary of the fuzzer uses one target

use std::sync::LazyLock;

use serde_json::{Value, json};
use weir_core::api::call::{Call, Reply};
use weir_core::api::page::{Keys, Order, Page};
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::api::{route, yaml};
use weir_core::frame;
use weir_core::preset;
use weir_core::query::Query;
use weir_core::rng::Seeded;
use weir_core::scheme::{Params, Request, Verdict};
use weir_core::source::{Definition, Options, Receipt, SourceRecord, SourceRow, url};
use weir_core::target::{self, Policy};
use weir_core::token;
use weir_core::vault::{Place, Vault};

/// A target of the fuzzer.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("scheme", scheme),
    ("route", route),
    ("frames", frames),
    ("form", form),
    ("token", token),
    ("document", document),
];

const NOW: i64 = 1_795_000_000_000;
/// How many of the secrets have signed nothing that is sent here. The keys after them are those of the published cases.
const UNUSED: usize = 3;
/// Secrets in every form.
const SECRETS: [&str; 7] = [
    "nothing was ever signed with this text",
    "whsec_bm90aGluZyB3YXMgZXZlciBzaWduZWQgd2l0aCBpdA==",
    "user:nothing was ever signed with this",
    include_str!("../scheme/keys/ed25519.pub.pem"),
    include_str!("../scheme/keys/p256.pub.pem"),
    include_str!("../scheme/keys/p521.pub.pem"),
    include_str!("../scheme/keys/rsa.pub.pem"),
];

/// A request written as text: a line with method and URL, headers, an empty line, the body.
struct Sent<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Sent<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let (head, body) = bytes.split_at(end);
        let mut lines = std::str::from_utf8(head).ok()?.split('\n');
        let (method, url) = lines.next()?.split_once(' ')?;
        // As a header can come by HTTP: without line breaks, and its value without spaces around it.
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Some(Self { method, url, headers, body: body.get(2..)? })
    }

    fn request(&self) -> Request<'_> {
        Request { method: self.method, url: self.url, headers: &self.headers, body: self.body }
    }
}

/// The presets in their order.
static PRESETS: LazyLock<Vec<preset::Preset>> =
    LazyLock::new(|| preset::names().filter_map(preset::find).collect());

/// The place of a preset among all, as [`scheme`] chooses it.
pub fn number(name: &str) -> u8 {
    u8::try_from(PRESETS.iter().position(|preset| preset.name == name).unwrap()).unwrap()
}

/// Whether a secret is said to have signed something that has signed nothing.
fn forged(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Verified(proof) | Verdict::Authenticated(proof) if proof.secret < UNUSED)
}

/// A preset's number, then a request: it is not verified by a secret that has signed nothing; and whatever is read of it is read
/// again the same.
pub fn scheme(bytes: &[u8]) {
    let Some((number, rest)) = bytes.split_first() else { return };
    let Some(sent) = Sent::read(rest) else { return };
    let preset = &PRESETS[usize::from(*number) % PRESETS.len()];
    let params: Params = ["webhook_id", "verify_token", "public_key"]
        .iter()
        .map(|name| ((*name).into(), "p".into()))
        .collect();
    let request = sent.request();
    let secrets = preset.scheme.verifying(&SECRETS);
    let verdict = preset.scheme.verify(&secrets, &params, &request, NOW);
    assert!(!forged(&verdict), "{}: {verdict:?}", preset.name);
    let explained = preset.scheme.explain(&SECRETS, &params, &request, NOW);
    assert!(!forged(&explained), "{}: {explained:?}", preset.name);
    let event = preset.event(&request);
    assert_eq!(event, preset.event(&request));
    let _ = preset.handshake(&secrets, &params, &request, NOW);
}

/// A method, a path with its query, and whatever else is read of a URL.
pub fn route(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (method, rest) = text.split_once(' ').unwrap_or(("GET", text));
    let (path, raw) = rest.split_once('?').unwrap_or((rest, ""));
    match route::find(method, path) {
        Ok(route) => {
            let again = route::find(method, path).unwrap();
            assert_eq!(route.clone().into_call_params(), again.into_call_params());
            let _ = route.app();
        }
        Err(error) => assert!((400..500).contains(&error.http_status()), "{error:?}"),
    }
    let query = Query::parse(raw);
    for name in ["limit", "iterator", "order", "before", "a", ""] {
        let _ = (query.text(name), query.flag(name), query.int(name), query.time(name));
        assert!(query.list(name).iter().all(|item| !item.is_empty()));
        let _ = query.pairs(name);
    }
    for keys in [Keys::Id("msg"), Keys::Name] {
        if let Ok(page) = Page::from_query(&query, keys, Order::Descending) {
            assert!((1..=250).contains(&page.limit()));
        }
    }
    let _ = target::check(text, &Policy::public());
    if let Ok(target) = target::check(rest, &Policy::public()) {
        // What is checked once more, as it is before each attempt, is allowed again and stays what it is.
        let again = target::check(&target.url, &Policy::public()).expect("it was allowed");
        assert_eq!(again.url, target.url);
    }
    if let Some(token) = url::Token::read(path) {
        assert_eq!(url::Token::read(&token.write()).map(|token| token.write()), Some(token.write()));
    }
}

/// Bytes between objects, or of what one has stored: every frame's decoder takes any.
pub fn frames(bytes: &[u8]) {
    macro_rules! each {
        ($($frame:ty),+ $(,)?) => { $( if let Ok(read) = frame::decode::<$frame>(bytes) {
            // What was read is written so that it is read again.
            let written = frame::encode(&read);
            let again = frame::decode::<$frame>(&written);
            assert!(again.is_ok_and(|again| frame::encode(&again) == written), stringify!($frame));
        } )+ };
    }
    each!(
        frame::NewMessage,
        frame::Ingest,
        frame::IngestAsk,
        frame::Ingested,
        frame::Accepted,
        frame::Outgoing,
        frame::Push,
        frame::PushAnswer,
        frame::SecretFrame,
        frame::Config,
        frame::ConfigAnswer,
        frame::PayloadsAsk,
        frame::Payloads,
        frame::Pull,
        frame::Resend,
        frame::Report,
        frame::AppInit,
        frame::AttemptsAsk,
        frame::Attempts,
        frame::StatsAsk,
        frame::StatsAnswer,
        frame::UsageAsk,
        frame::UsageAnswer,
        frame::DeliveriesAsk,
        frame::Deliveries,
        frame::ExpungeAsk,
        frame::Done,
        frame::RecoverAsk,
        frame::ReplayAsk,
        frame::BulkAsk,
        frame::TaskAnswer,
        frame::TaskNote,
        frame::Revocation,
        frame::RevokedAsk,
        frame::ResolvedPlugins,
        frame::PluginNotice,
        frame::PluginUses,
        frame::PluginModuleAsk,
        frame::PluginModule,
        frame::StandingNote,
        frame::PluginFollowers,
        Call<AppOp>,
        Call<DirectoryOp>,
        frame::PluginUpload,
        Reply,
        SourceRow,
    );
}

/// Sources that take what nobody signed, so that everything after the signature is reached.
static SOURCES: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let kinds = [
        ("generic-webhook", json!({})),
        ("generic-webhook", json!({ "form": "raw", "batch": "keep" })),
        ("generic-webhook", json!({ "dedupBy": "body" })),
        ("mailgun", json!({ "unverified": "accept" })),
        ("slack", json!({ "unverified": "accept" })),
        ("twilio", json!({ "unverified": "accept" })),
        ("sendgrid", json!({ "unverified": "accept" })),
        ("aws-sns-v2", json!({ "unverified": "accept" })),
    ];
    kinds.iter().map(|(kind, options)| definition(kind, options)).collect()
});

fn definition(kind: &str, options: &Value) -> Definition {
    let vault = Vault::new(Some([7; 32]));
    let sealed = vault.seal(Place::secret("src_1"), SECRETS[0], &mut Seeded(1)).unwrap();
    let record = SourceRecord {
        name: kind.into(),
        kind: kind.into(),
        secrets: vec![sealed],
        options: serde_json::from_value::<Options>(options.clone()).unwrap(),
        ..SourceRecord::default()
    };
    Definition::new(SourceRow { id: "src_1".into(), record }, &vault, 86_400_000)
}

/// A request at a source: what is stored of it is JSON where it says so, and its type is one that the API takes.
pub fn form(bytes: &[u8]) {
    let Some((number, rest)) = bytes.split_first() else { return };
    let Some(sent) = Sent::read(rest) else { return };
    let source = &SOURCES[usize::from(*number) % SOURCES.len()];
    let Receipt::Events(events) = source.receive(&sent.request(), NOW) else { return };
    assert!(!events.is_empty());
    for event in events {
        assert!(!event.event_type.is_empty() && event.event_type.len() <= 256, "{}", event.event_type);
        let ingest = event.ingest.as_ref().expect("of a source");
        let origin: Value = serde_json::from_str(&ingest.origin).expect("the origin is JSON");
        assert!(origin.is_object());
    }
}

/// A token: nobody has signed it, so it is refused.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(token::verify(b"a secret that nobody else knows, 32 bytes", text, NOW).is_err());
}

/// A document that is imported.
pub fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = yaml::to_json(text) {
        // It is a finite tree, whatever aliases there were.
        assert!(read.to_string().len() < 64 << 20);
    }
}
