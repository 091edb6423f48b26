//! What each operation is called, takes and answers.

use super::{Doc, doc, kind};
use crate::api::model::application::{ApplicationIn, ApplicationOut, ApplicationPatch};
use crate::api::model::attempt::MessageAttemptOut;
use crate::api::model::auth::{
    ExpireAllIn, PortalAccessIn, PortalAccessOut, ResealOut, RevokedOut, WhoamiOut,
};
use crate::api::model::delivery::{EndpointMessageOut, MessageEndpointOut};
use crate::api::model::endpoint::{
    self, EndpointAttemptStats, EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatch, EndpointOut,
    EndpointPatch, EndpointSecretOut, EndpointSecretRotateIn, EndpointStats,
};
use crate::api::model::event_type::{self, EventTypeOut, EventTypePatch};
use crate::api::model::example::{ExampleIn, PrecheckIn, PrecheckOut};
use crate::api::model::forget::{BulkExpungeIn, BulkExpungeOut};
use crate::api::model::message::{MessageIn, MessageOut};
use crate::api::model::openapi::{self, ImportOut};
use crate::api::model::overview::OverviewOut;
use crate::api::model::plugin::{AttachmentsIn, AttachmentsOut, CurrentIn, PluginOut, TestIn, VersionOut};
use crate::api::model::preset::{PresetOut, RequestIn, SignedOut, VerdictOut};
use crate::api::model::setting::SettingOut;
use crate::api::model::source::{self, AcceptedOut, RotateTokenOut, SourceOut};
use crate::api::model::task::{BackgroundTaskOut, BulkReplayIn, CountOut, PeriodIn, TaskOut};
use crate::api::model::usage::{UsageIn, UsageOut};
use crate::api::page::{DEFAULT_LIMIT, ListOut, MAX_LIMIT};
use crate::api::route::Op;
use crate::source::rejected::RejectedOut;
use serde_json::json;

