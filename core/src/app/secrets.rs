//! Signing secrets of endpoints, in the format of the provider as which the endpoint sends.

use super::{App, EndpointRecord, StoredSecret};
use crate::api::model::endpoint::{EndpointContent, EndpointSecretOut};
use crate::error::ApiError;
use crate::preset::Preset;
use crate::rng::Entropy;
use crate::secret::Secret;
use crate::send_as::{self, SendAs};
use crate::sql::{Sql, SqlError};
use crate::vault::{Place, Vault, VaultError};

impl<S: Sql> App<S> {
    /// The secret that was given, checked, or a new one: as the preset's are written, if the endpoint has one.
    pub(super) fn make_secret(
        &self,
        given: Option<&str>,
        field: &str,
        preset: Option<&Preset>,
        endpoint_id: &str,
        rng: &mut impl Entropy,
    ) -> Result<StoredSecret, ApiError> {
        let text = match (preset, given) {
            (Some(preset), Some(text)) => send_as::check_secret(preset, text).map(|()| text.to_owned()),
            (Some(preset), None) => send_as::new_secret(preset, rng),
            (None, Some(text)) => {
                Secret::parse(text).map(|secret| secret.storage_text()).map_err(|e| e.to_string())
            }
            (None, None) => Ok(Secret::generate(self.deployment.default_signature, rng).storage_text()),
        };
        let text = text.map_err(|sentence| ApiError::invalid(&["body", field], sentence))?;
        let sealed = self.deployment.vault.seal(Place::secret(endpoint_id), &text, rng)?;
        Ok(StoredSecret { sealed, expires_at: None })
    }

    /// As [`fit_secrets`](Self::fit_secrets), where it sends as somebody else than before.
    pub(super) fn fit_secrets_after(
        &self,
        before: &EndpointContent,
        record: &mut EndpointRecord,
        endpoint_id: &str,
        rng: &mut impl Entropy,
    ) -> Result<(), ApiError> {
        if before.send_as == record.content.send_as {
            return Ok(());
        }
        self.fit_secrets(record, endpoint_id, rng)
    }

    /// The new provider of an endpoint may have secrets of another format: secrets that do not fit no longer sign,
    /// and if none is left a new one is created.
    fn fit_secrets(
        &self,
        record: &mut EndpointRecord,
        endpoint_id: &str,
        rng: &mut impl Entropy,
    ) -> Result<(), ApiError> {
        let preset = preset_of(&record.content);
        let fits = |secret: &StoredSecret| {
            let text = self.deployment.vault.open(Place::secret(endpoint_id), &secret.sealed)?;
            Ok::<_, ApiError>(match &preset {
                Some(preset) => send_as::check_secret(preset, &text).is_ok(),
                None => Secret::parse(&text).is_ok(),
            })
        };
        let mut fit = Vec::new();
        for secret in std::mem::take(&mut record.secrets) {
            if fits(&secret)? {
                fit.push(secret);
            }
        }
        if fit.first().is_none_or(|secret| secret.expires_at.is_some()) {
            fit.insert(0, self.make_secret(None, "secret", preset.as_ref(), endpoint_id, rng)?);
        }
        record.secrets = fit;
        Ok(())
    }

    /// The secret as its receiver needs it; none of a private key that its owner gave.
    pub(super) fn shown_secret(
        &self,
        endpoint_id: &str,
        record: &EndpointRecord,
    ) -> Result<Option<EndpointSecretOut>, ApiError> {
        let text = record.secret(endpoint_id, &self.deployment.vault)?;
        let key = if let Some(preset) = preset_of(&record.content) {
            preset.scheme.public_half(&text)
        } else {
            let secret = Secret::parse(&text).map_err(|e| ApiError::Internal(e.to_string()))?;
            Some(secret.public_text())
        };
        Ok(key.map(|key| EndpointSecretOut { key }))
    }
}

