//! What the Worker and the App objects ask of a tenant's Directory.

use crate::js::{self, CallError, Repeat};
use wasm_bindgen::JsValue;
use weir_core::api::call::{Call, Reply};
use weir_core::api::route::DirectoryOp;
use weir_core::frame::{self, PluginModule, PluginModuleAsk, PluginUpload};
use weir_core::wire;
use weir_core::wire::name::DirectoryName;

/// Asks the Directory of `org`.
pub(crate) async fn ask(env: &JsValue, org: &str, call: &Call<DirectoryOp>) -> Result<Reply, CallError> {
    let repeat = call.op.op().may_repeat().into();
    js::ask::<wire::directory::Api>(env, &DirectoryName::new(org), call, repeat).await
}

/// Stores a module as a version of a plugin. The same bytes are the same version.
pub(crate) async fn upload(env: &JsValue, org: &str, upload: &PluginUpload) -> Result<Reply, CallError> {
    js::ask::<wire::directory::UploadPlugin>(env, &DirectoryName::new(org), upload, Repeat::Safe).await
}

/// The id of the application with this id or uid, if there is one.
pub(crate) async fn resolve(env: &JsValue, org: &str, key: &str) -> Result<Option<String>, CallError> {
    #[derive(serde::Deserialize)]
    struct Resolved {
        id: String,
    }
    let call = Call { params: vec![key.to_owned()], ..Call::new(DirectoryOp::Resolve) };
    let reply = ask(env, org, &call).await?;
    match reply.status {
        200 => serde_json::from_slice::<Resolved>(&reply.body)
            .map(|r| Some(r.id))
            .map_err(|e| e.to_string().into()),
        404 => Ok(None),
        status => Err(format!("the Directory answered {status}").into()),
    }
}

/// A plugin's module as engines run it, where there is that plugin and that version (the current one, if none is
/// named).
pub(crate) async fn module(
    env: &JsValue,
    org: &str,
    name: &str,
    version: Option<&str>,
) -> Result<Option<PluginModule>, CallError> {
    let ask = PluginModuleAsk { name: name.to_owned(), version: version.map(str::to_owned) };
    let call = Call { body: frame::encode(&ask), ..Call::new(DirectoryOp::PluginModule) };
    let reply = self::ask(env, org, &call).await?;
    match reply.status {
        200 => frame::decode(&reply.body).map(Some).map_err(CallError::from),
        404 => Ok(None),
        status => Err(format!("the Directory answered {status}").into()),
    }
}
