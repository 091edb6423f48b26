//! Which operation a method and a path name.
//!
//! The table below is the whole API: a route is one line in it. Paths are matched segment by segment, a
//! literal before a parameter; one trailing slash is ignored (never answered with a redirect, which SDKs do
//! not follow).
//!
//! Each line also names who answers, and there is one enum for each of them: [`PublicOp`], [`WorkerOp`], [`OperationalOp`],
//! [`DirectoryOp`] and [`AppOp`]. Whoever answers matches its enum without a wildcard, so an operation that nobody answers
//! does not compile:
//!
//! ```compile_fail,E0004
//! use weir_core::api::route::AppOp;
//!
//! fn answer(op: AppOp) -> &'static str {
//!     match op {
//!         AppOp::MessageList => "messages",
//!         AppOp::MessageGet => "a message",
//!     }
//! }
//! ```

use super::model::{event_type, is_dots, message, openapi, plugin, preset};
use crate::error::{ApiError, Code};
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};
use percent_encoding::percent_decode_str;

/// What every path of the API starts with.
pub const PREFIX: &str = "/api/v1";

/// The most bytes of a body, unless [`Op::max_body`] says otherwise.
pub const MAX_BODY: usize = 64 * 1024;
/// The longest parameter of a path, decoded.
const MAX_PARAM: usize = 512;

/// Whose token an operation accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// No token.
    Public,
    /// The organization's token only.
    Org,
    /// The organization's token, or the token of the very application that the path names.
    Any,
}

/// Whose data a route is about. Who answers it is another question: see [`Op::served`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// None in particular.
    Worker,
    /// The tenant's Directory object.
    Directory,
    /// The App object; the first parameter of the path names the application.
    App,
    /// The App object of the tenant's operational application.
    Operational,
    /// The App object of a source; the first parameter of the path names the source.
    Source,
}

/// Svix's SDKs call the operations on sources under a path of their own: `/ingest` before [`PREFIX`] stands for `ingest`
/// after it.
const INGEST: &str = "/ingest";
/// Below a source's path, it answers what an application answers below its own ([`Op::is_of_sources`]).
const SOURCES: &str = "ingest/source/";

struct Pattern {
    method: &'static str,
    path: &'static str,
    segments: usize,
    op: Op,
    scope: Scope,
    home: Home,
}

/// How many segments a path has.
const fn segments(path: &str) -> usize {
    let (mut rest, mut count) = (path.as_bytes(), 1usize);
    while let [first, others @ ..] = rest {
        if *first == b'/' {
            count = count.wrapping_add(1);
        }
        rest = others;
    }
    count
}

/// Makes one enum of the operations that each part answers. Its first argument lists every operation behind the part's name.
macro_rules! by_server {
    (@sort {} $( [$server:ident $served:ident $($op:ident)*] )+) => {
        /// Which part of Weir answers an operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Served {
            $(
                #[doc = concat!("[`", stringify!($server), "`].")]
                $served($server),
            )+
        }

        $( by_server!(@server $server $served $($op)*); )+
    };
    (@sort { PublicOp $op:ident $($rest:tt)* } [$($a:ident)+] $($more:tt)*) => {
        by_server!(@sort { $($rest)* } [$($a)+ $op] $($more)*);
    };
    (@sort { WorkerOp $op:ident $($rest:tt)* } $a:tt [$($b:ident)+] $($more:tt)*) => {
        by_server!(@sort { $($rest)* } $a [$($b)+ $op] $($more)*);
    };
    (@sort { OperationalOp $op:ident $($rest:tt)* } $a:tt $b:tt [$($c:ident)+] $($more:tt)*) => {
        by_server!(@sort { $($rest)* } $a $b [$($c)+ $op] $($more)*);
    };
    (@sort { DirectoryOp $op:ident $($rest:tt)* } $a:tt $b:tt $c:tt [$($d:ident)+] $e:tt) => {
        by_server!(@sort { $($rest)* } $a $b $c [$($d)+ $op] $e);
    };
    (@sort { AppOp $op:ident $($rest:tt)* } $a:tt $b:tt $c:tt $d:tt [$($e:ident)+]) => {
        by_server!(@sort { $($rest)* } $a $b $c $d [$($e)+ $op]);
    };
    (@server $server:ident $served:ident $($op:ident)*) => {
        #[doc = concat!("What is answered by: ", stringify!($served), ". A match lists all of them, without a wildcard.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $server {
            $(
                #[doc = concat!("[`Op::", stringify!($op), "`].")]
                $op,
            )*
        }

        impl $server {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$op, )* ];

            /// The operation among all others.
            pub const fn op(self) -> Op {
                match self {
                    $( Self::$op => Op::$op, )*
                }
            }

            /// The stable name ([`Op::name`]).
            pub const fn name(self) -> &'static str {
                self.op().name()
            }

            /// The operation of this name, if it is one of these.
            pub fn from_name(name: &str) -> Option<Self> {
                Op::from_name(name)?.try_into().ok()
            }
        }

        impl From<$server> for Op {
            fn from(op: $server) -> Self {
                op.op()
            }
        }

        impl From<$server> for Served {
            fn from(op: $server) -> Self {
                Self::$served(op)
            }
        }

        impl TryFrom<Op> for $server {
            /// The operation, which is not one of these.
            type Error = Op;

            fn try_from(op: Op) -> Result<Self, Op> {
                match op {
                    $( Op::$op => Ok(Self::$op), )*
                    other => Err(other),
                }
            }
        }

        /// As its name, by which releases that run side by side know it.
        impl<C> Encode<C> for $server {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(self.name())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $server {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let name = d.str()?;
                Self::from_name(name).ok_or_else(|| {
                    let known = concat!(" is not an operation of ", stringify!($server));
                    minicbor::decode::Error::message(format!("`{}`{known}", printable(name)))
                })
            }
        }
    };
}

