//! What clients and providers do: post messages, create, change and delete endpoints, resend.

use super::dice::Dice;
use super::directory::api;
use super::event::{Ask, Event, Reply};
use super::forget::Forgetting;
use super::node::Node;
use super::node::Object;
use super::receiver::Mood;
use super::world::{EndpointNode, Era, Message, Post, World};
use super::{Defect, Rule};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use weir_core::api::call::Call;
use weir_core::api::route::AppOp;
use weir_core::app::EndpointRecord;
use weir_core::filter::parse_channels;
use weir_core::frame::{Accepted, Ingest, IngestAsk, NewMessage, decode};
use weir_core::secret::Secret;
use weir_core::sql::Sql;

const TYPES: [&str; 3] = ["order.paid", "order.sent", "user.gone"];
/// For how long an App object certainly knows a request again.
const NONCE_MS: i64 = 110_000;
const CHANNELS: [&str; 3] = ["north", "south", "east"];

impl World {
    /// One thing that a client of an application does.
    pub(super) fn act(&mut self, a: usize) {
        if self.plan.orderly {
            return self.post(a);
        }
        match self.rng.below(30) {
            13..=16 => self.change_endpoint(a),
            17 => {
                if self.endpoints.iter().filter(|e| e.app == a).count() < 4 {
                    let call = self.creation();
                    self.call(Object::App(a), Ask::Api(call), Reply::Nobody);
                    self.post(a); // at once, with luck
                }
            }
            18 => {
                if let Some(id) = self.some_endpoint(a)
                    && self.rng.chance(0.3)
                {
                    self.api_later(a, AppOp::EndpointDelete, vec![id], &Json::Null);
                }
            }
            19 => {
                if let Some(id) = self.some_endpoint(a) {
                    self.api_later(a, AppOp::SecretRotate, vec![id], &json!({}));
                }
            }
            20..=21 => self.resend(a),
            22..=23 => {
                if !self.endpoints.is_empty() {
                    let e = self.rng.below(self.endpoints.len());
                    self.after(0, Event::Audit(e));
                }
            }
            24..=26 if self.plan.tasks => self.act_on_tasks(a),
            27..=28 if self.plan.expunges => self.expunge(a),
            _ => self.post(a),
        }
    }

    // Messages.

