//! Reads the message log for lists: in pages, with filters, and a bounded number of rows at once.

use super::{Header, Log, Span};
use crate::api::model::message::{MessageQuery, SearchedOut};
use crate::id;
use crate::sql::{Sql, SqlError};

/// How many messages are read in one step while filtering.
const PAGE: usize = 256;
/// The maximum number of messages that are read for one page; the page then ends early, with the place to continue
/// from.
const LOOK_MAX: usize = 4096;
/// The maximum number of payloads that are searched for one page, and of bytes. (The last payload may exceed it.)
const SEARCH_MAX: usize = 1_000;
const SEARCH_MAX_BYTES: usize = 4 * 1024 * 1024;

/// A place in the log, and the way that a query reads it.
#[derive(Debug)]
pub(in super::super) struct Scan {
    ascending: bool,
    /// The last message looked at.
    at: String,
    lowest: String,
    highest: String,
    looked: usize,
    searched: SearchedOut,
    ended: bool,
}

impl Scan {
    pub(in super::super) fn new(query: &MessageQuery) -> Self {
        let ascending = query.page.reads_ascending();
        let lowest = query.after.map_or_else(String::new, |after| id::floor(id::MESSAGE, after));
        // An id tells the time to 4 ms: the bound includes the tick of `before`, the exact time decides.
        let highest = query.before.map_or_else(
            || "~".to_owned(),
            |before| id::floor(id::MESSAGE, before.saturating_add(id::RESOLUTION_MS)),
        );
        let from = query.page.from().to_owned();
        let at = if ascending { from.max(lowest.clone()) } else { from.min(highest.clone()) };
        Self { ascending, at, lowest, highest, looked: 0, searched: SearchedOut::default(), ended: false }
    }

    /// Whether the log has ended, or enough of it was read.
    pub(in super::super) fn is_over(&self) -> bool {
        self.ended || self.is_tired()
    }

    /// Whether enough was read for one page.
    fn is_tired(&self) -> bool {
        let SearchedOut { messages, bytes } = self.searched;
        self.looked >= LOOK_MAX || messages >= SEARCH_MAX || bytes >= SEARCH_MAX_BYTES
    }

    /// How far payloads were searched, if the query searches them.
    pub(in super::super) fn searched(&self, query: &MessageQuery) -> Option<SearchedOut> {
        query.contains.is_some().then_some(self.searched)
    }

    /// Whether a message's payload contains the text that the query searches for, if it searches for one.
    pub(in super::super) fn holds(
        &mut self,
        log: &Log,
        sql: &impl Sql,
        query: &MessageQuery,
        header: &Header,
    ) -> Result<bool, SqlError> {
        let Some(wanted) = &query.contains else { return Ok(true) };
        let Some(mut payload) = log.payload(sql, header)? else { return Ok(false) };
        self.searched.messages = self.searched.messages.saturating_add(1);
        self.searched.bytes = self.searched.bytes.saturating_add(payload.len());
        payload.make_ascii_lowercase();
        Ok(String::from_utf8_lossy(&payload).contains(wanted.as_str()))
    }

    /// The place to continue from, if the log has not ended.
    pub(in super::super) fn stopped_at(&self) -> Option<String> {
        (!self.ended).then(|| self.at.clone())
    }

    /// Whether this very message lies ahead and passes the query's filters.
    pub(in super::super) fn finds(&self, query: &MessageQuery, header: &Header) -> bool {
        let is_ahead = if self.ascending { *header.id > *self.at } else { *header.id < *self.at };
        is_ahead && passes(query, header)
    }

    /// Up to `most` messages of the next step that pass the query's filters.
    pub(in super::super) fn next(
        &mut self,
        log: &Log,
        sql: &impl Sql,
        query: &MessageQuery,
        most: usize,
    ) -> Result<Vec<Header>, SqlError> {
        let span = if self.ascending {
            Span { after: &self.at, before: &self.highest, ascending: true }
        } else {
            Span { after: &self.lowest, before: &self.at, ascending: false }
        };
        let page = log.page(sql, span, PAGE.min(most))?;
        let mut found = Vec::new();
        for header in page.headers {
            if found.len() >= most || self.is_tired() {
                return Ok(found);
            }
            self.at.clone_from(&header.id);
            self.looked = self.looked.saturating_add(1);
            if passes(query, &header) && self.holds(log, sql, query, &header)? {
                found.push(header);
            }
        }
        self.ended = page.end;
        Ok(found)
    }
}

fn passes(query: &MessageQuery, header: &Header) -> bool {
    query.before.is_none_or(|before| header.at < before)
        && query.after.is_none_or(|after| header.at > after)
        && (query.event_types.is_empty() || query.event_types.iter().any(|kind| kind == header.event_type()))
        && query.channel.as_ref().is_none_or(|channel| header.channels().contains(channel))
        && query.tag.as_ref().is_none_or(|tag| header.tags().contains(tag))
}

