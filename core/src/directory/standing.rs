//! Which endpoints of the tenant are in trouble, as App objects report it ([`crate::app::route`]).
//!
//! It guarantees: an older report never replaces a newer one; a list and its counts read a bounded number of rows; what is
//! over is forgotten an hour later.

use super::Directory;
use crate::api::call::{Call, Reply};
use crate::api::model::overview::{TenantOverviewOut, TroubleOut};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame::{self, Standing, StandingChange, StandingNote};
use crate::sql::{Row, Sql, SqlError, Value};
use crate::time::rfc3339;

/// How long a row is kept after the trouble has ended, so that a late report is recognized as late.
const KEEP_MS: i64 = 3_600_000;
/// The most endpoints of a list, and what a count goes up to.
const LIST_MAX: i64 = 250;
const COUNT_MAX: i64 = 1_000;
const OVER: i64 = 0;

/// The states by their rank, the least bad first.
const STATES: [(&str, i64); 4] = [("waiting", 1), ("disabled", 2), ("failing", 3), ("open", 4)];

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    standing: i64,
    stands_since: i64,
    told_at: i64,
    disabled: bool,
    version: i64,
    changed_at: i64,
}

impl Known {
    fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            standing: row.int(0)?,
            stands_since: row.int(1)?,
            told_at: row.int(2)?,
            disabled: row.flag(3)?,
            version: row.int(4)?,
            changed_at: row.int(5)?,
        })
    }

    /// The same after a change; `None` if the report is older.
    fn after(self, now: i64, change: StandingChange) -> Option<Self> {
        match change {
            StandingChange::Stands { standing, since, at } if at >= self.told_at => {
                let standing = match standing {
                    Standing::Well => OVER,
                    Standing::Waiting => 1,
                    Standing::Failing => 3,
                    Standing::Open => 4,
                };
                Some(Self { standing, stands_since: since, told_at: at, ..self })
            }
            StandingChange::Disabled { disabled, version } if version >= self.version => {
                Some(Self { disabled, version, changed_at: now, ..self })
            }
            _ => None,
        }
    }

    /// How bad it is, and since when. Of a disabled endpoint nothing else counts.
    fn rank(&self) -> (i64, i64) {
        if self.disabled { (2, self.changed_at) } else { (self.standing, self.stands_since) }
    }
}

impl<S: Sql> Directory<S> {
    /// Takes a report of an App object about an endpoint.
    pub(super) fn note_standing(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let StandingNote { app_id, endpoint_id, change } =
            frame::decode(&call.body).map_err(ApiError::Internal)?;
        self.prepare(now)?;
        let key = [Value::Text(&app_id), Value::Text(&endpoint_id)];
        self.sql.exec(
            "DELETE FROM trouble WHERE rank = 0 AND since < ?1",
            &[Value::Int(now.saturating_sub(KEEP_MS))],
        )?;
        if change == StandingChange::Deleted || self.find_app(&app_id)?.is_none() {
            self.sql.exec("DELETE FROM trouble WHERE app_id = ?1 AND endpoint_id = ?2", &key)?;
            return Ok(Reply::empty(204));
        }
        let rows = self.sql.query(
            "SELECT standing, stands_since, told_at, disabled, version, changed_at FROM trouble
             WHERE app_id = ?1 AND endpoint_id = ?2",
            &key,
        )?;
        let known = rows.first().map(Known::read).transpose()?.unwrap_or_default();
        let Some(known) = known.after(now, change) else { return Ok(Reply::empty(204)) };
        let (rank, since) = known.rank();
        let since = if rank == OVER { now } else { since };
        self.sql.exec(
            "INSERT INTO trouble (app_id, endpoint_id, rank, since, standing, stands_since, told_at, disabled, version,
                changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (app_id, endpoint_id) DO UPDATE SET rank = excluded.rank, since = excluded.since,
                standing = excluded.standing, stands_since = excluded.stands_since, told_at = excluded.told_at,
                disabled = excluded.disabled, version = excluded.version, changed_at = excluded.changed_at",
            &[
                Value::Text(&app_id),
                Value::Text(&endpoint_id),
                Value::Int(rank),
                Value::Int(since),
                Value::Int(known.standing),
                Value::Int(known.stands_since),
                Value::Int(known.told_at),
                Value::flag(known.disabled),
                Value::Int(known.version),
                Value::Int(known.changed_at),
            ],
        )?;
        Ok(Reply::empty(204))
    }

