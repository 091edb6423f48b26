//! Operations on the tenant as a whole: health, authentication, settings, tasks, statistics, operational endpoints.

use super::{Doc, doc, kind};
use crate::api::model::application::{TenantOut, TenantPatch};
use crate::api::model::auth::{
    ExpireAllIn, PortalAccessIn, PortalAccessOut, ResealOut, RevokedOut, WhoamiOut,
};
use crate::api::model::setting::SettingOut;
use crate::api::model::task::{BackgroundTaskOut, TaskOut};
use crate::api::model::usage::{UsageIn, UsageOut};
use crate::api::page::ListOut;
use crate::api::route::Op;
use crate::error::Code;
use serde_json::json;

const HEALTH: &str = "Health";
const AUTH: &str = "Authentication";
const TASK: &str = "Background Tasks";
const STATISTICS: &str = "Statistics";
const OPERATIONAL: &str = "Webhook Endpoint";

pub(super) fn describe(op: Op) -> Option<Doc> {
    health(op).or_else(|| authentication(op)).or_else(|| tasks(op)).or_else(|| operational(op))
}

fn health(op: Op) -> Option<Doc> {
    Some(match op {
        Op::Health => doc("v1.health.get", HEALTH, "Check health")
            .about("Returns 200 if the Worker runs. It does not check the storage.")
            .answers::<HealthOut>(200, "The Worker runs."),
        Op::HealthPing => doc("v1.health.ping", HEALTH, "Ping")
            .about("Returns 204 if the Worker runs. It does not check the storage.")
            .answers_nothing(),
        Op::Openapi => doc("v1.openapi", HEALTH, "Get the OpenAPI document")
            .about("Returns this description of the API in OpenAPI 3.1.")
            .answers::<kind::Object>(200, "The OpenAPI document."),
        Op::SettingsGet => doc("weir.settings.get", HEALTH, "List settings")
            .about("Returns the deployment's settings with the values in effect. Secrets only show whether they are set.")
            .answers::<Vec<SettingOut>>(200, "All settings, in the order of the documentation."),
        Op::TenantGet => doc("weir.tenant.get", HEALTH, "Get the tenant's defaults")
            .about("Returns what new applications of the tenant get.")
            .answers::<TenantOut>(200, "The tenant's defaults."),
        Op::TenantPatch => doc("weir.tenant.patch", HEALTH, "Change the tenant's defaults")
            .about(
                "Sets the preset that new applications get. Their endpoints inherit it, and application tokens cannot remove or \
                 loosen it. Existing applications do not change. Omitted fields are unchanged; `null` clears a field.",
            )
            .body::<TenantPatch>(json!({ "endpointPreset": "loops" }))
            .answers::<TenantOut>(200, "The tenant's defaults."),
        Op::TenantErase => doc("weir.tenant.erase", HEALTH, "Delete all data of the tenant")
            .about(
                "Deletes all applications, sources, event types, plugins and operational endpoints, with their messages, \
                 attempts, secrets and configurations. This cannot be undone. The task finishes when nothing is left.",
            )
            .text("confirm", "The tenant's id, as a safeguard.")
            .answers::<TaskOut>(202, "The task that deletes the data.")
            .error(Code::ConfirmationRequired)
            .error(Code::LimitReached),
        _ => return None,
    })
}

fn authentication(op: Op) -> Option<Doc> {
    Some(match op {
        Op::PortalAccess => doc("v1.authentication.app-portal-access", AUTH, "Create portal access")
            .about("Creates an application token, and a link that signs in to the application's portal with it.")
            .optional_body::<PortalAccessIn>(json!({ "expiry": 3600, "readOnly": true }))
            .answers::<PortalAccessOut>(200, "The token, and the link that signs in with it."),
        Op::Logout => doc("v1.authentication.logout", AUTH, "Revoke this token")
            .about("Revokes the token that is sent. Other isolates may accept it for up to 30 seconds.")
            .answers_nothing()
            .error(Code::BadToken),
        Op::ExpireAll => doc("v1.authentication.expire-all", AUTH, "Revoke an application's tokens")
            .about("Revokes all tokens of an application that exist now, or those of some sessions.")
            .optional_body::<ExpireAllIn>(json!({ "expiry": 60 }))
            .answers_nothing(),
        Op::Whoami => doc("v1.authentication.whoami", AUTH, "Get the owner of this token")
            .about("Returns the tenant, the application and the session of the token that is sent.")
            .answers::<WhoamiOut>(200, "The owner of the token."),
        Op::RevokeToken => doc("weir.auth.revoke-token", AUTH, "Revoke a token by its id")
            .about("Revokes the token whose claim `jti` is this id. Other isolates may accept it for up to 30 seconds.")
            .answers_nothing(),
        Op::RevokedList => doc("weir.auth.list-revoked", AUTH, "List revoked tokens")
            .about("Returns the ids of tokens that were revoked by id: the newest 1000.")
            .answers::<ListOut<RevokedOut>>(200, "The revoked tokens, by id."),
        Op::ResealAll => doc("weir.secrets.reseal", AUTH, "Encrypt stored secrets with the newest key")
            .about(
                "Encrypts secrets, headers and plugin configurations with the newest `MASTER_KEY`. A call processes some \
                 applications and sources. Repeat it with the returned iterator until `done` is true.",
            )
            .text("iterator", "The iterator that the previous call returned.")
            .answers::<ResealOut>(200, "The progress of the encryption."),
        _ => return None,
    })
}

