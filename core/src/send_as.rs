//! Endpoints that send as a provider does: as which one, what it takes, and secrets as that provider has them.
//!
//! What is stored is the preset's name and what the endpoint's owner added; the preset itself is looked up when it is
//! needed, so that a release that knows a provider better sends better.

use crate::header;
use crate::preset::{self, Preset};
use crate::rng::Entropy;
use crate::scheme::{Encoding, KeyFormat, Params, Scheme, SignFault};
use crate::secret::{Kind, Secret};
use crate::text::shown;
use minicbor::{Decode, Encode};

/// The preset that takes its scheme from the endpoint.
pub const CUSTOM: &str = "custom";
/// The parameter that names the header of a signature or token.
const HEADER: &str = "header";
/// The most bytes of a parameter's value.
const MAX_PARAM: usize = 1024;
/// Names that differ in more letters are not near.
const NEAR: usize = 2;
/// A longer name has no near ones: to compare costs its length times that of every name there is.
const MAX_COMPARED: usize = 64;
/// The most bytes of a scheme of one's own, as JSON.
pub const MAX_SCHEME: usize = 8 * 1024;
/// The most parameters.
const MAX_PARAMS: usize = 20;

/// As whom an endpoint sends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct SendAs {
    /// The preset's name.
    #[n(0)]
    pub preset: String,
    /// What the preset leaves to the receiver's account.
    #[n(1)]
    #[cbor(default)]
    pub params: Params,
    /// The scheme of the preset `custom`, as it was given: JSON.
    #[n(2)]
    pub scheme: Option<String>,
}

