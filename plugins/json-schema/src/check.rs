//! The validator.

use crate::decimal;
use regex_lite::{Regex, RegexBuilder};
use weir_plugin::json::Number;
use weir_plugin::prelude::*;

/// References and subschemas may be nested this deep: a plugin's stack is small, and a schema may refer to itself for ever.
const MAX_DEPTH: usize = 96;

/// Keywords that demand something that is not checked here.
const NOT_UNDERSTOOD: [&str; 7] = [
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$recursiveRef",
    "dependencies",
    "additionalItems",
    "extends",
];

/// What holds subschemas, so that names of properties are not taken for keywords.
const ONE: [&str; 9] = [
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
const LIST: [&str; 4] = ["prefixItems", "allOf", "anyOf", "oneOf"];
const NAMED: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// What each keyword is written as.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
const NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const COUNTS: [&str; 8] = [
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
];

/// Whether a schema demands nothing but what is checked here, and is written as a schema is: what is wrong with it is found
/// whatever the event is, also where it is attached.
pub(crate) fn understood(schema: &Value<'_>) -> Result<()> {
    Checker::new(schema).understood(schema)
}

impl Checker<'_, '_> {
    fn understood(&self, schema: &Value<'_>) -> Result<()> {
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(members) => {
                members.iter().try_for_each(|(name, value)| self.keyword(&name.to_str(), value))
            }
            other => Err(Error::new(format!("a schema is an object or a boolean, not {}", other.kind()))),
        }
    }

    fn keyword(&self, name: &str, value: &Value<'_>) -> Result<()> {
        if NOT_UNDERSTOOD.contains(&name) || name == "items" && value.as_array().is_some() {
            return Err(Error::new(format!("the schema has `{name}`, which is not supported")));
        }
        let texts = |value: &Value<'_>| {
            value.as_array().is_some_and(|list| list.iter().all(|text| text.as_str().is_some()))
        };
        let wanted = match (name, value) {
            ("type", _) if is_type(value) => return Ok(()),
            ("type", _) => "one of array, boolean, integer, null, number, object, string, or a list of those",
            ("$ref", _) => return self.resolve(value).map(drop),
            ("pattern", _) => match value.as_str() {
                Some(pattern) => return compiled(&pattern).map(drop),
                None => "a text",
            },
            ("required", _) if !texts(value) => "a list of texts",
            ("enum", _) if value.as_array().is_none() => "a list",
            ("uniqueItems", _) if value.as_bool().is_none() => "true or false",
            ("dependentRequired", Value::Object(lists)) if lists.iter().all(|(_, list)| texts(list)) => {
                return Ok(());
            }
            ("dependentRequired", _) => "an object of lists of texts",
            (name, _) if NUMBERS.contains(&name) && value.as_number().is_none() => "a number",
            ("multipleOf", Value::Number(step)) if *step <= Number::from(0) => "a number greater than 0",
            (name, _) if COUNTS.contains(&name) && !is_count(value) => "a whole number",
            (name, _) if ONE.contains(&name) => return self.understood(value),
            (name, Value::Array(schemas)) if LIST.contains(&name) => {
                return schemas.iter().try_for_each(|schema| self.understood(schema));
            }
            (name, _) if LIST.contains(&name) => "a list of schemas",
            (name, Value::Object(schemas)) if NAMED.contains(&name) => {
                if name == "patternProperties" {
                    schemas.iter().try_for_each(|(pattern, _)| compiled(&pattern.to_str()).map(drop))?;
                }
                return schemas.iter().try_for_each(|(_, schema)| self.understood(schema));
            }
            (name, _) if NAMED.contains(&name) => "an object of schemas",
            _ => return Ok(()),
        };
        Err(Error::new(format!("the schema's `{name}` must be {wanted}, not {value}")))
    }
}

fn is_type(value: &Value<'_>) -> bool {
    let is = |name: &Value<'_>| name.as_str().is_some_and(|name| TYPES.contains(&&*name));
    value.as_array().map_or_else(|| is(value), |names| !names.is_empty() && names.iter().all(is))
}

