//! The App object: one application's message log, its endpoints' configurations, and the fan-out.
//!
//! It promises:
//! - a message is stored before it is accepted, once for each idempotency key and each event id;
//! - every endpoint that a message matches is offered it, in the log's order, until it says "stored":
//!   each endpoint has a cursor in the log; a crash between an offer and its answer repeats the offer,
//!   which the Endpoint object recognizes;
//! - a configuration change reaches the Endpoint object before any message accepted after it, and is
//!   offered until acknowledged;
//! - an endpoint that has deliveries waiting and is not heard of is woken: this object is the reconciler.
//!
//! Methods change the tables and return [`Effects`], to be carried out once this turn's writes are durable.
//! Cursors move in memory and are written with the alarm, so a crash only repeats offers.
//!
//! A storage error leaves memory and tables possibly apart: the owner then drops the object and opens it
//! again.

mod accept;
mod batch;
mod config;
mod count;
mod destinations;
mod erase;
mod events;
mod example;
mod exhausted;
mod fanout;
mod forget;
mod handle;
mod ingest;
mod log;
mod overview;
mod plugins;
mod purge;
mod recent;
mod record;
mod rejected;
mod room;
#[cfg(test)]
mod scale;
mod schedule;
mod schema;
mod secrets;
mod standing;
mod standings;
mod tagged;
mod tasks;
#[cfg(test)]
mod tests;
mod usage;
#[cfg(test)]
mod world;

pub use destinations::{AskPlan, Told};
#[cfg(test)]
pub(crate) use handle::MAX_ENDPOINTS;
pub use handle::{AttemptsPlan, Outcome, ResendPlan, StatsPlan};
#[cfg(any(test, feature = "memory"))]
pub use log::{Inspected, backfill, inspect};
pub use record::{EndpointRecord, StoredSecret};
pub use schema::MIGRATIONS;
pub use standing::{Route, route};
pub use tasks::TaskEffect;
pub use usage::UsagePlan;

use crate::budget::{Budget, Share};
use crate::deployment::{Deployment, is_overdue};
use crate::filter::Filter;
use crate::frame::{self, AppInit, Config, Push, ReplayAsk};
use crate::id::{self, Generator};
use crate::operational::Event;
use crate::retry::doubled;
use crate::source::Gate;
use crate::sql::{Sql, SqlError, Value, migrate, schema_version};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How long after a message the object makes sure that everything went out, and writes its cursors. The platform evicts objects
/// that were idle for ten seconds: sooner than that, the memory still knows, and nothing has to be offered and asked again.
pub const RECONCILE_MS: i64 = 8_000;
/// How long an endpoint that owes deliveries may be silent before it is woken.
pub const SILENCE_MS: i64 = 15 * 60_000;
/// How soon after a push the endpoint is asked whether it still owes, when the cursors are written.
const PROMPT_MS: i64 = RECONCILE_MS / 2;
/// A push that failed is repeated after this time, doubling up to [`RETRY_MAX_MS`].
const RETRY_BASE_MS: i64 = 500;
const RETRY_MAX_MS: i64 = 5 * 60_000;
/// Waits up to this are kept by a timer, longer ones by the alarm alone: see [`crate::endpoint::TIMER_MAX_MS`].
const TIMER_MAX_MS: i64 = 1_000;

/// What the platform has to do, once this turn's writes are durable.
#[derive(Debug, Default)]
pub struct Effects {
    /// Offer messages to an endpoint; answered by [`App::pushed`].
    pub push: Vec<(String, Push)>,
    /// Offer a configuration; answered by [`App::configured`].
    pub configure: Vec<(String, Config)>,
    /// Operational events that a report leads to: the report is acknowledged once they are accepted.
    pub operational: Vec<Event>,
    /// Operational events of this application's own, with their numbers; each answered by [`App::event_sent`].
    pub events: Vec<(i64, Event)>,
    /// What background tasks need.
    pub tasks: Vec<TaskEffect>,
    /// Give endpoints messages whose time has come; each answered by [`App::scheduled_told`].
    pub scheduled: Vec<(String, ReplayAsk)>,
    /// Have deleted endpoints' objects erase themselves; each answered by [`App::endpoint_erased`].
    pub erase: Vec<String>,
    /// Set the durable alarm to this time.
    pub alarm: Option<i64>,
    /// Call [`App::tick`] at this time, if still awake. It replaces the timer of earlier effects.
    pub timer: Option<i64>,
    /// The timer of earlier effects has nothing to wait for any more.
    pub cancel_timer: bool,
}

/// A message of the log, in memory until every endpoint was offered it.
struct Entry {
    id: String,
    event_type: String,
    channels_text: Option<String>,
    channels: Vec<String>,
    payload: frame::Payload,
    headers: Option<frame::Headers>,
}

