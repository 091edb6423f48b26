//! Forms for plugin configurations, generated from the JSON Schema in the manifest, and their conversion back to JSON.
//!
//! A field's name tells how its text becomes JSON: `config.KIND.NAME`. Members without a field are sent unchanged, so that
//! saving changes only what was edited. The API validates the whole against the schema.

use super::form::{Field, Kind, field};
use super::pretty;
use crate::{Request, lossless};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The prefix of every field's name.
const PREFIX: &str = "config.";
/// The field with the members that have no field.
const REST: &str = "config.rest";
/// Schemas with more properties are edited as JSON.
const MOST: usize = 40;

/// How a field's text becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Text,
    Number,
    Json,
    Lines,
}

impl Becomes {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Text, "text"), (Self::Number, "number"), (Self::Json, "json"), (Self::Lines, "lines")];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("json", |(_, word)| *word)
    }
}

/// Whether a property has a type.
fn is(schema: &Value, wanted: &str) -> bool {
    schema.get("type").is_some_and(|of| {
        of.as_str() == Some(wanted)
            || of.as_array().is_some_and(|all| {
                all.iter().all(|one| one == wanted || one == "null") && all.iter().any(|one| one == wanted)
            })
    })
}

fn becomes(schema: &Value) -> Becomes {
    let texts = |items: &Value| is(items, "string") && items.get("enum").is_none();
    if is(schema, "string") {
        Becomes::Text
    } else if is(schema, "integer") || is(schema, "number") {
        Becomes::Number
    } else if is(schema, "array") && schema.get("items").is_some_and(texts) {
        Becomes::Lines
    } else {
        Becomes::Json
    }
}

/// The fields of a configuration. Without a schema with named properties it is edited as JSON.
pub(super) fn fields(form: &str, schema: Option<&Value>, config: &Value) -> Markup {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let Some(properties) = properties.filter(|all| !all.is_empty() && all.len() <= MOST) else {
        let value = if config.is_null() { String::new() } else { pretty(config) };
        return field("config", "Configuration", Kind::Area(4)).value(value).hint("As JSON.").show(form);
    };
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let rest: Map<String, Value> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !properties.contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    html! {
        fieldset.field.boxes { legend { "Configuration" }
            input type="hidden" name=(REST) value=(Value::Object(rest).to_string());
            @for (name, schema) in properties { (one(form, name, schema, config.get(name), is_required(name))) }
        }
    }
}

fn one(form: &str, name: &str, schema: &Value, value: Option<&Value>, required: bool) -> Markup {
    let kind = becomes(schema);
    let own = format!("{PREFIX}{}.{name}", kind.word());
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let example = match schema.get("default") {
        Some(Value::String(text)) => text.clone(),
        Some(default) => default.to_string(),
        None => String::new(),
    };
    let held = value.map(|value| shown(kind, value)).unwrap_or_default();
    let choices = choices(schema);
    let options: Vec<(&str, &str)> =
        choices.iter().map(|(value, word)| (value.as_str(), word.as_str())).collect();
    let shape = match kind {
        _ if !options.is_empty() => Kind::Choice(&options),
        Becomes::Text if is_long(schema) => Kind::Area(3),
        Becomes::Text => Kind::Text,
        Becomes::Number => Kind::Number,
        Becomes::Lines | Becomes::Json => Kind::Area(3),
    };
    let format = match kind {
        Becomes::Lines => "One per line.",
        Becomes::Json if options.is_empty() => "As JSON.",
        _ => "",
    };
    let hint = [about, format].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(". ");
    let made: Field<'_> = field(&own, name, shape).value(held).hint(&hint).example(&example);
    let made = if required { made.required() } else { made };
    made.show(form)
}

/// Whether a text needs more than one line, such as a template or an expression.
fn is_long(schema: &Value) -> bool {
    schema.get("maxLength").and_then(Value::as_i64).is_none_or(|most| most > 200)
        && schema.get("pattern").is_none()
}

/// The values to choose from, with their labels. Empty if any value is allowed.
fn choices(schema: &Value) -> Vec<(String, String)> {
    let unset = || (String::new(), "Not set".to_owned());
    if is(schema, "boolean") {
        return vec![unset(), ("true".to_owned(), "Yes".to_owned()), ("false".to_owned(), "No".to_owned())];
    }
    let all = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let mut out: Vec<(String, String)> = all
        .filter_map(|one| match (becomes(schema), one) {
            (Becomes::Text, Value::String(text)) => Some((text.clone(), text.clone())),
            (Becomes::Text, _) => None,
            (_, one) => Some((one.to_string(), one.to_string())),
        })
        .collect();
    if !out.is_empty() {
        out.insert(0, unset());
    }
    out
}

