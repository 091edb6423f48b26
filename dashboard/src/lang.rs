//! The portal's languages. Templates are in English; every other language is a file of lines `English => translation`.
//!
//! A text without a translation is shown in English. A test fails if there is one.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};

/// A language of the portal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Japanese.
    Ja,
    /// Marks translated texts instead of translating them. For tests.
    Marked,
}

/// The languages to choose from: code, own name and file.
const ALL: [(Lang, &str, &str, &str); 5] = [
    (Lang::En, "en", "English", ""),
    (Lang::De, "de", "Deutsch", include_str!("../lang/de.txt")),
    (Lang::Fr, "fr", "Français", include_str!("../lang/fr.txt")),
    (Lang::Es, "es", "Español", include_str!("../lang/es.txt")),
    (Lang::Ja, "ja", "日本語", include_str!("../lang/ja.txt")),
];

type Words = HashMap<&'static str, &'static str>;

thread_local! {
    static WORDS: [OnceCell<Words>; ALL.len()] = const { [const { OnceCell::new() }; ALL.len()] };
}

thread_local! {
    static MARKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Every text marked on this thread. For tests.
#[doc(hidden)]
pub fn marked() -> BTreeSet<String> {
    MARKED.with_borrow(Clone::clone)
}

impl Lang {
    /// The language with this code.
    pub fn of(code: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(code)).map(|(lang, ..)| *lang)
    }

    /// The chosen language, or the first supported language in `accept-language`; English if there is none.
    pub fn choose(chosen: Option<&str>, accepted: &str) -> Self {
        let mut wanted: Vec<(u32, &str)> = Vec::new();
        for one in accepted.split(',').take(32) {
            let mut parts = one.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and 1000
            wanted.push(((weight.clamp(0.0, 1.0) * 1_000.0) as u32, name));
        }
        // The sort is stable, so the first of equal weights wins.
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let primary = |name: &str| name.split('-').next().and_then(Self::of);
        chosen
            .and_then(Self::of)
            .or_else(|| wanted.iter().filter(|(weight, _)| *weight > 0).find_map(|(_, name)| primary(name)))
            .unwrap_or_default()
    }

    /// Its code.
    pub fn code(self) -> &'static str {
        ALL.iter().find(|(known, ..)| *known == self).map_or("en", |(_, code, ..)| code)
    }

    /// The codes and names of all languages to choose from.
    pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        ALL.iter().map(|(_, code, name, _)| (*code, *name))
    }
}

/// The lines of a file.
fn read(file: &'static str) -> Words {
    file.lines().filter_map(|line| line.split_once(" => ")).collect()
}

/// Translates a text; returns it unchanged if there is no translation.
pub(crate) fn translated(lang: Lang, text: &str) -> String {
    if lang == Lang::Marked {
        MARKED.with_borrow_mut(|marked| marked.insert(text.to_owned()));
        return if text.is_empty() { String::new() } else { format!("⟦{text}⟧") };
    }
    let found = ALL.iter().position(|(known, ..)| *known == lang).filter(|at| *at > 0);
    let word = found.and_then(|at| {
        WORDS.with(|words| {
            let file = ALL.get(at).map_or("", |(.., file)| *file);
            words.get(at)?.get_or_init(|| read(file)).get(text).copied()
        })
    });
    word.unwrap_or(text).to_owned()
}

/// The translations of a language by English text. For tests.
#[doc(hidden)]
pub fn words(lang: Lang) -> HashMap<&'static str, &'static str> {
    ALL.iter().find(|(known, ..)| *known == lang).map_or_else(HashMap::new, |(.., file)| read(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_that_is_known_is_taken_unless_one_was_chosen() {
        assert_eq!(Lang::choose(None, "nl, fr-CA;q=0.5, de;q=0.8"), Lang::De);
        assert_eq!(Lang::choose(Some("ja"), "de"), Lang::Ja);
        assert_eq!(Lang::choose(Some("xx"), "de;q=0, es"), Lang::Es);
        assert_eq!(Lang::choose(None, ""), Lang::En);
        assert_eq!(Lang::choose(None, "*;q=x"), Lang::En);
        assert_eq!((Lang::Fr.code(), Lang::of("FR"), Lang::of("marked")), ("fr", Some(Lang::Fr), None));
    }

    #[test]
    fn a_file_holds_each_text_once_and_keeps_its_placeholder() {
        for (lang, code, _, file) in ALL.iter().skip(1) {
            let lines: Vec<&str> = file.lines().filter(|line| !line.is_empty()).collect();
            assert_eq!(
                words(*lang).len(),
                lines.len(),
                "{code}: a text that is there twice, or a line that is none"
            );
            for (english, word) in words(*lang) {
                assert_eq!(english.matches("{}").count(), word.matches("{}").count(), "{code}: {english}");
                assert!(!word.trim().is_empty(), "{code}: {english}");
            }
        }
    }
}
