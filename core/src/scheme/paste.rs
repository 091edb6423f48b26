//! Pasted secrets: with spaces, line breaks, quotes and labels around them. Text that cannot be part of a secret is
//! removed. Text that could be part of it but is probably a mistake is refused, with a sentence that says what to
//! remove.

use super::key::{KeyFault, KeyFormat, decode};
use super::model::Scheme;
use crate::pasted::{MIN_BYTES, encoded, label, unquoted, unversioned, visible};
use crate::secret::HMAC_BYTES;
use std::borrow::Cow;

/// The fewest bytes after what all secrets of a provider begin with, and of a password after its user name.
const MIN_REST: usize = 4;

/// How API keys begin, what they are, and how many letters and digits follow at least. Short beginnings are also how people
/// begin secrets of their own, so what follows has to look as the provider makes it.
const API_KEYS: [(&str, &str, usize); 22] = [
    ("sk_live_", "a secret API key", 8),
    ("sk_test_", "a secret API key", 8),
    ("rk_live_", "a restricted API key", 8),
    ("rk_test_", "a restricted API key", 8),
    ("pk_live_", "a publishable API key", 8),
    ("pk_test_", "a publishable API key", 8),
    ("sk-", "an API key", 32),
    ("ghp_", "a GitHub access token", 16),
    ("gho_", "a GitHub access token", 16),
    ("ghu_", "a GitHub access token", 16),
    ("ghs_", "a GitHub access token", 16),
    ("github_pat_", "a GitHub access token", 16),
    ("glpat-", "a GitLab access token", 16),
    ("xoxb-", "a Slack access token", 16),
    ("xoxp-", "a Slack access token", 16),
    ("xapp-", "a Slack access token", 16),
    ("SG.", "a SendGrid API key", 32),
    ("shpat_", "a Shopify access token", 16),
    ("lin_api_", "a Linear API key", 16),
    ("npm_", "an npm access token", 36),
    ("re_", "a Resend API key", 16),
    ("key-", "a Mailgun API key", 32),
];

impl KeyFormat {
    /// The secret without what pasting put around it.
    pub fn clean(self, text: &str) -> Cow<'_, str> {
        let seen = visible(text);
        let bare = match self {
            // Every visible character could be part of it.
            Self::Utf8 | Self::Sha1 | Self::Nfkd => return seen,
            Self::Key => {
                let bare = unquoted(&seen);
                // As it stands in the JSON of a configuration.
                if bare.contains("-----BEGIN") && bare.contains("\\n") {
                    bare.replace("\\r", "").replace("\\n", "\n")
                } else {
                    bare.to_owned()
                }
            }
            Self::Base64 | Self::Hex | Self::Whsec | Self::Whpk => {
                let bare = encoded(&seen);
                let bare = if self == Self::Whsec { unversioned(bare) } else { bare };
                bare.split_whitespace().collect::<String>()
            }
        };
        if bare == text { text.into() } else { bare.into() }
    }
}

impl KeyFormat {
    /// The same of what is written in an encoding: of that, it is known what is no part of it.
    pub(super) fn clean_encoded(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Utf8 | Self::Sha1 | Self::Nfkd | Self::Key => text.into(),
            _ => self.clean(text),
        }
    }
}

impl Scheme {
    /// A new secret without what pasting put around it, or why it cannot be one. `prefixes` are how this provider's begin,
    /// where that is known; `may_be_api_key` says that it signs with its API key.
    pub fn accept_secret(
        &self,
        text: &str,
        prefixes: &[String],
        may_be_api_key: bool,
    ) -> Result<String, KeyFault> {
        let format = self.key().map_or(KeyFormat::Utf8, |(format, _)| format);
        let clean = format.clean(text);
        if clean.is_empty() {
            return Err(KeyFault::Empty);
        }
        if !may_be_api_key && let Some(what) = api_key(&clean) {
            return Err(KeyFault::ApiKey(what));
        }
        if format == KeyFormat::Key {
            return Ok(clean.into_owned());
        }
        if clean.chars().any(char::is_control) {
            return Err(KeyFault::LineBreak);
        }
        let is_token = matches!(self, Self::Token(_) | Self::Basic(_));
        if let Some(fault) = around(&clean).or_else(|| instead(&clean, is_token)) {
            return Err(fault);
        }
        let is_text = matches!(format, KeyFormat::Utf8 | KeyFormat::Nfkd | KeyFormat::Sha1);
        if !is_text && (clean.contains([',', ';']) || clean.matches("whsec_").count() > 1) {
            return Err(KeyFault::Several);
        }
        let given = match self {
            Self::Token(token) if !token.prefix.is_empty() => clean.starts_with(&token.prefix),
            _ => clean.starts_with("Bearer "),
        };
        if given {
            return Err(KeyFault::Prefixed);
        }
        if !prefixes.is_empty() && !prefixes.iter().any(|prefix| clean.starts_with(prefix.as_str())) {
            return Err(KeyFault::OtherPrefix);
        }
        let least = if format == KeyFormat::Whsec { *HMAC_BYTES.start() } else { MIN_BYTES };
        if let Self::Basic(_) = self
            && let Some(fault) = basic(&clean)
        {
            return Err(fault);
        }
        // What every secret of the provider begins with is no part that has to be guessed.
        let prefix = prefixes.iter().find(|prefix| clean.starts_with(prefix.as_str())).map_or(0, String::len);
        let bytes = if is_text { clean.len() } else { decode(format, &clean)?.len() };
        let rest = clean.len().saturating_sub(prefix);
        if prefix > 0 && rest < MIN_REST {
            return Err(KeyFault::Short { bytes: rest, least: MIN_REST });
        }
        if bytes < least {
            return Err(KeyFault::Short { bytes, least });
        }
        Ok(clean.into_owned())
    }
}

