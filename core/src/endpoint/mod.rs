//! The Endpoint object: the deliveries owed to one endpoint, and the attempts made.
//!
//! It promises, for every message that the App pushes to it:
//! - stored when it says so, once, however often it is pushed;
//! - attempted until one attempt succeeds or the schedule is exhausted, across crashes at any point;
//! - never more requests under way, or started within the pace's window, than allowed.
//!
//! Every method takes the time, changes the tables and returns [`Effects`] for the platform to carry out
//! *after* the writes of the same turn are durable. The memory here (queue, requests under way, pace) is a
//! cache and a plan; whatever is lost with it is found again in the tables, because each row that memory
//! holds is leased: its `slot` lies just past the time by which it must be done.
//!
//! A storage error leaves memory and tables possibly apart: the owner then drops the object and opens it
//! again.

mod breaker;
mod due;
mod exchange;
mod history;
#[cfg(any(test, feature = "memory"))]
pub mod inspect;
mod intake;
mod line;
mod list;
mod plugins;
mod purge;
mod record;
mod schema;
mod sender;
mod standing;
mod stats;
mod summary;
#[cfg(test)]
mod tests;

pub use exchange::{HIDDEN, MAX as HEADERS_MAX};
pub use line::{BATCH_BYTES, Batch, Order};
pub use plugins::{Passage, Passed};
pub use record::{AttemptOutcome, AttemptResult, Failure, RESPONSE_MAX};
pub use schema::MIGRATIONS;

use crate::budget::{Budget, Share};
use crate::deployment::{Deployment, is_overdue};
use crate::frame::{self, Config, Report, ReportKind};
use crate::header::Fields;
use crate::id::{self, Generator};
use crate::pace::{Pace, Window};
use crate::plugin::{Attached, Subject};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value, migrate, schema_version};
use breaker::Breaker;
use due::Due;
use history::History;
use line::{Next, Together};
use plugins::{PluginBreaker, Ready};
use sender::{Draft, Sender};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// What deliveries name themselves.
const USER_AGENT: &str = concat!("Weir-Webhooks/", env!("CARGO_PKG_VERSION"));
/// How long past its timeout a request may take before its delivery counts as due again.
pub const LEASE_MARGIN_MS: i64 = 2_000;
/// How long a delivery may wait in memory on top of that before its lease has to be renewed.
pub const QUEUE_SLACK_MS: i64 = 3_000;
/// At most so many deliveries wait in memory; more wait in the App's log.
pub const QUEUE_MAX: usize = 512;
/// No more is taken once so many bytes of payload wait in memory; the last one may go beyond it.
pub const QUEUE_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Waits up to this are kept by a timer, longer ones by the alarm alone: an object with a timer stays in memory, and an
/// alarm costs as much as 0.7 seconds of that.
pub const TIMER_MAX_MS: i64 = 1_000;
/// A pull that failed is repeated after this time, doubling up to [`PULL_RETRY_MAX_MS`].
const PULL_RETRY_MS: i64 = 250;
const PULL_RETRY_MAX_MS: i64 = 60_000;
/// Payloads that could not be fetched are asked for again after this time, doubling up to [`FETCH_RETRY_MAX_MS`].
const FETCH_RETRY_MS: i64 = 500;
const FETCH_RETRY_MAX_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// How long to wait before a report is sent again.
const REPORT_RETRY_MS: i64 = 15_000;

/// What the platform has to do, once this turn's writes are durable.
#[derive(Debug, Default)]
pub struct Effects {
    /// Requests to send; each is answered by one [`AttemptResult`].
    pub send: Vec<Attempt>,
    /// Deliveries to pass through plugins; each is answered by one [`Passed`].
    pub pass: Vec<Passage>,
    /// Ask the App for these messages' payloads.
    pub fetch_payloads: Vec<String>,
    /// Tell the App that there is room again; answered by [`Endpoint::pulled`].
    pub pull: bool,
    /// Reports for the App, each with the number by which it is acknowledged.
    pub reports: Vec<(i64, Report)>,
    /// Set the durable alarm to this time.
    pub alarm: Option<i64>,
    /// Call [`Endpoint::tick`] at this time, if still awake. It replaces the timer of earlier effects.
    pub timer: Option<i64>,
    /// The timer of earlier effects has nothing to wait for any more.
    pub cancel_timer: bool,
}

