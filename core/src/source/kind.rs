//! Types of sources: names of presets, Svix's names for some of them, and two that are not providers.

use super::Custom;
use crate::preset::{self, Preset};
use crate::send_as::near;

/// A source that verifies nothing: anyone who knows its URL can send.
pub(super) const GENERIC: &str = "generic-webhook";
/// A source with a scheme of the user's own.
pub(super) const CUSTOM: &str = "custom";

/// Svix's names for what has another one here. Many providers send by Svix, so their preset is that.
const ALIASES: [(&str, &str); 11] = [
    ("beehiiv", "svix"),
    ("guesty", "svix"),
    ("lithic", "svix"),
    ("merge", "merge-dev"),
    ("nash", "svix"),
    ("open-ai", "openai"),
    ("pleo", "svix"),
    ("psi-fi", "svix"),
    ("safebase", "svix"),
    ("sardine", "svix"),
    ("stych", "stytch"),
];

/// Svix's types that Weir does not have, and what to do instead.
const UNSUPPORTED: [(&str, &str); 2] = [
    ("cron", "The gateway has no clock for schedules: let a scheduler call the URL of a source."),
    (
        "vgs",
        "The signature scheme of Very Good Security is not known. Use the type 'custom' with the scheme that its \
         dashboard shows, or 'generic-webhook', which verifies nothing.",
    ),
];

/// What to do instead of a kind that Svix has and Weir has not.
pub fn unsupported(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(kind, _)| *kind == name).map(|(_, instead)| *instead)
}

/// Where a source's behavior comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Nothing is verified.
    Generic,
    /// The user's own scheme.
    Custom,
    /// The preset of this name, if there is one.
    Preset(&'a str),
}

impl<'a> Kind<'a> {
    /// The kind that a name stands for.
    pub fn of(name: &'a str) -> Self {
        match name {
            GENERIC => Kind::Generic,
            CUSTOM => Kind::Custom,
            name => {
                let preset =
                    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, preset)| preset);
                Kind::Preset(preset)
            }
        }
    }

    /// Its preset; `None` where there is none of that name, or the user's own scheme cannot be read.
    pub fn preset(self, custom: Option<&str>) -> Option<Preset> {
        match self {
            Kind::Generic => Custom::default().preset("Generic webhook"),
            Kind::Custom => serde_json::from_str::<Custom>(custom?).ok()?.preset("Custom"),
            Kind::Preset(name) => preset::find(name),
        }
    }
}

/// Names of kinds that were probably meant by one that is none.
pub fn similar(name: &str) -> Vec<&'static str> {
    near(name, preset::names().chain([GENERIC, CUSTOM]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_leads_to_a_preset_and_hides_none() {
        for (alias, name) in ALIASES {
            assert!(preset::find(name).is_some(), "{alias}");
            assert!(preset::find(alias).is_none(), "{alias} is a preset of its own");
        }
        assert!(preset::names().all(|name| name != GENERIC && name != CUSTOM));
    }

    #[test]
    fn every_kind_of_svixs_leads_to_a_preset_or_says_what_to_do_instead() {
        // The kinds of the SDKs' models of sources.
        let kinds = "adobe-sign airwallex beehiiv brex checkbook clerk cron docusign easypost generic-webhook github guesty \
            hubspot incident-io lithic meta nango nash open-ai openclaw orum-io panda-doc pleo port-io psi-fi render \
            replicate resend rutter safebase sardine segment shopify slack stripe stych svix tailscale telnyx vapi veriff \
            vgs zoom";
        for kind in kinds.split_ascii_whitespace() {
            let known = Kind::of(kind).preset(None).is_some();
            assert_ne!(known, unsupported(kind).is_some(), "{kind}");
        }
    }

    #[test]
    fn a_wrong_name_finds_near_ones() {
        assert_eq!(similar("gitbuh").first(), Some(&"github"));
        assert!(similar("nothing-like-any-of-them").is_empty());
    }
}
