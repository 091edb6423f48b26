//! The store of what is due against a plain map.

use super::NOW;
use crate::endpoint::MIGRATIONS;
use crate::endpoint::due::{Due, Member, Store, Waiting};
use crate::endpoint::history::segment::{Detail, How, Of, Recorded, Request};
use crate::endpoint::history::{Checkpoint, History};
use crate::id::{self, Generator};
use crate::rng::Seeded;
use crate::sql::memory::Memory;
use crate::sql::{Sql, migrate};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The store, and what it should say.
struct Both {
    sql: Memory,
    history: History,
    store: Store,
    model: BTreeMap<String, Due>,
    messages: Generator,
    attempts: Generator,
    rng: Seeded,
    now: i64,
}

#[derive(Debug, Clone)]
enum Op {
    Wait(i64),
    Push(usize),
    ByHand,
    Move(i64, bool),
    Retry(i64, bool),
    End,
    /// With the time of a lease that is over.
    EndLate,
    ReleaseHeld,
    Reopen,
    Clear,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..30_000i64).prop_map(Op::Wait),
        4 => (0..6usize).prop_map(Op::Push),
        1 => Just(Op::ByHand),
        2 => (0..60_000i64, any::<bool>()).prop_map(|(after, leased)| Op::Move(after, leased)),
        3 => (1..60_000i64, any::<bool>()).prop_map(|(after, held)| Op::Retry(after, held)),
        6 => Just(Op::End),
        1 => Just(Op::EndLate),
        1 => Just(Op::ReleaseHeld),
        3 => Just(Op::Reopen),
        1 => Just(Op::Clear),
    ]
}

impl Both {
    fn new() -> Self {
        let sql = Memory::new();
        migrate(&sql, MIGRATIONS, NOW).unwrap();
        let history = History::open(&sql).unwrap().0;
        Self {
            store: Store::default(),
            history,
            sql,
            model: BTreeMap::new(),
            messages: Generator::new(id::MESSAGE, None),
            attempts: Generator::new(id::ATTEMPT, None),
            rng: Seeded(9),
            now: NOW,
        }
    }

    fn reopen(&mut self) {
        let (history, _, checkpoint) = History::open(&self.sql).unwrap();
        self.history = history;
        self.store = Store::open(&self.sql, &self.history, &checkpoint.ended).unwrap();
    }

    fn some(&self, dice: usize) -> Option<Due> {
        let at = dice.checked_rem(self.model.len())?;
        self.model.values().nth(at).cloned()
    }

    /// Records an attempt of a delivery, as everything does that ends one.
    fn attempt(&mut self, due: &Due) {
        let recorded = Recorded {
            id: self.attempts.next(self.now, &mut self.rng),
            of: Of {
                msg_id: due.msg_id.clone(),
                event_type: due.event_type.clone(),
                channels: None,
                manual: due.manual,
            },
            number: 1,
            how: How {
                status: 0,
                code: 200,
                started_at: self.now,
                duration_ms: 1,
                next_at: None,
                request: Request::Own,
            },
            url: String::new(),
        };
        self.history.add(recorded, Detail { response: "".into(), headers: None, plugins: None });
        let checkpoint = Checkpoint { ended: self.store.ended(), ..Checkpoint::default() };
        self.history.commit(&self.sql, 86_400_000, checkpoint).unwrap();
    }

    fn apply(&mut self, op: &Op, dice: usize) {
        match op {
            Op::Wait(ms) => self.now += ms,
            Op::Push(count) => self.push(*count),
            Op::ByHand => {
                let id = self.messages.next(self.now, &mut self.rng);
                let due = Due {
                    slot: self.now,
                    key: format!("{id}#{}", self.now),
                    msg_id: id,
                    event_type: "by.hand".into(),
                    channels: None,
                    manual: true,
                    made: 0,
                    leased: false,
                };
                self.store.insert(&self.sql, &due).unwrap();
                self.model.insert(due.key.clone(), due);
            }
            Op::Clear if !dice.is_multiple_of(4) => {}
            Op::Clear => {
                self.store.clear(&self.sql).unwrap();
                self.model.clear();
            }
            Op::ReleaseHeld => Store::release_held(&self.sql, self.now).unwrap(),
            Op::Reopen => self.reopen(),
            Op::Move(..) | Op::Retry(..) | Op::End | Op::EndLate => self.change(op, dice),
        }
        if matches!(op, Op::ReleaseHeld) {
            // Which were held only the table knows: what it made due is due.
            let all = self.store.all(&self.sql).unwrap();
            for due in all.into_iter().filter(|due| due.slot == self.now) {
                let model = self.model.get_mut(&due.key).unwrap();
                assert!(!model.leased && model.slot >= self.now && model.made > 0 || *model == due);
                model.slot = self.now;
            }
        }
    }

