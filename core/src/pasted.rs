//! What pasting puts around a secret, whatever the secret is for.

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
