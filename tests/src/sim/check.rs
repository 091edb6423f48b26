//! What is checked at every step, and in the end.

use super::forget::Forgetting;
use super::form::deliveries;
use super::plugin::{self, Habit};
use super::storage::Disk;
use super::world::{AppNode, EndpointNode, Era, World};
use super::{Defect, Rule};
use std::collections::{HashMap, HashSet};
use weir_core::app::{Inspected, inspect};
use weir_core::endpoint::{self, Attempt, AttemptResult, Endpoint, LEASE_MARGIN_MS, QUEUE_SLACK_MS};
use weir_core::frame::{Config, StatsAsk};
use weir_core::settings::Settings;
use weir_core::signature;
use weir_core::sql::{Row, Sql, Value};

/// How long an alarm may be overdue before the object must take it for lost.
pub(super) const OVERDUE_MS: i64 = 120_000;

impl World {
    fn eras_of(&self, e: usize, number: u64) -> impl Iterator<Item = &Era> {
        let eras = &self.endpoints[e].eras;
        // The last era that began with or before the message, and those after it.
        let first = eras.iter().rposition(|era| era.from <= number).unwrap_or(eras.len());
        eras[first..].iter()
    }

    /// Whether a message may be sent to an endpoint: it was accepted for it, was to be delivered when the endpoint wanted
    /// it, or is replayed.
    pub(super) fn may_receive(&self, e: usize, msg_id: &str) -> bool {
        let endpoint = &self.endpoints[e];
        let Some(message) = self.messages.get(msg_id).filter(|message| message.app == endpoint.app) else {
            return false;
        };
        let wants = |era: &Era| era.filter.matches(&message.event_type, &message.channels);
        let offered = match message.deliver_at {
            // The endpoint was there and enabled, and wanted it then or before it was offered.
            None => {
                let mut eras = self.eras_of(e, message.number).peekable();
                message.number >= endpoint.born
                    && eras.peek().is_some_and(|era| !era.disabled)
                    && eras.any(wants)
            }
            Some(at) => {
                let due = if self.plan.jumps > 0 { message.accepted_at } else { self.when(message.app, at) };
                endpoint.eras_since(due).any(|era| !era.disabled && wants(era))
            }
        };
        offered || self.may_be_replayed(e, msg_id)
    }

    /// Whether it has to arrive: it was wanted, and every change since still wants it.
    pub(super) fn must_receive(&self, e: usize, msg_id: &str) -> bool {
        let endpoint = &self.endpoints[e];
        let Some(message) = self.messages.get(msg_id).filter(|message| message.app == endpoint.app) else {
            return false;
        };
        let wants = |era: &Era| era.filter.matches(&message.event_type, &message.channels);
        if endpoint.deleted || message.forgetting != Forgetting::Kept {
            return false;
        }
        match message.deliver_at {
            None => {
                message.number >= endpoint.born
                    && self.eras_of(e, message.number).next().is_some_and(|era| !era.disabled)
                    && self.eras_of(e, message.number).all(wants)
            }
            Some(at) => {
                let due = self.when(message.app, at) - 5_000;
                self.plan.jumps == 0
                    && endpoint.eras.first().is_some_and(|era| era.since <= due)
                    && endpoint.eras_since(due).all(|era| !era.disabled && wants(era))
            }
        }
    }

