//! An object on the platform: its storage, its alarm, and (while it is awake) its state machine.

use super::dice::Dice;
use super::storage::Disk;
use super::world::World;
use std::collections::HashMap;
use std::rc::Rc;
use weir_core::budget::Budget;
use weir_core::deployment::Deployment;
use weir_core::rng::Seeded;
use weir_core::sql::{Sql, SqlError};

/// Which object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Object {
    Directory,
    App(usize),
    Endpoint(usize),
}

/// A state machine of the core, and how the world treats it.
pub(super) trait Machine: Sized {
    type Effects;

    fn open(sql: Disk, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError>;
    fn set_budget(&mut self, budget: Rc<Budget>);
    fn object(index: usize) -> Object;
    fn node(world: &mut World, index: usize) -> &mut Node<Self>;
    /// The alarm that the effects ask for.
    fn alarm(effects: &Self::Effects) -> Option<i64>;
    /// Carries the effects out; where the object has `crashed`, only the first few.
    fn carry_out(world: &mut World, index: usize, effects: Self::Effects, crashed: bool);
    /// Checks what must hold after every step.
    fn check(world: &mut World, index: usize);
}

/// What happens to an object during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    /// The writes are undone. Either the whole process dies, or only the state machine is dropped (that is
    /// what follows a storage error), and requests in flight still come back.
    CrashBefore {
        process: bool,
    },
    /// The writes are durable, and only the first few effects are carried out.
    CrashAfter,
}

/// What the platform knows of an object.
pub(super) struct Platform {
    pub(super) db: Disk,
    /// Counts openings of the state machine.
    pub(super) opening: u32,
    /// Counts processes; requests in flight die with theirs.
    pub(super) process: u32,
    /// The durable alarm, by the object's clock.
    pub(super) alarm: Option<i64>,
    /// It was set to now, to begin a new chain of calls.
    pub(super) alarm_is_now: bool,
    /// Tells an alarm that is set from one that was set before.
    pub(super) alarm_number: u32,
    /// When the platform dropped the alarm, until it is set again.
    pub(super) lost_at: Option<i64>,
    pub(super) ever_lost: bool,
    pub(super) crashes: u32,
    pub(super) skew: i64,
    /// It is overloaded until then, in milliseconds since the start.
    pub(super) refuses_until: i64,
    /// How often it has refused each of its callers since then, by the kind of call.
    pub(super) refused: HashMap<(Object, &'static str), u32>,
    /// Tells the timer that counts from those that it replaced.
    pub(super) timer_number: u32,
    /// What the shell of the object counts.
    pub(super) budget: Rc<Budget>,
    /// What the platform counts, since the event that was delivered last.
    pub(super) spent: Spent,
}

/// What an object has asked of the platform since its last event, and how deep that event is in a chain of calls.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) depth: u32,
    pub(super) calls: u32,
    pub(super) requests: u32,
}

pub(super) struct Node<M> {
    pub(super) on: Platform,
    pub(super) machine: Option<M>,
}

enum Stop {
    Crash,
    Sql(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl Platform {
    pub(super) fn set_alarm(&mut self, at: i64) -> u32 {
        self.alarm = Some(at);
        self.alarm_number += 1;
        self.lost_at = None;
        self.alarm_number
    }

    pub(super) fn lose_alarm(&mut self) {
        self.lost_at = self.alarm.take();
        self.ever_lost = true;
    }
}

impl<M: Machine> Node<M> {
    pub(super) fn new(rng: &mut Seeded, skew_ms: i64, lies: bool) -> Self {
        let on = Platform {
            db: Disk::new(lies),
            opening: 0,
            process: 0,
            alarm: None,
            alarm_is_now: false,
            alarm_number: 0,
            lost_at: None,
            ever_lost: false,
            crashes: 0,
            refuses_until: 0,
            refused: HashMap::new(),
            timer_number: 0,
            budget: Rc::default(),
            spent: Spent::default(),
            skew: if skew_ms == 0 { 0 } else { rng.between(-skew_ms, skew_ms) },
        };
        Self { on, machine: None }
    }

    /// The memory is lost, and with the process what it had in flight.
    pub(super) fn crash(&mut self, process: bool) {
        self.machine = None;
        self.on.opening += 1;
        self.on.crashes += 1;
        if process {
            self.on.process += 1;
            self.on.budget = Rc::default();
            self.on.spent = Spent::default();
        }
    }

    /// Runs one step; what it returned, and whether it was committed. A statement that fails drops the state machine.
    pub(super) fn step<T>(
        &mut self,
        deployment: &Rc<Deployment>,
        clock: i64,
        rng: &mut Seeded,
        in_alarm: bool,
        fate: Fate,
        work: impl FnOnce(&mut M, &mut Seeded) -> Result<T, SqlError>,
    ) -> Result<(T, bool), SqlError> {
        if self.machine.is_none() {
            let alarm = if in_alarm { None } else { self.on.alarm };
            let mut machine = M::open(self.on.db.clone(), deployment.clone(), clock, alarm)?;
            machine.set_budget(Rc::clone(&self.on.budget));
            self.machine = Some(machine);
        }
        let machine = self.machine.as_mut().expect("it was opened");
        let mut value = None;
        let done = self.on.db.transaction(|| {
            value = Some(work(machine, rng)?);
            if matches!(fate, Fate::CrashBefore { .. }) { Err(Stop::Crash) } else { Ok(()) }
        });
        let committed = match done {
            Ok(()) => true,
            Err(Stop::Crash) => false,
            Err(Stop::Sql(error)) => {
                self.crash(false);
                return Err(error);
            }
        };
        if let Fate::CrashBefore { process } = fate {
            self.crash(process);
        }
        Ok((value.expect("the work was done"), committed))
    }
}
