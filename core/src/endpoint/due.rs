//! The deliveries that are due: all SQL on them is here.
//!
//! A delivery is a row with the time at which it is due. While memory holds it, that time is its *lease*: just past the time
//! by which it must be done, so that it is due again should memory be lost.
//!
//! New messages mostly succeed at the first attempt, within seconds. So those of a push are one row together, a *group*,
//! with one lease; memory knows which of them are open. Whatever happens to one of them but its end (its lease is renewed,
//! it is to be tried again) gives it a row of its own. After a loss of memory, those of a group are open that have neither a
//! row nor an attempt since the group was stored.
//!
//! The row of a group that has ended is used again, so that a push costs one row here. Which have ended is written with
//! each checkpoint, so that no attempts have to be read for them.

use super::history::History;
use crate::frame;
use crate::sql::{Row, Sql, SqlError, Value};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, HashMap, HashSet};

/// At most so many rows of groups that have ended are kept to be used again.
const SPARE_MAX: usize = 64;

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// When it is due; where it is leased, when its lease ends.
    pub(super) slot: i64,
    /// The message's id, with a suffix for a delivery asked for by hand.
    pub(super) key: String,
    pub(super) msg_id: String,
    pub(super) event_type: String,
    /// The text of a JSON array.
    pub(super) channels: Option<String>,
    /// Asked for by hand: one attempt, no retries.
    pub(super) manual: bool,
    /// How many attempts were made.
    pub(super) made: u32,
    /// Memory holds it, or held it and was lost.
    pub(super) leased: bool,
}

/// Numbers about what is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Deliveries without an attempt, and with one.
    pub(super) pending: i64,
    pub(super) sending: i64,
    /// The oldest message.
    pub(super) oldest: Option<String>,
}

/// A message of a group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Member {
    #[n(0)]
    pub(super) id: String,
    #[n(1)]
    pub(super) event_type: String,
    #[n(2)]
    pub(super) channels: Option<String>,
}

struct Group {
    until: i64,
    /// How many of its members are open.
    open: usize,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Store {
    groups: BTreeMap<i64, Group>,
    /// Open members, and their groups.
    members: BTreeMap<String, (i64, Member)>,
    /// Groups that have ended, whose rows are used again: the one that ended first is the first.
    spare: Vec<i64>,
}

impl Store {
    /// Reads which members of groups are open. `ended`: the groups that had ended at the checkpoint.
    pub(super) fn open(sql: &impl Sql, history: &History, ended: &[i64]) -> Result<Self, SqlError> {
        let mut this = Self::default();
        let mut tried: Option<HashMap<String, i64>> = None;
        for mut row in sql.query("SELECT seq, until, after, messages FROM pushed ORDER BY after", &[])? {
            let (seq, until, after) = (row.int(0)?, row.int(1)?, row.int(2)?);
            // Unless the row was used again since.
            if after < history.newest() && ended.contains(&seq) {
                this.groups.insert(seq, Group { until, open: 0 });
                this.spare.push(seq);
                continue;
            }
            let members: Vec<Member> = frame::decode(&row.blob(3)?).map_err(SqlError)?;
            // The first group is the oldest: what was tried since any of them was tried since then.
            let tried = match &tried {
                Some(tried) => tried,
                None => tried.insert(history.tried_since(sql, after)?),
            };
            let rows = Self::scheduled_rows(sql, &members)?;
            let mut open = 0usize;
            for member in members {
                let ended = rows.contains(&member.id) || tried.get(&member.id).is_some_and(|at| *at > after);
                if !ended {
                    open = open.saturating_add(1);
                    this.members.insert(member.id.clone(), (seq, member));
                }
            }
            this.groups.insert(seq, Group { until, open });
            if open == 0 {
                this.spare.push(seq);
            }
        }
        Ok(this)
    }

