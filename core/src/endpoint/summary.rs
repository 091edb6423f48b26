//! What the object knows of messages rather than of attempts: how their deliveries stand, which failed for
//! good, which were never tried.
//!
//! Nothing is kept for this: it is worked out from the attempts, which are found as
//! [`super::schema`] says, and from what is due.

use super::record::{FAIL, SUCCESS, prompt_limit};
use super::{Delivery, Effects, Endpoint};
use crate::api::model::attempt::Status;
use crate::frame::{
    BulkAsk, Deliveries, DeliveriesAsk, DeliveryRow, Done, ExpungeAsk, RecoverAsk, ReplayAsk, TaskAnswer,
};
use crate::id;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use std::collections::{HashMap, HashSet};

/// What stands where an answer was expunged.
const EXPUNGED: &str = "EXPUNGED";
/// At most so many attempts are looked at in one batch of a recovery.
const LOOK_MAX: i64 = 500;
/// At most so many deliveries are made due by one batch of a recovery.
const BATCH_MAX: u32 = 100;

/// The attempts of one message.
#[derive(Debug, Default)]
struct Tried {
    newest: String,
    newest_status: i64,
    newest_code: i64,
    succeeded: bool,
    /// There was an attempt that nobody had asked for by hand.
    scheduled: bool,
    newest_manual: Option<String>,
}

/// A message's row that is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    slot: i64,
    made: i64,
    leased: bool,
}

/// A message's rows that are due: one by the schedule, and any by hand.
#[derive(Debug, Clone, Copy, Default)]
struct Dues {
    scheduled: Option<Due>,
    manual: bool,
}

impl<S: Sql> Endpoint<S> {
    /// How the deliveries of messages stand.
    pub fn deliveries(&self, ask: &DeliveriesAsk) -> Result<Deliveries, SqlError> {
        let (Some(first), Some(last), true) = (ask.ids.iter().min(), ask.ids.iter().max(), self.knows())
        else {
            return Ok(Deliveries::default());
        };
        let tried = self.tried(first, last)?;
        let due = self.due(first, last)?;
        let row = |msg_id: &String| {
            let (status, next_at) = self.standing(tried.get(msg_id), due.get(msg_id))?;
            Some(DeliveryRow { msg_id: msg_id.clone(), status: status.number(), next_at })
        };
        Ok(Deliveries { rows: ask.ids.iter().filter_map(row).collect() })
    }

    fn standing(&self, tried: Option<&Tried>, dues: Option<&Dues>) -> Option<(Status, Option<i64>)> {
        let dues = dues.copied().unwrap_or_default();
        if let Some(due) = dues.scheduled {
            let status = if due.made > 0 { Status::Sending } else { Status::Pending };
            // What is leased is about to be sent, or on its way; what cannot be sent has no time.
            return Some((status, (!due.leased && self.can_send()).then_some(due.slot)));
        }
        match tried {
            Some(tried) => Some((Status::from_number(tried.newest_status).unwrap_or(Status::Fail), None)),
            None => dues.manual.then_some((Status::Pending, None)),
        }
    }

    /// Whether there are tables to look into.
    fn knows(&self) -> bool {
        self.active.is_some()
    }

    /// The answer to a task's batch where there is nothing to do it with.
    fn refuses_tasks(&self) -> Option<TaskAnswer> {
        match &self.active {
            None => Some(TaskAnswer { not_ready: true, ..TaskAnswer::default() }),
            Some(active) if active.config.deleted => Some(TaskAnswer { end: true, ..TaskAnswer::default() }),
            Some(_) => None,
        }
    }

