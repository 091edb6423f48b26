//! What an action did. The page that follows the action reports it once: as a toast, or without scripts as a notice.

use crate::scope::t;

/// What an action did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Settings were changed.
    Saved,
    /// An application was created.
    AppCreated,
    /// An application was deleted.
    AppDeleted,
    /// An endpoint was created.
    EndpointCreated,
    /// An endpoint was deleted.
    EndpointDeleted,
    /// An endpoint was enabled.
    EndpointEnabled,
    /// An endpoint was disabled.
    EndpointDisabled,
    /// An endpoint was paused.
    EndpointPaused,
    /// An endpoint was resumed.
    EndpointResumed,
    /// A source was created.
    SourceCreated,
    /// A source was deleted.
    SourceDeleted,
    /// A rejected request was accepted.
    Accepted,
    /// The secret of a source was replaced, and a rejected request accepted.
    SecretSaved,
    /// An event type was created.
    TypeCreated,
    /// The event types of a provider were created.
    TypesImported,
    /// An event type was deleted.
    TypeDeleted,
    /// A plugin was uploaded.
    PluginUploaded,
    /// A version of a plugin was promoted.
    VersionPromoted,
    /// A plugin, or a version of it, was deleted.
    PluginDeleted,
    /// An operational webhook was created.
    WebhookCreated,
    /// An operational webhook was deleted.
    WebhookDeleted,
}

/// All of them, by their names in the cookie.
const ALL: [(Said, &str); 21] = [
    (Said::Saved, "saved"),
    (Said::AppCreated, "app-created"),
    (Said::AppDeleted, "app-deleted"),
    (Said::EndpointCreated, "endpoint-created"),
    (Said::EndpointDeleted, "endpoint-deleted"),
    (Said::EndpointEnabled, "endpoint-enabled"),
    (Said::EndpointDisabled, "endpoint-disabled"),
    (Said::EndpointPaused, "endpoint-paused"),
    (Said::EndpointResumed, "endpoint-resumed"),
    (Said::SourceCreated, "source-created"),
    (Said::SourceDeleted, "source-deleted"),
    (Said::Accepted, "accepted"),
    (Said::SecretSaved, "secret-saved"),
    (Said::TypeCreated, "type-created"),
    (Said::TypesImported, "types-imported"),
    (Said::TypeDeleted, "type-deleted"),
    (Said::PluginUploaded, "plugin-uploaded"),
    (Said::VersionPromoted, "version-promoted"),
    (Said::PluginDeleted, "plugin-deleted"),
    (Said::WebhookCreated, "webhook-created"),
    (Said::WebhookDeleted, "webhook-deleted"),
];

impl Said {
    /// Reads the value of the cookie. Any other text is nothing: a cookie cannot put words on a page.
    pub fn of(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == name).map(|(said, _)| *said)
    }

    /// The value of the cookie.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The sentence. Pages of a tenant are in English only.
    pub(crate) fn text(self) -> String {
        let english = match self {
            Self::Saved => t("Changes saved."),
            Self::EndpointCreated => t("Endpoint created."),
            Self::EndpointDeleted => t("Endpoint deleted."),
            Self::EndpointEnabled => t("Endpoint enabled."),
            Self::EndpointDisabled => t("Endpoint disabled."),
            Self::EndpointPaused => t("Endpoint paused."),
            Self::EndpointResumed => t("Endpoint resumed."),
            Self::AppCreated => return "Application created.".to_owned(),
            Self::AppDeleted => return "Application deleted.".to_owned(),
            Self::SourceCreated => return "Source created.".to_owned(),
            Self::SourceDeleted => return "Source deleted.".to_owned(),
            Self::Accepted => return "Request accepted.".to_owned(),
            Self::SecretSaved => return "Secret saved and request accepted.".to_owned(),
            Self::TypeCreated => return "Event type created.".to_owned(),
            Self::TypesImported => return "Event types imported.".to_owned(),
            Self::TypeDeleted => return "Event type deleted.".to_owned(),
            Self::PluginUploaded => return "Plugin uploaded.".to_owned(),
            Self::VersionPromoted => return "Version promoted.".to_owned(),
            Self::PluginDeleted => return "Plugin deleted.".to_owned(),
            Self::WebhookCreated => return "Operational webhook created.".to_owned(),
            Self::WebhookDeleted => return "Operational webhook deleted.".to_owned(),
        };
        english.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_names_what_was_done_and_nothing_else() {
        for (said, name) in ALL {
            assert_eq!((Said::of(name), said.name()), (Some(said), name));
            assert!(said.text().ends_with('.'), "{name}");
        }
        assert_eq!(Said::of("<b>"), None);
    }
}
