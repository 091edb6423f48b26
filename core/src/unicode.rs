//! Unicode tables that V8 has, and that would add a fiftieth to the Worker's size. Natively a library has them; on
//! wasm32 the platform's own function is installed before anything else is done.

/// A text's compatibility decomposition (NFKD).
pub type Normalize = fn(&str) -> String;

#[cfg(target_arch = "wasm32")]
static NFKD: std::sync::OnceLock<Normalize> = std::sync::OnceLock::new();

/// Says which function of the platform normalizes; the first that is said counts.
#[cfg(target_arch = "wasm32")]
pub fn install(nfkd: Normalize) {
    let _ = NFKD.set(nfkd);
}

/// The compatibility decomposition of `text`; `None` where it needs tables and there are none.
pub fn nfkd(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_owned());
    }
    #[cfg(target_arch = "wasm32")]
    let normalized = NFKD.get().map(|nfkd| nfkd(text));
    #[cfg(not(target_arch = "wasm32"))]
    let normalized =
        Some(icu_normalizer::DecomposingNormalizerBorrowed::new_nfkd().normalize(text).into_owned());
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decomposed() {
        for (text, decomposed) in [("plain", "plain"), ("s\u{e9}cret", "se\u{301}cret"), ("\u{fb01}", "fi")] {
            assert_eq!(nfkd(text).as_deref(), Some(decomposed));
        }
    }
}
