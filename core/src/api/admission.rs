//! Whether a request is let in.
//!
//! One decision for every way that a request takes through the Worker: before its body is read, on the fast path of
//! messages, and on the usual path. It follows from the route, the token and the size of the body, so all of them refuse the
//! same request with the same error. What only an object knows is asked afterwards: whether the token was revoked, and
//! which application has a uid.

use super::model::auth::may;
use super::model::message::MAX_PAYLOAD;
use super::model::plugin::module_too_large;
use super::route::{Home, Op, Route, Scope};
use crate::error::{ApiError, Code};
use crate::id;
use crate::operational::APP_ID;
use crate::token::Claims;

/// A request that its token allows: the proof that [`admit`] was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    op: Op,
}

/// Lets a request in, or says why its token does not allow it.
pub fn admit(method: &str, route: &Route, claims: &Claims) -> Result<Admission, ApiError> {
    let admission = Admission { op: route.op };
    // Without one, it is an organization's: what it may do is not limited.
    if claims.app.is_none() {
        return Ok(admission);
    }
    if route.scope == Scope::Org {
        return Err(ApiError::new(
            Code::InsufficientAccess,
            "This operation requires an organization token; you sent an application token.",
        ));
    }
    let reads = matches!(method, "GET" | "HEAD");
    if claims.capabilities.as_ref().is_some_and(|capabilities| !may(capabilities, route.op, reads)) {
        return Err(ApiError::new(
            Code::InsufficientAccess,
            "This token does not have the capability that this operation requires.",
        ));
    }
    Ok(admission)
}

impl Admission {
    /// The most bytes of the body that are read.
    pub fn max_body(self) -> usize {
        self.op.max_body()
    }

    /// The body, unless it is larger than that; `None` where it was too large to be read.
    pub fn body<B: AsRef<[u8]>>(self, body: Option<B>) -> Result<B, ApiError> {
        body.filter(|body| body.as_ref().len() <= self.max_body()).ok_or_else(|| self.too_large())
    }

    fn too_large(self) -> ApiError {
        let limit = self.max_body();
        let detail = match self.op {
            Op::PluginUpload => return module_too_large(),
            Op::MessageCreate => {
                format!("The body is too large: the payload of a message is limited to {MAX_PAYLOAD} bytes.")
            }
            _ => format!("The body is too large: the limit is {limit} bytes."),
        };
        ApiError::new(Code::PayloadTooLarge, detail)
    }
}

