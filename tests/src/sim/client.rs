//! What clients do: post messages, create, change and delete endpoints, resend.

use super::dice::Dice;
use super::node::Node;
use super::receiver::Mood;
use super::world::{AppOp, EndpointNode, Era, Event, Message, Owed, Post, Reply, World};
use super::{Defect, Rule};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use weir_core::api::call::Call;
use weir_core::api::route::Op;
use weir_core::app::{EndpointRecord, Outcome};
use weir_core::filter::parse_channels;
use weir_core::frame::{Accepted, NewMessage, decode};
use weir_core::secret::Secret;
use weir_core::sql::Sql;

const TYPES: [&str; 3] = ["order.paid", "order.sent", "user.gone"];
const CHANNELS: [&str; 3] = ["north", "south", "east"];

impl World {
    /// One thing that a client of an application does.
    pub(super) fn act(&mut self, a: usize) {
        if self.plan.orderly {
            return self.post(a);
        }
        match self.rng.below(24) {
            0..=12 => self.post(a),
            13..=16 => self.change_endpoint(a),
            17 => {
                if self.endpoints.iter().filter(|e| e.app == a).count() < 4 {
                    let call = self.creation();
                    self.call_app(a, AppOp::Api(call), Reply::Nobody);
                    self.post(a); // at once, with luck
                }
            }
            18 => {
                let id = self.some_endpoint(a);
                if self.rng.chance(0.3) {
                    self.api_later(a, Op::EndpointDelete, vec![id], &Json::Null);
                }
            }
            19 => {
                let id = self.some_endpoint(a);
                self.api_later(a, Op::SecretRotate, vec![id], &json!({}));
            }
            20..=21 => self.resend(a),
            _ => {
                let e = self.rng.below(self.endpoints.len());
                self.after(0, Event::Audit(e));
            }
        }
    }

    // Messages.

    fn post(&mut self, a: usize) {
        let count = 1 + self.rng.below(4);
        let mut posts: Vec<usize> = (0..count).map(|_| self.new_post(a, true)).collect();
        if self.rng.chance(0.1) && !self.posts.is_empty() {
            // The same request once more, or another under the same key.
            let again = self.rng.below(self.posts.len());
            if self.posts[again].app == a {
                let mut message = self.posts[again].message.clone();
                if self.rng.chance(0.3) {
                    message.payload.push(b' ');
                    message.body_hash = Some(b"another".to_vec().into());
                }
                posts.push(self.posts.len());
                self.posts.push(Post { app: a, message, told: None, tries: 0 });
            }
        }
        let delay = self.latency();
        self.after(delay, Event::Post(a, posts));
    }

    pub(super) fn new_post(&mut self, a: usize, various: bool) -> usize {
        let number = self.posts.len();
        let channels = if various && self.rng.chance(0.4) {
            let some: Vec<&str> = CHANNELS.into_iter().filter(|_| self.rng.chance(0.4)).collect();
            (!some.is_empty()).then(|| json!(some).to_string())
        } else {
            None
        };
        let key = (various && self.rng.chance(0.4)).then(|| number.to_le_bytes().to_vec());
        let event_id = (various && self.rng.chance(0.2)).then(|| format!("event-{}", self.rng.below(12)));
        let message = NewMessage {
            event_type: (*self.rng.pick(&TYPES)).to_owned(),
            payload: format!("{{\"number\":{number}}}").into_bytes().into(),
            event_id,
            channels,
            body_hash: key.as_ref().map(|_| b"hash".to_vec().into()),
            idempotency_key: key.map(Into::into),
            ..NewMessage::default()
        };
        self.posts.push(Post { app: a, message, told: None, tries: 0 });
        number
    }

    /// Messages arrive at their App object.
    pub(super) fn accept(&mut self, a: usize, posts: Vec<usize>) {
        let mut messages: Vec<NewMessage> = posts.iter().map(|&p| self.posts[p].message.clone()).collect();
        if self.defect == Some(Defect::ForgetsKeys) {
            for message in &mut messages {
                message.idempotency_key = None;
                message.event_id = None;
            }
        }
        let done = self.step_app(a, false, |m, now, rng| m.accept(now, rng, messages));
        let Some(done) = done else { return };
        if done.committed {
            for (&post, answer) in posts.iter().zip(&done.value) {
                self.stored(a, post, answer);
            }
        }
        let answers = self.finish_app(a, done);
        let delay = self.latency();
        let lost = !self.calm && self.rng.chance(self.plan.answer_lost);
        self.after(delay, Event::Told(posts, if lost { None } else { answers }));
    }

