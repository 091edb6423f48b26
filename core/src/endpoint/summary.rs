//! Status by message instead of by attempt: the status of deliveries, which are exhausted, which were never
//! attempted.
//!
//! Nothing is stored for this: it is computed from attempts and due deliveries.

use super::due::Due;
use super::history::Range;
use super::history::segment::{Of, Recorded};
use super::record::{FAIL, SUCCESS};
use super::{Effects, Endpoint};
use crate::api::model::attempt::Status;
use crate::frame::{
    BulkAsk, Deliveries, DeliveriesAsk, DeliveryRow, Done, ExpungeAsk, RecoverAsk, ReplayAsk, TaskAnswer,
};
use crate::id;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use std::collections::{HashMap, HashSet};

/// The placeholder of an expunged response.
const EXPUNGED: &str = "EXPUNGED";
/// The maximum number of attempts that one batch of a recovery reads.
const LOOK_MAX: usize = 500;
/// The maximum number of deliveries that one batch of a recovery makes due.
const BATCH_MAX: u32 = 100;

/// The attempts of one message.
#[derive(Debug, Default)]
struct Tried {
    newest: String,
    newest_status: i64,
    newest_code: i64,
    succeeded: bool,
    /// Whether there was an attempt by the schedule.
    scheduled: bool,
    newest_manual: Option<String>,
    all: Vec<String>,
}

impl Tried {
    fn add(&mut self, attempt: Recorded) {
        let Recorded { id, of, how, .. } = attempt;
        self.succeeded |= how.status == SUCCESS;
        self.scheduled |= !of.manual;
        if of.manual && self.newest_manual.as_ref().is_none_or(|newest| *newest < id) {
            self.newest_manual = Some(id.clone());
        }
        if self.newest < id {
            self.newest.clone_from(&id);
            self.newest_status = how.status;
            self.newest_code = how.code.into();
        }
        self.all.push(id);
    }

    /// Whether this failed attempt is the last word on the message: no attempt succeeded, none followed until `upto`,
    /// and none was made manually since.
    fn ends_with(&self, attempt_id: &str, upto: &str) -> bool {
        if self.succeeded || self.newest_manual.as_deref().is_some_and(|manual| manual > upto) {
            return false;
        }
        // An attempt of the schedule may have come since: the newest one before that counts.
        !self.all.iter().any(|id| id.as_str() > attempt_id && id.as_str() <= upto)
    }
}

/// A message's due deliveries: one by the schedule, and any number of manual ones.
#[derive(Debug, Clone, Default)]
struct Dues {
    scheduled: Option<Due>,
    manual: bool,
}

impl<S: Sql> Endpoint<S> {
    /// The status of messages' deliveries.
    pub fn deliveries(&self, ask: &DeliveriesAsk) -> Result<Deliveries, SqlError> {
        if !self.knows() {
            return Ok(Deliveries::default());
        }
        let ids: Vec<&str> = ask.ids.iter().map(String::as_str).collect();
        let (tried, due) = (self.tried(&ids)?, self.dues(&ids)?);
        let row = |msg_id: &String| {
            let (status, next_at) = self.standing(tried.get(msg_id), due.get(msg_id))?;
            Some(DeliveryRow { msg_id: msg_id.clone(), status: status.number(), next_at })
        };
        Ok(Deliveries { rows: ask.ids.iter().filter_map(row).collect() })
    }

    fn standing(&self, tried: Option<&Tried>, dues: Option<&Dues>) -> Option<(Status, Option<i64>)> {
        if let Some(due) = dues.and_then(|dues| dues.scheduled.as_ref()) {
            let status = if due.made > 0 { Status::Sending } else { Status::Pending };
            // A leased delivery is about to be sent or in flight; one that cannot be sent has no time.
            return Some((status, (!due.leased && self.can_send()).then_some(due.slot)));
        }
        match tried {
            Some(tried) => Some((Status::from_number(tried.newest_status).unwrap_or(Status::Fail), None)),
            None => dues.is_some_and(|dues| dues.manual).then_some((Status::Pending, None)),
        }
    }

    /// Whether there are tables.
    fn knows(&self) -> bool {
        self.active.is_some()
    }

