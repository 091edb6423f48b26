//! Which messages an endpoint receives.
//!
//! Svix's rule: no event types means all of them; an endpoint with channels takes a message only if they
//! share one, so a message without channels does not reach it; an endpoint without channels takes all.

/// What an endpoint subscribes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    event_types: Option<Vec<String>>,
    channels: Option<Vec<String>>,
}

impl Filter {
    /// A filter; `None` or an empty list means no restriction.
    pub fn new(event_types: Option<&[String]>, channels: Option<&[String]>) -> Self {
        let list = |items: Option<&[String]>| {
            items.filter(|items| !items.is_empty()).map(|items| {
                let mut items = items.to_vec();
                items.sort_unstable();
                items
            })
        };
        Self { event_types: list(event_types), channels: list(channels) }
    }

    /// Whether a message of this type, in these channels, passes.
    pub fn matches(&self, event_type: &str, channels: &[String]) -> bool {
        let has = |list: &Vec<String>, item: &str| list.binary_search_by(|x| x.as_str().cmp(item)).is_ok();
        self.event_types.as_ref().is_none_or(|list| has(list, event_type))
            && self.channels.as_ref().is_none_or(|list| channels.iter().any(|c| has(list, c)))
    }
}

/// The channels in their stored form, a JSON array of strings; empty if there are none.
pub fn parse_channels(stored: Option<&str>) -> Vec<String> {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|&s| s.to_owned()).collect()
    }

    #[test]
    fn without_restrictions_everything_passes() {
        let all = Filter::new(None, None);
        assert!(all.matches("a.b", &[]));
        assert!(all.matches("a.b", &list(&["x"])));
        assert!(Filter::new(Some(&[]), Some(&[])).matches("a.b", &[]), "empty lists mean all");
    }

    #[test]
    fn event_types_match_whole_names_only() {
        let filter = Filter::new(Some(&list(&["z", "a.b"])), None);
        assert!(filter.matches("a.b", &[]));
        assert!(!filter.matches("a", &[]));
        assert!(!filter.matches("a.b.c", &[]));
    }

    #[test]
    fn channels_must_overlap() {
        let filter = Filter::new(None, Some(&list(&["x", "y"])));
        assert!(filter.matches("t", &list(&["q", "y"])));
        assert!(!filter.matches("t", &list(&["q"])));
        assert!(!filter.matches("t", &[]), "a message without channels does not match");
    }

    #[test]
    fn stored_channels_read_back() {
        assert_eq!(parse_channels(Some(r#"["a","b"]"#)), list(&["a", "b"]));
        assert_eq!(parse_channels(None), Vec::<String>::new());
    }
}
