//! JSON with line breaks, highlighting and folding, without changing a token.
//!
//! Numbers, escapes, duplicate names and the order of members are preserved, because people compare what they see with what
//! they signed or received. Only whitespace between tokens changes. Text of any depth is handled without recursion, and the
//! output is limited to a number of bytes.

use maud::{Markup, PreEscaped};

/// How deep values can be folded; deeper ones are only indented.
const FOLDS: usize = 24;
/// The deepest indentation.
const INDENT: usize = 40;
/// A longer list or object is written on several lines.
const SHORT: usize = 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Open,
    Close,
    Comma,
    Colon,
    Text,
    Number,
    Literal,
}

/// The tokens of a JSON text. Invalid text counts as a literal.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Kind, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let first = self.rest.chars().next()?;
        let (kind, length) = match first {
            '{' | '[' => (Kind::Open, 1),
            '}' | ']' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            ':' => (Kind::Colon, 1),
            '"' => (Kind::Text, text_length(self.rest)),
            _ => {
                let ends = |c: char| "{}[],:\" \t\r\n".contains(c);
                let length = self.rest.find(ends).unwrap_or(self.rest.len()).max(first.len_utf8());
                (if first == '-' || first.is_ascii_digit() { Kind::Number } else { Kind::Literal }, length)
            }
        };
        let (token, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((kind, token))
    }
}

fn text_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// The output and its limit.
struct Page {
    out: String,
    most: usize,
    line: String,
}

impl Page {
    fn put(&mut self, class: &str, token: &str) {
        let escaped = maud::html! { (token) }.0;
        if class.is_empty() {
            self.line.push_str(&escaped);
        } else {
            for part in ["<span class=\"", class, "\">", &escaped, "</span>"] {
                self.line.push_str(part);
            }
        }
    }

    fn indent(&mut self, depth: usize) {
        self.line.push_str(&"  ".repeat(depth.min(INDENT)));
    }

    /// Ends the line. Returns whether there is room for another.
    fn end(&mut self, tag: &str, more: &str) -> bool {
        let line = std::mem::take(&mut self.line);
        for part in ["<", tag, " class=\"ln\">", &line, more, "</", tag, ">"] {
            self.out.push_str(part);
        }
        self.out.len() < self.most
    }
}

/// The formatted text, up to this many bytes of HTML and one more line; and whether it is truncated.
pub(crate) fn highlighted(text: &str, most: usize) -> (Markup, bool) {
    let mut page = Page { out: String::new(), most, line: String::new() };
    let mut tokens = Tokens { rest: text };
    // For each open level: whether it is folded.
    let mut levels: Vec<bool> = Vec::new();
    let mut cut = false;
    while let Some((kind, token)) = tokens.next() {
        let more = match kind {
            Kind::Open => {
                if let Some(inner) = short(&mut tokens, token) {
                    inline(&mut page, inner);
                    rest_of_line(&mut page, &mut tokens)
                } else {
                    page.put("", token);
                    let folds = levels.iter().filter(|folded| **folded).count() < FOLDS && !levels.is_empty();
                    levels.push(folds);
                    if folds {
                        page.out.push_str("<details open>");
                        page.end("summary", if token == "{" { "<i> … }</i>" } else { "<i> … ]</i>" })
                    } else {
                        page.end("span", "")
                    }
                }
            }
            Kind::Close => {
                let folded = levels.pop().unwrap_or(false);
                page.line.clear();
                page.indent(levels.len());
                page.put("", token);
                let more = rest_of_line(&mut page, &mut tokens);
                if folded {
                    page.out.push_str("</details>");
                }
                more
            }
            Kind::Comma | Kind::Colon => {
                page.put("", token);
                continue;
            }
            Kind::Text => {
                let name = tokens.rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':');
                // A single string can be longer than the limit.
                let (shown, cut_here) =
                    super::parts::excerpt(token, most.saturating_sub(page.out.len()).max(64));
                page.put(if name { "k" } else { "s" }, shown);
                if name {
                    let _ = tokens.next();
                    page.line.push_str(": ");
                    continue;
                }
                cut |= cut_here;
                rest_of_line(&mut page, &mut tokens) && !cut_here
            }
            Kind::Number | Kind::Literal => {
                let (shown, cut_here) =
                    super::parts::excerpt(token, most.saturating_sub(page.out.len()).max(64));
                page.put(if kind == Kind::Number { "n" } else { "b" }, shown);
                cut |= cut_here;
                rest_of_line(&mut page, &mut tokens) && !cut_here
            }
        };
        if !more && !tokens.rest.trim().is_empty() {
            cut = true;
            break;
        }
        let closes = tokens.rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(['}', ']']);
        page.indent(if closes { levels.len().saturating_sub(1) } else { levels.len() });
    }
    for _ in levels.iter().filter(|folded| **folded) {
        page.out.push_str("</details>");
    }
    (PreEscaped(page.out), cut)
}