macro_rules! operations {
    (
        routes {
            $(
                $op:ident $name:literal $scope:ident $home:ident $server:ident $( > $object:ident )?:
                    $( $method:ident $path:literal ),+ ;
            )+
        }
        internal { $( $inner:ident $inner_name:literal $inner_server:ident ; )+ }
    ) => {
        /// An operation of the API, or one that the parts of Weir ask of each other.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op {
            $(
                #[doc = concat!("`", $name, "`:", $( " ", stringify!($method), " ", $path, )+)]
                $op,
            )+
            $(
                #[doc = concat!("`", $inner_name, "`: internal, has no route.")]
                $inner,
            )+
        }

        impl Op {
            /// Every operation.
            pub const ALL: &[Op] = &[ $( Op::$op, )+ $( Op::$inner, )+ ];

            /// The stable name by which the Worker and the objects speak of the operation.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Op::$op => $name, )+
                    $( Op::$inner => $inner_name, )+
                }
            }

            /// The operation of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $( $name => Some(Op::$op), )+
                    $( $inner_name => Some(Op::$inner), )+
                    _ => None,
                }
            }

            /// Who answers it.
            pub fn served(self) -> Served {
                match self {
                    $( Op::$op => $server::$op.into(), )+
                    $( Op::$inner => $inner_server::$inner.into(), )+
                }
            }
        }

        by_server! {
            @sort { $( $server $op $( $object $op )? )+ $( $inner_server $inner )+ }
            [PublicOp Public] [WorkerOp Worker] [OperationalOp Operational] [DirectoryOp Directory] [AppOp App]
        }

        static PATTERNS: &[Pattern] = &[
            $( $(
                Pattern {
                    method: stringify!($method),
                    path: $path, segments: segments($path),
                    op: Op::$op,
                    scope: Scope::$scope,
                    home: Home::$home,
                },
            )+ )+
        ];
    };
}

