//! Public keys that a provider publishes: the URL of the keys that verify a request.
//!
//! The URL is often part of the request, which is not verified yet. So only URLs that the preset allows are fetched:
//! https, the provider's own hosts, its path, and no other parts of a URL. A key is trusted because of the host from
//! which it was fetched.

use super::place::{Place, read};
use super::verdict::Reason;
use super::{Params, Request};
use crate::target::is_spelled;
use serde::{Deserialize, Serialize};
use url::Url;

/// The longest URL that is looked at.
const MAX_URL: usize = 2048;
/// Stands for the name of a region in a host: `us-east-1`, and never `s3-us-west-2`, below which anyone may have names.
const REGION: &str = "{region}";

/// Where a provider publishes its public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishedKeys {
    /// The URL, where the request does not name it; `{param:x}` stands for a parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where a request names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// The allowed hosts. `*` matches one label of a name, `{region}` the name of a region.
    pub hosts: Vec<String>,
    /// How the path begins (with a slash), or how it ends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl PublishedKeys {
    /// The URL that has the keys of this request; the reason where it names one that is not the provider's.
    pub fn locate(&self, request: &Request<'_>, params: &Params) -> Result<String, Reason> {
        let text = match (&self.url, &self.at) {
            (Some(url), _) => fill(url, params)?,
            (None, Some(place)) => read(place, request).ok_or_else(|| Reason::missing(place))?,
            (None, None) => return Err(Reason::KeyUrl),
        };
        let url = allowed(&text, &self.hosts).ok_or(Reason::KeyUrl)?;
        let path = url.path();
        let fits = if self.path.starts_with('/') {
            path.starts_with(&self.path)
        } else {
            path.ends_with(&self.path)
        };
        if fits && url.query().is_none() { Ok(url.into()) } else { Err(Reason::KeyUrl) }
    }

    /// The parameters that its URL has.
    pub fn params(&self) -> Vec<String> {
        let url = self.url.as_deref().unwrap_or_default();
        let parts = url.split("{param:").skip(1).filter_map(|rest| rest.split_once('}'));
        parts.map(|(name, _)| name.to_owned()).collect()
    }

    /// What in the data cannot work, each as a sentence.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |right: bool, text: &str| {
            if !right {
                faults.push(text.to_owned());
            }
        };
        check(self.url.is_some() != self.at.is_some(), "keys: set either 'url' or 'at'");
        check(
            self.url.as_ref().is_none_or(|url| url.starts_with("https://")),
            "keys.url: must be an https URL",
        );
        let closed = |host: &String| {
            let mut labels = host.rsplit('.');
            let end: Vec<&str> = labels.by_ref().take(2).collect();
            end.len() == 2 && !end.iter().any(|label| label.contains(['*', '{']) || label.is_empty())
        };
        check(
            !self.hosts.is_empty() && self.hosts.iter().all(closed),
            "keys.hosts: name the hosts; the last two labels are the provider's own",
        );
        faults
    }
}

/// A URL that is https on one of these hosts and has nothing that a key's URL needs not.
pub(super) fn allowed(text: &str, hosts: &[String]) -> Option<Url> {
    // The hosts that are allowed are names in ASCII.
    if text.len() > MAX_URL || !is_spelled(text) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.fragment().is_none();
    (plain && hosts.iter().any(|pattern| fits(pattern, host))).then_some(url)
}

/// Whether a host (in lower case) is one that a pattern allows.
fn fits(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let all = pattern.split('.').all(|expected| match (expected, labels.next()) {
        (_, None) => false,
        ("*", Some(label)) => !label.is_empty(),
        (REGION, Some(label)) => is_region(label),
        (expected, Some(label)) => expected == label,
    });
    all && labels.next().is_none()
}

