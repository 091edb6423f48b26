//! Operations on applications, endpoints, event types, messages and attempts.

use super::{Doc, doc, kind};
use crate::api::model::application::{ApplicationIn, ApplicationOut, ApplicationPatch};
use crate::api::model::attempt::MessageAttemptOut;
use crate::api::model::batch::{MessageBatchIn, MessageBatchOut};
use crate::api::model::delivery::{EndpointMessageOut, MessageEndpointOut};
use crate::api::model::endpoint::{EndpointAttemptStats, EndpointOut, EndpointPatch, EndpointStats};
use crate::api::model::event_type::{self, EventTypeOut, EventTypePatch};
use crate::api::model::example::{ExampleIn, PrecheckIn, PrecheckOut};
use crate::api::model::forget::{BulkExpungeIn, BulkExpungeOut};
use crate::api::model::message::{MessageIn, MessageOut, MessagesOut};
use crate::api::model::openapi::{self, ImportOut};
use crate::api::model::overview::{OverviewOut, TenantOverviewOut};
use crate::api::model::plugin::{AttachmentsIn, AttachmentsOut};
use crate::api::model::task::{BulkReplayIn, PeriodIn, TaskOut};
use crate::api::page::ListOut;
use crate::api::route::Op;
use crate::error::Code;
use serde_json::{Value, json};

const APPLICATION: &str = "Application";
const ENDPOINT: &str = "Endpoint";
const EVENT_TYPE: &str = "Event Type";
const MESSAGE: &str = "Message";
const ATTEMPT: &str = "Message Attempt";

pub(super) fn describe(op: Op) -> Option<Doc> {
    application(op)
        .or_else(|| endpoint(op))
        .or_else(|| endpoint_parts(op))
        .or_else(|| replay(op))
        .or_else(|| event_type(op))
        .or_else(|| message(op))
        .or_else(|| attempt(op))
}

fn application(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, APPLICATION, summary);
    let example = || json!({ "name": "Acme", "uid": "acme", "metadata": { "plan": "pro" } });
    Some(match op {
        Op::AppList => named("v1.application.list", "List applications")
            .about("Returns the tenant's applications, one page at a time.")
            .page("ascending")
            .answers::<ListOut<ApplicationOut>>(200, "A page of applications."),
        Op::AppCreate => named("v1.application.create", "Create an application")
            .about("Creates an application: a consumer of your webhooks, usually one of your customers.")
            .flag("get_if_exists", false, "Return the existing application if one has this uid.")
            .body::<ApplicationIn>(example())
            .answers::<ApplicationOut>(201, "The new application.")
            .answers::<ApplicationOut>(200, "The existing application, if `get_if_exists` is set.")
            .error(Code::Conflict),
        Op::AppGet => named("v1.application.get", "Get an application")
            .about("Returns an application by its id or uid.")
            .answers::<ApplicationOut>(200, "The requested application."),
        Op::AppUpdate => named("v1.application.update", "Create or replace an application")
            .about("Replaces all fields of an application. If the path names a uid that does not exist, it is created.")
            .body::<ApplicationIn>(example())
            .answers::<ApplicationOut>(200, "The updated application.")
            .answers::<ApplicationOut>(201, "The new application.")
            .error(Code::Conflict),
        Op::AppPatch => named("v1.application.patch", "Update an application")
            .about("Omitted fields are unchanged; `null` clears a field.")
            .body::<ApplicationPatch>(json!({ "throttleRate": 100 }))
            .answers::<ApplicationOut>(200, "The updated application.")
            .error(Code::Conflict),
        Op::AppDelete => named("v1.application.delete", "Delete an application")
            .about("Deletes an application with its endpoints, messages and attempts. A background task removes the data.")
            .answers_nothing(),
        Op::Overview => named("weir.application.overview", "Get an application's delivery statistics")
            .about("Returns attempts per hour and the backlog, for up to 50 endpoints, the newest.")
            .query(
                "hours",
                "The length of the period, in hours.",
                json!({ "type": "integer", "minimum": 1, "maximum": 672, "default": 24 }),
            )
            .query(
                "limit",
                "The maximum number of endpoints.",
                json!({ "type": "integer", "minimum": 1, "maximum": 50, "default": 50 }),
            )
            .text("endpoint", "Only this endpoint, by id or uid.")
            .query(
                "previous",
                "Also return the totals of the period before. Periods of up to 336 hours.",
                json!({ "type": "boolean", "default": false }),
            )
            .answers::<OverviewOut>(200, "The statistics of the period."),
        Op::TenantOverview => named("weir.overview.get", "List the endpoints in trouble")
            .about(
                "Lists the endpoints of all applications and sources that fail, have an open circuit breaker, are disabled or \
                 have a backlog, the worst first. Endpoints report this themselves.",
            )
            .query(
                "limit",
                "The maximum number of endpoints.",
                json!({ "type": "integer", "minimum": 1, "maximum": 250, "default": 50 }),
            )
            .query(
                "state",
                "Only endpoints in this state.",
                json!({ "type": "string", "enum": ["open", "failing", "disabled", "waiting"] }),
            )
            .answers::<TenantOverviewOut>(200, "The endpoints in trouble, and how many there are."),
        _ => return None,
    })
}

