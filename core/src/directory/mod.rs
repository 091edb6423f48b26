//! The Directory: which applications, event types and plugins a tenant has.
//!
//! It is the authority on which applications exist; it informs App objects of their existence, uid and deletion. Such
//! a notice is stored in the same commit as the change, sent before the caller gets the response, and sent again by
//! the alarm until the object has acknowledged it. So an application that was answered with 201 works as soon as its
//! object can be reached, and a crash at any point loses nothing.
//!
//! A tenant that only reads leaves nothing behind: tables are created by the first write.

mod apps;
mod attach;
mod bundled;
mod erase;
mod event_types;
mod plugins;
mod schema;
mod sources;
mod standing;
mod tasks;
mod tenant;
mod tokens;
mod usage;

pub use bundled::Bundled;
pub use erase::{Kept, restore};
pub use plugins::{Admitted, MAX_REWRITTEN, Refused};
pub use sources::{SourceRows, source_page};
pub use tokens::Issued;
pub use usage::{RESULT_MAX_BYTES, UsageApp, UsageBatch};

use crate::api::body;
use crate::api::call::{Call, Reply};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame::{PluginNotice, PluginUpload};
use crate::id;
use crate::idempotency::Keeping;
use crate::rng::Entropy;
use crate::send_as::SendAs;
use crate::settings::PluginLimits;
use crate::sql::{self, Sql, SqlError};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// How long an effect may be under way before the alarm tells the App object again, in milliseconds.
pub const LEASE_MS: i64 = 30_000;
/// The longest time between two tries to tell an App object, in milliseconds.
pub const MAX_WAIT_MS: i64 = 300_000;
/// The most effects of one alarm.
pub const ALARM_BATCH: i64 = 50;

/// A notice to an App object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The application exists and has this uid. The object keeps the highest version it has seen.
    InitApp {
        /// `app_…`.
        app_id: String,
        /// The caller's own name.
        uid: Option<String>,
        /// Rises with every change.
        version: i64,
        /// How many requests a second may go to all of its endpoints together.
        rate: Option<u16>,
        /// As which provider its new endpoints send.
        send_as: Option<SendAs>,
    },
    /// The application exists no longer: the object has its endpoints erased, and is then erased itself. Told until it
    /// says that nothing is left.
    DeleteApp {
        /// `app_…`.
        app_id: String,
    },
    /// How a plugin stands, for an application that has it attached, or may have. Reported with
    /// [`Directory::told_of_plugin`].
    TellOfPlugin {
        /// `app_…`.
        app_id: String,
        /// What to tell.
        notice: PluginNotice,
    },
    /// Applications are asked for a count. Reported with [`Directory::told_usage`].
    AskUsage(UsageBatch),
}

impl Effect {
    /// The application that it is about, if it is one.
    pub fn app_id(&self) -> &str {
        match self {
            Effect::InitApp { app_id, .. }
            | Effect::DeleteApp { app_id }
            | Effect::TellOfPlugin { app_id, .. } => app_id,
            Effect::AskUsage(_) => "",
        }
    }
}

/// The answer of [`DirectoryOp::Resolve`], as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// `app_…`.
    pub id: String,
    /// The caller's own name.
    pub uid: Option<String>,
}

/// What comes of a call.
///
/// The platform sets the alarm, then carries out the effects and reports each with [`Directory::done`], and
/// then replies, whether they succeeded or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For the caller.
    pub reply: Reply,
    /// What to tell App objects before the reply leaves.
    pub before_reply: Vec<Effect>,
    /// When [`Directory::alarm`] must run at the latest; `None` where nothing is unacknowledged.
    pub alarm: Option<i64>,
}

/// What an alarm has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// What to tell App objects; each is reported with [`Directory::done`].
    pub effects: Vec<Effect>,
    /// When the alarm must run again at the latest; `None` where nothing is unacknowledged.
    pub alarm: Option<i64>,
}

