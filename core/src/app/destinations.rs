//! How deliveries stand: where a message goes, and what an endpoint was sent. And forgetting: payloads and
//! answers that are expunged.
//!
//! The App knows its log and its endpoints' filters and cursors; what was tried and is due, only the Endpoint
//! objects know. So these answers take rounds: an [`AskPlan`] says what to ask of whom, and [`App::told`]
//! makes of the answers the reply or the next round.

use super::count::Count;
use super::handle::{Handled, Outcome};
use super::log::Scan;
use super::overview::Overview;
use super::standings::Standings;
use super::tagged::Tagged;
use super::{App, Slot};
use crate::api::call::{Call, Reply};
use crate::api::model::attempt::Status;
use crate::api::model::delivery::{AttemptedQuery, MessageEndpointOut, Standing, endpoint_message_json};
use crate::api::model::message::{MessagesOut, with_raw};
use crate::api::page::{Keys, Order, Page, Rows};
use crate::api::route::AppOp;
use crate::error::ApiError;
use crate::frame::{Deliveries, DeliveriesAsk, DeliveryRow, ExpungeAsk};
use crate::id;
use crate::sql::{Sql, SqlError};
use crate::wire::{Answers, Ask};
use std::collections::HashMap;

/// At most so many endpoints are asked in one round.
const ROUND: usize = 64;
/// At most so many endpoints are asked for one page; the page then ends early and says where to go on.
const ASKED_MAX: usize = 256;
/// At most so many messages are asked about in one round.
const MESSAGES_ROUND: usize = 256;

/// What to ask of which Endpoint objects.
#[derive(Debug)]
pub struct AskPlan {
    /// The ids of the endpoints.
    pub endpoints: Vec<String>,
    /// What each is asked.
    pub ask: Ask,
    pub(super) then: Then,
}

/// What answers lead to.
#[derive(Debug)]
pub enum Told {
    /// The reply.
    Reply(Reply),
    /// Another round.
    Ask(Box<AskPlan>),
}

#[derive(Debug)]
pub(super) enum Then {
    Tagged(Box<Tagged>),
    Destinations(Box<Destinations>),
    Attempted(Box<Attempted>),
    Count(Box<Count>),
    Overview(Overview),
    Standings(Box<Standings>),
    AttemptExpunged {
        ask: ExpungeAsk,
        /// Who was not asked yet.
        rest: Vec<String>,
    },
}

/// So many endpoints are asked at once whether an attempt was theirs.
const EXPUNGE_ROUND: usize = 64;

/// The list of a message's endpoints, so far.
#[derive(Debug)]
pub(super) struct Destinations {
    message: Logged,
    page: Page,
    /// The last endpoint asked.
    at: String,
    asked: usize,
    found: Vec<MessageEndpointOut>,
}

/// The list of an endpoint's messages, so far.
#[derive(Debug)]
pub(super) struct Attempted {
    endpoint_id: String,
    query: AttemptedQuery,
    scan: Scan,
    found: Vec<(String, Standing)>,
}

/// A message of the log, as filters see it.
#[derive(Debug)]
pub(super) struct Logged {
    id: String,
    event_type: String,
    channels: Vec<String>,
    /// Whether endpoints are offered it: it has a payload, and is for all of them.
    is_offered: bool,
    /// When it will be offered, where that is not yet.
    waits_until: Option<i64>,
}

impl<S: Sql> App<S> {
    /// The list of the endpoints that a message goes to: those that are owed it and those that it was tried at.
    /// Deleted endpoints are not shown.
    pub(super) fn destinations(&self, msg_key: &str, call: &Call<AppOp>) -> Handled {
        let query = &call.query;
        let page = Page::from_query(query, Keys::Id(id::ENDPOINT), Order::Ascending)?;
        let msg_id = self.message_id(msg_key)?;
        let message = self.logged(&msg_id)?.ok_or_else(|| ApiError::not_found("Message"))?;
        let at = page.from().to_owned();
        Ok(self.ask_destinations(Destinations { message, page, at, asked: 0, found: Vec::new() }))
    }

