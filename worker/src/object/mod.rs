//! The Durable Objects: each is a shell around a state machine of the core.
//!
//! A shell does the same for every call: open the state machine over the object's storage if it is not open,
//! run one step of it within a transaction, and carry out the effects. Because the step and its writes are one
//! synchronous turn, the platform's output gate holds every effect back until the writes are durable. Where a
//! step fails, its writes are undone and the state machine is dropped; the next call opens it again.

pub(crate) mod app;
pub(crate) mod directory;
pub(crate) mod endpoint;

pub(crate) use directory::admit;

use crate::js::{self, Context, Storage, Timer, now};
use crate::sql::DurableSql;
use js_sys::{Promise, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use weir_core::budget::Budget;
use weir_core::commit;
use weir_core::deployment::Deployment;
use weir_core::sql::{Sql, SqlError};
use weir_core::wire::name::ObjectName;
use weir_core::wire::{self, Operation};
use worker::console_error;

/// Opens a state machine over the object's storage, with the object's budget, at this time, with the platform's alarm set to
/// that.
type Open<M> = fn(DurableSql, Rc<Deployment>, Rc<Budget>, i64, Option<i64>) -> Result<M, SqlError>;

/// How long a group commit waits under load.
const GROUP_MS: i64 = 2;
/// Load lasts for so many commits after one of several items.
const CROWDED_FOR: u8 = 4;

/// What the shells have in common: `M` is the state machine, `N` the object's name.
pub(crate) struct Shell<M, N> {
    pub(crate) env: JsValue,
    pub(crate) deployment: Rc<Deployment>,
    /// The object's name, as its callers know it.
    pub(crate) name: N,
    /// What it may still ask of the platform.
    pub(crate) budget: Rc<Budget>,
    pub(crate) timer: Timer,
    storage: Storage,
    sql: DurableSql,
    machine: RefCell<Option<M>>,
    /// For how many more group commits there is load.
    crowded: Cell<u8>,
    /// Counts openings.
    opened: Cell<u32>,
    open: Open<M>,
}

impl<M, N: ObjectName> Shell<M, N> {
    pub(crate) fn new(context: JsValue, env: JsValue, open: Open<M>) -> Result<Self, String> {
        let context: Context = context.unchecked_into();
        let deployment = crate::settings::of(&env)?;
        let storage = context.storage();
        let name = context.id().name().unwrap_or_default();
        let name = N::parse(&name).ok_or_else(|| format!("`{name}` is not the name of such an object"))?;
        Ok(Self {
            env,
            deployment,
            name,
            budget: Rc::default(),
            timer: Timer::default(),
            sql: DurableSql::new(storage.clone()),
            storage,
            machine: RefCell::new(None),
            crowded: Cell::new(0),
            opened: Cell::new(0),
            open,
        })
    }

    /// Which opening this is. What one opening asked must not be answered to another: it did not ask, and would take
    /// the answer for one to its own question.
    fn opening(&self) -> u32 {
        self.opened.get()
    }

    /// Opens the state machine if it is not, and says whether it had to: then a step must follow that repairs the
    /// alarm. `in_alarm`: the platform's alarm has just gone off.
    async fn opened(&self, in_alarm: bool) -> Result<bool, String> {
        if self.machine.borrow().is_some() {
            return Ok(false);
        }
        let alarm = if in_alarm {
            None
        } else {
            let at = JsFuture::from(self.storage.get_alarm()).await.map_err(|e| js::text_of(&e))?;
            #[allow(clippy::cast_possible_truncation)] // milliseconds, far below 2^53
            at.as_f64().map(|at| at as i64)
        };
        // Another call may have opened it meanwhile.
        let closed = self.machine.borrow().is_none();
        if closed {
            let (deployment, budget) = (self.deployment.clone(), self.budget.clone());
            let machine =
                (self.open)(self.sql.clone(), deployment, budget, now(), alarm).map_err(|e| e.to_string())?;
            *self.machine.borrow_mut() = Some(machine);
            self.opened.set(self.opened.get().wrapping_add(1));
        }
        Ok(closed)
    }

    /// Runs one step of the state machine, which must be open, in one transaction.
    fn step<T>(&self, work: impl FnOnce(&mut M) -> Result<T, SqlError>) -> Result<T, String> {
        self.run(|machine| self.sql.transaction(|| work(machine)))
    }

    /// Runs a step that writes nothing, or nothing that must be undone when it fails. Even an empty transaction
    /// closes the output gate until it is committed, and every request that leaves waits for that.
    fn light_step<T>(&self, work: impl FnOnce(&mut M) -> Result<T, SqlError>) -> Result<T, String> {
        self.run(work)
    }

    fn run<T>(&self, work: impl FnOnce(&mut M) -> Result<T, SqlError>) -> Result<T, String> {
        let mut slot = self.machine.try_borrow_mut().map_err(|_| "a step within a step".to_owned())?;
        let Some(machine) = slot.as_mut() else { return Err("the object is not open".to_owned()) };
        match work(machine) {
            Ok(value) => Ok(value),
            Err(error) => {
                console_error!("{}: {error}", self.name);
                *slot = None;
                Err(error.to_string())
            }
        }
    }

    /// Deletes everything that the object stores, its alarm too, and runs `after` before anything else can happen. What
    /// was asked before is answered to nobody.
    async fn erase(&self, after: impl FnOnce(&DurableSql) -> Result<(), SqlError>) -> Result<(), String> {
        *self.machine.try_borrow_mut().map_err(|_| "erased within a step".to_owned())? = None;
        self.opened.set(self.opened.get().wrapping_add(1));
        self.timer.stop();
        let erased = self.storage.delete_all().map_err(|e| js::text_of(&e))?;
        after(&self.sql).map_err(|e| e.to_string())?;
        JsFuture::from(erased).await.map(drop).map_err(|e| js::text_of(&e))
    }

    /// Waits until everything written so far is durable: the end of a group commit of `count` items. While groups have several
    /// items, there is load, and a moment more makes the next group larger and the commits fewer. One client that sends one
    /// message after the other never waits for that.
    async fn durable(&self, count: usize) {
        let crowded = if count > 1 { CROWDED_FOR } else { self.crowded.get() };
        self.crowded.set(crowded.saturating_sub(1));
        if crowded > 0 {
            js::pause(GROUP_MS).await;
        }
        // Where it fails, the platform resets the object, and this code does not go on anyway.
        let _ = JsFuture::from(self.storage.sync()).await;
    }

    /// Accepting must not starve delivering: where messages come faster than they are committed, the next commit waits in
    /// proportion to how many wait for it, and what is under way moves on. (Not by how late a timer is: the platform's clock
    /// shows no such thing.)
    async fn give_way(&self, count: usize, waiting: impl Fn() -> usize) {
        if count > 1 {
            js::pause(1).await;
            let ms = commit::give_way_ms(waiting());
            if ms > 0 {
                js::pause(ms).await;
            }
        }
    }

    /// Begins a call of another object, one deeper than this object's latest event. The request need not be kept until the
    /// response. State machines count their own calls.
    fn begin_call<O: Operation>(&self, name: &O::Object, request: &O::Request) -> Result<Promise, String> {
        let frame = wire::request::<O>(request);
        js::begin_call_at::<O>(self.budget.next_depth(), &self.env, name, &frame, js::Repeat::Never)
    }

    /// Calls another object.
    async fn call<O: Operation>(
        &self,
        name: &O::Object,
        request: &O::Request,
    ) -> Result<O::Response, String> {
        js::response_to::<O>(self.begin_call::<O>(name, request)?).await
    }

    /// The value, or none and a line in the log.
    fn logged<T>(&self, result: Result<T, String>) -> Option<T> {
        result.map_err(|error| console_error!("{}: {error}", self.name)).ok()
    }

    /// Sets or stops the timer, as effects say.
    fn set_timer(&self, at: Option<i64>, cancel: bool) {
        match at {
            Some(at) => self.timer.set(at.saturating_sub(now())),
            None if cancel => self.timer.stop(),
            None => {}
        }
    }

    fn set_alarm(&self, at: i64) {
        #[allow(clippy::cast_precision_loss)] // milliseconds, far below 2^53
        let set = self.storage.set_alarm(at as f64);
        if let Err(error) = set {
            console_error!("{}: setAlarm: {}", self.name, js::text_of(&error));
        }
    }
}

/// The bytes of a frame for JavaScript.
fn bytes(frame: &[u8]) -> JsValue {
    Uint8Array::from(frame).into()
}

/// An error as a JavaScript error.
pub(crate) fn failed(text: &str) -> JsValue {
    js_sys::Error::new(text).into()
}
