//! E-mail addresses in a text.

use weir_plugin::prelude::*;

fn is_local(char: char) -> bool {
    char.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(char)
}

fn is_domain(char: char) -> bool {
    char.is_alphanumeric() || char == '.' || char == '-'
}

/// Adds where addresses begin and end: an `@` with something that may be a mailbox before it, and after it a domain of at
/// least two labels, the last of two or more letters (or `xn--…`). Addresses in other scripts count.
pub(crate) fn find(text: &str, found: &mut Vec<(usize, usize)>) {
    let mut searched = 0;
    for (at, _) in text.match_indices('@') {
        let local = text.get(searched..at).unwrap_or_default();
        let start = local.rfind(|char| !is_local(char)).map_or(0, |last| {
            last + local.get(last..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        // A dot or a quote before an address is the sentence's.
        let local = local.get(start..).unwrap_or_default();
        let mailbox = local.trim_start_matches(['.', '\'', '`', '*', '{', '=', '/', '?', '|']);
        let after = text.get(at + 1..).unwrap_or_default();
        let domain = after.split(|char| !is_domain(char)).next().unwrap_or_default();
        let domain = domain.trim_end_matches(['.', '-']);
        if !mailbox.is_empty() && is_host(domain) {
            let end = at + 1 + domain.len();
            found.push((at - mailbox.len(), end));
            searched = end;
        }
    }
}

fn is_host(domain: &str) -> bool {
    let Some((labels, top)) = domain.rsplit_once('.') else { return false };
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let letters = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    labels.split('.').all(label) && (letters || top.starts_with("xn--"))
}