    fn ask_destinations(&self, list: Destinations) -> Outcome {
        let wanted = usize::try_from(list.page.probe()).unwrap_or(usize::MAX);
        let live = self.slots.iter().filter(|(_, slot)| !slot.deleted).map(|(endpoint_id, _)| endpoint_id);
        let next: Vec<String> = if list.found.len() >= wanted {
            Vec::new()
        } else if list.page.reads_ascending() {
            live.filter(|endpoint_id| **endpoint_id > list.at).take(ROUND).cloned().collect()
        } else {
            live.rev().filter(|endpoint_id| **endpoint_id < list.at).take(ROUND).cloned().collect()
        };
        if next.is_empty() || list.asked >= ASKED_MAX {
            let stopped = (!next.is_empty() && list.found.len() < wanted).then_some(list.at);
            let reply = list.page.answer(Rows { rows: list.found, stopped }, MessageEndpointOut::id);
            return Outcome::Reply(reply.into());
        }
        let ask = Ask::Deliveries(DeliveriesAsk { ids: vec![list.message.id.clone()] });
        AskPlan { endpoints: next, ask, then: Then::Destinations(Box::new(list)) }.into()
    }

    fn told_destinations(
        &self,
        mut list: Destinations,
        asked: Vec<String>,
        told: Vec<Deliveries>,
    ) -> Outcome {
        let wanted = usize::try_from(list.page.probe()).unwrap_or(usize::MAX);
        for (endpoint_id, told) in asked.into_iter().zip(told) {
            if list.found.len() >= wanted {
                break;
            }
            list.asked = list.asked.saturating_add(1);
            // It may have been deleted meanwhile.
            if let Some(slot) = self.slots.get(&endpoint_id).filter(|slot| !slot.deleted)
                && let Some(standing) = slot.standing(&list.message, told.rows.first())
            {
                list.found.push(MessageEndpointOut::new(
                    slot.record.out(&endpoint_id, &self.deployment.vault, false),
                    standing,
                ));
            }
            list.at = endpoint_id;
        }
        self.ask_destinations(list)
    }

    /// The list of the messages that an endpoint is owed or was sent, newest first.
    pub(super) fn attempted(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let query = AttemptedQuery::parse(&call.query)?;
        let endpoint_id = self.endpoint(key)?.0.to_owned();
        let scan = Scan::new(&query.messages);
        self.ask_attempted(Attempted { endpoint_id, query, scan, found: Vec::new() })
    }

    fn ask_attempted(&self, mut list: Attempted) -> Handled {
        let page = &list.query.messages.page;
        let wanted = usize::try_from(page.probe()).unwrap_or(usize::MAX);
        let mut ids = Vec::new();
        while list.found.len() < wanted && ids.is_empty() && !list.scan.is_over() {
            let next = list.scan.next(&self.log, &self.sql, &list.query.messages, MESSAGES_ROUND)?;
            ids = next.into_iter().map(|header| header.id).collect();
        }
        if !ids.is_empty() {
            let (endpoints, ask) = (vec![list.endpoint_id.clone()], Ask::Deliveries(DeliveriesAsk { ids }));
            return Ok(AskPlan { endpoints, ask, then: Then::Attempted(Box::new(list)) }.into());
        }
        let stopped = if list.found.len() < wanted { list.scan.stopped_at() } else { None };
        let write = |(msg_id, standing): &(String, Standing)| {
            let text = self.shown_message(msg_id, list.query.messages.with_content)?;
            Ok::<_, ApiError>(text.and_then(|text| with_raw(endpoint_message_json(&text, *standing))))
        };
        let found = Rows { rows: list.found, stopped };
        let out = page.fill(found, |(msg_id, _)| msg_id, write)?;
        let out = MessagesOut::new(out, list.scan.searched(&list.query.messages));
        Ok(Outcome::Reply(Reply::json(200, &out)))
    }