    fn push(&mut self, count: usize) {
        let until = self.now + 15_000;
        let members: Vec<Member> = (0..count)
            .map(|_| Member {
                id: self.messages.next(self.now, &mut self.rng),
                event_type: "order.paid".into(),
                channels: Some("[]".into()),
            })
            .collect();
        for Member { id, event_type, channels } in members.clone() {
            let (key, msg_id) = (id.clone(), id.clone());
            let due =
                Due { slot: until, key, msg_id, event_type, channels, manual: false, made: 0, leased: true };
            self.model.insert(id, due);
        }
        self.store.store_group(&self.sql, until, self.history.newest(), members).unwrap();
    }

    fn change(&mut self, op: &Op, dice: usize) {
        let Some(due) = self.some(dice) else { return };
        let place = (due.slot, due.key.as_str());
        match op {
            Op::Move(after, leased) => {
                let slot = self.now + after;
                self.store.move_to(&self.sql, place, slot, *leased).unwrap();
                self.model.insert(due.key.clone(), Due { slot, leased: *leased, ..due });
            }
            Op::Retry(after, held) => {
                let (slot, made) = (self.now + after, due.made + 1);
                self.store.retry(&self.sql, place, slot, made, *held).unwrap();
                self.attempt(&due);
                self.model.insert(due.key.clone(), Due { slot, made, leased: false, ..due });
            }
            Op::EndLate => {
                assert!(!self.store.end(&self.sql, due.slot - 1, &due.key).unwrap());
                self.store.move_to(&self.sql, (due.slot - 1, &due.key), 1, false).unwrap();
                self.store.retry(&self.sql, (due.slot - 1, &due.key), 1, 1, false).unwrap();
            }
            _ => {
                assert!(self.store.end(&self.sql, due.slot, &due.key).unwrap());
                assert!(!self.store.end(&self.sql, due.slot, &due.key).unwrap());
                self.attempt(&due);
                self.model.remove(&due.key);
            }
        }
    }

    fn check(&self, dice: usize) {
        let mut all: Vec<Due> = self.model.values().cloned().collect();
        all.sort_by(|a, b| (a.slot, &a.key).cmp(&(b.slot, &b.key)));
        assert_eq!(self.store.all(&self.sql).unwrap(), all);
        let scheduled = || all.iter().filter(|due| !due.manual).map(|due| due.msg_id.clone());
        let first = scheduled().min();
        assert_eq!(self.store.first_scheduled(&self.sql).unwrap(), first);
        assert_eq!(self.store.last_scheduled(&self.sql).unwrap(), scheduled().max());
        let in_turn = |due: &&Due| due.manual || Some(&due.msg_id) == first.as_ref();
        let slot = |due: &Due| due.slot;
        assert_eq!(self.store.earliest(&self.sql, false).unwrap(), all.first().map(slot));
        assert_eq!(self.store.earliest(&self.sql, true).unwrap(), all.iter().find(in_turn).map(slot));
        for turn in [false, true] {
            let by = all.iter().filter(|due| due.slot <= self.now && (!turn || in_turn(due)));
            let by: Vec<Due> = by.take(1 + dice % 4).cloned().collect();
            assert_eq!(self.store.due_by(&self.sql, self.now, turn, 1 + dice % 4).unwrap(), by);
        }
        let mut leases = self.store.leases(&self.sql).unwrap();
        leases.sort_unstable();
        assert_eq!(leases, all.iter().filter(|due| due.leased).map(slot).collect::<Vec<_>>());
        let count =
            |some: bool| i64::try_from(all.iter().filter(|due| (due.made > 0) == some).count()).unwrap();
        let oldest = all.iter().map(|due| due.msg_id.clone()).min();
        let waiting = Waiting { pending: count(false), sending: count(true), oldest };
        assert_eq!(self.store.waiting(&self.sql).unwrap(), waiting);
        if let Some(some) = self.some(dice) {
            let of: Vec<Due> = all.iter().filter(|due| due.msg_id == some.msg_id).cloned().collect();
            assert_eq!(self.store.of_messages(&self.sql, &[&some.msg_id, "msg_other"]).unwrap(), of);
        }
    }
}

proptest! {
    #[test]
    fn it_says_what_a_plain_map_says(ops in prop::collection::vec((any_op(), 0usize..10_000), 1..60)) {
        let mut both = Both::new();
        for (op, dice) in &ops {
            both.apply(op, *dice);
            both.check(*dice);
        }
        // Whatever was in memory alone is not needed.
        both.reopen();
        both.check(0);
        let rows = both.sql.query("SELECT count(*) FROM pushed", &[]).unwrap()[0].int(0).unwrap();
        let pushes = ops.iter().filter(|(op, _)| matches!(op, Op::Push(1..))).count();
        prop_assert!(rows <= i64::try_from(pushes).unwrap(), "{rows} groups are stored after {pushes} pushes");
    }
}
