//! Browser requests and responses.

use crate::lang::Lang;
use crate::multipart;
use crate::said::Said;
use crate::scope;
use crate::session::Session;
use maud::Markup;
use percent_encoding::percent_decode_str;

/// The maximum size of a form in bytes.
const MAX_FORM: usize = 64 * 1024;
/// The maximum size of a form with a plugin, a document or a payload.
const MAX_FILE: usize = 3 * 1024 * 1024;
/// The maximum number of fields of a form; further fields are ignored.
const MAX_FIELDS: usize = 1_000;

/// A browser's request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// GET, HEAD or POST.
    pub method: String,
    /// The path's parts after `/dashboard`, decoded.
    pub path: Vec<String>,
    /// The raw query string.
    pub query: String,
    /// The fields of the form.
    pub form: Vec<(String, String)>,
    /// The uploaded files, by field name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether a script sent it, which expects a fragment instead of a whole page.
    pub partial: bool,
    /// The proof that a script sent in a header.
    pub proof: Option<String>,
    /// When it was received, in milliseconds.
    pub at_ms: i64,
    /// The reader's language.
    pub lang: Lang,
    /// What the action before it did, if that was not reported yet.
    pub said: Option<Said>,
}

/// Whether a form was sent by a page of another site. Browsers say so in `sec-fetch-site`; older ones send only the `origin`
/// of the page. A proxy may have taken the TLS off, so the schemes are not compared.
pub fn is_from_elsewhere(site: &str, origin: &str, url: &str) -> bool {
    fn host(url: &str) -> Option<&str> {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        Some(host.strip_suffix(default).unwrap_or(host))
    }
    match (site, origin) {
        ("", "") => false,
        // `null` is what a page sends that hides where it is.
        ("", origin) => match (host(origin), host(url)) {
            (Some(from), Some(own)) => !from.eq_ignore_ascii_case(own),
            _ => true,
        },
        (site, _) => matches!(site, "cross-site" | "same-site"),
    }
}

impl Request {
    /// Reads a request. `path` begins with `/dashboard`.
    pub fn new(method: &str, path: &str, query: &str, body: &[u8]) -> Self {
        let rest = path.strip_prefix(crate::PREFIX).unwrap_or(path);
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let pairs = || form_urlencoded::parse(body).into_owned().take(MAX_FIELDS).collect();
        let (form, files) = multipart::read(body).unwrap_or_else(|| (pairs(), Vec::new()));
        Self {
            method: method.to_owned(),
            path: rest.split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
            query: query.to_owned(),
            form,
            files,
            ..Self::default()
        }
    }

    /// The maximum size of a form for this path. Some forms contain a plugin, a document or a payload.
    pub fn max_body(&self) -> usize {
        match self.parts().as_slice() {
            ["new-plugin" | "import" | "new-event-type"]
            | ["plugin", _, "upload" | "test"]
            | ["event-type", ..] => MAX_FILE,
            _ => MAX_FORM,
        }
    }

    /// The path segments.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The first form field with this name, trimmed. `None` if it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// An uploaded file. `None` if none was selected.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        let found = self.files.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice());
        found.filter(|bytes| !bytes.is_empty())
    }

    /// Whether a checkbox is checked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// All fields with this name.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        self.form.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim().to_owned())
            .filter(|v| !v.is_empty())
    }

    /// Whether it has the proof of this session.
    pub fn is_proved(&self, session: &Session) -> bool {
        let proof = self.proof.as_deref().or_else(|| self.field("_proof"));
        proof.is_some_and(|proof| session.proves(proof))
    }
}

/// A response to a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: Vec<(&'static str, String)>,
    /// HTML, text, or nothing.
    pub body: String,
    /// The body of a binary response; empty otherwise.
    pub bytes: Vec<u8>,
    /// The message of an error page.
    pub(crate) sentence: Option<String>,
    /// Whether it is a fragment.
    pub(crate) is_piece: bool,
    /// What the action did, to be reported by the page that follows.
    pub said: Option<Said>,
}