    /// A request is started.
    pub(super) fn check_start(&mut self, e: usize, attempt: &Attempt) {
        self.summary.requests += 1;
        let msg_id = &attempt.delivery.msg_id;
        let jumps = u32::try_from(self.plan.jumps).unwrap_or(u32::MAX);
        let endpoint = &mut self.endpoints[e];
        for delivery in deliveries(attempt) {
            *endpoint.made.entry((delivery.msg_id.clone(), attempt.started_at)).or_default() += 1;
        }
        let crashes = endpoint.node.on.crashes;
        let mut wrong: Option<(Rule, String)> = None;
        let mut note = |rule, text| {
            wrong.get_or_insert((rule, text));
        };
        for msg_id in deliveries(attempt).filter(|delivery| !delivery.manual).map(|delivery| &delivery.msg_id)
        {
            let owed = endpoint.owed.entry(msg_id.clone()).or_default();
            owed.requests += 1;
            let most = endpoint.most_attempts + crashes + jumps;
            if owed.requests > most {
                note(
                    Rule::Attempts,
                    format!("request {} for {msg_id} at endpoint {e}, of {most}", owed.requests),
                );
            }
        }
        let (clock, truth) = (attempt.started_at, self.now);
        endpoint.starts.push((clock, truth));
        let number = self.messages.get(msg_id).map(|message| message.number);
        if let Some(held) = &endpoint.held {
            for &(limit, window_ms) in &held.paces {
                // Starts that no pace asked to be remembered may be lost in a crash. A clock that jumped excuses what only its own time, or only the true time, sees.
                let counts = |&(at, true_at): &(i64, i64)| {
                    (clock - window_ms..=clock).contains(&at)
                        && true_at >= truth - window_ms
                        && (crashes == 0 || true_at >= endpoint.paced_since)
                };
                let within = endpoint.starts.iter().filter(|start| counts(start)).count();
                if within > limit as usize {
                    note(
                        Rule::Pace,
                        format!("{within} requests of endpoint {e} in {window_ms} ms, {limit} are allowed"),
                    );
                }
            }
            let most = limits(&self.plan.settings, held);
            if endpoint.in_flight >= most && jumps == 0 {
                let text = format!(
                    "{} requests of endpoint {e} under way, {most} are allowed",
                    endpoint.in_flight + 1
                );
                note(Rule::InFlight, text);
            }
            if attempt.url != held.url || held.disabled || held.deleted {
                let text = format!(
                    "endpoint {e} sends to {} under version {} (disabled: {}, deleted: {}), whose URL is {}",
                    attempt.url, held.version, held.disabled, held.deleted, held.url
                );
                note(Rule::Config, text);
            }
            let governing = endpoint.eras.iter().rfind(|era| number.is_some_and(|n| era.from <= n));
            if let Some(era) = governing
                && era.version > held.version
            {
                let text = format!(
                    "endpoint {e} sends {msg_id} under version {}, it was accepted under {}",
                    held.version, era.version
                );
                note(Rule::Config, text);
            }
        } else {
            note(Rule::Config, format!("endpoint {e} sends without a configuration"));
        }
        let unwanted =
            deliveries(attempt).find(|delivery| !delivery.manual && !self.may_receive(e, &delivery.msg_id));
        if let Some(delivery) = unwanted {
            note(Rule::Unwanted, format!("endpoint {e} is sent {}", delivery.msg_id));
        }
        if let Some((rule, text)) = wrong {
            self.violate(rule, text);
        }
        self.check_turn(e, attempt);
        self.check_by_hand(e, attempt);
        self.check_time(e, attempt);
        self.check_full(e, attempt);
    }

    /// Where nothing can be recorded, nothing is sent twice.
    fn check_full(&mut self, e: usize, attempt: &Attempt) {
        let endpoint = &mut self.endpoints[e];
        if !endpoint.node.on.db.is_full() {
            return;
        }
        let again = deliveries(attempt).find(|it| !endpoint.sent_when_full.insert(it.key.clone()));
        if let Some(delivery) = again {
            let text = format!("endpoint {e} sends {} again, and cannot record it", delivery.key);
            self.violate(Rule::Full, text);
        }
    }

    /// What is to be delivered at a time is not sent before it.
    fn check_time(&mut self, e: usize, attempt: &Attempt) {
        if self.plan.jumps > 0 {
            return;
        }
        let early = deliveries(attempt).find(|delivery| {
            let message = self.messages.get(&delivery.msg_id);
            let at = message.and_then(|message| message.deliver_at);
            !delivery.manual && at.is_some_and(|at| self.app_clock(self.endpoints[e].app) < at)
        });
        if let Some(delivery) = early {
            self.violate(Rule::Schedule, format!("endpoint {e} is sent {} before its time", delivery.msg_id));
        }
    }