/// Whose object a request is for, as far as its path tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// No application's.
    Tenant,
    /// The application's with this id or uid.
    App(&'a str),
    /// The source's with this id or uid.
    Source(&'a str),
}

/// Whose object a request is for. Sources and the operational application are reached by their own routes only, and an
/// application's token reaches its own: where the path has an id, that is refused here. A uid has to be looked up.
pub fn target<'a>(route: &'a Route, claims: &Claims) -> Result<Target<'a>, ApiError> {
    let no_app = || ApiError::not_found("Application");
    let first = route.params.first().map(String::as_str);
    let target = match (route.home, first) {
        (Home::Source, Some(key)) => Target::Source(key),
        _ => route.app().map_or(Target::Tenant, Target::App),
    };
    match (&target, first) {
        (Target::App(key), _) if *key == APP_ID || id::is(id::SOURCE, key) => return Err(no_app()),
        (Target::Tenant, Some(APP_ID)) if route.home != Home::Operational => return Err(no_app()),
        _ => {}
    }
    let named = match &target {
        Target::App(key) => Some(*key).filter(|key| id::is(id::APP, key)),
        Target::Source(key) => Some(*key).filter(|key| id::is(id::SOURCE, key)),
        Target::Tenant => None,
    };
    match (&claims.app, named) {
        (Some(own), Some(key)) if own != key => Err(no_app()),
        _ => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::{PREFIX, find, patterns};
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn claims(app: Option<&str>, capabilities: Option<&[&str]>) -> Claims {
        Claims {
            org: "org_1".to_owned(),
            app: app.map(str::to_owned),
            expires_at: None,
            not_before: None,
            issued_at: None,
            session: None,
            capabilities: capabilities.map(|list| list.iter().map(|&name| name.to_owned()).collect()),
            feature_flags: None,
            id: None,
        }
    }

    /// Every route that takes a token, as a request: its first parameter is `first`.
    fn requests(first: &str) -> Vec<(&'static str, Route)> {
        let takes_token = patterns().filter(|(.., scope)| *scope != Scope::Public);
        let request = |(method, path, ..): (&'static str, &str, Op, Scope)| {
            let mut values = [first].into_iter().chain(std::iter::repeat("x"));
            let parts: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { values.next().unwrap_or(part) } else { part })
                .collect();
            let path = format!("{PREFIX}/{}", parts.join("/"));
            (method, find(method, &path).unwrap_or_else(|error| panic!("{method} {path}: {error}")))
        };
        takes_token.map(request).collect()
    }

    fn code(error: &ApiError) -> (u16, Option<Code>) {
        let code = if let ApiError::Status { code, .. } = error { Some(*code) } else { None };
        (error.http_status(), code)
    }

    #[test]
    fn every_route_lets_the_organization_in_and_takes_a_body_up_to_its_limit() {
        let org = claims(None, None);
        for (method, route) in requests("x") {
            let admission = admit(method, &route, &org).expect("the organization");
            let limit = route.op.max_body();
            assert_eq!(admission.max_body(), limit);
            assert!(admission.body(Some(vec![0u8; limit])).is_ok(), "{method} {:?}", route.op);
            for too_large in [Some(vec![0u8; limit + 1]), None] {
                let error = admission.body(too_large).expect_err("too large");
                assert_eq!(code(&error), (413, Some(Code::PayloadTooLarge)), "{method} {:?}", route.op);
            }
        }
    }

    #[test]
    fn every_route_refuses_an_applications_token_what_is_the_organizations() {
        for (method, route) in requests("x") {
            let admitted = admit(method, &route, &claims(Some("app_1"), None));
            assert_eq!(admitted.is_ok(), route.scope == Scope::Any, "{method} {:?}", route.op);
            if let Err(error) = admitted {
                assert_eq!(code(&error), (403, Some(Code::InsufficientAccess)));
            }
        }
    }

    #[test]
    fn a_token_that_only_reads_is_refused_every_route_that_changes_something() {
        let viewer = claims(Some("app_1"), Some(&["ViewBase"]));
        for (method, route) in requests("x") {
            let reads = method == "GET" && route.op != Op::SecretGet;
            let expected = route.scope == Scope::Any && (reads || route.op == Op::Logout);
            let admitted = admit(method, &route, &viewer);
            assert_eq!(admitted.is_ok(), expected, "{method} {:?}", route.op);
            if let Err(error) = admitted {
                assert_eq!(code(&error), (403, Some(Code::InsufficientAccess)));
            }
        }
    }

    #[test]
    fn no_route_leads_an_applications_token_to_another_application() {
        // Not from the beginning of time: that is the id of the operational application.
        let [own, other] = [NOW, NOW + 1_000].map(|at| id::floor(id::APP, at));
        let [source, foreign] = [NOW, NOW + 1_000].map(|at| id::floor(id::SOURCE, at));
        let mut count = 0;
        for (key, token) in [(&own, &own), (&other, &own), (&source, &source), (&foreign, &source)] {
            for (method, route) in requests(key) {
                let reached = target(&route, &claims(Some(token.as_str()), None));
                let of_source = key.starts_with(id::SOURCE);
                let named = match route.home {
                    Home::Source => of_source,
                    _ => route.app().is_some() && !of_source,
                };
                if named && key != token {
                    assert_eq!(code(&reached.expect_err("another's")).0, 404, "{method} {:?}", route.op);
                    count += 1;
                } else if named {
                    assert!(
                        matches!(reached, Ok(Target::App(_) | Target::Source(_))),
                        "{method} {:?}",
                        route.op
                    );
                }
            }
        }
        assert!(count > 40, "{count} routes name an application or a source");
    }

    #[test]
    fn a_source_and_the_operational_application_are_reached_by_their_own_routes_only() {
        let org = claims(None, None);
        for key in [APP_ID, &id::floor(id::SOURCE, NOW)] {
            for (method, route) in requests(key).into_iter().filter(|(_, route)| route.app().is_some()) {
                let error = target(&route, &org).expect_err("no application");
                assert_eq!(code(&error).0, 404, "{method} {:?}", route.op);
            }
        }
    }
}
