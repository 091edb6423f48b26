//! How the messages of a list stand at the application's endpoints, for whoever looks at the list.
//!
//! It asks a bounded number of endpoints, the newest, once each for the whole page, and says where that is not all of them.

use super::App;
use super::destinations::{AskPlan, Then};
use super::handle::{Handled, Outcome};
use crate::api::call::{Call, Reply};
use crate::api::model::attempt::Status;
use crate::api::model::message::{DeliveriesOut, with_deliveries_json};
use crate::api::route::AppOp;
use crate::error::ApiError;
use crate::frame::{Deliveries, DeliveriesAsk};
use crate::sql::Sql;
use crate::time::rfc3339;
use crate::wire::Ask;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// At most so many endpoints are asked.
const ASKED: usize = 16;

/// A list of messages that is to say how each stands.
#[derive(Debug)]
pub(super) struct Standings {
    reply: Reply,
}

/// A page as it was written.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Box<RawValue>>,
    iterator: Option<String>,
    prev_iterator: Option<String>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Page {
    fn read(reply: &Reply) -> Option<(Self, Vec<String>)> {
        let page: Self = serde_json::from_slice(&reply.body).ok()?;
        let id = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.id);
        let ids = page.data.iter().map(|row| id(row)).collect::<Option<Vec<_>>>()?;
        Some((page, ids))
    }
}

impl<S: Sql> App<S> {
    /// The list of messages; with how they stand, where that was asked for.
    pub(super) fn messages_listed(&self, call: &Call<AppOp>) -> Handled {
        let listed = self.list_messages(call)?;
        if call.query.flag("with_deliveries")? != Some(true) {
            return Ok(listed);
        }
        let Outcome::Reply(reply) = listed else { return Ok(listed) };
        let Some((_, ids)) = Page::read(&reply).filter(|(_, ids)| !ids.is_empty()) else {
            return Ok(Outcome::Reply(reply));
        };
        let live = self.slots.iter().rev().filter(|(_, slot)| !slot.deleted).take(ASKED);
        let endpoints: Vec<_> = live.map(|(id, _)| id.clone()).collect();
        if endpoints.is_empty() {
            return self.told_standings(&Standings { reply }, Vec::new(), Vec::new());
        }
        let ask = Ask::Deliveries(DeliveriesAsk { ids });
        Ok(AskPlan { endpoints, ask, then: Then::Standings(Box::new(Standings { reply })) }.into())
    }

    pub(super) fn told_standings(
        &self,
        list: &Standings,
        asked: Vec<String>,
        told: Vec<Deliveries>,
    ) -> Handled {
        let (mut page, ids) = Page::read(&list.reply).ok_or_else(|| ApiError::not_found("Message"))?;
        let all = self.slots.values().filter(|slot| !slot.deleted).count();
        let complete = asked.len() >= all;
        let told: Vec<_> = asked
            .into_iter()
            .zip(told)
            .map(|(endpoint, told)| {
                let rows: HashMap<String, _> =
                    told.rows.into_iter().map(|row| (row.msg_id.clone(), row)).collect();
                (endpoint, rows)
            })
            .collect();
        for (row, msg_id) in page.data.iter_mut().zip(&ids) {
            let Some(message) = self.logged(msg_id)? else { continue };
            let mut out = DeliveriesOut { complete, ..DeliveriesOut::default() };
            let mut next: Option<i64> = None;
            for (endpoint, rows) in &told {
                let Some(slot) = self.slots.get(endpoint).filter(|slot| !slot.deleted) else { continue };
                let Some(standing) = slot.standing(&message, rows.get(msg_id)) else { continue };
                let number = match standing.status {
                    Status::Success => &mut out.success,
                    Status::Pending => &mut out.pending,
                    Status::Fail => &mut out.fail,
                    Status::Sending => &mut out.sending,
                    Status::Canceled => &mut out.canceled,
                };
                *number = number.saturating_add(1);
                next = next.into_iter().chain(standing.next_at).min();
            }
            out.next_attempt = next.map(rfc3339);
            let told = with_deliveries_json(row.get(), &out);
            *row = told.map_err(|error| ApiError::Internal(error.to_string()))?;
        }
        Ok(Outcome::Reply(Reply::json(200, &page)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use serde_json::{Value, json};

    fn listed(world: &mut World) -> Vec<Value> {
        let (status, page) = world.call(Op::MessageList, &[], "with_deliveries=true", &Value::Null);
        assert_eq!(status, 200, "{page}");
        page["data"].as_array().expect("a list").iter().map(|row| row["deliveries"].clone()).collect()
    }

    #[test]
    fn a_list_says_how_each_message_stands_at_all_endpoints_together() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60")]);
        world.send("a.b");
        assert_eq!(listed(&mut world)[0]["success"], 0, "to nobody");
        world.add_endpoint(&json!({}));
        world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        world.send("a.b");
        world.send("c.d");
        world.code = 500;
        world.send("a.b");
        let rows = listed(&mut world);
        let of = |at: usize, name: &str| rows[at][name].as_i64().expect("a number");
        assert_eq!((of(0, "sending"), of(0, "success")), (2, 0), "{rows:?}");
        assert!(rows[0]["nextAttempt"].is_string() && rows[0]["complete"] == true);
        assert_eq!((of(1, "success"), of(2, "success"), of(3, "success")), (1, 2, 0), "{rows:?}");
        assert_eq!(rows[1]["nextAttempt"], Value::Null);
        let (_, page) = world.call(Op::MessageList, &[], "", &Value::Null);
        assert_eq!(page["data"][0].get("deliveries"), None, "only where it is asked for");
    }
}