    /// A receiver took a request.
    pub(super) fn check_content(&mut self, e: usize, attempt: &Attempt) {
        let msg_id = &attempt.delivery.msg_id;
        let header = |name: &str| {
            attempt.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
        };
        let (id, at, signatures) = (header("svix-id"), header("svix-timestamp"), header("svix-signature"));
        let plugged = self.is_plugged(e);
        let bodies: Option<Vec<Vec<u8>>> = deliveries(attempt)
            .map(|delivery| {
                let message = self.messages.get(&delivery.msg_id)?;
                match plugin::habit(&delivery.msg_id) {
                    Habit::Drop if plugged => None,
                    Habit::Replace if plugged => Some([&message.payload, plugin::MARK].concat()),
                    _ => Some(message.payload.clone()),
                }
            })
            .collect();
        let known = bodies.is_some_and(|bodies| match self.batch(e) {
            Some(batch) if bodies.len() > usize::from(batch.max_events) => false,
            Some(_) => attempt.body == [b"[", &*bodies.join(&b","[..]), b"]"].concat(),
            None => bodies.len() == 1 && bodies.concat() == attempt.body,
        });
        let signed = self.endpoints[e]
            .secrets
            .iter()
            .rev()
            .any(|secret| signature::verify(secret, id, at, signatures, &attempt.body));
        if !known || (id != msg_id && attempt.riders.is_empty()) || !signed {
            let text =
                format!("endpoint {e} gets {msg_id} as {id} (payload right: {known}, signed: {signed})");
            self.violate(Rule::Content, text);
        }
    }

    /// After results were recorded: each delivery succeeds once, but for crashes.
    pub(super) fn check_successes(&mut self, e: usize, results: &[AttemptResult]) {
        let endpoint = &self.endpoints[e];
        let most = 1 + endpoint.node.on.crashes + u32::try_from(self.plan.jumps).unwrap_or(u32::MAX);
        let over = results.iter().find(|result| {
            endpoint.owed.get(&result.delivery.msg_id).is_some_and(|owed| owed.successes > most)
        });
        if let Some(result) = over {
            let text = format!(
                "{} succeeded more than {most} times at endpoint {e}, without a crash in between",
                result.delivery.msg_id
            );
            self.violate(Rule::Attempts, text);
        }
    }

    /// All attempts on record.
    pub(super) fn recorded_attempts(&self, e: usize) -> Vec<endpoint::inspect::Seen> {
        if self.endpoints[e].held.is_none() {
            return Vec::new(); // no tables yet
        }
        endpoint::inspect::attempts(&self.endpoints[e].node.on.db).expect("the tables are readable")
    }

    /// All deliveries that are due.
    pub(super) fn waiting(&self, e: usize) -> Vec<endpoint::inspect::Waiting> {
        if self.endpoints[e].held.is_none() {
            return Vec::new();
        }
        endpoint::inspect::due(&self.endpoints[e].node.on.db).expect("the tables are readable")
    }

    fn endpoint_rows(&self, e: usize, sql: &'static str) -> Vec<Row> {
        let db = &self.endpoints[e].node.on.db;
        if self.endpoints[e].held.is_none() {
            return Vec::new(); // no tables yet
        }
        db.query(sql, &[]).expect("the tables are readable")
    }

    fn endpoint_count(&self, e: usize, sql: &'static str) -> i64 {
        self.endpoint_rows(e, sql).first().map_or(0, |row| row.int(0).expect("a number"))
    }

    fn is_enabled(&self, e: usize) -> bool {
        self.endpoints[e].held.as_ref().is_some_and(|held| !held.disabled && !held.deleted)
    }

    /// After a step of an Endpoint object: what is due has an alarm.
    pub(super) fn check_endpoint(&mut self, e: usize) {
        let clock = self.endpoint_clock(e);
        let endpoint = &self.endpoints[e];
        let Some(held) = &endpoint.held else { return };
        if !self.is_enabled(e) {
            return;
        }
        let Some(due) = self.waiting(e).first().map(|due| due.slot) else { return };
        let node = &endpoint.node.on;
        let excused = node.lost_at.is_some_and(|at| clock < at + OVERDUE_MS);
        let formed = self.batch(e).is_some() || self.is_in_order(e);
        let unhurried =
            !held.paces.is_empty() || endpoint.slowed || self.is_plugged(e) || self.plan.jumps > 0 || formed;
        let timeout = held.timeout_ms.unwrap_or(self.plan.settings.request_timeout_ms).max(30_000);
        let latest = due.max(clock + timeout + LEASE_MARGIN_MS + QUEUE_SLACK_MS);
        let text = match node.alarm {
            None if !excused => {
                format!("endpoint {e} has a delivery due at {due}, now is {clock}, and no alarm")
            }
            Some(at) if at > latest && !unhurried => {
                format!("endpoint {e} has a delivery due at {due}, now is {clock}, and the alarm is at {at}")
            }
            _ => return,
        };
        self.violate(Rule::Alarm, text);
    }