fn is_count(value: &Value<'_>) -> bool {
    value.as_number().is_some_and(|number| number.is_whole() && !number.as_text().starts_with('-'))
}

/// Checks bodies against a schema.
pub(crate) struct Checker<'s, 'a> {
    root: &'s Value<'a>,
}

/// What does not fit, from the innermost to the outermost place.
struct Misfit {
    what: String,
    place: Vec<String>,
}

/// `Err` where the schema itself is wrong.
type Outcome = Result<Option<Misfit>>;

#[allow(clippy::unnecessary_wraps, reason = "it is what checks end with")]
fn misfit(what: impl Into<String>) -> Outcome {
    Ok(Some(Misfit { what: what.into(), place: Vec::new() }))
}

/// The place of a misfit, one step further out.
fn within(outcome: Outcome, step: impl FnOnce() -> String) -> Outcome {
    Ok(outcome?.map(|mut misfit| {
        misfit.place.push(step());
        misfit
    }))
}

impl<'s, 'a> Checker<'s, 'a> {
    pub(crate) fn new(root: &'s Value<'a>) -> Self {
        Self { root }
    }

    /// What does not fit, as a sentence.
    pub(crate) fn check(&self, body: &Value<'_>) -> Result<Option<String>> {
        Ok(self.schema(self.root, body, 0)?.map(|misfit| {
            let mut text = String::from("body");
            misfit.place.iter().rev().for_each(|step| text.push_str(step));
            text.push_str(": ");
            text + &misfit.what
        }))
    }

    fn fits(&self, schema: &Value<'_>, value: &Value<'_>, depth: usize) -> Result<bool> {
        Ok(self.schema(schema, value, depth)?.is_none())
    }