// A line: the operation, its name, whose token it accepts, whose data it is about, who answers it, and its routes. `WorkerOp`
// answers with what it asks of objects; `> AppOp` means that the App carries out an operation of the same name for it.
operations! {
    routes {
        Health "health.get" Public Worker PublicOp: GET "health", HEAD "health";
        HealthPing "health.ping" Public Worker PublicOp: GET "health/ping", HEAD "health/ping";
        Openapi "openapi" Public Worker PublicOp: GET "openapi.json";

        // The calls of the hot path come first.
        MessageCreate "message.create" Org App WorkerOp: POST "app/{app_id}/msg";
        MessageBatch "message.create-batch" Org App WorkerOp: POST "app/{app_id}/msg/batch";
        MessageList "message.list" Any App AppOp: GET "app/{app_id}/msg";
        MessageGet "message.get" Any App AppOp: GET "app/{app_id}/msg/{msg_id}";
        AppMessageRaw "message.raw" Any App AppOp: GET "app/{app_id}/msg/{msg_id}/raw";

        MessageExpunge "message.expunge-content" Org App AppOp: DELETE "app/{app_id}/msg/{msg_id}/content";

        BulkExpunge "message.bulk-expunge" Org App AppOp: POST "app/{app_id}/msg/bulk-expunge";
        ExpungeAll "message.expunge-all-contents" Org App AppOp: POST "app/{app_id}/msg/expunge-all-contents";

        UsageApps "stats.usage.app" Org Directory DirectoryOp: POST "stats/usage/app";
        UsageEventTypes "stats.usage.event-types" Org Directory DirectoryOp: PUT "stats/usage/event-types";

        TenantOverview "overview.get" Org Directory DirectoryOp: GET "overview";

        AppList "app.list" Org Directory DirectoryOp: GET "app";
        AppCreate "app.create" Org Directory DirectoryOp: POST "app";
        AppGet "app.get" Any Directory DirectoryOp: GET "app/{app_id}";
        AppUpdate "app.update" Org Directory DirectoryOp: PUT "app/{app_id}";
        AppPatch "app.patch" Org Directory DirectoryOp: PATCH "app/{app_id}";
        AppDelete "app.delete" Org Directory WorkerOp > DirectoryOp: DELETE "app/{app_id}";

        EventTypeList "event-type.list" Any Directory DirectoryOp: GET "event-type";
        EventTypeCreate "event-type.create" Org Directory DirectoryOp: POST "event-type";
        EventTypeImport "event-type.import-openapi" Org Directory DirectoryOp: POST "event-type/import/openapi";
        EventTypeGet "event-type.get" Any Directory DirectoryOp: GET "event-type/{event_type_name}";
        EventTypeUpdate "event-type.update" Org Directory DirectoryOp: PUT "event-type/{event_type_name}";
        EventTypePatch "event-type.patch" Org Directory DirectoryOp: PATCH "event-type/{event_type_name}";
        EventTypeDelete "event-type.delete" Org Directory DirectoryOp: DELETE "event-type/{event_type_name}";

        EndpointList "endpoint.list" Any App AppOp: GET "app/{app_id}/endpoint";
        EndpointCreate "endpoint.create" Any App WorkerOp > AppOp: POST "app/{app_id}/endpoint";
        EndpointGet "endpoint.get" Any App AppOp: GET "app/{app_id}/endpoint/{endpoint_id}";
        EndpointUpdate "endpoint.update" Any App WorkerOp > AppOp: PUT "app/{app_id}/endpoint/{endpoint_id}";
        EndpointPatch "endpoint.patch" Any App WorkerOp > AppOp: PATCH "app/{app_id}/endpoint/{endpoint_id}";
        EndpointDelete "endpoint.delete" Any App AppOp: DELETE "app/{app_id}/endpoint/{endpoint_id}";
        SecretGet "endpoint.secret.get" Any App AppOp: GET "app/{app_id}/endpoint/{endpoint_id}/secret";
        SecretRotate "endpoint.secret.rotate" Any App AppOp:
            POST "app/{app_id}/endpoint/{endpoint_id}/secret/rotate";
        HeadersGet "endpoint.headers.get" Any App AppOp: GET "app/{app_id}/endpoint/{endpoint_id}/headers";
        HeadersPut "endpoint.headers.put" Any App AppOp: PUT "app/{app_id}/endpoint/{endpoint_id}/headers";
        HeadersPatch "endpoint.headers.patch" Any App AppOp:
            PATCH "app/{app_id}/endpoint/{endpoint_id}/headers";
        EndpointStats "endpoint.stats" Any App AppOp: GET "app/{app_id}/endpoint/{endpoint_id}/stats";

        Recover "endpoint.recover" Any App AppOp: POST "app/{app_id}/endpoint/{endpoint_id}/recover";
        ReplayMissing "endpoint.replay-missing" Any App AppOp:
            POST "app/{app_id}/endpoint/{endpoint_id}/replay-missing";
        BulkReplay "endpoint.bulk-replay" Any App AppOp: POST "app/{app_id}/endpoint/{endpoint_id}/bulk-replay";

        AttemptStats "endpoint.attempt-stats" Any App AppOp:
            GET "app/{app_id}/endpoint/{endpoint_id}/attempt-stats";
        Overview "app.overview" Any App AppOp: GET "app/{app_id}/overview";
        SendExample "endpoint.send-example" Any App WorkerOp > AppOp:
            POST "app/{app_id}/endpoint/{endpoint_id}/send-example";
        Precheck "message.precheck" Org App AppOp: POST "app/{app_id}/msg/precheck/active";

        // The second and third path are deprecated ones of SDKs before 2.0.
        AttemptsByMessage "attempt.list-by-msg" Any App AppOp:
            GET "app/{app_id}/attempt/msg/{msg_id}",
            GET "app/{app_id}/msg/{msg_id}/attempt",
            GET "app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt";
        AttemptsByEndpoint "attempt.list-by-endpoint" Any App AppOp:
            GET "app/{app_id}/attempt/endpoint/{endpoint_id}";
        AttemptGet "attempt.get" Any App AppOp: GET "app/{app_id}/msg/{msg_id}/attempt/{attempt_id}";
        AttemptExpunge "attempt.expunge-content" Org App AppOp:
            DELETE "app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content";
        Destinations "attempt.list-attempted-destinations" Any App AppOp:
            GET "app/{app_id}/msg/{msg_id}/endpoint";
        AttemptedMessages "attempt.list-attempted-messages" Any App AppOp:
            GET "app/{app_id}/endpoint/{endpoint_id}/msg";
        Resend "attempt.resend" Any App AppOp: POST "app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend";

        // The second path is the deprecated one of SDKs before 2.0.
        PortalAccess "auth.app-portal-access" Org Worker WorkerOp:
            POST "auth/app-portal-access/{app_id}",
            POST "auth/dashboard-access/{app_id}";
        Logout "auth.logout" Any Worker WorkerOp: POST "auth/logout";
        ExpireAll "auth.expire-all" Org Worker WorkerOp: POST "auth/app/{app_id}/expire-all";
        RevokeToken "auth.revoke-token" Org Worker WorkerOp: POST "auth/token/{token_id}/revoke";
        RevokedList "auth.list-revoked" Org Directory DirectoryOp: GET "auth/token/revoked";
        ResealAll "secrets.reseal" Org Worker WorkerOp: POST "secrets/reseal";
        SettingsGet "settings.get" Org Worker WorkerOp: GET "settings";
        TenantGet "tenant.get" Org Directory DirectoryOp: GET "tenant";
        TenantPatch "tenant.patch" Org Directory DirectoryOp: PATCH "tenant";
        TenantErase "tenant.erase" Org Worker WorkerOp > DirectoryOp: DELETE "tenant";
        Whoami "auth.whoami" Any Worker WorkerOp: GET "auth/whoami";

        PresetList "preset.list" Any Worker WorkerOp: GET "preset";
        PresetGet "preset.get" Any Worker WorkerOp: GET "preset/{preset_name}";
        PresetVerify "preset.verify" Any Worker WorkerOp: POST "preset/{preset_name}/verify";
        PresetSign "preset.sign" Any Worker WorkerOp: POST "preset/{preset_name}/sign";
        PresetEventTypes "preset.event-types" Org Directory DirectoryOp:
            POST "preset/{preset_name}/event-types";

        OperationalList "operational-webhook.endpoint.list" Org Operational OperationalOp:
            GET "operational-webhook/endpoint";
        OperationalCreate "operational-webhook.endpoint.create" Org Operational OperationalOp:
            POST "operational-webhook/endpoint";
        OperationalGet "operational-webhook.endpoint.get" Org Operational OperationalOp:
            GET "operational-webhook/endpoint/{endpoint_id}";
        OperationalUpdate "operational-webhook.endpoint.update" Org Operational OperationalOp:
            PUT "operational-webhook/endpoint/{endpoint_id}";
        OperationalDelete "operational-webhook.endpoint.delete" Org Operational OperationalOp:
            DELETE "operational-webhook/endpoint/{endpoint_id}";
        OperationalSecretGet "operational-webhook.endpoint.secret.get" Org Operational OperationalOp:
            GET "operational-webhook/endpoint/{endpoint_id}/secret";
        OperationalSecretRotate "operational-webhook.endpoint.secret.rotate" Org Operational OperationalOp:
            POST "operational-webhook/endpoint/{endpoint_id}/secret/rotate";
        OperationalHeadersGet "operational-webhook.endpoint.headers.get" Org Operational OperationalOp:
            GET "operational-webhook/endpoint/{endpoint_id}/headers";
        OperationalHeadersPut "operational-webhook.endpoint.headers.put" Org Operational OperationalOp:
            PUT "operational-webhook/endpoint/{endpoint_id}/headers";
        OperationalHeadersPatch "operational-webhook.endpoint.headers.patch" Org Operational OperationalOp:
            PATCH "operational-webhook/endpoint/{endpoint_id}/headers";
        PluginList "plugin.list" Org Directory DirectoryOp: GET "plugin";
        PluginUpload "plugin.upload" Org Directory WorkerOp: PUT "plugin/{plugin_name}";
        PluginGet "plugin.get" Org Directory DirectoryOp: GET "plugin/{plugin_name}";
        PluginDelete "plugin.delete" Org Directory WorkerOp > DirectoryOp: DELETE "plugin/{plugin_name}";
        PluginCurrent "plugin.set-current" Org Directory WorkerOp > DirectoryOp:
            POST "plugin/{plugin_name}/current",
            PUT "plugin/{plugin_name}/current";
        VersionList "plugin.version.list" Org Directory DirectoryOp: GET "plugin/{plugin_name}/version";
        VersionGet "plugin.version.get" Org Directory DirectoryOp: GET "plugin/{plugin_name}/version/{version}";
        VersionDelete "plugin.version.delete" Org Directory WorkerOp > DirectoryOp:
            DELETE "plugin/{plugin_name}/version/{version}";
        VersionWasm "plugin.version.wasm" Org Directory DirectoryOp:
            GET "plugin/{plugin_name}/version/{version}/wasm";
        PluginTest "plugin.test" Org Worker WorkerOp: POST "plugin/{plugin_name}/test";
        PluginsGet "endpoint.plugins.get" Any App AppOp: GET "app/{app_id}/endpoint/{endpoint_id}/plugins";
        PluginsPut "endpoint.plugins.put" Any App WorkerOp > AppOp:
            PUT "app/{app_id}/endpoint/{endpoint_id}/plugins";

        SourceList "ingest.source.list" Org Worker WorkerOp > DirectoryOp: GET "ingest/source";
        SourceCreate "ingest.source.create" Org Worker WorkerOp > DirectoryOp: POST "ingest/source";
        SourceGet "ingest.source.get" Org Worker WorkerOp > DirectoryOp: GET "ingest/source/{source_id}";
        SourceUpdate "ingest.source.update" Org Worker WorkerOp > DirectoryOp: PUT "ingest/source/{source_id}";
        SourceDelete "ingest.source.delete" Org Worker WorkerOp > DirectoryOp:
            DELETE "ingest/source/{source_id}";
        SourceRotate "ingest.source.rotate-token" Org Worker WorkerOp:
            POST "ingest/source/{source_id}/token/rotate";
        SourcePortal "ingest.source.dashboard" Org Worker WorkerOp: POST "ingest/source/{source_id}/dashboard";
        RejectedList "ingest.rejected.list" Any Source AppOp: GET "ingest/source/{source_id}/rejected";
        RejectedGet "ingest.rejected.get" Any Source AppOp:
            GET "ingest/source/{source_id}/rejected/{rejected_id}";
        RejectedAccept "ingest.rejected.accept" Org Worker WorkerOp:
            POST "ingest/source/{source_id}/rejected/{rejected_id}/accept";
        MessageRaw "ingest.message.raw" Any Source AppOp: GET "ingest/source/{source_id}/msg/{msg_id}/raw";

        TaskList "background-task.list" Org Directory DirectoryOp: GET "background-task";
        TaskGet "background-task.get" Any Directory WorkerOp > DirectoryOp: GET "background-task/{task_id}";
        TaskCancel "background-task.cancel" Any Worker WorkerOp: POST "background-task/{task_id}/cancel";
    }
    internal {
        Resolve "directory.resolve" DirectoryOp;
        CheckEventTypes "directory.check-event-types" DirectoryOp;
        TaskNote "directory.note-task" DirectoryOp;
        StandingNote "directory.note-standing" DirectoryOp;
        Revoke "directory.revoke" DirectoryOp;
        IsRevoked "directory.is-revoked" DirectoryOp;
        Issue "directory.issue" DirectoryOp;
        TaskStop "app.stop-task" AppOp;
        UsageStop "directory.stop-usage" DirectoryOp;
        PluginAttach "directory.attach-plugins" DirectoryOp;
        PluginSettle "directory.settle-plugins" DirectoryOp;
        PluginVerify "directory.verify-plugin" DirectoryOp;
        PluginModule "directory.plugin-module" DirectoryOp;
        PluginFollowers "directory.plugin-followers" DirectoryOp;
        RejectedTake "app.take-rejected" AppOp;
        MessageDelivered "app.delivered-message" AppOp;
        Reseal "app.reseal" AppOp;
    }
}

