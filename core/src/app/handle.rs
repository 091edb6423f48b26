//! The part of the API that an App object answers: endpoints, messages, attempts.

use super::destinations::AskPlan;
use super::log::{Header, Scan};
use super::secrets::preset_of;
use super::{App, Effects, EndpointRecord, Slot};
use crate::api::body;
use crate::api::call::{Call, Reply};
use crate::api::model::attempt::{Attempt, AttemptQuery, MessageAttemptOut, Status, Trigger};
use crate::api::model::endpoint::{
    Breaker, EndpointAttemptStats, EndpointContent, EndpointHeadersIn, EndpointHeadersOut,
    EndpointHeadersPatch, EndpointIn, EndpointPatch, EndpointSecretRotateIn, EndpointStats, EndpointUpdate,
    unknown_event_types,
};
use crate::api::model::message::{
    MessageFields, MessageQuery, MessagesOut, Payload, message_out_json, with_raw,
};
use crate::api::model::task::TaskKind;
use crate::api::page::{self, Keys, Order, Page, Rows, raw};
use crate::api::route::AppOp;
use crate::error::{ApiError, Code};
use crate::frame::{self, AttemptRow, Attempts, AttemptsAsk, Outgoing, Resend, StatsAnswer, StatsAsk};
use crate::id;
use crate::idempotency;
use crate::operational;
use crate::query::Query;
use crate::rng::Entropy;
use crate::send_as::SendAs;
use crate::source;
use crate::sql::{Sql, SqlError};
use crate::target;
use serde_json::json;
use serde_json::value::RawValue;
use std::rc::Rc;

/// At most so many earlier secrets may still be valid.
const MAX_OLD_SECRETS: usize = 10;
/// The most endpoints of an application, whoever makes them. What an application's own token may have is a setting.
pub(crate) const MAX_ENDPOINTS: u32 = 1_000;
/// By how much the clocks of two objects may differ, with an attempt that was in flight.
const CLOCKS_MS: i64 = 10 * 60_000;
/// How far back statistics reach by default, and at most.
const STATS_MS: i64 = 28 * 86_400_000;

/// What a call comes to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, and matched at once: a box would only cost an allocation
pub enum Outcome {
    /// An answer.
    Reply(Reply),
    /// Something was changed: the effects' configurations go out before the answer.
    Changed(Reply, Effects),
    /// Endpoints have to be asked.
    Attempts(Box<AttemptsPlan>),
    /// An endpoint has to be told.
    Resend(Box<ResendPlan>),
    /// An endpoint has to be asked.
    Stats(StatsPlan),
    /// Endpoints have to be asked; [`App::told`] makes the next outcome of what they answer.
    Ask(Box<AskPlan>),
}

/// Which endpoints to ask for attempts, and how to answer with theirs.
#[derive(Debug)]
pub struct AttemptsPlan {
    /// Whom to ask.
    pub endpoints: Vec<String>,
    /// What to ask.
    pub ask: AttemptsAsk,
    query: AttemptQuery,
    one: bool,
    /// What was told so far.
    rows: Vec<AttemptRow>,
    /// The place up to which everybody has told all there is, where somebody stopped.
    stopped: Option<String>,
}

/// So many endpoints are asked for attempts at once.
const ATTEMPTS_ROUND: usize = 16;
/// The least that each of them may answer, in bytes.
const ATTEMPTS_LEAST: usize = 128 * 1024;

impl AttemptsPlan {
    /// How to answer with attempts that are there already.
    pub(super) fn of(query: AttemptQuery) -> Self {
        let ask = AttemptsAsk { query: Query::default(), msg_id: None, attempt_id: None, bytes: None };
        Self { endpoints: Vec::new(), ask, query, one: false, rows: Vec::new(), stopped: None }
    }

    /// Whom to ask next, at once; nobody where enough is known. Their answers go to [`AttemptsPlan::add`].
    pub fn next_round(&mut self) -> Vec<String> {
        if self.one && !self.rows.is_empty() {
            self.endpoints.clear();
        }
        let count = self.endpoints.len().min(ATTEMPTS_ROUND);
        self.endpoints.drain(..count).collect()
    }

    /// Adds what an endpoint told: no more is kept than the page needs.
    pub fn add(&mut self, told: Attempts) {
        let ascending = self.query.page.reads_ascending();
        self.rows.extend(told.rows);
        if let Some(stopped) = told.stopped_at {
            let nearer = |before: &String| if ascending { stopped < *before } else { stopped > *before };
            if self.stopped.as_ref().is_none_or(nearer) {
                self.stopped = Some(stopped);
            }
        }
        // Beyond the place where one of them stopped, others know more than it has told.
        if let Some(stopped) = &self.stopped {
            self.rows.retain(|row| if ascending { row.id <= *stopped } else { row.id >= *stopped });
        }
        self.rows.sort_unstable_by(|a, b| if ascending { a.id.cmp(&b.id) } else { b.id.cmp(&a.id) });
        self.rows.truncate(usize::try_from(self.query.page.probe()).unwrap_or(usize::MAX));
    }
}

/// A message to deliver once more.
#[derive(Debug)]
pub struct ResendPlan {
    /// Which endpoint.
    pub endpoint_id: String,
    /// What to tell it.
    pub resend: Resend,
    /// What to answer once it has taken it, if not just that.
    pub(super) reply: Option<Reply>,
    /// What goes out before it is told.
    pub effects: Effects,
    /// The call, where it came with an idempotency key: [`App::resent`] keeps its answer.
    pub call: Option<Call<AppOp>>,
}

