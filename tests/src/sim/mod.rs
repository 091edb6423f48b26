//! The simulator: the App's and the Endpoint's logic in a world where everything fails.
//!
//! One seed decides everything: what clients do, how receivers answer, when objects crash (before or after
//! their writes are durable), which calls get lost, late or doubled, which alarms the platform drops, how the
//! clocks go. Time is a number, so days of retries take milliseconds. In the end the faults stop, time runs on
//! until nothing moves any more, and what was accepted is compared with what arrived.
//!
//! What must hold is listed in [`Rule`]. A violation names its rule and its seed, and the same seed always
//! gives the same run. That each rule can fail at all is shown by [`Defect`]s: worlds that are broken on purpose.

mod app;
mod check;
mod client;
mod dice;
mod directory;
mod endpoint;
mod event;
mod faults;
mod forget;
mod form;
mod network;
mod node;
mod plan;
mod plugin;
mod receiver;
mod storage;
mod task;
mod world;

use std::fmt;

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// What a client was told is stored, is stored.
    Accepted,
    /// A message accepted while an endpoint wanted it reaches its receiver, or its deliveries are used up and
    /// recorded so, or it still waits because the endpoint is disabled.
    Received,
    /// What arrives is what was accepted, or what the endpoint's plugin makes of it, under its id, signed with a
    /// secret of the endpoint; what the plugin drops does not arrive.
    Content,
    /// Nothing is sent to an endpoint that did not want it: its filter never matched, it did not exist yet, it
    /// was disabled when the message was accepted.
    Unwanted,
    /// No more automatic attempts than the schedule has, and none after a success, but for one for each crash.
    Attempts,
    /// Never more requests started in a window than the rate limit allows, across restarts.
    Pace,
    /// Never more requests in flight than allowed.
    InFlight,
    /// A due delivery has an alarm, and so does an offer that is to be repeated.
    Alarm,
    /// Everything comes to rest: nothing due, nothing behind, no report unsent.
    Stuck,
    /// The statistics are those of the attempts in the table, at any time.
    Statistics,
    /// Every recorded attempt is a request that was made, once.
    Recorded,
    /// One message for each idempotency key and each event id.
    Idempotency,
    /// Without failures, and with one request at a time, messages arrive in the order of acceptance; an endpoint that
    /// keeps the order starts nothing while anything earlier is not over.
    Order,
    /// Requests go out under the newest configuration known, an older one never replaces a newer, and one that
    /// was changed before a message was accepted governs that message.
    Config,
    /// A delivery that failed for good, or an endpoint that gave up, was reported to its application.
    Report,
    /// The tenant was told of every endpoint that was made or deleted.
    Told,
    /// When everything has come to rest and the retention is over, no message and no attempt is left.
    Forgotten,
    /// Every background task ends, as the tenant is told; it sends what it is to send, once; stopped, it asks no more.
    Task,
    /// A message with a time of its own is not sent before it.
    Schedule,
    /// A payload that was expunged leaves its application no more, and is not stored.
    Expunged,
    /// An App object knows what the Directory has decided: that the application exists, its uid, that it is deleted.
    Exists,
    /// An endpoint that follows a plugin has its current version; a plugin that was deleted is attached nowhere.
    Attached,
    /// No object calls another in a chain of calls that is too deep.
    Depth,
    /// No object asks for more than the platform gives it for one event.
    Subrequests,
    /// An object that is overloaded is left in peace: who is refused calls again less and less often.
    Overload,
    /// An Endpoint object whose storage is full sends what it cannot record once at most.
    Full,
    /// No statement fails, but for those that a full storage refuses.
    Storage,
}

impl Rule {
    /// Every rule.
    pub const ALL: &[Rule] = &[
        Rule::Accepted,
        Rule::Received,
        Rule::Content,
        Rule::Unwanted,
        Rule::Attempts,
        Rule::Pace,
        Rule::InFlight,
        Rule::Alarm,
        Rule::Stuck,
        Rule::Statistics,
        Rule::Recorded,
        Rule::Idempotency,
        Rule::Order,
        Rule::Config,
        Rule::Report,
        Rule::Told,
        Rule::Forgotten,
        Rule::Task,
        Rule::Schedule,
        Rule::Expunged,
        Rule::Exists,
        Rule::Attached,
        Rule::Depth,
        Rule::Subrequests,
        Rule::Overload,
        Rule::Full,
        Rule::Storage,
    ];
}

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Run this seed again to see it again.
    pub seed: u64,
    /// What did not hold.
    pub rule: Rule,
    /// Where and how.
    pub text: String,
    /// Milliseconds since the start.
    pub at: i64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the rule {:?} does not hold with seed {seed}, {} ms after the start: {}\n\
             To see it again: WEIR_SIM_SEED={seed} cargo test -p weir-tests --test sim",
            self.rule,
            self.at,
            self.text,
            seed = self.seed
        )
    }
}

impl std::error::Error for Violation {}

