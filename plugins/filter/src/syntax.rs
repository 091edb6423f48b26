//! The expression's text becomes a tree.

use weir_plugin::json::Number;
use weir_plugin::prelude::*;
use weir_plugins_common::Reference;

/// Expressions may be nested this deep.
const MAX_DEPTH: usize = 32;

/// An expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expr<'a> {
    Or(Vec<Expr<'a>>),
    And(Vec<Expr<'a>>),
    Not(Box<Expr<'a>>),
    Compare(Operator, Box<Expr<'a>>, Box<Expr<'a>>),
    Call(Function, Box<Expr<'a>>),
    List(Vec<Expr<'a>>),
    Literal(Value<'a>),
    Reference(Reference),
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
}

/// What stands before a parenthesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Exists,
    Length,
    Lower,
}

/// Longer signs before their beginnings.
const SIGNS: [(&str, Operator); 6] = [
    ("==", Operator::Eq),
    ("!=", Operator::Ne),
    ("<=", Operator::Le),
    (">=", Operator::Ge),
    ("<", Operator::Lt),
    (">", Operator::Gt),
];

const WORDS: [(&str, Operator); 5] = [
    ("in", Operator::In),
    ("contains", Operator::Contains),
    ("startsWith", Operator::StartsWith),
    ("endsWith", Operator::EndsWith),
    ("matches", Operator::Matches),
];

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expr<'_>> {
    let mut parser = Parser { text, rest: text };
    let expr = parser.or(0)?;
    parser.space();
    if parser.rest.is_empty() { Ok(expr) } else { Err(parser.error("an operator or the end")) }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn error(&self, wanted: &str) -> Error {
        let at = self.text.len() - self.rest.len();
        Error::new(format!("at byte {at}: expected {wanted}"))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Steps over a sign if it comes next.
    fn take(&mut self, sign: &str) -> bool {
        self.space();
        self.rest.strip_prefix(sign).map(|rest| self.rest = rest).is_some()
    }

    /// The word that comes next: letters only.
    fn word(&mut self) -> &'a str {
        self.space();
        let end = self.rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    fn skip(&mut self, length: usize) -> &'a str {
        let (before, after) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = after;
        before
    }

    fn or(&mut self, depth: usize) -> Result<Expr<'a>> {
        if depth > MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        self.joined("||", Expr::Or, |parser| parser.joined("&&", Expr::And, |parser| parser.not(depth)))
    }

    fn joined(
        &mut self,
        sign: &str,
        join: fn(Vec<Expr<'a>>) -> Expr<'a>,
        part: impl Fn(&mut Self) -> Result<Expr<'a>>,
    ) -> Result<Expr<'a>> {
        let first = part(self)?;
        if !self.take(sign) {
            return Ok(first);
        }
        let mut parts = vec![first, part(self)?];
        while self.take(sign) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self, depth: usize) -> Result<Expr<'a>> {
        if depth > MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        if self.take("!") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        let left = self.operand(depth)?;
        self.space();
        let word = self.word();
        let sign = SIGNS.iter().find(|(sign, _)| self.rest.starts_with(sign));
        let Some((sign, operator)) = sign.or_else(|| WORDS.iter().find(|(name, _)| *name == word)) else {
            return Ok(left);
        };
        self.skip(sign.len());
        let right = self.operand(depth)?;
        Ok(Expr::Compare(*operator, Box::new(left), Box::new(right)))
    }

    fn operand(&mut self, depth: usize) -> Result<Expr<'a>> {
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.error("`)`")) };
        }
        if self.take("[") {
            return self.list(depth + 1);
        }
        match self.rest.as_bytes().first() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => return self.number(),
            _ => {}
        }
        let word = self.word();
        match word {
            "true" | "false" | "null" => {
                self.skip(word.len());
                return Ok(Expr::Literal(match word {
                    "null" => Value::Null,
                    _ => Value::Bool(word == "true"),
                }));
            }
            "exists" => return self.call(Function::Exists, word, depth),
            "length" => return self.call(Function::Length, word, depth),
            "lower" => return self.call(Function::Lower, word, depth),
            "" => return Err(self.error("a value")),
            _ => {}
        }
        let name = self.skip(reference_length(self.rest));
        Reference::parse(name).map(Expr::Reference)
    }

    fn call(&mut self, function: Function, word: &str, depth: usize) -> Result<Expr<'a>> {
        self.skip(word.len());
        if !self.take("(") {
            return Err(self.error("`(`"));
        }
        let inner = self.or(depth + 1)?;
        if !self.take(")") {
            return Err(self.error("`)`"));
        }
        Ok(Expr::Call(function, Box::new(inner)))
    }

    fn list(&mut self, depth: usize) -> Result<Expr<'a>> {
        let mut items = Vec::new();
        if self.take("]") {
            return Ok(Expr::List(items));
        }
        if depth > MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        loop {
            items.push(self.operand(depth)?);
            if self.take("]") {
                return Ok(Expr::List(items));
            }
            if !self.take(",") {
                return Err(self.error("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<Expr<'a>> {
        let length = string_length(self.rest).ok_or_else(|| self.error("a closing `\"`"))?;
        let value = json::parse(self.rest.get(..length).unwrap_or_default());
        let value = value.map_err(|_| self.error("a JSON string"))?;
        self.skip(length);
        Ok(Expr::Literal(value))
    }

    fn number(&mut self) -> Result<Expr<'a>> {
        let part = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        let length = self.rest.find(|char| !part(char)).unwrap_or(self.rest.len());
        let number = Number::parse(self.rest.get(..length).unwrap_or_default());
        let number = number.ok_or_else(|| self.error("a JSON number"))?;
        self.skip(length);
        Ok(Expr::Literal(number.into()))
    }
}

/// How long a string is, with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.get(1..)?.find(|char| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    })?;
    Some(end + 2)
}

/// How long the reference is that comes next: names, dots and brackets.
fn reference_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = (match string_length(inner) {
                Some(length) if inner.starts_with('"') => {
                    inner.get(length..).and_then(|rest| rest.find(']')).map(|end| end + length)
                }
                _ => inner.find(']'),
            }) else {
                return text.len();
            };
            at += end + 2;
        } else {
            let name = |char: char| char.is_alphanumeric() || "_-$.*".contains(char);
            let length = rest.find(|char| !name(char)).unwrap_or(rest.len());
            if length == 0 {
                break;
            }
            at += length;
        }
    }
    at
}
