//! Access of applications: tokens for their portal, what such a token may do, and taking it back.

use super::application::ApplicationIn;
use super::event_type::MAX_FLAGS;
use super::is_name;
use crate::api::body::{self, Faults};
use crate::api::route::Op;
use crate::error::ApiError;
use crate::token::Claims;
use serde::{Deserialize, Serialize};

/// How long a portal's token is valid unless the caller says so, and at most, in seconds: 28 days.
pub const DEFAULT_EXPIRY_S: i64 = 28 * 86_400;

const VIEW: &str = "ViewBase";
const VIEW_SECRET: &str = "ViewEndpointSecret";
const MANAGE_SECRET: &str = "ManageEndpointSecret";
const MANAGE_TRANSFORMATIONS: &str = "ManageTransformations";
const CREATE_ATTEMPTS: &str = "CreateAttempts";
const MANAGE: &str = "ManageEndpoint";
const ALL: [&str; 6] = [VIEW, VIEW_SECRET, MANAGE_SECRET, MANAGE_TRANSFORMATIONS, CREATE_ATTEMPTS, MANAGE];

/// The body of app-portal-access.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PortalAccessIn {
    /// Creates the application with these fields if it does not exist.
    pub application: Option<ApplicationIn>,
    /// How long the token is valid, in seconds. The default is 28 days, which is also the maximum.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Expiry>"))]
    expiry: Option<i64>,
    /// The capabilities of the token. If omitted, it has all.
    #[cfg_attr(test, schemars(with = "Option<Vec<crate::api::doc::kind::Capability>>"))]
    capabilities: Option<Vec<String>>,
    /// Whether the token only allows viewing, as with the single capability `ViewBase`.
    read_only: Option<bool>,
    /// The feature flags of the token. They reveal event types that require them.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Flags>"))]
    pub feature_flags: Option<Vec<String>>,
    /// A name for this session. Expire-all can revoke all tokens with the same name.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    pub session_id: Option<String>,
}

impl PortalAccessIn {
    /// Reads and checks a body, which may be empty.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        // A capability that is misspelled would be all of them.
        let access: Self = body::parse_exact_or_default(bytes)?;
        let mut faults = Faults::default();
        if let Some(application) = &access.application {
            let mut inner = Faults::default();
            application.check(&mut inner);
            faults.merge_within("application", inner);
        }
        faults.check(
            access.expiry.is_none_or(|s| (1..=DEFAULT_EXPIRY_S).contains(&s)),
            &["expiry"],
            format!("Send seconds from 1 to {DEFAULT_EXPIRY_S}."),
        );
        if let Some(capabilities) = &access.capabilities {
            for (index, capability) in capabilities.iter().enumerate() {
                let index = index.to_string();
                faults.check(
                    ALL.contains(&capability.as_str()),
                    &["capabilities", &index],
                    format!("Send one of {}.", ALL.join(", ")),
                );
            }
            faults.check(
                capabilities.iter().any(|capability| capability == VIEW),
                &["capabilities"],
                "ViewBase is always required. Add it.",
            );
        }
        let flags = access.feature_flags.as_deref().unwrap_or_default();
        faults.check(
            flags.len() <= MAX_FLAGS && flags.iter().all(|flag| is_name(flag)),
            &["featureFlags"],
            format!("Send at most {MAX_FLAGS} names of a-z, A-Z, 0-9, -, _ and ."),
        );
        check_session(&mut faults, &["sessionId"], access.session_id.as_deref());
        faults.into_result()?;
        Ok(access)
    }

    /// How long the token is valid.
    pub fn ttl_ms(&self) -> i64 {
        self.expiry.unwrap_or(DEFAULT_EXPIRY_S).saturating_mul(1_000)
    }

    /// What the token may do; none for everything.
    pub fn capabilities(&self) -> Option<Vec<String>> {
        if self.read_only == Some(true) { Some(vec![VIEW.to_owned()]) } else { self.capabilities.clone() }
    }
}

fn check_session(faults: &mut Faults, loc: &[&str], session: Option<&str>) {
    faults.check(
        session.is_none_or(is_name),
        loc,
        "Use 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and .",
    );
}

/// The answer of app-portal-access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PortalAccessOut {
    /// A link to the dashboard that signs in with the token.
    pub url: String,
    /// The application token in the link. It also works for the API.
    pub token: String,
}