    /// The endpoints in trouble, worst first.
    pub(super) fn overview(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let query = &call.query;
        let limit = query.int("limit")?.unwrap_or(50);
        if !(1..=LIST_MAX).contains(&limit) {
            return Err(ApiError::invalid(
                &["query", "limit"],
                format!("Send a number from 1 to {LIST_MAX}."),
            ));
        }
        let state = |name: &str| STATES.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank);
        let only = query.text("state").map(|name| {
            state(name).ok_or_else(|| {
                ApiError::invalid(&["query", "state"], "Send open, failing, disabled or waiting.")
            })
        });
        let only = only.transpose()?;
        if !self.ready {
            return Ok(Reply::json(200, &TenantOverviewOut::default()));
        }
        let (least, most) = only.map_or((1, 9), |rank| (rank, rank));
        let rows = self.sql.query(
            "SELECT trouble.app_id, coalesce(app.name, ''), endpoint_id, rank, since
             FROM trouble LEFT JOIN app ON app.id = trouble.app_id
             WHERE rank >= ?1 AND rank <= ?2 ORDER BY rank DESC, since LIMIT ?3",
            &[Value::Int(least), Value::Int(most), Value::Int(limit)],
        )?;
        let endpoints = rows.into_iter().map(trouble).collect::<Result<Vec<_>, _>>()?;
        let count = |rank: i64| {
            self.bounded_count(
                "SELECT count(*) FROM (SELECT 1 FROM trouble WHERE rank = ?2 LIMIT ?1)",
                &[Value::Int(COUNT_MAX), Value::Int(rank)],
            )
        };
        let applications = self.bounded_count(
            "SELECT count(*) FROM (SELECT state FROM app WHERE id > 'app_1' AND id < 'app_~' LIMIT ?1) WHERE state < 2",
            &[Value::Int(COUNT_MAX)],
        )?;
        Ok(Reply::json(
            200,
            &TenantOverviewOut {
                applications,
                open: count(4)?,
                failing: count(3)?,
                disabled: count(2)?,
                waiting: count(1)?,
                endpoints,
            },
        ))
    }

    fn bounded_count(&self, sql: &'static str, values: &[Value<'_>]) -> Result<i64, SqlError> {
        let rows = self.sql.query(sql, values)?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }
}