    /// A message was (or was not) stored: what is owed from now on.
    fn stored(&mut self, a: usize, post: usize, answer: &Accepted) {
        let message = self.posts[post].message.clone();
        let key = message.idempotency_key.as_ref().map(|key| (a, key.to_vec()));
        let event_id = message.event_id.clone().map(|event_id| (a, event_id));
        let by_key = key.as_ref().and_then(|key| self.keys.get(key)).cloned();
        let by_event = event_id.as_ref().and_then(|event_id| self.event_ids.get(event_id)).cloned();
        match answer {
            Accepted::Stored { id, replayed: true, .. } => {
                if by_key.as_ref() != Some(id) {
                    let text =
                        format!("a repeated request is answered with {id}, it was stored as {by_key:?}");
                    self.violate(Rule::Idempotency, text);
                }
            }
            Accepted::Stored { id, .. } => {
                if by_key.is_some() || by_event.is_some() {
                    let text =
                        format!("{id} is stored, though {by_key:?} has its key or {by_event:?} its event id");
                    self.violate(Rule::Idempotency, text);
                }
                if let Some(key) = key {
                    self.keys.insert(key, id.clone());
                }
                if let Some(event_id) = event_id {
                    self.event_ids.insert(event_id, id.clone());
                }
                let number = self.next;
                self.next += 1;
                self.summary.messages += 1;
                let model = Message {
                    app: a,
                    number,
                    event_type: message.event_type,
                    channels: parse_channels(message.channels.as_deref()),
                    payload: message.payload.to_vec(),
                };
                self.messages.insert(id.clone(), model);
                for e in 0..self.endpoints.len() {
                    if self.must_receive(e, id) {
                        self.summary.owed += 1;
                        self.endpoints[e].owed.insert(id.clone(), Owed::default());
                    }
                }
            }
            Accepted::EventIdTaken => {
                if by_event.is_none() {
                    self.violate(Rule::Idempotency, format!("event id {event_id:?} is refused, it is free"));
                }
            }
            Accepted::KeyReused => {
                if by_key.is_none() {
                    self.violate(Rule::Idempotency, format!("key {key:?} is refused, it was never used"));
                }
            }
            Accepted::Unknown | Accepted::Failed | Accepted::Limited { .. } => {
                self.violate(Rule::Accepted, format!("app {a} answers {answer:?}"));
            }
        }
    }

    /// The client gets its answers, or none; without one it repeats what it can repeat safely.
    pub(super) fn told(&mut self, posts: Vec<usize>, answers: Option<Vec<Accepted>>) {
        let Some(answers) = answers else {
            for p in posts {
                let post = &mut self.posts[p];
                post.tries += 1;
                if post.message.idempotency_key.is_some() && post.tries < 10 {
                    let a = post.app;
                    let delay = self.rng.between(10, 10_000);
                    self.after(delay, Event::Post(a, vec![p]));
                }
            }
            return;
        };
        for (p, answer) in posts.into_iter().zip(answers) {
            if let Accepted::Stored { id, .. } = answer {
                self.posts[p].told = Some(id);
            }
        }
    }

    // Endpoints.

    fn some_endpoint(&mut self, a: usize) -> String {
        let own: Vec<usize> = (0..self.endpoints.len()).filter(|&e| self.endpoints[e].app == a).collect();
        let e = *self.rng.pick(&own);
        self.endpoints[e].id.clone()
    }

    fn creation(&mut self) -> Call {
        let mut body =
            json!({ "url": format!("https://receiver.example.com/{}", self.rng.below(1_000_000)) });
        let orderly = self.plan.orderly;
        let mut set = |key: &str, value: Json| body[key] = value;
        if orderly {
            set("maxInFlight", json!(1));
        } else {
            for _ in 0..2 {
                let (key, value) = self.some_setting();
                set(key, value);
            }
        }
        call(Op::EndpointCreate, vec![], &body)
    }

    pub(super) fn create_endpoint(&mut self, a: usize) {
        let call = self.creation();
        self.api(a, &call);
    }

    fn some_setting(&mut self) -> (&'static str, Json) {
        let rng = &mut self.rng;
        match rng.below(10) {
            0 => ("filterTypes", json!(rng.pick(&[vec![TYPES[0]], vec![TYPES[1], TYPES[2]], vec![]]))),
            1 => ("channels", json!(rng.pick(&[vec![CHANNELS[0]], vec![CHANNELS[1], CHANNELS[2]], vec![]]))),
            2 => ("rateLimit", json!(rng.pick(&[1, 3, 10]))),
            3 => {
                let window = *rng.pick(&["second", "minute", "hour"]);
                let limit = if window == "hour" { 20 } else { 1 + rng.below(6) };
                ("pace", json!({ "limit": limit, "window": window }))
            }
            4 | 5 => ("maxInFlight", json!(rng.pick(&[1, 2, 5]))),
            6 => (
                "retrySchedule",
                json!(rng.pick(&[vec![], vec![1.0], vec![0.5, 2.0, 60.0], vec![5.0, 300.0]])),
            ),
            7 => ("timeoutSeconds", json!(rng.pick(&[1, 5, 30]))),
            8 => ("headerProfile", json!(rng.pick(&["svix", "both"]))),
            _ => ("description", json!("an endpoint")),
        }
    }