    /// Which of these have rows of their own.
    fn scheduled_rows(sql: &impl Sql, members: &[Member]) -> Result<HashSet<String>, SqlError> {
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let rows = sql.query(
            "SELECT msg_id FROM due WHERE slot > 0 AND manual = 0 AND msg_id IN (SELECT value FROM json_each(?1))",
            &[Value::Text(&json(&ids)?)],
        )?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// Stores the messages of a push, leased. `after`: the number of the newest attempt.
    pub(super) fn store_group(
        &mut self,
        sql: &impl Sql,
        until: i64,
        after: i64,
        members: Vec<Member>,
    ) -> Result<(), SqlError> {
        if members.is_empty() {
            return Ok(());
        }
        let messages = frame::encode(&members);
        let values = [Value::Int(until), Value::Int(after), Value::Blob(&messages)];
        let seq = if self.spare.is_empty() {
            let seq = self.groups.keys().next_back().map_or(1, |last| last.saturating_add(1));
            let [until, after, messages] = values;
            sql.exec(
                "INSERT INTO pushed (seq, until, after, messages) VALUES (?1, ?2, ?3, ?4)",
                &[Value::Int(seq), until, after, messages],
            )?;
            seq
        } else {
            let seq = self.spare.remove(0);
            let [until, after, messages] = values;
            sql.exec(
                "UPDATE pushed SET until = ?2, after = ?3, messages = ?4 WHERE seq = ?1",
                &[Value::Int(seq), until, after, messages],
            )?;
            seq
        };
        self.groups.insert(seq, Group { until, open: members.len() });
        for member in members {
            if let Some((_, member)) = self.members.insert(member.id.clone(), (seq, member)) {
                return Err(SqlError(format!("{} is stored twice", member.id)));
            }
        }
        Ok(())
    }

    /// Takes a member out of its group, if this is one with this lease.
    fn leave(&mut self, sql: &impl Sql, slot: i64, key: &str) -> Result<Option<Member>, SqlError> {
        let Some((seq, _)) = self.members.get(key) else { return Ok(None) };
        let seq = *seq;
        let Some(group) = self.groups.get_mut(&seq).filter(|group| group.until == slot) else {
            return Ok(None);
        };
        group.open = group.open.saturating_sub(1);
        if group.open == 0 {
            if self.spare.len() < SPARE_MAX {
                self.spare.push(seq);
            } else {
                self.groups.remove(&seq);
                sql.exec("DELETE FROM pushed WHERE seq = ?1", &[Value::Int(seq)])?;
            }
        }
        Ok(self.members.remove(key).map(|(_, member)| member))
    }

    /// The groups that have ended.
    pub(super) fn ended(&self) -> Vec<i64> {
        self.spare.clone()
    }

    /// Stores a delivery by itself.
    pub(super) fn insert(&mut self, sql: &impl Sql, due: &Due) -> Result<(), SqlError> {
        if self.members.contains_key(&due.key) {
            return Err(SqlError(format!("{} is stored twice", due.key)));
        }
        sql.exec(
            "INSERT INTO due (slot, key, msg_id, event_type, channels, manual, made, leased, held)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)",
            &[
                Value::Int(due.slot),
                Value::Text(&due.key),
                Value::Text(&due.msg_id),
                Value::Text(&due.event_type),
                Value::opt_text(due.channels.as_deref()),
                Value::flag(due.manual),
                Value::Int(due.made.into()),
                Value::flag(due.leased),
            ],
        )
    }

    /// Gives a delivery another time.
    pub(super) fn move_to(
        &mut self,
        sql: &impl Sql,
        (from, key): (i64, &str),
        to: i64,
        leased: bool,
    ) -> Result<(), SqlError> {
        if let Some(member) = self.leave(sql, from, key)? {
            return self.insert(sql, &Due { leased, ..Due::of_member(member, to) });
        }
        sql.exec(
            "UPDATE due SET slot = ?3, leased = ?4 WHERE slot = ?1 AND key = ?2",
            &[Value::Int(from), Value::Text(key), Value::Int(to), Value::flag(leased)],
        )
    }

    /// A delivery is to be tried again, after so many attempts; `held`: a plugin kept it.
    pub(super) fn retry(
        &mut self,
        sql: &impl Sql,
        (from, key): (i64, &str),
        at: i64,
        made: u32,
        held: bool,
    ) -> Result<(), SqlError> {
        if let Some(member) = self.leave(sql, from, key)? {
            self.insert(sql, &Due { made, ..Due::of_member(member, at) })?;
            if !held {
                return Ok(());
            }
            return sql.exec(
                "UPDATE due SET held = 1 WHERE slot = ?1 AND key = ?2",
                &[Value::Int(at), Value::Text(key)],
            );
        }
        sql.exec(
            "UPDATE due SET slot = ?3, made = ?4, leased = 0, held = ?5 WHERE slot = ?1 AND key = ?2",
            &[Value::Int(from), Value::Text(key), Value::Int(at), Value::Int(made.into()), Value::flag(held)],
        )
    }

    /// A delivery has ended. Whether it was there, with this time.
    pub(super) fn end(&mut self, sql: &impl Sql, slot: i64, key: &str) -> Result<bool, SqlError> {
        if self.leave(sql, slot, key)?.is_some() {
            return Ok(true);
        }
        let gone = sql.query(
            "DELETE FROM due WHERE slot = ?1 AND key = ?2 RETURNING 1",
            &[Value::Int(slot), Value::Text(key)],
        )?;
        Ok(!gone.is_empty())
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        *self = Self::default();
        sql.exec("DELETE FROM due", &[])?;
        sql.exec("DELETE FROM pushed", &[])
    }

    /// What plugins held is due now.
    pub(super) fn release_held(sql: &impl Sql, now: i64) -> Result<(), SqlError> {
        sql.exec(
            "UPDATE due SET slot = ?1, held = 0 WHERE slot > ?1 AND held = 1 AND leased = 0",
            &[Value::Int(now)],
        )
    }

    fn open_members(&self) -> impl Iterator<Item = Due> {
        self.members.values().filter_map(|(seq, member)| {
            let group = self.groups.get(seq)?;
            Some(Due { leased: true, ..Due::of_member(member.clone(), group.until) })
        })
    }

    /// When the next is due. `in_turn`: only the first of the log counts, and what was asked for by hand.
    pub(super) fn earliest(&self, sql: &impl Sql, in_turn: bool) -> Result<Option<i64>, SqlError> {
        let rows = if in_turn {
            let first = self.first_scheduled(sql)?;
            let first = first.as_deref().unwrap_or_default();
            let own = self.members.get(first).and_then(|(seq, _)| self.groups.get(seq));
            let rows = sql
                .query("SELECT min(slot) FROM due WHERE manual = 1 OR msg_id = ?1", &[Value::Text(first)])?;
            return min_of(&rows, own.map(|group| group.until));
        } else {
            sql.query("SELECT min(slot) FROM due", &[])?
        };
        let groups = self.groups.values().filter(|group| group.open > 0);
        min_of(&rows, groups.map(|group| group.until).min())
    }

    /// What is due by now, the longest due first.
    pub(super) fn due_by(
        &self,
        sql: &impl Sql,
        now: i64,
        in_turn: bool,
        most: usize,
    ) -> Result<Vec<Due>, SqlError> {
        let limit = Value::Int(u32::try_from(most).unwrap_or(u32::MAX).into());
        let first = if in_turn { self.first_scheduled(sql)?.unwrap_or_default() } else { String::new() };
        let rows = if in_turn {
            sql.query(
                "SELECT slot, key, msg_id, event_type, channels, manual, made, leased FROM due
                 WHERE slot <= ?1 AND (manual = 1 OR msg_id = ?2) ORDER BY slot, key LIMIT ?3",
                &[Value::Int(now), Value::Text(&first), limit],
            )?
        } else {
            sql.query(
                "SELECT slot, key, msg_id, event_type, channels, manual, made, leased FROM due
                 WHERE slot <= ?1 ORDER BY slot, key LIMIT ?2",
                &[Value::Int(now), limit],
            )?
        };
        let mut all = rows.into_iter().map(Due::read).collect::<Result<Vec<_>, _>>()?;
        if self.groups.values().any(|group| group.open > 0 && group.until <= now) {
            all.extend(self.open_members().filter(|due| due.slot <= now && (!in_turn || due.key == first)));
            all.sort_by(|a, b| (a.slot, &a.key).cmp(&(b.slot, &b.key)));
            all.truncate(most);
        }
        Ok(all)
    }

    /// The first message of the log whose delivery is not over, but for those asked for by hand.
    pub(super) fn first_scheduled(&self, sql: &impl Sql) -> Result<Option<String>, SqlError> {
        let rows = sql.query("SELECT min(msg_id) FROM due WHERE manual = 0", &[])?;
        let row = rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_text(0))?;
        let member = self.members.keys().next().cloned();
        Ok(row.into_iter().chain(member).min())
    }

