//! The Directory object's shell.

use super::{Shell, bytes, failed};
use crate::engine;
use crate::js::now;
use futures_util::future::join_all;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use weir_core::api::call::{Call, Reply};
use weir_core::api::model::plugin::MAX_MODULE;
use weir_core::api::route::DirectoryOp;
use weir_core::budget::ALARM_DEPTH;
use weir_core::directory::{self, Admitted, Effect, MAX_REWRITTEN, Outcome, Refused, UsageBatch};
use weir_core::frame::{self, AppInit, PluginModule, PluginModuleAsk, PluginNotice, PluginUpload};
use weir_core::rng::System;
use weir_core::sql::SqlError;
use weir_core::wire::name::{AppName, DirectoryName};
use weir_core::wire::{self, Operation};
use weir_plugin_host::Refusal;
use weir_plugin_host::admission::{self, ModuleLimits};
use weir_plugin_host::meter::PASS_VERSION;
use worker::console_error;

type Machine = directory::Directory<crate::sql::DurableSql>;

/// How long to wait when the alarm itself failed.
const RETRY_MS: i64 = 10_000;

/// One tenant's applications, event types and plugins: see [`directory::Directory`].
#[wasm_bindgen]
pub struct Directory(Rc<Inner>);

struct Inner {
    shell: Shell<Machine, DirectoryName>,
}

#[wasm_bindgen]
impl Directory {
    /// Called by the platform.
    #[wasm_bindgen(constructor)]
    pub fn new(context: JsValue, env: JsValue) -> Result<Directory, JsValue> {
        let open = |sql, _, _, now, _| {
            let mut machine = directory::Directory::open(sql, now)?;
            machine.bundle(engine::bundled());
            Ok(machine)
        };
        let shell = Shell::new(context, env, open).map_err(|e| failed(&e))?;
        Ok(Directory(Rc::new(Inner { shell })))
    }

    /// One call of another object or of the Worker.
    pub async fn call(&self, op: String, frame: Vec<u8>, depth: u32) -> Result<JsValue, JsValue> {
        let this = Directory(self.0.clone());
        this.0.shell.budget.delivered(depth);
        let served = async {
            this.0.shell.opened(false).await?;
            wire::directory::serve(&this, &op, &frame).await
        };
        served.await.map(|frame| bytes(&frame)).map_err(|e| failed(&e))
    }

    /// Called by the platform. Never fails: the platform drops an alarm that does.
    pub async fn alarm(&self) {
        let inner = self.0.clone();
        inner.shell.budget.delivered(ALARM_DEPTH);
        if let Err(error) = inner.repeat().await {
            console_error!("{}: alarm: {error}", inner.shell.name);
            inner.shell.set_alarm(now().saturating_add(RETRY_MS));
        }
    }
}

/// Judges a module, and rewrites it so that it counts its fuel.
pub(crate) fn admit(bytes: &[u8]) -> Result<Admitted, Refused> {
    let limits = ModuleLimits { bytes: MAX_MODULE, metered_bytes: MAX_REWRITTEN, ..ModuleLimits::default() };
    let refused =
        |refusal: Refusal| Refused { code: refusal.code().to_owned(), sentence: refusal.to_string() };
    let admitted = admission::admit(bytes, &limits).map_err(refused)?;
    let manifest = admitted.manifest.as_ref().and_then(|manifest| serde_json::to_string(manifest).ok());
    let metered = admitted.meter().map_err(refused)?;
    // What no event should be the first to find out.
    engine::check(&metered.bytes).map_err(|why| Refused {
        code: "engine".to_owned(),
        sentence: format!(
            "The engine that would run this plugin does not take it: {why}. Build it with smaller functions."
        ),
    })?;
    Ok(Admitted { rewritten: metered.bytes, pass: i64::from(metered.pass), manifest })
}

/// What failed in the middle is undone: the object answers with the error, and the Worker says what that means.
fn done(outcome: Outcome) -> Result<Outcome, SqlError> {
    match outcome.reply.failure() {
        Some(why) => Err(SqlError(why.to_owned())),
        None => Ok(outcome),
    }
}

impl wire::directory::Server for Directory {
    async fn api(&self, call: Call<DirectoryOp>) -> Result<Reply, String> {
        let Self(inner) = self;
        let mut outcome = inner.shell.step(|m| done(m.handle(now(), &mut System, &call)))?;
        if call.op == DirectoryOp::PluginModule && outcome.reply.status == 200 {
            outcome.reply = inner.up_to_date(&call, outcome.reply)?;
        }
        inner.finish(outcome).await
    }

    async fn upload_plugin(&self, upload: PluginUpload) -> Result<Reply, String> {
        let Self(inner) = self;
        // Judging and rewriting a module takes most of the time of an upload: before the transaction.
        let admitted = admit(&upload.module);
        let limits = inner.shell.deployment.plugins;
        let outcome = inner.shell.step(|m| done(m.upload(now(), &limits, &upload, admitted)))?;
        inner.finish(outcome).await
    }
}