/// Every route: its method, its path below the prefix, its operation, whose token it accepts.
pub fn patterns() -> impl Iterator<Item = (&'static str, &'static str, Op, Scope)> {
    PATTERNS.iter().map(|pattern| (pattern.method, pattern.path, pattern.op, pattern.scope))
}

/// A request that has found its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The operation.
    pub op: Op,
    /// Whose token it accepts.
    pub scope: Scope,
    /// Who answers it.
    pub home: Home,
    /// The parameters of the path in order, percent-decoded, never empty.
    pub params: Vec<String>,
}

impl Route {
    /// The application that the path names, by id or uid.
    ///
    /// Also for operations that the Directory answers: an application's token reaches its own only.
    pub fn app(&self) -> Option<&str> {
        let by_app = match self.home {
            Home::App => true,
            Home::Directory => {
                matches!(self.op, Op::AppGet | Op::AppUpdate | Op::AppPatch | Op::AppDelete)
            }
            Home::Worker | Home::Operational | Home::Source => false,
        };
        self.params.first().filter(|_| by_app).map(String::as_str)
    }

    /// What [`crate::api::call::Call::params`] holds: all parameters for the Directory, those after the
    /// application (or the source) for its App object.
    pub fn into_call_params(self) -> Vec<String> {
        let skip = usize::from(matches!(self.home, Home::App | Home::Source));
        self.params.into_iter().skip(skip).collect()
    }
}