/// Why a text is not a user name and a password.
fn basic(text: &str) -> Option<KeyFault> {
    let Some((_, password)) = text.split_once(':') else { return Some(KeyFault::NoPassword) };
    (password.len() < MIN_REST).then_some(KeyFault::Short { bytes: password.len(), least: MIN_REST })
}

/// Which API key a text is, as providers make them.
fn api_key(text: &str) -> Option<&'static str> {
    let (prefix, what, least) = API_KEYS.iter().find(|(prefix, ..)| text.starts_with(prefix))?;
    let rest = text.get(prefix.len()..)?;
    let random = rest.bytes().filter(u8::is_ascii_alphanumeric).count();
    // Words that people write have no digits among their letters.
    let made = rest.bytes().any(|b| b.is_ascii_digit())
        && rest.split(['_', '-', '.']).any(|part| part.len() >= 8)
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    (made && random >= *least).then_some(*what)
}

/// Text around a secret that could, but probably does not, belong to it.
fn around(text: &str) -> Option<KeyFault> {
    if unquoted(text).len() < text.len() {
        return Some(KeyFault::Quoted);
    }
    if label(text).is_some() {
        return Some(KeyFault::Labeled);
    }
    if text.starts_with("v1,") {
        return Some(KeyFault::Around("'v1,' before it"));
    }
    text.ends_with([',', ';']).then_some(KeyFault::Around("a comma or semicolon after it"))
}