    /// The last one.
    pub(super) fn last_scheduled(&self, sql: &impl Sql) -> Result<Option<String>, SqlError> {
        let rows = sql.query("SELECT max(msg_id) FROM due WHERE manual = 0", &[])?;
        let row = rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_text(0))?;
        let member = self.members.keys().next_back().cloned();
        Ok(row.into_iter().chain(member).max())
    }

    /// The deliveries of these messages.
    pub(super) fn of_messages(&self, sql: &impl Sql, ids: &[&str]) -> Result<Vec<Due>, SqlError> {
        let rows = sql.query(
            "SELECT slot, key, msg_id, event_type, channels, manual, made, leased FROM due
             WHERE slot > 0 AND msg_id IN (SELECT value FROM json_each(?1))",
            &[Value::Text(&json(ids)?)],
        )?;
        let mut all = rows.into_iter().map(Due::read).collect::<Result<Vec<_>, _>>()?;
        for id in ids {
            all.extend(self.members.get(*id).and_then(|(seq, member)| {
                let group = self.groups.get(seq)?;
                Some(Due { leased: true, ..Due::of_member(member.clone(), group.until) })
            }));
        }
        Ok(all)
    }

    pub(super) fn waiting(&self, sql: &impl Sql) -> Result<Waiting, SqlError> {
        let rows = sql.query(
            "SELECT coalesce(sum(made = 0), 0), coalesce(sum(made > 0), 0), min(msg_id) FROM due",
            &[],
        )?;
        let mut waiting = Waiting::default();
        if let Some(mut row) = rows.into_iter().next() {
            (waiting.pending, waiting.sending) = (row.int(0)?, row.int(1)?);
            waiting.oldest = row.opt_text(2)?;
        }
        let members = i64::try_from(self.members.len()).unwrap_or(i64::MAX);
        waiting.pending = waiting.pending.saturating_add(members);
        waiting.oldest = waiting.oldest.into_iter().chain(self.members.keys().next().cloned()).min();
        Ok(waiting)
    }