/// One request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery: Delivery,
    /// Further deliveries in the same request.
    pub riders: Vec<Delivery>,
    /// Where to.
    pub url: String,
    /// All headers but those that HTTP itself needs.
    pub headers: Fields,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Milliseconds for the response. A body that takes longer is cut off.
    pub timeout_ms: i64,
    /// When it was started.
    pub started_at: i64,
    /// The URL to call instead, where the signature stands in it: on record is only the other.
    pub signed_url: Option<String>,
    /// Why it must not be sent; a sentence.
    pub refused: Option<String>,
    /// What is kept of its headers.
    kept: String,
}

/// A delivery in memory: one that is due, leased to this object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When its lease ends: by this and its key the tables know it.
    pub slot: i64,
    /// Its key: the message's id, with a suffix for one asked for by hand.
    pub key: String,
    /// The message.
    pub msg_id: String,
    /// The event's type.
    pub event_type: String,
    /// Channels, as the text of a JSON array.
    pub channels: Option<String>,
    /// Asked for by hand: one attempt, no retries.
    pub manual: bool,
    /// How many attempts were made before.
    pub made: u32,
    /// What plugins did to it on its way to this attempt: the text of a JSON array.
    pub plugins: Option<String>,
}

impl Delivery {
    /// A delivery that memory takes, leased until then.
    fn of(due: Due, slot: i64) -> Self {
        let Due { key, msg_id, event_type, channels, manual, made, .. } = due;
        Self { slot, key, msg_id, event_type, channels, manual, made, plugins: None }
    }
}

struct Queued {
    delivery: Delivery,
    payload: Vec<u8>,
    /// Headers that the message brought along.
    headers: Option<frame::Headers>,
    /// When it came here.
    since: i64,
}

/// The configuration, made ready for use.
struct Active {
    config: Config,
    sender: Sender,
    plugins: Rc<[Attached]>,
}

/// The Endpoint object. See the module's description.
pub struct Endpoint<S> {
    sql: S,
    due: due::Store,
    history: History,
    deployment: Rc<Deployment>,
    active: Option<Active>,
    attempt_ids: Generator,
    /// The newest message known to be stored; `None` until the tables were searched.
    newest: Option<String>,
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    /// Leased, waiting for their payloads.
    loading: Vec<Delivery>,
    /// Passing plugins: until when each is leased.
    passing: HashMap<String, i64>,
    /// Past their plugins, waiting for the pace.
    ready: VecDeque<Ready>,
    /// By the plugin's place in the list.
    plugin_breakers: Vec<PluginBreaker>,
    in_flight: HashMap<String, InFlight>,
    /// How many of `in_flight` are answered.
    answered: usize,
    /// One for each pace; a request starts when all of them let it.
    windows: Vec<Window>,
    breaker: Breaker,
    failing_since: Option<i64>,
    /// The standing that was reported last.
    reported: standing::Reported,
    /// The standing whose report is not acknowledged yet.
    reporting: Option<standing::Reported>,
    /// The App was told "enough".
    told_enough: bool,
    /// No due row is earlier than this.
    earliest: Option<i64>,
    /// Reports wait until this time to be sent again.
    reports_at: Option<i64>,
    /// When attempts have to be forgotten, if that is soon.
    purge_at: Option<i64>,
    alarm: Option<i64>,
    timer: Option<i64>,
    stats: stats::Stats,
    throughput: Throughput,
    manual_count: u64,
    share: Share,
    /// A pull that failed waits until this time, after so many failures.
    pull_at: i64,
    pull_failures: u32,
    /// How often in a row payloads could not be fetched.
    fetch_failures: u32,
    /// So many payloads fit in one answer, by the last one.
    fetch_fits: usize,
    /// What the platform itself refuses.
    refusals: record::Refusals,
}

/// How many requests end in a second.
#[derive(Debug, Default)]
struct Throughput {
    second: i64,
    count: usize,
    before: usize,
}

