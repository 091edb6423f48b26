//! What pasting puts around a secret, whatever the secret is for.

use std::borrow::Cow;

/// The fewest bytes of a secret: fewer can be guessed.
pub(crate) const MIN_BYTES: usize = 6;

/// A text without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    const QUOTES: [(char, char); 8] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('\u{201c}', '\u{201d}'),
        ('\u{201e}', '\u{201c}'),
        ('\u{201d}', '\u{201d}'),
        ('\u{2018}', '\u{2019}'),
        ('\u{ab}', '\u{bb}'),
    ];
    let mut bare = text.trim();
    // A quote at both ends is taken off; how many there are is bounded by the text.
    while let Some(inner) =
        QUOTES.into_iter().find_map(|(open, close)| bare.strip_prefix(open)?.strip_suffix(close))
    {
        bare = inner.trim();
    }
    bare
}

/// `v1,whsec_…`, as Supabase shows secrets, without the version; and a prefix that was typed in capitals, or twice.
pub(crate) fn unversioned(text: &str) -> &str {
    const PREFIX: &str = "whsec_";
    let begins = |text: &str| text.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    let mut bare = text.strip_prefix("v1,").filter(|rest| begins(rest)).unwrap_or(text);
    while let Some(inner) = bare.strip_prefix(PREFIX).filter(|inner| begins(inner)) {
        bare = inner;
    }
    bare
}

/// Characters that no secret has and that pasting may add: soft hyphens, zero-width characters, marks of direction
/// and of byte order.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A text without invisible characters and without white space around it.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.contains(is_invisible) {
        let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        visible.trim().to_owned().into()
    } else {
        text.trim().into()
    }
}

/// What of a text is in an encoding: without quotes, brackets and the name of a setting around it, and without a comma or
/// semicolon after it.
pub(crate) fn encoded(text: &str) -> &str {
    let mut bare = text;
    loop {
        let before = bare.len();
        bare = unquoted(bare).trim_end_matches([',', ';']).trim();
        bare = bare.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(bare).trim();
        bare = label(bare).map_or(bare, |(_, value)| value.trim());
        if bare.len() == before {
            return bare;
        }
    }
}

/// The name and the value of a setting: `WEBHOOK_SECRET=…`, `export SECRET="…"`, `Signing secret: …`.
pub(crate) fn label(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    if let Some((name, value)) = text.split_once('=') {
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let named =
            name.len() >= 3 && name.bytes().all(upper) && name.bytes().any(|b| b.is_ascii_uppercase());
        let sure = name.contains('_') || unquoted(value).len() < value.len() || value.starts_with("whsec_");
        if named && sure && value.len() > MIN_BYTES {
            return Some((name, value));
        }
    }
    let (name, value) = text.split_once(": ")?;
    let lower = name.to_ascii_lowercase();
    let named =
        name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b' ' | b'_' | b'-'));
    let says = ["secret", "key", "token"].iter().any(|word| lower.ends_with(word));
    (named && says && value.trim().len() >= MIN_BYTES).then_some((name, value))
}
