//! The names of objects: `org`, `org/app` and `org/app/endpoint`.
//!
//! A name that is displayed is parsed again as the same name. No part is empty, and none contains a slash.

use std::fmt;

/// The name of an object of one class.
pub trait ObjectName: fmt::Display + Sized {
    /// The binding of the class, in the configuration of the Worker.
    const BINDING: &'static str;

    /// Reads a name; `None` if it is not one of an object of this class.
    fn parse(text: &str) -> Option<Self>;
}

/// The name of a tenant's Directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryName {
    /// The organization.
    pub org: String,
}

/// The name of an application's App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName {
    /// The organization.
    pub org: String,
    /// The application's id; of a source's App, the source's.
    pub app_id: String,
}

/// The name of an Endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointName {
    /// The application's App.
    pub app: AppName,
    /// The endpoint's id.
    pub endpoint_id: String,
}

impl DirectoryName {
    /// Of this organization.
    pub fn new(org: impl Into<String>) -> Self {
        Self { org: org.into() }
    }

    /// One of its Apps.
    pub fn app(&self, app_id: impl Into<String>) -> AppName {
        AppName::new(&self.org, app_id)
    }
}

impl AppName {
    /// Of this application.
    pub fn new(org: impl Into<String>, app_id: impl Into<String>) -> Self {
        Self { org: org.into(), app_id: app_id.into() }
    }

    /// Its tenant's Directory.
    pub fn directory(&self) -> DirectoryName {
        DirectoryName::new(&self.org)
    }

    /// One of its Endpoints.
    pub fn endpoint(&self, endpoint_id: impl Into<String>) -> EndpointName {
        EndpointName { app: self.clone(), endpoint_id: endpoint_id.into() }
    }
}

impl fmt::Display for DirectoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.org)
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.app_id)
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.endpoint_id)
    }
}

impl ObjectName for DirectoryName {
    const BINDING: &'static str = "DIRECTORY";

    fn parse(text: &str) -> Option<Self> {
        parts(text).map(|[org]| Self::new(org))
    }
}

impl ObjectName for AppName {
    const BINDING: &'static str = "APP";

    fn parse(text: &str) -> Option<Self> {
        parts(text).map(|[org, app_id]| Self::new(org, app_id))
    }
}

impl ObjectName for EndpointName {
    const BINDING: &'static str = "ENDPOINT";

    fn parse(text: &str) -> Option<Self> {
        parts(text).map(|[org, app_id, endpoint_id]| AppName::new(org, app_id).endpoint(endpoint_id))
    }
}

/// Exactly `N` parts.
fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) { None } else { parts.try_into().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_as_it_is_displayed() {
        let app = DirectoryName::new("org_1").app("app_2");
        let endpoint = app.endpoint("ep_3");
        assert_eq!(endpoint.to_string(), "org_1/app_2/ep_3");
        assert_eq!(EndpointName::parse("org_1/app_2/ep_3"), Some(endpoint));
        assert_eq!(AppName::parse("org_1/app_2"), Some(app.clone()));
        assert_eq!(DirectoryName::parse("org_1"), Some(app.directory()));
    }

    #[test]
    fn a_name_of_another_class_or_with_an_empty_part_is_refused() {
        for text in ["", "org", "org/", "/app", "org/app/", "org//ep", "org/app/ep/more"] {
            assert_eq!(AppName::parse(text), None, "{text}");
        }
        assert_eq!(DirectoryName::parse("org/app"), None);
        assert_eq!(EndpointName::parse("org/app"), None);
    }
}