    fn told_attempted(&self, mut list: Attempted, asked: &DeliveriesAsk, told: Deliveries) -> Handled {
        let slot = self.slots.get(&list.endpoint_id).ok_or_else(|| ApiError::not_found("Endpoint"))?;
        let wanted = usize::try_from(list.query.messages.page.probe()).unwrap_or(usize::MAX);
        let mut told: HashMap<String, DeliveryRow> =
            told.rows.into_iter().map(|row| (row.msg_id.clone(), row)).collect();
        for msg_id in &asked.ids {
            if list.found.len() >= wanted {
                break;
            }
            let row = told.remove(msg_id);
            let standing = match (&row, self.logged(msg_id)?) {
                (_, None) => None,
                (row, Some(message)) => slot.standing(&message, row.as_ref()),
            };
            if let Some(standing) = standing
                && (list.query.statuses.is_empty() || list.query.statuses.contains(&standing.status))
            {
                list.found.push((msg_id.clone(), standing));
            }
        }
        self.ask_attempted(list)
    }

    pub(super) fn logged(&self, msg_id: &str) -> Result<Option<Logged>, SqlError> {
        let Some(header) = self.log.get(&self.sql, msg_id)? else { return Ok(None) };
        let waits_until = header.waits_until;
        let is_for_all = header.has_payload && !header.is_for_one();
        Ok(Some(Logged {
            event_type: header.event_type().to_owned(),
            channels: header.channels(),
            is_offered: is_for_all && (header.deliver_at().is_none() || waits_until.is_some()),
            waits_until,
            id: header.id,
        }))
    }

    /// Forgets a message's payload. The message stays; deliveries that still wait for it are given up, with an
    /// attempt that says why. What is in an Endpoint object's memory already is still sent.
    pub(super) fn expunge(&mut self, now: i64, msg_key: &str) -> Handled {
        let msg_id = self.message_id(msg_key)?;
        self.expunge_all_of(now, &[msg_id])?;
        self.changed(now, Reply::empty(204))
    }

    /// Drops the messages in memory: whoever has not been offered them reads on in the log, which passes over what
    /// was forgotten there.
    pub(super) fn forget_tail(&mut self) {
        self.tail.clear();
        self.tail_bytes = 0;
        self.tail_after.clone_from(&self.last);
    }

    /// Forgets what a receiver answered to one attempt: its endpoint has to be found, which may be deleted.
    pub(super) fn expunge_attempt(&self, msg_key: &str, attempt_id: &str) -> Handled {
        let msg_id = self.message_id(msg_key)?;
        if !id::is(id::ATTEMPT, attempt_id) {
            return Err(ApiError::not_found("Attempt"));
        }
        let ask = ExpungeAsk { msg_id, attempt_id: attempt_id.to_owned() };
        expunge_at(ask, self.endpoints_of(attempt_id))
    }

    /// Goes on with what the Endpoint objects answered, in the order in which they were asked.
    pub fn told(&self, plan: AskPlan, answers: Answers) -> Result<Told, SqlError> {
        match self.go_on(plan, answers) {
            Ok(Outcome::Reply(reply)) => Ok(Told::Reply(reply)),
            Ok(Outcome::Ask(plan)) => Ok(Told::Ask(plan)),
            Ok(other) => Err(SqlError(format!("an answer led to {other:?}"))),
            Err(ApiError::Internal(text) | ApiError::Unavailable(_, text)) => Err(SqlError(text)),
            Err(error) => Ok(Told::Reply(error.into())),
        }
    }

    fn go_on(&self, plan: AskPlan, answers: Answers) -> Handled {
        let AskPlan { endpoints, ask, then } = plan;
        match (then, answers) {
            (Then::Tagged(list), Answers::Attempts(answers)) => {
                self.told_tagged(*list, answers.into_iter().next().unwrap_or_default())
            }
            (Then::Destinations(list), Answers::Deliveries(answers)) => {
                Ok(self.told_destinations(*list, endpoints, answers))
            }
            (Then::Attempted(list), Answers::Deliveries(answers)) => {
                let Ask::Deliveries(asked) = ask else { return Err(mismatch()) };
                self.told_attempted(*list, &asked, answers.into_iter().next().unwrap_or_default())
            }
            (Then::Count(count), Answers::Task(answers)) => {
                self.told_count(*count, answers.into_iter().next())
            }
            (Then::Overview(ask), Answers::Stats(answers)) => {
                Ok(self.told_overview(ask, endpoints, &answers))
            }
            (Then::Standings(list), Answers::Deliveries(answers)) => {
                self.told_standings(&list, endpoints, answers)
            }
            (Then::AttemptExpunged { ask, rest }, Answers::Expunge(answers)) => {
                let found = answers.into_iter().any(|answer| answer.done);
                if found { Ok(Outcome::Reply(Reply::empty(204))) } else { expunge_at(ask, rest) }
            }
            _ => Err(mismatch()),
        }
    }
}

