//! Secrets as people paste them: with the spaces, line breaks, quotes and labels that stand around them where they were
//! copied. What cannot be part of a secret is taken off; what could be, and is probably a mistake, is refused with what to
//! remove.

use super::key::{KeyFault, KeyFormat, decode};
use super::model::Scheme;
use crate::secret::HMAC_BYTES;
use std::borrow::Cow;

/// The fewest bytes of a secret: fewer can be guessed.
const MIN_BYTES: usize = 6;

/// How API keys begin that are no signing secrets, with what they are.
const API_KEYS: [(&str, &str); 22] = [
    ("sk_live_", "a secret API key"),
    ("sk_test_", "a secret API key"),
    ("rk_live_", "a restricted API key"),
    ("rk_test_", "a restricted API key"),
    ("pk_live_", "a publishable API key"),
    ("pk_test_", "a publishable API key"),
    ("sk-", "an API key"),
    ("ghp_", "a GitHub access token"),
    ("gho_", "a GitHub access token"),
    ("ghu_", "a GitHub access token"),
    ("ghs_", "a GitHub access token"),
    ("github_pat_", "a GitHub access token"),
    ("glpat-", "a GitLab access token"),
    ("xoxb-", "a Slack access token"),
    ("xoxp-", "a Slack access token"),
    ("xapp-", "a Slack access token"),
    ("SG.", "a SendGrid API key"),
    ("shpat_", "a Shopify access token"),
    ("lin_api_", "a Linear API key"),
    ("npm_", "an npm access token"),
    ("re_", "a Resend API key"),
    ("key-", "a Mailgun API key"),
];

impl KeyFormat {
    /// The secret without what pasting put around it.
    pub fn clean(self, text: &str) -> Cow<'_, str> {
        let trimmed = text.trim();
        match self {
            // Every other character could be part of it.
            Self::Utf8 | Self::Sha1 | Self::Nfkd => trimmed.into(),
            Self::Key => {
                let bare = unquoted(trimmed);
                // As it stands in the JSON of a configuration.
                if bare.contains("-----BEGIN") && bare.contains("\\n") {
                    bare.replace("\\r", "").replace("\\n", "\n").into()
                } else {
                    bare.into()
                }
            }
            Self::Base64 | Self::Hex | Self::Whsec | Self::Whpk => {
                let bare = unquoted(trimmed);
                let bare = if self == Self::Whsec { unversioned(bare) } else { bare };
                if bare.contains(char::is_whitespace) {
                    bare.split_whitespace().collect::<String>().into()
                } else {
                    bare.into()
                }
            }
        }
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

/// A text without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    let mut bare = text.trim();
    // A quote at both ends is taken off; how many there are is bounded by the text.
    while let Some(inner) =
        ['"', '\'', '`'].into_iter().find_map(|quote| bare.strip_prefix(quote)?.strip_suffix(quote))
    {
        bare = inner.trim();
    }
    bare
}

/// `v1,whsec_…`, as Supabase shows secrets, without the version.
pub(crate) fn unversioned(text: &str) -> &str {
    text.strip_prefix("v1,").filter(|rest| rest.starts_with("whsec_")).unwrap_or(text)
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
        if let Some((_, what)) = API_KEYS.iter().find(|(prefix, _)| clean.starts_with(prefix))
            && !may_be_api_key
        {
            return Err(KeyFault::ApiKey(what));
        }
        if format == KeyFormat::Key {
            return Ok(clean.into_owned());
        }
        if clean.chars().any(char::is_control) {
            return Err(KeyFault::LineBreak);
        }
        if unquoted(&clean).len() < clean.len() {
            return Err(KeyFault::Quoted);
        }
        if is_labelled(&clean) {
            return Err(KeyFault::Labelled);
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
        let bytes = match format {
            KeyFormat::Utf8 | KeyFormat::Nfkd | KeyFormat::Sha1 => clean.len(),
            _ => decode(format, &clean)?.len(),
        };
        if bytes < least {
            return Err(KeyFault::Short { bytes, least });
        }
        Ok(clean.into_owned())
    }
}

/// Whether it is a line of a settings file: `WEBHOOK_SECRET=…`.
fn is_labelled(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name.len() >= 3 && name.contains('_') && name.bytes().all(upper) && value.len() > MIN_BYTES
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
        ] {
            assert_eq!(accept("svix", &text).as_deref(), Ok(WHSEC), "{text:?}");
        }
        assert_eq!(accept("github", " my secret text\n").as_deref(), Ok("my secret text"));
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
            ("github", "short", "5 bytes"),
            ("stripe", "sk_live_0123456789abcdef", "a secret API key"),
            ("stripe", "0123456789abcdef", "begin"),
            ("resend", "re_0123456789abcdef", "a Resend API key"),
            ("svix", "whsec_c2hvcnQ=", "5 bytes"),
            ("brevo", "Bearer 0123456789abcdef", "'Bearer '"),
            ("github", "  ", "empty"),
        ] {
            let fault = accept(name, text).expect_err(text).to_string();
            assert!(fault.contains(says), "{name}, {text}: {fault}");
        }
        assert!(accept("paystack", "sk_live_0123456789abcdef").is_ok(), "it signs with its API key");
        assert!(accept("github", "QUJDREVGR0g=").is_ok(), "the end of base64 is no label");
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