/// What is said of an operation; nothing of those that have no route.
pub(super) fn describe(op: Op) -> Option<Doc> {
    const HEALTH: &str = "Health";
    const APPLICATION: &str = "Application";
    const ENDPOINT: &str = "Endpoint";
    const EVENT_TYPE: &str = "Event Type";
    const MESSAGE: &str = "Message";
    const ATTEMPT: &str = "Message Attempt";
    const AUTH: &str = "Authentication";
    const TASK: &str = "Background Tasks";
    const STATISTICS: &str = "Statistics";
    const OPERATIONAL: &str = "Webhook Endpoint";
    const PRESET: &str = "Preset";
    const PLUGIN: &str = "Plugin";
    const SOURCE: &str = "Source";
    let described = match op {
        Op::Health => doc("v1.health.get", HEALTH, "Whether the gateway works").answers::<HealthOut>(200, "It works."),
        Op::HealthPing => doc("v1.health.ping", HEALTH, "Whether the gateway answers").answers_nothing(),
        Op::Openapi => {
            doc("v1.openapi", HEALTH, "This document").answers::<kind::Object>(200, "This document.")
        }

        Op::AppList => doc("v1.application.list", APPLICATION, "List applications")
            .page("ascending")
            .answers::<ListOut<ApplicationOut>>(200, "A page of applications."),
        Op::AppCreate => doc("v1.application.create", APPLICATION, "Create an application")
            .flag("get_if_exists", false, "Answer with the application of this uid, where there is one.")
            .body::<ApplicationIn>()
            .answers::<ApplicationOut>(201, "Created.")
            .answers::<ApplicationOut>(200, "It was there already (get_if_exists).")
            .error(409),
        Op::AppGet => {
            doc("v1.application.get", APPLICATION, "Get an application").answers::<ApplicationOut>(200, "The application.")
        }
        Op::AppUpdate => doc("v1.application.update", APPLICATION, "Set or create an application")
            .body::<ApplicationIn>()
            .answers::<ApplicationOut>(200, "Set.")
            .answers::<ApplicationOut>(201, "Created.")
            .error(409),
        Op::AppPatch => doc("v1.application.patch", APPLICATION, "Change parts of an application")
            .about("What is left out stays; null unsets.")
            .body::<ApplicationPatch>()
            .answers::<ApplicationOut>(200, "Changed.")
            .error(409),
        Op::AppDelete => doc("v1.application.delete", APPLICATION, "Delete an application").answers_nothing(),

        Op::EndpointList => doc("v1.endpoint.list", ENDPOINT, "List endpoints").endpoint_list().metadata(),
        Op::EndpointCreate => doc("v1.endpoint.create", ENDPOINT, "Create an endpoint").endpoint_create(),
        Op::EndpointGet => doc("v1.endpoint.get", ENDPOINT, "Get an endpoint").endpoint_get(),
        Op::EndpointUpdate => doc("v1.endpoint.update", ENDPOINT, "Set or create an endpoint").endpoint_update(),
        Op::EndpointPatch => doc("v1.endpoint.patch", ENDPOINT, "Change parts of an endpoint")
            .about("What is left out stays; null unsets.")
            .body::<EndpointPatch>()
            .answers::<EndpointOut>(200, "Changed.")
            .error(409),
        Op::EndpointDelete => doc("v1.endpoint.delete", ENDPOINT, "Delete an endpoint").answers_nothing(),
        Op::SecretGet => doc("v1.endpoint.get-secret", ENDPOINT, "Get an endpoint's secret").secret_get(),
        Op::SecretRotate => doc("v1.endpoint.rotate-secret", ENDPOINT, "Rotate an endpoint's secret").secret_rotate(),
        Op::HeadersGet => doc("v1.endpoint.get-headers", ENDPOINT, "Get an endpoint's headers").headers_get(),
        Op::HeadersPut => doc("v1.endpoint.update-headers", ENDPOINT, "Set an endpoint's headers").headers_put(),
        Op::HeadersPatch => doc("v1.endpoint.patch-headers", ENDPOINT, "Change some of an endpoint's headers").headers_patch(),
        Op::EndpointStats => doc("v1.endpoint.get-stats", ENDPOINT, "Count an endpoint's deliveries")
            .period()
            .answers::<EndpointStats>(200, "How many there were.")
            .error(400),
        Op::AttemptStats => doc("v1.endpoint.get-attempt-stats", ENDPOINT, "Count an endpoint's attempts")
            .period()
            .answers::<EndpointAttemptStats>(200, "How many there were.")
            .error(400),
        Op::Recover => doc("v1.endpoint.recover", ENDPOINT, "Send again what failed")
            .body::<PeriodIn>()
            .dry_run()
            .answers::<TaskOut>(202, "Started.")
            .error(400),
        Op::ReplayMissing => doc("v1.endpoint.replay-missing", ENDPOINT, "Send what was never tried")
            .body::<PeriodIn>()
            .dry_run()
            .answers::<TaskOut>(202, "Started.")
            .error(400),
        Op::BulkReplay => doc("v1.endpoint.bulk-replay", ENDPOINT, "Send again what was tried")
            .body::<BulkReplayIn>()
            .dry_run()
            .answers::<TaskOut>(202, "Started.")
            .error(400),
        Op::Overview => doc("weir.application.overview", APPLICATION, "How an application does")
            .about("Attempts by the hour, and what waits, of up to 50 endpoints: the newest.")
            .query("hours", "How many hours back.", json!({ "type": "integer", "minimum": 1, "maximum": 672, "default": 24 }))
            .query("limit", "How many endpoints to ask.", json!({ "type": "integer", "minimum": 1, "maximum": 50, "default": 50 }))
            .text("endpoint", "Only this endpoint, by id or uid.")
            .answers::<OverviewOut>(200, "How it does."),
        Op::SendExample => doc("v1.endpoint.send-example", ENDPOINT, "Send an example to an endpoint")
            .about("Once, to this endpoint alone. Without a payload, the event type's schema has to have an example.")
            .body::<ExampleIn>()
            .answers::<MessageOut>(200, "Sent.")
            .error(400)
            .error(503),
        Op::PluginsGet => doc("weir.endpoint.plugins.get", ENDPOINT, "Get an endpoint's plugins")
            .answers::<AttachmentsOut>(200, "Its plugins."),
        Op::PluginsPut => doc("weir.endpoint.plugins.update", ENDPOINT, "Set an endpoint's plugins")
            .body::<AttachmentsIn>()
            .answers::<AttachmentsOut>(200, "Set.")
            .error(409),

        Op::EventTypeList => doc("v1.event-type.list", EVENT_TYPE, "List event types")
            .page("ascending")
            .flag("include_archived", false, "Archived ones too.")
            .flag("with_content", false, "With their schemas.")
            .answers::<ListOut<EventTypeOut>>(200, "A page of event types."),
        Op::EventTypeCreate => doc("v1.event-type.create", EVENT_TYPE, "Create an event type")
            .about("An archived one of this name is brought back.")
            .body::<event_type::Fields>()
            .answers::<EventTypeOut>(201, "Created.")
            .error(409),
        Op::EventTypeImport => doc("v1.event-type.import-openapi", EVENT_TYPE, "Import event types from OpenAPI")
            .about("The webhooks of the document.")
            .body::<openapi::Fields>()
            .answers::<ImportOut>(200, "Done, or what would be done."),
        Op::EventTypeGet => {
            doc("v1.event-type.get", EVENT_TYPE, "Get an event type").answers::<EventTypeOut>(200, "The event type.")
        }
        Op::EventTypeUpdate => doc("v1.event-type.update", EVENT_TYPE, "Set or create an event type")
            .body::<event_type::UpdateIn>()
            .answers::<EventTypeOut>(200, "Set.")
            .answers::<EventTypeOut>(201, "Created."),
        Op::EventTypePatch => doc("v1.event-type.patch", EVENT_TYPE, "Change parts of an event type")
            .body::<EventTypePatch>()
            .answers::<EventTypeOut>(200, "Changed."),
        Op::EventTypeDelete => doc("v1.event-type.delete", EVENT_TYPE, "Archive or delete an event type")
            .flag("expunge", false, "Delete it instead of archiving it.")
            .answers_nothing(),

        Op::MessageCreate => doc("v1.message.create", MESSAGE, "Create a message")
            .about("Answered once it is stored; it is then delivered to every endpoint that wants it.")
            .flag("with_content", true, "Answer with the payload.")
            .idempotent()
            .body::<MessageIn<'_>>()
            .answers::<MessageOut>(202, "Stored.")
            .error(409),
        Op::MessageList => doc("v1.message.list", MESSAGE, "List messages")
            .messages()
            .text("event_id", "Only with this event id.")
            .flag("with_deliveries", false, "Say how each message stands at its endpoints.")
            .answers::<ListOut<MessageOut>>(200, "A page of messages, newest first."),
        Op::MessageGet => doc("v1.message.get", MESSAGE, "Get a message")
            .flag("with_content", true, "With the payload.")
            .answers::<MessageOut>(200, "The message."),
        Op::MessageExpunge => {
            doc("v1.message.expunge-content", MESSAGE, "Delete a message's payload").answers_nothing()
        }
        Op::BulkExpunge => doc("v1.message.bulk-expunge-content", MESSAGE, "Delete the payloads of several messages")
            .body::<BulkExpungeIn>()
            .answers::<BulkExpungeOut>(200, "What became of each."),
        Op::ExpungeAll => doc("v1.message.expunge-all-contents", MESSAGE, "Delete all payloads of an application")
            .about("A background task: those of all messages that are there now.")
            .answers::<TaskOut>(202, "Started.")
            .error(400),
        Op::Precheck => doc("v1.message.precheck", MESSAGE, "Whether a message would reach anyone")
            .body::<PrecheckIn>()
            .answers::<PrecheckOut>(200, "Whether it would."),

        Op::AttemptsByMessage => doc("v1.message-attempt.list-by-msg", ATTEMPT, "List a message's attempts")
            .attempts()
            .text("endpoint_id", "Only to this endpoint, by id or uid.")
            .answers::<ListOut<MessageAttemptOut>>(200, "A page of attempts, newest first."),
        Op::AttemptsByEndpoint => doc("v1.message-attempt.list-by-endpoint", ATTEMPT, "List an endpoint's attempts")
            .attempts()
            .answers::<ListOut<MessageAttemptOut>>(200, "A page of attempts, newest first."),
        Op::AttemptGet => doc("v1.message-attempt.get", ATTEMPT, "Get an attempt")
            .answers::<MessageAttemptOut>(200, "The attempt."),
        Op::AttemptExpunge => {
            doc("v1.message-attempt.expunge-content", ATTEMPT, "Delete an attempt's response").answers_nothing()
        }
        Op::Destinations => {
            doc("v1.message-attempt.list-attempted-destinations", ATTEMPT, "List the endpoints that a message goes to")
                .limit()
                .iterator()
                .answers::<ListOut<MessageEndpointOut>>(200, "A page of endpoints, each with how it stands.")
        }
        Op::AttemptedMessages => {
            doc("v1.message-attempt.list-attempted-messages", ATTEMPT, "List the messages that go to an endpoint")
                .messages()
                .status()
                .answers::<ListOut<EndpointMessageOut>>(200, "A page of messages, each with how it stands.")
        }
        Op::Resend => doc("v1.message-attempt.resend", ATTEMPT, "Deliver a message once more")
            .answers::<kind::Object>(202, "It will be.")
            .error(400)
            .error(503),

        Op::PortalAccess => doc("v1.authentication.app-portal-access", AUTH, "Make a token for an application's portal")
            .optional_body::<PortalAccessIn>()
            .answers::<PortalAccessOut>(200, "A token, and a link that signs in with it."),
        Op::Logout => doc("v1.authentication.logout", AUTH, "Take this token back")
            .about("An application's token.")
            .answers_nothing()
            .error(400),
        Op::ExpireAll => doc("v1.authentication.expire-all", AUTH, "Take an application's tokens back")
            .optional_body::<ExpireAllIn>()
            .answers_nothing(),
        Op::SettingsGet => doc("weir.settings.get", HEALTH, "The deployment's settings")
            .about("Of secrets, whether they are set.")
            .answers::<Vec<SettingOut>>(200, "All settings, in order."),
        Op::TenantErase => doc("weir.tenant.erase", HEALTH, "Erase everything that the tenant has")
            .about(
                "Deletes all applications, sources, event types, plugins and operational endpoints, with their messages, \
                 attempts, secrets and configurations. It cannot be undone. The task is finished when nothing is left.",
            )
            .text("confirm", "The organisation's id, as a safeguard.")
            .answers::<TaskOut>(202, "Started.")
            .error(400),
        Op::Whoami => {
            doc("v1.authentication.whoami", AUTH, "Whose token this is").answers::<WhoamiOut>(200, "Whose it is.")
        }

        Op::UsageApps => doc("v1.statistics.aggregate-app-stats", STATISTICS, "Count the attempts of applications")
            .about("A background task, whose data has the result: `appStats`, one item for each application.")
            .body::<UsageIn>()
            .answers::<UsageOut>(202, "Started.")
            .error(400),
        Op::UsageEventTypes => {
            doc("v1.statistics.aggregate-event-types", STATISTICS, "Gather the event types that applications listen to")
                .about("A background task, whose data has the result: `event_types`, one item for each application.")
                .answers::<TaskOut>(202, "Started.")
                .error(400)
        }

        Op::TaskList => doc("v1.background-task.list", TASK, "List background tasks")
            .page("descending")
            .query("status", "Only with this status.", json!({ "type": "string", "enum": ["running", "finished", "failed"] }))
            .text("task", "Only of this kind.")
            .answers::<ListOut<BackgroundTaskOut>>(200, "A page of tasks."),
        Op::TaskGet => {
            doc("v1.background-task.get", TASK, "Get a background task").answers::<BackgroundTaskOut>(200, "The task.")
        }
        Op::TaskCancel => doc("v1.background-task.cancel", TASK, "Stop a background task")
            .about("What it has made due stays so.")
            .answers::<BackgroundTaskOut>(200, "Stopped.")
            .error(409),

        Op::OperationalList => doc("v1.operational-webhook.endpoint.list", OPERATIONAL, "List operational endpoints").endpoint_list(),
        Op::OperationalCreate => doc("v1.operational-webhook.endpoint.create", OPERATIONAL, "Create an operational endpoint").endpoint_create(),
        Op::OperationalGet => doc("v1.operational-webhook.endpoint.get", OPERATIONAL, "Get an operational endpoint").endpoint_get(),
        Op::OperationalUpdate => doc("v1.operational-webhook.endpoint.update", OPERATIONAL, "Set or create an operational endpoint").endpoint_update(),
        Op::OperationalDelete => doc("v1.operational-webhook.endpoint.delete", OPERATIONAL, "Delete an operational endpoint").answers_nothing(),
        Op::OperationalSecretGet => doc("v1.operational-webhook.endpoint.get-secret", OPERATIONAL, "Get an operational endpoint's secret").secret_get(),
        Op::OperationalSecretRotate => doc("v1.operational-webhook.endpoint.rotate-secret", OPERATIONAL, "Rotate an operational endpoint's secret").secret_rotate(),
        Op::OperationalHeadersGet => doc("v1.operational-webhook.endpoint.get-headers", OPERATIONAL, "Get an operational endpoint's headers").headers_get(),
        Op::OperationalHeadersPut => doc("v1.operational-webhook.endpoint.update-headers", OPERATIONAL, "Set an operational endpoint's headers").headers_put(),
        Op::OperationalHeadersPatch => doc("v1.operational-webhook.endpoint.patch-headers", OPERATIONAL, "Change some of an operational endpoint's headers").headers_patch(),

        Op::PresetList => doc("weir.preset.list", PRESET, "List the providers that are known")
            .page("ascending")
            .answers::<ListOut<PresetOut>>(200, "A page of presets."),
        Op::PresetGet => {
            doc("weir.preset.get", PRESET, "Get a provider's preset").answers::<kind::Object>(200, "All that is known of the provider.")
        }
        Op::PresetVerify => doc("weir.preset.verify", PRESET, "Find out why a signature fails")
            .body::<RequestIn>()
            .answers::<VerdictOut>(200, "The verdict, and the reason for it."),
        Op::PresetSign => doc("weir.preset.sign", PRESET, "Sign a request as a provider does")
            .body::<RequestIn>()
            .answers::<SignedOut>(200, "What to send."),
        Op::PresetEventTypes => doc("weir.preset.event-types", PRESET, "Make a provider's event types")
            .about("Those of its catalog, in its groups, with its examples. What there is of the same name is changed.")
            .answers::<ImportOut>(200, "Done."),

        Op::SourceList => doc("v1.ingest.source.list", SOURCE, "List sources")
            .page("ascending")
            .answers::<ListOut<SourceOut>>(200, "A page of sources."),
        Op::SourceCreate => doc("v1.ingest.source.create", SOURCE, "Create a source")
            .about("A URL at which a provider's webhooks come in. Its type is the name of a preset, one of Svix's kinds, generic-webhook or custom.")
            .body::<source::Fields<'_>>()
            .answers::<SourceOut>(201, "Created.")
            .error(409),
        Op::SourceGet => doc("v1.ingest.source.get", SOURCE, "Get a source")
            .about("Below a source's path there is what is below an application's: endpoints, messages, attempts, replays, plugins.")
            .answers::<SourceOut>(200, "The source."),
        Op::SourceUpdate => doc("v1.ingest.source.update", SOURCE, "Set or create a source")
            .about("Secrets stay where none are given and the type is the same.")
            .body::<source::Fields<'_>>()
            .answers::<SourceOut>(200, "Set.")
            .answers::<SourceOut>(201, "Created.")
            .error(409),
        Op::SourceDelete => doc("v1.ingest.source.delete", SOURCE, "Delete a source").answers_nothing(),
        Op::SourceRotate => doc("v1.ingest.source.rotate-token", SOURCE, "Give a source a new URL")
            .query(
                "grace_period_seconds",
                "How many seconds the one of before stays valid; 0 ends all of before at once.",
                json!({ "type": "integer", "minimum": 0, "maximum": 172_800, "default": 172_800 }),
            )
            .answers::<RotateTokenOut>(200, "The new URL.")
            .error(429),
        Op::SourcePortal => doc("v1.ingest.dashboard", SOURCE, "Get access to a source's dashboard")
            .optional_body::<PortalAccessIn>()
            .answers::<PortalAccessOut>(200, "A token for this source."),
        Op::RejectedList => doc("weir.ingest.rejected.list", SOURCE, "List rejected requests")
            .about("The newest thousand whose signature was not right, newest first.")
            .limit()
            .iterator()
            .answers::<ListOut<RejectedOut>>(200, "A page of rejected requests."),
        Op::RejectedGet => doc("weir.ingest.rejected.get", SOURCE, "Get a rejected request")
            .answers::<RejectedOut>(200, "The request, with all that is kept of it."),
        Op::RejectedAccept => doc("weir.ingest.rejected.accept", SOURCE, "Accept a rejected request by hand")
            .about("Its events are delivered as if its signature had been right.")
            .answers::<AcceptedOut>(202, "Accepted.")
            .error(409),
        Op::MessageRaw => doc("weir.ingest.message.raw", SOURCE, "Get the bytes of an event as they came in")
            .answers_bytes("The bytes, with the content type that they came with.")
            .error(400),

        Op::PluginList => doc("weir.plugin.list", PLUGIN, "List plugins")
            .about("The tenant's own, and those that are bundled with the deployment.")
            .page("ascending")
            .answers::<ListOut<PluginOut>>(200, "A page of plugins."),
        Op::PluginUpload => doc("weir.plugin.upload", PLUGIN, "Upload a version of a plugin")
            .about("A WebAssembly module. It becomes the current version.")
            .module()
            .answers::<VersionOut>(200, "It was there already.")
            .answers::<VersionOut>(201, "Stored.")
            .error(400),
        Op::PluginGet => doc("weir.plugin.get", PLUGIN, "Get a plugin").answers::<PluginOut>(200, "The plugin."),
        Op::PluginDelete => doc("weir.plugin.delete", PLUGIN, "Delete a plugin").force().answers_nothing().error(409),
        Op::PluginCurrent => doc("weir.plugin.set-current", PLUGIN, "Choose a plugin's current version")
            .body::<CurrentIn>()
            .answers::<PluginOut>(200, "Chosen.")
            .error(409),
        Op::VersionList => doc("weir.plugin.version.list", PLUGIN, "List a plugin's versions")
            .page("descending")
            .answers::<ListOut<VersionOut>>(200, "A page of versions."),
        Op::VersionGet => doc("weir.plugin.version.get", PLUGIN, "Get a version of a plugin").answers::<VersionOut>(200, "The version."),
        Op::VersionDelete => doc("weir.plugin.version.delete", PLUGIN, "Delete a version of a plugin").force().answers_nothing().error(409),
        Op::VersionWasm => doc("weir.plugin.version.wasm", PLUGIN, "Get a version's module, as it was uploaded").answers_module().error(409),
        Op::PluginTest => doc("weir.plugin.test", PLUGIN, "Run a plugin on one event")
            .about("Nothing is delivered.")
            .body::<TestIn>()
            .answers::<PluginTestOut>(200, "What it made of it.")
            .error(400),

        Op::RevokeToken => doc("weir.auth.revoke-token", AUTH, "Revoke a token by its id")
            .about("The id is the claim jti. Other isolates may believe the token for up to 30 seconds more.")
            .answers_nothing(),
        Op::RevokedList => doc("weir.auth.list-revoked", AUTH, "List the ids of revoked tokens")
            .answers::<ListOut<RevokedOut>>(200, "The newest 1000, by id."),
        Op::ResealAll => doc("weir.secrets.reseal", AUTH, "Encrypt stored secrets with the newest MASTER_KEY")
            .about("Goes through some applications and sources at a time: call it again with the iterator until done is true.")
            .query("iterator", "Where to go on.", json!({ "type": "string" }))
            .answers::<ResealOut>(200, "What was done."),

        Op::Resolve
        | Op::CheckEventTypes
        | Op::TaskNote
        | Op::Revoke
        | Op::IsRevoked
        | Op::TaskStop
        | Op::UsageStop
        | Op::PluginAttach
        | Op::PluginSettle
        | Op::PluginVerify
        | Op::PluginModule
        | Op::RejectedTake
        | Op::Reseal => return None,
    };
    Some(described)
}