    /// The attempts of the messages from `first` to `last`.
    fn tried(&self, first: &str, last: &str) -> Result<HashMap<String, Tried>, SqlError> {
        let from = id::floor(id::ATTEMPT, id::millis(id::MESSAGE, first).unwrap_or(0));
        let rows = self.sql.query(
            "SELECT msg_id, id, status, manual, code FROM delivery
             WHERE slot = 0 AND id >= ?3 AND id < ?4 AND late IS NULL AND msg_id >= ?1 AND msg_id <= ?2
             UNION ALL
             SELECT msg_id, id, status, manual, code FROM delivery WHERE late >= ?1 AND late <= ?2",
            &[Value::Text(first), Value::Text(last), Value::Text(&from), Value::Text(&prompt_limit(last))],
        )?;
        let mut found: HashMap<String, Tried> = HashMap::new();
        for mut row in rows {
            let (attempt_id, status, manual, code) = (row.text(1)?, row.int(2)?, row.flag(3)?, row.int(4)?);
            let tried = found.entry(row.text(0)?).or_default();
            tried.succeeded |= status == SUCCESS;
            tried.scheduled |= !manual;
            if manual && tried.newest_manual.as_ref().is_none_or(|newest| *newest < attempt_id) {
                tried.newest_manual = Some(attempt_id.clone());
            }
            if tried.newest < attempt_id {
                tried.newest = attempt_id;
                tried.newest_status = status;
                tried.newest_code = code;
            }
        }
        Ok(found)
    }

    /// What is due of the messages from `first` to `last`.
    fn due(&self, first: &str, last: &str) -> Result<HashMap<String, Dues>, SqlError> {
        let rows = self.sql.query(
            "SELECT msg_id, slot, attempt, leased, manual FROM delivery
             WHERE slot > 0 AND msg_id >= ?1 AND msg_id <= ?2",
            &[Value::Text(first), Value::Text(last)],
        )?;
        let mut found: HashMap<String, Dues> = HashMap::new();
        for mut row in rows {
            let dues = found.entry(row.text(0)?).or_default();
            if row.flag(4)? {
                dues.manual = true;
            } else {
                dues.scheduled = Some(Due { slot: row.int(1)?, made: row.int(2)?, leased: row.flag(3)? });
            }
        }
        Ok(found)
    }

    /// Forgets what the receiver answered to an attempt.
    pub fn expunge(&self, ask: &ExpungeAsk) -> Result<Done, SqlError> {
        if !self.knows() {
            return Ok(Done { done: false });
        }
        let rows = self.sql.query(
            "UPDATE delivery SET response = ?3, headers = NULL WHERE slot = 0 AND id = ?1 AND msg_id = ?2 RETURNING 1",
            &[Value::Text(&ask.attempt_id), Value::Text(&ask.msg_id), Value::Text(EXPUNGED)],
        )?;
        Ok(Done { done: !rows.is_empty() })
    }