    /// The response to a task's batch if there is nothing to do.
    fn refuses_tasks(&self) -> Option<TaskAnswer> {
        match &self.active {
            None => Some(TaskAnswer { not_ready: true, ..TaskAnswer::default() }),
            Some(active) if active.config.deleted => Some(TaskAnswer { end: true, ..TaskAnswer::default() }),
            Some(_) => None,
        }
    }

    /// The attempts of these messages.
    fn tried(&self, ids: &[&str]) -> Result<HashMap<String, Tried>, SqlError> {
        let mut found: HashMap<String, Tried> = HashMap::new();
        for attempt in self.history.of_messages(&self.sql, ids)? {
            found.entry(attempt.of.msg_id.clone()).or_default().add(attempt);
        }
        Ok(found)
    }

    /// The due deliveries of these messages.
    fn dues(&self, ids: &[&str]) -> Result<HashMap<String, Dues>, SqlError> {
        let mut found: HashMap<String, Dues> = HashMap::new();
        for due in self.due.of_messages(&self.sql, ids)? {
            let dues = found.entry(due.msg_id.clone()).or_default();
            if due.manual {
                dues.manual = true;
            } else {
                dues.scheduled = Some(due);
            }
        }
        Ok(found)
    }

    /// Expunges the response of an attempt.
    pub fn expunge(&self, ask: &ExpungeAsk) -> Result<Done, SqlError> {
        if !self.knows() {
            return Ok(Done { done: false });
        }
        let attempt = (ask.attempt_id.as_str(), ask.msg_id.as_str());
        Ok(Done { done: self.history.expunge(&self.sql, attempt, EXPUNGED)? })
    }

    /// One batch of a recovery: reads the failed attempts in order. If the schedule has not ended, its next attempt
    /// is made now; if it has, there is one more attempt. Messages that succeeded, or that have an attempt in flight,
    /// are skipped.
    ///
    /// Each message counts at its newest attempt before the recovery, and only if no manual attempt followed: so a
    /// batch that is repeated after a crash repeats nothing.
    pub fn recover(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: RecoverAsk,
    ) -> Result<(TaskAnswer, Effects), SqlError> {
        if let Some(answer) = self.refuses_tasks() {
            return Ok((answer, Effects::default()));
        }
        let dry = ask.dry == Some(true);
        let Some(upto) = ask.upto else {
            let upto = Some(self.attempt_ids.last());
            return Ok((TaskAnswer { upto, ..TaskAnswer::default() }, Effects::default()));
        };
        let after = ask.after.max(id::floor(id::ATTEMPT, ask.since));
        let before = format!("{upto}0"); // right after it
        let range = Range { after: after.clone(), before, ascending: true };
        let (attempts, all) = self.history.range(&self.sql, &range, LOOK_MAX)?;
        let mut answer = TaskAnswer { after, upto: Some(upto.clone()), end: all, ..TaskAnswer::default() };
        let meant = |attempt: &Recorded| {
            let at = id::millis(id::MESSAGE, &attempt.of.msg_id).unwrap_or(0);
            attempt.how.status == FAIL && at.saturating_add(id::RESOLUTION_MS) > ask.since && at <= ask.until
        };
        let failed: Vec<(String, Option<Of>)> = attempts
            .into_iter()
            .map(|attempt| {
                let meant = meant(&attempt);
                (attempt.id, meant.then_some(attempt.of))
            })
            .collect();
        let ids: Vec<&str> =
            failed.iter().filter_map(|(_, of)| of.as_ref()).map(|of| of.msg_id.as_str()).collect();
        let (tried, dues) = (self.tried(&ids)?, self.dues(&ids)?);
        for (attempt_id, message) in failed {
            if answer.count >= BATCH_MAX {
                answer.end = false;
                break;
            }
            if let Some(Of { msg_id, event_type, channels, .. }) = message
                && tried.get(&msg_id).is_some_and(|tried| tried.ends_with(&attempt_id, &upto))
            {
                let dues = dues.get(&msg_id).cloned().unwrap_or_default();
                match dues.scheduled {
                    _ if dues.manual => {}
                    Some(due) if due.leased || due.slot <= now => {}
                    _ if dry => answer.count = answer.count.saturating_add(1),
                    Some(due) => {
                        self.move_row(due.slot, &msg_id, now, false)?;
                        self.note_due(now);
                        answer.count = answer.count.saturating_add(1);
                    }
                    None => {
                        self.insert_manual(now, msg_id, event_type, channels)?;
                        answer.count = answer.count.saturating_add(1);
                    }
                }
            }
            answer.after = attempt_id;
        }
        self.batch_done(now, rng, answer, dry)
    }

