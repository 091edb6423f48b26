//! Endpoint configurations: owned here, offered to the Endpoint objects until they have them.

use super::events::set;
use super::record::Disabled;
use super::{App, Effects, EndpointRecord, Slot};
use crate::api::model::endpoint::DisabledReason;
use crate::frame::{self, ConfigAnswer, Report, ReportKind};
use crate::operational::{self, Event};
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use crate::time::rfc3339;
use serde_json::json;

/// So many endpoints are offered their configurations at once; the others follow with the answers.
const CONFIGURING_MAX: usize = 64;

impl<S: Sql> App<S> {
    /// Offers every configuration that its Endpoint object does not hold yet.
    pub(super) fn configure_all(&mut self, now: i64, effects: &mut Effects) {
        let Some(info) = &self.info else { return };
        let mut open = self.slots.values().filter(|slot| slot.configuring).count();
        for (endpoint_id, slot) in &mut self.slots {
            if slot.acknowledged < slot.record.version && !slot.configuring && slot.retry_at <= now {
                // One that was just changed does not wait for the alarm, whatever the depth: whoever changed it waits.
                if open >= CONFIGURING_MAX {
                    return;
                }
                open = open.saturating_add(1);
                self.share.count_call();
                slot.configuring = true;
                let mut frame = slot.record.frame(&info.org, &info.app_id, endpoint_id, slot.deleted);
                frame.paces.extend(self.rate_share);
                effects.configure.push((endpoint_id.clone(), frame));
            }
        }
    }

    /// What each endpoint may start of the application's rate: an equal share for each that sends, in whole requests a second.
    /// All together keep the rate on average, and in every second unless there are more endpoints than requests: then each
    /// starts one every few seconds, and some may do so at once. What one does not use, the others do not get. To be exact, every
    /// start of every endpoint would have to be granted by the App, a call for each delivery.
    pub(super) fn rate_share_now(&self) -> Option<(u32, i64)> {
        let rate = u32::from(self.info.as_ref()?.rate.filter(|rate| *rate > 0)?);
        let sending = self.slots.values().filter(|slot| !slot.deleted && slot.record.content.sends()).count();
        let sending = u32::try_from(sending).unwrap_or(u32::MAX).max(1);
        Some(match rate.checked_div(sending) {
            Some(each) if each > 0 => (each, 1_000),
            _ => (1, i64::from(sending).saturating_mul(1_000).checked_div(i64::from(rate)).unwrap_or(1_000)),
        })
    }

    /// Tells every endpoint its share, where that is another now.
    pub(super) fn share_rate_anew(&mut self) -> Result<(), SqlError> {
        let share = self.rate_share_now();
        if share == self.rate_share {
            return Ok(());
        }
        self.rate_share = share;
        for (endpoint_id, slot) in self.slots.iter_mut().filter(|(_, slot)| !slot.deleted) {
            slot.record.version = slot.record.version.saturating_add(1);
            slot.retry_at = 0;
            self.sql.exec(
                "UPDATE endpoint SET record = ?2 WHERE id = ?1",
                &[Value::Text(endpoint_id), Value::Blob(&frame::encode(&slot.record))],
            )?;
        }
        Ok(())
    }