    fn schema(&self, schema: &Value<'_>, value: &Value<'_>, depth: usize) -> Outcome {
        if depth > MAX_DEPTH {
            return Err(Error::new("the schema or its references are nested too deep"));
        }
        let depth = depth + 1;
        match schema {
            Value::Bool(true) => return Ok(None),
            Value::Bool(false) => return misfit("is not allowed"),
            _ => {}
        }
        if let Some(reference) = schema.get("$ref")
            && let Some(found) = self.schema(self.resolve(reference)?, value, depth)?
        {
            return Ok(Some(found));
        }
        for check in [any, number, text] {
            if let Some(found) = check(schema, value)? {
                return Ok(Some(found));
            }
        }
        for check in [Self::array, Self::object, Self::combined] {
            if let Some(found) = check(self, schema, value, depth)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The schema at a JSON pointer.
    fn resolve(&self, reference: &Value<'_>) -> Result<&'s Value<'a>> {
        let text = reference.as_str().unwrap_or_default();
        let pointer = text.strip_prefix('#').ok_or_else(|| {
            Error::new(format!("the schema refers to `{text}`; references within it begin with `#`"))
        })?;
        let mut found = Some(self.root);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            found = found.and_then(|value| match value {
                Value::Array(values) => values.get(step.parse::<usize>().ok()?),
                other => other.get(&step),
            });
        }
        let whole = pointer.is_empty() || pointer.starts_with('/');
        found
            .filter(|_| whole)
            .ok_or_else(|| Error::new(format!("the schema refers to `{text}`, which does not exist")))
    }

    fn array(&self, schema: &Value<'_>, value: &Value<'_>, depth: usize) -> Outcome {
        let Value::Array(values) = value else { return Ok(None) };
        let found = size(schema, values.len(), ["minItems", "maxItems"], "elements")?;
        if found.is_some() {
            return Ok(found);
        }
        let prefix = schema.get("prefixItems").and_then(Value::as_array).unwrap_or_default();
        let rest = schema.get("items");
        for (at, value) in values.iter().enumerate() {
            if let Some(schema) = prefix.get(at).or(rest) {
                let found = within(self.schema(schema, value, depth), || format!("[{at}]"))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        if schema.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            for (at, value) in values.iter().enumerate() {
                if values.iter().take(at).any(|other| same(other, value)) {
                    return within(misfit("is a duplicate"), || format!("[{at}]"));
                }
            }
        }
        if let Some(wanted) = schema.get("contains") {
            let mut count = 0;
            for value in values {
                count += usize::from(self.fits(wanted, value, depth)?);
            }
            let least = number_of(schema, "minContains").unwrap_or(1);
            if count < least || number_of(schema, "maxContains").is_some_and(|most| count > most) {
                return misfit(format!("has {count} elements that match `contains`"));
            }
        }
        Ok(None)
    }

    fn object(&self, schema: &Value<'_>, value: &Value<'_>, depth: usize) -> Outcome {
        let Value::Object(members) = value else { return Ok(None) };
        for name in schema.get("required").and_then(Value::as_array).unwrap_or_default() {
            let name = name.as_str().unwrap_or_default();
            if value.get(&name).is_none() {
                return misfit(format!("`{name}` is missing"));
            }
        }
        let found = size(schema, members.len(), ["minProperties", "maxProperties"], "members")?;
        if found.is_some() {
            return Ok(found);
        }
        let properties = schema.get("properties");
        let patterns = patterns_of(schema)?;
        let (others, names) = (schema.get("additionalProperties"), schema.get("propertyNames"));
        for (name, value) in members {
            let name = name.to_str();
            let named = properties.and_then(|properties| properties.get(&name));
            let matched =
                patterns.iter().filter(|(pattern, _)| pattern.is_match(&name)).map(|(_, schema)| *schema);
            let mut schemas: Vec<&Value<'_>> = named.into_iter().chain(matched).collect();
            if schemas.is_empty() {
                schemas.extend(others);
            }
            let mut found = None;
            for schema in schemas {
                if found.is_none() {
                    found = self.schema(schema, value, depth)?;
                }
            }
            if let (None, Some(schema)) = (&found, names) {
                found = self.schema(schema, &Value::from(&*name), depth)?;
            }
            if found.is_some() {
                return within(Ok(found), || format!(".{name}"));
            }
        }
        let all = |name| schema.get(name).and_then(Value::as_object).unwrap_or_default();
        for (name, wanted) in all("dependentRequired") {
            let name = name.to_str();
            for other in wanted.as_array().unwrap_or_default() {
                let other = other.as_str().unwrap_or_default();
                if value.get(&name).is_some() && value.get(&other).is_none() {
                    return misfit(format!("`{other}` is missing beside `{name}`"));
                }
            }
        }
        for (name, schema) in all("dependentSchemas") {
            if value.get(&name.to_str()).is_some() {
                let found = self.schema(schema, value, depth)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    fn combined(&self, schema: &Value<'_>, value: &Value<'_>, depth: usize) -> Outcome {
        let list = |name| schema.get(name).and_then(Value::as_array);
        for schema in list("allOf").unwrap_or_default() {
            let found = self.schema(schema, value, depth)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let count = |schemas: &[Value<'_>]| {
            schemas.iter().try_fold(0, |count, schema| {
                Ok::<_, Error>(count + u32::from(self.fits(schema, value, depth)?))
            })
        };
        if let Some(schemas) = list("anyOf")
            && count(schemas)? == 0
        {
            return misfit("matches none of `anyOf`");
        }
        if let Some(schemas) = list("oneOf") {
            let count = count(schemas)?;
            if count != 1 {
                return misfit(format!("fits {count} of `oneOf`, not one"));
            }
        }
        if let Some(schema) = schema.get("not")
            && self.fits(schema, value, depth)?
        {
            return misfit("matches what `not` forbids");
        }
        if let Some(condition) = schema.get("if") {
            let branch = if self.fits(condition, value, depth)? { "then" } else { "else" };
            if let Some(schema) = schema.get(branch) {
                return self.schema(schema, value, depth);
            }
        }
        Ok(None)
    }
}

fn any(schema: &Value<'_>, value: &Value<'_>) -> Outcome {
    if let Some(wanted) = schema.get("type") {
        let is = |name: &Value<'_>| match (name.as_str().as_deref(), value) {
            (Some("integer"), Value::Number(number)) => number.is_whole(),
            (Some(name), value) => name == value.kind(),
            (None, _) => false,
        };
        let fits = wanted.as_array().map_or_else(|| is(wanted), |names| names.iter().any(is));
        if !fits {
            return misfit(format!("must be of type {wanted}, not {}", value.kind()));
        }
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|one| same(one, value))
    {
        return misfit(format!("must be one of {}", Value::Array(allowed.to_vec())));
    }
    if let Some(wanted) = schema.get("const")
        && !same(wanted, value)
    {
        return misfit(format!("must be {wanted}"));
    }
    Ok(None)
}

fn number(schema: &Value<'_>, value: &Value<'_>) -> Outcome {
    let Value::Number(number) = value else { return Ok(None) };
    let limit = |name| schema.get(name).and_then(Value::as_number);
    let checks = [
        ("minimum", "at least", limit("minimum").is_none_or(|limit| number >= limit)),
        ("maximum", "at most", limit("maximum").is_none_or(|limit| number <= limit)),
        ("exclusiveMinimum", "more than", limit("exclusiveMinimum").is_none_or(|limit| number > limit)),
        ("exclusiveMaximum", "less than", limit("exclusiveMaximum").is_none_or(|limit| number < limit)),
    ];
    for (name, words, fits) in checks {
        if let (false, Some(limit)) = (fits, limit(name)) {
            return misfit(format!("must be {words} {}", limit.as_text()));
        }
    }
    if let Some(step) = limit("multipleOf") {
        match decimal::is_multiple(number, step) {
            Some(true) => {}
            Some(false) => return misfit(format!("must be a multiple of {}", step.as_text())),
            None => {
                return misfit(format!(
                    "has too many digits to check whether it is a multiple of {}",
                    step.as_text()
                ));
            }
        }
    }
    Ok(None)
}

fn text(schema: &Value<'_>, value: &Value<'_>) -> Outcome {
    let Value::String(text) = value else { return Ok(None) };
    let text = text.to_str();
    if schema.get("minLength").is_some() || schema.get("maxLength").is_some() {
        let found = size(schema, text.chars().count(), ["minLength", "maxLength"], "characters")?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if let Some(pattern) = schema.get("pattern") {
        let pattern = pattern.as_str().unwrap_or_default();
        if !compiled(&pattern)?.is_match(&text) {
            return misfit(format!("does not match `{pattern}`"));
        }
    }
    Ok(None)
}

/// A compiled pattern may take so many bytes.
const MAX_PATTERN: usize = 256 * 1024;

fn compiled(pattern: &str) -> Result<Regex> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    compiled.map_err(|error| Error::new(format!("the schema's pattern `{pattern}` cannot be used: {error}")))
}

/// The patterns of `patternProperties`, with their schemas.
fn patterns_of<'s, 'a>(schema: &'s Value<'a>) -> Result<Vec<(Regex, &'s Value<'a>)>> {
    let patterns = schema.get("patternProperties").and_then(Value::as_object).unwrap_or_default();
    patterns.iter().map(|(pattern, schema)| Ok((compiled(&pattern.to_str())?, schema))).collect()
}

/// A keyword that is a count: `3`, `3.0`, or `3e2`. One that no size reaches is the largest.
fn number_of(schema: &Value<'_>, name: &str) -> Option<usize> {
    let number = schema.get(name)?.as_number().filter(|number| number.is_whole())?;
    Some(decimal::whole(number).and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX))
}

fn size(schema: &Value<'_>, size: usize, [least, most]: [&str; 2], what: &str) -> Outcome {
    match (number_of(schema, least), number_of(schema, most)) {
        (Some(least), _) if size < least => misfit(format!("has {size} {what}, at least {least} are wanted")),
        (_, Some(most)) if size > most => misfit(format!("has {size} {what}, at most {most} are allowed")),
        _ => Ok(None),
    }
}

/// Equal as JSON Schema means it: the order of members does not count.
fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(members), Value::Object(others)) => {
            members.len() == others.len()
                && members
                    .iter()
                    .all(|(name, value)| b.get(&name.to_str()).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}