impl PortalAccessOut {
    /// Makes the answer; `origin` is where the gateway was called. The token is in the URL's fragment, which
    /// browsers do not send.
    pub fn new(origin: &str, token: String) -> Self {
        Self { url: format!("{origin}/dashboard/login#key={token}"), token }
    }
}

/// The body of expire-all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ExpireAllIn {
    /// How long the tokens stay valid, in seconds. The default is 0.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::ExpiryFrom0>"))]
    expiry: Option<i64>,
    /// Only revoke tokens of these sessions. If omitted, all tokens of the application are revoked.
    #[cfg_attr(test, schemars(with = "Option<Vec<crate::api::doc::kind::Uid>>"))]
    session_ids: Option<Vec<String>>,
}

impl ExpireAllIn {
    /// Reads and checks a body, which may be empty.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        // A session that is misspelled would be all of them.
        let expire: Self = body::parse_exact_or_default(bytes)?;
        let mut faults = Faults::default();
        faults.check(
            expire.expiry.is_none_or(|s| (0..=DEFAULT_EXPIRY_S).contains(&s)),
            &["expiry"],
            format!("Send seconds from 0 to {DEFAULT_EXPIRY_S}."),
        );
        for (index, session) in expire.session_ids.iter().flatten().enumerate() {
            check_session(&mut faults, &["sessionIds", &index.to_string()], Some(session));
        }
        faults.into_result()?;
        Ok(expire)
    }

    /// How long the tokens stay valid.
    pub fn grace_ms(&self) -> i64 {
        self.expiry.unwrap_or(0).saturating_mul(1_000)
    }

    /// Under which names the Directory notes it ([`session_key`]): the sessions, or the whole application.
    pub fn keys(&self, app_id: &str) -> Vec<String> {
        match self.session_ids.as_deref() {
            None | Some([]) => vec![app_id.to_owned()],
            Some(sessions) => sessions.iter().map(|session| session_key(app_id, session)).collect(),
        }
    }
}

/// The name of a session in the Directory's list of revoked tokens.
pub fn session_key(app_id: &str, session: &str) -> String {
    format!("{app_id}/{session}")
}

/// A token that was revoked by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevokedOut {
    /// The token's id: its claim `jti`.
    pub id: String,
    /// When the token was revoked.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub revoked_at: String,
}

/// The answer of a run of resealing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResealOut {
    /// The number of values that were encrypted with the newest key.
    pub resealed: u64,
    /// The number of endpoints and sources with a value that none of the keys can decrypt.
    pub locked: u64,
    /// Pass it to the next call. `null` when everything is done.
    pub iterator: Option<String>,
    /// Whether everything is encrypted with the newest key.
    pub done: bool,
}

/// Under which name the Directory notes that a token was revoked by its id.
pub fn token_key(id: &str) -> String {
    format!("{TOKEN_KEY}{id}")
}

/// What such a name begins with.
pub const TOKEN_KEY: &str = "jti:";

/// The answer of whoami.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WhoamiOut {
    /// The tenant's id.
    pub env_id: String,
    /// The application to which the token is limited. Absent for an organization token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The session of the token. Absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Where the permission comes from. Always `SvixJwt`: a JWT that the deployment's secret signed.
    pub permission_source: &'static str,
}

impl WhoamiOut {
    /// Makes the answer.
    pub fn new(claims: &Claims) -> Self {
        Self {
            env_id: claims.org.clone(),
            app_id: claims.app.clone(),
            session_id: claims.session.clone(),
            permission_source: "SvixJwt",
        }
    }
}

impl Claims {
    /// Whether its capabilities include an operation that changes something.
    pub fn can(&self, op: Op) -> bool {
        self.capabilities.as_ref().is_none_or(|capabilities| may(capabilities, op, false))
    }
}