    /// After a step of an App object: what is to be offered again has an alarm.
    pub(super) fn check_app(&mut self, a: usize) {
        let node = &self.apps[a].node.on;
        let clock = self.app_clock(a);
        if node.alarm.is_some() || node.lost_at.is_some_and(|at| clock < at + OVERDUE_MS) {
            return;
        }
        if let Some(what) = self.app_behind(a) {
            self.violate(Rule::Alarm, format!("app {a} has no alarm, and {what}"));
        }
    }

    /// What an App object still has to do, by its tables.
    fn app_behind(&self, a: usize) -> Option<String> {
        if !self.exists(a) {
            return None;
        }
        let db = &self.apps[a].node.on.db;
        let offered = inspect(db).into_iter().filter(|message| message.is_offered).map(|message| message.id);
        let last = offered.max().unwrap_or_default();
        let rows =
            db.query("SELECT id, cursor, acknowledged, deleted FROM endpoint", &[]).expect("endpoints");
        let behind = rows.into_iter().find_map(|mut row| {
            let (id, cursor) = (row.text(0).expect("an id"), row.text(1).expect("a cursor"));
            let (acknowledged, deleted) = (row.int(2).expect("a version"), row.flag(3).expect("a flag"));
            let era = self.endpoints[*self.by_id.get(&id)?].eras.last()?;
            if acknowledged < era.version {
                Some(format!("endpoint {id} has not acknowledged version {}", era.version))
            } else if !deleted && !era.disabled && cursor < last {
                Some(format!("endpoint {id} is behind the log"))
            } else {
                None
            }
        });
        let unsent = || {
            let events = db.query("SELECT 1 FROM event LIMIT 1", &[]).expect("events");
            (!events.is_empty()).then(|| "it has operational events unsent".to_owned())
        };
        behind.or_else(unsent)
    }

    /// The statistics are those of the table.
    pub(super) fn check_statistics(&mut self, e: usize) {
        if self.endpoints[e].held.is_none() {
            return;
        }
        let ask = StatsAsk { since: 0, until: 1 << 50, hours: None };
        let done = self.step_endpoint(e, false, |m, now, _| {
            m.statistics(now, &ask).map(|stats| (stats, endpoint::Effects::default()))
        });
        let Some(stats) = done.and_then(|done| self.finish_reading::<Endpoint<Disk>, _>(e, done)) else {
            return;
        };
        let attempts = self.recorded_attempts(e);
        let number = |count: usize| i64::try_from(count).expect("not that many");
        let count = |status| number(attempts.iter().filter(|attempt| attempt.status == status).count());
        let (success, fail, filtered) = (count(0), count(2), count(4));
        let waiting = number(self.waiting(e).len());
        let counted = (stats.success, stats.fail, stats.filtered, stats.pending + stats.sending);
        if counted != (success, fail, filtered, waiting) {
            let text = format!(
                "endpoint {e} counts {stats:?}; its table has {success} successes, {fail} failures, {filtered} \
                 filtered out, {waiting} waiting"
            );
            self.violate(Rule::Statistics, text);
        }
    }

    /// What is not done yet.
    pub(super) fn unfinished(&self) -> Option<String> {
        (0..self.apps.len()).find_map(|a| self.app_behind(a).map(|what| format!("app {a}: {what}"))).or_else(
            || {
                (0..self.endpoints.len()).find_map(|e| {
                    let waiting = self.waiting(e).len();
                    let reports = self.endpoint_count(e, "SELECT count(*) FROM report");
                    if self.is_enabled(e) && waiting > 0 {
                        Some(format!("endpoint {e} has {waiting} deliveries waiting"))
                    } else if reports > 0 {
                        Some(format!("endpoint {e} has {reports} reports unsent"))
                    } else {
                        None
                    }
                })
            },
        )
    }