/// Whose statistics to ask for.
#[derive(Debug)]
pub struct StatsPlan {
    /// Which endpoint.
    pub endpoint_id: String,
    /// What to ask.
    pub ask: StatsAsk,
    attempts_only: bool,
}

impl ResendPlan {
    /// The answer once the endpoint has taken it (or not).
    pub fn reply(&self, taken: bool) -> Reply {
        if taken {
            return self.reply.clone().unwrap_or_else(|| Reply::json(202, &json!({})));
        }
        ApiError::new(
            Code::NotReady,
            "The endpoint is not ready to deliver. Send the request again in a moment.",
        )
        .into()
    }
}

impl StatsPlan {
    /// The answer.
    pub fn reply(&self, answer: &StatsAnswer) -> Reply {
        if self.attempts_only {
            let (success, fail) = (answer.success, answer.fail);
            return Reply::json(200, &EndpointAttemptStats { success, fail, canceled: answer.filtered });
        }
        let stats = EndpointStats {
            success: answer.success,
            pending: answer.pending,
            sending: answer.sending,
            fail: answer.fail,
            canceled: answer.filtered,
            breaker: Breaker::new(answer.open_until),
        };
        Reply::json(200, &stats)
    }
}

pub(super) type Handled = Result<Outcome, ApiError>;