impl Op {
    /// The most bytes of the body of a request. It is looked at before any of it is read.
    ///
    /// A route takes 64 KiB, unless what it takes is a message, a plugin or a document.
    pub const fn max_body(self) -> usize {
        match self {
            Op::MessageCreate | Op::MessageBatch => message::MAX_BODY,
            Op::PresetVerify | Op::PresetSign => preset::MAX_REQUEST,
            Op::PluginUpload => plugin::MAX_MODULE,
            Op::PluginTest => message::MAX_PAYLOAD.wrapping_add(plugin::MAX_CONFIG).wrapping_add(MAX_BODY),
            Op::PluginsPut => plugin::MAX_CHAIN.wrapping_mul(plugin::MAX_CONFIG).wrapping_add(MAX_BODY),
            Op::EventTypeImport => openapi::MAX_SPEC.wrapping_mul(2).wrapping_add(MAX_BODY),
            Op::EventTypeCreate | Op::EventTypeUpdate | Op::EventTypePatch => {
                event_type::MAX_SCHEMAS.wrapping_add(MAX_BODY)
            }
            _ => MAX_BODY,
        }
    }

    /// Whether it makes something that another request of the same kind would make again: such a request may have an
    /// idempotency key. (A message's key is its own; see [`crate::app`].)
    pub fn creates(self) -> bool {
        matches!(
            self,
            Op::AppCreate
                | Op::MessageBatch
                | Op::EventTypeCreate
                | Op::EventTypeImport
                | Op::PresetEventTypes
                | Op::EndpointCreate
                | Op::OperationalCreate
                | Op::SourceCreate
                | Op::SecretRotate
                | Op::OperationalSecretRotate
                | Op::Recover
                | Op::ReplayMissing
                | Op::BulkReplay
                | Op::BulkExpunge
                | Op::ExpungeAll
                | Op::UsageApps
                | Op::UsageEventTypes
                | Op::PortalAccess
                | Op::SourcePortal
                | Op::SourceRotate
                | Op::Resend
                | Op::SendExample
                // What the Worker asks to be told the same again: see `Caller::issue`.
                | Op::Issue
        )
    }