impl Throughput {
    fn roll(&mut self, now: i64) {
        let second = now.div_euclid(1000);
        if second != self.second {
            self.before = if second == self.second.saturating_add(1) { self.count } else { 0 };
            self.count = 0;
            self.second = second;
        }
    }

    fn ended(&mut self, now: i64, count: usize) {
        self.roll(now);
        self.count = self.count.saturating_add(count);
    }

    fn per_second(&self, now: i64) -> usize {
        let fresh = now.div_euclid(1000).saturating_sub(self.second) <= 1;
        if fresh { self.count.max(self.before) } else { 0 }
    }
}

/// A request whose result is not recorded yet.
struct InFlight {
    until: i64,
    /// It holds no connection: its answer is there, or the request is another delivery's.
    answered: bool,
}

impl<S: Sql> Endpoint<S> {
    /// Opens the object over its storage. `alarm` is what the platform's alarm is set to: where it does not
    /// fit the table, the next call's effects repair it.
    pub fn open(sql: S, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        let mut this = Self {
            sql,
            due: due::Store::default(),
            history: History::default(),
            deployment,
            active: None,
            attempt_ids: Generator::new(id::ATTEMPT, None),
            newest: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            loading: Vec::new(),
            passing: HashMap::new(),
            ready: VecDeque::new(),
            plugin_breakers: Vec::new(),
            in_flight: HashMap::new(),
            answered: 0,
            windows: Vec::new(),
            breaker: Breaker::default(),
            failing_since: None,
            reported: standing::Reported::default(),
            reporting: None,
            told_enough: false,
            earliest: None,
            reports_at: None,
            purge_at: None,
            alarm,
            timer: None,
            stats: stats::Stats::default(),
            throughput: Throughput::default(),
            manual_count: 0,
            share: Share::default(),
            pull_at: 0,
            pull_failures: 0,
            fetch_failures: 0,
            fetch_fits: QUEUE_MAX,
            refusals: record::Refusals::default(),
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
        let (history, last, checkpoint) = History::open(&self.sql)?;
        self.history = history;
        self.attempt_ids = Generator::new(id::ATTEMPT, last.as_deref());
        self.due = due::Store::open(&self.sql, &self.history, &checkpoint.ended)?;
        self.stats = stats::Stats::restore(&checkpoint.hours);
        (self.breaker, self.failing_since) = (checkpoint.breaker, checkpoint.failing_since);
        self.reported = checkpoint.reported;
        for mut row in self.sql.query("SELECT v FROM meta WHERE k = 'config'", &[])? {
            let config = frame::decode(&row.blob(0)?).map_err(SqlError)?;
            self.activate(config, now)?;
        }
        self.earliest = self.query_earliest()?;
        self.expect_report(now);
        if !self.sql.query("SELECT 1 FROM report LIMIT 1", &[])?.is_empty() {
            self.reports_at = Some(now);
        }
        Ok(())
    }

    /// The starts that still count towards the paces: those recorded, and for each lease (of a request under
    /// way, or of a memory that was lost) the latest time at which its request can have started, and those of
    /// leases that ran out (see [`Self::save_starts`]).
    fn restore_pace(&mut self, active: &Active, now: i64) -> Result<(), SqlError> {
        let paces = active.sender.paces.iter();
        self.windows = paces.map(|&(limit, window_ms)| Window::new(Pace { limit, window_ms })).collect();
        let Some(span) = active.sender.paces.iter().map(|&(_, window_ms)| window_ms).max() else {
            return Ok(());
        };
        // A clock that is ahead may go back. Whatever it does, no request starts before the newest start: what can
        // share a window with the next one is counted from there.
        let newest = self.history.newest_start(&self.sql)?;
        let since = newest.map_or(now, |newest| newest.min(now)).saturating_sub(span);
        let mut starts = self.history.starts_since(&self.sql, since)?;
        // No lease taken by this clock ends later: the clock went back, and the start lies in its future.
        let latest = now
            .saturating_add(active.sender.timeout_ms)
            .saturating_add(LEASE_MARGIN_MS)
            .saturating_add(active.slack());
        let leases = self.due.leases(&self.sql)?.into_iter();
        starts.extend(leases.map(|until| {
            // The timeout may have been another one when the lease was taken.
            let start = until.saturating_sub(LEASE_MARGIN_MS);
            if until > latest { start } else { start.min(now) }
        }));
        for mut row in self.sql.query("SELECT v FROM meta WHERE k = 'starts'", &[])? {
            let saved: Vec<i64> = frame::decode(&row.blob(0)?).map_err(SqlError)?;
            starts.extend(saved);
        }
        for window in &mut self.windows {
            window.restore(starts.iter().copied());
        }
        Ok(())
    }

    /// Writes down the starts known to the paces. A lease that ran out may stand for a request that was started
    /// and never recorded; once its row is leased again, nothing in the table tells of that start.
    fn save_starts(&self) -> Result<(), SqlError> {
        let longest = self.windows.iter().max_by_key(|window| window.pace().window_ms);
        match longest {
            // A shorter window has passed before a lease can run out.
            Some(window) if window.pace().window_ms > LEASE_MARGIN_MS => {
                let starts: Vec<i64> = window.starts().collect();
                self.set_meta("starts", &frame::encode(&starts))
            }
            _ => Ok(()),
        }
    }

    /// When the next of those is due that may go.
    fn query_earliest(&self) -> Result<Option<i64>, SqlError> {
        self.due.earliest(&self.sql, self.is_fifo())
    }

    fn set_meta(&self, key: &'static str, value: &[u8]) -> Result<(), SqlError> {
        self.sql.exec(
            "INSERT INTO meta (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Text(key), Value::Blob(value)],
        )
    }

    /// The version of the configuration held; 0 before the first.
    pub fn config_version(&self) -> i64 {
        self.active.as_ref().map_or(0, |active| active.config.version)
    }

    /// Whether this object has to be woken if its alarm gets lost: deliveries are waiting or under way (and the
    /// endpoint is enabled), or reports were not acknowledged.
    pub fn owes(&self) -> bool {
        let enabled = self.active.as_ref().is_some_and(|a| !a.config.disabled && !a.config.deleted);
        let waits = self.earliest.is_some() || !self.queue.is_empty() || !self.in_flight.is_empty();
        (enabled && waits) || self.reports_at.is_some()
    }

    fn activate(&mut self, config: Config, now: i64) -> Result<(), SqlError> {
        let sender = Sender::new(&config, &self.deployment, now);
        let plugins = sender.plugins();
        let active = Active { config, sender, plugins };
        // Where the paces stay, memory knows the starts better than the table, which cannot tell a lease that
        // waits from one that was started.
        if self.active.as_ref().is_none_or(|before| before.sender.paces != active.sender.paces) {
            self.restore_pace(&active, now)?;
        }
        self.active = Some(active);
        Ok(())
    }

    /// The alarm went off. Always leaves a new alarm behind where one is needed.
    pub fn alarm(&mut self, now: i64, rng: &mut impl Entropy) -> Result<Effects, SqlError> {
        self.alarm = None;
        if self.active.is_none() {
            return Ok(Effects::default());
        }
        self.purge(now, false)?;
        self.earliest = self.query_earliest()?;
        let mut effects = Effects::default();
        self.report_standing(now, &mut effects)?;
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
    }

    /// The timer of an earlier call's effects went off.
    pub fn tick(&mut self, now: i64, rng: &mut impl Entropy) -> Result<Effects, SqlError> {
        self.timer = None;
        self.settled(now, rng)
    }

    /// A request has its result, which [`Endpoint::record`] will get with others: if it succeeded, its place is
    /// free for the next one now. (A failure may mean that nothing more is to be sent: that is for the record.)
    pub fn answered(&mut self, now: i64, result: &AttemptResult) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        let success = self.succeeded(&result.outcome);
        if let Some(request) = self.in_flight.get_mut(&result.delivery.key)
            && request.until == result.delivery.slot
            && !request.answered
            && success
        {
            request.answered = true;
            self.answered = self.answered.saturating_add(1);
            self.pump(now, &mut effects)?;
            self.arm(now, &mut effects);
        }
        Ok(effects)
    }

