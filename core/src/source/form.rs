//! Forms as JSON: an object with a member for each field, in the order of the first of its name; a name that is there
//! several times has the list of its values.

use std::borrow::Cow;

/// The fields of a form (or of a query) as a JSON object.
pub(super) fn to_json(form: &[u8]) -> String {
    let mut fields: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let members: Vec<String> = fields
        .iter()
        .map(|(name, values)| match values.as_slice() {
            [value] => format!("{}:{}", quoted(name), quoted(value)),
            values => {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                format!("{}:[{}]", quoted(name), values.join(","))
            }
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON string: it can always be written.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn fields_keep_their_order_and_a_repeated_one_is_a_list() {
        assert_eq!(
            to_json(b"To=%2B1555&Body=a+%22b%22&To=%C3%BC&Empty=&x"),
            r#"{"To":["+1555","ü"],"Body":"a \"b\"","Empty":"","x":""}"#
        );
        assert_eq!(to_json(b""), "{}");
    }

    proptest! {
        #[test]
        fn any_bytes_become_an_object(form: Vec<u8>, pairs in proptest::collection::vec((".{1,8}", ".{0,8}"), 0..8)) {
            prop_assert!(serde_json::from_str::<Value>(&to_json(&form)).expect("JSON").is_object());
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let json: Value = serde_json::from_str(&to_json(form.as_bytes())).expect("JSON");
            for (name, value) in &pairs {
                let found = &json[name];
                let listed = found.as_array().is_some_and(|all| all.iter().any(|one| one == value));
                prop_assert!(found == value || listed, "{name} in {json}");
            }
        }
    }
}