/// A world that is broken on purpose: each breaks one rule, and shows that the simulator notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Clients are answered before the commit: a crash takes back what was accepted.
    AnswersBeforeCommit,
    /// Pushes are acknowledged without being stored.
    AcknowledgesWithoutStoring,
    /// The payload is changed on its way.
    ChangesPayloads,
    /// Messages are pushed to endpoints that did not ask for them.
    IgnoresFilters,
    /// Endpoints are told a longer schedule than was set.
    RetriesWithoutEnd,
    /// Endpoints are not told their rate limit.
    IgnoresPace,
    /// Endpoints are not told how many requests they may have in flight.
    IgnoresMaxInFlight,
    /// The alarms that Endpoint objects ask for are not set.
    DropsEndpointAlarms,
    /// The alarms that App objects ask for are not set: nobody repairs.
    DropsAppAlarms,
    /// Results of requests are recorded twice.
    RecordsTwice,
    /// Failed attempts are lost from the table after they were counted.
    LosesAttempts,
    /// A recorded success is turned into a failure in the table.
    TurnsSuccesses,
    /// What an endpoint owes is forgotten, with its alarm.
    ForgetsDebts,
    /// A message is pushed twice at once.
    DoublesMessages,
    /// Idempotency keys are forgotten.
    ForgetsKeys,
    /// Messages are pushed newest first (in seeds where the order can be seen).
    PushesBackwards,
    /// The first configuration of an endpoint replaces every newer one.
    KeepsOldConfig,
    /// Reports are acknowledged without reaching the application.
    SwallowsReports,
    /// Alarms far ahead, which are for forgetting, are not set.
    NeverForgets,
    /// Operational events are acknowledged without reaching the operational application.
    SwallowsEvents,
    /// An answer to a push that an App object made before it was opened anew is taken for one to a push that
    /// it made since.
    MistakesAnswers,
    /// Endpoints are not told their plugins.
    ForgetsPlugins,
    /// Endpoints are not told to keep the order.
    ForgetsOrder,
    /// The alarms that the Directory asks for are not set.
    DropsDirectoryAlarms,
    /// Endpoints are not told that they are paused.
    IgnoresPause,
    /// Sources do not remember what came.
    ForgetsEvents,
    /// Messages are delivered half a minute before their time.
    DeliversEarly,
    /// Batches of tasks, and messages whose time has come, are acknowledged without being stored.
    SkipsBatches,
    /// A batch of a task that is repeated is not recognized.
    RepeatsBatches,
    /// What App objects say of their tasks is acknowledged without reaching the Directory.
    SwallowsNotes,
    /// Tasks go on after their owner was told that they are stopped.
    IgnoresStops,
    /// Payloads that were expunged are still answered.
    KeepsExpunged,
    /// App objects are not told that they are deleted.
    SwallowsDeletions,
    /// App objects are not asked whether they have the uid by which they were called.
    ForgetsUids,
    /// What the Directory says of plugins is acknowledged without reaching the App objects.
    SwallowsNotices,
    /// Objects take every event for the first of a chain of calls.
    ForgetsDepth,
    /// Objects count what they ask for anew with every step, not with every event.
    CountsAnew,
    /// A request that the Worker sends again does not say so.
    ForgetsNonces,
    /// A call that an overloaded object refused is repeated at once.
    RetriesAtOnce,
    /// The full storage of an App object takes everything and keeps nothing.
    LosesWhenFull,
    /// The full storage of an Endpoint object takes everything and keeps nothing.
    SendsWhenFull,
    /// Every fifth segment of a message log is lost.
    LosesSegments,
    /// What an Endpoint object has taken is in its memory alone: a reset of all objects loses it.
    ForgetsWhenReset,
    /// An alarm that is set to now replaces the later one for good: what is due later has none any more.
    ForgetsLaterAlarms,
}

