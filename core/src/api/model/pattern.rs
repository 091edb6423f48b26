//! Whether a text is a regular expression as JSON Schema has them: ECMA-262, read as leniently as browsers read it, with the
//! groups of other engines (`(?i)`, `(?P<name>…)`, `(?>…)`).
//!
//! Nothing is matched here: only what no engine could compile is found, in one pass over the text.

/// What is wrong with a pattern: the end of a sentence. `None` where it is one.
pub(super) fn fault(pattern: &str) -> Option<String> {
    let mut reader = Reader { rest: pattern, groups: Vec::new(), operand: Operand::None };
    while let Some(next) = reader.take() {
        if let Err(why) = reader.step(next) {
            return Some(why.to_owned());
        }
    }
    (!reader.groups.is_empty()).then(|| "a ( is not closed".to_owned())
}

/// What a quantifier that follows would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// Nothing: an expression begins here.
    None,
    /// Something that can be repeated.
    Atom,
    /// What is repeated already: a `?` makes it lazy.
    Repeated,
    /// A position, such as `^` or a lookbehind.
    Position,
}

struct Reader<'a> {
    rest: &'a str,
    /// What each open group is once it is closed.
    groups: Vec<Operand>,
    operand: Operand,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn step(&mut self, next: char) -> Result<(), &'static str> {
        match next {
            '(' => self.open()?,
            ')' => self.operand = self.groups.pop().ok_or("a ) has no matching (")?,
            '[' => {
                self.class()?;
                self.operand = Operand::Atom;
            }
            '\\' => {
                let escaped = self.take().ok_or("it ends with a backslash")?;
                self.operand = if matches!(escaped, 'b' | 'B') { Operand::Position } else { Operand::Atom };
            }
            '|' => self.operand = Operand::None,
            '^' | '$' => self.operand = Operand::Position,
            '*' | '+' | '?' => self.repeat(next)?,
            // A brace that begins no quantifier stands for itself.
            '{' => {
                if self.counts()? {
                    self.repeat('{')?;
                } else {
                    self.operand = Operand::Atom;
                }
            }
            _ => self.operand = Operand::Atom,
        }
        Ok(())
    }

    fn repeat(&mut self, by: char) -> Result<(), &'static str> {
        if by == '?' && self.operand == Operand::Repeated {
            self.operand = Operand::Position;
            return Ok(());
        }
        if self.operand != Operand::Atom {
            return Err("a quantifier has nothing to repeat");
        }
        self.operand = Operand::Repeated;
        Ok(())
    }

    fn open(&mut self) -> Result<(), &'static str> {
        let mut closed = Operand::Atom;
        if self.skip("?") {
            if self.skip("<=") || self.skip("<!") {
                closed = Operand::Position;
            } else if self.skip("<") || self.skip("P<") {
                let (name, rest) = self.rest.split_once('>').ok_or("the name of a group is not closed")?;
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                if name.is_empty() || name.starts_with(|c: char| c.is_numeric()) || !name.chars().all(is_part)
                {
                    return Err("a group has an invalid name");
                }
                self.rest = rest;
            } else if !(self.skip(":") || self.skip("=") || self.skip("!") || self.skip(">")) {
                let flags = self.rest.find([')', ':']).and_then(|end| self.rest.split_at_checked(end));
                let is_flags = |text: &str| {
                    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
                };
                let Some((_, rest)) = flags.filter(|(flags, _)| flags.len() <= 20 && is_flags(flags)) else {
                    return Err("(? is not followed by a valid group type");
                };
                self.rest = rest.strip_prefix(':').unwrap_or(rest);
            }
        }
        self.groups.push(closed);
        self.operand = Operand::None;
        Ok(())
    }

    /// Takes the counts of a quantifier, as in `{2,3}`; whether they were there.
    fn counts(&mut self) -> Result<bool, &'static str> {
        let Some((counts, rest)) = self.rest.split_once('}').filter(|(counts, _)| counts.len() <= 40) else {
            return Ok(false);
        };
        let (least, most) =
            counts.split_once(',').map_or((counts, None), |(least, most)| (least, Some(most)));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(least) || !most.is_none_or(|most| most.is_empty() || is_number(most)) {
            return Ok(false);
        }
        self.rest = rest;
        let number = |text: &str| text.parse::<u128>().unwrap_or(u128::MAX);
        if most.is_some_and(|most| !most.is_empty() && number(most) < number(least)) {
            return Err("the numbers of a quantifier are out of order");
        }
        Ok(true)
    }

    /// Takes a class up to its `]`.
    fn class(&mut self) -> Result<(), &'static str> {
        self.skip("^");
        // The last single character, which may begin a range.
        let mut before: Option<char> = None;
        loop {
            let next = self.take().ok_or("a [ is not closed")?;
            match next {
                ']' => return Ok(()),
                '-' if before.is_some() && !self.rest.starts_with(']') => {
                    let last = self.take().ok_or("a [ is not closed")?;
                    let last = if last == '\\' { self.escaped()? } else { Some(last) };
                    if let (Some(first), Some(last)) = (before, last)
                        && last < first
                    {
                        return Err("a range is out of order");
                    }
                    before = None;
                }
                '\\' => before = self.escaped()?,
                _ => before = Some(next),
            }
        }
    }

    /// The character that an escape in a class stands for, where it is simply the one that is written.
    fn escaped(&mut self) -> Result<Option<char>, &'static str> {
        let next = self.take().ok_or("it ends with a backslash")?;
        Ok(Some(next).filter(|next| !next.is_alphanumeric()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_no_engine_compiles_is_found() {
        for pattern in [
            "(", ")", "a)", "(a", "[", "[a", "[^", "*", "+a", "?", "a**", "a+*", "^*", "(*)", "(?:+)", "|+",
            "a|*", "a{2}{3}", "{2}", "a{3,2}", "[z-a]", "\\", "a\\", "[\\", "(?", "(?*)", "(?1)", "(?<",
            "(?<>a)", "(?<1>a)", "(?<=a)*", "\\b+", "[b-\\-]", "a???", "(?i", "(?P<n>",
        ] {
            assert!(fault(pattern).is_some(), "{pattern}");
        }
    }

    #[test]
    fn what_browsers_compile_is_let_through() {
        for pattern in [
            "",
            "a",
            "^[a-z]+$",
            "(a|b)*",
            "a??",
            "a+?",
            "a{2,}?",
            "a{2,3}",
            "a{0}",
            "(?:a)",
            "(?=a)",
            "(?!a)b",
            "(?<=a)b",
            "(?<!a)b",
            "(?<year>\\d{4})-\\k<year>",
            "\\p{L}+",
            "[\\w.-]+@[\\w-]+",
            "[]",
            "[^]",
            "]",
            "{",
            "}",
            "a{",
            "a{x}",
            "a{,2}",
            "[a-]",
            "[-a]",
            "[\\d-x]",
            "[\\]\\-]",
            "\\/",
            "\\u00e9",
            "[\\u0000-\\uffff]",
            "[\\x00-\\x1f]",
            "(?=a)*",
            "()",
            "(|a)",
            "^(?!\\.\\.?$)[^/]+$",
            "[é-ü]",
            "a|",
            "|a",
            "^$",
            "(([a-z]{1,2})*)+",
            "(?i)a",
            "(?i-s:a)+",
            "(?P<n>a)",
            "(?>a)",
        ] {
            assert_eq!(fault(pattern), None, "{pattern}");
        }
        assert_eq!(fault(&"(a".repeat(100_000)).as_deref(), Some("a ( is not closed"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(pattern in "[()\\[\\]{}?*+|^$\\\\a-c0-9,<>=!:-]{0,40}") {
            let _ = fault(&pattern);
        }
    }
}