fn endpoint(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, ENDPOINT, summary);
    let example =
        || json!({ "url": "https://example.com/webhooks", "uid": "main", "filterTypes": ["invoice.paid"] });
    Some(match op {
        Op::EndpointList => named("v1.endpoint.list", "List endpoints")
            .about("Returns an application's endpoints, one page at a time.")
            .endpoint_list()
            .metadata(),
        Op::EndpointCreate => named("v1.endpoint.create", "Create an endpoint")
            .about("Creates an endpoint. It receives messages that are accepted from now on.")
            .endpoint_create(example()),
        Op::EndpointGet => named("v1.endpoint.get", "Get an endpoint")
            .about("Returns an endpoint by its id or uid.")
            .endpoint_get(),
        Op::EndpointUpdate => named("v1.endpoint.update", "Create or replace an endpoint")
            .about(
                "Replaces all fields of an endpoint. If the path names a uid that does not exist, it is created. The secret and \
                 the headers of an existing endpoint stay.",
            )
            .endpoint_update(example()),
        Op::EndpointPatch => named("v1.endpoint.patch", "Update an endpoint")
            .about("Omitted fields are unchanged; `null` clears a field.")
            .body::<EndpointPatch>(json!({ "paused": true }))
            .answers::<EndpointOut>(200, "The updated endpoint.")
            .error(Code::Conflict),
        Op::EndpointDelete => named("v1.endpoint.delete", "Delete an endpoint")
            .about("Deletes an endpoint. Its pending deliveries are dropped.")
            .answers_nothing(),
        Op::EndpointStats => named("v1.endpoint.get-stats", "Get an endpoint's delivery statistics")
            .about("Returns the number of deliveries by status, and the state of the circuit breaker.")
            .period()
            .answers::<EndpointStats>(200, "The number of deliveries by status.")
            .error(Code::InvalidRange),
        Op::AttemptStats => named("v1.endpoint.get-attempt-stats", "Get an endpoint's attempt statistics")
            .about("Returns the number of attempts by result.")
            .period()
            .answers::<EndpointAttemptStats>(200, "The number of attempts by result.")
            .error(Code::InvalidRange),
        _ => return None,
    })
}

