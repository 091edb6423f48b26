//! Calls of Endpoints that the App's state machine plans, and their answers.

use super::Operation;
use crate::frame::{
    Attempts, AttemptsAsk, BulkAsk, Deliveries, DeliveriesAsk, Done, ExpungeAsk, RecoverAsk, ReplayAsk,
    StatsAnswer, StatsAsk, TaskAnswer,
};

/// One call, for any number of endpoints.
#[derive(Debug, Clone)]
pub enum Ask {
    /// [`ListAttempts`](super::endpoint::ListAttempts).
    Attempts(AttemptsAsk),
    /// [`ReadDeliveries`](super::endpoint::ReadDeliveries).
    Deliveries(DeliveriesAsk),
    /// [`ExpungeAttempt`](super::endpoint::ExpungeAttempt).
    Expunge(ExpungeAsk),
    /// [`ReadStats`](super::endpoint::ReadStats).
    Stats(StatsAsk),
    /// A batch of a task.
    Task(TaskAsk),
}

/// The answers to an [`Ask`], in the order of its endpoints.
#[derive(Debug)]
pub enum Answers {
    /// To [`Ask::Attempts`].
    Attempts(Vec<Attempts>),
    /// To [`Ask::Deliveries`].
    Deliveries(Vec<Deliveries>),
    /// To [`Ask::Expunge`].
    Expunge(Vec<Done>),
    /// To [`Ask::Stats`].
    Stats(Vec<StatsAnswer>),
    /// To [`Ask::Task`].
    Task(Vec<TaskAnswer>),
}

/// One batch of a task, for one endpoint.
#[derive(Debug, Clone)]
pub enum TaskAsk {
    /// [`Recover`](super::endpoint::Recover).
    Recover(RecoverAsk),
    /// [`Replay`](super::endpoint::Replay).
    Replay(ReplayAsk),
    /// [`BulkReplay`](super::endpoint::BulkReplay).
    BulkReplay(BulkAsk),
}

impl TaskAsk {
    /// The name of its operation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Recover(_) => super::endpoint::Recover::NAME,
            Self::Replay(_) => super::endpoint::Replay::NAME,
            Self::BulkReplay(_) => super::endpoint::BulkReplay::NAME,
        }
    }
}
