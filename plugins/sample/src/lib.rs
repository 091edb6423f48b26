//! Delivers a steady share of the events: the same ones at every attempt, and at every endpoint with the same configuration.
//!
//! Configuration: `{"percent": 12.5, "by": "body.customer.id", "salt": "a"}`. `by` names the part of the event that decides (`id`
//! unless given): all events of one customer are delivered, or none. Another salt chooses others. A share that grows keeps what
//! it had. Events without the part are delivered.
//!
//! The choice is FNV-1a of 64 bits over salt, a zero byte and the part's text, mixed by the finaliser of MurmurHash3; an event is
//! delivered where the hash modulo 100,000,000 is below the share in millionths of a percent.
#![no_std]

use weir_plugin::json::Number;
use weir_plugin::prelude::*;
use weir_plugins_common::{Reference, Source, as_text, text_of};

/// One percent.
const PERCENT: u64 = 1_000_000;

/// The plugin.
#[plugin(config = "config.schema.json")]
fn sample(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let percent = config.get("percent").and_then(Value::as_number).and_then(share).ok_or_else(|| {
        Error::new("configuration: `percent` must be a number from 0 to 100 with at most six decimals")
    })?;
    let by = text_of(&config, "by")?.map_or(Ok(Reference::Id), |by| Reference::parse(&by))?;
    let salt = text_of(&config, "salt")?.unwrap_or_default();
    let source = Source::new(event);
    let Some(part) = by.first(&source)? else { return Ok(Verdict::Deliver) };
    let chosen = hash(&salt, &as_text(&part)) % (100 * PERCENT) < percent;
    Ok(if chosen { Verdict::Deliver } else { Verdict::drop("not in the sample") })
}

/// Millionths of a percent, exactly: no float decides.
fn share(percent: &Number<'_>) -> Option<u64> {
    let (whole, decimals) = percent.as_text().split_once('.').unwrap_or((percent.as_text(), ""));
    if decimals.len() > 6 {
        return None;
    }
    let mut millionths = whole.parse::<u64>().ok()?.checked_mul(PERCENT)?;
    let mut place = PERCENT;
    for digit in decimals.chars() {
        place /= 10;
        millionths += u64::from(digit.to_digit(10)?) * place;
    }
    (millionths <= 100 * PERCENT).then_some(millionths)
}

fn hash(salt: &str, text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in salt.bytes().chain([0]).chain(text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    // FNV alone leaves the low bits of short texts related.
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::test;

    fn delivered(config: &str, ids: core::ops::Range<u32>) -> Vec<u32> {
        let run =
            |id: &u32| test::event("a").id(&format!("msg_{id}")).config(config).run(sample).is_delivered();
        ids.filter(run).collect()
    }

    #[test]
    fn the_share_is_what_was_asked_for() {
        for (percent, low, high) in
            [("0", 0, 0), ("1", 60, 145), ("12.5", 1150, 1350), ("50", 4850, 5150), ("100", 10_000, 10_000)]
        {
            let count = delivered(&format!(r#"{{"percent": {percent}}}"#), 0..10_000).len();
            assert!((low..=high).contains(&count), "{percent}: {count}");
        }
    }

    #[test]
    fn the_same_events_are_chosen_every_time_and_by_every_release() {
        assert_eq!(delivered(r#"{"percent": 20}"#, 0..30), CHOSEN);
        assert_ne!(delivered(r#"{"percent": 20, "salt": "b"}"#, 0..30), CHOSEN);
    }

    /// Computed by another implementation.
    const CHOSEN: [u32; 5] = [0, 2, 7, 18, 27];

    #[test]
    fn a_share_that_grows_keeps_what_it_had() {
        let small = delivered(r#"{"percent": 5}"#, 0..2000);
        let large = delivered(r#"{"percent": 30}"#, 0..2000);
        assert!(small.iter().all(|id| large.contains(id)) && large.len() > small.len());
    }

    #[test]
    fn a_part_of_the_event_can_decide() {
        let run = |id: &str, customer: &str| {
            let event = test::event("a").id(id).json(&format!(r#"{{"customer": "{customer}"}}"#));
            event.config(r#"{"percent": 50, "by": "body.customer"}"#).run(sample).is_delivered()
        };
        let customers: Vec<_> = (0..50).map(|number| format!("c{number}")).collect();
        let first: Vec<_> = customers.iter().map(|customer| run("msg_1", customer)).collect();
        let second: Vec<_> = customers.iter().map(|customer| run("msg_2", customer)).collect();
        assert_eq!(first, second);
        assert!(first.contains(&true) && first.contains(&false));
    }

    #[test]
    fn without_the_part_events_are_delivered() {
        let event = test::event("a").config(r#"{"percent": 0, "by": "body.customer"}"#);
        assert!(event.run(sample).is_unchanged());
    }

    #[test]
    fn a_share_is_a_number_of_percent() {
        for percent in ["-1", "101", "100.000001", "1.1234567", "1e1", "\"5\""] {
            let event = test::event("a").config(&format!(r#"{{"percent": {percent}}}"#));
            assert!(event.run(sample).error().is_some(), "{percent}");
        }
    }

    #[test]
    fn the_cases_become_what_they_say() {
        test::cases(include_str!("../cases.json"), sample);
    }
}
