//! Reports of endpoints to the Directory, so that a tenant's overview covers all of its applications.
//!
//! They are sent with the operational events, each of which is repeated until it is accepted: an endpoint's own
//! report ([`crate::endpoint`]) as an event of a type that only the Directory knows, and the tenant's events
//! `endpoint.disabled`, `endpoint.enabled` and `endpoint.deleted`, of which the Directory gets a note, too.

use super::App;
use crate::frame::{self, Report, ReportKind, StandingChange, StandingNote};
use crate::operational::{self, Event};
use crate::sql::Sql;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The type of the event that only the Directory gets.
const STANDS: &str = "weir.endpoint.stands";

impl<S: Sql> App<S> {
    /// A report for the Directory, as an event.
    pub(super) fn standing_note(&self, report: &Report) -> Option<Event> {
        let ReportKind::Stands { standing, since } = report.kind else { return None };
        let info = self.info.as_ref().filter(|_| !self.is_operational())?;
        let note = StandingNote {
            app_id: info.app_id.clone(),
            endpoint_id: report.endpoint_id.clone(),
            change: StandingChange::Stands { standing, since, at: report.at },
        };
        let note = STANDARD.encode(frame::encode(&note));
        Some(Event::new(report.event_id(), STANDS, &json!({ "note": note })))
    }
}

/// The recipients of an event: the Directory gets a note, the operational application the event itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// For the Directory.
    pub note: Option<StandingNote>,
    /// For the operational application.
    pub event: Option<Event>,
}

/// The recipients of this event.
pub fn route(event: Event) -> Route {
    if event.event_type == STANDS {
        let note = data_of(&event, "note").and_then(|note| STANDARD.decode(note).ok());
        return Route { note: note.and_then(|bytes| frame::decode(&bytes).ok()), event: None };
    }
    Route { note: note_of(&event), event: Some(event) }
}

fn note_of(event: &Event) -> Option<StandingNote> {
    let name = event.event_type.strip_prefix("ingest.").unwrap_or(&event.event_type);
    // The event's id ends with the version of the configuration that it is about.
    let version = event.id.rsplit('.').next().and_then(|version| version.parse().ok());
    let change = match name {
        operational::ENDPOINT_DISABLED => StandingChange::Disabled { disabled: true, version: version? },
        operational::ENDPOINT_ENABLED => StandingChange::Disabled { disabled: false, version: version? },
        operational::ENDPOINT_DELETED => StandingChange::Deleted,
        _ => return None,
    };
    let app_id = data_of(event, "appId").or_else(|| data_of(event, "sourceId"))?;
    Some(StandingNote { app_id, endpoint_id: data_of(event, "endpointId")?, change })
}

/// A text of what an event says.
fn data_of(event: &Event, name: &str) -> Option<String> {
    let payload: Value = serde_json::from_str(&event.payload).ok()?;
    Some(payload.get("data")?.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use super::*;
    use crate::api::route::Op;
    use crate::frame::Standing;
    use crate::id;

    fn notes(world: &mut World) -> Vec<StandingChange> {
        std::mem::take(&mut world.events)
            .into_iter()
            .filter_map(|event| route(event).note)
            .map(|note| note.change)
            .collect()
    }

    #[test]
    fn the_directory_learns_what_fails_and_what_recovers_and_nothing_of_what_is_well() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "10, 10, 10")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.send("a.b");
        world.pass(600_000);
        assert!(notes(&mut world).is_empty(), "a healthy endpoint costs nothing");
        world.code = 500;
        world.send("a.b");
        assert!(notes(&mut world).is_empty(), "one failure is not yet trouble");
        world.pass(25_000);
        let told = notes(&mut world);
        assert!(matches!(told[..], [StandingChange::Stands { standing: Standing::Failing, .. }]), "{told:?}");
        world.code = 200;
        world.pass(60_000);
        let told = notes(&mut world);
        assert!(matches!(told[..], [StandingChange::Stands { standing: Standing::Well, .. }]), "{told:?}");
        world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "disabled": true }));
        world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "disabled": false }));
        world.call(Op::EndpointDelete, &[&endpoint], "", &Value::Null);
        world.pass(60_000);
        let told = notes(&mut world);
        assert!(
            matches!(
                told[..],
                [
                    StandingChange::Disabled { disabled: true, version: first },
                    StandingChange::Disabled { disabled: false, version: second },
                    StandingChange::Deleted
                ] if first < second
            ),
            "{told:?}"
        );
    }

    #[test]
    fn an_endpoint_that_flaps_reports_trouble_at_most_once_a_minute() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "5, 5")]);
        world.add_endpoint(&json!({}));
        for _ in 0..30 {
            world.code = 500;
            world.send("a.b");
            world.pass(6_000);
            world.code = 200;
            world.pass(6_000);
        }
        let told = notes(&mut world);
        let failing = told
            .iter()
            .filter(|change| matches!(change, StandingChange::Stands { standing: Standing::Failing, .. }));
        assert!((1..=8).contains(&failing.count()), "in six minutes: {told:?}");
    }

    #[test]
    fn a_report_goes_to_the_directory_alone_and_an_event_of_the_tenant_to_both() {
        let event = Event::new(
            "ep_1.disabled.7".into(),
            "ingest.endpoint.disabled",
            &json!({ "sourceId": id::floor(id::SOURCE, 1), "endpointId": "ep_1" }),
        );
        let told = route(event.clone());
        assert_eq!(told.event, Some(event));
        assert_eq!(
            told.note.expect("a note").change,
            StandingChange::Disabled { disabled: true, version: 7 }
        );
        let other = Event::new(
            "ep_1.created".into(),
            "endpoint.created",
            &json!({ "appId": "app_1", "endpointId": "ep_1" }),
        );
        assert_eq!(route(other).note, None);
        let broken = Event { id: String::new(), event_type: STANDS.to_owned(), payload: "?".to_owned() };
        assert_eq!(route(broken), Route { note: None, event: None });
    }
}