    /// Whether it comes to the same when it is asked twice, so that it may be asked again where the answer to the first
    /// time was lost. (A message may, too: its nonce tells.)
    pub fn may_repeat(self) -> bool {
        !matches!(
            self,
            Op::AppCreate
                | Op::EventTypeCreate
                | Op::EndpointCreate
                | Op::SecretRotate
                | Op::SourceCreate
                | Op::SourceUpdate
                | Op::SourceRotate
                | Op::OperationalCreate
                | Op::OperationalSecretRotate
                | Op::Recover
                | Op::ReplayMissing
                | Op::BulkReplay
                | Op::ExpungeAll
                | Op::Resend
                | Op::SendExample
                | Op::UsageApps
                | Op::UsageEventTypes
        )
    }

    /// Whether what an application answers, a source answers too, below its own path. Messages come in at its URL only.
    pub fn is_of_sources(self) -> bool {
        !matches!(self, Op::MessageCreate | Op::MessageBatch | Op::SendExample | Op::Precheck)
    }
}

impl OperationalOp {
    /// What it asks of the operational application: the same as of any other.
    pub fn app_op(self) -> AppOp {
        match self {
            Self::OperationalList => AppOp::EndpointList,
            Self::OperationalCreate => AppOp::EndpointCreate,
            Self::OperationalGet => AppOp::EndpointGet,
            Self::OperationalUpdate => AppOp::EndpointUpdate,
            Self::OperationalDelete => AppOp::EndpointDelete,
            Self::OperationalSecretGet => AppOp::SecretGet,
            Self::OperationalSecretRotate => AppOp::SecretRotate,
            Self::OperationalHeadersGet => AppOp::HeadersGet,
            Self::OperationalHeadersPut => AppOp::HeadersPut,
            Self::OperationalHeadersPatch => AppOp::HeadersPatch,
        }
    }
}

/// Finds the operation of a request from its method and raw path (without the query).
///
/// 404 for a path that is not in the API, 405 for one that is, with another method, and 422 for a parameter
/// that is not UTF-8 once its percent signs are decoded.
pub fn find(method: &str, path: &str) -> Result<Route, ApiError> {
    let unknown =
        || ApiError::new(Code::NotFound, format!("There is nothing at {method} {}.", printable(path)));
    let below = |path: &'_ str| path.strip_prefix(PREFIX)?.strip_prefix('/').map(str::to_owned);
    let rest = match path.strip_prefix(INGEST) {
        Some(path) => below(path).map(|rest| format!("ingest/{rest}")),
        None => below(path),
    };
    let mut rest = rest.ok_or_else(unknown)?;
    if rest.ends_with('/') {
        rest.pop();
    }
    let (mut found, mut methods) = search(method, &rest, |_| true);
    let mut home = found.map(|pattern| pattern.home);
    let of_app = rest.strip_prefix(SOURCES).map(|rest| format!("app/{rest}"));
    if let (None, Some(of_app)) = (found, &of_app) {
        let (pattern, more) =
            search(method, of_app, |pattern| pattern.home == Home::App && pattern.op.is_of_sources());
        found = pattern;
        home = Some(Home::Source);
        methods.extend(more);
    }
    let rest = if home == Some(Home::Source) && found.is_some_and(|p| p.home == Home::App) {
        of_app.unwrap_or_default()
    } else {
        rest
    };
    let (Some(pattern), Some(home)) = (found, home) else {
        if methods.is_empty() {
            return Err(unknown());
        }
        methods.dedup();
        let detail =
            format!("{} does not answer {}. Use {}.", printable(path), printable(method), methods.join(", "));
        return Err(ApiError::new(Code::MethodNotAllowed, detail));
    };
    let mut params = Vec::new();
    for (part, segment) in pattern.path.split('/').zip(rest.split('/')) {
        if let Some(name) = parameter(part) {
            let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| {
                ApiError::invalid(&["path", name], "The percent-decoded value must be UTF-8.")
            })?;
            // Clients resolve these two: whoever sends them to one thing would reach another.
            if is_dots(&decoded) || decoded.len() > MAX_PARAM {
                let msg = "Nothing has this name. Use its id.";
                return Err(ApiError::invalid(&["path", name], msg));
            }
            params.push(decoded.into_owned());
        }
    }
    Ok(Route { op: pattern.op, scope: pattern.scope, home, params })
}

