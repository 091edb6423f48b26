//! The plan of a seed's world: its size, its faults, and the actions of its clients.

use super::dice::Dice;
use weir_core::retry::Schedule;
use weir_core::rng::Seeded;
use weir_core::settings::Settings;

pub(super) struct Plan {
    pub(super) apps: usize,
    pub(super) endpoints: usize,
    /// Things that clients do, for each application.
    pub(super) actions: usize,
    /// How long they do them, and faults happen.
    pub(super) chaos_ms: i64,
    /// No crash, no loss, no doubling, no skew, receivers are well and take one request at a time.
    pub(super) orderly: bool,
    /// Of each step.
    pub(super) crash_before: f64,
    pub(super) crash_after: f64,
    /// Crashes at any time, for each object.
    pub(super) crashes: usize,
    pub(super) call_lost: f64,
    pub(super) answer_lost: f64,
    pub(super) late: f64,
    pub(super) doubled: f64,
    pub(super) alarm_lost: f64,
    pub(super) alarm_twice: f64,
    pub(super) skew_ms: i64,
    pub(super) jumps: usize,
    /// How often a receiver changes its mood.
    pub(super) moods: usize,
    /// Of receivers: they never recover.
    pub(super) stays_dead: f64,
    /// One application is a source's.
    pub(super) source: bool,
    /// For how long it remembers an event's id.
    pub(super) dedup_ms: i64,
    /// The tenant's plugins and applications are changed, and the Directory object fails like the others.
    pub(super) directory: bool,
    /// Background tasks are started and stopped.
    pub(super) tasks: bool,
    /// Payloads are expunged.
    pub(super) expunges: bool,
    /// Some messages are to be delivered later, at most so long after the faults have stopped.
    pub(super) schedules: bool,
    pub(super) latest_ms: i64,
    /// Now and then many messages come at once.
    pub(super) bursts: bool,
    /// Objects are overloaded for a while.
    pub(super) overloads: bool,
    /// Storages are full for a while.
    pub(super) fills: bool,
    /// How often all objects are reset at once.
    pub(super) deploys: usize,
    pub(super) settings: Settings,
}

impl Plan {
    pub(super) fn new(rng: &mut Seeded, seed: u64) -> Self {
        let faultless = rng.chance(0.3);
        let orderly = faultless && rng.chance(0.5);
        // Each kind of fault is absent from many seeds, so that others can be seen on their own.
        let mut some = |most: f64| {
            if faultless || rng.chance(0.4) { 0.0 } else { most * weir_core::rng::Entropy::unit(rng) }
        };
        let (crash_before, crash_after) = (some(0.05), some(0.05));
        let (call_lost, answer_lost, late, doubled) = (some(0.1), some(0.1), some(0.1), some(0.1));
        let (alarm_lost, alarm_twice) = (some(0.3), some(0.3));
        let schedules: [&[i64]; 6] = [
            &[],
            &[500],
            &[1_000, 5_000],
            &[5_000, 300_000, 1_800_000],
            &[0, 0, 2_000],
            &[5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000],
        ];
        let settings = Settings {
            retry_schedule: Schedule::from_ms(rng.pick(&schedules).to_vec()),
            request_timeout_ms: *rng.pick(&[1_000, 5_000, 15_000]),
            endpoint_disable_after_ms: *rng.pick(&[None, Some(600_000), Some(432_000_000)]),
            max_in_flight: *rng.pick(&[1, 2, 6, 50]),
            breaker_failures: if seed % 4 == 2 { 3 } else { 0 },
            ..Settings::default()
        };
        // What clients do besides posting: a world has some of it, and many have none.
        let plain = orderly || rng.chance(0.3);
        let mut does = |probability: f64| !plain && rng.chance(probability);
        let [source, directory, tasks, expunges, schedules] =
            [does(0.3), does(0.4), does(0.5), does(0.4), does(0.4)];
        Self {
            apps: 1 + usize::from(rng.chance(0.2)),
            endpoints: 1 + rng.below(3),
            actions: 4 + rng.below(16),
            chaos_ms: *rng.pick(&[5_000, 60_000, 600_000, 7_200_000]),
            orderly,
            crash_before,
            crash_after,
            crashes: if faultless || rng.chance(0.4) { 0 } else { rng.below(4) },
            call_lost,
            answer_lost,
            late,
            doubled,
            alarm_lost,
            alarm_twice,
            skew_ms: if faultless || rng.chance(0.5) { 0 } else { 2_000 },
            jumps: if faultless || rng.chance(0.8) { 0 } else { 1 + rng.below(3) },
            moods: if orderly || rng.chance(0.2) { 0 } else { rng.below(6) },
            stays_dead: if orderly { 0.0 } else { 0.1 },
            source,
            dedup_ms: *rng.pick(&[30_000, 600_000, 86_400_000]),
            directory,
            tasks,
            expunges,
            schedules,
            latest_ms: if schedules { 48 * 3_600_000 } else { 0 },
            bursts: !plain && seed % 8 == 1,
            overloads: !faultless && rng.chance(0.3),
            fills: !faultless && rng.chance(0.25),
            deploys: if faultless || rng.chance(0.7) { 0 } else { 1 + rng.below(3) },
            settings,
        }
    }
}