    fn post(&mut self, a: usize) {
        // Now and then much at once, more than goes into the memory of an endpoint.
        let much = self.plan.bursts && self.rng.chance(0.15);
        if much && self.rng.chance(0.5) {
            self.pause_for_a_while(a);
        }
        let count = if much { 30 + self.rng.below(60) } else { 1 + self.rng.below(4) };
        let mut posts: Vec<usize> = (0..count).map(|_| self.new_post(a, true)).collect();
        if self.rng.chance(0.1) && !self.posts.is_empty() {
            // The same request once more, or another under the same key.
            let again = self.rng.below(self.posts.len());
            if self.posts[again].app == a {
                let mut message = self.posts[again].message.clone();
                message.nonce = Some(self.rng.next_u64());
                if message.ingest.is_none() && self.rng.chance(0.3) {
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

    /// An endpoint is paused, and later resumed: then all that has come meanwhile goes at once.
    fn pause_for_a_while(&mut self, a: usize) {
        let Some(id) = self.some_endpoint(a) else { return };
        self.api_later(a, AppOp::EndpointPatch, vec![id.clone()], &json!({ "paused": true }));
        let resume = api(AppOp::EndpointPatch, vec![id], br#"{"paused":false}"#.to_vec());
        let delay = self.rng.between(1_000, 20_000);
        self.after(delay, Event::Call(Object::App(a), Ask::Api(resume), Reply::Nobody, 1));
    }

    pub(super) fn new_post(&mut self, a: usize, various: bool) -> usize {
        let number = self.posts.len();
        let source = self.apps[a].source;
        let channels = if various && !source && self.rng.chance(0.4) {
            let some: Vec<&str> = CHANNELS.into_iter().filter(|_| self.rng.chance(0.4)).collect();
            (!some.is_empty()).then(|| json!(some).to_string())
        } else {
            None
        };
        let key = (various && !source && self.rng.chance(0.4)).then(|| number.to_le_bytes().to_vec());
        let event_id = (various && self.rng.chance(if source { 0.8 } else { 0.2 }))
            .then(|| format!("event-{}", self.rng.below(12)));
        let deliver_at = (various && !source && self.plan.schedules && self.rng.chance(0.2)).then(|| {
            let most = *self.rng.pick(&[2_000, 60_000, 3_600_000, self.plan.latest_ms]);
            self.app_clock(a) + self.rng.between(1_000, most)
        });
        let uid = various && !source && self.plan.directory && self.rng.chance(0.4);
        let message = NewMessage {
            event_type: (*self.rng.pick(&TYPES)).to_owned(),
            payload: format!("{{\"number\":{number}}}").into_bytes().into(),
            event_id,
            channels,
            body_hash: key.as_ref().map(|_| b"hash".to_vec().into()),
            idempotency_key: key.map(Into::into),
            nonce: Some(self.rng.next_u64()),
            app_uid: if uid { self.uid_of(a) } else { None },
            deliver_at,
            ingest: source.then(|| Ingest {
                origin: "{}".to_owned(),
                raw: Some(b"as it came".to_vec().into()),
                dedup_ms: self.plan.dedup_ms,
                rate: None,
            }),
            ..NewMessage::default()
        };
        self.posts.push(Post { app: a, message, told: None, tries: 0 });
        number
    }

    /// Messages arrive at their App object.
    pub(super) fn accept(&mut self, a: usize, posts: Vec<usize>) {
        if !self.calm && self.apps[a].node.on.refuses_until > self.now {
            // The Worker answers 503.
            return self.after(1, Event::Told(posts, None));
        }
        self.delivered(Object::App(a), 1);
        let mut messages: Vec<NewMessage> = posts.iter().map(|&p| self.posts[p].message.clone()).collect();
        if self.defect == Some(Defect::ForgetsKeys) {
            for message in &mut messages {
                message.idempotency_key = None;
                message.event_id = message.event_id.take().filter(|_| self.apps[a].source);
            }
        }
        for message in &mut messages {
            match self.defect {
                Some(Defect::ForgetsEvents) => {
                    message.ingest.iter_mut().for_each(|ingest| ingest.dedup_ms = 1);
                }
                Some(Defect::DeliversEarly) => message.deliver_at = message.deliver_at.map(|at| at - 30_000),
                Some(Defect::ForgetsNonces) => message.nonce = None,
                Some(Defect::ForgetsUids) => message.app_uid = None,
                _ => {}
            }
        }
        let (source, clock) = (self.apps[a].source, self.app_clock(a));
        let done = self.step_app(a, false, |m, now, rng| {
            if source {
                let (told, effects) = m.ingest(now, rng, IngestAsk { messages, rejected: None })?;
                Ok((told.answers, effects))
            } else {
                m.accept(now, rng, messages)
            }
        });
        let mut answers = None;
        if let Some(done) = done {
            if done.committed {
                for (&post, answer) in posts.iter().zip(&done.value) {
                    self.stored(a, post, answer, clock);
                }
            }
            answers = self.finish_app(a, done);
        }
        let delay = self.latency();
        let lost = !self.calm && self.rng.chance(self.plan.answer_lost);
        self.after(delay, Event::Told(posts, if lost { None } else { answers }));
    }

    /// A message was (or was not) stored: what is owed from now on.
    fn stored(&mut self, a: usize, post: usize, answer: &Accepted, clock: i64) {
        let message = self.posts[post].message.clone();
        let key = message.idempotency_key.as_ref().map(|key| (a, key.to_vec()));
        let event_id = message.event_id.clone().map(|event_id| (a, event_id));
        let by_key = key.as_ref().and_then(|key| self.keys.get(key)).cloned();
        let source = self.apps[a].source;
        let by_event = event_id.as_ref().filter(|_| !source);
        let by_event = by_event.and_then(|event_id| self.event_ids.get(event_id)).cloned();
        // The Worker has sent the same request again.
        let before = message.nonce.and_then(|nonce| self.nonces.get(&nonce)).cloned();
        if let (Accepted::Stored { id, .. }, Some((first, _))) = (answer, &before)
            && id == first
        {
            return;
        }
        if source && let Some(event_id) = &event_id {
            self.check_event(event_id, answer, clock);
        }
        match answer {
            Accepted::Stored { replayed: true, .. } if source => {}
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
                if let Some((first, at)) = before
                    && clock - at < NONCE_MS
                    && self.plan.jumps == 0
                {
                    let text = format!("one request is stored as {first}, and again as {id}");
                    self.violate(Rule::Idempotency, text);
                }
                if let Some(nonce) = message.nonce {
                    self.nonces.insert(nonce, (id.clone(), clock));
                }
                let known_as = self.info_of(a).and_then(|info| info.uid);
                if message.app_uid.is_some() && message.app_uid != known_as {
                    let text = format!("{id} is for {:?}, and app {a} is {known_as:?}", message.app_uid);
                    self.violate(Rule::Exists, text);
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
                    accepted_at: self.now,
                    deliver_at: message.deliver_at,
                    forgetting: Forgetting::Kept,
                };
                self.messages.insert(id.clone(), model);
                for e in 0..self.endpoints.len() {
                    self.summary.owed += u64::from(self.must_receive(e, id));
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
            Accepted::Unknown => {
                let info = self.info_of(a);
                let known = info.as_ref().is_some_and(|info| !info.deleted);
                let meant = message.app_uid.is_none_or(|uid| info.and_then(|info| info.uid) == Some(uid));
                if known && meant {
                    self.violate(Rule::Exists, format!("app {a} says that it is not the one that was meant"));
                }
                self.resolve(a);
            }
            Accepted::Full if self.apps[a].node.on.db.is_full() => {}
            Accepted::Full | Accepted::Failed | Accepted::Limited { .. } | Accepted::Overloaded => {
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
                // The Worker repeats a call that failed, and says that it is the same one.
                if !post.tries.is_multiple_of(3) && post.tries < 10 {
                    let a = post.app;
                    let delay = self.rng.between(50, 200);
                    self.after(delay, Event::Post(a, vec![p]));
                    continue;
                }
                post.message.nonce = Some(self.rng.next_u64());
                if (post.message.idempotency_key.is_some() || post.message.ingest.is_some())
                    && post.tries < 10
                {
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

    /// An event came in at a source: it is stored once within the window.
    fn check_event(&mut self, event_id: &(usize, String), answer: &Accepted, clock: i64) {
        let Accepted::Stored { id, replayed, .. } = answer else { return };
        let before = self.came.get(event_id).cloned();
        let remembered = before.as_ref().filter(|(at, _)| clock - at < self.plan.dedup_ms);
        let right = match (replayed, remembered) {
            (true, Some((_, first))) => first == id,
            (true, None) => false,
            // Where the clock went back, what came since lies in the future.
            (false, remembered) => remembered.is_none(),
        };
        if !right {
            let text = format!("{event_id:?} is stored as {id} (repeated: {replayed}), before: {before:?}");
            self.violate(Rule::Idempotency, text);
        }
        if !replayed {
            self.came.insert(event_id.clone(), (clock, id.clone()));
        }
    }

    pub(super) fn some_message(&mut self, a: usize) -> Option<String> {
        let mut ids: Vec<&String> =
            self.messages.iter().filter(|(_, m)| m.app == a).map(|(id, _)| id).collect();
        ids.sort();
        let at = self.rng.below(ids.len());
        ids.get(at).map(|id| (*id).clone())
    }

    // Endpoints.

    pub(super) fn some_endpoint(&mut self, a: usize) -> Option<String> {
        let own: Vec<usize> = (0..self.endpoints.len()).filter(|&e| self.endpoints[e].app == a).collect();
        let at = self.rng.below(own.len());
        own.get(at).map(|&e| self.endpoints[e].id.clone())
    }

    fn creation(&mut self) -> Call<AppOp> {
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
        api(AppOp::EndpointCreate, vec![], body.to_string().into_bytes())
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
                ("throttle", json!({ "limit": limit, "window": window }))
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
        let Some(id) = self.some_endpoint(a) else { return };
        let body = match self.rng.below(9) {
            0..=1 => json!({ "disabled": true }),
            2..=3 => json!({ "disabled": false }),
            4 => json!({ "url": format!("https://receiver.example.com/{}", self.rng.below(1_000_000)) }),
            5 => json!({ "paused": true }),
            6..=7 => json!({ "paused": false }),
            _ => {
                let (key, value) = self.some_setting();
                json!({ key: value })
            }
        };
        self.api_later(a, AppOp::EndpointPatch, vec![id], &body);
    }

    fn resend(&mut self, a: usize) {
        let (message, endpoint) = (self.some_message(a), self.some_endpoint(a));
        if let (Some(message), Some(endpoint)) = (message, endpoint) {
            self.api_later(a, AppOp::Resend, vec![message, endpoint], &Json::Null);
        }
    }

    pub(super) fn api_later(&mut self, a: usize, op: AppOp, params: Vec<String>, body: &Json) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.call(Object::App(a), Ask::Api(api(op, params, body)), Reply::Nobody);
    }

    /// Reads the configurations that an App object has committed.
    pub(super) fn learn(&mut self, a: usize) {
        if self.info_of(a).is_none() {
            return;
        }
        let rows = self.apps[a].node.on.db.query("SELECT id, deleted, record FROM endpoint", &[]);
        for mut row in rows.expect("the endpoints are readable") {
            let id = row.text(0).expect("an id");
            let deleted = row.flag(1).expect("a flag");
            let record: EndpointRecord = decode(&row.blob(2).expect("a record")).expect("a record");
            let e = self.by_id.get(&id).copied().unwrap_or_else(|| self.new_endpoint(a, id.clone()));
            let vault = &self.deployment.vault;
            let secret = record.secret(&id, vault).ok().and_then(|text| Secret::parse(&text).ok());
            let endpoint = &mut self.endpoints[e];
            endpoint.deleted |= deleted;
            if endpoint.eras.last().is_none_or(|era| era.version < record.version) {
                endpoint.secrets.extend(secret);
                endpoint.eras.push(Era {
                    from: self.next,
                    since: self.now,
                    version: record.version,
                    filter: record.filter(),
                    disabled: record.content.disabled,
                    stopped: !record.content.sends(),
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
            node: Node::new(&mut self.rng, self.plan.skew_ms, self.defect == Some(Defect::SendsWhenFull)),
            id,
            app: a,
            born: self.next,
            eras: Vec::new(),
            deleted: false,
            deleted_alone: false,
            erased: false,
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
            by_hand: HashMap::new(),
            resends: HashMap::new(),
            sent_when_full: HashSet::new(),
        });
        for _ in 0..self.plan.moods {
            let at = self.rng.between(0, self.plan.chaos_ms);
            self.at(at, Event::Mood(e));
        }
        self.plan_crashes(Object::Endpoint(e));
        e
    }
}