    /// The answer to a configuration; `None` where there was none.
    pub fn configured(
        &mut self,
        now: i64,
        endpoint_id: &str,
        answer: Option<ConfigAnswer>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        let mut store = None;
        if let Some(slot) = self.slots.get_mut(endpoint_id) {
            slot.configuring = false;
            match answer {
                None => slot.failed(now),
                Some(ConfigAnswer { version }) => {
                    slot.heard(now);
                    slot.acknowledged = version;
                    if version > slot.record.version {
                        // It holds a configuration that this object has no memory of (storage restored from
                        // a backup): the one here is offered again as the newer one.
                        slot.record.version = version.saturating_add(1);
                        store = Some(slot.record.clone());
                    }
                }
            }
            let acknowledged = slot.acknowledged;
            self.sql.exec(
                "UPDATE endpoint SET acknowledged = ?2 WHERE id = ?1 AND acknowledged <> ?2",
                &[Value::Text(endpoint_id), Value::Int(acknowledged)],
            )?;
            if let Some(record) = store {
                self.write_record(endpoint_id, &record)?;
            }
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    fn write_record(&self, endpoint_id: &str, record: &EndpointRecord) -> Result<(), SqlError> {
        self.sql.exec(
            "UPDATE endpoint SET record = ?2 WHERE id = ?1",
            &[Value::Text(endpoint_id), Value::Blob(&frame::encode(record))],
        )
    }

    /// Adds an endpoint: it is owed what is accepted from now on.
    pub(super) fn add_endpoint(
        &mut self,
        now: i64,
        endpoint_id: &str,
        mut record: EndpointRecord,
    ) -> Result<(), SqlError> {
        record.version = 1;
        record.created_at = now;
        record.updated_at = now;
        if record.content.disabled {
            record.disabled_from = Some(self.last.clone());
            record.disabled = Some(Disabled { at: now, reason: DisabledReason::Manual });
        }
        self.sql.exec(
            "INSERT INTO endpoint (id, acknowledged, cursor, owes, deleted, record)
             VALUES (?1, 0, ?2, 0, 0, ?3)",
            &[Value::Text(endpoint_id), Value::Text(&self.last), Value::Blob(&frame::encode(&record))],
        )?;
        let slot = Slot::new(now, record, self.last.clone());
        self.slots.insert(endpoint_id.to_owned(), slot);
        Ok(())
    }

    /// Replaces an endpoint's configuration. Enabling resumes what waited when the endpoint was disabled,
    /// and passes over what was accepted meanwhile.
    pub(super) fn change_endpoint(
        &mut self,
        now: i64,
        endpoint_id: &str,
        mut record: EndpointRecord,
    ) -> Result<(), SqlError> {
        let Some(slot) = self.slots.get_mut(endpoint_id) else { return Ok(()) };
        record.version = slot.record.version.saturating_add(1);
        record.updated_at = now;
        // What is under way to it, or waits there, is asked for in due time: it is not offered again. Nor is, under
        // another filter, what was offered before this memory began and never written down.
        slot.owes |= record.content.sends() != slot.record.content.sends() || slot.cursor < self.last;
        if record.content.disabled && !slot.record.content.disabled {
            record.disabled_from = Some(self.last.clone());
            record.disabled.get_or_insert(Disabled { at: now, reason: DisabledReason::Manual });
        }
        if !record.content.disabled {
            record.disabled = None;
        }
        if !record.content.disabled && slot.record.content.disabled {
            let from = record.disabled_from.take().unwrap_or_else(|| slot.cursor.clone());
            if slot.cursor >= from {
                slot.cursor.clone_from(&self.last);
            } else {
                record.skips.retain(|(_, to)| *to > slot.cursor);
                record.skips.push((from, self.last.clone()));
            }
        }
        // A change may be the cure for whatever made offers fail.
        slot.retry_at = 0;
        slot.failures = 0;
        slot.filter = record.filter();
        slot.record = record.clone();
        // The cursor and what the endpoint said with it are written together: what lies before the cursor is
        // not offered again, so only `owes` remembers it.
        slot.saved_cursor.clone_from(&slot.cursor);
        slot.saved_owes = slot.owes;
        self.sql.exec(
            "UPDATE endpoint SET record = ?2, cursor = ?3, owes = ?4 WHERE id = ?1",
            &[
                Value::Text(endpoint_id),
                Value::Blob(&frame::encode(&record)),
                Value::Text(&slot.cursor),
                Value::flag(slot.owes),
            ],
        )
    }

    /// Deletes an endpoint: nothing is offered any more, what waits is dropped, its configuration is forgotten. An attempt
    /// can still be looked up until it expires.
    pub(super) fn delete_endpoint(&mut self, now: i64, endpoint_id: &str) -> Result<(), SqlError> {
        let over = self.over(now);
        let Some(slot) = self.slots.get_mut(endpoint_id) else { return Ok(()) };
        if slot.deleted {
            return Ok(());
        }
        slot.deleted = true;
        // Of its configuration nothing is needed any more; its object gets to know this one in its place.
        let EndpointRecord { version, created_at, .. } = slot.record;
        let version = version.saturating_add(1);
        slot.record = EndpointRecord { version, created_at, updated_at: now, ..EndpointRecord::default() };
        self.purge_at = Some(self.purge_at.unwrap_or(i64::MAX).min(over));
        slot.retry_at = 0;
        slot.owes = true; // it may have reports that nobody has taken
        slot.saved_owes = true;
        let record = frame::encode(&slot.record);
        self.sql.exec(
            "UPDATE endpoint SET deleted = 1, owes = 1, record = ?2 WHERE id = ?1",
            &[Value::Text(endpoint_id), Value::Blob(&record)],
        )
    }

    /// Takes an endpoint's report. A report about an older configuration is void: whoever changed it since
    /// has decided.
    pub fn reported(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        report: &Report,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if let Some(slot) = self.slots.get(&report.endpoint_id)
            && !slot.deleted
        {
            let current = slot.record.version == report.config_version && !slot.record.content.disabled;
            let attempt = match &report.kind {
                ReportKind::Gone | ReportKind::FailingSince { .. } if current => {
                    let (since, reason) = match report.kind {
                        ReportKind::FailingSince { since } => (since, "failing"),
                        _ => (report.at, "gone"),
                    };
                    let mut record = slot.record.clone();
                    record.content.disabled = true;
                    let why = if reason == "gone" { DisabledReason::Gone } else { DisabledReason::Failing };
                    record.disabled = Some(Disabled { at: now, reason: why });
                    self.change_endpoint(now, &report.endpoint_id, record)?;
                    self.tell_gave_up(now, report.event_id(), &report.endpoint_id, since, reason)?;
                    None
                }
                ReportKind::Gone | ReportKind::FailingSince { .. } | ReportKind::Stands { .. } => None,
                ReportKind::Exhausted { msg_id, attempt_id, code } => {
                    Some((operational::ATTEMPT_EXHAUSTED, msg_id, attempt_id, code))
                }
                ReportKind::Failing { msg_id, attempt_id, code } => {
                    Some((operational::ATTEMPT_FAILING, msg_id, attempt_id, code))
                }
                ReportKind::Recovered { msg_id, attempt_id, code } => {
                    Some((operational::ATTEMPT_RECOVERED, msg_id, attempt_id, code))
                }
                ReportKind::PluginFailing { name, version, error } => {
                    if !self.is_operational() {
                        let mut data = self.event_data(&report.endpoint_id);
                        set(&mut data, "plugin", json!({ "name": name, "version": version }));
                        set(&mut data, "error", json!(error));
                        set(&mut data, "timestamp", json!(rfc3339(report.at)));
                        let event = Event::new(report.event_id(), operational::PLUGIN_FAILING, &data);
                        effects.operational.push(self.as_own(event));
                    }
                    None
                }
            };
            if let Some(note) = self.standing_note(report) {
                effects.operational.push(note);
            }
            if let Some((event_type, msg_id, attempt_id, code)) = attempt
                && !self.is_operational()
            {
                let mut data = self.event_data(&report.endpoint_id);
                set(&mut data, "msgId", json!(msg_id));
                set(&mut data, "msgEventId", json!(self.event_id_of(msg_id)?));
                set(
                    &mut data,
                    "lastAttempt",
                    json!({ "id": attempt_id, "responseStatusCode": code, "timestamp": rfc3339(report.at) }),
                );
                let event = Event::new(report.event_id(), event_type, &data);
                effects.operational.push(self.as_own(event));
                if event_type == operational::ATTEMPT_EXHAUSTED {
                    self.say_exhausted(now, rng, &report.endpoint_id, msg_id, report.event_id(), &data)?;
                }
            }
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// The type of a message's event; `None` where the message is gone.
    pub(super) fn event_type_of(&self, msg_id: &str) -> Result<Option<String>, SqlError> {
        let header = self.log.get(&self.sql, msg_id)?;
        Ok(header.map(|header| header.event_type().to_owned()))
    }

    fn event_id_of(&self, msg_id: &str) -> Result<Option<String>, SqlError> {
        let header = self.log.get(&self.sql, msg_id)?;
        Ok(header.and_then(|header| header.event_id().map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::call::Call;
    use crate::api::route::{AppOp, Op};
    use crate::frame::AppInit;
    use serde_json::{Value, json};

    fn rated(world: &mut World, version: i64, rate: Option<u16>) {
        let init = AppInit {
            org: "org_1".into(),
            app_id: "app_1".into(),
            uid: None,
            version,
            deleted: false,
            rate,
            send_as: None,
        };
        world.init(init);
    }

    #[test]
    fn an_endpoint_remembers_when_and_why_it_was_disabled() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let shown = |world: &mut World| {
            let shown = world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1;
            (shown["disabledAt"].clone(), shown["disabledReason"].clone())
        };
        let patch = |world: &mut World, body: Value| world.call(Op::EndpointPatch, &[&endpoint], "", &body);
        assert_eq!(shown(&mut world), (Value::Null, Value::Null));
        patch(&mut world, json!({ "disabled": true }));
        let (at, reason) = shown(&mut world);
        assert!(at.is_string() && reason == "manual", "{at} {reason}");
        world.pass(60_000);
        patch(&mut world, json!({ "description": "x" }));
        assert_eq!(shown(&mut world).0, at, "another change leaves it");
        patch(&mut world, json!({ "disabled": false }));
        assert_eq!(shown(&mut world), (Value::Null, Value::Null));
        world.code = 410;
        world.send("a.b");
        world.pass(1_000);
        assert_eq!(shown(&mut world).1, "gone");
        world.crash();
        assert_eq!(shown(&mut world).1, "gone");
    }

    #[test]
    fn the_rate_of_an_application_is_shared_out_among_its_endpoints() {
        let mut world = World::new(&[]);
        let first = world.add_endpoint(&json!({}));
        assert_eq!(world.app.rate_share, None);
        rated(&mut world, 2, Some(5));
        assert_eq!(world.app.rate_share, Some((5, 1_000)));
        world.add_endpoint(&json!({}));
        assert_eq!(world.app.rate_share, Some((2, 1_000)), "together never more than five");
        for _ in 0..4 {
            world.add_endpoint(&json!({}));
        }
        assert_eq!(world.app.rate_share, Some((1, 1_200)), "six endpoints, each every 1.2 seconds");
        world.call(Op::EndpointPatch, &[&first], "", &json!({ "disabled": true }));
        assert_eq!(world.app.rate_share, Some((1, 1_000)));
        world.crash();
        assert_eq!(world.app.rate_share, Some((1, 1_000)));
        rated(&mut world, 3, None);
        assert_eq!(world.app.rate_share, None);
    }

    #[test]
    fn a_message_to_several_endpoints_keeps_the_applications_rate() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        world.add_endpoint(&json!({}));
        rated(&mut world, 2, Some(1));
        for _ in 0..6 {
            world.send("a.b"); // a second each
        }
        assert!(world.got.len() <= 8, "{}: one a second, and the first of each", world.got.len());
        world.pass(20_000);
        assert_eq!(world.got.len(), 12);
    }

    #[test]
    fn a_customers_endpoints_have_the_preset_of_the_application_and_cannot_loosen_it() {
        let mut world = World::new(&[]);
        let send_as = crate::send_as::SendAs { preset: "loops".into(), ..Default::default() };
        world.init(AppInit {
            org: "org_1".into(),
            app_id: "app_1".into(),
            uid: None,
            version: 2,
            deleted: false,
            rate: None,
            send_as: Some(send_as),
        });
        world.crash();
        let portal = |op: Op, params: &[&str], body: &Value| Call {
            app_scope: true,
            ..Call::of(op, params, "", body.to_string().into_bytes())
        };
        let url = "https://example.com/";
        let (status, made) = world.make(&portal(Op::EndpointCreate, &[], &json!({ "url": url })));
        assert_eq!((status, &made["preset"]), (201, &json!("loops")), "{made}");
        let id = made["id"].as_str().expect("an id").to_owned();
        for (op, params, body) in [
            (Op::EndpointCreate, vec![], json!({ "url": url, "preset": "mailabl" })),
            (Op::EndpointCreate, vec![], json!({ "url": url, "throttleRate": 11 })),
            (Op::EndpointPatch, vec![&*id], json!({ "preset": null })),
            (Op::EndpointPatch, vec![&id], json!({ "throttleRate": 100 })),
            (Op::EndpointPatch, vec![&id], json!({ "throttle": { "limit": 11, "window": "second" } })),
            (Op::EndpointPatch, vec![&id], json!({ "throttle": { "limit": 600, "window": "minute" } })),
            (Op::EndpointUpdate, vec![&id], json!({ "url": url, "preset": "mailabl" })),
        ] {
            let (status, error) = world.make(&portal(op, &params, &body));
            assert_eq!((status, &error["code"]), (403, &json!("insufficient access")), "{body}: {error}");
        }
        let stricter = json!({ "url": url, "throttleRate": 5 });
        let (status, put) = world.make(&portal(Op::EndpointUpdate, &[&id], &stricter));
        assert_eq!(
            (status, &put["preset"], &put["throttleRate"]),
            (200, &json!("loops"), &json!(5)),
            "{put}"
        );
        let free = json!({ "preset": null, "throttleRate": 100 });
        assert_eq!(world.call(Op::EndpointPatch, &[&id], "", &free).0, 200, "the tenant may");
        let (status, _) = world.make(&portal(Op::EndpointPatch, &[&id], &json!({ "description": "d" })));
        assert_eq!(status, 200);
    }

    fn create() -> Call<AppOp> {
        Call::new(AppOp::EndpointCreate)
    }

    fn made_by(world: &mut World, create: Call<AppOp>, body: &Value) -> (u16, Value) {
        world.make(&Call { body: body.to_string().into_bytes(), ..create })
    }

    #[test]
    fn a_portals_token_makes_so_many_endpoints_and_none_around_plugins() {
        let mut world = World::new(&[("MAX_ENDPOINTS", "2")]);
        let body = json!({ "url": "https://example.com/" });
        let portal = || Call { app_scope: true, ..create() };
        assert_eq!(made_by(&mut world, portal(), &body).0, 201);
        assert_eq!(made_by(&mut world, portal(), &body).0, 201);
        let (status, error) = made_by(&mut world, portal(), &body);
        assert_eq!((status, &error["code"]), (400, &json!("limit_reached")), "{error}");
        assert_eq!(made_by(&mut world, create(), &body).0, 201, "the tenant may");
        let without = || Call { app_scope: true, without_plugins: true, ..create() };
        let mut world = World::new(&[]);
        assert_eq!(made_by(&mut world, without(), &body).0, 201, "no endpoint has plugins");
    }

    #[test]
    fn an_endpoint_keeps_event_types_that_the_caller_may_not_see_and_gets_no_more_of_them() {
        let mut world = World::new(&[]);
        let url = "https://example.com/";
        let send = |world: &mut World, op: Op, params: &[&str], body: &Value| {
            world.make(&Call {
                app_scope: true,
                barred_types: Some(vec!["beta".to_owned(), "more".to_owned()]),
                ..Call::of(op, params, "", body.to_string().into_bytes())
            })
        };
        let body = json!({ "url": url, "eventTypes": ["open", "beta"] });
        let endpoint = world.add_endpoint(&body);
        for (op, params, body) in [
            (Op::EndpointCreate, vec![], body.clone()),
            (Op::EndpointCreate, vec![], json!({ "url": url, "filterTypes": ["more"] })),
            (Op::EndpointUpdate, vec!["new"], body.clone()),
            (Op::EndpointUpdate, vec![&*endpoint], json!({ "url": url, "eventTypes": ["beta", "more"] })),
            (Op::EndpointPatch, vec![&endpoint], json!({ "filterTypes": ["more"] })),
        ] {
            let (status, error) = send(&mut world, op, &params, &body);
            assert_eq!(status, 422, "{body}: {error}");
        }
        for (op, body) in [
            (Op::EndpointUpdate, body),
            (Op::EndpointPatch, json!({ "eventTypes": ["beta"] })),
            (Op::EndpointPatch, json!({ "eventTypes": ["open"] })),
        ] {
            let (status, told) = send(&mut world, op, &[&endpoint], &body);
            assert_eq!((status, &told["eventTypes"]), (200, &body["eventTypes"]), "{told}");
        }
        let (status, _) =
            send(&mut world, Op::EndpointPatch, &[&endpoint], &json!({ "eventTypes": ["beta"] }));
        assert_eq!(status, 422, "it had been taken away");
    }

    #[test]
    fn a_request_with_an_idempotency_key_is_carried_out_once() {
        use crate::idempotency::Idempotency;
        let mut world = World::new(&[]);
        let keyed = |key: &str, body: &Value| Call {
            idempotency: Some(Idempotency::new("org_1", "op", key, &[], body.to_string().as_bytes())),
            ..create()
        };
        let body = json!({ "url": "https://example.com/", "uid": "a" });
        let first = made_by(&mut world, keyed("k", &body), &body);
        assert_eq!(first.0, 201);
        assert_eq!(made_by(&mut world, keyed("k", &body), &body), first, "the same answer, and no conflict");
        let other = json!({ "url": "https://example.org/" });
        assert_eq!(made_by(&mut world, keyed("k", &other), &other).0, 422, "the key was another request's");
        assert_eq!(made_by(&mut world, keyed("k2", &other), &other).0, 201);
    }

    #[test]
    fn credentials_in_a_url_are_sealed_sent_and_shown_to_nobody_who_only_looks() {
        let mut world = World::new(&[("MASTER_KEY", &"07".repeat(32))]);
        let url = "https://example.com/hook?token=sesame&n=1";
        let endpoint = world.add_endpoint(&json!({ "url": url }));
        let shown = "https://example.com/hook?token=***&n=1";
        assert!(!format!("{:?}", world.app.slots[&endpoint].record).contains("sesame"));
        world.crash();
        world.crash_endpoint(&endpoint);
        world.send("a.b");
        assert_eq!(world.urls, [url], "it is requested whole");
        let (_, attempts) = world.call(Op::AttemptsByEndpoint, &[&endpoint], "", &Value::Null);
        assert_eq!(attempts["data"][0]["url"], shown, "{attempts}");
        assert_eq!(world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1["url"], url);
        for (op, params) in [(AppOp::EndpointGet, vec![endpoint.clone()]), (AppOp::EndpointList, Vec::new())]
        {
            let call = Call { params, reads_only: true, ..Call::new(op) };
            let (status, told) = world.make(&call);
            assert!(status == 200 && told.to_string().contains(shown), "{told}");
        }
        // Whoever sends back what was shown changes nothing.
        let (_, told) = world.call(Op::EndpointUpdate, &[&endpoint], "", &json!({ "url": shown }));
        assert_eq!(told["url"], url);
        world.send("a.b");
        assert_eq!(world.urls, [url, url]);
        let (_, told) =
            world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "url": "https://example.com/b" }));
        assert_eq!(told["url"], "https://example.com/b");
        assert_eq!(world.app.slots[&endpoint].record.url, None);
    }

    #[test]
    fn a_url_whose_key_was_lost_stays_and_nothing_is_sent_to_what_is_shown_of_it() {
        let (old, new) = ("07".repeat(32), "08".repeat(32));
        let mut world = World::new(&[("MASTER_KEY", &old)]);
        let url = "https://example.com/hook?sig=sesame";
        let endpoint = world.add_endpoint(&json!({ "url": url }));
        world.set_vars(&[("MASTER_KEY", &new)]);
        world.crash();
        world.crash_endpoint(&endpoint);
        let (_, told) = world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "description": "d" }));
        assert!(told["problem"].is_string(), "{told}");
        world.send("a.b");
        assert_eq!(world.urls, [""; 0]);
        world.set_vars(&[("MASTER_KEY", &format!("{new},{old}"))]);
        world.crash();
        world.crash_endpoint(&endpoint);
        world.pass(60_000);
        assert_eq!(world.urls, [url]);
    }

    #[test]
    fn a_kept_answer_that_shows_a_secret_is_sealed() {
        use crate::idempotency::Idempotency;
        use crate::sql::Sql;
        let mut world = World::new(&[("MASTER_KEY", &"07".repeat(32))]);
        let endpoint = world.add_endpoint(&json!({}));
        let rotate = Call {
            params: vec![endpoint],
            idempotency: Some(Idempotency::new("org_1", "rotate", "k", &[], b"")),
            ..Call::new(AppOp::SecretRotate)
        };
        let (status, first) = world.make(&rotate);
        assert_eq!(status, 200, "{first}");
        let secret = first["key"].as_str().expect("a secret").to_owned();
        let rows = world.app.sql.query("SELECT reply FROM idempotent", &[]).expect("rows");
        for mut row in rows {
            let kept = String::from_utf8_lossy(&row.blob(0).expect("a blob")).into_owned();
            assert!(kept.starts_with("v2:") && !kept.contains(&secret), "{kept}");
        }
        assert_eq!(world.make(&rotate), (200, first), "the repeat is shown the same secret");
    }

    #[test]
    fn what_is_stored_is_sealed_and_sealed_anew_with_the_newest_key() {
        let (old, new) = ("07".repeat(32), "08".repeat(32));
        let mut world = World::new(&[("MASTER_KEY", &old)]);
        let endpoint = world.add_endpoint(&json!({ "headers": { "x-door": "sesame" } }));
        let stored = |world: &World| format!("{:?}", world.app.slots[&endpoint].record);
        assert!(!stored(&world).contains("sesame"));
        let before = stored(&world);
        world.set_vars(&[("MASTER_KEY", &format!("{new},{old}"))]);
        world.crash();
        assert_eq!(stored(&world), before);
        let (status, told) = world.make(&Call::new(AppOp::Reseal));
        assert_eq!((status, &told["resealed"], &told["locked"]), (200, &json!(2), &json!(0)), "{told}");
        world.set_vars(&[("MASTER_KEY", &new)]);
        world.crash();
        world.crash_endpoint(&endpoint);
        let (_, headers) = world.call(Op::HeadersGet, &[&endpoint], "", &Value::Null);
        assert_eq!(headers["headers"]["x-door"], "sesame");
        world.send("a.b");
        assert!(world.sent.iter().flatten().any(|(name, value)| name == "x-door" && value == "sesame"));
        world.set_vars(&[("MASTER_KEY", &old)]);
        world.crash();
        let (_, shown) = world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null);
        assert!(shown["problem"].as_str().is_some_and(|why| why.contains("MASTER_KEY")), "{shown}");
        let (status, error) = world.call(Op::SecretGet, &[&endpoint], "", &Value::Null);
        assert_eq!((status, &error["code"]), (500, &json!("invalid_setting")), "{error}");
    }

    #[test]
    fn a_put_of_a_client_that_knows_svixs_fields_alone_takes_nothing_else_away() {
        let mut world = World::new(&[]);
        let own = json!({
            "preset": "github", "secret": "a secret of github's", "retrySchedule": [1.0, 2.0], "timeoutSeconds": 9,
            "maxInFlight": 3, "headerProfile": "both", "paused": true, "throttle": { "limit": 5, "window": "minute" },
        });
        let endpoint = world.add_endpoint(&own);
        let secret = |world: &mut World| world.call(Op::SecretGet, &[&endpoint], "", &Value::Null).1;
        let (before, key) =
            (world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1, secret(&mut world));
        let svix = json!({ "url": "https://example.org/other", "description": "new" });
        assert_eq!(world.call(Op::EndpointUpdate, &[&endpoint], "", &svix).0, 200);
        let after = world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1;
        assert_eq!((&after["url"], &after["description"]), (&svix["url"], &svix["description"]));
        for field in [
            "preset",
            "retrySchedule",
            "timeoutSeconds",
            "maxInFlight",
            "headerProfile",
            "paused",
            "throttle",
        ] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert_eq!(secret(&mut world), key, "the receiver goes on verifying");
        let named = json!({ "url": "https://example.org/other", "retrySchedule": null, "paused": false });
        assert_eq!(world.call(Op::EndpointUpdate, &[&endpoint], "", &named).0, 200);
        let after = world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1;
        assert_eq!((&after["retrySchedule"], &after["paused"]), (&Value::Null, &json!(false)));
    }

    #[test]
    fn the_url_of_an_own_source_is_no_endpoints() {
        use crate::source::url::{PREFIX, Signer, Token};
        let mut world = World::new(&[("JWT_SECRET", "0123456789abcdef")]);
        let source = crate::id::new(crate::id::SOURCE, 1, &mut crate::rng::Seeded(1));
        let signer = Signer::new(&world.settings()).expect("a key");
        let tag = signer.tag("org_1", &source, 0);
        let token = Token { org: "org_1".into(), source, generation: 0, tag };
        let token = token.write();
        for path in [
            format!("{PREFIX}{token}"),
            format!("{PREFIX}{token}/?a#b"),
            format!("/x/..{PREFIX}{token}"),
            format!("/./x/%2e%2E{PREFIX}{token}"),
            format!("{PREFIX}x/../{token}"),
        ] {
            let body = json!({ "url": format!("https://gateway.example{path}") });
            let (status, error) = made_by(&mut world, create(), &body);
            assert_eq!(
                (status, &error["detail"][0]["type"]),
                (422, &json!("url_own_source")),
                "{path}: {error}"
            );
        }
    }
}