    pub(super) fn check_end(&mut self) {
        if let Some(what) = self.unfinished() {
            self.violate(Rule::Stuck, what);
        }
        self.check_accepted();
        self.check_told();
        self.check_known();
        self.check_tasks();
        self.check_expunged();
        for e in 0..self.endpoints.len() {
            self.check_agreement(e);
            self.check_statistics(e);
            self.check_recorded(e);
            self.check_received(e);
            self.check_order(e);
        }
    }

    /// Everything has come to rest, and the retention is over.
    pub(super) fn check_forgotten(&mut self) {
        if self.defect.is_some_and(|defect| defect != Defect::NeverForgets) {
            return; // whatever it breaks, it may keep objects from being called
        }
        for a in 0..self.apps.len() {
            let node = &self.apps[a].node.on;
            if node.ever_lost || !self.exists(a) {
                continue; // where the platform dropped the alarm, it is repaired by the next call
            }
            if !inspect(&node.db).is_empty() {
                self.violate(Rule::Forgotten, format!("app {a} still has messages"));
            }
            for e in 0..self.endpoints.len() {
                let endpoint = &self.endpoints[e];
                if endpoint.app == a && endpoint.deleted && !endpoint.erased {
                    self.violate(Rule::Forgotten, format!("endpoint {e} was deleted, and is not erased"));
                } else if endpoint.app == a && !endpoint.node.on.ever_lost {
                    let left = self.recorded_attempts(e).len();
                    if left > 0 {
                        self.violate(Rule::Forgotten, format!("endpoint {e} still has {left} attempts"));
                    }
                }
            }
        }
    }

    fn check_told(&mut self) {
        for e in 0..self.endpoints.len() {
            let EndpointNode { id, app, deleted_alone, .. } = &self.endpoints[e];
            if self.apps[*app].deleted {
                continue;
            }
            let wanted = [Some(format!("{id}.created")), deleted_alone.then(|| format!("{id}.deleted"))];
            let missing = wanted.into_iter().flatten().find(|event| !self.operational.contains(event));
            if let Some(event) = missing {
                self.violate(Rule::Told, format!("the tenant was never told {event}"));
            }
        }
    }

    fn check_accepted(&mut self) {
        let told: Vec<(usize, String)> =
            self.posts.iter().filter_map(|post| Some((post.app, post.told.clone()?))).collect();
        let id = |message: Inspected| message.id;
        let ids = |app: &AppNode| inspect(&app.node.on.db).into_iter().map(id).collect();
        let stored: Vec<HashSet<String>> = self.apps.iter().map(ids).collect();
        for (a, id) in told.into_iter().filter(|(a, _)| !self.apps[*a].deleted).collect::<Vec<_>>() {
            if !stored[a].contains(&id) {
                self.violate(Rule::Accepted, format!("app {a} said that it stored {id}, and did not"));
            }
        }
        for a in (0..self.apps.len()).filter(|&a| !self.apps[a].source).collect::<Vec<_>>() {
            if !self.exists(a) {
                continue;
            }
            let mut event_ids = HashSet::new();
            let mut stored = inspect(&self.apps[a].node.on.db).into_iter();
            if stored.any(|message| message.event_id.is_some_and(|event_id| !event_ids.insert(event_id))) {
                self.violate(Rule::Idempotency, format!("app {a} stored a message twice"));
            }
        }
    }

    /// In the end, object and application agree on the configuration.
    fn check_agreement(&mut self, e: usize) {
        let endpoint = &self.endpoints[e];
        let (Some(held), Some(era)) = (&endpoint.held, endpoint.eras.last()) else { return };
        let right = held.version == era.version
            && held.deleted == endpoint.deleted
            && (held.disabled == era.stopped || endpoint.deleted);
        if !right {
            let text = format!(
                "endpoint {e} holds version {} (disabled: {}), its application has {} (disabled: {})",
                held.version, held.disabled, era.version, era.stopped
            );
            self.violate(Rule::Config, text);
        }
    }

