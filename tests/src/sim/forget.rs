//! Payloads that are expunged: one, several, all; and the responses of attempts.
//!
//! What must hold: once the application has committed it, no payload leaves its App object any more, and in the end
//! nothing of it is stored. What an Endpoint object holds in memory by then may still be sent.

use super::Rule;
use super::dice::Dice;
use super::directory::api;
use super::event::{Ask, Reply};
use super::node::Object;
use super::world::World;
use serde_json::{Value as Json, json};
use weir_core::api::route::AppOp;
use weir_core::app::inspect;

/// Whether a message's payload is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgetting {
    Kept,
    /// A task is to expunge it, and may have done so.
    Perhaps,
    Expunged,
}

impl World {
    /// Somebody has payloads expunged.
    pub(super) fn expunge(&mut self, a: usize) {
        let (op, params, body) = match self.rng.below(8) {
            0..=2 => {
                let Some(id) = self.some_message(a) else { return };
                (AppOp::MessageExpunge, vec![id], Json::Null)
            }
            3..=4 => {
                let ids: Vec<String> = (0..3).filter_map(|_| self.some_message(a)).collect();
                (AppOp::BulkExpunge, vec![], json!({ "ids": ids }))
            }
            5 => (AppOp::ExpungeAll, vec![], Json::Null),
            _ => return self.expunge_some_attempt(a),
        };
        self.api_later(a, op, params, &body);
    }

    fn expunge_some_attempt(&mut self, a: usize) {
        let own: Vec<usize> = (0..self.endpoints.len()).filter(|&e| self.endpoints[e].app == a).collect();
        if own.is_empty() {
            return;
        }
        let e = *self.rng.pick(&own);
        let attempts = self.recorded_attempts(e).into_iter().rev();
        let attempts: Vec<_> = attempts.filter(|attempt| !attempt.response.is_empty()).take(5).collect();
        if attempts.is_empty() {
            return;
        }
        let attempt = &attempts[self.rng.below(attempts.len())];
        let params = vec![attempt.msg_id.clone(), attempt.id.clone()];
        let call = api(AppOp::AttemptExpunge, params, Vec::new());
        self.call(Object::App(a), Ask::Api(call), Reply::Nobody);
    }

    /// Payloads were expunged, and that is committed.
    pub(super) fn note_expunged<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        for id in ids {
            if let Some(message) = self.messages.get_mut(id) {
                message.forgetting = Forgetting::Expunged;
                self.summary.expunged += 1;
            }
        }
    }

    /// An App object gives payloads away: none that was expunged before.
    pub(super) fn check_gives(&mut self, a: usize, ids: &[String]) {
        let expunged = |id: &&String| {
            self.messages.get(*id).is_some_and(|message| message.forgetting == Forgetting::Expunged)
        };
        if let Some(id) = ids.iter().find(expunged).cloned() {
            self.violate(
                Rule::Expunged,
                format!("app {a} gives away the payload of {id}, which was expunged"),
            );
        }
    }

    /// In the end, nothing is stored of what was expunged.
    pub(super) fn check_expunged(&mut self) {
        let mut expunged: Vec<(usize, String)> = self
            .messages
            .iter()
            .filter(|(_, message)| message.forgetting == Forgetting::Expunged)
            .filter(|(_, message)| !self.apps[message.app].deleted)
            .map(|(id, message)| (message.app, id.clone()))
            .collect();
        expunged.sort();
        for (a, id) in expunged {
            let stored = inspect(&self.apps[a].node.on.db);
            if stored.iter().any(|message| message.id == id && message.has_content) {
                self.violate(Rule::Expunged, format!("app {a} still stores {id}, which was expunged"));
            }
        }
        for (e, attempt_id) in self.expunged_attempts.clone() {
            if self.endpoints[e].erased {
                continue;
            }
            let mut attempts = self.recorded_attempts(e).into_iter();
            if attempts.any(|attempt| attempt.id == attempt_id && attempt.response != "EXPUNGED") {
                let text =
                    format!("endpoint {e} still stores the response of {attempt_id}, which was expunged");
                self.violate(Rule::Expunged, text);
            }
        }
    }
}
