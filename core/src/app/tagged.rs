//! An endpoint's attempts by tag. Tags are the message's, and attempts do not repeat them: the Endpoint object tells
//! its attempts, and the App keeps those whose messages have the tag.

use super::App;
use super::destinations::{AskPlan, Then};
use super::handle::{AttemptsPlan, Handled, Outcome};
use crate::api::model::attempt::AttemptQuery;
use crate::api::page::MAX_LIMIT;
use crate::error::ApiError;
use crate::frame::{AttemptRow, Attempts, AttemptsAsk};
use crate::query::Query;
use crate::sql::Sql;
use crate::wire::Ask;
use std::collections::{BTreeSet, HashSet};

/// At most so many attempts are looked at for one page; the page then ends early and says where to go on.
const LOOK_MAX: usize = 4096;

/// The list, so far.
#[derive(Debug)]
pub(super) struct Tagged {
    endpoint_id: String,
    query: AttemptQuery,
    /// The query as it came.
    given: Query,
    /// The last attempt looked at; none before the first round.
    at: Option<String>,
    looked: usize,
    found: Vec<AttemptRow>,
    ended: bool,
}

impl<S: Sql> App<S> {
    pub(super) fn tagged_attempts(&self, endpoint_id: String, query: AttemptQuery, given: &Query) -> Handled {
        let (found, given) = (Vec::new(), given.clone());
        self.ask_tagged(Tagged { endpoint_id, query, given, at: None, looked: 0, found, ended: false })
    }

    fn ask_tagged(&self, list: Tagged) -> Handled {
        let wanted = usize::try_from(list.query.page.probe()).unwrap_or(usize::MAX);
        let is_full = list.found.len() >= wanted;
        if is_full || list.ended || list.looked >= LOOK_MAX {
            let stopped_at = if is_full || list.ended { None } else { list.at };
            let mut plan = AttemptsPlan::of(list.query);
            plan.add(Attempts { rows: list.found, stopped_at });
            let reply = self.attempts_reply(plan)?;
            return Ok(Outcome::Reply(reply));
        }
        // The same query, page by page.
        let query = list.given.clone().with("limit", MAX_LIMIT.to_string());
        let query = match &list.at {
            None => query,
            Some(at) if list.query.page.reads_ascending() => query.with("iterator", format!("-{at}")),
            Some(at) => query.with("iterator", at),
        };
        let ask = Ask::Attempts(AttemptsAsk { query, msg_id: None, attempt_id: None, bytes: None });
        let endpoints = vec![list.endpoint_id.clone()];
        Ok(AskPlan { endpoints, ask, then: Then::Tagged(Box::new(list)) }.into())
    }

    pub(super) fn told_tagged(&self, mut list: Tagged, told: Attempts) -> Handled {
        let tag = list.query.tag.clone().unwrap_or_default();
        let tagged = self.with_tag(told.rows.iter().map(|row| row.msg_id.as_str()), &tag)?;
        list.ended = told.stopped_at.is_none() && told.rows.len() <= usize::from(MAX_LIMIT);
        list.looked = list.looked.saturating_add(told.rows.len());
        if let Some(at) = told.stopped_at {
            // So much was looked at there that the page ends here, too.
            list.looked = LOOK_MAX;
            list.at = Some(at);
        } else {
            list.at = told.rows.last().map(|row| row.id.clone()).or(list.at);
        }
        list.found.extend(told.rows.into_iter().filter(|row| tagged.contains(&row.msg_id)));
        self.ask_tagged(list)
    }

    /// Which of these messages have the tag.
    pub(super) fn with_tag<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        tag: &str,
    ) -> Result<HashSet<String>, ApiError> {
        // In the order of the log, so that each segment is read once.
        let ids: BTreeSet<&str> = ids.collect();
        let mut tagged = HashSet::new();
        for msg_id in ids {
            let header = self.log.get(&self.sql, msg_id)?;
            if header.is_some_and(|header| header.tags().iter().any(|have| have == tag)) {
                tagged.insert(msg_id.to_owned());
            }
        }
        Ok(tagged)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
    use serde_json::{Value, json};

    #[test]
    fn attempts_are_found_by_the_tag_of_their_message() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let mut tagged = Vec::new();
        for n in 0..600 {
            world.now += 1_000;
            let tags = (n % 100 == 7).then(|| r#"["rare","t"]"#.to_owned());
            let message = NewMessage {
                event_type: "a.b".to_owned(),
                payload: b"{}".to_vec().into(),
                tags: tags.clone(),
                ..NewMessage::default()
            };
            let Accepted::Stored { id, .. } = world.accept(message) else { panic!("not stored") };
            if tags.is_some() {
                tagged.push(id);
            }
        }
        tagged.reverse();
        let mut list = |query: &str| {
            let (status, page) = world.call(Op::AttemptsByEndpoint, &[&endpoint], query, &Value::Null);
            assert_eq!(status, 200, "{page}");
            let items = page["data"].as_array().expect("a list").iter();
            let ids: Vec<String> =
                items.map(|item| item["msgId"].as_str().expect("an id").to_owned()).collect();
            (ids, page)
        };
        assert_eq!(list("tag=rare").0, tagged);
        assert!(list("tag=none").0.is_empty());
        let (first, page) = list("tag=t&limit=4");
        assert_eq!((&first[..], &page["done"]), (&tagged[..4], &json!(false)));
        let iterator = page["iterator"].as_str().expect("more").to_owned();
        let (rest, page) = list(&format!("tag=t&limit=4&iterator={iterator}"));
        assert_eq!((&rest[..], &page["done"]), (&tagged[4..], &json!(true)));
        let back = page["prevIterator"].as_str().expect("back").to_owned();
        assert_eq!(list(&format!("tag=t&limit=3&iterator={back}")).0, &tagged[1..4]);
        for (query, count) in [("tag=rare", 1), ("tag=none", 0)] {
            let (_, page) = world.call(Op::AttemptsByMessage, &[&tagged[0]], query, &Value::Null);
            assert_eq!(page["data"].as_array().map(Vec::len), Some(count), "{page}");
        }
    }
}
