//! Reads API responses and builds paths.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use weir_core::id;

/// Characters that are encoded in a path segment.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'\\');

/// A path of encoded segments.
pub(crate) fn path(segments: &[&str]) -> String {
    segments
        .iter()
        .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string())
        .collect::<Vec<_>>()
        .join("/")
}

/// A path of the dashboard.
pub(crate) fn link(segments: &[&str]) -> String {
    format!("{}/{}", crate::PREFIX, path(segments))
}

/// Whether this is the id of a source. Sources have the same operations as applications, below another path.
pub(crate) fn is_source(key: &str) -> bool {
    id::is(id::SOURCE, key)
}

/// The API path of an application or a source, and of resources below it.
pub(crate) fn base(key: &str, below: &[&str]) -> String {
    let (first, rest) = if is_source(key) { ("ingest/source", key) } else { ("app", key) };
    let all: Vec<&str> = std::iter::once(rest).chain(below.iter().copied()).collect();
    format!("{first}/{}", path(&all))
}

/// Lines of `name: value` as an object. The error is the first invalid line.
pub(crate) fn pairs(lines: &str) -> Result<Map<String, Value>, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').ok_or_else(|| line.to_owned())?;
        Ok((name.trim().to_owned(), json!(value.trim())))
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(pair).collect()
}

