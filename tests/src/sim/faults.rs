//! What goes wrong with objects: crashes, clocks, statements that fail; and the end of it.

use super::check::OVERDUE_MS;
use super::dice::Dice;
use super::event::Event;
use super::node::{Fate, Object};
use super::receiver::Mood;
use super::storage::FULL;
use super::world::World;
use super::{Defect, Rule, plan::Plan};
use weir_core::app;
use weir_core::endpoint::LEASE_MARGIN_MS;
use weir_core::sql::{Sql, SqlError};

impl World {
    /// What happens to the object that makes the next step.
    pub(super) fn fate(&mut self) -> Fate {
        let Plan { crash_before, crash_after, .. } = self.plan;
        if self.calm {
            Fate::Good
        } else if self.rng.chance(crash_before) {
            Fate::CrashBefore { process: self.rng.chance(0.6) }
        } else if self.rng.chance(crash_after) {
            Fate::CrashAfter
        } else {
            Fate::Good
        }
    }

    pub(super) fn crash(&mut self, object: Object) {
        match object {
            Object::Directory => self.directory.node.crash(true),
            Object::App(a) => self.apps[a].node.crash(true),
            Object::Endpoint(e) => {
                self.endpoints[e].node.crash(true);
                self.endpoint_forgot(e, true);
            }
        }
    }

    /// An object's storage is erased, with its alarm and its memory.
    pub(super) fn wipe(&mut self, object: Object) {
        match object {
            Object::Directory => self.directory.node.machine = None,
            Object::App(a) => self.apps[a].node.machine = None,
            Object::Endpoint(e) => self.endpoints[e].node.machine = None,
        }
        let on = self.platform(object);
        on.db.wipe();
        on.opening += 1;
        on.process += 1;
        on.alarm = None;
        on.alarm_number += 1;
        on.lost_at = None;
    }

    /// An Endpoint object's memory is gone; with its process, the results that were not recorded yet.
    pub(super) fn endpoint_forgot(&mut self, e: usize, process: bool) {
        self.endpoints[e].in_flight = 0;
        if process {
            self.endpoints[e].results.clear();
        }
    }

    /// A new release: every object is reset, and what is on its way to or from one may fail with it.
    pub(super) fn deploy(&mut self) {
        if self.calm {
            return;
        }
        for object in self.objects() {
            self.crash(object);
            if self.defect == Some(Defect::ForgetsWhenReset) && matches!(object, Object::Endpoint(_)) {
                let db = &self.platform(object).db;
                // An object that was never configured has no tables.
                let forgotten =
                    db.exec("DELETE FROM due", &[]).and_then(|()| db.exec("DELETE FROM pushed", &[]));
                drop(forgotten);
            }
        }
        let mut disturbed = 0;
        self.change_queue(|rng, event| {
            if !matches!(event, Event::Call(..) | Event::Answer(..) | Event::Told(..)) || rng.chance(0.5) {
                return event;
            }
            disturbed += 1;
            match event {
                Event::Call(_, _, reply, _) | Event::Answer(reply, _) => Event::Answer(reply, None),
                Event::Told(posts, _) => Event::Told(posts, None),
                event => event,
            }
        });
        self.summary.calls_disturbed += disturbed;
        self.summary.deploys += 1;
    }

    pub(super) fn fill(&mut self, object: Object, full: bool) {
        let full = full && !self.calm;
        self.platform(object).db.fill(full);
        if full {
            self.summary.fills += 1;
        }
        if let Object::Endpoint(e) = object {
            self.endpoints[e].sent_when_full.clear();
        }
    }

    fn objects(&self) -> Vec<Object> {
        let apps = (0..self.apps.len()).map(Object::App);
        let endpoints = (0..self.endpoints.len()).map(Object::Endpoint);
        [Object::Directory].into_iter().chain(apps).chain(endpoints).collect()
    }

    /// A statement of a step failed, so the step was undone and its state machine dropped.
    pub(super) fn statement_failed(&mut self, object: Object, in_alarm: bool, error: &SqlError) {
        if !(error.0.ends_with(FULL) && self.platform(object).db.is_full()) {
            self.violate(Rule::Storage, format!("{object:?}: {error}"));
            return;
        }
        if in_alarm {
            // As the shells do.
            let wait = if matches!(object, Object::App(_)) { app::RECONCILE_MS } else { LEASE_MARGIN_MS };
            let at = self.clock(object) + wait;
            self.set_alarm(object, at);
        }
    }

    pub(super) fn clock_jumps(&mut self) {
        if self.calm {
            return;
        }
        let most = *self.rng.pick(&[5_000, 60_000, 3_600_000]);
        self.jump += self.rng.between(-most, most);
        for object in self.objects() {
            if let Some(at) = self.platform(object).alarm {
                self.set_alarm(object, at);
            }
        }
    }

    /// The faults stop.
    pub(super) fn becalm(&mut self) {
        self.calm = true;
        for endpoint in &mut self.endpoints {
            if !endpoint.stays_dead {
                endpoint.mood = Mood::Well;
            }
        }
        for object in self.objects() {
            self.fill(object, false);
        }
        // An object whose alarm was dropped is repaired by the next call: at once where it was asleep, else once the
        // alarm is overdue.
        let apps: Vec<Object> = (0..self.apps.len()).map(Object::App).collect();
        for object in [Object::Directory].into_iter().chain(apps) {
            if self.plan.jumps > 0 {
                // Where the clock went back, "overdue" may be an hour away: idle objects are put to sleep.
                self.after(OVERDUE_MS - 1, Event::Crash(object));
            }
            for delay in [1, OVERDUE_MS] {
                self.call_to_repair(object, delay);
            }
        }
    }
}
