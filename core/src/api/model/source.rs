//! Sources in the API: Svix's bodies and answers, and what Weir has on top (presets as kinds, several secrets, options, a
//! scheme of one's own).

use super::endpoint::MAX_URL;
use super::{
    MAX_NAME, Metadata, check_event_type, check_metadata, check_text, check_uid, is_name, null_is_default,
    shown,
};
use crate::api::body::{self, Faults, Patch};
use crate::error::ApiError;
use crate::header;
use crate::preset::Preset;
use crate::query::Query;
use crate::rng::Entropy;
use crate::scheme::{Params, Scheme};
use crate::send_as::MAX_SCHEME;
use crate::source::{
    Custom, Kind, MAX_BODY, MAX_DEDUP_S, OVERLAP_MS, Options, SourceRecord, similar, unsupported,
};
use crate::time::rfc3339;
use crate::vault::{Place, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most secrets that count at once.
pub(crate) const MAX_SECRETS: usize = 10;
/// The longest secret: certificates and key sets are secrets, too.
const MAX_SECRET: usize = 16 * 1024;
/// The most parameters, and bytes of each.
const MAX_PARAMS: usize = 20;
const MAX_PARAM: usize = 4 * 1024;
/// The most headers that are delivered with an event.
const MAX_FORWARDED: usize = 20;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SourceIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields<'a> {
    /// A human-readable name.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Name"))]
    name: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    uid: Option<String>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    #[serde(default, deserialize_with = "null_is_default")]
    metadata: Metadata,
    /// The type of the source: the name of a preset, one of Svix's source types, `generic-webhook` or `custom`.
    #[serde(rename = "type")]
    kind: String,
    /// Settings of this type of source, above all its secret.
    #[serde(borrow, default)]
    #[cfg_attr(test, schemars(with = "Option<ConfigIn>"))]
    config: Option<&'a RawValue>,
    /// How to process requests.
    #[serde(default, deserialize_with = "null_is_default")]
    options: Options,
}

/// What belongs to the kind. What is not known is refused: a source whose secret is misspelled has none.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SourceConfigIn"))]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConfigIn<'a> {
    /// The signing secret from the provider.
    secret: Patch<String>,
    /// Several signing secrets, newest first, while the provider's secret is being rotated.
    secrets: Option<Vec<String>>,
    /// Svix's name for the secret of providers that sign with a private key.
    public_key: Option<String>,
    /// Svix's name for the secret of Adobe Sign.
    client_id: Option<String>,
    /// Svix's name for the parameter `verify_token`.
    verify_token: Option<String>,
    /// Values of your account that the provider signs, by name.
    params: Option<Params>,
    /// For the type `custom`: the signature scheme, where an event's type, id and time are, and the methods.
    // Read apart, as presets are read: one reader of schemes in the program is enough.
    #[serde(borrow)]
    #[cfg_attr(
        test,
        schemars(
            description = "Of the type custom: its scheme, where its events say what they are, and their methods.",
            with = "Option<crate::api::doc::kind::Object>"
        )
    )]
    custom: Option<&'a RawValue>,
}

impl<'a> ConfigIn<'a> {
    fn read(text: Option<&'a RawValue>) -> Result<Self, ApiError> {
        let text = text.map_or("{}", RawValue::get);
        let within = |error: ApiError| match error {
            ApiError::Invalid(mut faults) => {
                for fault in &mut faults {
                    fault.loc.insert(1, "config".to_owned());
                }
                ApiError::Invalid(faults)
            }
            other => other,
        };
        if text == "null" {
            return Ok(Self::default());
        }
        body::parse_exact::<Self>(text.as_bytes()).map_err(within)
    }
}

/// The body of create and PUT, read and checked.
#[derive(Debug)]
pub struct SourceIn {
    record: SourceRecord,
    /// `None` keeps those of before.
    secrets: Option<Vec<String>>,
    /// The same of parameters: they are as secret, so no client can send them again.
    params: Option<Params>,
}

