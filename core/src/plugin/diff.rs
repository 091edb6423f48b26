//! What a plugin has changed: in a body, path by path where both are JSON, and in headers.
//!
//! Values are told as they are written: no number loses digits, and no text its escapes.

use super::tree::Tree;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// How many changes are told.
pub const MAX_CHANGES: usize = 500;

/// One change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The place: a JSON Pointer (RFC 6901) in a body, where empty is the whole; a name among headers.
    pub path: String,
    /// What has become of it.
    pub op: ChangeOp,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Box<RawValue>>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Box<RawValue>>,
}

/// What has become of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It is another.
    Changed,
}

/// Changes, and whether there are more than are told.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// The first of them.
    pub changes: Vec<Change>,
    /// Whether there are more.
    pub truncated: bool,
}

/// The differences between two bodies. Where one of them is no JSON, they are one change from text to text. Bodies
/// that are written differently and mean the same JSON have none.
pub fn bodies(before: &[u8], after: &[u8]) -> Changes {
    let mut out = Changes::default();
    if before == after {
        return out;
    }
    if let (Some(before), Some(after)) = (Tree::read(before), Tree::read(after)) {
        values(&before, &after, &mut String::new(), &mut out);
    } else {
        let text = |bytes| to_raw_value(&String::from_utf8_lossy(bytes)).ok();
        out.add("", ChangeOp::Changed, || text(before), || text(after));
    }
    out
}

/// The differences between two lists of headers, by name.
pub fn headers(before: &[(String, String)], after: &[(String, String)]) -> Changes {
    let by_name = |headers: &[(String, String)]| {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            map.entry(name.to_ascii_lowercase()).or_default().push(value.clone());
        }
        map.into_iter().map(|(name, values)| (name, values.join(", "))).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (by_name(before), by_name(after));
    let mut out = Changes::default();
    let text = |value: &String| to_raw_value(value).ok();
    for (name, from) in &before {
        match after.get(name) {
            None => out.add(name, ChangeOp::Removed, || text(from), || None),
            Some(to) if to != from => out.add(name, ChangeOp::Changed, || text(from), || text(to)),
            Some(_) => {}
        }
    }
    for (name, to) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        out.add(name, ChangeOp::Added, || None, || text(to));
    }
    out
}

impl Changes {
    fn add(
        &mut self,
        path: &str,
        op: ChangeOp,
        from: impl FnOnce() -> Option<Box<RawValue>>,
        to: impl FnOnce() -> Option<Box<RawValue>>,
    ) {
        if self.changes.len() >= MAX_CHANGES {
            self.truncated = true;
        } else {
            self.changes.push(Change { path: path.to_owned(), op, from: from(), to: to() });
        }
    }

    fn added(&mut self, path: &str, to: &Tree<'_>) {
        self.add(path, ChangeOp::Added, || None, || to.raw());
    }

    fn removed(&mut self, path: &str, from: &Tree<'_>) {
        self.add(path, ChangeOp::Removed, || from.raw(), || None);
    }
}

/// Runs `work` on the path with one more step.
fn within(path: &mut String, step: &str, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    work(path);
    path.truncate(length);
}

fn values(before: &Tree<'_>, after: &Tree<'_>, path: &mut String, out: &mut Changes) {
    match (before.members(), after.members(), before.items(), after.items()) {
        (Some(old), Some(new), ..) => {
            for (name, from) in old {
                within(path, name, |path| match new.get(name) {
                    Some(to) => values(from, to, path, out),
                    None => out.removed(path, from),
                });
            }
            for (name, to) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                within(path, name, |path| out.added(path, to));
            }
        }
        (.., Some(old), Some(new)) => lists(old, new, path, out),
        _ if before == after => {}
        _ => out.add(path, ChangeOp::Changed, || before.raw(), || after.raw()),
    }
}

/// What both begin and end with is passed over, so that one item more or less is one change. What was removed is
/// named by its old place, everything else by its new one.
fn lists(old: &[Tree<'_>], new: &[Tree<'_>], path: &mut String, out: &mut Changes) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = |list: &[Tree<'_>]| list.len().saturating_sub(head);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest(old).min(rest(new)))
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (middle(old, head, tail), middle(new, head, tail));
    for at in 0..old.len().max(new.len()) {
        let place = at.saturating_add(head).to_string();
        within(path, &place, |path| match (old.get(at), new.get(at)) {
            (Some(from), Some(to)) => values(from, to, path, out),
            (Some(from), None) => out.removed(path, from),
            (None, Some(to)) => out.added(path, to),
            (None, None) => {}
        });
    }
}