fn endpoint_parts(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, ENDPOINT, summary);
    let plugins = || json!({ "plugins": [{ "name": "filter", "config": { "when": "body.amount >= 100" } }] });
    Some(match op {
        Op::SecretGet => named("v1.endpoint.get-secret", "Get an endpoint's secret")
            .about("Returns the secret with which the endpoint's requests are signed. Give it to the receiver.")
            .secret_get(),
        Op::SecretRotate => named("v1.endpoint.rotate-secret", "Rotate an endpoint's secret")
            .about("Replaces the secret. Both secrets sign until the grace period ends.")
            .secret_rotate(),
        Op::HeadersGet => named("v1.endpoint.get-headers", "Get an endpoint's headers")
            .about("Returns the custom headers that every request to the endpoint carries.")
            .headers_get(),
        Op::HeadersPut => named("v1.endpoint.update-headers", "Replace an endpoint's headers")
            .about("Replaces all custom headers of an endpoint.")
            .headers_put(),
        Op::HeadersPatch => named("v1.endpoint.patch-headers", "Update an endpoint's headers")
            .about("Sets and deletes some custom headers. Other headers are unchanged.")
            .headers_patch(),
        Op::PluginsGet => named("weir.endpoint.plugins.get", "Get an endpoint's plugins")
            .about("Returns the plugins through which the endpoint's events pass, in order.")
            .answers::<AttachmentsOut>(200, "The endpoint's plugins."),
        Op::PluginsPut => named("weir.endpoint.plugins.update", "Replace an endpoint's plugins")
            .about(
                "Replaces all plugins of an endpoint. Each configuration is tested on a sample event first, and refused if it \
                 can never work.",
            )
            .body::<AttachmentsIn>(plugins())
            .answers::<AttachmentsOut>(200, "The endpoint's plugins.")
            .error(Code::Conflict)
            .error(Code::ConcurrentUpdate),
        Op::SendExample => named("v1.endpoint.send-example", "Send an example event")
            .about(
                "Sends one example event to this endpoint only. Without a payload, the event type's schema must have an \
                 example.",
            )
            .body::<ExampleIn>(json!({ "eventType": "invoice.paid", "payload": { "id": "in_1001", "amount": 1200 } }))
            .answers::<MessageOut>(200, "The message that is sent.")
            .error(Code::InvalidScheme)
            .error(Code::EndpointDisabled)
            .error(Code::NotReady),
        _ => return None,
    })
}

fn replay(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, ENDPOINT, summary);
    let period = || json!({ "since": "2026-11-29T00:00:00Z", "until": "2026-11-30T00:00:00Z" });
    Some(match op {
        Op::Recover => named("v1.endpoint.recover", "Recover failed messages")
            .about("Starts a background task that resends all messages of the period whose delivery has failed.")
            .body::<PeriodIn>(period())
            .dry_run()
            .answers::<TaskOut>(202, "The task that was started."),
        Op::ReplayMissing => named("v1.endpoint.replay-missing", "Replay missing messages")
            .about("Starts a background task that sends all messages of the period that were never attempted.")
            .body::<PeriodIn>(period())
            .dry_run()
            .answers::<TaskOut>(202, "The task that was started."),
        Op::BulkReplay => named("v1.endpoint.bulk-replay", "Replay messages that match a filter")
            .about("Starts a background task that resends all messages of the period that match the filter.")
            .body::<BulkReplayIn>(
                json!({ "since": "2026-11-29T00:00:00Z", "until": "2026-11-30T00:00:00Z", "eventTypes": ["invoice.paid"], "statusCodeClass": 500 }),
            )
            .dry_run()
            .answers::<TaskOut>(202, "The task that was started."),
        _ => return None,
    })
}