/// The pattern of a path, and the methods of those that differ in nothing else.
fn search(
    method: &str,
    path: &str,
    wanted: impl Fn(&Pattern) -> bool,
) -> (Option<&'static Pattern>, Vec<&'static str>) {
    let mut found: Option<(&Pattern, usize)> = None;
    let mut methods = Vec::new();
    // Every call comes by here: most patterns are ruled out by their number of segments, before any text is compared.
    let count = segments(path);
    for pattern in PATTERNS.iter().filter(|pattern| pattern.segments == count && wanted(pattern)) {
        let Some(literals) = literals_matched(pattern.path, path) else { continue };
        if pattern.method != method {
            methods.push(pattern.method);
        } else if found.is_none_or(|(_, most)| literals > most) {
            found = Some((pattern, literals));
        }
    }
    (found.map(|(pattern, _)| pattern), methods)
}

fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// How many literal segments a path shares with a pattern; `None` where it does not match.
fn literals_matched(pattern: &str, path: &str) -> Option<usize> {
    // To split a text at a character costs several times as much.
    let mut parts = pattern.as_bytes().split(|byte| *byte == b'/');
    let mut segments = path.as_bytes().split(|byte| *byte == b'/');
    let mut literals = 0usize;
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return Some(literals),
            (Some(part), Some(segment)) if part == segment => literals = literals.saturating_add(1),
            (Some([b'{', .., b'}']), Some([_, ..])) => {}
            _ => return None,
        }
    }
}

