//! An object on the platform: its storage, its alarm, and (while it is awake) its state machine.

use super::dice::Dice;
use std::rc::Rc;
use weir_core::app::App;
use weir_core::deployment::Deployment;
use weir_core::endpoint::Endpoint;
use weir_core::rng::Seeded;
use weir_core::sql::memory::Memory;
use weir_core::sql::{Sql, SqlError};

/// A state machine of the core.
pub(super) trait Machine: Sized {
    fn open(sql: Memory, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError>;
}

impl Machine for App<Memory> {
    fn open(sql: Memory, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        App::open(sql, deployment, now, alarm)
    }
}

impl Machine for Endpoint<Memory> {
    fn open(sql: Memory, deployment: Rc<Deployment>, now: i64, alarm: Option<i64>) -> Result<Self, SqlError> {
        Endpoint::open(sql, deployment, now, alarm)
    }
}

/// What happens to an object during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    /// The writes are undone. Either the whole process dies, or only the state machine is dropped (that is
    /// what follows a storage error), and requests under way still come back.
    CrashBefore {
        process: bool,
    },
    /// The writes are durable, and only the first few effects are carried out.
    CrashAfter,
}

pub(super) struct Node<M> {
    pub(super) db: Memory,
    pub(super) machine: Option<M>,
    /// Counts openings of the state machine.
    pub(super) opening: u32,
    /// Counts processes; requests under way die with theirs.
    pub(super) process: u32,
    /// The platform's durable alarm, by the object's clock.
    pub(super) alarm: Option<i64>,
    /// Tells an alarm that is set from one that was set before.
    pub(super) alarm_number: u32,
    /// When the platform dropped the alarm, until it is set again.
    pub(super) lost_at: Option<i64>,
    pub(super) ever_lost: bool,
    pub(super) crashes: u32,
    pub(super) skew: i64,
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

impl<M: Machine> Node<M> {
    pub(super) fn new(rng: &mut Seeded, skew_ms: i64) -> Self {
        Self {
            db: Memory::new(),
            machine: None,
            opening: 0,
            process: 0,
            alarm: None,
            alarm_number: 0,
            lost_at: None,
            ever_lost: false,
            crashes: 0,
            skew: if skew_ms == 0 { 0 } else { rng.between(-skew_ms, skew_ms) },
        }
    }

    pub(super) fn crash(&mut self, process: bool) {
        self.machine = None;
        self.opening += 1;
        self.crashes += 1;
        if process {
            self.process += 1;
        }
    }

    /// Runs one step; what it returned, and whether it was committed.
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
            let alarm = if in_alarm { None } else { self.alarm };
            self.machine = Some(M::open(self.db.clone(), deployment.clone(), clock, alarm)?);
        }
        let machine = self.machine.as_mut().expect("it was opened");
        let mut value = None;
        let done = self.db.transaction(|| {
            value = Some(work(machine, rng)?);
            if matches!(fate, Fate::CrashBefore { .. }) { Err(Stop::Crash) } else { Ok(()) }
        });
        let committed = match done {
            Ok(()) => true,
            Err(Stop::Crash) => false,
            Err(Stop::Sql(error)) => return Err(error),
        };
        if let Fate::CrashBefore { process } = fate {
            self.crash(process);
        }
        Ok((value.expect("the work was done"), committed))
    }
}
