//! How the application does, as its endpoints tell: attempts by the hour, and what waits where.
//!
//! It asks a bounded number of endpoints, the newest, once each.

use super::App;
use super::destinations::{AskPlan, Then};
use super::handle::{Handled, Outcome};
use crate::api::call::{Call, Reply};
use crate::api::model::overview::{
    CodeOut, HourOut, LatencyOut, OverviewEndpointOut, OverviewOut, PreviousOut,
};
use crate::api::route::AppOp;
use crate::error::ApiError;
use crate::frame::{StatsAnswer, StatsAsk, StatsHour};
use crate::sql::Sql;
use crate::time::rfc3339;
use crate::wire::Ask;
use std::collections::BTreeMap;

/// At most so many endpoints are asked.
const ASKED_MAX: i64 = 50;
const HOUR_MS: i64 = 3_600_000;
/// How far back it reaches at most: 28 days.
const HOURS_MAX: i64 = 28 * 24;

/// An overview that is being made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overview {
    since: i64,
    until: i64,
    /// Whether the period before is summed up as well.
    previous: bool,
}

impl Overview {
    /// Where the period begins that the endpoints are asked for.
    fn asks_since(self) -> i64 {
        let length = if self.previous { self.until.saturating_sub(self.since) } else { 0 };
        self.since.saturating_sub(length)
    }

    /// Whether an hour belongs to the period before.
    fn is_previous(self, hour: &StatsHour) -> bool {
        self.previous && hour.at < self.since.div_euclid(HOUR_MS).saturating_mul(HOUR_MS)
    }
}

impl<S: Sql> App<S> {
    pub(super) fn overview(&self, now: i64, call: &Call<AppOp>) -> Handled {
        let query = &call.query;
        let upto = |name: &str, most: i64| {
            query.int(name).and_then(|given| match given {
                Some(number) if !(1..=most).contains(&number) => {
                    Err(ApiError::invalid(&["query", name], format!("Send a number from 1 to {most}.")))
                }
                given => Ok(given),
            })
        };
        let hours = upto("hours", HOURS_MAX)?.unwrap_or(24);
        let most = upto("limit", ASKED_MAX)?.unwrap_or(ASKED_MAX);
        let previous = query.flag("previous")? == Some(true);
        if previous && hours.saturating_mul(2) > HOURS_MAX {
            return Err(ApiError::invalid(
                &["query", "hours"],
                format!("Send at most {} hours with `previous`.", HOURS_MAX.div_euclid(2)),
            ));
        }
        let ask = Overview { since: now.saturating_sub(hours.saturating_mul(HOUR_MS)), until: now, previous };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // One alone, where it is named.
        let only =
            query.text("endpoint").map(|key| self.endpoint(key).map(|(id, _)| id.to_owned())).transpose()?;
        let wanted = |id: &str| only.as_deref().is_none_or(|only| only == id);
        let live = self.slots.iter().rev().filter(|(id, slot)| !slot.deleted && wanted(id));
        let endpoints: Vec<_> = live.take(most).map(|(id, _)| id.clone()).collect();
        if endpoints.is_empty() {
            return Ok(self.told_overview(ask, Vec::new(), &[]));
        }
        let stats = StatsAsk { since: ask.asks_since(), until: ask.until, hours: Some(true) };
        Ok(AskPlan { endpoints, ask: Ask::Stats(stats), then: Then::Overview(ask) }.into())
    }