impl SourceIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Fields { name, uid, metadata, kind, config, mut options } = body::parse(bytes)?;
        let mut faults = Faults::default();
        faults.check(!name.is_empty(), &["name"], "Give the source a name.");
        check_text(&mut faults, "name", &name);
        if let Some(uid) = &uid {
            check_uid(&mut faults, &["uid"], uid);
        }
        check_metadata(&mut faults, &metadata);
        check_options(&mut faults, &mut options);
        // What belongs to a kind that is not here is not looked at: what to use instead is said.
        let config = ConfigIn::read(config.filter(|_| unsupported(&kind).is_none()))?;
        let (one, many) = (config.secret, config.secrets);
        let named = config.public_key.or(config.client_id);
        let secrets = match (one, named, many) {
            (Patch::Set(secret), _, None) | (_, Some(secret), None) => Some(vec![secret]),
            (Patch::Set(secret), _, Some(more)) => Some(std::iter::once(secret).chain(more).collect()),
            (_, _, Some(secrets)) => Some(secrets),
            (Patch::Null, None, None) => Some(Vec::new()),
            (Patch::Absent, None, None) => None,
        };
        let mut params = config.params;
        if let Some(token) = config.verify_token {
            params.get_or_insert_default().insert("verify_token".to_owned(), token);
        }
        let mut secrets = secrets;
        let mut none = Vec::new();
        let given = secrets.as_mut().unwrap_or(&mut none);
        let custom = check_kind(&mut faults, &kind, config.custom, given, params.as_ref());
        faults.into_result()?;
        let record = SourceRecord { name, uid, metadata, kind, custom, options, ..SourceRecord::default() };
        Ok(Self { record, secrets, params })
    }

    /// The uid that it names.
    pub fn uid(&self) -> Option<&str> {
        self.record.uid.as_deref()
    }

    /// Names it by the uid of the path, where the body names none.
    pub fn or_uid(&mut self, uid: &str) -> Result<(), ApiError> {
        if self.record.uid.is_none() {
            super::check_new_uid(Some(uid))?;
            self.record.uid = Some(uid.to_owned());
        }
        Ok(())
    }

    /// The record to store. Of the one of `before`, its secrets and parameters stay where none are given and the kind is the
    /// same.
    pub fn record(
        &self,
        id: &str,
        before: Option<SourceRecord>,
        vault: &Vault,
        rng: &mut impl Entropy,
    ) -> Result<SourceRecord, ApiError> {
        let mut before = before.unwrap_or_default();
        // What is written is written with the newest key; what cannot be opened stays as it is.
        let _ = before.reseal(id, vault, rng);
        let mut seal = |at: Place<'_>, text: &str| vault.seal(at, text, rng);
        let secrets = match &self.secrets {
            Some(texts) => {
                texts.iter().map(|text| seal(Place::secret(id), text)).collect::<Result<_, _>>()?
            }
            None if before.kind == self.record.kind => before.secrets,
            None => Vec::new(),
        };
        let params = match &self.params {
            Some(params) if params.is_empty() => None,
            Some(params) => {
                Some(seal(Place::params(id), &serde_json::to_string(params).unwrap_or_default())?)
            }
            None if before.kind == self.record.kind => before.params,
            None => None,
        };
        if self.params.is_none() {
            self.check_kept(id, params.as_deref(), secrets.is_empty(), vault)?;
        }
        Ok(SourceRecord {
            secrets,
            params,
            generation: before.generation,
            tag: before.tag,
            old: before.old,
            created_at: before.created_at,
            updated_at: before.updated_at,
            version: before.version,
            ..self.record.clone()
        })
    }
}

impl SourceIn {
    /// Whether parameters that were not given are there, where the kind needs them. What cannot be opened is not looked at.
    fn check_kept(
        &self,
        id: &str,
        sealed: Option<&str>,
        no_secret: bool,
        vault: &Vault,
    ) -> Result<(), ApiError> {
        let Some(preset) = Kind::of(&self.record.kind).preset(self.record.custom.as_deref()) else {
            return Ok(());
        };
        let text = match sealed.map(|sealed| vault.open(Place::params(id), sealed)) {
            Some(Ok(text)) => text,
            Some(Err(_)) => return Ok(()),
            None => "{}".to_owned(),
        };
        let mut faults = Faults::default();
        check_needed(&mut faults, &preset, no_secret, &serde_json::from_str(&text).unwrap_or_default());
        faults.into_result()
    }
}