/// An object's strings as lines, as [`pairs`] reads them.
pub(crate) fn lines(object: Option<&Value>) -> String {
    let texts = object.and_then(Value::as_object).into_iter().flatten();
    texts
        .filter_map(|(name, value)| Some(format!("{name}: {}", value.as_str()?)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Splits a text at spaces, commas and line breaks.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()).collect()
}

/// A time as the API expects it. A browser's date field has no time zone; here it means UTC.
pub(crate) fn moment(given: &str) -> String {
    let digits = given.chars().all(|c| c.is_ascii_digit() || "-T:. ".contains(c));
    match given.len() {
        10 if digits => format!("{given}T00:00:00Z"),
        16 if digits => format!("{}:00Z", given.replace(' ', "T")),
        19 if digits => format!("{}Z", given.replace(' ', "T")),
        _ => given.to_owned(),
    }
}

/// A query string of the pairs that have a value.
pub(crate) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// A string member; empty if it is missing.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number member; 0 if it is missing.
pub(crate) fn int(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether a member is true.
pub(crate) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of a list member; empty if it is missing.
pub(crate) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The strings of a list member.
pub(crate) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    items(value, name).iter().filter_map(Value::as_str).collect()
}

/// The page's items.
pub(crate) fn rows(page: &Value) -> &[Value] {
    items(page, "data")
}

/// The iterator of the next page, in the direction in which this one was read. `None` if this is the last page.
pub(crate) fn next(page: &Value) -> Option<&str> {
    if flag(page, "done") { None } else { page.get("iterator").and_then(Value::as_str) }
}

/// The member of a page that holds the iterator with which it was requested. The API does not return it; [`started_at`]
/// adds it.
const STARTED_AT: &str = "startedAt";

/// Records the iterator with which a page was requested, so that links to the pages around it can be made.
pub(crate) fn started_at(mut page: Value, iterator: Option<&str>) -> Value {
    if let (Some(map), Some(iterator)) = (page.as_object_mut(), iterator) {
        map.insert(STARTED_AT.to_owned(), json!(iterator));
    }
    page
}

/// Whether this is the first page of its list.
pub(crate) fn is_first(page: &Value) -> bool {
    page.get(STARTED_AT).is_none()
}

/// Whether an iterator reads towards the beginning of its list.
pub(crate) fn is_backwards(iterator: &str) -> bool {
    iterator.starts_with('-')
}

/// Whether a page was read backwards from the first page on, so that it is empty.
pub(crate) fn is_before_first(page: &Value) -> bool {
    is_backwards(text(page, STARTED_AT)) && page_after(page).is_none() && page_before(page).is_none()
}

/// The iterator of the page after this one. A page that was read backwards always has one: the page it came from.
pub(crate) fn page_after(page: &Value) -> Option<&str> {
    let backwards = is_backwards(text(page, STARTED_AT));
    if backwards { page.get("iterator").and_then(Value::as_str) } else { next(page) }
}

/// The iterator of the page before this one. `None` on the first page, and on a page that was read back to the beginning.
pub(crate) fn page_before(page: &Value) -> Option<&str> {
    let ends = is_first(page) || (is_backwards(text(page, STARTED_AT)) && flag(page, "done"));
    if ends { None } else { page.get("prevIterator").and_then(Value::as_str) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(link(&["app", "../x?y#z%"]), "/dashboard/app/..%2Fx%3Fy%23z%25");
        assert_eq!(query(&[("a", Some("b&c=d")), ("e", None), ("f", Some(""))]), "a=b%26c%3Dd");
    }

    #[test]
    fn a_page_knows_the_pages_around_it_in_either_direction() {
        let page = |done: bool, from: Option<&str>| {
            started_at(json!({ "data": [1], "iterator": "b", "prevIterator": "-d", "done": done }), from)
        };
        let around = |page: Value| {
            (page_before(&page).map(str::to_owned), page_after(&page).map(str::to_owned), is_first(&page))
        };
        let (before, after) = (Some("-d".to_owned()), Some("b".to_owned()));
        assert_eq!(around(page(false, None)), (None, after.clone(), true), "the first page");
        assert_eq!(around(page(false, Some("e"))), (before.clone(), after.clone(), false), "in the middle");
        assert_eq!(around(page(true, Some("e"))), (before.clone(), None, false), "the last page");
        assert_eq!(around(page(false, Some("-a"))), (before, after.clone(), false), "read backwards");
        assert_eq!(around(page(true, Some("-a"))), (None, after, false), "read back to the beginning");
    }

    #[test]
    fn a_moment_without_a_zone_is_in_utc() {
        assert_eq!(moment("2026-11-22T03:04"), "2026-11-22T03:04:00Z");
        assert_eq!(moment("2026-11-22 03:04:05"), "2026-11-22T03:04:05Z");
        assert_eq!(moment("2026-11-22"), "2026-11-22T00:00:00Z");
        assert_eq!(
            [moment("yesterday!"), moment("2026-11-22T03:04:05Z")],
            ["yesterday!", "2026-11-22T03:04:05Z"]
        );
    }

    #[test]
    fn a_source_is_asked_below_a_path_of_its_own() {
        let source = format!("src_{}", "0".repeat(27));
        assert_eq!(base("app_1", &["endpoint", "a b"]), "app/app_1/endpoint/a%20b");
        assert_eq!(base("acme", &[]), "app/acme");
        let below = base(&source, &["msg"]);
        assert_eq!(
            below,
            if is_source(&source) { format!("ingest/source/{source}/msg") } else { below.clone() }
        );
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        let object = pairs("x-a: 1\r\n\n x-b : two: three \n").unwrap();
        assert_eq!(Value::Object(object.clone()), json!({ "x-a": "1", "x-b": "two: three" }));
        assert_eq!(lines(Some(&Value::Object(object))), "x-a: 1\nx-b: two: three");
        assert_eq!(pairs("nothing").unwrap_err(), "nothing");
        assert_eq!(words("a, b\nc"), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_not_there_reads_as_nothing() {
        let value = json!({"a": 1, "b": ["x", 2]});
        assert_eq!((text(&value, "a"), int(&value, "b"), flag(&value, "c")), ("", 0, false));
        assert_eq!(texts(&value, "b"), ["x"]);
        assert_eq!(next(&json!({"done": false, "iterator": "i"})), Some("i"));
        assert_eq!(next(&json!({"done": true, "iterator": "i"})), None);
    }
}