/// The answers are to something else than was asked, which only a mistake in the driver can bring about.
fn mismatch() -> ApiError {
    ApiError::Internal("the answers are not to what was asked".to_owned())
}

/// Asks the next of these endpoints to forget an attempt; there is none such where none is left.
fn expunge_at(ask: ExpungeAsk, mut endpoints: Vec<String>) -> Handled {
    if endpoints.is_empty() {
        return Err(ApiError::not_found("Attempt"));
    }
    let rest = endpoints.split_off(endpoints.len().min(EXPUNGE_ROUND));
    let then = Then::AttemptExpunged { ask: ask.clone(), rest };
    Ok(AskPlan { endpoints, ask: Ask::Expunge(ask), then }.into())
}

impl From<AskPlan> for Outcome {
    fn from(plan: AskPlan) -> Self {
        Self::Ask(Box::new(plan))
    }
}

impl Slot {
    /// How the delivery of a message stands: as the endpoint says; where it knows nothing of it, the message
    /// may still wait to be offered.
    pub(super) fn standing(&self, message: &Logged, row: Option<&DeliveryRow>) -> Option<Standing> {
        if let Some(row) = row {
            let status = Status::from_number(row.status).unwrap_or(Status::Fail);
            return Some(Standing { status, next_at: row.next_at });
        }
        if let Some(at) = message.waits_until {
            let wanted = !self.deleted
                && !self.record.content.disabled
                && message.is_offered
                && self.filter.matches(&message.event_type, &message.channels);
            return wanted.then_some(Standing { next_at: Some(at), ..Standing::WAITING });
        }
        let passed_over = self.record.disabled_from.as_ref().is_some_and(|from| message.id > *from);
        let owed = !self.deleted
            && message.is_offered
            && !passed_over
            && message.id > self.cursor
            && self.wants(&message.id, &message.event_type, &message.channels);
        owed.then_some(Standing::WAITING)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use serde_json::{Value, json};

    const NONE: Value = Value::Null;

    fn standings(world: &mut World, op: Op, key: &str, query: &str) -> Vec<(String, i64, bool)> {
        let (status, page) = world.call(op, &[key], query, &NONE);
        assert_eq!(status, 200, "{page}");
        let rows = page["data"].as_array().expect("a list").iter();
        rows.map(|row| {
            let id = row["id"].as_str().expect("an id").to_owned();
            (id, row["status"].as_i64().expect("a status"), row["nextAttempt"].is_string())
        })
        .collect()
    }

    #[test]
    fn a_single_attempt_is_asked_for_only_where_it_can_be() {
        let mut world = World::new(&[]);
        for _ in 0..20 {
            let endpoint = world.add_endpoint(&json!({}));
            assert_eq!(world.call(Op::EndpointDelete, &[&endpoint], "", &NONE).0, 204);
        }
        world.pass(3_600_000);
        let endpoint = world.add_endpoint(&json!({}));
        let message = world.send("a.b");
        let (_, page) = world.call(Op::AttemptsByMessage, &[&message], "", &NONE);
        let attempt = page["data"][0]["id"].as_str().expect("an id").to_owned();
        world.pass(3_600_000);
        world.add_endpoint(&json!({}));
        assert_eq!(world.app.endpoints_of(&attempt), std::slice::from_ref(&endpoint));
        assert_eq!(world.call(Op::EndpointDelete, &[&endpoint], "", &NONE).0, 204);
        assert_eq!(
            world.call(Op::AttemptGet, &[&message, &attempt], "", &NONE).0,
            200,
            "its endpoint is deleted"
        );
        assert_eq!(world.call(Op::AttemptExpunge, &[&message, &attempt], "", &NONE).0, 204);
        let nobody = crate::id::floor(crate::id::ATTEMPT, 1);
        assert_eq!(world.call(Op::AttemptExpunge, &[&message, &nobody], "", &NONE).0, 404);
    }

    #[test]
    fn a_delivery_is_pending_then_sending_then_over() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.pushes = false;
        let message = world.send("a.b");
        for (op, key, id) in
            [(Op::Destinations, &message, &endpoint), (Op::AttemptedMessages, &endpoint, &message)]
        {
            assert_eq!(standings(&mut world, op, key, ""), [(id.clone(), 1, false)], "waits in the log");
        }
        (world.pushes, world.code) = (true, 500);
        world.pass(20_000);
        assert_eq!(world.got.len(), 1);
        for (op, key, id) in
            [(Op::Destinations, &message, &endpoint), (Op::AttemptedMessages, &endpoint, &message)]
        {
            assert_eq!(standings(&mut world, op, key, ""), [(id.clone(), 3, true)], "a retry is due");
        }
        world.pass(80_000);
        assert_eq!(standings(&mut world, Op::Destinations, &message, ""), [(endpoint.clone(), 2, false)]);
        world.code = 200;
        assert_eq!(world.call(Op::Resend, &[&message, &endpoint], "", &NONE).0, 202);
        assert_eq!(standings(&mut world, Op::Destinations, &message, ""), [(endpoint, 0, false)]);
    }