/// A reply, and what to tell App objects before it leaves.
struct Answer {
    reply: Reply,
    effects: Vec<Effect>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Answer { reply, effects: Vec::new() }
    }
}

/// The logic of the Directory object.
#[derive(Debug)]
pub struct Directory<S> {
    sql: S,
    /// Whether there are tables.
    ready: bool,
    app_ids: id::Generator,
    next_due: Option<i64>,
    /// Nothing is left of a tenant that was erased: the storage is to be emptied.
    wipe: bool,
    /// The plugins that the deployment bundles.
    bundled: Rc<[Bundled]>,
}

impl<S: Sql> Directory<S> {
    /// Opens the Directory on its storage; brings an older schema up to date, and leaves no storage as it is.
    pub fn open(sql: S, now: i64) -> Result<Self, SqlError> {
        let ready = sql::schema_version(&sql)? > 0;
        let app_ids = id::Generator::new(id::APP, None);
        let mut directory = Self { sql, ready, app_ids, next_due: None, wipe: false, bundled: Rc::from([]) };
        if ready {
            sql::migrate(&directory.sql, schema::MIGRATIONS, now)?;
            directory.app_ids = id::Generator::new(id::APP, directory.newest_app()?.as_deref());
            directory.refresh_due()?;
        }
        Ok(directory)
    }

    /// When [`Directory::alarm`] must run at the latest: on start-up, compare with the alarm that is set.
    pub fn next_alarm(&self) -> Option<i64> {
        self.next_due
    }

    /// Answers a call.
    pub fn handle(&mut self, now: i64, rng: &mut impl Entropy, call: &Call<DirectoryOp>) -> Outcome {
        body::forget_unknown();
        let answer = self.answer_once(now, rng, call).map(|mut answer| {
            answer.reply = answer.reply.warned(body::take_unknown());
            answer
        });
        self.outcome(answer)
    }

    /// Stores a plugin's module. The platform has had it judged and rewritten: nothing here reads WebAssembly.
    pub fn upload(
        &mut self,
        now: i64,
        limits: &PluginLimits,
        upload: &PluginUpload,
        admitted: Result<Admitted, Refused>,
    ) -> Outcome {
        let answer = self.store_module(now, limits, upload, admitted);
        self.outcome(answer)
    }

    fn outcome(&mut self, answer: Result<Answer, ApiError>) -> Outcome {
        let Answer { reply, effects } = answer.unwrap_or_else(|error| Reply::from(error).into());
        Outcome { reply, before_reply: effects, alarm: self.next_due }
    }

    /// As [`answer`](Self::answer); a request with an idempotency key is carried out once.
    fn answer_once(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        if self.ready
            && let Some(reply) = call.recall(&self.sql, now, Keeping::Plain)?
        {
            return Ok(reply.into());
        }
        let answer = self.answer(now, rng, call)?;
        if self.ready {
            call.remember(&self.sql, now, rng, &answer.reply, Keeping::Plain)?;
        }
        Ok(answer)
    }

