//! The page of all errors, `docs/reference/errors.md`, written from [`Code`] and from the tables below.
//!
//! `WEIR_WRITE_DOCS=1 cargo test -p weir-core errors` writes the page; the tests fail while it differs from the code, or
//! while the code returns a word that no table explains.

use super::Code;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The words in `type` of a 422.
const FAULTS: [(&str, &str); 21] = [
    ("value_error", "The value is not allowed. `msg` says what is."),
    ("value_error.missing", "The field is required."),
    ("value_error.jsondecode", "The body is not valid JSON."),
    ("value_error.datetime", "The value is not a time in RFC 3339, or not an allowed one."),
    ("type_error", "The value has the wrong type."),
    ("type_error.bool", "The value must be `true` or `false`."),
    ("type_error.integer", "The value must be a whole number."),
    ("idempotency_key_reused", "The idempotency key was used with another body."),
    ("url_too_long", "The URL is too long."),
    ("url_unreadable", "The URL is not an absolute URL, or it contains a character that is not allowed."),
    ("url_scheme", "The scheme of the URL is neither `http` nor `https`."),
    ("url_https_only", "The deployment allows only `https` URLs."),
    ("url_userinfo", "The URL contains a user name or a password."),
    ("url_host", "The host of the URL is not a valid name."),
    ("url_local_name", "The host of the URL is a name of a local network."),
    ("url_address", "The host of the URL is an address in a private or reserved network."),
    ("url_ip_address", "The host of the URL is an IP address, and the deployment does not allow these."),
    ("url_own_source", "The URL leads to the source whose events it would receive."),
    ("too_large", "The module is too large once it is metered."),
    ("application_uid_missing", "The application that the message brings along needs the uid in the path."),
    (
        "application_uid_mismatch",
        "The application that the message brings along has another uid than the path.",
    ),
];

/// Why a signature is refused: the reasons of `POST /api/v1/preset/{name}/verify`, of rejected requests, and of the
/// responses that a source returns.
const REASONS: [(&str, &str); 31] = [
    ("no_secret", "The source has no secret."),
    ("secret_unusable", "The secret does not have the format that the provider uses."),
    ("parameter_missing", "The scheme needs a value of your account that is not set."),
    ("not_configured", "The source lacks a secret or a parameter. Its owner sees which."),
    ("header_missing", "A header that the scheme reads is missing."),
    ("header_repeated", "A header that the scheme reads occurs more than once."),
    ("field_repeated", "A field of the signature header occurs more than once."),
    ("missing", "Another part of the request that the scheme reads is missing."),
    ("body_unreadable", "The body does not have the format that the provider sends."),
    ("requirement", "A part of the request does not have the value that the provider always sends."),
    ("no_signature", "The request has no signature in a version that is accepted."),
    ("too_many_signatures", "The request has too many signatures."),
    ("signature_malformed", "The signature does not have the encoding of the scheme."),
    ("timestamp_malformed", "The timestamp does not have the format of the scheme."),
    ("too_old", "The signature is valid, but the request is too old."),
    ("too_new", "The signature is valid, but the request's time is in the future."),
    ("mismatch", "The signature was made with another secret, or the signed content was changed."),
    ("body_changed", "The signature is valid, but the hash that it covers belongs to another body."),
    ("wrong_token", "The token or password does not match the secret."),
    ("jwt_malformed", "The JSON Web Token does not have the form that the provider uses."),
    ("jwt_algorithm", "The JSON Web Token is signed with an algorithm that the provider does not use."),
    ("expired", "The token has expired."),
    ("not_yet_valid", "The token is not valid yet."),
    ("claim", "A claim of the token is missing or has another value."),
    (
        "handshake",
        "The signed content looks like a challenge of the provider's handshake, so it proves nothing.",
    ),
    ("key_url", "The request names a URL for the public key that is not the provider's."),
    (
        "secrets_locked",
        "The source's secrets cannot be decrypted with the current `MASTER_KEY`. Status 503: the provider sends it again.",
    ),
    (
        "keys_unavailable",
        "The provider's public keys could not be fetched. Status 503: the provider sends it again.",
    ),
    ("duplicate", "The source has stored this event before. Only in the list of rejected requests."),
    ("payload_too_large", "The request is larger than the source allows."),
    ("rate_limit_exceeded", "The source has received too many requests."),
];