#[cfg(test)]
mod tests {
    use super::super::super::world::World;
    use super::{SEARCH_MAX, SEARCH_MAX_BYTES};
    use crate::api::route::Op;
    use crate::frame::NewMessage;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use std::collections::BTreeSet;

    /// Pages of a list to its end, and from there back to its beginning, with a change after each page. Gives the
    /// ids that were seen on the way there, and those on the way back.
    fn there_and_back(
        world: &mut World,
        limit: usize,
        list: impl Fn(&mut World, &str) -> Json,
        mut change: impl FnMut(&mut World),
    ) -> (Vec<String>, Vec<String>) {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let (mut iterator, mut begin) = (String::new(), None);
        loop {
            let page = list(world, &format!("limit={limit}&iterator={iterator}"));
            there.extend(ids(&page));
            begin = page["prevIterator"].as_str().map(str::to_owned).or(begin);
            change(world);
            if page["done"] == true {
                break;
            }
            page["iterator"].as_str().expect("more").clone_into(&mut iterator);
        }
        // The last page itself was read on the way there.
        while let Some(iterator) = begin.take() {
            let page = list(world, &format!("limit={limit}&iterator={iterator}"));
            back.splice(0..0, ids(&page));
            change(world);
            if page["done"] != true {
                begin = page["prevIterator"].as_str().map(str::to_owned);
            }
        }
        (there, back)
    }

    fn ids(page: &Json) -> Vec<String> {
        let id = |item: &Json| item["id"].as_str().expect("an id").to_owned();
        page["data"].as_array().unwrap_or_else(|| panic!("{page}")).iter().map(id).collect()
    }

    /// Nothing comes twice, and what was there all the time comes.
    fn check(seen: &[String], stayed: &BTreeSet<String>) -> Result<(), TestCaseError> {
        let unique: BTreeSet<&String> = seen.iter().collect();
        prop_assert_eq!(unique.len(), seen.len(), "something came twice: {:?}", seen);
        let missing: Vec<_> = stayed.iter().filter(|id| !unique.contains(id)).collect();
        prop_assert!(missing.is_empty(), "something was passed over: {:?}", missing);
        Ok(())
    }

    fn accepted(world: &mut World, payload: &str) {
        let payload = payload.as_bytes().to_vec().into();
        world.accept(NewMessage { event_type: "a.b".into(), payload, ..NewMessage::default() });
    }

    fn searched(world: &mut World, query: &str) -> Json {
        let (status, page) = world.call(Op::MessageList, &[], query, &Json::Null);
        assert_eq!(status, 200, "{page}");
        page
    }

