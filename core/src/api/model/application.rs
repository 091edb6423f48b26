//! Applications: the consumers of webhooks.

use super::{Metadata, check_metadata, check_rate, check_text, check_uid, null_is_default};
use crate::api::body::{self, Faults, Patch};
use crate::error::ApiError;
use crate::scheme::Params;
use crate::send_as::SendAs;
use crate::time::rfc3339;
use serde::{Deserialize, Serialize};

/// The body of create and PUT; also inside a message that brings its application along.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationIn {
    /// A human-readable name.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Name"))]
    pub name: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    pub uid: Option<String>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: Metadata,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    rate_limit: Option<u16>,
    /// The maximum number of requests per second to all endpoints together. Each endpoint gets an equal share. `null` means no limit.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    throttle_rate: Option<u16>,
    /// The preset that the application's endpoints send as. Endpoints inherit it, and application tokens cannot change it.
    #[serde(default)]
    endpoint_preset: Option<String>,
    /// The values of the parameters that the preset declares.
    #[serde(default)]
    endpoint_preset_params: Option<Params>,
}

impl ApplicationIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let new: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        new.check(&mut faults);
        faults.into_result()?;
        Ok(new)
    }

    /// The limit on messages a second, by either of its names.
    pub fn rate(&self) -> Option<u16> {
        self.throttle_rate.or(self.rate_limit)
    }

    /// Notes all that is wrong.
    pub fn check(&self, faults: &mut Faults) {
        check_name(faults, &self.name);
        if let Some(uid) = &self.uid {
            check_uid(faults, &["uid"], uid);
        }
        check_metadata(faults, &self.metadata);
        check_rate(faults, self.rate());
        check_send_as(faults, self.send_as().as_ref());
    }

    fn send_as(&self) -> Option<SendAs> {
        let params = self.endpoint_preset_params.clone().unwrap_or_default();
        let preset = self.endpoint_preset.clone();
        (preset.is_some() || !params.is_empty()).then(|| SendAs {
            preset: preset.unwrap_or_default(),
            params,
            scheme: None,
        })
    }
}

fn check_send_as(faults: &mut Faults, send_as: Option<&SendAs>) {
    if let Some(Err((field, sentence))) = send_as.map(SendAs::check) {
        let field = if field == "presetParams" { "endpointPresetParams" } else { "endpointPreset" };
        faults.add(&[field], sentence);
    }
}

fn check_name(faults: &mut Faults, name: &str) {
    faults.check(!name.trim().is_empty(), &["name"], "Give the application a name.");
    check_text(faults, "name", name);
}

/// Changes the preset of an application or a tenant, and checks the result. Another preset has other parameters.
fn patch_send_as(
    send_as: &mut Option<SendAs>,
    preset: &Patch<String>,
    params: &Patch<Params>,
) -> Result<(), ApiError> {
    match preset.clone() {
        Patch::Absent => {}
        Patch::Null => *send_as = None,
        Patch::Set(preset) => {
            let params = send_as.take().filter(|before| before.preset == preset);
            let params = params.map(|before| before.params).unwrap_or_default();
            *send_as = Some(SendAs { preset, params, scheme: None });
        }
    }
    if params.is_present() {
        params.clone().apply_or_default(&mut send_as.get_or_insert_default().params);
    }
    let mut faults = Faults::default();
    check_send_as(&mut faults, send_as.as_ref());
    faults.into_result()
}

/// The body of PATCH of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TenantPatch {
    /// The preset that new applications get unless their request names another. `null` removes it.
    endpoint_preset: Patch<String>,
    /// The values of the parameters that the preset declares.
    endpoint_preset_params: Patch<Params>,
}

impl TenantPatch {
    /// Reads a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        body::parse(bytes)
    }

    /// Changes what the patch names.
    pub fn apply(&self, send_as: &mut Option<SendAs>) -> Result<(), ApiError> {
        patch_send_as(send_as, &self.endpoint_preset, &self.endpoint_preset_params)
    }
}

/// What applies to all of a tenant's applications, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TenantOut {
    /// The preset that new applications get unless their request names another.
    pub endpoint_preset: Option<String>,
    /// The values of the parameters that the preset declares.
    pub endpoint_preset_params: Option<Params>,
}

impl From<Option<SendAs>> for TenantOut {
    fn from(send_as: Option<SendAs>) -> Self {
        let (endpoint_preset, endpoint_preset_params) =
            send_as.map(|send_as| (send_as.preset, send_as.params)).unzip();
        Self { endpoint_preset, endpoint_preset_params }
    }
}

/// The body of PATCH.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationPatch {
    /// A human-readable name.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Name"))]
    pub name: Patch<String>,
    /// Your own id for it. `null` removes it.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    pub uid: Patch<String>,
    /// Arbitrary key-value pairs. They replace the existing ones as a whole.
    pub metadata: Patch<Metadata>,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    rate_limit: Patch<u16>,
    /// The maximum number of messages per second, shared among the endpoints. `null` removes the limit.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    throttle_rate: Patch<u16>,
    /// The preset that the application's endpoints send as. Endpoints inherit it, and application tokens cannot change it. `null` removes it.
    endpoint_preset: Patch<String>,
    /// The values of the parameters that the preset declares.
    endpoint_preset_params: Patch<Params>,
}