/// The caller's own text in an error message: short, and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn op(method: &str, path: &str) -> Op {
        find(method, path).expect(path).op
    }

    #[test]
    fn every_route_is_found_by_its_own_pattern_with_and_without_a_trailing_slash() {
        for pattern in PATTERNS {
            for end in ["", "/"] {
                let path = format!("{PREFIX}/{}{end}", pattern.path.replace(['{', '}'], "-"));
                let route = find(pattern.method, &path).expect(&path);
                assert_eq!(route.op, pattern.op, "{path}");
                assert_eq!(route.params.len(), pattern.path.matches('{').count(), "{path}");
            }
        }
    }

    #[test]
    fn every_operation_has_one_name_and_one_home() {
        for &op in Op::ALL {
            assert_eq!(Op::from_name(op.name()), Some(op));
        }
        assert_eq!(Op::from_name("app.explode"), None);
        for pattern in PATTERNS {
            let operational = matches!(pattern.op.served(), Served::Operational(_));
            assert_eq!(operational, pattern.home == Home::Operational, "{}", pattern.path);
            let public = matches!(pattern.op.served(), Served::Public(_));
            assert_eq!(public, pattern.scope == Scope::Public, "{}", pattern.path);
        }
        for pattern in PATTERNS.iter().filter(|p| p.home == Home::App) {
            assert!(pattern.path.starts_with("app/{app_id}/"), "{}", pattern.path);
        }
    }

    #[test]
    fn every_operation_is_answered_by_the_part_that_its_line_names() {
        for &op in Op::ALL {
            match op.served() {
                Served::Public(own) => assert_eq!(own.op(), op),
                Served::Worker(own) => assert_eq!(own.op(), op),
                Served::Operational(own) => assert_eq!(own.op(), op),
                Served::Directory(own) => assert_eq!((own.op(), DirectoryOp::try_from(op)), (op, Ok(own))),
                Served::App(own) => assert_eq!((own.op(), AppOp::try_from(op)), (op, Ok(own))),
            }
        }
        // What the Worker passes on is the Worker's and the object's.
        assert_eq!(Op::SourceList.served(), Served::Worker(WorkerOp::SourceList));
        assert_eq!(DirectoryOp::from_name("ingest.source.list"), Some(DirectoryOp::SourceList));
        assert_eq!(AppOp::from_name("ingest.source.list"), None);
        assert_eq!(AppOp::try_from(Op::AppList), Err(Op::AppList));
    }

    #[test]
    fn parameters_are_percent_decoded_in_order() {
        let route = find("GET", "/api/v1/app/my%2Fapp/endpoint/caf%C3%A9").expect("a route");
        assert_eq!(route.params, ["my/app", "café"]);
        assert_eq!(route.app(), Some("my/app"));
        assert_eq!(route.into_call_params(), ["café"]);
        let route = find("DELETE", "/api/v1/app/x").expect("a route");
        assert_eq!((route.app(), route.home), (Some("x"), Home::Directory));
        assert_eq!(route.into_call_params(), ["x"]);
        assert_eq!(find("GET", "/api/v1/event-type/a.b").expect("a route").app(), None);
    }

    #[test]
    fn a_bad_percent_sign_stays_as_it_is_and_bytes_that_are_no_text_are_a_422() {
        assert_eq!(find("GET", "/api/v1/app/50%").expect("a route").params, ["50%"]);
        let error = find("GET", "/api/v1/app/%ff").expect_err("not UTF-8");
        assert_eq!(error.http_status(), 422);
        assert!(error.body().contains(r#"["path","app_id"]"#), "{error}");
    }

    #[test]
    fn a_parameter_that_clients_resolve_is_refused_however_it_is_written() {
        for dots in ["..", ".", "%2e%2e", "%2E.", ".%2e", "%2e"] {
            for path in
                ["app/{}", "app/x/endpoint/{}", "app/{}/msg/x", "event-type/{}", "plugin/{}/version/x"]
            {
                let path = format!("{PREFIX}/{}", path.replace("{}", dots));
                assert_eq!(find("GET", &path).expect_err(&path).http_status(), 422, "{path}");
            }
        }
        assert!(find("GET", "/api/v1/app/...").is_ok());
        let long = format!("{PREFIX}/app/{}", "x".repeat(MAX_PARAM + 1));
        assert_eq!(find("GET", &long).expect_err("too long").http_status(), 422);
    }

    #[test]
    fn only_what_takes_a_message_a_plugin_or_a_document_takes_more_than_the_usual_body() {
        let larger: Vec<&str> =
            Op::ALL.iter().filter(|op| op.max_body() > MAX_BODY).map(|op| op.name()).collect();
        assert_eq!(
            larger,
            [
                "message.create",
                "message.create-batch",
                "event-type.create",
                "event-type.import-openapi",
                "event-type.update",
                "event-type.patch",
                "preset.verify",
                "preset.sign",
                "plugin.upload",
                "plugin.test",
                "endpoint.plugins.put"
            ]
        );
        assert!(Op::ALL.iter().all(|op| op.max_body() <= message::MAX_BODY));
    }

    #[test]
    fn unknown_paths_are_404_in_json() {
        for path in
            ["", "/", "/api/v1", "/api/v1/", "/api/v2/app", "/api/v1/apps", "/api/v1/app//", "/api/v1app"]
        {
            let error = find("GET", path).expect_err(path);
            assert_eq!(error.http_status(), 404, "{path}");
            assert!(error.body().contains("\"code\":\"not_found\""));
        }
        assert_eq!(find("GET", "/api/v1/app/a//b").expect_err("empty segment").http_status(), 404);
    }

    #[test]
    fn a_known_path_with_another_method_is_405_and_names_the_right_ones() {
        let error = find("POST", "/api/v1/app/x/").expect_err("no POST");
        assert_eq!(error.http_status(), 405);
        assert!(error.body().contains("Use GET, PUT, PATCH, DELETE."), "{error}");
    }

    #[test]
    fn who_may_call_what() {
        let scope = |method, path: &str| find(method, &format!("{PREFIX}/{path}")).expect(path).scope;
        assert_eq!(scope("GET", "health"), Scope::Public);
        assert_eq!(scope("POST", "app"), Scope::Org);
        assert_eq!(scope("GET", "app/a"), Scope::Any);
        assert_eq!(scope("DELETE", "app/a"), Scope::Org);
        assert_eq!(scope("POST", "app/a/msg"), Scope::Org);
        assert_eq!(scope("GET", "app/a/msg"), Scope::Any);
        assert_eq!(scope("POST", "app/a/endpoint"), Scope::Any);
        assert_eq!(scope("GET", "event-type"), Scope::Any);
        assert_eq!(scope("PATCH", "event-type/x"), Scope::Org);
        for (method, path) in
            [("GET", ""), ("PUT", "/x"), ("GET", "/x"), ("DELETE", "/x"), ("PUT", "/x/current")]
        {
            assert_eq!(scope(method, &format!("plugin{path}")), Scope::Org);
        }
        assert_eq!(scope("PUT", "app/a/endpoint/e/plugins"), Scope::Any);
    }

    #[test]
    fn attempts_are_found_by_either_path() {
        assert_eq!(op("GET", "/api/v1/app/a/attempt/msg/m"), Op::AttemptsByMessage);
        assert_eq!(op("GET", "/api/v1/app/a/msg/m/attempt/"), Op::AttemptsByMessage);
        assert_eq!(op("GET", "/api/v1/app/a/msg/m/attempt/t"), Op::AttemptGet);
    }

    proptest! {
        #[test]
        fn any_method_and_path_is_answered(method in ".*", path in ".*", tail in "[a-z/%{}0-9]*") {
            for path in [path, format!("/api/v1/{tail}"), format!("/api/v1/app/{tail}")] {
                for method in [method.as_str(), "GET", "POST"] {
                    match find(method, &path) {
                        Ok(route) => prop_assert!(route.params.iter().all(|p| !p.is_empty())),
                        Err(error) => prop_assert!(matches!(error.http_status(), 404 | 405 | 422)),
                    }
                }
            }
        }
    }
}