impl<S: Sql> App<S> {
    /// Answers a call of the API. Storage errors are returned as such (see [`crate::endpoint`]'s module
    /// description); everything else is a reply. `None` where this object is not an application (any more).
    pub fn handle(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<AppOp>,
    ) -> Result<Option<Outcome>, SqlError> {
        if !self.exists(call.app_uid.as_deref()) {
            return Ok(None);
        }
        self.log.set_now(now);
        body::forget_unknown();
        let deployment = Rc::clone(&self.deployment);
        let keeping = idempotency::Keeping::Sealed(&deployment.vault);
        let known = call.recall(&self.sql, now, keeping);
        let outcome = match known {
            Ok(Some(reply)) => return Ok(Some(Outcome::Reply(reply))),
            Ok(None) => self.dispatch(now, rng, call),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Outcome::Changed(reply, effects)) => {
                let reply = reply.warned(body::take_unknown());
                call.remember(&self.sql, now, rng, &reply, keeping)?;
                Ok(Some(Outcome::Changed(reply, effects)))
            }
            Ok(Outcome::Resend(mut plan)) => {
                self.note_debt(&plan.endpoint_id)?;
                self.arm(now, &mut plan.effects);
                plan.call = call.idempotency.as_ref().map(|_| Call { body: Vec::new(), ..call.clone() });
                Ok(Some(Outcome::Resend(plan)))
            }
            Ok(outcome) => Ok(Some(outcome)),
            Err(ApiError::Internal(text) | ApiError::Unavailable(_, text)) => Err(SqlError(text)),
            Err(error) => Ok(Some(Outcome::Reply(error.into()))),
        }
    }

    /// The endpoint has taken what a call with an idempotency key told it: the answer is kept. Only now, since a repeat of a
    /// call that was not carried out has to be.
    pub fn resent(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<AppOp>,
        reply: &Reply,
    ) -> Result<(), SqlError> {
        let keeping = idempotency::Keeping::Sealed(&self.deployment.vault);
        call.remember(&self.sql, now, rng, reply, keeping)
    }

    #[deny(clippy::wildcard_enum_match_arm)] // an operation that is not listed must not compile
    fn dispatch(&mut self, now: i64, rng: &mut impl Entropy, call: &Call<AppOp>) -> Handled {
        let param = |i: usize| call.params.get(i).map_or("", String::as_str);
        match call.op {
            AppOp::MessageList => self.messages_listed(call),
            AppOp::MessageGet => self.get_message(param(0), call),
            AppOp::MessageRaw | AppOp::AppMessageRaw => self.raw_message(param(0)),
            AppOp::MessageDelivered => self.delivered_message(param(0)),
            AppOp::MessageExpunge => self.expunge(now, param(0)),
            AppOp::BulkExpunge => self.bulk_expunge(now, call),
            AppOp::ExpungeAll => self.expunge_all(now, rng),
            AppOp::Precheck => self.precheck(call),
            AppOp::EndpointList => self.list_endpoints(call),
            AppOp::EndpointCreate => self.create_endpoint(now, rng, call),
            AppOp::EndpointGet => self.get_endpoint(param(0), call),
            AppOp::EndpointUpdate => self.put_endpoint(now, rng, param(0), call),
            AppOp::EndpointPatch => self.patch_endpoint(now, rng, param(0), call),
            AppOp::EndpointDelete => self.remove_endpoint(now, param(0), call),
            AppOp::SecretGet => self.get_secret(param(0)),
            AppOp::SecretRotate => self.rotate(now, rng, param(0), call),
            AppOp::HeadersGet => self.get_headers(param(0), call),
            AppOp::HeadersPut => self.put_headers(now, rng, param(0), call),
            AppOp::HeadersPatch => self.patch_headers(now, rng, param(0), call),
            AppOp::PluginsGet => self.get_plugins(param(0), call),
            AppOp::PluginsPut => self.put_plugins(now, rng, param(0), call),
            AppOp::EndpointStats => self.stats(now, param(0), call, false),
            AppOp::AttemptStats => self.stats(now, param(0), call, true),
            AppOp::Overview => self.overview(now, call),
            AppOp::SendExample => self.send_example(now, rng, param(0), call),
            AppOp::AttemptsByEndpoint => self.attempts_by_endpoint(param(0), call),
            AppOp::AttemptsByMessage => self.attempts_by_message(param(0), call),
            AppOp::AttemptGet => self.get_attempt(param(0), param(1)),
            AppOp::AttemptExpunge => self.expunge_attempt(param(0), param(1)),
            AppOp::Destinations => self.destinations(param(0), call),
            AppOp::AttemptedMessages => self.attempted(param(0), call),
            AppOp::Resend => self.resend(param(0), param(1)),
            AppOp::Recover => self.start_task(now, rng, TaskKind::Recover, param(0), call),
            AppOp::BulkReplay => self.start_task(now, rng, TaskKind::BulkReplay, param(0), call),
            AppOp::ReplayMissing => self.start_task(now, rng, TaskKind::Replay, param(0), call),
            AppOp::TaskStop => self.stop_task(now, param(0)),
            AppOp::RejectedList => self.list_rejected(call),
            AppOp::RejectedGet => self.get_rejected(param(0)),
            AppOp::RejectedTake => self.take_rejected(param(0)),
            AppOp::Reseal => {
                let (resealed, locked) = self.reseal(now, rng)?;
                self.changed(now, Reply::json(200, &json!({ "resealed": resealed, "locked": locked })))
            }
        }
    }

    pub(super) fn changed(&mut self, now: i64, reply: Reply) -> Handled {
        let mut effects = Effects::default();
        self.settle(now, &mut effects)?;
        Ok(Outcome::Changed(reply, effects))
    }

    // Endpoints.

    /// The ids of all endpoints that are not deleted.
    pub(super) fn live_endpoints(&self) -> Vec<String> {
        let live = self.slots.iter().filter(|(_, slot)| !slot.deleted);
        live.map(|(endpoint_id, _)| endpoint_id.clone()).collect()
    }

    /// The endpoints that may have made an attempt: those that there were at its time. One that was made at an endpoint which
    /// is deleted can still be looked up; the others that are deleted are not asked, however many there are.
    pub(super) fn endpoints_of(&self, attempt_id: &str) -> Vec<String> {
        let at = id::millis(id::ATTEMPT, attempt_id).unwrap_or(0);
        let there = |slot: &Slot| {
            let created = slot.record.created_at.saturating_sub(CLOCKS_MS);
            let over = slot.record.updated_at.saturating_add(CLOCKS_MS);
            created <= at && (!slot.deleted || at <= over)
        };
        let (deleted, live): (Vec<_>, Vec<_>) =
            self.slots.iter().filter(|(_, slot)| there(slot)).partition(|(_, slot)| slot.deleted);
        live.into_iter().chain(deleted).map(|(endpoint_id, _)| endpoint_id.clone()).collect()
    }

    /// The endpoint with this id or uid.
    pub(super) fn endpoint(&self, key: &str) -> Result<(&str, &Slot), ApiError> {
        self.slots
            .get_key_value(key)
            .or_else(|| self.slots.iter().find(|(_, slot)| slot.record.content.uid.as_deref() == Some(key)))
            .filter(|(_, slot)| !slot.deleted)
            .map(|(endpoint_id, slot)| (endpoint_id.as_str(), slot))
            .ok_or_else(|| ApiError::not_found("Endpoint"))
    }

    /// The endpoint with this id or uid, which must not be disabled.
    pub(super) fn enabled_endpoint(&self, key: &str) -> Result<(&str, &Slot), ApiError> {
        let (endpoint_id, slot) = self.endpoint(key)?;
        if slot.record.content.disabled {
            return Err(ApiError::new(
                Code::EndpointDisabled,
                "The endpoint is disabled. Enable it, then send the request again.",
            ));
        }
        Ok((endpoint_id, slot))
    }

    /// The endpoint with this id or uid, which must be able to send at once: it is neither disabled nor paused.
    pub(super) fn sending_endpoint(&self, key: &str) -> Result<(&str, &Slot), ApiError> {
        let (endpoint_id, slot) = self.enabled_endpoint(key)?;
        if !slot.record.content.sends() {
            return Err(ApiError::new(
                Code::EndpointDisabled,
                "The endpoint is paused. Resume it (`\"paused\": false`), then send the request again.",
            ));
        }
        Ok((endpoint_id, slot))
    }

    fn get_endpoint(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let out = slot.record.out(endpoint_id, &self.deployment.vault, !call.reads_only);
        Ok(Outcome::Reply(Reply::json(200, &out)))
    }

    fn remove_endpoint(&mut self, now: i64, key: &str, call: &Call<AppOp>) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let endpoint_id = endpoint_id.to_owned();
        // Without it, the next endpoint would go around its plugins.
        if call.without_plugins && slot.record.plugins.is_some() {
            return Err(ApiError::new(
                Code::InsufficientAccess,
                "This endpoint has plugins. A token without the capability ManageTransformations cannot delete it: \
                 disable it, or ask for a token with that capability.",
            ));
        }
        let data = self.event_data(&endpoint_id);
        self.delete_endpoint(now, &endpoint_id)?;
        self.tell_deleted(now, &endpoint_id, &data)?;
        self.changed(now, Reply::empty(204))
    }

    fn get_secret(&self, key: &str) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let shown = self.shown_secret(endpoint_id, &slot.record)?.ok_or_else(|| {
            ApiError::new(
                Code::PrivateKey,
                "The endpoint signs with a private key, which the API never returns. Receivers verify with the public \
                 key.",
            )
        })?;
        Ok(Outcome::Reply(Reply::json(200, &shown)))
    }

    fn get_headers(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let headers = slot.record.open_headers(endpoint_id, &self.deployment.vault)?;
        let headers = EndpointHeadersOut::new(headers, call.reads_only);
        Ok(Outcome::Reply(Reply::json(200, &headers)))
    }

    fn put_headers(&mut self, now: i64, rng: &mut impl Entropy, key: &str, call: &Call<AppOp>) -> Handled {
        let new = EndpointHeadersIn::parse(&call.body)?;
        let endpoint_id = self.endpoint(key)?.0.to_owned();
        let vault = &self.deployment.vault;
        let headers = EndpointRecord::seal_headers(new.headers, &endpoint_id, vault, rng)?;
        self.change(now, rng, &endpoint_id, |record| {
            record.headers = headers;
            Ok(Reply::empty(204))
        })
    }

    fn patch_headers(&mut self, now: i64, rng: &mut impl Entropy, key: &str, call: &Call<AppOp>) -> Handled {
        let patch = EndpointHeadersPatch::parse(&call.body)?;
        let endpoint_id = self.endpoint(key)?.0.to_owned();
        let vault = &self.deployment.vault;
        let patch = patch.try_map(|set| EndpointRecord::seal_headers(set, &endpoint_id, vault, rng))?;
        self.change(now, rng, &endpoint_id, |record| {
            patch.apply(&mut record.headers)?;
            Ok(Reply::empty(204))
        })
    }

    fn check_content(&self, content: &mut EndpointContent, own: Option<&str>) -> Result<(), ApiError> {
        if self.is_operational() {
            content.channels = None; // operational events have none
            let known = |name: &String| operational::EVENT_TYPES.contains(&name.as_str());
            let unknown: Vec<String> =
                content.event_types.iter().flatten().filter(|name| !known(name)).cloned().collect();
            if !unknown.is_empty() {
                return Err(unknown_event_types(&unknown));
            }
        }
        let target = target::check(&content.url, &self.deployment.policy).map_err(|refusal| {
            ApiError::invalid_kind(&["body", "url"], refusal.to_string(), refusal.code())
        })?;
        // As it will be requested: `/x/../in/…` leads there, too.
        if let Some(path) =
            target.url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.split_at(at).1))
            && source::url::is_own(path, &self.deployment)
        {
            let text = "This URL belongs to a source of this gateway, so events would loop. Use the receiver's own URL.";
            return Err(ApiError::invalid_kind(&["body", "url"], text, "url_own_source"));
        }
        // As it is requested, signed and shown: one spelling.
        content.url.clone_from(&target.url);
        let mut batched = content.batch.is_some();
        if let Some(send_as) = &content.send_as {
            let preset =
                send_as.check().map_err(|(field, text)| ApiError::invalid(&["body", field], text))?;
            if preset.delivery.as_ref().is_some_and(|delivery| delivery.https_only)
                && target::is_plain(&target)
            {
                let text = format!(
                    "{} only sends to https URLs. Use an https URL, or another preset.",
                    preset.title
                );
                return Err(ApiError::invalid_kind(&["body", "url"], text, "url_https_only"));
            }
            batched |= preset.delivery.is_some_and(|delivery| delivery.batch);
        }
        if batched && content.order.is_some() {
            let text = "`batch` and `order: \"fifo\"` cannot be combined. Omit one of them.";
            return Err(ApiError::invalid(&["body", "order"], text));
        }
        if let Some(uid) = &content.uid
            && let Ok((other, _)) = self.endpoint(uid)
            && Some(other) != own
        {
            return Err(ApiError::conflict("An endpoint with this uid already exists."));
        }
        Ok(())
    }

    fn create_endpoint(&mut self, now: i64, rng: &mut impl Entropy, call: &Call<AppOp>) -> Handled {
        let new = EndpointIn::parse(&call.body)?;
        self.create(now, rng, new, call)
    }

    /// Refuses an endpoint more where there are enough, and one that would go around the plugins of the others.
    fn check_room(&self, call: &Call<AppOp>) -> Result<(), ApiError> {
        let live = || self.slots.values().filter(|slot| !slot.deleted);
        let limit = if call.app_scope { self.deployment.max_endpoints } else { MAX_ENDPOINTS };
        if usize::try_from(limit).is_ok_and(|limit| live().count() >= limit) {
            let detail = format!(
                "The limit of {limit} endpoints per application is reached. Delete one that you no longer need."
            );
            return Err(ApiError::new(Code::LimitReached, detail));
        }
        // What redacts is only of use if nobody gets the same without it.
        if call.without_plugins && live().any(|slot| slot.record.plugins.is_some()) {
            return Err(ApiError::new(
                Code::InsufficientAccess,
                "This application's endpoints have plugins. Only a token with the capability \
                 ManageTransformations can create another endpoint.",
            ));
        }
        Ok(())
    }

    fn create(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        mut new: EndpointIn,
        call: &Call<AppOp>,
    ) -> Handled {
        self.check_room(call)?;
        if new.content.send_as.is_none() {
            new.content.send_as = self.inherited().cloned();
        }
        self.check_inherited(&new.content, call)?;
        check_barred(&new.content, None, call)?;
        self.check_content(&mut new.content, None)?;
        let preset = preset_of(&new.content);
        let endpoint_id = id::new(id::ENDPOINT, now, rng);
        let given = new.secret.as_deref();
        let secret = self.make_secret(given, "secret", preset.as_ref(), &endpoint_id, rng)?;
        let vault = &self.deployment.vault;
        let url = std::mem::take(&mut new.content.url);
        let mut record = EndpointRecord {
            content: new.content,
            headers: EndpointRecord::seal_headers(new.headers, &endpoint_id, vault, rng)?,
            secrets: vec![secret],
            ..EndpointRecord::default()
        };
        record.put_url(url, &endpoint_id, vault, rng)?;
        self.add_endpoint(now, &endpoint_id, record)?;
        self.tell_created(now, &endpoint_id)?;
        let (_, slot) = self.endpoint(&endpoint_id)?;
        let reply = Reply::json(201, &slot.record.out(&endpoint_id, &self.deployment.vault, true));
        self.changed(now, reply)
    }

    /// As which provider the application's endpoints send.
    fn inherited(&self) -> Option<&SendAs> {
        self.info.as_ref().and_then(|info| info.send_as.as_ref())
    }

    /// Refuses what an application's own token would take away of the preset that its endpoints have from the application, or
    /// loosen of its rate.
    fn check_inherited(&self, content: &EndpointContent, call: &Call<AppOp>) -> Result<(), ApiError> {
        let Some(inherited) = self.inherited().filter(|_| call.app_scope) else { return Ok(()) };
        let refused = |detail: String| ApiError::new(Code::InsufficientAccess, detail);
        if content.send_as.as_ref() != Some(inherited) {
            return Err(refused(format!(
                "The endpoints of this application send as {}. Only an organization token can change that.",
                inherited.preset
            )));
        }
        let delivery = inherited.resolve().and_then(|preset| preset.delivery);
        let Some(most) = delivery.and_then(|delivery| delivery.per_second) else { return Ok(()) };
        let throttled = content.throttle_rate.is_none_or(|rate| u32::from(rate) <= most);
        // A longer window would allow more than that in one second.
        let paced = content.pace.is_none_or(|pace| content.throttle_rate.is_some() || pace.limit <= most);
        if throttled && paced {
            return Ok(());
        }
        Err(refused(format!(
            "{} allows at most {most} requests per second. Only an organization token can raise that.",
            inherited.preset
        )))
    }

    /// Changes an endpoint's record; `work` makes the change and the reply.
    fn change(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        key: &str,
        work: impl FnOnce(&mut EndpointRecord) -> Result<Reply, ApiError>,
    ) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let (endpoint_id, mut record) = (endpoint_id.to_owned(), slot.record.clone());
        let reply = work(&mut record)?;
        self.edit_endpoint(now, rng, &endpoint_id, record)?;
        self.changed(now, reply)
    }

    /// Changes an endpoint at its owner's wish, and tells of it.
    fn edit_endpoint(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        endpoint_id: &str,
        mut record: EndpointRecord,
    ) -> Result<(), SqlError> {
        // What is written is written with the newest key; what cannot be opened stays as it is.
        let _ = record.reseal(endpoint_id, &self.deployment.vault, rng);
        let was_disabled = self.slots.get(endpoint_id).is_some_and(|slot| slot.record.content.disabled);
        self.change_endpoint(now, endpoint_id, record)?;
        self.tell_updated(now, endpoint_id, was_disabled)
    }

    fn answer_with(&self, key: &str, outcome: Outcome) -> Handled {
        // The record's times and version are set by the change: the reply shows them as they are now.
        let (endpoint_id, slot) = self.endpoint(key)?;
        match outcome {
            Outcome::Changed(_, effects) => {
                let out = slot.record.out(endpoint_id, &self.deployment.vault, true);
                Ok(Outcome::Changed(Reply::json(200, &out), effects))
            }
            other => Ok(other),
        }
    }

    fn put_endpoint(&mut self, now: i64, rng: &mut impl Entropy, key: &str, call: &Call<AppOp>) -> Handled {
        let mut new = EndpointUpdate::parse(&call.body)?;
        let known = self.endpoint(key).map(|(endpoint_id, _)| endpoint_id.to_owned()).ok();
        let Some(endpoint_id) = known else {
            if id::is(id::ENDPOINT, key) {
                return Err(ApiError::not_found("Endpoint"));
            }
            // Made under the name by which it was asked for, so that asking again finds it.
            let uid = new.content.uid.get_or_insert_with(|| key.to_owned());
            if uid != key {
                return Err(ApiError::invalid(&["body", "uid"], "The uid must be the one in the path."));
            }
            return self.create_from_put(now, rng, new.content, call);
        };
        if new.content.uid.is_none() && key != endpoint_id {
            new.content.uid = Some(key.to_owned());
        }
        new.keep(&self.endpoint(&endpoint_id)?.1.record.content);
        if call.app_scope && new.content.send_as.is_none() {
            new.content.send_as = self.inherited().cloned();
        }
        self.check_inherited(&new.content, call)?;
        let mut record = self.endpoint(&endpoint_id)?.1.record.clone();
        check_barred(&new.content, Some(&record.content), call)?;
        let before = self.put_content(&mut record, new.content, &endpoint_id, rng)?;
        self.fit_secrets_after(&before, &mut record, &endpoint_id, rng)?;
        let outcome = self.change(now, rng, &endpoint_id, |old| {
            *old = record;
            Ok(Reply::empty(200))
        })?;
        self.answer_with(&endpoint_id, outcome)
    }

    /// Checks what an endpoint is to be and puts it into its record; gives what it was.
    fn put_content(
        &self,
        record: &mut EndpointRecord,
        mut content: EndpointContent,
        endpoint_id: &str,
        rng: &mut impl Entropy,
    ) -> Result<EndpointContent, ApiError> {
        let vault = &self.deployment.vault;
        let stays = record.whole_url(&mut content, endpoint_id, vault);
        self.check_content(&mut content, Some(endpoint_id))?;
        let before = std::mem::replace(&mut record.content, content);
        if !stays {
            record.put_url(record.content.url.clone(), endpoint_id, vault, rng)?;
        }
        Ok(before)
    }

    fn create_from_put(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        content: EndpointContent,
        call: &Call<AppOp>,
    ) -> Handled {
        let mut new = EndpointIn::parse(&call.body)?;
        new.content = content;
        crate::api::model::check_new_uid(new.content.uid.as_deref())?;
        self.create(now, rng, new, call)
    }

    fn patch_endpoint(&mut self, now: i64, rng: &mut impl Entropy, key: &str, call: &Call<AppOp>) -> Handled {
        let patch = EndpointPatch::parse(&call.body)?;
        let (endpoint_id, slot) = self.endpoint(key)?;
        let (endpoint_id, mut record) = (endpoint_id.to_owned(), slot.record.clone());
        let (mut content, secret) = (record.content.clone(), patch.secret.value().cloned());
        content.apply(patch);
        // What the tenant has made otherwise is not the customer's to answer for.
        if content.send_as != record.content.send_as
            || content.throttle_rate != record.content.throttle_rate
            || content.pace != record.content.pace
        {
            self.check_inherited(&content, call)?;
        }
        check_barred(&content, Some(&record.content), call)?;
        let before = self.put_content(&mut record, content, &endpoint_id, rng)?;
        if let Some(text) = secret {
            let preset = preset_of(&record.content);
            let secret = self.make_secret(Some(&text), "secret", preset.as_ref(), &endpoint_id, rng)?;
            record.secrets = vec![secret];
        }
        self.fit_secrets_after(&before, &mut record, &endpoint_id, rng)?;
        let outcome = self.change(now, rng, &endpoint_id, |old| {
            *old = record;
            Ok(Reply::empty(200))
        })?;
        self.answer_with(&endpoint_id, outcome)
    }

    fn rotate(&mut self, now: i64, rng: &mut impl Entropy, key: &str, call: &Call<AppOp>) -> Handled {
        let rotate = EndpointSecretRotateIn::parse(&call.body)?;
        let (endpoint_id, slot) = self.endpoint(key)?;
        let (endpoint_id, mut record) = (endpoint_id.to_owned(), slot.record.clone());
        record.expire_secrets(now);
        if record.secrets.len() > MAX_OLD_SECRETS {
            return Err(ApiError::new(
                Code::LimitReached,
                format!(
                    "{MAX_OLD_SECRETS} previous secrets are still valid. Wait for one to expire, then rotate again."
                ),
            ));
        }
        let preset = preset_of(&record.content);
        let new = self.make_secret(rotate.key.as_deref(), "key", preset.as_ref(), &endpoint_id, rng)?;
        let grace = i64::from(rotate.grace_seconds()).saturating_mul(1_000);
        if let Some(current) = record.secrets.first_mut() {
            current.expires_at = Some(now.saturating_add(grace));
        }
        record.expire_secrets(now);
        record.secrets.insert(0, new);
        let shown = self.shown_secret(&endpoint_id, &record)?;
        self.edit_endpoint(now, rng, &endpoint_id, record)?;
        self.changed(now, shown.map_or_else(|| Reply::empty(204), |shown| Reply::json(200, &shown)))
    }

    fn list_endpoints(&self, call: &Call<AppOp>) -> Handled {
        let query = &call.query;
        let page = Page::from_query(query, Keys::Id(id::ENDPOINT), Order::Descending)?;
        let wanted_metadata = query.pairs("metadata");
        let has = |slot: &Slot, (key, value): &(&str, &str)| {
            slot.record.content.metadata.get(*key).is_some_and(|have| have == value)
        };
        let live = self
            .slots
            .iter()
            .filter(|(_, slot)| !slot.deleted && wanted_metadata.iter().all(|pair| has(slot, pair)));
        let (vault, whole) = (&self.deployment.vault, !call.reads_only);
        let wanted = usize::try_from(page.probe()).unwrap_or(usize::MAX);
        let rows: Vec<(&String, &Slot)> = if page.reads_ascending() {
            live.filter(|(endpoint_id, _)| endpoint_id.as_str() > page.from()).take(wanted).collect()
        } else {
            live.rev().filter(|(endpoint_id, _)| endpoint_id.as_str() < page.from()).take(wanted).collect()
        };
        let write = |(endpoint_id, slot): &(&String, &Slot)| {
            raw(&slot.record.out(endpoint_id, vault, whole)).map(Some)
        };
        Ok(Outcome::Reply(page.answer_with(rows, |(endpoint_id, _)| endpoint_id, write)?))
    }

    fn stats(&self, now: i64, key: &str, call: &Call<AppOp>, attempts_only: bool) -> Handled {
        let endpoint_id = self.endpoint(key)?.0.to_owned();
        let query = &call.query;
        let until = query.time("until")?.unwrap_or(now);
        let since = query.time("since")?.unwrap_or_else(|| until.saturating_sub(STATS_MS));
        let slack = 5 * 60_000;
        if since > until || until.saturating_sub(since) > STATS_MS.saturating_add(slack) {
            return Err(ApiError::new(
                Code::InvalidRange,
                "Send a period of at most 28 days, in which `since` is before `until`.",
            ));
        }
        let ask = StatsAsk { since, until, hours: None };
        Ok(Outcome::Stats(StatsPlan { endpoint_id, ask, attempts_only }))
    }

    // Messages.

    /// The id of the message with this id or event id.
    pub(super) fn message_id(&self, key: &str) -> Result<String, ApiError> {
        let found = if id::is(id::MESSAGE, key) {
            self.log.get(&self.sql, key)?.map(|header| header.id)
        } else {
            self.find_by_event_id(key)?
        };
        found.ok_or_else(|| ApiError::not_found("Message"))
    }

    fn get_message(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let with_content = call.query.with_content(true)?;
        let id = self.message_id(key)?;
        let text = self.shown_message(&id, with_content)?.ok_or_else(|| ApiError::not_found("Message"))?;
        Ok(Outcome::Reply(Reply::raw_json(200, text)))
    }

    /// A message as the API shows it.
    pub fn shown_message(&self, id: &str, with_content: bool) -> Result<Option<String>, SqlError> {
        let header = self.log.get(&self.sql, id)?;
        header.map(|header| self.shown(&header, with_content)).transpose()
    }

    fn shown(&self, header: &Header, with_content: bool) -> Result<String, SqlError> {
        let (channels, tags) = (header.channels(), header.tags());
        let ingest = self.log.origin(&self.sql, header)?;
        let wanted = with_content && header.has_payload;
        let payload = if wanted { self.log.payload(&self.sql, header)? } else { None };
        let text = String::from_utf8_lossy(payload.as_deref().unwrap_or_default());
        let payload = if header.has_payload { Payload::of(&text) } else { Payload::Expired };
        let fields = MessageFields {
            event_type: header.event_type(),
            event_id: header.event_id(),
            channels: header.has_channels().then_some(&channels),
            tags: header.has_tags().then_some(&tags),
            deliver_at: header.deliver_at(),
            ingest: ingest.as_deref(),
            payload,
        };
        Ok(message_out_json(&header.id, header.at, &fields, with_content))
    }

    pub(super) fn list_messages(&self, call: &Call<AppOp>) -> Handled {
        let query = MessageQuery::parse(&call.query)?;
        let wanted = usize::try_from(query.page.probe()).unwrap_or(usize::MAX);
        let mut scan = Scan::new(&query);
        let mut found: Vec<Header> = Vec::new();
        let mut stopped = None;
        if let Some(event_id) = &query.event_id {
            // There is one at most, and it is found without looking at others.
            if let Some(msg_id) = self.find_by_event_id(event_id)?
                && let Some(header) = self.log.get(&self.sql, &msg_id)?
            {
                let fits =
                    scan.finds(&query, &header) && scan.holds(&self.log, &self.sql, &query, &header)?;
                found.extend(fits.then_some(header));
            }
        } else {
            while found.len() < wanted && !scan.is_over() {
                let missing = wanted.saturating_sub(found.len());
                found.extend(scan.next(&self.log, &self.sql, &query, missing)?);
            }
            stopped = if found.len() < wanted { scan.stopped_at() } else { None };
        }
        let write = |header: &Header| Ok::<_, ApiError>(with_raw(self.shown(header, query.with_content)?));
        let page = query.page.fill(Rows { rows: found, stopped }, |header| &header.id, write)?;
        let page = MessagesOut::new(page, scan.searched(&query));
        Ok(Outcome::Reply(Reply::json(200, &page)))
    }

    // Attempts.

    fn attempts_by_endpoint(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let query = AttemptQuery::parse(&call.query)?;
        let endpoint_id = self.endpoint(key)?.0.to_owned();
        if query.tag.is_some() {
            return self.tagged_attempts(endpoint_id, query, &call.query);
        }
        Ok(plan(vec![endpoint_id], &call.query, query, None, None))
    }

    fn attempts_by_message(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let query = AttemptQuery::parse(&call.query)?;
        let msg_id = self.message_id(key)?;
        let in_path = call.params.get(1);
        let endpoints = match in_path.or(query.endpoint_id.as_ref()) {
            Some(key) => vec![self.endpoint(key)?.0.to_owned()],
            None => self.live_endpoints(),
        };
        // Tags are the message's: all of its attempts have the tag, or none.
        let has_tag = match &query.tag {
            Some(tag) => !self.with_tag([msg_id.as_str()].into_iter(), tag)?.is_empty(),
            None => true,
        };
        let endpoints = if has_tag { endpoints } else { Vec::new() };
        Ok(plan(endpoints, &call.query, query, Some(msg_id), None))
    }

    fn get_attempt(&self, msg_key: &str, attempt_id: &str) -> Handled {
        let msg_id = self.message_id(msg_key)?;
        if !id::is(id::ATTEMPT, attempt_id) {
            return Err(ApiError::not_found("Attempt"));
        }
        let all = Query::default();
        let query = AttemptQuery::parse(&all)?;
        Ok(plan(self.endpoints_of(attempt_id), &all, query, Some(msg_id), Some(attempt_id.to_owned())))
    }

    /// Answers with the attempts that the endpoints told.
    pub fn attempts_reply(&self, plan: AttemptsPlan) -> Result<Reply, SqlError> {
        let AttemptsPlan { query, one, rows, stopped, .. } = plan;
        if one {
            return match rows.into_iter().next() {
                Some(row) => Ok(Reply::json(200, &attempt_out(row, query.with_content, None))),
                None => Ok(ApiError::not_found("Attempt").into()),
            };
        }
        let stopped = stopped.filter(|_| rows.len() <= query.page.limit());
        let write = |row: &AttemptRow| -> Result<Option<Box<RawValue>>, SqlError> {
            let msg =
                if query.with_msg { self.shown_message(&row.msg_id, query.with_content)? } else { None };
            let out = attempt_out(row.clone(), query.with_content, msg);
            raw(&out).map(Some).map_err(|error| SqlError(error.to_string()))
        };
        let list = query.page.fill(Rows { rows, stopped }, |row| &row.id, write)?;
        Ok(Reply::json(200, &list))
    }

    /// A message as it is delivered, which may not be the bytes as they came.
    fn outgoing(&self, msg_id: String) -> Result<Outgoing, ApiError> {
        let header = self.log.get(&self.sql, &msg_id)?.ok_or_else(|| ApiError::not_found("Message"))?;
        let payload = self.log.payload(&self.sql, &header)?.ok_or_else(|| {
            ApiError::new(Code::MissingPayload, "The message's payload is no longer stored.")
        })?;
        Ok(Outgoing {
            id: msg_id,
            event_type: header.event_type().to_owned(),
            channels: header.channels_text().cloned(),
            payload: payload.into(),
            headers: self.log.delivered_headers(&self.sql, &header)?,
        })
    }

    fn delivered_message(&self, key: &str) -> Handled {
        let message = self.outgoing(self.message_id(key)?)?;
        Ok(Outcome::Reply(Reply { status: 200, body: frame::encode(&message), ..Reply::default() }))
    }

    fn resend(&self, msg_key: &str, endpoint_key: &str) -> Handled {
        let msg_id = self.message_id(msg_key)?;
        let (endpoint_id, slot) = self.sending_endpoint(endpoint_key)?;
        let message = self.outgoing(msg_id)?;
        Ok(Outcome::Resend(Box::new(ResendPlan {
            endpoint_id: endpoint_id.to_owned(),
            resend: Resend { config_version: slot.record.version, message },
            reply: None,
            effects: Effects::default(),
            call: None,
        })))
    }
}