    /// When the leases end of whatever is leased.
    pub(super) fn leases(&self, sql: &impl Sql) -> Result<Vec<i64>, SqlError> {
        let rows = sql.query("SELECT slot FROM due WHERE leased = 1", &[])?;
        let rows = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().chain(self.open_members().map(|due| due.slot)).collect())
    }

    /// Everything that is due.
    #[cfg(any(test, feature = "memory"))]
    pub(super) fn all(&self, sql: &impl Sql) -> Result<Vec<Due>, SqlError> {
        let rows = sql.query(
            "SELECT slot, key, msg_id, event_type, channels, manual, made, leased FROM due ORDER BY slot, key",
            &[],
        )?;
        let mut all = rows.into_iter().map(Due::read).collect::<Result<Vec<_>, _>>()?;
        all.extend(self.open_members());
        all.sort_by(|a, b| (a.slot, &a.key).cmp(&(b.slot, &b.key)));
        Ok(all)
    }
}

impl Due {
    pub(super) fn of_member(member: Member, slot: i64) -> Self {
        let Member { id, event_type, channels } = member;
        Self {
            slot,
            key: id.clone(),
            msg_id: id,
            event_type,
            channels,
            manual: false,
            made: 0,
            leased: false,
        }
    }

    fn read(mut row: Row) -> Result<Self, SqlError> {
        Ok(Self {
            slot: row.int(0)?,
            key: row.text(1)?,
            msg_id: row.text(2)?,
            event_type: row.text(3)?,
            channels: row.opt_text(4)?,
            manual: row.flag(5)?,
            made: u32::try_from(row.int(6)?).unwrap_or(u32::MAX),
            leased: row.flag(7)?,
        })
    }
}

fn min_of(rows: &[Row], other: Option<i64>) -> Result<Option<i64>, SqlError> {
    let row = rows.first().map_or(Ok(None), |row| row.opt_int(0))?;
    Ok(row.into_iter().chain(other).min())
}

fn json(ids: &[&str]) -> Result<String, SqlError> {
    serde_json::to_string(ids).map_err(|error| SqlError(error.to_string()))
}