fn event_type(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, EVENT_TYPE, summary);
    let schema = || {
        json!({ "1": {
            "type": "object", "properties": { "amount": { "type": "integer" } }, "examples": [{ "amount": 1200 }]
        } })
    };
    Some(match op {
        Op::EventTypeList => named("v1.event-type.list", "List event types")
            .about("Returns the tenant's event types, one page at a time.")
            .page("ascending")
            .flag("include_archived", false, "Whether to include archived event types.")
            .flag("with_content", false, "Whether to include the schemas.")
            .answers::<ListOut<EventTypeOut>>(200, "A page of event types."),
        Op::EventTypeCreate => named("v1.event-type.create", "Create an event type")
            .about("Creates an event type. An archived event type with this name is restored.")
            .body::<event_type::Fields>(
                json!({ "name": "invoice.paid", "description": "An invoice was paid.", "schemas": schema() }),
            )
            .answers::<EventTypeOut>(201, "The new event type.")
            .error(Code::EventTypeExists),
        Op::EventTypeImport => named("v1.event-type.import-openapi", "Import event types from OpenAPI")
            .about("Creates and updates event types from the webhooks of an OpenAPI document.")
            .body::<openapi::Fields<'static>>(json!({ "dryRun": true, "spec": {
                "openapi": "3.1.0", "info": { "title": "Acme", "version": "1" },
                "webhooks": { "invoice.paid": { "post": {
                    "requestBody": { "content": { "application/json": { "schema": { "type": "object" } } } }
                } } }
            } }))
            .answers::<ImportOut>(200, "What the import changed, or would change."),
        Op::EventTypeGet => named("v1.event-type.get", "Get an event type")
            .about("Returns an event type with its schemas.")
            .answers::<EventTypeOut>(200, "The event type."),
        Op::EventTypeUpdate => named("v1.event-type.update", "Create or replace an event type")
            .about("Replaces all fields of an event type. If it does not exist, it is created.")
            .body_read_as::<event_type::UpdateIn, Value>(
                json!({ "description": "An invoice was paid.", "groupName": "billing" }),
            )
            .answers::<EventTypeOut>(200, "The updated event type.")
            .answers::<EventTypeOut>(201, "The new event type."),
        Op::EventTypePatch => named("v1.event-type.patch", "Update an event type")
            .about("Omitted fields are unchanged; `null` clears a field.")
            .body::<EventTypePatch>(json!({ "deprecated": true }))
            .answers::<EventTypeOut>(200, "The updated event type."),
        Op::EventTypeDelete => named("v1.event-type.delete", "Archive or delete an event type")
            .about("Archives an event type. With `expunge`, it is deleted instead.")
            .flag("expunge", false, "Whether to delete the event type instead of archiving it.")
            .answers_nothing(),
        _ => return None,
    })
}

fn message(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, MESSAGE, summary);
    let example = || json!({ "eventType": "invoice.paid", "eventId": "in_1001", "payload": { "id": "in_1001", "amount": 1200 } });
    Some(match op {
        Op::MessageCreate => named("v1.message.create", "Create a message")
            .about("Stores a message and returns. The message is then delivered to every matching endpoint.")
            .flag("with_content", true, "Whether to include the payload in the response.")
            .idempotent()
            .body::<MessageIn<'static>>(example())
            .answers::<MessageOut>(202, "The stored message.")
            .error(Code::Conflict),
        Op::MessageBatch => named("v1.message.create-batch", "Create several messages")
            .about(
                "Stores up to 100 messages in one transaction. Each message has a result of its own. The statuses 429, 503 and \
                 507 apply to the whole request, and so does the idempotency key.",
            )
            .idempotent()
            .body::<MessageBatchIn<'static>>(json!({ "messages": [example()] }))
            .answers::<MessageBatchOut>(200, "One result per message, in the order of the request."),
        Op::MessageList => named("v1.message.list", "List messages")
            .about("Returns an application's messages, newest first.")
            .messages()
            .text("event_id", "Only the message with this event id.")
            .flag("with_deliveries", false, "Whether to include the number of deliveries by status.")
            .answers::<MessagesOut<MessageOut>>(200, "A page of messages, newest first."),
        Op::MessageGet => named("v1.message.get", "Get a message")
            .about("Returns a message by its id or event id.")
            .flag("with_content", true, "Whether to include the payload.")
            .answers::<MessageOut>(200, "The requested message."),
        Op::AppMessageRaw => named("weir.message.raw", "Get the exact bytes of a payload")
            .about("Returns the payload byte for byte, also if it is not a JSON object.")
            .answers_bytes("The payload, byte for byte.")
            .error(Code::MissingPayload),
        Op::MessageExpunge => named("v1.message.expunge-content", "Delete a message's payload")
            .about(
                "Deletes the payload of a message. The message stays in the log, and pending deliveries end.",
            )
            .answers_nothing(),
        Op::BulkExpunge => {
            named("v1.message.bulk-expunge-content", "Delete the payloads of several messages")
                .about("Deletes the payloads of up to 1000 messages.")
                .body::<BulkExpungeIn>(json!({ "ids": ["in_1001", "in_1002"] }))
                .answers::<BulkExpungeOut>(200, "The result for each message.")
        }
        Op::ExpungeAll => named("v1.message.expunge-all-contents", "Delete all payloads of an application")
            .about("Starts a background task that deletes the payloads of all messages that exist now.")
            .answers::<TaskOut>(202, "The task that was started.")
            .error(Code::LimitReached),
        Op::Precheck => named("v1.message.precheck", "Check whether a message would be delivered")
            .about("Returns whether at least one endpoint matches the event type and the channels.")
            .body::<PrecheckIn>(json!({ "eventType": "invoice.paid", "channels": ["eu"] }))
            .answers::<PrecheckOut>(200, "Whether the message would be delivered."),
        _ => return None,
    })
}