    #[deny(clippy::wildcard_enum_match_arm)] // an operation that is not listed must not compile
    fn answer(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        match call.op {
            DirectoryOp::AppList => self.list_apps(call).map(Answer::from),
            DirectoryOp::AppCreate => self.create_app(now, rng, call),
            DirectoryOp::AppGet => self.get_app(call).map(Answer::from),
            DirectoryOp::AppUpdate => self.update_app(now, rng, call),
            DirectoryOp::AppPatch => self.patch_app(now, call),
            DirectoryOp::AppDelete => self.delete_app(now, rng, call),
            DirectoryOp::TenantGet => self.get_tenant().map(Answer::from),
            DirectoryOp::TenantPatch => self.patch_tenant(now, call).map(Answer::from),
            DirectoryOp::TenantErase => self.erase_tenant(now, rng),
            DirectoryOp::Resolve => self.resolve(call),
            DirectoryOp::EventTypeList => self.list_event_types(call).map(Answer::from),
            DirectoryOp::EventTypeCreate => self.create_event_type(now, call).map(Answer::from),
            DirectoryOp::EventTypeGet => self.get_event_type(call).map(Answer::from),
            DirectoryOp::EventTypeUpdate => self.update_event_type(now, call).map(Answer::from),
            DirectoryOp::EventTypePatch => self.patch_event_type(now, call).map(Answer::from),
            DirectoryOp::EventTypeDelete => self.delete_event_type(now, call).map(Answer::from),
            DirectoryOp::EventTypeImport => self.import_event_types(now, call).map(Answer::from),
            DirectoryOp::PresetEventTypes => self.make_event_types(now, call).map(Answer::from),
            DirectoryOp::Issue => self.issue(now, rng).map(Answer::from),
            DirectoryOp::CheckEventTypes => self.check_event_types(call).map(Answer::from),
            DirectoryOp::StandingNote => self.note_standing(now, call).map(Answer::from),
            DirectoryOp::TenantOverview => self.overview(call).map(Answer::from),
            DirectoryOp::TaskNote => self.note_task(now, call).map(Answer::from),
            DirectoryOp::TaskList => self.list_tasks(call).map(Answer::from),
            DirectoryOp::TaskGet => self.get_task(call).map(Answer::from),
            DirectoryOp::UsageApps => self.count_attempts(now, rng, call),
            DirectoryOp::UsageEventTypes => self.gather_event_types(now, rng),
            DirectoryOp::UsageStop => self.stop_usage(now, call).map(Answer::from),
            DirectoryOp::PluginList => self.list_plugins(call).map(Answer::from),
            DirectoryOp::PluginGet => self.get_plugin(call).map(Answer::from),
            DirectoryOp::PluginDelete => self.delete_plugin(now, call),
            DirectoryOp::PluginCurrent => self.choose_current(now, call),
            DirectoryOp::VersionList => self.list_versions(call).map(Answer::from),
            DirectoryOp::VersionGet => self.get_version(call).map(Answer::from),
            DirectoryOp::VersionDelete => self.delete_version(now, call),
            DirectoryOp::VersionWasm => self.version_wasm(call).map(Answer::from),
            DirectoryOp::PluginModule => self.plugin_module(call).map(Answer::from),
            DirectoryOp::PluginAttach => self.attach_plugins(now, call).map(Answer::from),
            DirectoryOp::PluginSettle => self.settle_plugins(now, call),
            DirectoryOp::PluginFollowers => self.plugin_followers(call).map(Answer::from),
            DirectoryOp::PluginVerify => self.verify_plugin(now, call),
            DirectoryOp::SourceList => self.list_sources(call).map(Answer::from),
            DirectoryOp::SourceCreate => self.create_source(now, rng, call),
            DirectoryOp::SourceGet => self.get_source(call),
            DirectoryOp::SourceUpdate => self.update_source(now, call).map(Answer::from),
            DirectoryOp::SourceDelete => self.delete_source(now, rng, call),
            DirectoryOp::Revoke => self.revoke(now, call).map(Answer::from),
            DirectoryOp::RevokedList => self.list_revoked().map(Answer::from),
            DirectoryOp::IsRevoked => self.is_revoked(now, call).map(Answer::from),
        }
    }

    /// Creates the tables where there are none yet: before the first write.
    fn prepare(&mut self, now: i64) -> Result<(), SqlError> {
        if !self.ready {
            sql::migrate(&self.sql, schema::MIGRATIONS, now)?;
            self.ready = true;
        }
        Ok(())
    }
}

fn param(call: &Call<DirectoryOp>) -> Result<&str, ApiError> {
    nth_param(call, 0)
}

fn nth_param(call: &Call<DirectoryOp>, nth: usize) -> Result<&str, ApiError> {
    call.params
        .get(nth)
        .map(String::as_str)
        .ok_or_else(|| ApiError::Internal(format!("{} without its parameter", call.op.name())))
}

#[cfg(test)]
mod plugin_tests;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod tests;