impl EndpointRecord {
    /// Seals anew what is sealed with an older key, or with none; how many texts that were.
    pub(super) fn reseal(
        &mut self,
        endpoint_id: &str,
        vault: &Vault,
        rng: &mut impl Entropy,
    ) -> Result<usize, VaultError> {
        let secrets = self.secrets.iter_mut().map(|s| (Place::secret(endpoint_id), &mut s.sealed));
        let headers = self.headers.values_mut().map(|value| (Place::header(endpoint_id), value));
        let plugins = self.plugins.iter_mut().flatten().filter_map(|plugin| plugin.config.as_mut());
        let plugins = plugins.map(|config| (Place::config(endpoint_id), config));
        let url = self.url.iter_mut().map(|sealed| (Place::url(endpoint_id), sealed));
        let mut count = 0usize;
        for (place, sealed) in secrets.chain(headers).chain(plugins).chain(url) {
            if let Some(anew) = vault.reseal(place, sealed, rng)? {
                *sealed = anew;
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    /// Why one of its texts cannot be decrypted; `None` if all keys are there.
    pub fn lacks_key(&self, vault: &Vault) -> Option<VaultError> {
        let secrets = self.secrets.iter().map(|secret| secret.sealed.as_str());
        let headers = self.headers.values().map(String::as_str);
        let plugins = self.plugins.iter().flatten().filter_map(|plugin| plugin.config.as_deref());
        let url = self.url.as_deref();
        secrets.chain(headers).chain(plugins).chain(url).find_map(|sealed| vault.lacks_key(sealed))
    }
}

impl<S: Sql> App<S> {
    /// Seals everything anew that is not sealed with the newest key: how many texts were, and of how many endpoints the
    /// key is missing.
    pub(super) fn reseal(&mut self, now: i64, rng: &mut impl Entropy) -> Result<(usize, usize), SqlError> {
        let (mut done, mut locked) = (0usize, 0usize);
        for endpoint_id in self.slots.keys().cloned().collect::<Vec<_>>() {
            let Some(slot) = self.slots.get(&endpoint_id) else { continue };
            let mut record = slot.record.clone();
            match record.reseal(&endpoint_id, &self.deployment.vault, rng) {
                Ok(0) => {}
                Ok(count) => {
                    done = done.saturating_add(count);
                    self.change_endpoint(now, &endpoint_id, record)?;
                }
                Err(_) => locked = locked.saturating_add(1),
            }
        }
        Ok((done, locked))
    }

    /// Why endpoints wait: the first that has something sealed whose key is missing, and the sentence for the operator.
    pub fn lacks_key(&self) -> Option<(String, VaultError)> {
        let vault = &self.deployment.vault;
        let lacking = |(id, slot): (&String, &super::Slot)| Some((id.clone(), slot.record.lacks_key(vault)?));
        self.slots.iter().filter(|(_, slot)| !slot.deleted).find_map(lacking)
    }
}

/// The provider as which an endpoint sends, if any.
pub(super) fn preset_of(content: &EndpointContent) -> Option<Preset> {
    content.send_as.as_ref().and_then(SendAs::resolve)
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use serde_json::{Value, json};

    fn secret(world: &mut World, endpoint: &str) -> String {
        let (status, shown) = world.call(Op::SecretGet, &[endpoint], "", &Value::Null);
        assert_eq!(status, 200, "{shown}");
        shown["key"].as_str().expect("a key").to_owned()
    }

    fn refused(world: &mut World, body: &Value) -> (String, String) {
        let (status, error) = world.call(Op::EndpointCreate, &[], "", body);
        assert_eq!(status, 422, "{error}");
        let fault = &error["detail"][0];
        (fault["loc"][1].as_str().unwrap_or_default().to_owned(), fault["msg"].to_string())
    }

    #[test]
    fn a_preset_is_shown_as_it_was_given_and_its_secret_has_the_providers_form() {
        let mut world = World::new(&[]);
        let body = json!({ "preset": "relaypost", "presetParams": { "header": "x-acme" } });
        let endpoint = world.add_endpoint(&body);
        let (_, shown) = world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null);
        assert_eq!((&shown["preset"], &shown["presetParams"]), (&body["preset"], &body["presetParams"]));
        assert_eq!(secret(&mut world, &endpoint).len(), 64, "hex");
        let loops = world.add_endpoint(&json!({ "preset": "loops" }));
        assert!(secret(&mut world, &loops).starts_with("whsec_"));
        let own = world.add_endpoint(&json!({ "preset": "mailabl", "secret": "my app secret" }));
        assert_eq!(secret(&mut world, &own), "my app secret");
        let pair = world.add_endpoint(&json!({ "preset": "svix-ed25519" }));
        assert!(secret(&mut world, &pair).starts_with("whpk_"), "only the public half is shown");
    }

    #[test]
    fn what_cannot_be_sent_as_is_refused_with_a_sentence() {
        let mut world = World::new(&[]);
        let url = "https://example.com/hook";
        for (body, field, says) in [
            (json!({ "preset": "lops" }), "preset", "Did you mean loops"),
            (json!({ "presetParams": { "a": "b" } }), "preset", "`preset` is required"),
            (json!({ "preset": "loops", "secret": "short" }), "secret", "Loops has: `whsec_` and base64"),
            (json!({ "preset": "sendgrid" }), "secret", "signs with a private key"),
            (
                json!({ "preset": "resend", "url": "http://example.com/" }),
                "url",
                "Resend only sends to https URLs",
            ),
            (json!({ "preset": "custom" }), "scheme", "needs a scheme"),
        ] {
            let mut whole = json!({ "url": url });
            whole.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
            let (at, sentence) = refused(&mut world, &whole);
            assert!(at == field && sentence.contains(says), "{body}: {at}: {sentence}");
        }
    }

    #[test]
    fn plain_http_goes_only_to_networks_that_the_operator_has_opened() {
        let mut world = World::new(&[("ALLOWED_NETWORKS", "127.0.0.0/8")]);
        world.add_endpoint(&json!({ "preset": "resend", "url": "http://127.0.0.1:9999/" }));
        refused(&mut world, &json!({ "preset": "resend", "url": "http://example.com/" }));
    }

    #[test]
    fn secrets_stay_where_they_fit_and_are_made_anew_where_they_do_not() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let first = secret(&mut world, &endpoint);
        let patch = |world: &mut World, body: Value| world.call(Op::EndpointPatch, &[&endpoint], "", &body);
        assert_eq!(patch(&mut world, json!({ "preset": "loops" })).0, 200);
        assert_eq!(secret(&mut world, &endpoint), first, "the same form");
        assert_eq!(patch(&mut world, json!({ "preset": "mailabl", "secret": "app secret" })).0, 200);
        assert_eq!(secret(&mut world, &endpoint), "app secret");
        let (_, shown) = patch(&mut world, json!({ "preset": null }));
        assert_eq!(shown["preset"], Value::Null);
        assert!(secret(&mut world, &endpoint).starts_with("whsec_"), "'app secret' is none of Weir's");
        let (status, shown) =
            patch(&mut world, json!({ "preset": "relaypost", "presetParams": { "header": "x-a" } }));
        assert_eq!((status, &shown["presetParams"]["header"]), (200, &json!("x-a")), "{shown}");
        let (_, shown) = patch(&mut world, json!({ "preset": "mailabl" }));
        assert_eq!(shown["presetParams"], json!({}), "another preset begins without");
        let put = json!({ "url": "https://example.com/", "preset": null });
        assert_eq!(world.call(Op::EndpointUpdate, &[&endpoint], "", &put).1["preset"], Value::Null);
    }

    #[test]
    fn a_private_key_is_taken_and_not_shown() {
        let mut world = World::new(&[]);
        let pem = include_str!("../../tests/scheme/keys/p256.pem");
        let endpoint = world.add_endpoint(&json!({ "preset": "sendgrid", "secret": pem }));
        let (status, error) = world.call(Op::SecretGet, &[&endpoint], "", &Value::Null);
        assert_eq!((status, &error["code"]), (400, &json!("private_key")), "{error}");
        let rotated = world.call(Op::SecretRotate, &[&endpoint], "", &json!({ "key": pem }));
        assert_eq!(rotated, (204, Value::Null));
    }

    #[test]
    fn a_scheme_of_ones_own_is_stored_and_shown() {
        let mut world = World::new(&[]);
        let scheme = json!({ "kind": "token", "at": "header:x-acme-token" });
        let endpoint =
            world.add_endpoint(&json!({ "preset": "custom", "scheme": scheme, "secret": "a t0ken of ours" }));
        assert_eq!(world.call(Op::EndpointGet, &[&endpoint], "", &Value::Null).1["scheme"], scheme);
        world.send("a.b");
        assert_eq!(world.got.len(), 1);
    }
}