    /// One batch of a recovery: walks along the attempts that failed. Where the schedule is not over, its
    /// next attempt is made now instead of later; where it is, there is one more attempt, by hand. Messages
    /// that got through, or have an attempt on its way, are left alone.
    ///
    /// Each message is taken at its newest attempt before the recovery, and only if no attempt by hand came
    /// after that: so a batch that is repeated after a crash repeats nothing.
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
        let rows = self.sql.query(
            "SELECT id, msg_id, event_type, channels, status FROM delivery
             WHERE slot = 0 AND id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
            &[Value::Text(&after), Value::Text(&upto), Value::Int(LOOK_MAX)],
        )?;
        let mut answer = TaskAnswer {
            after,
            upto: Some(upto.clone()),
            end: i64::try_from(rows.len()).unwrap_or(i64::MAX) < LOOK_MAX,
            ..TaskAnswer::default()
        };
        let mut failed = Vec::new();
        for mut row in rows {
            let (attempt_id, msg_id) = (row.text(0)?, row.text(1)?);
            let at = id::millis(id::MESSAGE, &msg_id).unwrap_or(0);
            let meant =
                row.int(4)? == FAIL && at.saturating_add(id::RESOLUTION_MS) > ask.since && at <= ask.until;
            failed.push((attempt_id, meant.then_some((msg_id, row.text(2)?, row.opt_text(3)?))));
        }
        let ids = || failed.iter().filter_map(|(_, message)| message.as_ref()).map(|(msg_id, ..)| msg_id);
        let dues = match (ids().min(), ids().max()) {
            (Some(first), Some(last)) => self.due(first, last)?,
            _ => HashMap::new(),
        };
        for (attempt_id, message) in failed {
            if answer.count >= BATCH_MAX {
                answer.end = false;
                break;
            }
            if let Some((msg_id, event_type, channels)) = message
                && self.is_the_last_word(&msg_id, &attempt_id, &upto)?
            {
                let dues = dues.get(&msg_id).copied().unwrap_or_default();
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

    /// What follows from a batch of a task; nothing, where it has only counted.
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

    /// One more attempt of a message, by hand, due now.
    fn insert_manual(
        &mut self,
        now: i64,
        msg_id: String,
        event_type: String,
        channels: Option<String>,
    ) -> Result<(), SqlError> {
        self.manual_count = self.manual_count.wrapping_add(1);
        let key = format!("{msg_id}#{now}-{}", self.manual_count);
        let delivery =
            Delivery { slot: now, key, msg_id, event_type, channels, manual: true, made: 0, plugins: None };
        self.insert(&delivery, false)
    }

    /// One batch of a bulk replay: one more attempt by hand for each message that was tried here, however that
    /// ended, if its newest attempt is as asked for. What is on its way anyway is left alone, and so is what was
    /// sent by hand since the replay began: so a batch that is repeated repeats nothing.
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
        let ids = || ask.messages.iter().map(|message| message.id.as_str());
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else {
            return Ok((answer, Effects::default()));
        };
        let (tried, due) = (self.tried(first, last)?, self.due(first, last)?);
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

    /// Whether nothing came of a message after this failed attempt: none got through, none followed until
    /// `upto`, none was made by hand since.
    fn is_the_last_word(&self, msg_id: &str, attempt_id: &str, upto: &str) -> Result<bool, SqlError> {
        let tried = self.tried(msg_id, msg_id)?;
        let Some(tried) = tried.get(msg_id) else { return Ok(false) };
        if tried.succeeded || tried.newest_manual.as_deref().is_some_and(|manual| manual > upto) {
            return Ok(false);
        }
        if tried.newest.as_str() <= upto {
            return Ok(tried.newest == attempt_id);
        }
        // An attempt of the schedule came since: the newest one before that counts.
        let from = id::floor(id::ATTEMPT, id::millis(id::MESSAGE, msg_id).unwrap_or(0));
        let later = self.sql.query(
            "SELECT 1 FROM delivery WHERE slot = 0 AND id > ?2 AND id <= ?3 AND id >= ?4 AND msg_id = ?1
             LIMIT 1",
            &[Value::Text(msg_id), Value::Text(attempt_id), Value::Text(upto), Value::Text(&from)],
        )?;
        Ok(later.is_empty())
    }

    /// One batch of a replay: makes due, with the whole schedule before them, those messages of which nothing
    /// is known here. So a batch that is repeated repeats nothing.
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
        let ids = || ask.messages.iter().map(|message| message.id.as_str());
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else {
            return Ok((answer, Effects::default()));
        };
        // Where its time has come, what was sent by hand before does not count, unless it got through.
        let on_time = ask.on_time == Some(true);
        let tried = self.tried(first, last)?.into_iter();
        let tried = tried.filter(|(_, tried)| !on_time || tried.scheduled || tried.succeeded);
        let mut known: HashSet<String> = tried.map(|(msg_id, _)| msg_id).collect();
        let due = self.due(first, last)?.into_iter();
        known.extend(due.filter(|(_, dues)| !on_time || dues.scheduled.is_some()).map(|(msg_id, _)| msg_id));
        for message in ask.messages {
            if known.contains(&message.id) {
                continue;
            }
            answer.count = answer.count.saturating_add(1);
            if dry {
                continue;
            }
            let delivery = Delivery {
                slot: now,
                key: message.id.clone(),
                msg_id: message.id,
                event_type: message.event_type,
                channels: message.channels,
                manual: false,
                made: 0,
                plugins: None,
            };
            self.insert(&delivery, false)?;
            // A push that is repeated after a crash of the App finds it. Just after a start the tables may hold newer
            // ones: then the next push looks there.
            if self.newest.is_some() {
                self.note_newest(&delivery.msg_id);
            }
        }
        self.batch_done(now, rng, answer, dry)
    }
}
