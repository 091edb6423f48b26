//! The simulator's seeds, and the proof that it can fail: see [`weir_tests::sim`].

use std::time::Instant;
use weir_tests::sim::{Defect, Rule, run, run_many, run_with};

/// How many seeds a run of the tests takes; more are run by hand with the binary `sim`.
const SEEDS: u64 = 10_000;

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
}

/// Seeds beyond the usual ones that have shown something.
#[test]
fn seeds_that_once_broke_a_rule_hold() {
    // A start whose record was lost, and a clock that went back before the object was opened again. Then: a report
    // that only a dropped alarm knew of, at an endpoint that was disabled with a push under way. A clock that was ahead
    // when the object was opened, and went back. A filter that was changed when it was forgotten what had been offered.
    for seed in [1_026_900, 1_047_545, 7_404, 21_116, 36_523, 579_667, 854_104] {
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
    for (defect, rules) in Defect::ALL {
        // The defect breaks its own rule sooner or later, and until then only those that it may break.
        let violation = (0..5_000).filter_map(|seed| run_with(seed, *defect).err()).find(|violation| {
            assert!(rules.contains(&violation.rule), "{defect:?} is noticed as something else: {violation}");
            violation.rule == rules[0]
        });
        let violation = violation.unwrap_or_else(|| panic!("{defect:?} goes unnoticed"));
        println!("{defect:?}: seed {}, {:?}: {}", violation.seed, violation.rule, violation.text);
    }
    for rule in Rule::ALL {
        assert!(Defect::ALL.iter().any(|(_, rules)| rules[0] == *rule), "nothing breaks the rule {rule:?}");
    }
}