    /// Whether recording this result may wait a moment for those of other requests in flight: nothing waits for it.
    pub fn may_wait(&self, result: &AttemptResult) -> bool {
        self.succeeded(&result.outcome)
            && !self.is_fifo()
            && self.breaker.is_closed()
            && self.in_flight.len() > self.answered
    }

    /// A report was acknowledged, or could not be delivered.
    pub fn reported(&mut self, now: i64, seq: i64, acknowledged: bool) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if seq == standing::STANDING {
            self.standing_reported(now, acknowledged, &mut effects)?;
        } else if acknowledged {
            self.sql.exec("DELETE FROM report WHERE seq = ?1", &[Value::Int(seq)])?;
        } else {
            self.reports_at = Some(now.saturating_add(REPORT_RETRY_MS));
        }
        self.arm(now, &mut effects);
        Ok(effects)
    }

    fn report_of(&self, now: i64, kind: ReportKind) -> Option<Report> {
        let config = &self.active.as_ref()?.config;
        let (endpoint_id, config_version) = (config.endpoint_id.clone(), config.version);
        Some(Report { endpoint_id, kind, at: now, config_version })
    }

    fn report(&mut self, now: i64, kind: ReportKind, effects: &mut Effects) -> Result<(), SqlError> {
        let Some(report) = self.report_of(now, kind) else { return Ok(()) };
        // A number is never used again: a late acknowledgement of a report that was sent twice must not take
        // another one with it.
        let rows = self.sql.query(
            "INSERT INTO report (seq, frame) SELECT max(?1, coalesce(max(seq), 0) + 1), ?2 FROM report
             RETURNING seq",
            &[Value::Int(now), Value::Blob(&frame::encode(&report))],
        )?;
        let seq = rows.first().map_or(Ok(0), |row| row.int(0))?;
        self.reports_at = Some(now.saturating_add(REPORT_RETRY_MS));
        self.share.count_call(); // it does not wait
        effects.reports.push((seq, report));
        Ok(())
    }

    /// What follows every change: start what may start, say what is missing, keep the alarm true.
    fn settled(&mut self, now: i64, rng: &mut impl Entropy) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
    }

    fn settle(&mut self, now: i64, rng: &mut impl Entropy, effects: &mut Effects) -> Result<(), SqlError> {
        let _ = rng;
        self.commit_attempts()?;
        if self.reports_at.is_some_and(|at| at <= now) && self.share.may_call() {
            self.resend_reports(now, effects)?;
        }
        self.pump(now, effects)?;
        if self.wants_more(now) && self.pull_at <= now && self.share.take_call() {
            self.told_enough = false;
            effects.pull = true;
        }
        self.arm(now, effects);
        Ok(())
    }

    /// Whether there is room for what the App holds back.
    fn wants_more(&self, now: i64) -> bool {
        self.told_enough
            && self.can_send()
            && self.queue.len() <= self.room_for_queue(now) / 2
            && self.queue_bytes <= QUEUE_MAX_BYTES / 2
    }

    /// The App was told that there is room again, or could not be reached.
    pub fn pulled(&mut self, now: i64, acknowledged: bool) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if acknowledged {
            self.pull_failures = 0;
        } else {
            self.pull_failures = self.pull_failures.saturating_add(1);
            self.pull_at = now.saturating_add(doubled(PULL_RETRY_MS, self.pull_failures, PULL_RETRY_MAX_MS));
            self.told_enough = true;
        }
        self.arm(now, &mut effects);
        Ok(effects)
    }

    fn resend_reports(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        let rows = self.sql.query("SELECT seq, frame FROM report ORDER BY seq LIMIT 16", &[])?;
        self.reports_at = if rows.is_empty() { None } else { Some(now.saturating_add(REPORT_RETRY_MS)) };
        for mut row in rows {
            self.share.count_call();
            let report = frame::decode(&row.blob(1)?).map_err(SqlError)?;
            effects.reports.push((row.int(0)?, report));
        }
        self.report_standing(now, effects)
    }

    fn can_send(&self) -> bool {
        self.active
            .as_ref()
            .is_some_and(|a| a.sender.can_sign(&a.config) && !a.config.disabled && !a.config.deleted)
    }

    /// Requests that wait for their answer, and deliveries that pass plugins: each holds a place.
    fn under_way(&self) -> usize {
        self.in_flight.len().saturating_sub(self.answered).saturating_add(self.passing.len())
    }

    fn max_in_flight(&self) -> usize {
        if !self.breaker.is_closed() || self.is_fifo() {
            return 1; // one request probes whether the receiver has recovered
        }
        let own = self.active.as_ref().and_then(|a| a.config.max_in_flight).unwrap_or(u32::MAX);
        usize::try_from(own.min(self.deployment.max_in_flight)).unwrap_or(usize::MAX).max(1)
    }

    fn lease(&self, now: i64) -> i64 {
        let timeout =
            self.active.as_ref().map_or(self.deployment.request_timeout_ms, |a| a.sender.timeout_ms);
        now.saturating_add(timeout).saturating_add(LEASE_MARGIN_MS)
    }

    /// The earliest time at which the pace and the receiver's wishes let a request start.
    fn gate(&self, now: i64) -> i64 {
        let paced = self.windows.iter().map(|window| window.ready_at(now)).max().unwrap_or(now);
        paced.max(self.breaker.until()).max(self.plugins_hold_until()).max(self.refusals.until()).max(now)
    }

    /// How much longer than a request a lease lasts.
    fn slack(&self) -> i64 {
        self.active.as_ref().map_or(QUEUE_SLACK_MS, Active::slack)
    }

    /// How many deliveries memory may hold on top of those under way: what can be expected to start while
    /// its lease lasts.
    fn room_for_queue(&self, now: i64) -> usize {
        if self.breaker.holds_back(now) {
            return self.together().max(2);
        }
        let paces = self.active.iter().flat_map(|active| &active.sender.paces);
        let starts = paces
            .map(|&(limit, window_ms)| {
                i64::from(limit).saturating_mul(QUEUE_SLACK_MS).checked_div(window_ms.max(1)).unwrap_or(0)
            })
            .min();
        let paced = starts.map_or(QUEUE_MAX, |starts| usize::try_from(starts).unwrap_or(QUEUE_MAX));
        let places = self.max_in_flight().saturating_mul(self.together());
        let usual = self.throughput.per_second(now).max(places).saturating_mul(2);
        paced.saturating_mul(self.together()).min(usual).clamp(2, QUEUE_MAX)
    }

    fn pump(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if !self.can_send() {
            return Ok(());
        }
        if self.is_fifo() && self.under_way() == 0 {
            self.earliest = self.query_earliest()?; // whose turn it is has changed
        }
        self.load_due(now, effects)?;
        let waits = |this: &Self| !this.queue.is_empty() || !this.ready.is_empty();
        while self.under_way() < self.max_in_flight()
            && self.gate(now) <= now
            && waits(self)
            && self.share.may_request()
        {
            match self.next(now)? {
                Some(Next::Start(going)) => self.start(now, going, effects)?,
                Some(Next::Pass(queued)) => self.pass(now, queued, effects)?,
                None => break,
            }
        }
        if waits(self) && self.gate(now) <= now {
            self.share.more_requests();
        }
        Ok(())
    }

    /// Leases deliveries whose time has come and asks for their payloads.
    fn load_due(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.earliest.is_none_or(|earliest| earliest > now) || self.gate(now) > now {
            return Ok(());
        }
        // On top of the room that new messages fill: under steady load they would leave none for retries.
        let held = self.loading.len().saturating_add(self.queue.len()).saturating_add(self.ready.len());
        let most = self.max_in_flight().saturating_mul(self.together()).min(QUEUE_MAX);
        let free = self.room_for_queue(now).saturating_add(most).saturating_sub(held).min(most);
        // Where memory is full of those behind it, the first in line has its place all the same.
        let free = if self.queue_bytes >= QUEUE_MAX_BYTES { 0 } else { free.min(self.fetch_fits) };
        let free = if self.is_fifo() { free.max(1) } else { free };
        if free == 0 || !self.share.may_call() {
            return Ok(());
        }
        let rows = self.due.due_by(&self.sql, now, self.is_fifo(), free)?;
        let slot = self.lease(now).saturating_add(self.slack());
        let mut lost = false;
        for due in rows {
            let (from, leased) = (due.slot, due.leased);
            let delivery = Delivery::of(due, slot);
            self.move_row(from, &delivery.key, slot, true)?;
            if let Some(queued) = self.queue.iter_mut().find(|q| q.delivery.key == delivery.key) {
                queued.delivery.slot = slot; // it waits in memory longer than its lease: renewed
                continue;
            }
            if let Some(ready) = self.ready.iter_mut().find(|ready| ready.delivery.key == delivery.key) {
                ready.delivery.slot = slot;
                continue;
            }
            if let Some(waiting) = self.loading.iter_mut().find(|waiting| waiting.key == delivery.key) {
                waiting.slot = slot; // so does its payload: it is still on its way
                continue;
            }
            // Under way for longer than its lease: its answer will not come any more.
            self.forget_in_flight(&delivery.key);
            self.passing.remove(&delivery.key);
            lost |= leased;
            effects.fetch_payloads.push(delivery.msg_id.clone());
            self.loading.push(delivery);
        }
        if lost {
            self.save_starts()?;
        }
        self.earliest = self.query_earliest()?;
        effects.fetch_payloads.dedup();
        if !effects.fetch_payloads.is_empty() {
            self.share.count_call();
        }
        Ok(())
    }

    fn move_row(&mut self, from: i64, key: &str, to: i64, leased: bool) -> Result<(), SqlError> {
        self.due.move_to(&self.sql, (from, key), to, leased)
    }

    /// Sees to it that the lease lasts for a request that starts now.
    fn renew(&mut self, now: i64, delivery: &mut Delivery) -> Result<(), SqlError> {
        let lease = self.lease(now);
        if delivery.slot < lease {
            self.move_row(delivery.slot, &delivery.key, lease, true)?;
            delivery.slot = lease;
        }
        Ok(())
    }

    /// A delivery as it is before any plugin.
    fn subject(&self, delivery: &Delivery, payload: Vec<u8>, brought: Option<frame::Headers>) -> Subject {
        let headers = self.active.as_ref().map(|active| active.own_headers(brought)).unwrap_or_default();
        Subject { event_type: delivery.event_type.clone(), headers, body: payload }
    }

    /// Starts one request for all of these, of which there is at least one.
    fn start(&mut self, now: i64, mut going: Vec<Ready>, effects: &mut Effects) -> Result<(), SqlError> {
        for ready in &mut going {
            self.renew(now, &mut ready.delivery)?;
        }
        if self.batch().is_some() {
            let (items, others) = going.into_iter().partition(line::is_item);
            self.refuse(now, others, line::NO_ITEM, effects);
            going = items;
        }
        if going.is_empty() {
            return Ok(());
        }
        let Together { id, body } = Together::of(&mut going, self.batch().is_some());
        let mut going = going.into_iter();
        let (Some(active), Some(Ready { delivery, subject, .. })) = (&mut self.active, going.next()) else {
            return Ok(());
        };
        active.sender.refresh(&active.config, &self.deployment.vault, now);
        let own: Vec<String> = subject.headers.iter().map(|(name, _)| name.clone()).collect();
        let draft = Draft {
            url: &active.sender.url,
            headers: subject.headers,
            id: &id,
            event_type: &subject.event_type,
            payload: body,
        };
        let made = active.sender.make(now, draft);
        if made.refused.is_none() {
            self.share.count_request();
        }
        for window in &mut self.windows {
            window.start(now);
        }
        let riders: Vec<Delivery> = going.map(|ready| ready.delivery).collect();
        for rider in &riders {
            self.in_flight.insert(rider.key.clone(), InFlight { until: rider.slot, answered: true });
        }
        self.answered = self.answered.saturating_add(riders.len());
        self.in_flight.insert(delivery.key.clone(), InFlight { until: delivery.slot, answered: false });
        let headers = made.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = exchange::kept(headers, active.sender.hidden(), &own);
        effects.send.push(Attempt {
            kept,
            delivery,
            riders,
            url: active.sender.url.clone(),
            headers: made.headers,
            body: made.body,
            timeout_ms: active.sender.timeout_ms,
            started_at: now,
            signed_url: made.signed_url,
            refused: made.refused,
        });
        Ok(())
    }

    /// Ends an attempt for each of these without a request.
    fn refuse(&mut self, now: i64, all: Vec<Ready>, why: &str, effects: &mut Effects) {
        let Some((url, timeout_ms)) =
            self.active.as_ref().map(|active| (active.config.url.clone(), active.sender.timeout_ms))
        else {
            return;
        };
        for Ready { delivery, .. } in all {
            self.in_flight.insert(delivery.key.clone(), InFlight { until: delivery.slot, answered: true });
            self.answered = self.answered.saturating_add(1);
            effects.send.push(Attempt {
                kept: String::new(), // nothing is sent
                delivery,
                riders: Vec::new(),
                url: url.clone(),
                headers: Fields::default(),
                body: Vec::new(),
                timeout_ms,
                started_at: now,
                signed_url: None,
                refused: Some(why.to_owned()),
            });
        }
    }

    /// Keeps the promise "no due row is earlier than the alarm", and asks for a timer where memory can do
    /// better than the alarm.
    fn arm(&mut self, now: i64, effects: &mut Effects) {
        let sooner = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        let mut wanted = sooner(self.reports_at, self.purge_at.map(|at| at.max(now.saturating_add(1_000))));
        let mut timer = None;
        if self.can_send() {
            let gate = self.gate(now);
            if let Some(earliest) = self.earliest {
                let mut at = earliest.max(gate);
                if at <= now {
                    // Due, yet not started: every connection is in use. Answers will start it; the alarm
                    // is only for the case that none comes.
                    at = self
                        .in_flight
                        .values()
                        .map(|f| f.until)
                        .min()
                        .unwrap_or(now)
                        .max(now.saturating_add(100));
                }
                wanted = Some(wanted.map_or(at, |w| w.min(at)));
            }
            let passes = self.batch().is_none() || self.has_plugins();
            let waits = (passes && !self.queue.is_empty())
                || (self.batch().is_none() && !self.ready.is_empty())
                || self.earliest.is_some_and(|earliest| earliest <= gate);
            let batch = self.batch_goes_at(now).map(|at| at.max(gate));
            let pull = self.wants_more(now).then_some(self.pull_at);
            let next =
                [waits.then_some(gate), batch, pull].into_iter().flatten().filter(|at| *at > now).min();
            match next {
                Some(at) if at.saturating_sub(now) <= TIMER_MAX_MS => timer = Some(at),
                other => wanted = sooner(wanted, other),
            }
        }
        if self.share.take_continues() {
            wanted = Some(now);
        }
        if timer != self.timer {
            self.timer = timer;
            effects.timer = timer;
            effects.cancel_timer = timer.is_none();
        }
        if let Some(at) = wanted
            && self.alarm.is_none_or(|alarm| alarm > at || is_overdue(alarm, now))
        {
            self.alarm = Some(at);
            effects.alarm = Some(at);
        }
    }

    fn forget_in_flight(&mut self, key: &str) {
        if self.in_flight.remove(key).is_some_and(|request| request.answered) {
            self.answered = self.answered.saturating_sub(1);
        }
    }

    fn note_due(&mut self, slot: i64) {
        self.earliest = Some(self.earliest.map_or(slot, |earliest| earliest.min(slot)));
    }
}

impl Active {
    /// The headers that a delivery adds, before it is signed: those that the message brought, and the endpoint's own,
    /// which go before them.
    fn own_headers(&self, brought: Option<frame::Headers>) -> Vec<(String, String)> {
        self.sender.own_headers(&self.config, brought.unwrap_or_default())
    }

    /// How long a delivery may wait in memory: for its turn, and for others that go with it.
    fn slack(&self) -> i64 {
        let wait = self.sender.batch.map_or(0, |batch| i64::from(batch.max_wait_ms));
        QUEUE_SLACK_MS.saturating_add(wait)
    }

    /// Whether the receiver took a delivery: a status of success within the timeout.
    fn succeeded(&self, outcome: &AttemptOutcome) -> bool {
        matches!(outcome, AttemptOutcome::Answer { code, .. } if self.sender.success.contains(code))
    }
}