struct Slot {
    record: EndpointRecord,
    filter: Filter,
    cursor: String,
    saved_cursor: String,
    acknowledged: i64,
    saved_owes: bool,
    owes: bool,
    deleted: bool,
    /// Its object is being erased.
    erasing: bool,
    configuring: bool,
    pushing: Option<Pushing>,
    /// The endpoint said "enough" and will pull.
    enough: bool,
    /// It has pulled since the push under way was begun: what that is answered is out of date.
    pulled: bool,
    retry_at: i64,
    failures: u32,
    heard_at: i64,
}

/// A push under way.
struct Pushing {
    /// Where the cursor goes when all is accepted.
    upto: String,
    /// The messages offered, for when only the first of them are accepted.
    ids: Vec<String>,
    /// The endpoint was handed something else meanwhile: what it says it owes may be out of date.
    overtaken: bool,
}

impl Pushing {
    /// Without messages, it only asks whether the endpoint is awake.
    fn is_poke(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The App object. See the module's description.
pub struct App<S> {
    sql: S,
    deployment: Rc<Deployment>,
    info: Option<AppInit>,
    log: log::Log,
    message_ids: Generator,
    recent: recent::Recent,
    /// The newest message's id; empty before the first.
    last: String,
    slots: BTreeMap<String, Slot>,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// Every message after this one is in `tail`.
    tail_after: String,
    /// Background tasks that are open.
    tasks: BTreeMap<String, tasks::Task>,
    /// Operational events that wait to be sent.
    outbox: events::Outbox,
    /// Messages that wait for their time.
    schedule: schedule::Schedule,
    known_plugins: plugins::Known,
    /// How many requests may come in at a source.
    gate: Option<Gate>,
    /// When something has to be forgotten next.
    purge_at: Option<i64>,
    room: room::Room,
    alarm: Option<i64>,
    timer: Option<i64>,
    /// Pushes that wait for their answers.
    open: fanout::Open,
    share: Share,
    /// What each endpoint may start of the application's rate: so many requests in so many milliseconds.
    rate_share: Option<(u32, i64)>,
}

impl<S: Sql> App<S> {
    /// Opens the object over its storage. `alarm` is what the platform's alarm is set to; where it does not
    /// fit the tables, the effects of the next call repair it.
    pub fn open(sql: S, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        let mut this = Self {
            sql,
            deployment,
            info: None,
            log: log::Log::default(),
            message_ids: Generator::new(id::MESSAGE, None),
            recent: recent::Recent::default(),
            last: String::new(),
            slots: BTreeMap::new(),
            tail: VecDeque::new(),
            tail_bytes: 0,
            tail_after: String::new(),
            tasks: BTreeMap::new(),
            outbox: events::Outbox::default(),
            schedule: schedule::Schedule::default(),
            known_plugins: plugins::Known::default(),
            gate: None,
            purge_at: None,
            room: room::Room::default(),
            alarm,
            timer: None,
            open: fanout::Open::default(),
            share: Share::default(),
            rate_share: None,
        };
        if schema_version(&this.sql)? > 0 {
            migrate(&this.sql, MIGRATIONS, now)?;
            this.load(now)?;
        }
        Ok(this)
    }

    /// What the object may ask of the platform is counted here from now on.
    pub fn set_budget(&mut self, budget: Rc<Budget>) {
        self.share.set(budget);
    }

    fn load(&mut self, now: i64) -> Result<(), SqlError> {
        let info = self.sql.query("SELECT v FROM meta WHERE k = 'info'", &[])?;
        if let Some(mut row) = info.into_iter().next() {
            self.info = Some(frame::decode(&row.blob(0)?).map_err(SqlError)?);
        }
        if self.is_deleted() {
            for mut row in self.sql.query("SELECT id FROM endpoint", &[])? {
                let slot = Slot { deleted: true, ..Slot::new(0, EndpointRecord::default(), String::new()) };
                self.slots.insert(row.text(0)?, slot);
            }
            return Ok(());
        }
        self.log = log::Log::open(&self.sql, now, self.retention_ms())?;
        let (last, newest) = self.log.newest(&self.sql)?;
        self.message_ids = Generator::new(id::MESSAGE, Some(&newest));
        self.tail_after.clone_from(&last);
        self.last = last;
        let rows =
            self.sql.query("SELECT id, acknowledged, cursor, owes, deleted, record FROM endpoint", &[])?;
        for mut row in rows {
            let record: EndpointRecord = frame::decode(&row.blob(5)?).map_err(SqlError)?;
            let mut slot = Slot::new(now, record, row.text(2)?);
            slot.acknowledged = row.int(1)?;
            slot.owes = row.flag(3)?;
            slot.saved_owes = slot.owes;
            slot.deleted = row.flag(4)?;
            self.slots.insert(row.text(0)?, slot);
        }
        self.load_recent(now)?;
        self.rate_share = self.rate_share_now();
        self.load_events()?;
        self.load_schedule()?;
        self.load_known_plugins()?;
        self.load_room()?;
        self.load_purge()?;
        self.load_tasks()
    }

    /// The Directory says that this application exists, has this uid, or is deleted. Older news than known
    /// is ignored.
    pub fn init(&mut self, now: i64, init: AppInit) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if self.info.as_ref().is_some_and(|info| info.version >= init.version) {
            self.settle(now, &mut effects)?; // every call repairs an alarm that was lost
            return Ok(effects);
        }
        if init.deleted && self.info.is_none() {
            return Ok(effects);
        }
        migrate(&self.sql, MIGRATIONS, now)?;
        self.sql.exec(
            "INSERT INTO meta (k, v) VALUES ('info', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&init))],
        )?;
        let deleted = init.deleted;
        if self.info.is_none() {
            self.log = log::Log::open(&self.sql, now, self.retention_ms())?;
        }
        self.info = Some(init);
        if deleted {
            self.erase_content()?;
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// Whether the application exists, and under the uid by which it was called (if it was).
    pub fn exists(&self, uid: Option<&str>) -> bool {
        self.info
            .as_ref()
            .is_some_and(|info| !info.deleted && uid.is_none_or(|uid| info.uid.as_deref() == Some(uid)))
    }

    /// The alarm went off: writes cursors, repeats what was not acknowledged, wakes the silent, and leaves
    /// a new alarm behind where one is needed.
    pub fn alarm(&mut self, now: i64) -> Result<Effects, SqlError> {
        let effects = self.forget(now)?;
        self.wake(now, effects)
    }

    /// The first half of [`App::alarm`], in a transaction of its own: on a full disk it makes room, and that must not be
    /// undone because what follows finds none. Gives what [`App::wake`] goes on with.
    pub fn forget(&mut self, now: i64) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if self.exists(None) {
            self.purge(now, &mut effects)?;
            self.watch_storage(now)?;
        }
        Ok(effects)
    }

    /// The second half of [`App::alarm`].
    pub fn wake(&mut self, now: i64, mut effects: Effects) -> Result<Effects, SqlError> {
        self.alarm = None;
        if !self.exists(None) {
            return Ok(effects);
        }
        for (endpoint_id, slot) in &mut self.slots {
            // What was just sent has usually arrived by now: asked before it is written down that it is owed, the
            // endpoint saves that row, the one that takes it back, and an alarm for each.
            let patience = if slot.saved_owes { SILENCE_MS } else { PROMPT_MS };
            let silent = now.saturating_sub(slot.heard_at) >= patience && slot.retry_at <= now;
            if slot.owes
                && silent
                && slot.pushing.is_none()
                && self.share.may_call()
                && self.open.take(now, endpoint_id, 0)
            {
                self.share.count_call();
                slot.heard_at = now;
                slot.pushing = Some(Pushing { upto: slot.cursor.clone(), ids: Vec::new(), overtaken: false });
                let poke = Push { config_version: slot.record.version, messages: Vec::new() };
                effects.push.push((endpoint_id.clone(), poke));
            }
            if slot.retry_at <= now {
                slot.enough = false;
            }
        }
        self.save_cursors()?;
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// The timer of an earlier call's effects went off.
    pub fn tick(&mut self, now: i64) -> Result<Effects, SqlError> {
        self.timer = None;
        let mut effects = Effects::default();
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    fn save_cursors(&mut self) -> Result<(), SqlError> {
        if self.is_jammed()? {
            return Ok(()); // what is offered again, the endpoints know
        }
        for (endpoint_id, slot) in &mut self.slots {
            // An endpoint that is being asked is written when it has answered.
            if !slot.pushing.as_ref().is_some_and(Pushing::is_poke) {
                slot.save(&self.sql, endpoint_id)?;
            }
        }
        Ok(())
    }

    /// An endpoint is about to be handed deliveries that are not offered again: from now on it owes, whatever
    /// becomes of this object's memory and of that one's alarm.
    fn note_debt(&mut self, endpoint_id: &str) -> Result<(), SqlError> {
        let Some(slot) = self.slots.get_mut(endpoint_id) else { return Ok(()) };
        slot.owes = true;
        if let Some(pushing) = &mut slot.pushing {
            pushing.overtaken = true;
        }
        if slot.saved_owes { Ok(()) } else { slot.save(&self.sql, endpoint_id) }
    }

    /// What follows every change: offer what can be offered, keep the alarm true.
    fn settle(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.is_deleted() {
            return Ok(()); // what is left to do is the Directory's to ask for
        }
        self.log.set_now(now);
        self.share_rate_anew()?;
        self.configure_all(now, effects);
        self.fan_out(now, effects)?;
        self.trim_tail();
        if !self.is_jammed()? {
            self.drive_tasks(now, effects)?;
            self.drive_events(now, effects)?;
            self.drive_schedule(now, effects)?;
        }
        self.arm(now, effects);
        Ok(())
    }

    fn arm(&mut self, now: i64, effects: &mut Effects) {
        let mut wanted: Option<i64> = None;
        let mut timer: Option<i64> = None;
        let sooner = |at: i64, than: &mut Option<i64>| *than = Some(than.map_or(at, |t| t.min(at)));
        for slot in self.slots.values() {
            if slot.acknowledged < slot.record.version || slot.behind(&self.last) {
                sooner(now.max(slot.retry_at).saturating_add(RECONCILE_MS), &mut wanted);
                if slot.retry_at > now && !slot.enough {
                    sooner(slot.retry_at, &mut timer);
                }
            }
            if slot.cursor != slot.saved_cursor || slot.owes != slot.saved_owes {
                sooner(now.saturating_add(RECONCILE_MS), &mut wanted);
            }
            if slot.owes {
                sooner(slot.heard_at.saturating_add(SILENCE_MS).max(now.saturating_add(1_000)), &mut wanted);
            }
        }
        for task in self.tasks.values() {
            sooner(task.due(now).saturating_add(RECONCILE_MS), &mut wanted);
            if let Some(at) = task.waits_until(now) {
                sooner(at, &mut timer);
            }
        }
        if let Some(at) = self.purge_at {
            sooner(at.max(now.saturating_add(1_000)), &mut wanted);
        }
        if let Some(at) = self.schedule_due() {
            // Where it is due, endpoints are being given it: the alarm is for the case that none answers.
            sooner(if at > now { at } else { now.saturating_add(RECONCILE_MS) }, &mut wanted);
        }
        if self.outbox.waiting {
            sooner(now.max(self.outbox.retry_at).saturating_add(RECONCILE_MS), &mut wanted);
            if self.outbox.retry_at > now {
                sooner(self.outbox.retry_at, &mut timer);
            }
        }
        if let Some(at) = self.open.frees_at(now) {
            sooner(at, &mut timer);
        }
        if let Some(at) = timer
            && at.saturating_sub(now) > TIMER_MAX_MS
        {
            sooner(at, &mut wanted);
            timer = None;
        }
        if self.share.take_continues() {
            wanted = Some(now);
        }
        if let Some(at) = wanted
            && self.alarm.is_none_or(|alarm| alarm > at || is_overdue(alarm, now))
        {
            self.alarm = Some(at);
            effects.alarm = Some(at);
        }
        if timer != self.timer {
            self.timer = timer;
            effects.timer = timer;
            effects.cancel_timer = timer.is_none();
        }
    }
}

impl Slot {
    /// An endpoint that was offered the log up to `cursor`, and was heard of just now.
    fn new(now: i64, record: EndpointRecord, cursor: String) -> Self {
        Self {
            filter: record.filter(),
            record,
            saved_cursor: cursor.clone(),
            cursor,
            acknowledged: 0,
            saved_owes: false,
            owes: false,
            deleted: false,
            erasing: false,
            configuring: false,
            pushing: None,
            enough: false,
            pulled: false,
            retry_at: 0,
            failures: 0,
            heard_at: now,
        }
    }

    /// Writes how far the endpoint is, where that has changed.
    fn save(&mut self, sql: &impl Sql, endpoint_id: &str) -> Result<(), SqlError> {
        if self.cursor != self.saved_cursor || self.owes != self.saved_owes {
            sql.exec(
                "UPDATE endpoint SET cursor = ?2, owes = ?3 WHERE id = ?1",
                &[Value::Text(endpoint_id), Value::Text(&self.cursor), Value::flag(self.owes)],
            )?;
            self.saved_cursor.clone_from(&self.cursor);
            self.saved_owes = self.owes;
        }
        Ok(())
    }

    /// Whether messages of the log wait to be offered.
    fn behind(&self, last: &str) -> bool {
        !self.deleted && !self.record.content.disabled && self.cursor.as_str() < last
    }

    fn failed(&mut self, now: i64) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(doubled(RETRY_BASE_MS, self.failures, RETRY_MAX_MS));
    }

    fn heard(&mut self, now: i64) {
        self.failures = 0;
        self.retry_at = 0;
        self.heard_at = now;
    }
}