/// Whether a token with these capabilities may do this; `reads` where the method only reads. What is not
/// known here may be read, not written.
pub fn may(capabilities: &[String], op: Op, reads: bool) -> bool {
    let one_of = |wanted: &[&str]| capabilities.iter().any(|have| wanted.contains(&have.as_str()));
    match op {
        Op::SecretGet => one_of(&[VIEW_SECRET, MANAGE_SECRET, MANAGE]),
        Op::SecretRotate => one_of(&[MANAGE_SECRET, MANAGE]),
        Op::Resend | Op::SendExample | Op::Recover | Op::ReplayMissing | Op::BulkReplay | Op::TaskCancel => {
            one_of(&[CREATE_ATTEMPTS])
        }
        Op::EndpointCreate
        | Op::EndpointUpdate
        | Op::EndpointPatch
        | Op::EndpointDelete
        | Op::HeadersPut
        | Op::HeadersPatch
        // They change nothing, but a signature costs arithmetic: it is for who sets endpoints up.
        | Op::PresetVerify
        | Op::PresetSign => one_of(&[MANAGE]),
        // Without it, a token cannot remove a plugin that redacts deliveries.
        Op::PluginsPut => one_of(&[MANAGE_TRANSFORMATIONS]),
        // It says nothing of the application, and changes nothing.
        Op::Logout => true,
        _ => reads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<impl std::fmt::Debug, ApiError>) -> bool {
        result.is_err_and(|error| error.http_status() == 422)
    }

    #[test]
    fn a_portal_token_lasts_28_days_or_as_asked() {
        let ttl = |body: &str| PortalAccessIn::parse(body.as_bytes()).map(|access| access.ttl_ms());
        assert_eq!(ttl("").expect("ok"), 28 * 86_400_000);
        assert_eq!(ttl(r#"{"expiry":3600,"featureFlags":["a"]}"#).expect("ok"), 3_600_000);
        for bad in [r#"{"expiry":0}"#, r#"{"expiry":99999999}"#, r#"{"sessionId":""}"#] {
            assert!(refused(PortalAccessIn::parse(bad.as_bytes())), "{bad}");
        }
        assert!(refused(PortalAccessIn::parse(br#"{"application":{"name":""}}"#)));
    }

    #[test]
    fn a_misspelled_field_is_refused_and_does_not_allow_more() {
        for bad in [
            r#"{"capabilites":["ViewBase"]}"#,
            r#"{"Capabilities":["ViewBase"]}"#,
            r#"{"readonly":true}"#,
            r#"{"expiresIn":60}"#,
        ] {
            assert!(refused(PortalAccessIn::parse(bad.as_bytes())), "{bad}");
        }
        let why = PortalAccessIn::parse(br#"{"capabilites":["ViewBase"]}"#).expect_err("refused");
        assert!(format!("{why:?}").contains("Did you mean capabilities?"), "{why:?}");
        assert!(refused(ExpireAllIn::parse(br#"{"sessionIDs":["a"]}"#)));
    }

    #[test]
    fn capabilities_are_kept_to() {
        let caps = |body: &str| PortalAccessIn::parse(body.as_bytes()).expect("ok").capabilities();
        assert_eq!(caps("{}"), None);
        assert_eq!(caps(r#"{"readOnly":false}"#), None);
        let viewer = caps(r#"{"readOnly":true}"#).expect("limited");
        assert!(may(&viewer, Op::EndpointList, true) && may(&viewer, Op::Logout, false));
        for op in [Op::SecretGet, Op::SecretRotate, Op::EndpointPatch, Op::Recover, Op::AttemptExpunge] {
            assert!(!may(&viewer, op, op == Op::SecretGet), "{op:?}");
        }
        let sender = caps(r#"{"capabilities":["ViewBase","CreateAttempts","ViewEndpointSecret"]}"#);
        let sender = sender.expect("limited");
        assert!(may(&sender, Op::Resend, false) && may(&sender, Op::SecretGet, true));
        assert!(!may(&sender, Op::HeadersPut, false));
        for bad in [r#"{"capabilities":["ManageEndpoint"]}"#, r#"{"capabilities":["ViewBase","Fly"]}"#] {
            assert!(refused(PortalAccessIn::parse(bad.as_bytes())), "{bad}");
        }
    }

    #[test]
    fn all_tokens_or_those_of_sessions_are_taken_back() {
        let read = |body: &str| ExpireAllIn::parse(body.as_bytes()).expect("ok");
        assert_eq!((read("").keys("app_1"), read("").grace_ms()), (vec!["app_1".to_owned()], 0));
        let some = read(r#"{"expiry":60,"sessionIds":["a","b"]}"#);
        assert_eq!((some.keys("app_1").join(" ").as_str(), some.grace_ms()), ("app_1/a app_1/b", 60_000));
        assert!(refused(ExpireAllIn::parse(br#"{"expiry":-1}"#)));
    }

    #[test]
    fn whoami_leaves_out_what_there_is_not() {
        let claims = Claims { org: "org_1".into(), ..Claims::default() };
        let out = serde_json::to_value(WhoamiOut::new(&claims)).expect("json");
        assert_eq!(out, serde_json::json!({"envId": "org_1", "permissionSource": "SvixJwt"}));
    }
}