/// `us-east-1`, `us-gov-west-1`: words of letters, and a number.
fn is_region(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let letters = |word: &str| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
    words.contains('-')
        && words.split('-').all(letters)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn fill(url: &str, params: &Params) -> Result<String, Reason> {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, inner)) = rest.split_once("{param:") {
        let (name, after) = inner.split_once('}').ok_or(Reason::KeyUrl)?;
        let value = params.get(name).filter(|value| !value.is_empty());
        filled.push_str(before);
        filled.push_str(value.ok_or_else(|| Reason::Parameter(name.to_owned()))?);
        rest = after;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sns() -> PublishedKeys {
        PublishedKeys {
            url: None,
            at: Some(Place::parse("header:url").expect("a place")),
            hosts: vec!["sns.{region}.amazonaws.com".into(), "sns.{region}.amazonaws.com.cn".into()],
            path: ".pem".into(),
        }
    }

    fn at(keys: &PublishedKeys, url: &str) -> Result<String, Reason> {
        let headers = [("url".to_owned(), url.to_owned())];
        let request = Request { method: "POST", url: "", headers: &headers, body: b"" };
        keys.locate(&request, &Params::new())
    }

    #[test]
    fn only_the_providers_own_urls_are_asked() {
        for url in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-gov-west-1.amazonaws.com/a.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
            "https://SNS.us-east-1.AMAZONAWS.com:443/a.pem",
        ] {
            assert!(at(&sns(), url).is_ok(), "{url}");
        }
        for url in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.txt",
            "https://sns.us-east-1.amazonaws.com/a?b=.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem?b",
            "https://sns.us-east-1.amazonaws.com/a.pem#b",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://user@sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.evil.us-east-1.amazonaws.com/a.pem",
            // Buckets of anyone's have such names.
            "https://sns.s3.amazonaws.com/a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/a.pem",
            "https://sns.s3-website-us-east-1.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://127.0.0.1/a.pem",
            "file:///etc/a.pem",
            "/a.pem",
            "",
        ] {
            assert_eq!(at(&sns(), url), Err(Reason::KeyUrl), "{url}");
        }
        let none = Request { method: "POST", url: "", headers: &[], body: b"" };
        assert_eq!(sns().locate(&none, &Params::new()), Err(Reason::HeaderMissing("url".into())));
        let paypal =
            PublishedKeys { hosts: vec!["api.paypal.com".into()], path: "/v1/certs/".into(), ..sns() };
        assert!(at(&paypal, "https://api.paypal.com/v1/certs/CERT-1").is_ok());
        for url in ["https://api.paypal.com/v1/certs/../../x", "https://api.paypal.com/x/v1/certs/"] {
            assert_eq!(at(&paypal, url), Err(Reason::KeyUrl), "{url}");
        }
    }

    #[test]
    fn a_parameter_names_a_host_below_the_providers_and_no_other() {
        let keys = PublishedKeys {
            url: Some("https://{param:domain}/.well-known/jwks".into()),
            at: None,
            hosts: vec!["*.kinde.com".into()],
            path: String::new(),
        };
        assert_eq!((keys.params(), keys.faults()), (vec!["domain".to_owned()], Vec::<String>::new()));
        let ask = |domain: &str| {
            let params = Params::from([("domain".to_owned(), domain.to_owned())]);
            keys.locate(&Request { method: "POST", url: "", headers: &[], body: b"" }, &params)
        };
        assert_eq!(ask("acme.kinde.com").as_deref(), Ok("https://acme.kinde.com/.well-known/jwks"));
        assert_eq!(ask(""), Err(Reason::Parameter("domain".into())));
        for domain in
            ["kinde.com", "a.b.kinde.com", "evil.example", "evil.example/.kinde.com", "a@b.kinde.com"]
        {
            assert_eq!(ask(domain), Err(Reason::KeyUrl), "{domain}");
        }
    }

    #[test]
    fn hosts_that_would_let_anyone_in_are_found() {
        for hosts in
            [vec![], vec!["*".to_owned()], vec!["*.com".into()], vec!["a.*".into()], vec!["com".into()]]
        {
            assert!(!PublishedKeys { hosts: hosts.clone(), ..sns() }.faults().is_empty(), "{hosts:?}");
        }
        assert!(!PublishedKeys { url: Some("http://a.example".into()), ..sns() }.faults().is_empty());
        assert!(sns().faults().is_empty());
    }

    proptest! {
        #[test]
        fn whatever_a_request_names_is_asked_only_on_an_allowed_host(
            text in ".{0,60}",
            host in "[a-z0-9.@:/#?\\\\%-]{0,30}(amazonaws\\.com|paypal\\.com)?[a-z./@:]{0,12}",
        ) {
            for url in [text.clone(), format!("https://{host}/a.pem"), format!("https://{text}/a.pem")] {
                if let Ok(found) = at(&sns(), &url) {
                    let found = Url::parse(&found).expect("a URL");
                    let host = found.host_str().expect("a host");
                    prop_assert!(host.starts_with("sns.") && found.scheme() == "https", "{}", found);
                    prop_assert!(host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
                }
            }
        }
    }
}