fn check_options(faults: &mut Faults, options: &mut Options) {
    for (index, name) in options.forward_headers.iter_mut().enumerate().take(MAX_FORWARDED) {
        name.make_ascii_lowercase();
        if let Err(fault) = header::check(name, "") {
            faults.add(&["options", "forwardHeaders", &index.to_string()], fault.to_string());
        }
    }
    faults.check(
        options.forward_headers.len() <= MAX_FORWARDED,
        &["options", "forwardHeaders"],
        format!("Send up to {MAX_FORWARDED} names."),
    );
    faults.check(
        options.dedup_window_seconds.is_none_or(|s| s <= MAX_DEDUP_S),
        &["options", "dedupWindowSeconds"],
        format!("Send seconds from 0 to {MAX_DEDUP_S}."),
    );
    faults.check(
        options.max_body_bytes.is_none_or(|bytes| (1..=MAX_BODY).contains(&bytes)),
        &["options", "maxBodyBytes"],
        format!("Send bytes from 1 to {MAX_BODY}."),
    );
    faults.check(
        options.rate_limit.is_none_or(|rate| (1..=10_000).contains(&rate.limit)),
        &["options", "rateLimit", "limit"],
        "Send a limit from 1 to 10000, or null for none.",
    );
    if let Some(name) = &options.event_type {
        check_event_type(faults, &["options", "eventType"], name);
    }
    if let Some(url) = &options.url {
        let right = url.len() <= MAX_URL && (url.starts_with("https://") || url.starts_with("http://"));
        faults.check(
            right,
            &["options", "url"],
            "Send the whole URL that the provider calls, with https://.",
        );
    }
}

fn check_params(faults: &mut Faults, params: &Params) {
    let fit = |(name, value): (&String, &String)| name.len() <= MAX_NAME && value.len() <= MAX_PARAM;
    faults.check(
        params.len() <= MAX_PARAMS && params.iter().all(fit),
        &["config", "params"],
        format!("Send up to {MAX_PARAMS} parameters of at most {MAX_PARAM} bytes."),
    );
}

/// Checks what belongs to the kind; gives the text of the user's own scheme.
fn check_kind(
    faults: &mut Faults,
    kind: &str,
    custom: Option<&RawValue>,
    secrets: &mut [String],
    params: Option<&Params>,
) -> Option<String> {
    let many = secrets.len() > MAX_SECRETS;
    faults.check(!many, &["config", "secrets"], format!("Send up to {MAX_SECRETS}."));
    let long = secrets.iter().any(|secret| secret.len() > MAX_SECRET);
    faults.check(!long, &["config", "secret"], format!("A secret may have at most {MAX_SECRET} bytes."));
    if let Some(params) = params {
        check_params(faults, params);
    }
    if many || long {
        return None;
    }
    if let Some(instead) = unsupported(kind) {
        faults.add(&["type"], instead);
        return None;
    }
    if Kind::of(kind) != Kind::Custom {
        faults.check(custom.is_none(), &["config", "custom"], "Only the type 'custom' takes a scheme.");
    } else if let Some(custom) = custom {
        if custom.get().len() > MAX_SCHEME {
            faults.add(&["config", "custom"], format!("A scheme may have at most {MAX_SCHEME} bytes."));
            return None;
        }
        match serde_json::from_str::<Custom>(custom.get()) {
            Ok(custom) => {
                for fault in custom.faults() {
                    faults.add(&["config", "custom"], fault);
                }
            }
            Err(error) => {
                faults.add(&["config", "custom"], error.to_string());
                return None;
            }
        }
    } else {
        faults.add(&["config", "custom"], "The type 'custom' needs a scheme: {\"scheme\": {…}}.");
        return None;
    }
    let custom = custom.map(|custom| custom.get().to_owned());
    let Some(preset) = Kind::of(kind).preset(custom.as_deref()) else {
        let near = similar(kind);
        let near = if near.is_empty() { String::new() } else { format!(" Perhaps: {}.", near.join(", ")) };
        let how = "GET /api/v1/preset lists the providers; the type 'custom' takes your own scheme.";
        faults.add(&["type"], format!("The provider '{}' is unknown.{near} {how}", shown(kind)));
        return None;
    };
    if preset.scheme == Scheme::None {
        faults.check(
            secrets.is_empty(),
            &["config", "secret"],
            format!(
                "{} signs nothing, so a secret would not be used. Remove it; to verify requests, choose a type that has a \
                 signature or a token.",
                preset.title
            ),
        );
    } else {
        let mut wrong = false;
        for (at, secret) in secrets.iter_mut().enumerate() {
            match preset.accept_secret(secret) {
                Ok(kept) => *secret = kept,
                Err(fault) => {
                    wrong = true;
                    let place = at.to_string();
                    faults.add(&["config", "secrets", &place], format!("The secret cannot be used: {fault}"));
                }
            }
        }
        if wrong {
            return None;
        }
    }
    let ready = preset.scheme.verifying(secrets);
    for (at, fault) in ready.faults() {
        faults.add(&["config", "secrets", &at.to_string()], format!("The secret cannot be used: {fault}"));
    }
    if let Some(params) = params {
        check_needed(faults, &preset, secrets.is_empty(), params);
    }
    custom
}