    fn change_endpoint(&mut self, a: usize) {
        let id = self.some_endpoint(a);
        let body = match self.rng.below(6) {
            0..=1 => json!({ "disabled": true }),
            2..=3 => json!({ "disabled": false }),
            4 => json!({ "url": format!("https://receiver.example.com/{}", self.rng.below(1_000_000)) }),
            _ => {
                let (key, value) = self.some_setting();
                json!({ key: value })
            }
        };
        self.api_later(a, Op::EndpointPatch, vec![id], &body);
    }

    fn resend(&mut self, a: usize) {
        let mut ids: Vec<&String> =
            self.messages.iter().filter(|(_, m)| m.app == a).map(|(id, _)| id).collect();
        if ids.is_empty() {
            return;
        }
        ids.sort();
        let message = (*self.rng.pick(&ids)).clone();
        let id = self.some_endpoint(a);
        self.api_later(a, Op::Resend, vec![message, id], &Json::Null);
    }

    fn api_later(&mut self, a: usize, op: Op, params: Vec<String>, body: &Json) {
        self.call_app(a, AppOp::Api(call(op, params, body)), Reply::Nobody);
    }

    /// A call of the API arrives at its App object.
    pub(super) fn api(&mut self, a: usize, call: &Call) {
        let done = self.step_app(a, false, |m, now, rng| {
            let outcome = m.handle(now, rng, call)?;
            Ok(match outcome {
                Some(Outcome::Changed(reply, effects)) => ((Some(reply), None), effects),
                Some(Outcome::Resend(mut plan)) => {
                    let effects = std::mem::take(&mut plan.effects);
                    ((None, Some(plan)), effects)
                }
                _ => ((None, None), weir_core::app::Effects::default()),
            })
        });
        let Some(done) = done else { return };
        if done.committed {
            self.learn(a);
        }
        let reads = done.value.0.is_none();
        let value = if reads { self.finish_reading_app(a, done) } else { self.finish_app(a, done) };
        if let Some((_, Some(plan))) = value
            && let Some(&e) = self.by_id.get(&plan.endpoint_id)
        {
            let delay = self.latency();
            let op = super::world::EndpointOp::Resend(plan.resend);
            self.after(delay, Event::ToEndpoint(e, op, Reply::Nobody));
        }
    }

    /// Reads the configurations that an App object has committed.
    pub(super) fn learn(&mut self, a: usize) {
        let rows = self.apps[a].node.db.query("SELECT id, deleted, record FROM endpoint", &[]);
        for mut row in rows.expect("the endpoints are readable") {
            let id = row.text(0).expect("an id");
            let deleted = row.flag(1).expect("a flag");
            let record: EndpointRecord = decode(&row.blob(2).expect("a record")).expect("a record");
            let e = self.by_id.get(&id).copied().unwrap_or_else(|| self.new_endpoint(a, id));
            let vault = &self.deployment.vault;
            let secret = record.secret(vault).ok().and_then(|text| Secret::parse(&text).ok());
            let endpoint = &mut self.endpoints[e];
            endpoint.deleted |= deleted;
            if endpoint.eras.last().is_none_or(|era| era.version < record.version) {
                endpoint.secrets.extend(secret);
                endpoint.eras.push(Era {
                    from: self.next,
                    version: record.version,
                    filter: record.filter(),
                    disabled: record.content.disabled,
                });
            }
        }
    }

    fn new_endpoint(&mut self, a: usize, id: String) -> usize {
        let e = self.endpoints.len();
        let stays_dead = self.rng.chance(self.plan.stays_dead);
        let dead = *self.rng.pick(&[Mood::Down, Mood::Broken, Mood::Hangs]);
        self.by_id.insert(id.clone(), e);
        self.endpoints.push(EndpointNode {
            node: Node::new(&mut self.rng, self.plan.skew_ms),
            id,
            app: a,
            born: self.next,
            eras: Vec::new(),
            deleted: false,
            secrets: Vec::new(),
            held: None,
            first_config: None,
            most_attempts: 0,
            least_attempts: u32::MAX,
            starts: Vec::new(),
            paced_since: 0,
            in_flight: 0,
            mood: if stays_dead { dead } else { Mood::Well },
            stays_dead,
            slowed: false,
            owed: HashMap::new(),
            made: HashMap::new(),
            results: Vec::new(),
            recorded: 0,
            arrivals: Vec::new(),
            reported: HashSet::new(),
        });
        for _ in 0..self.plan.moods {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Mood(e));
        }
        for _ in 0..self.plan.crashes {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::CrashEndpoint(e));
        }
        e
    }
}

fn call(op: Op, params: Vec<String>, body: &Json) -> Call {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Call { op: op.name().to_owned(), params, query: String::new(), body, ..Call::default() }
}