/// Refuses event types that do not exist or that the caller's token may not see, unless the endpoint has them already: it
/// was given them when they existed, or by whoever may see them.
fn check_barred(
    content: &EndpointContent,
    old: Option<&EndpointContent>,
    call: &Call<AppOp>,
) -> Result<(), ApiError> {
    let barred = call.barred_types.as_deref().unwrap_or_default();
    let kept: Vec<&String> = old.iter().flat_map(|old| old.event_types.iter().flatten()).collect();
    let wanted = content.event_types.iter().flatten();
    let refused: Vec<String> =
        wanted.filter(|name| barred.contains(name) && !kept.contains(name)).cloned().collect();
    if refused.is_empty() { Ok(()) } else { Err(unknown_event_types(&refused)) }
}

fn plan(
    endpoints: Vec<String>,
    given: &Query,
    query: AttemptQuery,
    msg_id: Option<String>,
    attempt_id: Option<String>,
) -> Outcome {
    let one = attempt_id.is_some();
    let share = page::MAX_BYTES.checked_div(endpoints.len()).unwrap_or(page::MAX_BYTES).max(ATTEMPTS_LEAST);
    let bytes = u32::try_from(share).ok();
    let ask = AttemptsAsk { query: given.clone(), msg_id, attempt_id, bytes };
    let (rows, stopped) = (Vec::new(), None);
    Outcome::Attempts(Box::new(AttemptsPlan { endpoints, ask, query, one, rows, stopped }))
}

fn attempt_out(row: AttemptRow, with_content: bool, msg: Option<String>) -> MessageAttemptOut {
    let attempt = Attempt {
        id: row.id,
        msg_id: row.msg_id,
        endpoint_id: row.endpoint_id,
        url: row.url,
        response: row.response,
        code: row.code,
        duration_ms: row.duration_ms,
        status: Status::from_number(row.status).unwrap_or(Status::Fail),
        trigger: if row.manual { Trigger::Manual } else { Trigger::Scheduled },
        at_ms: row.started_at,
        plugins: row.plugins,
        headers: row.headers,
    };
    MessageAttemptOut::new(attempt, with_content, msg)
}