/// The content security policy: only this origin, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Page {
    /// An HTML page.
    pub(crate) fn html(status: u16, markup: Markup) -> Self {
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            (
                "content-security-policy",
                scope::policy().map_or_else(|| POLICY.to_owned(), |own| own.to_string()),
            ),
            ("cache-control", "no-store".to_owned()),
            ("referrer-policy", "same-origin".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self {
            status,
            headers,
            body: markup.into_string(),
            bytes: Vec::new(),
            sentence: None,
            is_piece: false,
            said: None,
        }
    }

    /// Plain text.
    pub(crate) fn text(text: &str) -> Self {
        let mut page = Self::html(200, Markup::default());
        for (name, value) in &mut page.headers {
            if *name == "content-type" {
                "text/plain; charset=utf-8".clone_into(value);
            }
        }
        Self { body: text.to_owned(), ..page }
    }

    /// Bytes: as text if they are UTF-8, otherwise as a download.
    pub(crate) fn exact(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::text(&text),
            Err(error) => Self { bytes: error.into_bytes(), ..Self::text("") },
        }
    }

    /// A stylesheet that browsers cache. Another version has another path.
    pub fn styles(css: String) -> Self {
        let headers = vec![
            ("content-type", "text/css; charset=utf-8".to_owned()),
            ("cache-control", "public, max-age=31536000, immutable".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self {
            status: 200,
            headers,
            body: css,
            bytes: Vec::new(),
            sentence: None,
            is_piece: false,
            said: None,
        }
    }

    /// A redirect to a path of the dashboard.
    pub fn go(to: &str) -> Self {
        Self {
            status: 303,
            headers: vec![("location", to.to_owned()), ("cache-control", "no-store".to_owned())],
            body: String::new(),
            bytes: Vec::new(),
            sentence: None,
            is_piece: false,
            said: None,
        }
    }

    /// A redirect, also for a script, which would otherwise insert the target page as a fragment.
    pub(crate) fn go_or_load(to: &str, partial: bool) -> Self {
        if !partial {
            return Self::go(to);
        }
        let mut page = Self::html(200, Markup::default());
        page.headers.push(("hx-redirect", to.to_owned()));
        page
    }

    /// An error page.
    pub fn refused(status: u16, sentence: &str) -> Self {
        let page = Self::html(status, crate::view::refused(status, sentence));
        Self { sentence: Some(sentence.to_owned()), ..page }
    }

    /// A fragment, which a script inserts into its page.
    pub(crate) fn piece(markup: Markup) -> Self {
        Self { is_piece: true, ..Self::html(200, markup) }
    }

    /// A fragment as a whole page, for a browser without scripts.
    pub(crate) fn whole(self, session: &Session) -> Self {
        if self.is_piece {
            let content = crate::view::done(maud::PreEscaped(&self.body));
            return Self::html(
                self.status,
                crate::view::page(session, &crate::view::Place { title: "Done", above: Vec::new() }, content),
            );
        }
        self.framed(session, false)
    }

    /// An error page with the navigation of a session; for a script only the message.
    #[must_use]
    pub fn framed(self, session: &Session, partial: bool) -> Self {
        match &self.sentence {
            Some(sentence) if partial => Self::html(self.status, crate::view::fault(sentence)),
            Some(sentence) => {
                Self::html(self.status, crate::view::refused_here(session, self.status, sentence))
            }
            None => self,
        }
    }

    /// Whether it is a whole page for people, which can report what was done before.
    pub fn is_whole(&self) -> bool {
        let is_html =
            |(name, value): &(&str, String)| *name == "content-type" && value.starts_with("text/html");
        !self.is_piece && self.headers.iter().any(is_html)
    }

    /// Reports what was done on the page that follows.
    #[must_use]
    pub(crate) fn saying(self, said: Said) -> Self {
        Self { said: Some(said), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::is_from_elsewhere;

    #[test]
    fn a_form_of_another_site_is_told_from_an_own_one() {
        let url = "http://weir.example:8787/dashboard/login";
        for (site, origin, elsewhere) in [
            ("", "", false),
            ("same-origin", "", false),
            ("none", "", false),
            ("same-origin", "https://evil.example", false),
            ("cross-site", "", true),
            ("same-site", "http://weir.example:8787", true),
            ("", "http://weir.example:8787", false),
            ("", "https://weir.example:8787", false),
            ("", "http://WEIR.example:8787", false),
            ("", "http://weir.example", true),
            ("", "https://evil.example", true),
            ("", "http://weir.example:8787.evil.example", true),
            ("", "null", true),
            ("", "nonsense", true),
        ] {
            assert_eq!(is_from_elsewhere(site, origin, url), elsewhere, "{site:?} {origin:?}");
        }
        for url in ["https://weir.example/", "http://weir.example/", "https://weir.example:443/"] {
            assert!(!is_from_elsewhere("", "https://weir.example", url), "{url}");
        }
    }
}