/// What a text is that was pasted instead of a secret.
fn instead(text: &str, is_token: bool) -> Option<KeyFault> {
    let dots = |text: &str| text.contains(['\u{2022}', '\u{25cf}', '\u{2219}', '\u{2026}']);
    let same =
        text.chars().next().is_some_and(|first| text.len() >= MIN_BYTES && text.chars().all(|c| c == first));
    let cut = text.split_once("...").is_some_and(|(head, tail)| {
        let part =
            |part: &str| part.len() <= 12 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        part(head) && part(tail.trim_start_matches('.'))
    });
    if dots(text) || same || cut || text.contains("****") {
        return Some(KeyFault::Masked);
    }
    let within = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    let letters: String = text
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let of_yours = letters.contains("your")
        && ["secret", "key", "token", "here"].iter().any(|end| letters.ends_with(end));
    let word = ["changeme", "webhooksecret", "signingsecret", "placeholder"].contains(&letters.as_str());
    if within("<", ">") || within("${", "}") || within("{{", "}}") || of_yours || word {
        return Some(KeyFault::Placeholder);
    }
    if text.starts_with("{\"") {
        return Some(KeyFault::ApiKey("a JSON document"));
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        return Some(KeyFault::ApiKey("a URL"));
    }
    let is_jwt = text.starts_with("eyJ") && text.split('.').count() == 3 && !text.contains(' ');
    (is_jwt && !is_token).then_some(KeyFault::ApiKey("a JSON Web Token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;
    use proptest::prelude::*;

    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn accept(name: &str, text: &str) -> Result<String, KeyFault> {
        let preset = preset::find(name).expect("a preset");
        preset.scheme.accept_secret(text, &preset.secret_prefixes, preset.secret_is_api_key)
    }

    #[test]
    fn what_pasting_puts_around_a_secret_is_taken_off() {
        for text in [
            WHSEC.to_owned(),
            format!("v1,{WHSEC}"),
            format!("  {WHSEC}\n"),
            format!("\"{WHSEC}\""),
            format!("'v1,{WHSEC}'\r\n"),
            WHSEC.replacen("GKY", "\n  GKY", 1),
            format!("\u{201c}{WHSEC}\u{201d}"),
            format!("\u{feff}{WHSEC}\u{200b}"),
            WHSEC.replacen("GKY", "\u{ad}GKY", 1),
            format!("export SVIX_SECRET={WHSEC}"),
            format!("SECRET=\"{WHSEC}\""),
            format!("Signing secret: {WHSEC}"),
            format!("<{WHSEC}>"),
            format!("{WHSEC},"),
            format!("\"{WHSEC}\";"),
            format!("whsec_{WHSEC}"),
        ] {
            assert_eq!(accept("svix", &text).as_deref(), Ok(WHSEC), "{text:?}");
        }
        assert_eq!(accept("github", " my secret text\n").as_deref(), Ok("my secret text"));
        assert_eq!(accept("github", "\u{feff}my secret\u{200b} text").as_deref(), Ok("my secret text"));
        let pem = include_str!("../../tests/scheme/keys/rsa.pub.pem");
        let escaped = format!("\"{}\"", pem.trim().replace('\n', "\\n"));
        assert_eq!(accept("wise", &escaped).as_deref(), Ok(pem.trim()));
    }

    #[test]
    fn what_is_probably_a_mistake_is_refused_with_what_to_remove() {
        for (name, text, says) in [
            ("github", "\"my secret text\"", "quotes"),
            ("github", "my secret\ntext", "line break"),
            ("github", "WEBHOOK_SECRET=my secret text", "before the equals sign"),
            ("github", "ghp_0123456789abcdef", "access token"),
            ("github", "\u{201c}my secret text\u{201d}", "quotes"),
            ("github", "export SECRET=\"my secret text\"", "before the equals sign"),
            ("github", "Webhook secret: my secret text", "before the equals sign"),
            ("github", "v1,my secret text", "'v1,'"),
            ("github", "my secret text;", "semicolon"),
            ("github", "<my secret text>", "example"),
            ("github", "${WEBHOOK_SECRET}", "example"),
            ("github", "your_webhook_secret", "example"),
            ("github", "********************", "hidden"),
            ("github", "\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}", "hidden"),
            ("github", "abcd...WXYZ", "hidden"),
            ("github", "xxxxxxxxxxxxxxxx", "hidden"),
            ("github", "{\"secret\": \"my secret text\"}", "a JSON document"),
            ("github", "https://example.com/hooks", "a URL"),
            ("github", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "a JSON Web Token"),
            ("svix", "whsec_YOUR_SECRET", "example"),
            ("svix", "whsec_\u{2022}\u{2022}\u{2022}\u{2022}", "hidden"),
            (
                "svix",
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "several",
            ),
            ("github", "short", "5 bytes"),
            ("stripe", "sk_live_0123456789abcdef", "a secret API key"),
            ("stripe", "0123456789abcdef", "begin"),
            ("resend", "re_0123456789abcdef", "a Resend API key"),
            ("svix", "whsec_c2hvcnQ=", "5 bytes"),
            ("brevo", "Bearer 0123456789abcdef", "'Bearer '"),
            ("github", "  ", "empty"),
            ("github", "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}", "empty"),
            ("stripe", "whsec_", "0 bytes"),
            ("stripe", "whsec_a", "1 bytes"),
            ("basic", "admin:", "0 bytes"),
            ("basic", "admin:1", "1 bytes"),
            ("basic", "nocolon-at-all", "user:password"),
        ] {
            let fault = accept(name, text).expect_err(text).to_string();
            assert!(fault.contains(says), "{name}, {text}: {fault}");
        }
        assert!(accept("paystack", "sk_live_0123456789abcdef").is_ok(), "it signs with its API key");
        assert!(accept("github", "QUJDREVGR0g=").is_ok(), "the end of base64 is no label");
        for own in [
            "re_deploy_2026_secret",
            "key-2026-deploy",
            "npm_publish_hook_1",
            "sk-my-own-secret",
            "what is this: a pass phrase",
        ] {
            assert_eq!(accept("github", own).as_deref(), Ok(own), "a secret of one's own");
        }
    }

    proptest! {
        #[test]
        fn a_secret_that_was_accepted_is_accepted_as_it_is_kept(text in ".{0,60}", like in "[\"' \n]{0,2}(v1,)?whsec_[A-Za-z0-9+/ ]{30,50}[\"' \n]{0,2}") {
            for name in ["github", "svix", "adyen", "wise", "token", "basic"] {
                for text in [&text, &like] {
                    if let Ok(kept) = accept(name, text) {
                        prop_assert_eq!(accept(name, &kept), Ok(kept.clone()));
                    }
                }
            }
        }
    }
}