/// What several operations have in common.
impl Doc {
    fn limit(self) -> Self {
        let schema =
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT });
        self.query("limit", "How many.", schema)
    }

    fn iterator(self) -> Self {
        self.text("iterator", "The iterator, or prevIterator, of an earlier page.")
    }

    fn page(self, order: &str) -> Self {
        let schema = json!({ "type": "string", "enum": ["ascending", "descending"], "default": order });
        self.limit().iterator().query("order", "In which order.", schema)
    }

    fn metadata(mut self) -> Self {
        self.parameters.push(json!({
            "name": "metadata", "in": "query", "style": "deepObject", "explode": true,
            "description": "Only with this metadata: `metadata[key]=value`, as often as needed.",
            "schema": { "type": "object", "additionalProperties": { "type": "string" } },
        }));
        self
    }

    fn period(self) -> Self {
        self.time("since", "From when on; 28 days before `until`, where it is left out.")
            .time("until", "Until when; now, where it is left out.")
    }

    /// A task that can be counted first.
    fn dry_run(self) -> Self {
        self.flag("dry_run", false, "Only count what it would touch.")
            .answers::<CountOut>(200, "So many, or at least so many (dry_run).")
            .error(503)
    }

    fn messages(self) -> Self {
        let types = json!({ "type": "array", "items": { "type": "string" } });
        self.limit()
            .iterator()
            .text("channel", "Only with this channel.")
            .text("tag", "Only with this tag.")
            .query("event_types", "Only of these types.", types)
            .time("before", "Only before this time.")
            .time(
                "after",
                "Only after this time. Without `before` and `iterator`: those that came next after it.",
            )
            .flag("with_content", true, "With payloads and responses.")
    }

    fn status(self) -> Self {
        let schema = json!({ "type": "integer", "enum": [0, 1, 2, 3, 4] });
        self.query("status", "0 success, 1 pending, 2 fail, 3 sending, 4 canceled.", schema)
    }

    fn attempts(self) -> Self {
        let class = json!({ "type": "integer", "enum": [0, 100, 200, 300, 400, 500] });
        self.messages()
            .status()
            .query("status_code_class", "Only with an HTTP status of this hundred; 0 for no answer.", class)
            .flag("with_msg", false, "Each with its message.")
    }

    fn force(self) -> Self {
        self.flag("force", false, "Even where endpoints have it.")
    }

    fn idempotent(mut self) -> Self {
        self.parameters.push(json!({
            "name": "idempotency-key", "in": "header", "schema": { "type": "string" },
            "description": "A request that comes again with the same key gets the first answer.",
        }));
        self
    }

    fn endpoint_list(self) -> Self {
        self.page("descending").answers::<ListOut<EndpointOut>>(200, "A page of endpoints.")
    }

    fn endpoint_create(self) -> Self {
        self.body::<endpoint::Fields>().answers::<EndpointOut>(201, "Created.").error(409)
    }

    fn endpoint_get(self) -> Self {
        self.answers::<EndpointOut>(200, "The endpoint.")
    }

    fn endpoint_update(self) -> Self {
        self.about("Neither the secret nor the headers of one that is there are changed.")
            .body::<endpoint::Fields>()
            .answers::<EndpointOut>(200, "Set.")
            .answers::<EndpointOut>(201, "Created.")
            .error(409)
    }

    fn secret_get(self) -> Self {
        self.answers::<EndpointSecretOut>(200, "The secret, or the public half of it.")
    }

    fn secret_rotate(self) -> Self {
        self.about("The old secret signs beside the new one for a time.")
            .optional_body::<EndpointSecretRotateIn>()
            .answers::<EndpointSecretOut>(200, "The new secret.")
            .error(400)
    }

    fn headers_get(self) -> Self {
        self.answers::<EndpointHeadersOut>(200, "Its headers; sensitive ones by name only.")
    }

    fn headers_put(self) -> Self {
        self.body::<EndpointHeadersIn>().answers_nothing()
    }

    fn headers_patch(self) -> Self {
        self.about("A header that is null, or in deleteHeaders, is deleted.")
            .body::<EndpointHeadersPatch>()
            .answers_nothing()
    }
}

/// Whether the gateway works; in the shape of Svix's server.
#[derive(schemars::JsonSchema)]
#[allow(dead_code)] // never made
struct HealthOut {
    database: HealthStatus,
    queue: HealthStatus,
    cache: HealthStatus,
}

#[derive(schemars::JsonSchema)]
#[allow(dead_code)] // never made
struct HealthStatus {
    status: String,
}

/// What a plugin made of an event, and what it changed.
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // never made
struct PluginTestOut {
    /// The version that ran.
    version: String,
    /// What it took.
    fuel: u64,
    /// The memory it had at the end, in pages of 64 KiB.
    memory_pages: u64,
    /// What ran it.
    engine: String,
    /// What it said.
    #[schemars(with = "Vec<kind::Object>")]
    logs: (),
    /// What became of the event: `unchanged`, `replaced`, `dropped` or `failed`.
    verdict: String,
    /// What it changed.
    #[schemars(with = "kind::Object")]
    diff: (),
}