fn middle<'l, 't>(list: &'l [Tree<'t>], head: usize, tail: usize) -> &'l [Tree<'t>] {
    list.get(head..list.len().saturating_sub(tail)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn told(changes: &Changes) -> Vec<String> {
        let side = |side: &Option<Box<RawValue>>| side.as_ref().map_or("-".to_owned(), ToString::to_string);
        changes
            .changes
            .iter()
            .map(|c| format!("{:?} {} {} {}", c.op, c.path, side(&c.from), side(&c.to)))
            .collect()
    }

    fn of(before: &Value, after: &Value) -> Vec<String> {
        told(&bodies(before.to_string().as_bytes(), after.to_string().as_bytes()))
    }

    #[test]
    fn members_are_added_removed_and_changed_at_their_paths() {
        let before = json!({ "keep": 1, "gone": true, "deep": { "a/b": 1, "c~d": [1] } });
        let after = json!({ "keep": 1, "new": null, "deep": { "a/b": 2, "c~d": [1, 2] } });
        assert_eq!(
            of(&before, &after),
            ["Changed /deep/a~1b 1 2", "Added /deep/c~0d/1 - 2", "Removed /gone true -", "Added /new - null"]
        );
    }

    #[test]
    fn an_item_more_or_less_is_one_change() {
        assert_eq!(of(&json!([1, 2, 3]), &json!([0, 1, 2, 3])), ["Added /0 - 0"]);
        assert_eq!(of(&json!([1, 2, 3]), &json!([1, 3])), ["Removed /1 2 -"]);
        assert_eq!(of(&json!([1, 1]), &json!([1, 1, 1])), ["Added /2 - 1"]);
        assert_eq!(of(&json!([{ "a": 1 }, 2]), &json!([{ "a": 3 }, 2])), ["Changed /0/a 1 3"]);
    }

    #[test]
    fn another_kind_of_value_is_one_change_and_another_spelling_is_none() {
        assert_eq!(of(&json!({ "a": [1] }), &json!({ "a": { "b": 1 } })), [r#"Changed /a [1] {"b":1}"#]);
        assert!(bodies(br#"{"a":1,"b":2}"#, br#"{ "b": 2, "a": 1 }"#).changes.is_empty());
    }

    #[test]
    fn what_is_no_json_is_one_change_of_texts() {
        assert_eq!(told(&bodies(b"{}", b"a,b")), [r#"Changed  "{}" "a,b""#]);
        assert!(bodies(b"\xff", b"\xff").changes.is_empty());
    }

    #[test]
    fn values_are_told_as_they_are_written() {
        let changes = |before: &str, after: &str| told(&bodies(before.as_bytes(), after.as_bytes()));
        assert_eq!(
            changes(r#"{"n":9007199254740993,"m":1}"#, r#"{"n":9007199254740992,"m":1}"#),
            ["Changed /n 9007199254740993 9007199254740992"]
        );
        assert_eq!(changes("[1e400, 1.50]", "[1e401, 1.50]"), ["Changed /0 1e400 1e401"]);
        assert_eq!(
            changes(r#"{"a":{ "b": 1.50 }}"#, r#"{"a":123456789012345678901234567890.10}"#),
            [r#"Changed /a { "b": 1.50 } 123456789012345678901234567890.10"#]
        );
        assert_eq!(changes(r#"{"a":"\ud800"}"#, r#"{"a":"\u00e9"}"#), [r#"Changed /a "\ud800" "\u00e9""#]);
        assert_eq!(changes(r#"{"\ud800":1}"#, "{}"), [r"Removed /\ud800 1 -"]);
        // The same numbers and texts, written in another way.
        let same = r#"{"a":[1.0,100,0.001,-0,0.10,"é",1E400]}"#;
        assert!(changes(same, r#"{"a":[1,1e2,1e-3,0.0,1e-1,"\u00e9",10e399]}"#).is_empty());
        assert_eq!(changes("[1]", "[-1]"), ["Changed /0 1 -1"]);
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(changes(&deep("1"), &deep("2")), [format!("Changed {} 1 2", "/0".repeat(200))]);
        let too_deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(changes(&too_deep("1"), &too_deep("2")).len(), 1, "one change of texts");
    }

    #[test]
    fn headers_are_compared_by_name_without_regard_to_case() {
        let list = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        let before = list(&[("X-A", "1"), ("x-b", "1"), ("x-c", "1")]);
        let after = list(&[("x-a", "1"), ("x-c", "2"), ("x-d", "3")]);
        assert_eq!(
            told(&headers(&before, &after)),
            [r#"Removed x-b "1" -"#, r#"Changed x-c "1" "2""#, r#"Added x-d - "3""#]
        );
    }

    #[test]
    fn there_is_an_end_to_what_is_told() {
        let many: Vec<usize> = (0..=MAX_CHANGES).collect();
        let changes = bodies(b"[]", json!(many).to_string().as_bytes());
        assert_eq!((changes.changes.len(), changes.truncated), (MAX_CHANGES, true));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), (0i32..4).prop_map(Value::from), "[a-c]".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-c~/]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn value(raw: Option<&RawValue>) -> Option<Value> {
        raw.map(|raw| serde_json::from_str(raw.get()).expect("JSON"))
    }

    proptest! {
        /// Each place named holds what is said of it, and equal bodies have no changes.
        #[test]
        fn what_is_told_is_true(before in any_json(), after in any_json()) {
            let changes = bodies(before.to_string().as_bytes(), after.to_string().as_bytes());
            prop_assert_eq!(changes.changes.is_empty(), before == after);
            for change in &changes.changes {
                if change.op != ChangeOp::Added && !change.path.chars().any(|c| c.is_ascii_digit()) {
                    prop_assert_eq!(before.pointer(&change.path).cloned(), value(change.from.as_deref()));
                }
                if change.op == ChangeOp::Removed {
                    prop_assert!(before.pointer(&change.path).is_some());
                } else {
                    prop_assert_eq!(after.pointer(&change.path).cloned(), value(change.to.as_deref()));
                }
            }
        }
    }
}
