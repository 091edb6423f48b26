//! The Directory object's shell.

use super::{Shell, bytes, failed};
use crate::js;
use crate::js::{Random, now};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use weir_core::api::call::Call;
use weir_core::directory::{self, Effect};
use weir_core::frame::{self, AppInit};
use worker::console_error;

type Machine = directory::Directory<crate::sql::DurableSql>;

/// How long to wait when the alarm itself failed.
const RETRY_MS: i64 = 10_000;

/// One tenant's applications and event types: see [`directory::Directory`].
#[wasm_bindgen]
pub struct Directory(Rc<Inner>);

struct Inner {
    shell: Shell<Machine>,
}

#[wasm_bindgen]
impl Directory {
    /// Called by the platform.
    #[wasm_bindgen(constructor)]
    pub fn new(context: JsValue, env: JsValue) -> Result<Directory, JsValue> {
        let open = |sql, _, now, _| directory::Directory::open(sql, now);
        let shell = Shell::new(context, env, open).map_err(|e| failed(&e))?;
        Ok(Directory(Rc::new(Inner { shell })))
    }

    /// One call of another object or of the Worker.
    pub async fn call(&self, op: String, frame: Vec<u8>) -> Result<JsValue, JsValue> {
        let inner = self.0.clone();
        inner.call(&op, &frame).await.map_err(|e| failed(&e))
    }

    /// Called by the platform. Never fails: the platform drops an alarm that does.
    pub async fn alarm(&self) {
        let inner = self.0.clone();
        if let Err(error) = inner.repeat().await {
            console_error!("{}: alarm: {error}", inner.shell.name);
            inner.shell.set_alarm(now().saturating_add(RETRY_MS));
        }
    }
}

impl Inner {
    async fn call(self: Rc<Self>, op: &str, frame: &[u8]) -> Result<JsValue, String> {
        self.shell.opened(false).await?;
        match op {
            "api" => {
                let call: Call = frame::decode(frame)?;
                let outcome = self.shell.step(|m| Ok(m.handle(now(), &mut Random, &call)))?;
                if let Some(at) = outcome.alarm {
                    self.shell.set_alarm(at);
                }
                self.carry_out(outcome.before_reply).await?;
                Ok(bytes(&outcome.reply))
            }
            other => Err(format!("unknown call {other}")),
        }
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
        for effect in effects {
            let (app_id, uid, version, deleted) = match &effect {
                Effect::InitApp { app_id, uid, version } => (app_id, uid.clone(), *version, false),
                // Nothing comes after a deletion.
                Effect::DeleteApp { app_id } => (app_id, None, i64::MAX, true),
            };
            let init =
                AppInit { org: self.shell.name.clone(), app_id: app_id.clone(), uid, version, deleted };
            let name = format!("{}/{app_id}", self.shell.name);
            let told = js::call(&self.shell.env, "APP", &name, "init", &frame::encode(&init)).await;
            if let Err(error) = &told {
                console_error!("{name}: {error}");
            }
            let alarm = self.shell.step(|m| m.done(now(), &effect, told.is_ok()))?;
            if let Some(at) = alarm {
                self.shell.set_alarm(at);
            }
        }
        Ok(())
    }
}
