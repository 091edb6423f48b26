//! The name, the parameters and the responses of each operation.
//!
//! The descriptions are grouped as the API reference groups them: [`tenant`] for what concerns the tenant as a whole,
//! [`sending`] for applications, endpoints, messages and attempts, [`receiving`] for sources, presets and plugins.

mod receiving;
mod sending;
mod tenant;

use super::{Doc, doc, kind};
use crate::api::model::endpoint::{
    self, EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatch, EndpointOut, EndpointSecretOut,
    EndpointSecretRotateIn,
};
use crate::api::model::task::CountOut;
use crate::api::page::{DEFAULT_LIMIT, ListOut, MAX_LIMIT};
use crate::api::route::Op;
use crate::error::Code;
use serde_json::{Value, json};

/// What is said of an operation; nothing of those that have no route.
pub(super) fn describe(op: Op) -> Option<Doc> {
    tenant::describe(op).or_else(|| sending::describe(op)).or_else(|| receiving::describe(op))
}

/// What several operations have in common.
impl Doc {
    fn limit(self) -> Self {
        let schema =
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT });
        self.query("limit", "The maximum number of items on the page.", schema)
    }

    fn iterator(self) -> Self {
        self.text(
            "iterator",
            "Where the page starts: the `iterator` or `prevIterator` of a page that was returned before.",
        )
    }

    fn page(self, order: &str) -> Self {
        let schema = json!({ "type": "string", "enum": ["ascending", "descending"], "default": order });
        self.limit().iterator().query("order", "The order of the items.", schema)
    }

    fn metadata(mut self) -> Self {
        self.parameters.push(json!({
            "name": "metadata", "in": "query", "style": "deepObject", "explode": true,
            "description": "Only items with this metadata: `metadata[key]=value`. Repeat it for several keys.",
            "schema": { "type": "object", "additionalProperties": { "type": "string" } },
        }));
        self
    }

    fn period(self) -> Self {
        self.time("since", "The start of the period. The default is 28 days before `until`.")
            .time("until", "The end of the period. The default is now.")
    }

    /// A task that can be counted first.
    fn dry_run(self) -> Self {
        self.flag("dry_run", false, "Only count the messages. Nothing is sent.")
            .answers::<CountOut>(200, "The number of messages, if `dry_run` is set.")
            .error(Code::EndpointDisabled)
            .error(Code::LimitReached)
            .error(Code::NotReady)
    }

    fn messages(self) -> Self {
        let types = json!({ "type": "array", "items": { "type": "string" } });
        self.limit()
            .iterator()
            .text("channel", "Only messages with this channel.")
            .text("tag", "Only messages with this tag.")
            .query("event_types", "Only messages of these event types.", types)
            .text(
                "contains",
                "Only messages whose payload contains this text as it was sent, in upper or lower case (A to Z). A page reads \
                 the payloads of up to 1,000 messages or 4 MiB; `searched` states how many. To search further, get the next \
                 page.",
            )
            .time("before", "Only items before this time.")
            .time(
                "after",
                "Only items after this time. Without `before` and `iterator`, the page starts with the first item after it.",
            )
            .flag("with_content", true, "Whether to include payloads and responses.")
    }

    fn status(self) -> Self {
        let schema = json!({ "type": "integer", "enum": [0, 1, 2, 3, 4] });
        self.query(
            "status",
            "Only items with this status: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled.",
            schema,
        )
    }

    fn attempts(self) -> Self {
        let class = json!({ "type": "integer", "enum": [0, 100, 200, 300, 400, 500] });
        self.messages()
            .status()
            .query(
                "status_code_class",
                "Only attempts with this class of HTTP status, for example 500 for 500 to 599. 0 for no response.",
                class,
            )
            .flag("with_msg", false, "Whether to include each attempt's message.")
    }

    fn force(self) -> Self {
        self.flag("force", false, "Also delete it if endpoints use it. They stop using it.")
    }

    fn anyway(self) -> Self {
        self.flag(
            "force",
            false,
            "Also if endpoints that follow the plugin have a configuration that the version does not accept.",
        )
        .error(Code::IncompatiblePlugin)
    }

    fn idempotent(mut self) -> Self {
        self.parameters.push(json!({
            "name": "idempotency-key", "in": "header", "schema": { "type": "string" },
            "description": "A unique key for this request. A repeated request with the same key within 12 hours returns the \
                first response and changes nothing.",
        }));
        self
    }

    fn endpoint_list(self) -> Self {
        self.page("descending").answers::<ListOut<EndpointOut>>(200, "A page of endpoints.")
    }

    fn endpoint_create(self, example: Value) -> Self {
        self.body::<endpoint::Fields>(example)
            .answers::<EndpointOut>(201, "The new endpoint.")
            .error(Code::Conflict)
            .error(Code::LimitReached)
    }

    fn endpoint_get(self) -> Self {
        self.answers::<EndpointOut>(200, "The requested endpoint.")
    }

    fn endpoint_update(self, example: Value) -> Self {
        self.body::<endpoint::Fields>(example)
            .answers::<EndpointOut>(200, "The updated endpoint.")
            .answers::<EndpointOut>(201, "The new endpoint.")
            .error(Code::Conflict)
            .error(Code::LimitReached)
    }

    fn secret_get(self) -> Self {
        self.answers::<EndpointSecretOut>(200, "The signing secret, or the public key of an asymmetric one.")
            .error(Code::PrivateKey)
    }

    fn secret_rotate(self) -> Self {
        self.optional_body::<EndpointSecretRotateIn>(json!({ "gracePeriodSeconds": 86400 }))
            .answers::<EndpointSecretOut>(200, "The new signing secret.")
            .error(Code::LimitReached)
    }

    fn headers_get(self) -> Self {
        self.answers::<EndpointHeadersOut>(
            200,
            "The custom headers. The values of sensitive ones are not shown.",
        )
    }

    fn headers_put(self) -> Self {
        self.body::<EndpointHeadersIn>(json!({ "headers": { "X-Region": "eu" } })).answers_nothing()
    }

    fn headers_patch(self) -> Self {
        self.body::<EndpointHeadersPatch>(
            json!({ "headers": { "X-Region": "us" }, "deleteHeaders": ["X-Old"] }),
        )
        .answers_nothing()
    }
}