    fn check_recorded(&mut self, e: usize) {
        if self.endpoints[e].erased {
            return;
        }
        let endpoint = &self.endpoints[e];
        let mut recorded = 0;
        let mut counts: HashMap<(String, i64), u32> = HashMap::new();
        for attempt in self.recorded_attempts(e).into_iter().filter(|attempt| attempt.sent) {
            let key = (attempt.msg_id, attempt.started_at);
            // Not those of deliveries that were given up because their payload is gone, nor those whose reason was
            // expunged, too.
            let given_up = attempt.response.starts_with("The message's payload is no longer stored");
            let expunged = attempt.response == "EXPUNGED" && !endpoint.made.contains_key(&key);
            if attempt.code == 0 && (given_up || expunged) {
                continue;
            }
            recorded += 1;
            *counts.entry(key).or_default() += 1;
        }
        let mut invented: Vec<_> = counts
            .iter()
            .filter(|(key, count)| endpoint.made.get(*key).is_none_or(|made| made < count))
            .collect();
        invented.sort();
        let text = if let Some((key, count)) = invented.first() {
            format!("endpoint {e} recorded {count} attempts for {key:?}, more than were made")
        } else if recorded != endpoint.recorded {
            format!("endpoint {e} recorded {recorded} attempts of {}", endpoint.recorded)
        } else {
            return;
        };
        self.violate(Rule::Recorded, text);
    }

    fn check_received(&mut self, e: usize) {
        let attempts = self.recorded_attempts(e);
        let mut exhausted: HashMap<String, i64> = HashMap::new();
        let for_good = |it: &&endpoint::inspect::Seen| it.status == 2 && it.next_at.is_none() && !it.manual;
        for attempt in attempts.iter().filter(for_good) {
            let most = exhausted.entry(attempt.msg_id.clone()).or_default();
            *most = (*most).max(attempt.number.into());
        }
        self.summary.exhausted += exhausted.len() as u64;
        let filtered: Vec<&String> =
            attempts.iter().filter(|attempt| attempt.status == 4).map(|attempt| &attempt.msg_id).collect();
        let waiting: Vec<String> = self.waiting(e).into_iter().map(|due| due.msg_id).collect();
        let endpoint = &self.endpoints[e];
        if endpoint.deleted {
            return;
        }
        let cursor = "SELECT cursor FROM endpoint WHERE id = ?1";
        let cursor = self.apps[endpoint.app].node.on.db.query(cursor, &[Value::Text(&endpoint.id)]);
        let cursor = cursor.expect("endpoints").into_iter().next().expect("a row").text(0).expect("an id");
        let mut missing: Vec<&String> = self
            .messages
            .keys()
            .filter(|id| {
                let used_up =
                    exhausted.get(*id).is_some_and(|&made| made >= i64::from(endpoint.least_attempts));
                let waits = !self.is_enabled(e) && (waiting.contains(id) || **id > cursor);
                let received = endpoint.owed.get(*id).is_some_and(|owed| owed.received);
                !received
                    && !used_up
                    && !waits
                    && !filtered.contains(id)
                    && (self.must_receive(e, id) || self.must_be_replayed(e, id))
            })
            .collect();
        missing.sort();
        let missing = missing.first().map(|id| (*id).clone());
        let mut unreported: Vec<&String> =
            exhausted.keys().filter(|id| !endpoint.reported.contains(*id)).collect();
        unreported.sort();
        let unreported = unreported.first().map(|id| (*id).clone());
        if let Some(id) = missing {
            self.violate(
                Rule::Received,
                format!("{id} never arrived at endpoint {e}, and is not recorded as failed"),
            );
        }
        if let Some(id) = unreported {
            self.violate(Rule::Report, format!("{id} failed for good at endpoint {e}, and nobody was told"));
        }
    }

    fn check_order(&mut self, e: usize) {
        if self.plan.orderly && !self.endpoints[e].arrivals.is_sorted() {
            self.violate(Rule::Order, format!("the messages of endpoint {e} arrived out of order"));
        }
    }
}

impl EndpointNode {
    /// The configuration in force at that time, and those after it.
    pub(super) fn eras_since(&self, at: i64) -> impl Iterator<Item = &Era> {
        let first = self.eras.iter().rposition(|era| era.since <= at).unwrap_or(0);
        self.eras[first..].iter()
    }
}

/// How many requests an endpoint may have in flight.
fn limits(settings: &Settings, config: &Config) -> usize {
    let own = config.max_in_flight.unwrap_or(u32::MAX);
    usize::try_from(own.min(settings.max_in_flight)).unwrap_or(usize::MAX).max(1)
}
