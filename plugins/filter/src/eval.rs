//! Whether an expression holds for an event.

use crate::syntax::{Expr, Function, Operator};
use core::cmp::Ordering;
use weir_plugin::prelude::*;
use weir_plugins_common::Source;

/// A value of an expression, or one of several; `None` where there is nothing.
type Item<'v> = Option<Cow<'v, Value<'v>>>;

/// Whether the expression is true.
pub(crate) fn holds<'v>(expr: &'v Expr<'v>, source: &'v Source<'v>) -> Result<bool> {
    Ok(match expr {
        Expr::Or(parts) => {
            for part in parts {
                if holds(part, source)? {
                    return Ok(true);
                }
            }
            false
        }
        Expr::And(parts) => {
            for part in parts {
                if !holds(part, source)? {
                    return Ok(false);
                }
            }
            true
        }
        Expr::Not(inner) => !holds(inner, source)?,
        Expr::Compare(operator, left, right) => {
            let (left, right) = (items(left, source)?, items(right, source)?);
            left.iter()
                .any(|left| right.iter().any(|right| compare(*operator, left.as_deref(), right.as_deref())))
        }
        Expr::Call(Function::Exists, inner) => items(inner, source)?.iter().any(Option::is_some),
        other => items(other, source)?.iter().flatten().any(|value| value.as_bool() == Some(true)),
    })
}

/// Why a comparison cannot hold whatever the values are: what somebody who wrote the expression did not expect.
pub(crate) fn why<'v>(expr: &'v Expr<'v>, source: &'v Source<'v>) -> Result<Option<&'static str>> {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => {
            for part in parts {
                if !holds(part, source)?
                    && let Some(why) = why(part, source)?
                {
                    return Ok(Some(why));
                }
            }
            Ok(None)
        }
        Expr::Compare(operator, left, right) => {
            let (left, right) = (items(left, source)?, items(right, source)?);
            let nothing = |items: &[Item<'_>]| items.iter().all(Option::is_none);
            if nothing(&left) || nothing(&right) {
                return Ok(Some("a value is missing in the event"));
            }
            let ordered = matches!(operator, Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge);
            let mut pairs = left.iter().flatten().flat_map(|l| right.iter().flatten().map(move |r| (l, r)));
            if ordered && !pairs.any(|(left, right)| order(left, right).is_some()) {
                return Ok(Some("the two sides have different types, such as a text and a number"));
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// What an operand stands for: at least one item.
fn items<'v>(expr: &'v Expr<'v>, source: &'v Source<'v>) -> Result<Vec<Item<'v>>> {
    Ok(match expr {
        Expr::Literal(value) => vec![Some(Cow::Borrowed(value))],
        Expr::Reference(reference) => {
            let found = reference.all(source)?;
            if found.is_empty() { vec![None] } else { found.into_iter().map(Some).collect() }
        }
        Expr::List(parts) => {
            let mut values = Vec::new();
            for part in parts {
                let found = items(part, source)?;
                values.extend(found.into_iter().map(|item| item.map_or(Value::Null, Cow::into_owned)));
            }
            vec![Some(Cow::Owned(Value::Array(values)))]
        }
        Expr::Call(Function::Length, inner) => each(items(inner, source)?, length),
        Expr::Call(Function::Lower, inner) => each(items(inner, source)?, lower),
        condition => vec![Some(Cow::Owned(holds(condition, source)?.into()))],
    })
}

fn each<'v>(items: Vec<Item<'v>>, f: fn(&Value<'_>) -> Value<'v>) -> Vec<Item<'v>> {
    items.into_iter().map(|item| Some(Cow::Owned(f(item.as_deref().unwrap_or(&Value::Null))))).collect()
}

fn length<'v>(value: &Value<'_>) -> Value<'v> {
    let length = match value {
        Value::String(text) => text.to_str().chars().count(),
        Value::Array(values) => values.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    i64::try_from(length).unwrap_or(i64::MAX).into()
}

fn lower<'v>(value: &Value<'_>) -> Value<'v> {
    value.as_str().map(|text| text.to_ascii_lowercase()).into()
}

/// What is not there equals `null`.
const NOTHING: Value<'static> = Value::Null;

fn compare(operator: Operator, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
    let (left, right) = (left.unwrap_or(&NOTHING), right.unwrap_or(&NOTHING));
    let texts = |f: fn(&str, &str) -> bool| match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => f(&left, &right),
        _ => false,
    };
    match operator {
        Operator::Eq => left == right,
        Operator::Ne => left != right,
        Operator::Lt => order(left, right).is_some_and(Ordering::is_lt),
        Operator::Le => order(left, right).is_some_and(Ordering::is_le),
        Operator::Gt => order(left, right).is_some_and(Ordering::is_gt),
        Operator::Ge => order(left, right).is_some_and(Ordering::is_ge),
        Operator::In => contains(right, left),
        Operator::Contains => contains(left, right),
        Operator::StartsWith => texts(|text, part| text.starts_with(part)),
        Operator::EndsWith => texts(|text, part| text.ends_with(part)),
        Operator::Matches => texts(matches),
    }
}

fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.to_str().cmp(&right.to_str())),
        _ => None,
    }
}

fn contains(whole: &Value<'_>, part: &Value<'_>) -> bool {
    match (whole, part) {
        (Value::Array(values), part) => values.contains(part),
        (Value::String(whole), Value::String(part)) => whole.to_str().contains(&*part.to_str()),
        (Value::Object(_), Value::String(name)) => whole.get(&name.to_str()).is_some(),
        _ => false,
    }
}

/// A pattern with stars: the parts between them come in the text in their order. Linear but for the search of a part.
fn matches(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(first) else { return false };
    let Some(mut text) = text.strip_suffix(last) else { return false };
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    true
}