    #[test]
    fn only_endpoints_that_are_owed_a_message_or_tried_it_are_its_destinations() {
        let mut world = World::new(&[]);
        let wanted = world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        let other = world.add_endpoint(&json!({ "eventTypes": ["c.d"] }));
        let disabled = world.add_endpoint(&json!({ "disabled": true }));
        let message = world.send("a.b");
        let later = world.add_endpoint(&json!({}));
        assert_eq!(standings(&mut world, Op::Destinations, &message, ""), [(wanted.clone(), 0, false)]);
        assert!(standings(&mut world, Op::AttemptedMessages, &other, "").is_empty());
        assert_eq!(world.call(Op::Resend, &[&message, &other], "", &NONE).0, 202);
        let ids: Vec<_> = standings(&mut world, Op::Destinations, &message, "");
        assert_eq!(ids.len(), 2, "a message that was sent by hand has been tried: {ids:?}");
        world.disable(&disabled, false);
        assert_eq!(standings(&mut world, Op::Destinations, &message, "").len(), 2);
        assert!(standings(&mut world, Op::AttemptedMessages, &later, "").is_empty());
        assert_eq!(world.call(Op::EndpointDelete, &[&wanted], "", &NONE).0, 204);
        assert_eq!(standings(&mut world, Op::Destinations, &message, ""), [(other, 0, false)]);
    }