impl Inner {
    /// Carries out what a call has led to, and gives its reply.
    async fn finish(self: &Rc<Self>, outcome: Outcome) -> Result<Reply, String> {
        let Outcome { reply, before_reply, alarm } = outcome;
        if let Some(at) = alarm {
            self.shell.set_alarm(at);
        }
        self.carry_out(before_reply).await?;
        Ok(reply)
    }

    /// Repeats what App objects have not acknowledged.
    async fn repeat(self: &Rc<Self>) -> Result<(), String> {
        self.shell.opened(true).await?;
        let wake = self.shell.step(|m| m.alarm(now()))?;
        if let Some(at) = wake.alarm {
            self.shell.set_alarm(at);
        }
        self.carry_out(wake.effects).await
    }

    async fn carry_out(self: &Rc<Self>, effects: Vec<Effect>) -> Result<(), String> {
        let told = join_all(effects.into_iter().map(|effect| self.tell(effect))).await;
        told.into_iter().collect()
    }

    async fn tell(self: &Rc<Self>, effect: Effect) -> Result<(), String> {
        let org = self.shell.name.org.clone();
        let init = match &effect {
            Effect::InitApp { app_id, uid, version, rate, send_as } => AppInit {
                org,
                app_id: app_id.clone(),
                uid: uid.clone(),
                version: *version,
                deleted: false,
                rate: *rate,
                send_as: send_as.clone(),
            },
            // Nothing comes after a deletion.
            Effect::DeleteApp { app_id } => AppInit {
                org,
                app_id: app_id.clone(),
                uid: None,
                version: i64::MAX,
                deleted: true,
                rate: None,
                send_as: None,
            },
            Effect::TellOfPlugin { app_id, notice } => return self.tell_of_plugin(app_id, notice).await,
            Effect::AskUsage(batch) => return self.ask_usage(batch).await,
        };
        let told = self.call_app::<wire::app::Init>(&init.app_id.clone(), &init).await;
        let done = told.is_some_and(|told| told.done);
        self.opened_step(|m| m.done(now(), &effect, done)).await?;
        if let Some(kept) = self.shell.light_step(Machine::to_wipe)? {
            self.shell.erase(|sql| directory::restore(sql, now(), kept)).await?;
        }
        Ok(())
    }

    async fn tell_of_plugin(self: &Rc<Self>, app_id: &str, notice: &PluginNotice) -> Result<(), String> {
        let uses = self.call_app::<wire::app::NotePlugin>(app_id, notice).await;
        self.opened_step(|m| m.told_of_plugin(now(), app_id, notice, uses.as_ref())).await
    }

    /// One batch of a count over all applications.
    async fn ask_usage(self: &Rc<Self>, batch: &UsageBatch) -> Result<(), String> {
        let asks = batch.apps.iter().map(|app| self.call_app::<wire::app::Usage>(&app.id, &batch.ask));
        let told: Option<Vec<_>> = join_all(asks).await.into_iter().collect();
        self.opened_step(|m| m.told_usage(now(), batch, told.as_deref())).await
    }

    async fn call_app<O: Operation<Object = AppName>>(
        &self,
        app_id: &str,
        request: &O::Request,
    ) -> Option<O::Response> {
        let name = self.shell.name.app(app_id);
        self.shell.budget.count_call();
        let called = self.shell.call::<O>(&name, request).await;
        called.map_err(|error| console_error!("{name}: {error}")).ok()
    }

    /// A step that gives the next alarm. A storage error elsewhere may have closed the object meanwhile.
    async fn opened_step(
        &self,
        work: impl FnOnce(&mut Machine) -> Result<Option<i64>, SqlError>,
    ) -> Result<(), String> {
        self.shell.opened(false).await?;
        if let Some(at) = self.shell.step(work)? {
            self.shell.set_alarm(at);
        }
        Ok(())
    }

    /// A module that an older release's pass has rewritten is rewritten again, so that fuel means the same
    /// everywhere. One that is not admitted any more stays as it is.
    fn up_to_date(&self, call: &Call<DirectoryOp>, reply: Reply) -> Result<Reply, String> {
        let module: PluginModule = frame::decode(&reply.body)?;
        if module.pass == i64::from(PASS_VERSION) {
            return Ok(reply);
        }
        let ask: PluginModuleAsk = frame::decode(&call.body)?;
        let params = vec![ask.name.clone(), module.version.clone()];
        let wasm = Call { params, ..Call::new(DirectoryOp::VersionWasm) };
        let uploaded = self.shell.light_step(|m| Ok(m.handle(now(), &mut System, &wasm)))?.reply;
        let Ok(admitted) = admit(&uploaded.body) else { return Ok(reply) };
        self.shell.step(|m| m.rewritten(&ask.name, &module.version, &admitted))?;
        let outcome = self.shell.light_step(|m| Ok(m.handle(now(), &mut System, call)))?;
        Ok(outcome.reply)
    }
}
