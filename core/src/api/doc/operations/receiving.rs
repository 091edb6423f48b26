//! Operations on presets, sources and plugins.

use super::{Doc, doc, kind};
use crate::api::model::auth::{PortalAccessIn, PortalAccessOut};
use crate::api::model::openapi::ImportOut;
use crate::api::model::plugin::{CurrentIn, PluginOut, TestIn, VersionOut};
use crate::api::model::preset::{PresetOut, RequestIn, SignedOut, VerdictOut};
use crate::api::model::source::{self, AcceptedOut, RotateTokenOut, SourceOut};
use crate::api::page::ListOut;
use crate::api::route::Op;
use crate::error::Code;
use crate::source::rejected::RejectedOut;
use serde_json::json;

const PRESET: &str = "Preset";
const PLUGIN: &str = "Plugin";
const SOURCE: &str = "Source";

pub(super) fn describe(op: Op) -> Option<Doc> {
    preset(op).or_else(|| source(op)).or_else(|| rejected(op)).or_else(|| plugin(op)).or_else(|| version(op))
}

fn preset(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, PRESET, summary);
    Some(match op {
        Op::PresetList => named("weir.preset.list", "List presets")
            .about("Returns the presets: what Weir knows of each provider's webhooks.")
            .page("ascending")
            .answers::<ListOut<PresetOut>>(200, "A page of presets."),
        Op::PresetGet => named("weir.preset.get", "Get a preset")
            .about("Returns all data of a preset, in the format of the files in `presets/`.")
            .answers::<kind::Object>(200, "All data of the preset."),
        Op::PresetVerify => named("weir.preset.verify", "Verify a signature")
            .about("Verifies a request that you captured, and explains why its signature is wrong.")
            .body::<RequestIn>(json!({
                "secret": "It's a Secret to Everybody",
                "headers": {
                    "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
                },
                "body": "SGVsbG8sIFdvcmxkIQ==",
            }))
            .answers::<VerdictOut>(200, "The verdict and, if verification failed, the reason."),
        Op::PresetSign => named("weir.preset.sign", "Sign a request")
            .about("Signs a request as the provider does, for tests of your receiver.")
            .body::<RequestIn>(json!({ "secret": "It's a Secret to Everybody", "body": "SGVsbG8sIFdvcmxkIQ==" }))
            .answers::<SignedOut>(200, "The headers, body and URL to send."),
        Op::PresetEventTypes => named("weir.preset.event-types", "Import a provider's event types")
            .about("Creates the event types of the preset's catalog, with groups and examples. Existing ones are updated.")
            .answers::<ImportOut>(200, "The event types that were created or updated."),
        _ => return None,
    })
}

fn source(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, SOURCE, summary);
    let example = || {
        json!({
            "name": "GitHub", "uid": "github", "type": "github", "config": { "secret": "It's a Secret to Everybody" }
        })
    };
    Some(match op {
        Op::SourceList => named("v1.ingest.source.list", "List sources")
            .about("Returns the tenant's sources, one page at a time.")
            .page("ascending")
            .answers::<ListOut<SourceOut>>(200, "A page of sources."),
        Op::SourceCreate => named("v1.ingest.source.create", "Create a source")
            .about(
                "Creates a URL that receives a provider's webhooks. `type` is the name of a preset, one of Svix's source types, \
                 `generic-webhook` or `custom`.",
            )
            .body::<source::Fields<'static>>(example())
            .answers::<SourceOut>(201, "The new source.")
            .error(Code::Conflict),
        Op::SourceGet => named("v1.ingest.source.get", "Get a source")
            .about(
                "Returns a source by its id or uid. The routes below an application's path also exist below a source's path: \
                 endpoints, messages, attempts, replays and plugins.",
            )
            .answers::<SourceOut>(200, "The requested source."),
        Op::SourceUpdate => named("v1.ingest.source.update", "Create or replace a source")
            .about("Replaces all fields of a source. The secrets stay if none are sent and the type is the same.")
            .body::<source::Fields<'static>>(example())
            .answers::<SourceOut>(200, "The updated source.")
            .answers::<SourceOut>(201, "The new source.")
            .error(Code::Conflict)
            .error(Code::ConcurrentUpdate),
        Op::SourceDelete => named("v1.ingest.source.delete", "Delete a source")
            .about("Deletes a source with its endpoints, messages and attempts. Its URL stops working.")
            .answers_nothing(),
        Op::SourceRotate => named("v1.ingest.source.rotate-token", "Rotate a source's URL")
            .about("Gives the source a new URL. The previous URL works until the grace period ends.")
            .query(
                "grace_period_seconds",
                "How long the previous URL stays valid, in seconds. 0 ends all previous URLs at once.",
                json!({ "type": "integer", "minimum": 0, "maximum": 172_800, "default": 172_800 }),
            )
            .answers::<RotateTokenOut>(200, "The new URL.")
            .error(Code::LimitReached)
            .error(Code::ConcurrentUpdate),
        Op::SourcePortal => named("v1.ingest.dashboard", "Create portal access to a source")
            .about("Creates a token for one source, and a link that signs in to its dashboard with it.")
            .optional_body::<PortalAccessIn>(json!({ "expiry": 3600 }))
            .answers::<PortalAccessOut>(200, "The token, and the link that signs in with it."),
        _ => return None,
    })
}