    #[test]
    fn a_search_reads_a_bounded_number_of_payloads_and_says_how_many() {
        let mut world = World::new(&[]);
        accepted(&mut world, r#"{"customer":"Ada Lovelace"}"#);
        for n in 0..SEARCH_MAX + 50 {
            accepted(&mut world, &format!(r#"{{"n":{n}}}"#));
        }
        let page = searched(&mut world, "contains=ada+love&with_deliveries=true");
        assert_eq!((ids(&page).len(), &page["done"]), (0, &json!(false)), "{page}");
        assert_eq!(page["searched"]["messages"], SEARCH_MAX);
        let next = page["iterator"].as_str().expect("a place to continue from");
        let page = searched(&mut world, &format!("contains=ADA+Love&iterator={next}&with_deliveries=true"));
        assert_eq!((ids(&page).len(), &page["done"]), (1, &json!(true)), "{page}");
        assert_eq!(page["searched"]["messages"], 51);
        assert!(searched(&mut world, "limit=1").get("searched").is_none(), "nothing was searched");
        let (status, _) =
            world.call(Op::MessageList, &[], &format!("contains={}", "x".repeat(257)), &Json::Null);
        assert_eq!(status, 422);
    }

    #[test]
    fn a_search_reads_a_bounded_number_of_bytes() {
        let mut world = World::new(&[]);
        let large = format!(r#"{{"fill":"{}"}}"#, "x".repeat(900_000));
        for _ in 0..7 {
            accepted(&mut world, &large);
        }
        let page = searched(&mut world, "contains=nowhere");
        let bytes = page["searched"]["bytes"].as_u64().expect("bytes");
        assert!(bytes < (SEARCH_MAX_BYTES + large.len()) as u64, "{page}");
        assert_eq!((&page["searched"]["messages"], &page["done"]), (&json!(5), &json!(false)));
    }

    #[test]
    fn a_search_finds_in_pages_what_an_endpoint_was_sent_and_nothing_that_was_deleted() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        for n in 0..10 {
            accepted(&mut world, &format!(r#"{{"color":"{}"}}"#, if n % 2 == 0 { "red" } else { "blue" }));
        }
        let (there, back) = there_and_back(
            &mut world,
            2,
            |world, query| searched(world, &format!("{query}&contains=%22red%22")),
            |_| {},
        );
        assert_eq!((there.len(), back.len()), (5, 4), "all, and those before the last page");
        let (_, page) = world.call(Op::AttemptedMessages, &[&endpoint], "contains=red", &Json::Null);
        assert_eq!((ids(&page).len(), &page["searched"]["messages"]), (5, &json!(10)), "{page}");
        world.call(Op::MessageExpunge, &[&there[0]], "", &Json::Null);
        let page = searched(&mut world, "contains=red");
        assert_eq!((ids(&page).len(), &page["searched"]["messages"]), (4, &json!(9)), "{page}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_endpoint_that_stays_is_skipped_or_repeated_while_others_come_and_go(
            start in 0usize..14,
            changes in proptest::collection::vec((any::<bool>(), 0usize..20), 0..20),
            limit in 1usize..5,
            ascending: bool,
        ) {
            let mut world = World::new(&[]);
            let mut known: Vec<String> = (0..start).map(|_| { world.now += 1_000; world.add_endpoint(&json!({})) }).collect();
            let mut stayed: BTreeSet<String> = known.iter().cloned().collect();
            let order = if ascending { "ascending" } else { "descending" };
            let list = |world: &mut World, query: &str| {
                world.call(Op::EndpointList, &[], &format!("{query}&order={order}"), &Json::Null).1
            };
            let mut changes = changes.into_iter();
            let change = |world: &mut World| match changes.next() {
                Some((true, _)) => {
                    world.now += 1_000;
                    known.push(world.add_endpoint(&json!({})));
                }
                Some((false, nth)) => {
                    if let Some(id) = known.get(nth) {
                        world.call(Op::EndpointDelete, &[id], "", &Json::Null);
                        stayed.remove(id);
                    }
                }
                None => {}
            };
            let (there, back) = there_and_back(&mut world, limit, list, change);
            check(&there, &stayed)?;
            // On the way back everything before the last page comes again.
            let last_page: BTreeSet<String> = there.iter().rev().take(limit).cloned().collect();
            check(&back, &stayed.difference(&last_page).cloned().collect())?;
        }

        #[test]
        fn no_message_and_no_attempt_is_skipped_or_repeated_while_others_come(
            start in 0usize..14,
            arrivals in 0usize..12,
            limit in 1usize..5,
            filtered: bool,
        ) {
            let mut world = World::new(&[]);
            let endpoint = world.add_endpoint(&json!({}));
            let types = |n: usize| if n.is_multiple_of(3) { "rare" } else { "usual" };
            let sent: Vec<(usize, String)> = (0..start).map(|n| (n, world.send(types(n)))).collect();
            let passes = |n: usize| !filtered || types(n) == "rare";
            let wanted: BTreeSet<String> =
                sent.into_iter().filter(|(n, _)| passes(*n)).map(|(_, id)| id).collect();
            let filter = if filtered { "&event_types=rare" } else { "" };
            for (op, params) in [(Op::MessageList, vec![]), (Op::AttemptsByEndpoint, vec![endpoint.as_str()])] {
                let list = |world: &mut World, query: &str| {
                    let mut page = world.call(op, &params, &format!("{query}{filter}"), &Json::Null).1;
                    if op == Op::AttemptsByEndpoint {
                        for item in page["data"].as_array_mut().expect("a list") {
                            item["id"] = item["msgId"].clone();
                        }
                    }
                    page
                };
                let mut coming = 0..arrivals;
                let change = |world: &mut World| {
                    if let Some(n) = coming.next() {
                        world.send(types(n));
                    }
                };
                let (there, back) = there_and_back(&mut world, limit, list, change);
                check(&there, &wanted)?;
                let last_page: BTreeSet<String> = there.iter().rev().take(limit).cloned().collect();
                check(&back, &wanted.difference(&last_page).cloned().collect())?;
            }
        }
    }

    /// A list reads a bounded part of the log, however long it is: the plan of every statement is a search by key.
    #[test]
    fn a_page_is_found_by_its_key_and_never_by_reading_everything() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let message = world.send("rare");
        (0..40).for_each(|_| drop(world.send("usual")));
        let since = crate::time::rfc3339(world.now - 30_000);
        for (op, params) in [
            (Op::MessageList, vec![]),
            (Op::AttemptsByEndpoint, vec![endpoint.as_str()]),
            (Op::AttemptsByMessage, vec![message.as_str()]),
            (Op::AttemptedMessages, vec![endpoint.as_str()]),
            (Op::Destinations, vec![message.as_str()]),
        ] {
            for query in
                ["", "limit=5", "event_types=rare", "channel=none", "tag=none", &format!("after={since}")]
            {
                world.crash(); // what was read before is in memory no more
                let plans = world.plans(op, &params, query);
                assert!(!plans.is_empty(), "nothing was read for {op:?}");
                for (sql, plan) in plans {
                    let plan = plan.replace("SCAN json_each", "each that was named"); // a list that is bound
                    assert!(!plan.contains("SCAN"), "{op:?} {query} reads a whole table: {plan} of {sql}");
                }
            }
        }
    }
}