/// The text of a field for a value.
fn shown(kind: Becomes, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => String::new(),
        (Becomes::Text, Value::String(text)) => text.clone(),
        (Becomes::Lines, Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        (_, Value::Object(_) | Value::Array(_)) => pretty(value),
        (_, value) => value.to_string(),
    }
}

/// Reads the configuration from a form; `None` if it is empty. The error names the invalid field.
pub(crate) fn read(request: &Request) -> Result<Option<Value>, String> {
    let json = |name: &str, text: &str| match serde_json::from_str::<Value>(text) {
        Err(error) => Err(format!("The field {name} is not JSON: {error}.")),
        Ok(_) if !lossless::read(text).1 => Err(format!(
            "The field {name} has a number that the dashboard cannot send without changing it. Use the API."
        )),
        Ok(value) => Ok(value),
    };
    let Some(rest) = request.field(REST) else {
        return request.field("config").map(|text| json("config", text)).transpose();
    };
    let mut out = json(REST, rest)?.as_object().cloned().unwrap_or_default();
    for (name, text) in &request.form {
        let Some((kind, own)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let Some(kind) = Becomes::of(kind) else { continue };
        if text.trim().is_empty() {
            continue;
        }
        let value = match kind {
            Becomes::Text => json!(text),
            // The API rejects invalid numbers.
            Becomes::Number => match serde_json::from_str::<serde_json::Number>(text.trim()) {
                Ok(_) => json(own, text.trim())?,
                Err(_) => json!(text),
            },
            Becomes::Lines => {
                json!(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>())
            }
            Becomes::Json => json(own, text)?,
        };
        out.insert(own.to_owned(), value);
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser sends of the form's fields.
    fn sent(html: &str) -> Request {
        let plain = |text: &str| {
            text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        };
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            Some(plain(rest.split_once('"')?.0))
        };
        let mut form = Vec::new();
        for tag in html.split('<').skip(1) {
            let Some(name) = attribute(tag, "name") else { continue };
            let value = if tag.starts_with("textarea") {
                plain(tag.split_once('>').expect("a text").1)
            } else if tag.starts_with("select") {
                let options = html.split_once(tag).expect("it").1.split("</select>").next().expect("options");
                let chosen = options.split("<option").find(|option| option.contains(" selected"));
                chosen.and_then(|option| attribute(option, "value")).unwrap_or_default()
            } else {
                attribute(tag, "value").unwrap_or_default()
            };
            form.push((name, value));
        }
        Request { form, ..Request::default() }
    }

    #[test]
    fn a_configuration_survives_its_form_whatever_it_holds() {
        let schema = json!({ "type": "object", "required": ["least"], "properties": {
            "least": { "type": "integer", "default": 100, "description": "At least so much" },
            "share": { "type": ["number", "null"] },
            "emails": { "type": "boolean" },
            "mode": { "type": "string", "enum": ["a", "b\"<c>"] },
            "mask": { "type": "array", "items": { "type": "string" } },
            "when": { "type": "string" },
            "set": { "type": "object" },
            "levels": { "enum": [1, 2] },
        } });
        for config in [
            json!({ "least": 7, "share": 0.5, "emails": false, "mode": "b\"<c>", "mask": ["a.b", "**.c"], "when": "body.amount > 3 & \"x\"", "set": { "a": [1, null] }, "levels": 2 }),
            json!({ "least": 1, "unknown": { "kept": true } }),
        ] {
            let html = fields("f", Some(&schema), &config).into_string();
            assert_eq!(read(&sent(&html)), Ok(Some(config)), "{html}");
        }
        let html = fields("f", Some(&schema), &Value::Null).into_string();
        assert!(
            html.contains("required")
                && html.contains("At least so much")
                && html.contains("placeholder=\"100\""),
            "{html}"
        );
        assert_eq!(read(&sent(&html)), Ok(None));
    }

    #[test]
    fn without_a_schema_it_is_json_and_what_is_none_is_named() {
        let html = fields("f", None, &json!({ "a": 1 })).into_string();
        assert_eq!(read(&sent(&html)), Ok(Some(json!({ "a": 1 }))));
        let form = |name: &str, text: &str| Request {
            form: vec![(REST.to_owned(), "{}".to_owned()), (name.to_owned(), text.to_owned())],
            ..Request::default()
        };
        assert!(read(&form("config.json.set", "{")).is_err_and(|why| why.contains("field set is not JSON")));
        assert_eq!(read(&form("config.number.least", "many")), Ok(Some(json!({ "least": "many" }))));
        assert_eq!(read(&form("config.strange.least", "1")), Ok(None));
        let wrong = Request { form: vec![("config".to_owned(), "{".to_owned())], ..Request::default() };
        assert!(read(&wrong).is_err_and(|why| why.contains("field config is not JSON")));
    }
}