fn rejected(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, SOURCE, summary);
    Some(match op {
        Op::RejectedList => named("weir.ingest.rejected.list", "List rejected requests")
            .about("Returns requests that the source did not deliver, with the reason: the newest 1000, newest first.")
            .limit()
            .iterator()
            .answers::<ListOut<RejectedOut>>(200, "A page of rejected requests."),
        Op::RejectedGet => named("weir.ingest.rejected.get", "Get a rejected request")
            .about("Returns a rejected request with all that is stored of its body.")
            .answers::<RejectedOut>(200, "The rejected request."),
        Op::RejectedAccept => named("weir.ingest.rejected.accept", "Accept a rejected request")
            .about("Delivers the events of a rejected request as if its signature had been valid.")
            .answers::<AcceptedOut>(202, "The messages that were stored.")
            .error(Code::Conflict)
            .error(Code::PayloadTooLarge),
        Op::MessageRaw => named("weir.ingest.message.raw", "Get the original bytes of an event")
            .about("Returns the bytes that the provider sent, with their content type.")
            .answers_bytes("The original bytes.")
            .error(Code::MissingPayload),
        _ => return None,
    })
}

fn plugin(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, PLUGIN, summary);
    Some(match op {
        Op::PluginList => named("weir.plugin.list", "List plugins")
            .about("Returns the tenant's plugins and those that are bundled with the deployment.")
            .page("ascending")
            .answers::<ListOut<PluginOut>>(200, "A page of plugins."),
        Op::PluginUpload => named("weir.plugin.upload", "Upload a plugin")
            .about("Uploads a WebAssembly module. It becomes the plugin's current version.")
            .module()
            .anyway()
            .answers::<VersionOut>(200, "The version, if this module was uploaded before.")
            .answers::<VersionOut>(201, "The new version.")
            .error(Code::LimitReached),
        Op::PluginGet => named("weir.plugin.get", "Get a plugin")
            .about("Returns a plugin with the manifest of its current version.")
            .answers::<PluginOut>(200, "The requested plugin."),
        Op::PluginDelete => named("weir.plugin.delete", "Delete a plugin")
            .about("Deletes a plugin with all its versions. It is refused while endpoints use the plugin.")
            .force()
            .answers_nothing()
            .error(Code::Conflict),
        Op::PluginCurrent => named("weir.plugin.set-current", "Set a plugin's current version")
            .about("Chooses the version that endpoints run unless they pin another.")
            .body::<CurrentIn>(json!({ "version": "bundled" }))
            .anyway()
            .answers::<PluginOut>(200, "The changed plugin.")
            .error(Code::Conflict),
        Op::PluginTest => named("weir.plugin.test", "Test a plugin")
            .about("Runs a plugin on one event and returns the result. Nothing is delivered.")
            .body::<TestIn>(json!({
                "config": { "when": "body.amount >= 100" },
                "event": { "eventType": "invoice.paid", "payload": { "amount": 5 } },
            }))
            .answers::<PluginTestOut>(200, "The result of the run.")
            .error(Code::MissingPayload),
        _ => return None,
    })
}

fn version(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, PLUGIN, summary);
    Some(match op {
        Op::VersionList => named("weir.plugin.version.list", "List a plugin's versions")
            .about("Returns the stored versions of a plugin, newest first.")
            .page("descending")
            .answers::<ListOut<VersionOut>>(200, "A page of versions."),
        Op::VersionGet => named("weir.plugin.version.get", "Get a version of a plugin")
            .about("Returns one version of a plugin with its manifest.")
            .answers::<VersionOut>(200, "The requested version."),
        Op::VersionDelete => named("weir.plugin.version.delete", "Delete a version of a plugin")
            .about("Deletes one version. It is refused while the version is current or endpoints pin it.")
            .force()
            .answers_nothing()
            .error(Code::Conflict),
        Op::VersionWasm => named("weir.plugin.version.wasm", "Download a version's module")
            .about("Returns the WebAssembly module as it was uploaded.")
            .answers_module()
            .error(Code::Conflict),
        _ => return None,
    })
}

/// What a plugin made of an event, and what it changed.
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // never made
struct PluginTestOut {
    /// The id of the version that ran.
    version: String,
    /// The fuel that the run used.
    fuel: u64,
    /// The memory at the end of the run, in pages of 64 KiB.
    memory_pages: u64,
    /// The engine that ran the plugin.
    engine: String,
    /// The plugin's log lines.
    #[schemars(with = "Vec<kind::Object>")]
    logs: (),
    /// The result: `unchanged`, `replaced`, `dropped` or `failed`.
    verdict: String,
    /// What the plugin changed.
    #[schemars(with = "kind::Object")]
    diff: (),
}