fn page() -> String {
    let mut page = String::from(
        "# Errors\n\n<!-- Written by `WEIR_WRITE_DOCS=1 cargo test -p weir-core errors`; a test keeps it in step with the code. -->\n\n\
         The API returns errors as JSON. All but 422 have this shape:\n\n```json,ignore\n\
         {\"code\": \"not_found\", \"detail\": \"Endpoint not found\"}\n```\n\n\
         `code` is a stable word for programs. `detail` is a sentence for people, and may change between releases. 429 and 503 \
         carry `Retry-After` with a number of seconds. The API reference at `/docs` of your gateway lists the codes of each \
         operation.\n\n## Codes\n\n| Status | Code | When | What to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let (status, name) = (code.status(), code.name());
        let _ = writeln!(page, "| {status} | `{name}` | {} | {} |", code.when(), code.action());
    }
    page.push_str(
        "\n## Invalid input (422)\n\n```json,ignore\n\
         {\"detail\": [{\"loc\": [\"body\", \"url\"], \"msg\": \"This field is required.\", \"type\": \"value_error.missing\"}]}\n```\n\n\
         `loc` is the place of the error, `msg` says what to send instead, and `type` is a stable word. A response lists up to 20 \
         errors. An uploaded plugin that is refused has a `type` of its own; `msg` explains it.\n\n| Type | Meaning |\n|---|---|\n",
    );
    for (word, meaning) in FAULTS {
        let _ = writeln!(page, "| `{word}` | {meaning} |");
    }
    page.push_str(
        "\n## Signature verification\n\nA source answers a request that it refuses with the reason as `code`. The same reasons appear \
         in the list of rejected requests, and in the verdict of `POST /api/v1/preset/{preset_name}/verify`. The status is 401 \
         unless the provider expects another one.\n\n| Code | Meaning |\n|---|---|\n",
    );
    for (word, meaning) in REASONS {
        let _ = writeln!(page, "| `{word}` | {meaning} |");
    }
    page
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All Rust sources below a directory, as one text.
fn sources(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).expect("a directory").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("error/page.rs") {
            text += &fs::read_to_string(&path).expect("a source");
        }
    }
    text
}

/// The words between quotes after each occurrence of `mark`.
fn quoted_after<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
    text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_of_errors_in_docs_is_what_the_code_says() {
    let path = repository().join("docs/reference/errors.md");
    let page = page();
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "write it: WEIR_WRITE_DOCS=1 cargo test -p weir-core errors");
}

#[test]
fn the_page_of_errors_explains_every_type_of_422() {
    let src = repository().join("core/src");
    let dirs = ["api", "app", "directory"].map(|dir| sources(&src.join(dir)));
    let core = dirs.concat() + &fs::read_to_string(src.join("target.rs")).expect("a source");
    let mut found = BTreeSet::new();
    for prefix in ["value_error", "type_error", "url_", "application_uid_"] {
        for word in quoted_after(&core, &format!("\"{prefix}")) {
            let word = format!("{prefix}{word}");
            if word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.') {
                found.insert(word);
            }
        }
    }
    let explained: BTreeSet<&str> = FAULTS.iter().map(|(word, _)| *word).collect();
    let missing: Vec<&String> = found.iter().filter(|word| !explained.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "explain these in core/src/error/page.rs: {missing:?}");
}

#[test]
fn the_page_of_errors_explains_every_reason_of_a_refused_signature() {
    let verdict = fs::read_to_string(repository().join("core/src/scheme/verdict.rs")).expect("a source");
    let of_code = verdict.split("pub fn code(&self)").nth(1).and_then(|rest| rest.split("\n    }\n").next());
    let found = quoted_after(of_code.expect("Reason::code"), "=> \"");
    assert!(found.len() > 20, "{found:?}");
    let explained: BTreeSet<&str> = REASONS.iter().map(|(word, _)| *word).collect();
    let missing: Vec<&&str> = found.difference(&explained).collect();
    assert!(missing.is_empty(), "explain these in core/src/error/page.rs: {missing:?}");
}

#[test]
fn every_error_that_the_scripts_of_the_worker_return_has_a_code() {
    let scripts = fs::read_dir(repository().join("worker/runtime")).expect("the scripts");
    let scripts = scripts.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let all: String = scripts.map(|path| fs::read_to_string(path).expect("a script")).collect();
    let found = quoted_after(&all, "code: \"");
    assert!(found.len() > 1, "{found:?}");
    for word in found {
        assert!(Code::from_name(word).is_some(), "{word} is not in core/src/error/code.rs");
    }
}