/// Ends a line after a value and its comma.
fn rest_of_line(page: &mut Page, tokens: &mut Tokens<'_>) -> bool {
    if tokens.rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(',') {
        let _ = tokens.next();
        page.line.push(',');
    }
    page.end("span", "")
}

/// The value that starts here, if it fits on one line and is not nested twice. Advances the tokens past it.
fn short<'a>(tokens: &mut Tokens<'a>, open: &'a str) -> Option<Vec<(Kind, &'a str)>> {
    let mut ahead = Tokens { rest: tokens.rest };
    let mut inner = vec![(Kind::Open, open)];
    let mut length = 1usize;
    loop {
        let (kind, token) = ahead.next()?;
        length = length.saturating_add(token.len()).saturating_add(1);
        if kind == Kind::Open || length > SHORT {
            return None;
        }
        inner.push((kind, token));
        if kind == Kind::Close {
            // An object with several members is easier to read on several lines.
            let members = inner.iter().filter(|(kind, _)| *kind == Kind::Colon).count();
            let whole = members <= 1 && inner.len() <= 12;
            if whole {
                tokens.rest = ahead.rest;
            }
            return whole.then_some(inner);
        }
    }
}

fn inline(page: &mut Page, tokens: Vec<(Kind, &str)>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some((kind, token)) = tokens.next() {
        match kind {
            Kind::Text if tokens.peek().is_some_and(|(next, _)| *next == Kind::Colon) => page.put("k", token),
            Kind::Text => page.put("s", token),
            Kind::Number => page.put("n", token),
            Kind::Literal => page.put("b", token),
            Kind::Comma | Kind::Colon => {
                page.put("", token);
                page.line.push(' ');
            }
            Kind::Open | Kind::Close => page.put("", token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text of the HTML, without the space that was made.
    fn tokens_of(html: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        // What stands for what is folded is no part of it.
        while let Some((before, after)) = rest.split_once("<i>") {
            out.push_str(before);
            rest = after.split_once("</i>").map_or("", |(_, rest)| rest);
        }
        out.push_str(rest);
        let mut text = String::new();
        let mut inside = false;
        for c in out.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        Tokens { rest: &text }.map(|(_, token)| token).collect::<Vec<_>>().join(" ")
    }

    fn same(text: &str) {
        let (html, cut) = highlighted(text, usize::MAX);
        assert!(!cut, "{text}");
        let wanted = Tokens { rest: text }.map(|(_, token)| token).collect::<Vec<_>>().join(" ");
        assert_eq!(tokens_of(&html.0), wanted, "{}", html.0);
        assert_eq!(html.0.matches("<details").count(), html.0.matches("</details>").count());
        assert_eq!(html.0.matches("<span").count(), html.0.matches("</span>").count());
    }

    #[test]
    fn not_a_token_is_changed() {
        for text in [
            r#"{"zeta": 1.0, "alpha": {"y": 1e3, "b": [1.50]}, "big": 123456789012345678901234567890}"#,
            r#"{"a":1e400,"a":2,"\u00e9\ud800":"\"<&>","empty":{},"none":[],"t":true,"n":null}"#,
            r#"[[],[[1,2,3],{"a":{"b":{"c":{}}}}]]"#,
            "\"alone\"",
            "-0.0",
        ] {
            same(text);
        }
        same(&format!("{}{}", "[".repeat(300), "]".repeat(300)));
    }

    #[test]
    fn what_is_nested_is_folded_and_what_is_short_stays_on_its_line() {
        let (html, _) = highlighted(r#"{"a":{"b":1,"c":2},"d":[1,2,3]}"#, 10_000);
        assert_eq!(html.0.matches("<details").count(), 1, "{}", html.0);
        assert_eq!(html.0.matches("class=\"ln\"").count(), 7, "{}", html.0);
    }

    #[test]
    fn it_ends_where_there_is_no_more_room() {
        let long = format!("{{\"a\":[{}1]}}", "1,".repeat(50_000));
        let (html, cut) = highlighted(&long, 4_000);
        assert!(cut && html.0.len() < 4_200, "{}", html.0.len());
        let text = format!("{{\"a\":\"{}\"}}", "<".repeat(50_000));
        let (html, cut) = highlighted(&text, 4_000);
        assert!(cut && html.0.len() < 8_400, "{}", html.0.len());
        assert_eq!(html.0.matches("<details").count(), html.0.matches("</details>").count());
    }

    proptest! {
        #[test]
        fn any_text_is_shown_without_a_fault(text: String, most in 0usize..5_000) {
            let (html, _) = highlighted(&text, most);
            prop_assert!(!html.0.contains("<script"));
        }
    }
}