/// Checks that the parameters are there that a kind needs.
fn check_needed(faults: &mut Faults, preset: &Preset, no_secret: bool, params: &Params) {
    // Without a secret, the keys that the provider publishes are fetched.
    let published = preset.keys.as_ref().filter(|_| no_secret);
    for param in published.iter().flat_map(|keys| keys.params()) {
        faults.check(
            params.get(&param).is_some_and(|value| !value.is_empty()),
            &["config", "params"],
            format!(
                "{} publishes its keys at an address of your account: give it as '{param}', or a key as the secret.",
                preset.title
            ),
        );
    }
    for param in preset.scheme.params() {
        if !params.contains_key(&param) {
            faults.add(
                &["config", "params"],
                format!("{} signs a value of your account: give it as '{param}'.", preset.title),
            );
        }
    }
    if let Some(name) = params.get("header") {
        faults.check(
            name.len() <= header::MAX_NAME && is_name(name),
            &["config", "params", "header"],
            "Send the name of a header.",
        );
    }
}

/// The warning about a secret that is not used.
const UNUSED_SECRET: &str = "This type of source has no signature, so the secret is never checked: everyone who knows the URL can \
                             send. To verify requests, use the type 'token', 'basic' or 'custom'.";

/// A source, as it is answered.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SourceOut {
    /// The source's id, `src_…`. Weir assigns it.
    id: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    uid: Option<String>,
    /// A human-readable name.
    name: String,
    /// The URL to register with the provider. Anyone who knows it can send; rotate the token to replace it.
    ingest_url: String,
    /// When it was created.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    created_at: String,
    /// When it was last changed.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    updated_at: String,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    metadata: Metadata,
    /// The type of the source.
    #[serde(rename = "type")]
    kind: String,
    /// Settings of this type of source that are not secret. Absent if the type has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigOut>,
    /// The preset that this type of source uses.
    preset: Option<String>,
    /// The number of signing secrets in use.
    secrets: usize,
    /// What is missing before requests can be verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
    /// How requests are processed: `SourceOptions`, with every field.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Object"))]
    options: Options,
    /// Why requests cannot be verified, and what the operator has to do. Absent if there is no problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SourceConfigOut"))]
#[serde(rename_all = "camelCase")]
struct ConfigOut {
    /// The public key, for types that verify with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// For the type `custom`: the signature scheme, where an event's type, id and time are, and the methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    custom: Option<Box<RawValue>>,
}

impl SourceOut {
    /// The id, by which lists go on.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes the answer of what is stored.
    pub fn new(id: String, record: SourceRecord, ingest_url: String, vault: &Vault) -> Self {
        let kind = Kind::of(&record.kind);
        let preset = kind.preset(record.custom.as_deref());
        let of_secret = match &preset {
            Some(preset) if record.secrets.is_empty() => preset.lacks_secret(),
            Some(preset) if preset.scheme == Scheme::None => Some(UNUSED_SECRET),
            _ => None,
        };
        let warnings = of_secret.into_iter().collect();
        let preset = match kind {
            Kind::Preset(name) => Some(name.to_owned()),
            Kind::Generic | Kind::Custom => None,
        };
        // Svix's name for it, with the kinds that have it; a public key may be shown.
        let public_key = match record.kind.as_str() {
            "telnyx" => record.secrets.first().and_then(|sealed| vault.open(Place::secret(&id), sealed).ok()),
            _ => None,
        };
        let problem = record.lacks_key(vault).map(|error| error.to_string());
        let custom = record.custom.and_then(|custom| RawValue::from_string(custom).ok());
        let config = (kind != Kind::Generic).then_some(ConfigOut { public_key, custom });
        Self {
            id,
            uid: record.uid,
            name: record.name,
            ingest_url,
            created_at: rfc3339(record.created_at),
            updated_at: rfc3339(record.updated_at),
            metadata: record.metadata,
            preset,
            kind: record.kind,
            config,
            secrets: record.secrets.len(),
            warnings,
            options: record.options,
            problem,
        }
    }
}

/// How long the previous URL stays valid after a rotation, from the query of the request.
pub fn overlap_ms(query: &Query) -> Result<i64, ApiError> {
    let most = OVERLAP_MS.div_euclid(1_000);
    let seconds = query.int("grace_period_seconds")?.unwrap_or(most);
    if (0..=most).contains(&seconds) {
        return Ok(seconds.saturating_mul(1_000));
    }
    Err(ApiError::invalid(&["query", "grace_period_seconds"], format!("Send seconds from 0 to {most}.")))
}

/// The answer of rotate-token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RotateTokenOut {
    /// The source's new URL.
    pub ingest_url: String,
}

/// The response to accepting a rejected request.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AcceptedOut {
    /// The ids of the messages that were stored.
    pub messages: Vec<String>,
}