    pub(super) fn told_overview(&self, ask: Overview, asked: Vec<String>, told: &[StatsAnswer]) -> Outcome {
        let mut hours: BTreeMap<i64, StatsHour> = BTreeMap::new();
        let mut before = PreviousOut::default();
        let mut endpoints = Vec::new();
        for (endpoint_id, told) in asked.into_iter().zip(told) {
            let (mut success, mut fail) = (0i64, 0i64);
            for hour in told.hours.iter().flatten() {
                if ask.is_previous(hour) {
                    before.success = before.success.saturating_add(hour.success);
                    before.fail = before.fail.saturating_add(hour.fail);
                    before.canceled = before.canceled.saturating_add(hour.filtered);
                    continue;
                }
                success = success.saturating_add(hour.success);
                fail = fail.saturating_add(hour.fail);
                hours.entry(hour.at).or_default().add(hour);
            }
            // It may have been deleted meanwhile.
            if let Some(slot) = self.slots.get(&endpoint_id).filter(|slot| !slot.deleted) {
                let content = &slot.record.content;
                let mut out = OverviewEndpointOut::new(&endpoint_id, &content.url, content.disabled, told);
                if ask.previous {
                    // Its own totals are of both periods.
                    (out.success, out.fail) = (success, fail);
                }
                endpoints.push(out);
            }
        }
        // Whoever waits longest comes first; nobody who waits, last.
        endpoints.sort_by(|a, b| {
            let key = |of: &OverviewEndpointOut| (of.oldest_pending.is_none(), of.oldest_pending.clone());
            key(a).cmp(&key(b))
        });
        let mut all = StatsHour::default();
        for hour in hours.values() {
            all.add(hour);
        }
        let spread = all.spread.unwrap_or_default();
        let codes = spread.codes.iter().map(|(code, count)| CodeOut { code: *code, count: *count });
        let overview = OverviewOut {
            previous: ask.previous.then_some(before),
            latency: LatencyOut::new(&spread, all.longest),
            codes: codes.collect(),
            since: rfc3339(ask.since),
            until: rfc3339(ask.until),
            hours: hours.into_values().map(HourOut::from).collect(),
            endpoints,
            endpoint_count: self.slots.values().filter(|slot| !slot.deleted).count(),
        };
        Outcome::Reply(Reply::json(200, &overview))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::time::rfc3339;
    use serde_json::{Value, json};

    fn overview(world: &mut World, query: &str) -> Value {
        let (status, body) = world.call(Op::Overview, &[], query, &Value::Null);
        assert_eq!(status, 200, "{body}");
        body
    }

    #[test]
    fn an_overview_adds_up_what_endpoints_did_by_the_hour_and_tells_who_waits_longest() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60")]);
        let nothing = overview(&mut world, "");
        assert_eq!((&nothing["hours"], &nothing["endpointCount"]), (&json!([]), &json!(0)));
        let fine = world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        let waits = world.add_endpoint(&json!({ "eventTypes": ["c.d"] }));
        world.send("a.b");
        world.pass(3_600_000);
        world.send("a.b");
        world.code = 500;
        world.send("c.d");
        let oldest = rfc3339(world.now);
        let seen = overview(&mut world, "");
        let hours = seen["hours"].as_array().expect("hours");
        let of =
            |name: &str| hours.iter().map(|hour| hour[name].as_i64().expect("a number")).collect::<Vec<_>>();
        assert_eq!((of("success"), of("fail")), (vec![1, 1], vec![0, 1]), "{seen}");
        let endpoints = seen["endpoints"].as_array().expect("endpoints");
        assert_eq!((&endpoints[0]["id"], &endpoints[1]["id"]), (&json!(waits), &json!(fine)));
        assert_eq!((&endpoints[0]["sending"], &endpoints[1]["pending"]), (&json!(1), &json!(0)));
        let told = endpoints[0]["oldestPending"].as_str().expect("a time");
        assert_eq!(told[..19], oldest[..19]);
        assert_eq!(endpoints[1]["oldestPending"], Value::Null);
        let one = overview(&mut world, "limit=1");
        assert_eq!((one["endpoints"].as_array().map(Vec::len), &one["endpointCount"]), (Some(1), &json!(2)));
        world.pass(3_600_000);
        assert_eq!(overview(&mut world, "hours=1")["hours"].as_array().map(Vec::len), Some(1));
        let named = overview(&mut world, &format!("endpoint={waits}"));
        assert_eq!(
            (&named["endpoints"][0]["id"], named["endpoints"].as_array().map(Vec::len)),
            (&json!(waits), Some(1))
        );
        assert_eq!(world.call(Op::Overview, &[], "endpoint=ep_none", &Value::Null).0, 404);
        assert_eq!(world.call(Op::Overview, &[], "limit=51", &Value::Null).0, 422);
        assert_eq!(world.call(Op::Overview, &[], "hours=0", &Value::Null).0, 422);
    }

    #[test]
    fn the_period_before_is_summed_up_apart() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        world.add_endpoint(&json!({}));
        world.send("a.b");
        world.code = 500;
        world.send("a.b");
        world.pass(3 * 3_600_000);
        world.code = 200;
        world.send("a.b");
        let seen = overview(&mut world, "hours=2&previous=true");
        assert_eq!(seen["previous"], json!({ "success": 1, "fail": 1, "canceled": 0 }), "{seen}");
        assert_eq!(
            (&seen["hours"][0]["success"], seen["hours"].as_array().map(Vec::len)),
            (&json!(1), Some(1))
        );
        assert_eq!((&seen["endpoints"][0]["success"], &seen["endpoints"][0]["fail"]), (&json!(1), &json!(0)));
        assert_eq!(seen["codes"], json!([{ "code": 200, "count": 1 }]));
        assert_eq!(overview(&mut world, "hours=2").get("previous"), None);
        assert_eq!(world.call(Op::Overview, &[], "hours=337&previous=true", &Value::Null).0, 422);
    }

    #[test]
    fn how_long_attempts_took_survives_a_crash_of_the_endpoint() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        world.took = 250;
        world.send("a.b");
        world.crash_endpoint(&endpoint);
        let seen = overview(&mut world, "");
        assert_eq!((&seen["hours"][0]["meanMs"], &seen["hours"][0]["longestMs"]), (&json!(250), &json!(250)));
        assert_eq!(
            (&seen["latency"]["p50Ms"], &seen["latency"]["p95Ms"]),
            (&json!(250), &json!(250)),
            "{seen}"
        );
        assert_eq!(seen["codes"], json!([{ "code": 200, "count": 1 }]));
        world.pass(1_000);
        let again = overview(&mut world, "");
        assert_eq!(again["hours"], seen["hours"], "and what was written counts once");
        assert_eq!((&again["latency"], &again["codes"]), (&seen["latency"], &seen["codes"]));
    }
}