    /// The effects of a task's batch; none if it only counted.
    fn batch_done(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        answer: TaskAnswer,
        dry: bool,
    ) -> Result<(TaskAnswer, Effects), SqlError> {
        let effects = if dry { Effects::default() } else { self.settled(now, rng)? };
        Ok((answer, effects))
    }

    /// One more attempt of a message, due now.
    fn insert_manual(
        &mut self,
        now: i64,
        msg_id: String,
        event_type: String,
        channels: Option<String>,
    ) -> Result<(), SqlError> {
        self.manual_count = self.manual_count.wrapping_add(1);
        let key = format!("{msg_id}#{now}-{}", self.manual_count);
        let due = Due { slot: now, key, msg_id, event_type, channels, manual: true, made: 0, leased: false };
        self.insert(&due)
    }

    /// One batch of a bulk replay: one more attempt for each message that was attempted here, whatever the result, if
    /// its newest attempt matches the filter. Messages with an attempt in flight, or resent since the replay began,
    /// are skipped: so a batch that is repeated repeats nothing.
    pub fn bulk_replay(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: BulkAsk,
    ) -> Result<(TaskAnswer, Effects), SqlError> {
        if let Some(answer) = self.refuses_tasks() {
            return Ok((answer, Effects::default()));
        }
        let dry = ask.dry == Some(true);
        let mut answer = TaskAnswer::default();
        let Some(upto) = ask.upto else {
            answer.upto = Some(self.attempt_ids.last());
            return Ok((answer, Effects::default()));
        };
        let ids: Vec<&str> = ask.messages.iter().map(|message| message.id.as_str()).collect();
        let (tried, due) = (self.tried(&ids)?, self.dues(&ids)?);
        for message in ask.messages {
            let Some(tried) = tried.get(&message.id).filter(|_| !due.contains_key(&message.id)) else {
                continue;
            };
            let class = tried.newest_code.div_euclid(100).saturating_mul(100);
            let meant = ask.status.is_none_or(|status| status == tried.newest_status)
                && ask.code_class.is_none_or(|wanted| i64::from(wanted) == class);
            let done = tried.newest_manual.as_ref().is_some_and(|manual| *manual > upto);
            if meant && !done {
                answer.count = answer.count.saturating_add(1);
                if !dry {
                    self.insert_manual(now, message.id, message.event_type, message.channels)?;
                }
            }
        }
        self.batch_done(now, rng, answer, dry)
    }

    /// One batch of a replay: makes messages due, with their whole schedule, that have no record here. So a batch
    /// that is repeated repeats nothing.
    pub fn replay(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: ReplayAsk,
    ) -> Result<(TaskAnswer, Effects), SqlError> {
        if let Some(answer) = self.refuses_tasks() {
            return Ok((answer, Effects::default()));
        }
        let dry = ask.dry == Some(true);
        let mut answer = TaskAnswer::default();
        let ids: Vec<&str> = ask.messages.iter().map(|message| message.id.as_str()).collect();
        // Where its time has come, what was sent by hand before does not count, unless it got through.
        let on_time = ask.on_time == Some(true);
        let tried = self.tried(&ids)?.into_iter();
        let tried = tried.filter(|(_, tried)| !on_time || tried.scheduled || tried.succeeded);
        let mut known: HashSet<String> = tried.map(|(msg_id, _)| msg_id).collect();
        let due = self.dues(&ids)?.into_iter();
        known.extend(due.filter(|(_, dues)| !on_time || dues.scheduled.is_some()).map(|(msg_id, _)| msg_id));
        for message in ask.messages {
            if known.contains(&message.id) {
                continue;
            }
            answer.count = answer.count.saturating_add(1);
            if dry {
                continue;
            }
            let due = Due {
                slot: now,
                key: message.id.clone(),
                msg_id: message.id,
                event_type: message.event_type,
                channels: message.channels,
                manual: false,
                made: 0,
                leased: false,
            };
            self.insert(&due)?;
            // A push that is repeated after a crash of the App finds it. Just after a start the tables may hold newer
            // ones: then the next push looks there.
            if self.newest.is_some() {
                self.note_newest(&due.msg_id);
            }
        }
        self.batch_done(now, rng, answer, dry)
    }
}
