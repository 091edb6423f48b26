//! The usage of the application, for the Directory's counts over all applications.

use super::App;
use crate::frame::{StatsAnswer, StatsAsk, UsageAnswer, UsageAsk};
use crate::sql::Sql;
use std::collections::BTreeSet;

/// The names of so many bytes are listed of an application's event types.
const TYPES_MAX_BYTES: usize = 256 * 1024;

/// The counts that are known at once, and the endpoints to ask for the rest.
#[derive(Debug)]
pub struct UsagePlan {
    /// Endpoints to ask for their statistics.
    pub endpoints: Vec<String>,
    /// What to ask them.
    pub ask: StatsAsk,
    answer: UsageAnswer,
}

impl UsagePlan {
    /// Adds an endpoint's response.
    pub fn add(&mut self, told: &StatsAnswer) {
        let attempts = told.success.saturating_add(told.fail);
        self.answer.attempts = self.answer.attempts.saturating_add(attempts);
    }

    /// The answer.
    pub fn answer(self) -> UsageAnswer {
        self.answer
    }
}

impl<S: Sql> App<S> {
    /// What the application was sent in a period, or what it listens to. Of endpoints that were deleted, nobody knows.
    pub fn usage(&self, ask: &UsageAsk) -> UsagePlan {
        let live = || self.slots.iter().filter(|(_, slot)| !slot.deleted);
        let stats = StatsAsk { since: ask.since, until: ask.until, hours: None };
        if ask.counts {
            let endpoints = live().map(|(endpoint_id, _)| endpoint_id.clone()).collect();
            return UsagePlan { endpoints, ask: stats, answer: UsageAnswer::default() };
        }
        let named = |slot: &super::Slot| slot.record.content.event_types.clone();
        let types: BTreeSet<String> = live().filter_map(|(_, slot)| named(slot)).flatten().collect();
        let (mut event_types, mut bytes) = (Vec::new(), 0usize);
        let count = types.len();
        for name in types {
            bytes = bytes.saturating_add(name.len());
            if bytes > TYPES_MAX_BYTES {
                break;
            }
            event_types.push(name);
        }
        let answer = UsageAnswer {
            attempts: 0,
            truncated: event_types.len() < count,
            event_types,
            catches_all: live().any(|(_, slot)| slot.record.content.event_types.is_none()),
        };
        UsagePlan { endpoints: Vec::new(), ask: stats, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::frame::UsageAsk;
    use serde_json::json;

    #[test]
    fn an_application_tells_what_its_endpoints_listen_to() {
        let mut world = World::new(&[]);
        let ask = UsageAsk { since: 0, until: i64::MAX, counts: false };
        let nothing = world.app.usage(&ask).answer();
        assert!(nothing.event_types.is_empty() && !nothing.catches_all);
        world.add_endpoint(&json!({ "eventTypes": ["b", "a"] }));
        world.add_endpoint(&json!({ "eventTypes": ["b", "c"], "disabled": true }));
        let told = world.app.usage(&ask).answer();
        assert_eq!((told.event_types, told.catches_all), (vec!["a".into(), "b".into(), "c".into()], false));
        world.add_endpoint(&json!({}));
        assert!(world.app.usage(&ask).answer().catches_all);
        let counted = world.app.usage(&UsageAsk { counts: true, ..ask });
        assert_eq!(counted.endpoints.len(), 3);
    }

    #[test]
    fn the_event_types_of_an_application_are_listed_up_to_so_many_bytes() {
        let mut world = World::new(&[]);
        let ask = UsageAsk { since: 0, until: i64::MAX, counts: false };
        for n in 0..8 {
            let types: Vec<String> = (0..300).map(|at| format!("t{n}.{at:03}.{}", "x".repeat(113))).collect();
            world.add_endpoint(&json!({ "eventTypes": types }));
        }
        let told = world.app.usage(&ask).answer();
        let bytes: usize = told.event_types.iter().map(String::len).sum();
        assert!((super::TYPES_MAX_BYTES - 128..=super::TYPES_MAX_BYTES).contains(&bytes), "{bytes}");
        assert!(told.truncated);
    }
}