/// What is wrong: the field of the API, and a sentence.
pub type Unfit = (&'static str, String);

impl SendAs {
    /// The preset; `None` where this release has none of that name.
    pub fn resolve(&self) -> Option<Preset> {
        match (&self.scheme, self.preset.as_str()) {
            (Some(scheme), CUSTOM) => serde_json::from_str(scheme).ok().map(Preset::custom),
            (_, CUSTOM) => None,
            (_, name) => preset::find(name),
        }
    }

    /// The preset, if an endpoint can send as it with these parameters.
    pub fn check(&self) -> Result<Preset, Unfit> {
        if let Some(scheme) = &self.scheme {
            if self.preset != CUSTOM {
                return Err(("scheme", format!("Only the preset '{CUSTOM}' takes a scheme.")));
            }
            let read = read_scheme(scheme).map_err(|sentence| ("scheme", sentence))?;
            if let Some(fault) = read.faults().into_iter().next().or_else(|| read.replay_fault()) {
                return Err(("scheme", fault));
            }
            for (name, value) in read.sent_headers() {
                header::check(&name, value).map_err(|fault| ("scheme", fault.to_string()))?;
            }
        } else if self.preset == CUSTOM {
            return Err(("scheme", format!("The preset '{CUSTOM}' needs a scheme.")));
        }
        let preset = self.resolve().ok_or_else(|| ("preset", self.unknown()))?;
        if preset.scheme == Scheme::None {
            let title = &preset.title;
            return Err((
                "preset",
                format!(
                    "{title} signs nothing and sends no token, so an endpoint cannot send as this \
                     provider."
                ),
            ));
        }
        self.check_params(&preset)?;
        Ok(preset)
    }

    fn unknown(&self) -> String {
        if self.preset.is_empty() {
            return "`preset` is required.".to_owned();
        }
        let near = near(&self.preset, preset::names());
        let near =
            if near.is_empty() { String::new() } else { format!(" Did you mean {}?", near.join(", ")) };
        format!("There is no preset '{}'.{near} GET /api/v1/preset lists all.", shown(&self.preset))
    }

    fn check_params(&self, preset: &Preset) -> Result<(), Unfit> {
        const FIELD: &str = "presetParams";
        let title = &preset.title;
        if self.params.len() > MAX_PARAMS {
            return Err((FIELD, format!("Send up to {MAX_PARAMS} parameters.")));
        }
        let mut known = preset.scheme.params();
        if let Some(missing) = known.iter().find(|name| self.params.get(*name).is_none_or(String::is_empty)) {
            return Err((
                FIELD,
                format!("{title} also signs the parameter '{missing}': send it in presetParams."),
            ));
        }
        if preset.scheme.header_is_chosen() {
            known.push(HEADER.to_owned());
        }
        for (name, value) in &self.params {
            if !known.contains(name) {
                let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err((
                    FIELD,
                    format!("{title} has no parameter '{}'. It takes: {takes}.", shown(name)),
                ));
            }
            if value.len() > MAX_PARAM {
                return Err((FIELD, format!("A parameter may have at most {MAX_PARAM} bytes.")));
            }
        }
        match self.params.get(HEADER).map(|name| header::check(name, "")) {
            Some(Err(fault)) => Err((FIELD, fault.to_string())),
            _ => Ok(()),
        }
    }
}

/// Reads a scheme of one's own; the error is a sentence. A long one is not read.
pub fn read_scheme(text: &str) -> Result<Scheme, String> {
    if text.len() > MAX_SCHEME {
        return Err(format!("A scheme may have at most {MAX_SCHEME} bytes."));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Whether a text is a secret that this preset signs with; a sentence where not.
pub fn check_secret(preset: &Preset, text: &str) -> Result<(), String> {
    if let Scheme::Basic(_) = preset.scheme
        && !text.contains(':')
    {
        return Err(format!("{} takes a user and a password, written 'user:password'.", preset.title));
    }
    if preset.scheme.sends_secret() && header::check_value("secret", text.trim()).is_err() {
        return Err(format!(
            "{} sends the secret in a header: it must be one line of ASCII without control characters.",
            preset.title
        ));
    }
    let fits = preset.accept_secret(text).map_err(|fault| SignFault::Secret(0, fault));
    match fits.and_then(|kept| preset.scheme.signing(&[kept])) {
        Ok(_) if text.trim() != text && form(preset) == KeyFormat::Utf8 => {
            Err("The secret begins or ends with a space or line break. Remove it.".to_owned())
        }
        Ok(_) => Ok(()),
        Err(fault) => Err(format!("{fault} {} has: {}.", preset.title, form(preset).describe())),
    }
}

/// A new secret as this preset's are written; a sentence where only its owner can make one.
pub fn new_secret(preset: &Preset, rng: &mut impl Entropy) -> Result<String, String> {
    let mut random = [0; 32];
    rng.fill(&mut random);
    Ok(match (&preset.scheme, form(preset)) {
        (Scheme::Signature(_), KeyFormat::Utf8) => {
            let prefix = preset.secret_prefixes.first().map_or("", String::as_str);
            format!("{prefix}{}", Encoding::Hex.encode(&random))
        }
        (Scheme::Basic(_), _) => format!("weir:{}", Encoding::Hex.encode(&random)),
        // Of an Ed25519 key, these are the secret half.
        (_, KeyFormat::Utf8 | KeyFormat::Nfkd | KeyFormat::Sha1 | KeyFormat::Hex) => {
            Encoding::Hex.encode(&random)
        }
        (_, KeyFormat::Base64) => Encoding::Base64.encode(&random),
        (_, KeyFormat::Whsec) => Secret::generate(Kind::Hmac256, rng).storage_text(),
        (_, KeyFormat::Whpk) => Secret::generate(Kind::Ed25519, rng).storage_text(),
        (_, KeyFormat::Key) => {
            return Err(format!(
                "{} signs with a private key whose public key the receivers know. Send the private key as \
                 'secret': PKCS#8 in PEM, or a JWK.",
                preset.title
            ));
        }
    })
}

fn form(preset: &Preset) -> KeyFormat {
    preset.scheme.key().map_or(KeyFormat::Utf8, |(form, _)| form)
}

/// The known names that were probably meant, nearest first.
pub(crate) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > MAX_COMPARED {
        return Vec::new();
    }
    let name = name.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .filter_map(|other| {
            let within = name.len() > 2 && (other.contains(&name) || name.contains(other));
            let distance = distance(&name, other);
            (within || distance <= NEAR).then_some((distance, other))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, other)| other).collect()
}

/// How many letters have to be changed, added or left out to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(b.bytes()) {
            let changed = diagonal.saturating_add(usize::from(from != to));
            diagonal = *cell;
            left = changed.min(diagonal.saturating_add(1)).min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use crate::scheme::Algorithm;

    fn as_preset(name: &str, params: &[(&str, &str)]) -> SendAs {
        let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        SendAs { preset: name.to_owned(), params, scheme: None }
    }

    #[test]
    fn an_unknown_preset_is_refused_with_those_that_were_probably_meant() {
        for (name, says) in [
            ("loop", "Did you mean loops, lob, reloop?"),
            ("Resent", "Did you mean resend?"),
            ("strpie", "Did you mean stripe?"),
            ("quite-another", "'quite-another'. GET /api/v1/preset"),
        ] {
            let (field, sentence) = as_preset(name, &[]).check().unwrap_err();
            assert!(field == "preset" && sentence.contains(says), "{sentence}");
        }
    }

    #[test]
    fn parameters_are_those_that_the_preset_has() {
        assert!(as_preset("relaypost", &[("header", "X-Acme-Signature")]).check().is_ok());
        for (preset, params, says) in [
            ("relaypost", &[("header", "content-length")][..], "cannot be set"),
            ("relaypost", &[("heather", "x")], "It takes: header."),
            ("loops", &[("header", "x")], "Loops has no parameter 'header'. It takes: none."),
            ("paypal", &[], "signs the parameter 'webhook_id'"),
        ] {
            let (field, sentence) = as_preset(preset, params).check().unwrap_err();
            assert!(field == "presetParams" && sentence.contains(says), "{sentence}");
        }
    }

    #[test]
    fn every_preset_that_signs_makes_secrets_that_it_takes_or_asks_for_a_private_key() {
        let mut asked = 0;
        for name in preset::names() {
            let preset = preset::find(name).unwrap();
            if preset.scheme == Scheme::None {
                assert!(as_preset(name, &[]).check().unwrap_err().1.contains("cannot send as this provider"));
                continue;
            }
            match new_secret(&preset, &mut Seeded(3)) {
                Ok(secret) => {
                    assert_eq!(check_secret(&preset, &secret), Ok(()), "{name}: {secret}");
                    let shown = preset.scheme.public_half(&secret).unwrap();
                    let pair = matches!(preset.scheme.key(), Some((_, Some(Algorithm::Ed25519))));
                    assert_eq!(shown != secret, pair, "{name}");
                    assert!(preset.scheme.verifying(&[shown]).faults().is_empty(), "{name}");
                }
                Err(sentence) => {
                    asked += 1;
                    assert!(sentence.contains("private key"), "{sentence}");
                    assert!(check_secret(&preset, "").is_err(), "{name}");
                }
            }
        }
        assert!(asked > 3, "{asked}");
    }

    #[test]
    fn a_secret_of_another_form_is_refused_with_the_right_one() {
        let says = |name: &str, text: &str| check_secret(&preset::find(name).unwrap(), text).unwrap_err();
        assert!(says("loops", "whsec_!").contains("Loops has: `whsec_` and base64."));
        assert!(says("mailabl", "").contains("empty"));
        assert!(says("basic", "nobody").contains("user:password"));
    }

    #[test]
    fn a_scheme_of_ones_own_is_checked() {
        let custom = |scheme: Option<&str>| SendAs {
            preset: CUSTOM.to_owned(),
            scheme: scheme.map(str::to_owned),
            ..SendAs::default()
        };
        let good = r#"{"kind":"signature","at":["header:x-a"],"algorithm":"hmac-sha256","encoding":"hex","content":"{body}"}"#;
        assert!(custom(Some(good)).check().is_ok());
        for (scheme, says) in [
            (None, "needs a scheme"),
            (Some("{}"), "kind"),
            (Some(&*good.replace("{body}", "{ts}")), "'time' must define"),
        ] {
            let (field, sentence) = custom(scheme).check().unwrap_err();
            assert!(field == "scheme" && sentence.contains(says), "{sentence}");
        }
        let named = SendAs { scheme: Some(good.to_owned()), ..as_preset("loops", &[]) };
        assert!(named.check().unwrap_err().1.contains("Only the preset 'custom'"));
    }
}