fn trouble(mut row: Row) -> Result<TroubleOut, SqlError> {
    let rank = row.int(3)?;
    Ok(TroubleOut {
        app_id: row.text(0)?,
        app_name: row.text(1)?,
        endpoint_id: row.text(2)?,
        state: STATES.iter().find(|(_, known)| *known == rank).map_or("waiting", |(name, _)| *name),
        since: rfc3339(row.int(4)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Op;
    use crate::rng::Seeded;
    use crate::sql::memory::Memory;
    use serde_json::{Value as Json, json};

    const NOW: i64 = 1_795_000_000_000;

    struct World {
        sql: Memory,
        directory: Directory<Memory>,
    }

    impl World {
        fn new() -> Self {
            let sql = Memory::new();
            Self { directory: Directory::open(sql.clone(), NOW).expect("opens"), sql }
        }

        fn ask(&mut self, op: Op, query: &str, body: Vec<u8>) -> (u16, Json) {
            let call = Call::of(op, &[], query, body);
            let reply = self.directory.handle(NOW, &mut Seeded(NOW.unsigned_abs()), &call).reply;
            (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Json::Null))
        }

        fn app(&mut self, name: &str) -> String {
            let (status, app) = self.ask(Op::AppCreate, "", json!({ "name": name }).to_string().into_bytes());
            assert_eq!(status, 201, "{app}");
            app["id"].as_str().expect("an id").to_owned()
        }

        fn note(&mut self, app_id: &str, endpoint_id: &str, change: StandingChange) {
            let note =
                StandingNote { app_id: app_id.to_owned(), endpoint_id: endpoint_id.to_owned(), change };
            assert_eq!(self.ask(Op::StandingNote, "", frame::encode(&note)).0, 204);
        }

        fn seen(&mut self, query: &str) -> Vec<(String, String)> {
            let (status, seen) = self.ask(Op::TenantOverview, query, vec![]);
            assert_eq!(status, 200, "{seen}");
            let text = |row: &Json, name: &str| row[name].as_str().expect("a text").to_owned();
            let rows = seen["endpoints"].as_array().expect("a list").iter();
            rows.map(|row| (text(row, "endpointId"), text(row, "state"))).collect()
        }
    }

    fn stands(standing: Standing, at: i64) -> StandingChange {
        StandingChange::Stands { standing, since: at, at }
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
    }

    #[test]
    fn the_worst_of_all_applications_comes_first_and_old_news_are_ignored() {
        let mut world = World::new();
        assert_eq!(world.ask(Op::TenantOverview, "", vec![]).1["applications"], 0);
        let (one, two) = (world.app("Acme"), world.app("Globex"));
        world.note(&one, "ep_1", stands(Standing::Failing, 50));
        world.note(&two, "ep_2", stands(Standing::Open, 70));
        world.note(&two, "ep_3", stands(Standing::Waiting, 10));
        world.note(&one, "ep_4", stands(Standing::Failing, 40));
        world.note(&one, "ep_5", StandingChange::Disabled { disabled: true, version: 3 });
        let all = [
            ("ep_2", "open"),
            ("ep_4", "failing"),
            ("ep_1", "failing"),
            ("ep_5", "disabled"),
            ("ep_3", "waiting"),
        ];
        assert_eq!(world.seen(""), pairs(&all));
        assert_eq!(world.seen("state=failing&limit=1"), pairs(&all[1..2]));
        let (_, seen) = world.ask(Op::TenantOverview, "", vec![]);
        assert_eq!(
            (&seen["applications"], &seen["open"], &seen["failing"]),
            (&json!(2), &json!(1), &json!(2))
        );
        assert_eq!(
            (&seen["endpoints"][0]["appName"], &seen["endpoints"][1]["appName"]),
            (&json!("Globex"), &json!("Acme"))
        );
        // Reports that are late, and one of before it was disabled.
        world.note(&one, "ep_4", stands(Standing::Well, 60));
        world.note(&one, "ep_4", stands(Standing::Failing, 55));
        world.note(&one, "ep_5", StandingChange::Disabled { disabled: false, version: 2 });
        assert_eq!(world.seen(""), pairs(&[all[0], all[2], all[3], all[4]]));
        world.note(&one, "ep_5", StandingChange::Disabled { disabled: false, version: 4 });
        world.note(&two, "ep_2", StandingChange::Deleted);
        assert_eq!(world.seen(""), pairs(&[all[2], all[4]]));
        assert_eq!(world.ask(Op::TenantOverview, "limit=251", vec![]).0, 422);
        assert_eq!(world.ask(Op::TenantOverview, "state=x", vec![]).0, 422);
    }

    #[test]
    fn an_endpoint_that_is_disabled_and_enabled_again_shows_what_it_was_before() {
        let mut world = World::new();
        let app = world.app("Acme");
        world.note(&app, "ep_1", stands(Standing::Failing, 50));
        world.note(&app, "ep_1", StandingChange::Disabled { disabled: true, version: 2 });
        assert_eq!(world.seen(""), pairs(&[("ep_1", "disabled")]));
        world.note(&app, "ep_1", StandingChange::Disabled { disabled: false, version: 3 });
        assert_eq!(world.seen(""), pairs(&[("ep_1", "failing")]));
        world.note(&app, "ep_1", stands(Standing::Well, 90));
        assert!(world.seen("").is_empty());
        let delete = Call::of(Op::AppDelete, &[&app], "", Vec::new());
        world.note(&app, "ep_1", stands(Standing::Failing, 99));
        assert_eq!(world.directory.handle(NOW, &mut Seeded(1), &delete).reply.status, 204);
        assert!(world.seen("").is_empty(), "it goes with its application");
        world.note(&app, "ep_1", stands(Standing::Failing, 100));
        assert!(world.seen("").is_empty(), "and a late report does not bring it back");
    }

    #[test]
    fn the_overview_of_many_costs_as_much_as_that_of_a_few() {
        let steps = |count: i64| {
            let mut world = World::new();
            let app = world.app("Acme");
            world.sql.transaction(|| {
                for n in 0..count {
                    world.sql.exec(
                        "INSERT INTO trouble (app_id, endpoint_id, rank, since, standing, stands_since, told_at, disabled,
                            version, changed_at) VALUES (?1, ?2, 3, ?3, 3, ?3, ?3, 0, 0, 0)",
                        &[Value::Text(&app), Value::Text(&format!("ep_{n}")), Value::Int(n)],
                    )?;
                }
                Ok::<_, SqlError>(())
            })
            .expect("rows");
            let before = world.sql.steps();
            let (_, seen) = world.ask(Op::TenantOverview, "", vec![]);
            assert_eq!(seen["failing"], count.min(1_000));
            world.sql.steps() - before
        };
        let (few, many) = (steps(2_000), steps(20_000));
        assert!(many < few + few / 10, "{few} steps, then {many}");
    }
}
