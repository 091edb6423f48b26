//! Endpoints that follow a plugin run its next version at once, so the version is first tested with their
//! configurations.

use super::{Caller, Request, internal};
use crate::directory;
use crate::engine::{self, Place};
use crate::js::now;
use crate::object::admit;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use weir_core::api::body::Faults;
use weir_core::api::call::{Call, Reply, from_bytes};
use weir_core::api::model::plugin::{CurrentIn, check_config, config_schema};
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::error::{ApiError, Code};
use weir_core::frame::{PluginFollowers, PluginModule, PluginUpload};
use weir_core::plugin::{Attached, OnError, Subject, config_fault};
use weir_core::query::Query;

/// The maximum number of endpoints that a response names.
const NAMED: usize = 5;

#[derive(serde::Deserialize)]
struct Chain {
    plugins: Vec<Link>,
}

#[derive(serde::Deserialize)]
struct Link {
    name: String,
    version: Option<String>,
    #[serde(default)]
    config: Option<Box<RawValue>>,
}

impl Caller {
    /// Uploads a version, which becomes current: unless an endpoint that follows the plugin could not work with it.
    pub(super) async fn upload_plugin(&self, request: Request<'_>) -> Result<Reply, ApiError> {
        let name = request.param(0).to_owned();
        if !is_forced(&request.query)? {
            let followers = self.followers(&name).await?;
            // What is not admitted, the Directory refuses.
            if !followers.is_empty()
                && let Some(module) = uploaded(&request.body)
            {
                self.try_followers(&name, &module, &followers).await?;
            }
        }
        let upload = PluginUpload { name, module: request.body.into() };
        directory::upload(&self.env, &self.claims.org, &upload).await.map_err(ApiError::from)
    }

    /// Chooses the current version, unless an endpoint that follows the plugin could not work with it.
    pub(super) async fn set_current_version(&self, request: Request<'_>) -> Result<Reply, ApiError> {
        let name = request.param(0);
        if !is_forced(&request.query)? {
            let followers = self.followers(name).await?;
            if !followers.is_empty() {
                let version = CurrentIn::parse(&request.body)?.version;
                // A version that there is not, the Directory refuses.
                if let Some(module) =
                    directory::module(&self.env, &self.claims.org, name, Some(&version)).await?
                {
                    self.try_followers(name, &module, &followers).await?;
                }
            }
        }
        self.pass_to_directory(DirectoryOp::PluginCurrent, request).await
    }

    async fn followers(&self, name: &str) -> Result<Vec<(String, String)>, ApiError> {
        let call = Call { params: vec![name.to_owned()], ..Call::new(DirectoryOp::PluginFollowers) };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await?;
        Ok(from_bytes::<PluginFollowers>(&reply.body)?.endpoints)
    }

    async fn try_followers(
        &self,
        name: &str,
        module: &PluginModule,
        followers: &[(String, String)],
    ) -> Result<(), ApiError> {
        engine::keep(&self.env, module);
        let mut unfit = Vec::new();
        for (app_id, endpoint_id) in followers {
            let call = Call { params: vec![endpoint_id.clone()], ..Call::new(AppOp::PluginsGet) };
            // An application that cannot be reached, or is gone, does not block a new version.
            let Ok(reply) = self.ask_app(app_id, &call).await else { continue };
            let Ok(chain) = serde_json::from_slice::<Chain>(&reply.body) else { continue };
            let follows = |link: &&Link| link.name == name && link.version.is_none();
            for link in chain.plugins.iter().filter(follows) {
                if let Some(why) = self.misfit(name, module, (app_id, endpoint_id), link).await? {
                    unfit.push(format!("{endpoint_id} of {app_id} ({why})"));
                }
            }
        }
        if unfit.is_empty() {
            return Ok(());
        }
        let (count, more) = (unfit.len(), if unfit.len() > NAMED { ", …" } else { "" });
        unfit.truncate(NAMED);
        Err(ApiError::new(
            Code::IncompatiblePlugin,
            format!(
                "{count} endpoint{} this plugin with a configuration that the version does not accept: \
                 {}{more}. Nothing was changed. Change the configurations first, pin the version there, or \
                 send ?force=true.",
                if count == 1 { " follows" } else { "s follow" },
                unfit.join(", "),
            ),
        ))
    }

    /// Why a version cannot work with a configuration.
    async fn misfit(
        &self,
        name: &str,
        module: &PluginModule,
        (app_id, endpoint_id): (&str, &str),
        link: &Link,
    ) -> Result<Option<String>, ApiError> {
        let config = link.config.as_ref().map(|config| config.get()).filter(|config| *config != "null");
        let mut faults = Faults::default();
        let schema = config_schema(module.manifest.as_deref())?;
        check_config(&mut faults, &["config"], schema.as_ref(), config);
        if let Err(ApiError::Invalid(faults)) = faults.into_result() {
            let first = faults.into_iter().next();
            return Ok(first.map(|fault| format!("{}: {}", fault.loc.join("."), fault.msg)));
        }
        let plugin = Attached {
            name: name.to_owned(),
            version: module.version.clone(),
            pinned: true,
            config: config.map(str::to_owned),
            on_error: OnError::Hold,
        };
        let org = &self.claims.org;
        let place = Place { org, app_id, endpoint_id, msg_id: "msg_test", accepted_at: now(), attempt: 1 };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let subject = Subject { event_type: "test.event".to_owned(), headers, body: b"{}".to_vec() };
        let chain = std::slice::from_ref(&plugin);
        let ran = engine::run(&self.env, &place, chain, &plugin, &subject).await.map_err(internal)?;
        Ok(config_fault(plugin, subject, ran))
    }
}

/// The version that an upload would be; `None` if it is not admitted.
fn uploaded(body: &[u8]) -> Option<PluginModule> {
    let admitted = admit(body).ok()?;
    let hash = Sha256::digest(body);
    let version = hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let (pass, manifest, bytes) = (admitted.pass, admitted.manifest, admitted.rewritten.into());
    Some(PluginModule { version, pass, manifest, bytes })
}

fn is_forced(query: &Query) -> Result<bool, ApiError> {
    Ok(query.flag("force")?.unwrap_or(false))
}