    #[test]
    fn destinations_come_in_pages() {
        let mut world = World::new(&[]);
        let all: Vec<String> = (0..70)
            .map(|_| {
                world.now += 10;
                world.add_endpoint(&json!({ "eventTypes": ["a.b"] }))
            })
            .collect();
        world.now += 10;
        world.add_endpoint(&json!({ "eventTypes": ["c.d"] }));
        let message = world.send("a.b");
        let mut seen = Vec::new();
        let mut query = "limit=30".to_owned();
        loop {
            let (_, page) = world.call(Op::Destinations, &[&message], &query, &NONE);
            let rows = page["data"].as_array().expect("a list");
            seen.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
            if page["done"] == true {
                break;
            }
            query = format!("limit=30&iterator={}", page["iterator"].as_str().expect("an iterator"));
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn an_endpoints_messages_are_listed_newest_first_by_status_type_and_time() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        let fine = world.send("a.b");
        world.code = 500;
        let failed = world.send("c.d");
        let list = |world: &mut World, query: &str| -> Vec<String> {
            standings(world, Op::AttemptedMessages, &endpoint, query).into_iter().map(|(id, ..)| id).collect()
        };
        assert_eq!(list(&mut world, ""), [failed.clone(), fine.clone()]);
        assert_eq!(list(&mut world, "status=2"), [failed.as_str()]);
        assert_eq!(list(&mut world, "status=0&expanded_statuses=true"), [fine.as_str()]);
        assert_eq!(list(&mut world, "event_types=a.b"), [fine.as_str()]);
        assert_eq!(list(&mut world, "limit=1"), [failed.as_str()]);
        assert_eq!(list(&mut world, &format!("limit=1&iterator={failed}")), [fine]);
        assert!(list(&mut world, "before=2020-01-01T00:00:00Z").is_empty());
        let (_, page) = world.call(Op::AttemptedMessages, &[&endpoint], "with_content=false", &NONE);
        assert_eq!(page["data"][0]["payload"], json!({}));
        assert_eq!(world.call(Op::AttemptedMessages, &["nobody"], "", &NONE).0, 404);
        assert_eq!(world.call(Op::AttemptedMessages, &[&endpoint], "status=7", &NONE).0, 422);
    }

    #[test]
    fn a_search_that_matches_little_ends_early_and_goes_on() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["rare"] }));
        let rare = world.send("rare");
        for _ in 0..4200 {
            world.send("common");
        }
        let (_, first) = world.call(Op::AttemptedMessages, &[&endpoint], "", &NONE);
        assert_eq!((first["data"].as_array().map(Vec::len), &first["done"]), (Some(0), &json!(false)));
        let query = format!("iterator={}", first["iterator"].as_str().expect("an iterator"));
        assert_eq!(standings(&mut world, Op::AttemptedMessages, &endpoint, &query), [(rare, 0, false)]);
    }

    #[test]
    fn an_expunged_payload_is_gone_for_readers_and_receivers() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60")]);
        let endpoint = world.add_endpoint(&json!({}));
        let sent = world.send("a.b");
        world.pushes = false;
        let waiting = world.send("a.b");
        for message in [&sent, &waiting] {
            assert_eq!(world.call(Op::MessageExpunge, &[message], "", &NONE).0, 204);
            assert_eq!(world.call(Op::MessageExpunge, &[message], "", &NONE).0, 204, "twice is fine");
            let (status, shown) = world.call(Op::MessageGet, &[message], "", &NONE);
            assert_eq!((status, &shown["payload"]), (200, &json!({ "expired": true })));
        }
        world.pushes = true;
        let next = world.send("a.b");
        world.pass(20_000);
        let got: Vec<_> = world.got.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(got, [sent.clone(), next], "what waited is passed over, what follows is sent");
        let (status, refused) = world.call(Op::Resend, &[&sent, &endpoint], "", &NONE);
        assert_eq!((status, &refused["code"]), (400, &json!("missing_payload")));
        assert_eq!(world.call(Op::MessageExpunge, &["nothing"], "", &NONE).0, 404);
    }

    #[test]
    fn a_retry_whose_payload_was_expunged_is_given_up() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60,60")]);
        world.add_endpoint(&json!({}));
        world.code = 500;
        let message = world.send("a.b");
        assert_eq!(world.call(Op::MessageExpunge, &[&message], "", &NONE).0, 204);
        world.pass(300_000);
        assert_eq!(world.got.len(), 1);
        let (_, page) = world.call(Op::AttemptsByMessage, &[&message], "", &NONE);
        let why = page["data"][0]["response"].as_str().expect("a reason");
        assert!(why.contains("no longer stored"), "{page}");
    }

    #[test]
    fn an_expunged_answer_is_gone_and_the_attempt_stays() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        let endpoint = world.add_endpoint(&json!({}));
        let message = world.send("a.b");
        let query = format!("endpoint_id={endpoint}");
        let (_, page) = world.call(Op::AttemptsByMessage, &[&message], &query, &NONE);
        let attempt = page["data"][0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(page["data"][0]["response"], "said");
        let other = world.send("a.b");
        assert_eq!(world.call(Op::AttemptExpunge, &[&other, &attempt], "", &NONE).0, 404);
        assert_eq!(world.call(Op::AttemptExpunge, &[&message, "x"], "", &NONE).0, 404);
        assert_eq!(world.call(Op::AttemptExpunge, &[&message, &attempt], "", &NONE).0, 204);
        let (_, shown) = world.call(Op::AttemptGet, &[&message, &attempt], "", &NONE);
        assert_eq!((&shown["response"], &shown["status"]), (&json!("EXPUNGED"), &json!(0)));
        let old_path = [message.as_str(), endpoint.as_str()];
        assert_eq!(world.call(Op::AttemptsByMessage, &old_path, "", &NONE).1["data"][0], shown);
    }
}