impl ApplicationPatch {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let patch: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        match &patch.name {
            Patch::Absent => {}
            Patch::Null => faults.add(&["name"], "The name cannot be null."),
            Patch::Set(name) => check_name(&mut faults, name),
        }
        if let Some(uid) = patch.uid.value() {
            check_uid(&mut faults, &["uid"], uid);
        }
        if let Some(metadata) = patch.metadata.value() {
            check_metadata(&mut faults, metadata);
        }
        check_rate(&mut faults, patch.rate().value().copied());
        faults.into_result()?;
        Ok(patch)
    }

    /// The limit on messages a second, by either of its names.
    pub fn rate(&self) -> &Patch<u16> {
        if self.throttle_rate.is_present() { &self.throttle_rate } else { &self.rate_limit }
    }
}

/// An application, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationOut {
    /// The application's id, `app_…`. Weir assigns it.
    pub id: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    pub uid: Option<String>,
    /// A human-readable name.
    pub name: String,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    pub rate_limit: Option<u16>,
    /// The maximum number of requests per second to all endpoints together. Each endpoint gets an equal share. `null` means no limit.
    pub throttle_rate: Option<u16>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    pub metadata: Metadata,
    /// The preset that the application's endpoints send as. Endpoints inherit it, and application tokens cannot change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_preset: Option<String>,
    /// The values of the parameters that the preset declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_preset_params: Option<Params>,
    /// When it was created.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub created_at: String,
    /// When it was last changed.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub updated_at: String,
}

impl ApplicationOut {
    /// Makes the answer of what is stored.
    pub fn new(id: String, content: ApplicationContent, created_ms: i64, updated_ms: i64) -> Self {
        let ApplicationContent { uid, name, rate, metadata, send_as } = content;
        let (preset, params) = send_as.map(|send_as| (send_as.preset, send_as.params)).unzip();
        Self {
            id,
            uid,
            name,
            rate_limit: rate,
            throttle_rate: rate,
            metadata,
            endpoint_preset: preset,
            endpoint_preset_params: params,
            created_at: rfc3339(created_ms),
            updated_at: rfc3339(updated_ms),
        }
    }
}

/// What can be set of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationContent {
    /// Your own id for it. Every route accepts it in place of Weir's id.
    pub uid: Option<String>,
    /// A human-readable name.
    pub name: String,
    /// The maximum number of messages per second.
    pub rate: Option<u16>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    pub metadata: Metadata,
    /// The preset that the application's endpoints send as. Endpoints inherit it, and application tokens cannot change it.
    pub send_as: Option<SendAs>,
}

impl From<ApplicationIn> for ApplicationContent {
    fn from(new: ApplicationIn) -> Self {
        let (rate, send_as) = (new.rate(), new.send_as());
        Self { uid: new.uid, name: new.name, rate, metadata: new.metadata, send_as }
    }
}

impl ApplicationContent {
    /// Changes what the patch names.
    pub fn apply(&mut self, patch: ApplicationPatch) -> Result<(), ApiError> {
        patch_send_as(&mut self.send_as, &patch.endpoint_preset, &patch.endpoint_preset_params)?;
        patch.rate().clone().apply(&mut self.rate);
        patch.name.apply_or_default(&mut self.name);
        patch.uid.apply(&mut self.uid);
        patch.metadata.apply_or_default(&mut self.metadata);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_a_body_come_at_once() {
        let error = ApplicationIn::parse(
            format!(r#"{{"name":" ","uid":"a b","rateLimit":0,"metadata":{{"k":"{}"}}}}"#, "v".repeat(4096))
                .as_bytes(),
        )
        .expect_err("four faults");
        let ApiError::Invalid(faults) = error else { panic!("{error}") };
        let places: Vec<_> = faults.iter().map(|f| f.loc.join(".")).collect();
        assert_eq!(places, ["body.name", "body.uid", "body.metadata", "body.throttleRate"]);
    }

    #[test]
    fn a_uid_that_looks_like_an_id_would_be_ambiguous() {
        let id = crate::id::new("ep", 1_795_000_000_000, &mut crate::rng::Seeded(1));
        assert!(ApplicationIn::parse(format!(r#"{{"name":"a","uid":"{id}"}}"#).as_bytes()).is_err());
        assert!(ApplicationIn::parse(br#"{"name":"a","uid":"app_mine"}"#).is_ok());
    }

    #[test]
    fn nulls_count_as_left_out_and_both_names_of_the_rate_are_read() {
        let new =
            ApplicationIn::parse(br#"{"name":"a","uid":null,"metadata":null,"rateLimit":7}"#).expect("ok");
        assert_eq!((new.rate(), new.uid.as_deref()), (Some(7), None));
        let new = ApplicationIn::parse(br#"{"name":"a","rateLimit":7,"throttleRate":8}"#).expect("ok");
        assert_eq!(new.rate(), Some(8));
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut app: ApplicationContent =
            ApplicationIn::parse(br#"{"name":"a","uid":"u","metadata":{"k":"v"},"throttleRate":3}"#)
                .expect("ok")
                .into();
        app.apply(ApplicationPatch::parse(br#"{"uid":null,"throttleRate":null}"#).expect("ok"))
            .expect("fits");
        assert_eq!((app.name.as_str(), &app.uid, app.rate, app.metadata.len()), ("a", &None, None, 1));
        assert!(ApplicationPatch::parse(br#"{"name":null}"#).is_err());
    }
}
