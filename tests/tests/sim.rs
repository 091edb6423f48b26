//! The simulator's seeds, and the proof that it can fail: see [`weir_tests::sim`].

use std::process::Command;
use std::time::Instant;
use weir_core::budget::{MAX_DEPTH, MAX_REQUESTS};
use weir_tests::sim::{Defect, Rule, Summary, run, run_many, run_with};

/// How many seeds every run of the tests takes; more are run by hand with the binary `sim`.
const SEEDS: u64 = 2_500;
/// A defect has to be noticed within so many.
const MOST_SEEDS: u64 = 2_000;
/// How many a run takes besides, which differ from one commit to the next.
const SEEDS_OF_COMMIT: u64 = 1_000;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn every_rule_holds_whatever_fails() {
    if let Some(seed) = std::env::var("WEIR_SIM_SEED").ok().and_then(|text| text.parse().ok()) {
        println!("{:#?}", run(seed).unwrap_or_else(|violation| panic!("{violation}")));
        return;
    }
    let seeds = std::env::var("WEIR_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let started = Instant::now();
    let total = run_many(0, seeds, threads()).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seeds} seeds in {:.1} s: {total:#?}", started.elapsed().as_secs_f64());
    // The seeds are not idle ones.
    assert!(total.messages > seeds * 5 && total.requests > seeds * 5 && total.crashes > seeds / 2);
    assert!(total.exhausted > seeds / 20 && total.alarms_lost > seeds / 20 && total.calls_disturbed > seeds);
    assert!(total.tasks > seeds / 10 && total.expunged > seeds / 10);
    meets_the_limits(&total, seeds);
    reaches_the_limits(&total);
}

/// The rules on resets, full storage, overload and the platform's limits were not idle: each of these things has happened.
#[track_caller]
fn meets_the_limits(total: &Summary, seeds: u64) {
    for (what, times) in
        [("deploys", total.deploys), ("full storages", total.fills), ("refused calls", total.refused)]
    {
        assert!(times > seeds / 20, "{times} {what} in {seeds} seeds: {total:?}");
    }
}

/// That the greatest depth and the most requests were met. Only seeds that never change can be held to this: which is the
/// greatest of a thousand others is luck.
#[track_caller]
fn reaches_the_limits(total: &Summary) {
    assert!(total.deepest >= u64::from(MAX_DEPTH), "no chain of calls was deeper than {}", total.deepest);
    assert!(
        total.most_requests >= u64::from(MAX_REQUESTS),
        "no event had more than {} requests",
        total.most_requests
    );
}

/// The commit that is tested: `WEIR_SIM_COMMIT`, else what git says.
fn commit() -> Option<String> {
    let named = std::env::var("WEIR_SIM_COMMIT").ok().filter(|name| !name.is_empty());
    named.or_else(|| {
        let mut git = Command::new("git");
        let output = git.args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    })
}

/// The first of a commit's seeds: far above those that every run takes, so that they never meet.
fn first_seed(commit: &str) -> u64 {
    let hash = commit.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1 << 32) + (hash >> 24)
}

#[test]
fn every_rule_holds_with_seeds_that_no_commit_before_was_tested_with() {
    let Some(commit) = commit() else {
        println!("There is no git here: set WEIR_SIM_COMMIT to run seeds that are derived from a commit.");
        return;
    };
    let from = first_seed(&commit);
    println!("{SEEDS_OF_COMMIT} seeds of commit {commit}, from {from}");
    let total = run_many(from, from + SEEDS_OF_COMMIT, threads());
    let total = total.unwrap_or_else(|violation| panic!("with the seeds of commit {commit}: {violation}"));
    assert!(total.messages > SEEDS_OF_COMMIT && total.requests > SEEDS_OF_COMMIT, "{total:?}");
    meets_the_limits(&total, SEEDS_OF_COMMIT);
}

#[test]
fn commits_have_seeds_of_their_own() {
    let (one, other) = (first_seed("703af65"), first_seed("c78774c"));
    assert!(one.abs_diff(other) > SEEDS_OF_COMMIT && one.min(other) > SEEDS);
    assert_eq!(one, first_seed("703af65"));
}

/// Seeds beyond the usual ones that have shown something.
#[test]
fn seeds_that_once_broke_a_rule_hold() {
    // A start whose record was lost, and a clock that went back before the object was opened again. Then: a report
    // that only a dropped alarm knew of, at an endpoint that was disabled with a push under way. A clock that was ahead
    // when the object was opened, and went back. A filter that was changed when it was forgotten what had been offered.
    // A lost alarm that a notice of the Directory did not repair. Tasks of deleted applications that were running for ever.
    // A replay at an endpoint that did not have its configuration yet.
    for seed in [
        1_026_900,
        1_047_545,
        7_404,
        21_116,
        36_523,
        579_667,
        854_104,
        111_577_484_863,
        249_454_062_940,
        523_015_632_270,
        800_027_550_617,
        968_551_710_169,
    ] {
        run(seed).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn every_rule_is_seen_to_fail_in_a_world_that_breaks_it() {
    let mut wrong = Vec::new();
    for (defect, rules) in Defect::ALL {
        // The defect breaks its own rule sooner or later, and until then only those that it may break.
        let violations = (0..MOST_SEEDS).filter_map(|seed| run_with(seed, *defect).err());
        let mut found = violations.take_while(|violation| {
            rules.contains(&violation.rule) || {
                wrong.push(format!("{defect:?} is noticed as something else: {violation}"));
                false
            }
        });
        let first = found.find(|violation| violation.rule == rules[0]);
        match first {
            Some(violation) => {
                println!("{defect:?}: seed {}, {:?}: {}", violation.seed, violation.rule, violation.text);
            }
            None => wrong.push(format!("{defect:?} goes unnoticed")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for rule in Rule::ALL {
        assert!(Defect::ALL.iter().any(|(_, rules)| rules[0] == *rule), "nothing breaks the rule {rule:?}");
    }
}
