//! What an action did. The page that follows the action reports it once: as a toast, or without scripts as a notice.

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_names_what_was_done_and_nothing_else() {
        for (said, name) in ALL {
            assert_eq!((Said::of(name), said.name()), (Some(said), name));
        }
        assert_eq!(Said::of("<b>"), None);
    }
}