fn tasks(op: Op) -> Option<Doc> {
    Some(match op {
        Op::UsageApps => doc("v1.statistics.aggregate-app-stats", STATISTICS, "Count attempts per application")
            .about("Starts a background task. Its data holds the result as `appStats`, one item per application.")
            .body::<UsageIn>(json!({ "since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z" }))
            .answers::<UsageOut>(202, "The task that was started.")
            .error(Code::LimitReached),
        Op::UsageEventTypes => doc("v1.statistics.aggregate-event-types", STATISTICS, "List subscribed event types")
            .about(
                "Starts a background task that collects the event types to which applications subscribe. Its data holds the \
                 result as `event_types`, one item per application.",
            )
            .answers::<TaskOut>(202, "The task that was started.")
            .error(Code::LimitReached),
        Op::TaskList => doc("v1.background-task.list", TASK, "List background tasks")
            .about("Returns the tenant's background tasks. Finished ones are kept for the retention period.")
            .page("descending")
            .query(
                "status",
                "Only tasks with this status.",
                json!({ "type": "string", "enum": ["running", "finished", "failed"] }),
            )
            .text("task", "Only tasks of this kind.")
            .answers::<ListOut<BackgroundTaskOut>>(200, "A page of tasks."),
        Op::TaskGet => doc("v1.background-task.get", TASK, "Get a background task")
            .about("Returns a background task with its progress. Application tokens see tasks of their application only.")
            .answers::<BackgroundTaskOut>(200, "The requested task."),
        Op::TaskCancel => doc("v1.background-task.cancel", TASK, "Cancel a background task")
            .about("Stops a running task. Deliveries that it has already scheduled are made.")
            .answers::<BackgroundTaskOut>(200, "The canceled task.")
            .error(Code::Conflict),
        _ => return None,
    })
}

fn operational(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, OPERATIONAL, summary);
    let example = || json!({ "url": "https://example.com/weir-events", "uid": "ops", "filterTypes": ["endpoint.disabled"] });
    Some(match op {
        Op::OperationalList => named("v1.operational-webhook.endpoint.list", "List operational endpoints")
            .about("Returns the endpoints that receive the tenant's operational events.")
            .endpoint_list(),
        Op::OperationalCreate => named("v1.operational-webhook.endpoint.create", "Create an operational endpoint")
            .about("Creates an endpoint that receives operational events, such as `endpoint.disabled`.")
            .endpoint_create(example()),
        Op::OperationalGet => named("v1.operational-webhook.endpoint.get", "Get an operational endpoint")
            .about("Returns an operational endpoint by its id or uid.")
            .endpoint_get(),
        Op::OperationalUpdate => named("v1.operational-webhook.endpoint.update", "Create or replace an operational endpoint")
            .about("Replaces an operational endpoint, or creates it. The secret and the headers of an existing one stay.")
            .endpoint_update(example()),
        Op::OperationalDelete => named("v1.operational-webhook.endpoint.delete", "Delete an operational endpoint")
            .about("Deletes an operational endpoint. Its pending deliveries are dropped.")
            .answers_nothing(),
        Op::OperationalSecretGet => {
            named("v1.operational-webhook.endpoint.get-secret", "Get an operational endpoint's secret")
                .about("Returns the secret with which the requests to this operational endpoint are signed.")
                .secret_get()
        }
        Op::OperationalSecretRotate => {
            named("v1.operational-webhook.endpoint.rotate-secret", "Rotate an operational endpoint's secret")
                .about("Replaces the secret. Both secrets sign until the grace period ends.")
                .secret_rotate()
        }
        Op::OperationalHeadersGet => {
            named("v1.operational-webhook.endpoint.get-headers", "Get an operational endpoint's headers")
                .about("Returns the custom headers of an operational endpoint.")
                .headers_get()
        }
        Op::OperationalHeadersPut => {
            named("v1.operational-webhook.endpoint.update-headers", "Replace an operational endpoint's headers")
                .about("Replaces all custom headers of an operational endpoint.")
                .headers_put()
        }
        Op::OperationalHeadersPatch => {
            named("v1.operational-webhook.endpoint.patch-headers", "Update an operational endpoint's headers")
                .about("Sets and deletes some custom headers. Other headers are unchanged.")
                .headers_patch()
        }
        _ => return None,
    })
}

/// Whether the gateway works; in the shape of Svix's server.
#[derive(schemars::JsonSchema)]
#[allow(dead_code)] // never made
struct HealthOut {
    /// The status of the storage.
    database: HealthStatus,
    /// The status of the queue.
    queue: HealthStatus,
    /// The status of the cache.
    cache: HealthStatus,
}

#[derive(schemars::JsonSchema)]
#[allow(dead_code)] // never made
struct HealthStatus {
    /// The status. Always `ok`.
    status: String,
}