fn attempt(op: Op) -> Option<Doc> {
    let named = |id, summary| doc(id, ATTEMPT, summary);
    Some(match op {
        Op::AttemptsByMessage => named("v1.message-attempt.list-by-msg", "List a message's attempts")
            .about("Returns the attempts to deliver a message, newest first.")
            .attempts()
            .text("endpoint_id", "Only attempts to this endpoint, by id or uid.")
            .answers::<ListOut<MessageAttemptOut>>(200, "A page of attempts, newest first."),
        Op::AttemptsByEndpoint => named("v1.message-attempt.list-by-endpoint", "List an endpoint's attempts")
            .about("Returns the attempts to deliver to an endpoint, newest first.")
            .attempts()
            .answers::<ListOut<MessageAttemptOut>>(200, "A page of attempts, newest first."),
        Op::AttemptGet => named("v1.message-attempt.get", "Get an attempt")
            .about("Returns an attempt with the headers of the request and the response.")
            .answers::<MessageAttemptOut>(200, "The requested attempt."),
        Op::AttemptExpunge => named("v1.message-attempt.expunge-content", "Delete an attempt's response")
            .about("Deletes the stored response of an attempt. The attempt stays on record.")
            .answers_nothing(),
        Op::Destinations => named(
            "v1.message-attempt.list-attempted-destinations",
            "List the endpoints of a message",
        )
        .about("Returns the endpoints to which a message is delivered, with the status of each delivery.")
        .limit()
        .iterator()
        .answers::<ListOut<MessageEndpointOut>>(200, "A page of endpoints, each with its delivery's status."),
        Op::AttemptedMessages => named(
            "v1.message-attempt.list-attempted-messages",
            "List the messages of an endpoint",
        )
        .about("Returns the messages that are delivered to an endpoint, with the status of each delivery.")
        .messages()
        .status()
        .answers::<MessagesOut<EndpointMessageOut>>(
            200,
            "A page of messages, each with its delivery's status.",
        ),
        Op::Resend => named("v1.message-attempt.resend", "Resend a message")
            .about("Delivers a message to an endpoint again, whatever the result of earlier attempts.")
            .answers::<kind::Object>(202, "The delivery is scheduled.")
            .error(Code::MissingPayload)
            .error(Code::EndpointDisabled)
            .error(Code::NotReady),
        _ => return None,
    })
}