impl Defect {
    /// Every defect, with the rules of which it must break one.
    pub const ALL: &[(Defect, &[Rule])] = &[
        // An Endpoint object may then hold what its App never had.
        (Defect::AnswersBeforeCommit, &[Rule::Accepted, Rule::Stuck]),
        (Defect::AcknowledgesWithoutStoring, &[Rule::Received]),
        (Defect::ChangesPayloads, &[Rule::Content]),
        (Defect::IgnoresFilters, &[Rule::Unwanted]),
        (Defect::RetriesWithoutEnd, &[Rule::Attempts]),
        (Defect::IgnoresPace, &[Rule::Pace]),
        (Defect::IgnoresMaxInFlight, &[Rule::InFlight]),
        (Defect::DropsEndpointAlarms, &[Rule::Alarm]),
        (Defect::DropsAppAlarms, &[Rule::Alarm]),
        (Defect::RecordsTwice, &[Rule::Recorded]),
        (Defect::LosesAttempts, &[Rule::Statistics, Rule::Recorded]),
        (Defect::TurnsSuccesses, &[Rule::Statistics]),
        (Defect::ForgetsDebts, &[Rule::Stuck]),
        (Defect::DoublesMessages, &[Rule::Storage]),
        (Defect::ForgetsKeys, &[Rule::Idempotency]),
        // Everything rests on the order: where only the first of a push are taken, the cursor passes over the
        // others, and a message that is pushed again is not recognized.
        (Defect::PushesBackwards, &[Rule::Order, Rule::Received, Rule::Attempts]),
        (Defect::KeepsOldConfig, &[Rule::Config]),
        // An endpoint that gave up has stopped by itself, and its application does not know.
        (Defect::SwallowsReports, &[Rule::Report, Rule::Stuck, Rule::Config]),
        (Defect::NeverForgets, &[Rule::Forgotten]),
        (Defect::SwallowsEvents, &[Rule::Told]),
        (Defect::MistakesAnswers, &[Rule::Received]),
        (Defect::ForgetsPlugins, &[Rule::Content]),
        (Defect::ForgetsOrder, &[Rule::Order]),
        (Defect::DropsDirectoryAlarms, &[Rule::Alarm]),
        (Defect::IgnoresPause, &[Rule::Config]),
        (Defect::ForgetsEvents, &[Rule::Idempotency]),
        (Defect::DeliversEarly, &[Rule::Schedule, Rule::Unwanted]),
        (Defect::SkipsBatches, &[Rule::Task, Rule::Received]),
        (Defect::RepeatsBatches, &[Rule::Task]),
        (Defect::SwallowsNotes, &[Rule::Task]),
        (Defect::IgnoresStops, &[Rule::Task]),
        (Defect::KeepsExpunged, &[Rule::Expunged]),
        (Defect::SwallowsDeletions, &[Rule::Exists]),
        (Defect::ForgetsUids, &[Rule::Exists]),
        (Defect::SwallowsNotices, &[Rule::Attached]),
        (Defect::ForgetsDepth, &[Rule::Depth]),
        (Defect::CountsAnew, &[Rule::Subrequests]),
        (Defect::ForgetsNonces, &[Rule::Idempotency]),
        (Defect::RetriesAtOnce, &[Rule::Overload]),
        (
            Defect::LosesWhenFull,
            // What was to be expunged then stays, too.
            &[Rule::Accepted, Rule::Idempotency, Rule::Stuck, Rule::Storage, Rule::Expunged],
        ),
        (
            Defect::LosesSegments,
            &[Rule::Accepted, Rule::Received, Rule::Stuck, Rule::Idempotency, Rule::Task],
        ),
        (Defect::ForgetsWhenReset, &[Rule::Received, Rule::Stuck, Rule::Task]),
        (Defect::ForgetsLaterAlarms, &[Rule::Alarm, Rule::Stuck]),
        (Defect::SendsWhenFull, &[Rule::Full, Rule::Attempts, Rule::Recorded, Rule::Statistics, Rule::Stuck]),
    ];
}

/// What happened in a run: to see that a seed was not an idle one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages stored.
    pub messages: u64,
    /// Deliveries that were owed.
    pub owed: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that were answered with success.
    pub successes: u64,
    /// Deliveries that failed for good.
    pub exhausted: u64,
    /// Crashes of objects.
    pub crashes: u64,
    /// Calls lost, late or doubled.
    pub calls_disturbed: u64,
    /// Alarms lost.
    pub alarms_lost: u64,
    /// Background tasks started.
    pub tasks: u64,
    /// Payloads expunged.
    pub expunged: u64,
    /// Resets of all objects at once.
    pub deploys: u64,
    /// Storages that were full for a while.
    pub fills: u64,
    /// The deepest chain of calls.
    pub deepest: u64,
    /// The most requests that an object made for one event.
    pub most_requests: u64,
    /// Calls that overloaded objects refused.
    pub refused: u64,
    /// Steps of state machines.
    pub steps: u64,
    /// Virtual milliseconds.
    pub virtual_ms: i64,
}

impl Summary {
    /// Adds another run's numbers.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.owed += other.owed;
        self.requests += other.requests;
        self.successes += other.successes;
        self.exhausted += other.exhausted;
        self.crashes += other.crashes;
        self.calls_disturbed += other.calls_disturbed;
        self.alarms_lost += other.alarms_lost;
        self.tasks += other.tasks;
        self.expunged += other.expunged;
        self.deploys += other.deploys;
        self.fills += other.fills;
        self.deepest = self.deepest.max(other.deepest);
        self.most_requests = self.most_requests.max(other.most_requests);
        self.refused += other.refused;
        self.steps += other.steps;
        self.virtual_ms += other.virtual_ms;
    }
}

/// Runs one seed.
pub fn run(seed: u64) -> Result<Summary, Violation> {
    world::World::new(seed, None).run()
}

/// Runs one seed in a broken world.
pub fn run_with(seed: u64, defect: Defect) -> Result<Summary, Violation> {
    world::World::new(seed, Some(defect)).run()
}

/// Runs the seeds from `from` to before `to` on `threads` threads; the first violation found ends all.
pub fn run_many(from: u64, to: u64, threads: usize) -> Result<Summary, Violation> {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let work = || {
        let mut total = Summary::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= to {
                break;
            }
            match run(seed) {
                Ok(summary) => total.add(&summary),
                Err(violation) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(violation);
                }
            }
        }
        Ok(total)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut total = Summary::default();
        for worker in workers {
            match worker.join() {
                Ok(result) => total.add(&result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(total)
    })
}
