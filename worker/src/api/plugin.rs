//! Plugins: what takes more than one object to answer.

use super::{Caller, Request, internal, no_app};
use crate::directory;
use crate::engine::{self, Place};
use crate::js::now;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use weir_core::api::body::Faults;
use weir_core::api::call::{Call, Reply};
use weir_core::api::model::plugin::TestIn;
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::error::{ApiError, Code};
use weir_core::frame::{self, Outgoing, ResolvedPlugins};
use weir_core::id;
use weir_core::plugin::{Attached, BUNDLED, OnError, Subject, config_fault, report};
use weir_core::query::Query;
use worker::console_error;

/// How often plugins are resolved again because they were changed meanwhile.
const TRIES: usize = 8;

impl Caller {
    /// Attaches plugins to an endpoint: the Directory resolves them and notes where they may be, the App stores them,
    /// and is then asked where they are. What fails in between leaves only notes too many, which the Directory finds.
    pub(super) async fn put_plugins(&self, mut request: Request<'_>) -> Result<Reply, ApiError> {
        let body = std::mem::take(&mut request.body);
        let app = &std::mem::take(&mut request.app_key);
        request.query = Query::default();
        let endpoint = self.call(AppOp::EndpointGet, request);
        let found = self.ask_app(app, &endpoint).await?;
        if found.status != 200 {
            return Ok(found);
        }
        let endpoint_id = text_of(&found, "id")?;
        let app_id = self.resolve(app, false).await?.0.ok_or_else(no_app)?;
        let mut refused = Reply::empty(409);
        for _ in 0..TRIES {
            let params = vec![app_id.clone(), endpoint_id.clone()];
            let resolved = self.ask_store(DirectoryOp::PluginAttach, params, body.clone()).await?;
            if resolved.status != 200 {
                return Ok(resolved);
            }
            let ResolvedPlugins { seq, plugins } = frame::decode(&resolved.body).map_err(internal)?;
            self.try_configurations(&app_id, &endpoint_id, &plugins).await?;
            let put = Call {
                params: vec![endpoint_id.clone()],
                body: resolved.body,
                app_scope: endpoint.app_scope,
                ..Call::new(AppOp::PluginsPut)
            };
            let stored = self.ask_app(app, &put).await?;
            if stored.status == 409 && text_of(&stored, "code")? == Code::ConcurrentUpdate.name() {
                refused = stored;
                continue;
            }
            let params = vec![app_id.clone(), seq.to_string()];
            if let Err(error) = self.ask_store(DirectoryOp::PluginSettle, params, Vec::new()).await {
                console_error!("{app_id}: {error}"); // the Directory's alarm does it later
            }
            return Ok(stored);
        }
        Ok(refused)
    }

    /// Runs each plugin once on a made-up event, and refuses a configuration that can never work: every delivery would be
    /// held by it.
    async fn try_configurations(
        &self,
        app_id: &str,
        endpoint_id: &str,
        plugins: &[Attached],
    ) -> Result<(), ApiError> {
        let mut faults = Faults::default();
        for (at, plugin) in plugins.iter().enumerate() {
            let org = &self.claims.org;
            let place =
                Place { org, app_id, endpoint_id, msg_id: "msg_test", accepted_at: now(), attempt: 1 };
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            let subject = Subject { event_type: "test.event".to_owned(), headers, body: b"{}".to_vec() };
            // A module that cannot be asked for now is none of the caller's fault.
            let Ok(ran) = engine::run(&self.env, &place, plugins, plugin, &subject).await else { continue };
            if let Some(why) = config_fault(plugin.clone(), subject, ran) {
                faults.add(&["plugins", &at.to_string(), "config"], why);
            }
        }
        faults.into_result()
    }

    /// Deletes a plugin or a version. Where it seems to be attached, the applications are asked first.
    pub(super) async fn delete_plugin(
        &self,
        op: DirectoryOp,
        mut request: Request<'_>,
    ) -> Result<Reply, ApiError> {
        request.body.clear();
        if !request.query.flag("force")?.unwrap_or(false) {
            let name = request.param(0).to_owned();
            self.ask_store(DirectoryOp::PluginVerify, vec![name], Vec::new()).await?;
        }
        self.pass_to_directory(op, request).await
    }

    /// Runs a plugin on one event, and delivers nothing.
    pub(super) async fn test_plugin(&self, name: &str, body: &[u8]) -> Result<Reply, ApiError> {
        let test = TestIn::parse(body)?;
        let org = &self.claims.org;
        let (version, manifest) = self.tested_version(name, test.version.as_deref()).await?;
        test.check_config(manifest.as_deref())?;
        let (mut app_id, mut msg_id) = ("app_test".to_owned(), "msg_test".to_owned());
        let subject = match (&test.event, &test.message_id, &test.app_id) {
            (Some(event), ..) => event.subject(),
            (None, Some(message), Some(app)) => {
                let params = vec![message.clone()];
                // Byte for byte, as a delivery would have it.
                let call = Call { params, ..Call::new(AppOp::MessageDelivered) };
                let reply = self.ask_app(app, &call).await?;
                if reply.status != 200 {
                    return Ok(reply);
                }
                let message: Outgoing = frame::decode(&reply.body).map_err(internal)?;
                msg_id.clone_from(&message.id);
                app_id = self.resolve(app, false).await?.0.ok_or_else(no_app)?;
                Subject::of_message(
                    message.event_type,
                    message.headers.unwrap_or_default(),
                    message.payload.to_vec(),
                )
            }
            _ => return Err(internal("a test of nothing".to_owned())),
        };
        let accepted_at = id::millis(id::MESSAGE, &msg_id).unwrap_or_else(now);
        let endpoint_id = "ep_test";
        let place = Place { org, app_id: &app_id, endpoint_id, msg_id: &msg_id, accepted_at, attempt: 1 };
        let plugin = Attached {
            name: name.to_owned(),
            version,
            pinned: true,
            config: test.config().map(str::to_owned),
            on_error: OnError::Hold,
        };
        let chain = std::slice::from_ref(&plugin);
        let ran = engine::run(&self.env, &place, chain, &plugin, &subject).await.map_err(internal)?;
        Ok(Reply::json(200, &report(plugin, subject, ran)))
    }

    /// The version that a test means, and its manifest: the tenant's own plugin, else the bundled one of that name.
    async fn tested_version(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<(String, Option<String>), ApiError> {
        if version != Some(BUNDLED) {
            let own = directory::module(&self.env, &self.claims.org, name, version)
                .await
                .map_err(ApiError::from)?;
            if let Some(module) = own {
                engine::keep(&self.env, &module);
                return Ok((module.version, module.manifest));
            }
        }
        let bundled = engine::bundled();
        let version = version.unwrap_or(BUNDLED);
        let found = bundled.iter().find(|it| it.name == name && it.is_version(version));
        let found = found.ok_or_else(|| ApiError::not_found("Plugin or version"))?;
        Ok((BUNDLED.to_owned(), found.manifest.as_ref().map(|manifest| manifest.get().to_owned())))
    }

    async fn ask_store(
        &self,
        op: DirectoryOp,
        params: Vec<String>,
        body: Vec<u8>,
    ) -> Result<Reply, ApiError> {
        let call = Call { params, body, ..Call::new(op) };
        directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)
    }
}

/// A text field of an object's JSON answer.
fn text_of(reply: &Reply, field: &str) -> Result<String, ApiError> {
    // Of an answer with a payload, only this field is read: not every payload can be.
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
    let text = members.get(field).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    text.ok_or_else(|| internal(format!("an answer without {field}")))
}
