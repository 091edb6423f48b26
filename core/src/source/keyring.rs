//! Providers' public keys that were fetched, as one isolate remembers them.
//!
//! A key is believed for an hour, so that one that the provider takes back is not believed for ever. That fetching failed is
//! remembered for some seconds, and how often one source may have unknown URLs fetched is bounded: requests that nobody
//! has verified yet decide what is fetched.

use super::Gate;
use crate::cache::Cache;
use crate::pace::Pace;

/// How long keys are believed, in milliseconds.
pub const BELIEF_MS: i64 = 3_600_000;
/// How long after a failure nothing is asked.
pub const PAUSE_MS: i64 = 10_000;
/// Keys that are at least so old are fetched anew where a signature does not match them: the provider may have new ones.
pub const DOUBT_MS: i64 = 60_000;
/// How many URLs are remembered.
const MAX: usize = 64;
/// How many URLs may be fetched for one source.
const FETCHES: Pace = Pace { limit: 20, window_ms: 60_000 };

/// Bounds what is fetched for one source.
pub fn fetches() -> Gate {
    Gate::new(FETCHES)
}

/// What is known of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its keys.
    Keys(String),
    /// It failed a moment ago; why.
    Failed(String),
    /// Nothing: it is to be fetched.
    Nothing,
}

/// What was fetched, by URL.
#[derive(Debug)]
pub struct KeyRing(Cache<String, (i64, Result<String, String>)>);

impl Default for KeyRing {
    fn default() -> Self {
        Self(Cache::new(MAX))
    }
}

impl KeyRing {
    /// What is known of a URL now.
    pub fn look(&self, url: &str, now: i64) -> Known {
        let since = |at: i64| now.saturating_sub(at);
        match self.0.get(url) {
            Some((at, Ok(keys))) if (0..BELIEF_MS).contains(&since(*at)) => Known::Keys(keys.clone()),
            Some((at, Err(why))) if (0..PAUSE_MS).contains(&since(*at)) => Known::Failed(why.clone()),
            _ => Known::Nothing,
        }
    }

    /// Caches what was fetched.
    pub fn learn(&mut self, url: &str, found: Result<String, String>, now: i64) {
        self.0.insert(url.to_owned(), (now, found));
    }

    /// A signature does not match the keys of this URL: forgets them where they are old enough to have been replaced.
    pub fn doubt(&mut self, url: &str, now: i64) -> bool {
        let old = |(at, found): &(i64, Result<String, String>)| {
            found.is_ok() && now.saturating_sub(*at) >= DOUBT_MS
        };
        let doubted = self.0.get(url).is_some_and(old);
        if doubted {
            self.0.remove(url);
        }
        doubted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Known {
        Known::Keys(text.to_owned())
    }

    #[test]
    fn keys_are_believed_for_an_hour_and_doubted_after_a_minute() {
        let mut ring = KeyRing::default();
        assert_eq!(ring.look("u", 0), Known::Nothing);
        ring.learn("u", Ok("k".into()), 0);
        assert_eq!((ring.look("u", BELIEF_MS - 1), ring.look("u", BELIEF_MS)), (keys("k"), Known::Nothing));
        assert!(!ring.doubt("u", DOUBT_MS - 1));
        assert_eq!(ring.look("u", DOUBT_MS), keys("k"));
        assert!(ring.doubt("u", DOUBT_MS) && !ring.doubt("u", DOUBT_MS));
        assert_eq!(ring.look("u", DOUBT_MS), Known::Nothing);
    }

    #[test]
    fn a_failure_is_not_repeated_at_once() {
        let mut ring = KeyRing::default();
        ring.learn("u", Err("it answered 500".into()), 0);
        assert_eq!(ring.look("u", PAUSE_MS - 1), Known::Failed("it answered 500".into()));
        assert!(!ring.doubt("u", DOUBT_MS), "there is nothing to doubt");
        assert_eq!(ring.look("u", PAUSE_MS), Known::Nothing);
        assert_eq!(ring.look("u", -1), Known::Nothing, "a clock that went back makes nobody wait");
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut ring = KeyRing::default();
        for n in 0..=64 {
            ring.learn(&n.to_string(), Ok("k".into()), n);
        }
        assert_eq!((ring.0.len(), ring.look("0", 64), ring.look("64", 64)), (64, Known::Nothing, keys("k")));
        let mut gate = fetches();
        assert_eq!((0..30).filter(|_| gate.enter(0).is_ok()).count(), 20);
    }
}
