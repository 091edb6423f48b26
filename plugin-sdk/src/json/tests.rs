use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

fn compact(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |value| value.to_json())
}

#[test]
fn what_is_not_touched_stays_as_it_was_written() {
    for text in [
        r#"{"b":1.0,"a":1e3,"c":-0,"big":123456789012345678901234567890123456789012}"#,
        r#"["\u00e9\/\ud83d\ude00\ud800",{"a":1,"a":2},[],{},null,true,false,1E+2,0.10]"#,
        "\"\u{10ffff}é\"",
    ] {
        assert_eq!(compact(text), text);
    }
    assert_eq!(compact(" [ 1 ,\t{ \"a\" :\r\n2 } ] "), r#"[1,{"a":2}]"#);
}

#[test]
fn what_is_no_json_is_refused_where_it_stops_being_json() {
    for (text, error) in [
        ("", "the text ends too early at byte 0"),
        ("[1,]", "no JSON value at byte 3"),
        ("[1 2]", "no `,` or `]` after a value at byte 3"),
        ("{a:1}", "no key at byte 1"),
        ("{\"a\" 1}", "no `:` after a key at byte 5"),
        ("{\"a\":1;}", "no `,` or `}` after a member at byte 6"),
        ("01", "more text after the value at byte 1"),
        ("1.", "no JSON number at byte 0"),
        ("-", "no JSON number at byte 0"),
        (".5", "no JSON value at byte 0"),
        ("nul", "no JSON value at byte 0"),
        ("\"a", "the text ends within a string at byte 2"),
        ("\"a\nb\"", "a control character in a string at byte 2"),
        ("\"\\x\"", "no JSON escape at byte 1"),
        ("\"\\u12g4\"", "no JSON escape at byte 1"),
    ] {
        assert_eq!(compact(text), error, "{text}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(compact(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    assert_eq!(compact(&nested(MAX_DEPTH + 1)), "nested too deep at byte 256");
}

#[test]
fn numbers_are_compared_by_value_and_exactly() {
    let number = |text| Number::parse(text);
    let groups: [&[&str]; 11] = [
        &["-1e400", "-10e399"],
        &["-2", "-2.0"],
        &["-0.5", "-5e-1"],
        &["0", "-0", "0.0", "0e9"],
        &["1e-999999999999999999999"],
        &["0.001", "1e-3"],
        &["1", "1.0", "10e-1", "0.1e1"],
        &["9007199254740992"],
        &["9007199254740993", "9007199254740993.0"],
        &["123456789012345678901234567890"],
        &["1e999999999999999999999"],
    ];
    for (i, low) in groups.iter().enumerate() {
        for (j, high) in groups.iter().enumerate() {
            for a in *low {
                for b in *high {
                    assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} and {b}");
                }
            }
        }
    }
}

#[test]
fn a_number_is_whole_by_its_value() {
    for (text, whole) in [
        ("1", true),
        ("1.0", true),
        ("1.5", false),
        ("15e-1", false),
        ("150e-1", true),
        ("1.5e1", true),
        ("0.0", true),
    ] {
        assert_eq!(Number::parse(text).map(|number| number.is_whole()), Some(whole), "{text}");
    }
}

#[test]
fn strings_mean_what_their_escapes_say() {
    let text =
        |json| parse(json).ok().and_then(|value| value.as_str().map(Cow::into_owned)).unwrap_or_default();
    assert_eq!(text(r#""a\"\\\/\b\f\n\r\tz""#), "a\"\\/\u{8}\u{c}\n\r\tz");
    assert_eq!(text(r#""\u00e9 \ud83d\ude00""#), "é 😀");
    assert_eq!(text(r#""\ud800x \udc00 \ud800\u0041""#), "\u{fffd}x \u{fffd} \u{fffd}A");
    let written = Value::from("a\"\\\n\u{1}é").to_json();
    assert_eq!(written, "\"a\\\"\\\\\\n\\u0001é\"");
    assert_eq!(text(&written), "a\"\\\n\u{1}é");
}

#[test]
fn of_two_members_with_one_name_the_last_counts() {
    let mut value = parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
    assert_eq!(value.get("a").and_then(Value::as_i64), Some(3));
    value.set("a", 4_i64);
    assert_eq!(value.to_json(), r#"{"a":1,"b":2,"a":4}"#);
    value.remove("a");
    assert_eq!(value.to_json(), r#"{"b":2}"#);
}

#[test]
fn a_name_is_found_whatever_escapes_it_is_written_with() {
    let value = parse(r#"{"\u0061":1}"#).unwrap();
    assert_eq!(value.get("a").and_then(Value::as_i64), Some(1));
}

const ORDER: &str = r#"{"id":7,"items":[{"price":1},{"price":2.50}],"a.b":{"c":null},"user":{"price":"x"}}"#;

#[test]
fn a_path_finds_its_first_match() {
    let value = parse(ORDER).unwrap();
    for (path, found) in [
        ("", Some(ORDER)),
        ("$", Some(ORDER)),
        ("id", Some("7")),
        ("$.id", Some("7")),
        ("$[\"id\"]", Some("7")),
        ("items[1].price", Some("2.50")),
        ("items[-1].price", Some("2.50")),
        ("items[*].price", Some("1")),
        ("items.*.price", Some("1")),
        ("items[2]", None),
        ("items[-3]", None),
        ("items.price", None),
        ("[\"a.b\"].c", Some("null")),
        ("**.c", Some("null")),
        ("user.**.price", Some("\"x\"")),
        ("*.price", Some("\"x\"")),
    ] {
        assert_eq!(value.at(path).map(Value::to_json).as_deref(), found, "{path}");
    }
}

#[test]
fn a_path_finds_all_its_matches_in_order() {
    let value = parse(ORDER).unwrap();
    for (path, found) in [
        ("items[*].price", vec!["1", "2.50"]),
        ("**.price", vec!["1", "2.50", "\"x\""]),
        ("id", vec!["7"]),
        ("nothing.*", vec![]),
    ] {
        let all: Vec<_> = Path::parse(path).unwrap().all(&value).into_iter().map(Value::to_json).collect();
        assert_eq!(all, found, "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused_with_a_sentence() {
    for path in ["a..b", ".a", "a.", "a[", "a[b]", "a[0]b", "a*", "a]", "[\"a]"] {
        let error = Path::parse(path).unwrap_err();
        assert!(error.text().starts_with(&format!("`{path}` is not a path: ")), "{error}");
    }
}

#[test]
fn a_path_changes_and_removes_all_its_matches() {
    let mut value = parse(ORDER).unwrap();
    let mut count = 0;
    Path::parse("**.price").unwrap().each_mut(&mut value, &mut |value| {
        count += 1;
        *value = Value::Bool(true);
    });
    assert_eq!(count, 3);
    assert_eq!(
        value.to_json(),
        r#"{"id":7,"items":[{"price":true},{"price":true}],"a.b":{"c":null},"user":{"price":true}}"#
    );
    for path in ["items[0]", "**.price", "[\"a.b\"].*"] {
        Path::parse(path).unwrap().remove(&mut value);
    }
    assert_eq!(value.to_json(), r#"{"id":7,"items":[{}],"a.b":{},"user":{}}"#);
    Path::parse("$").unwrap().remove(&mut value);
    assert_eq!(value, Value::Null);
}

#[test]
fn an_object_is_written_down_member_by_member() {
    let value = Value::object().with("a", vec![1_i64, 2]).with("b", Value::object().with("c", Some("d\n")));
    assert_eq!(value.to_json(), r#"{"a":[1,2],"b":{"c":"d\n"}}"#);
}

proptest::proptest! {
    #[test]
    fn it_agrees_with_another_parser(text in r#"[\[\]{},:"\\ 0-9eE.+a-u-]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let ours = parse(&text);
        // They refuse numbers beyond the range of floats, and half surrogates.
        let beyond = theirs.as_ref().is_err_and(|error| {
            let error = error.to_string();
            error.contains("out of range") || error.contains("surrogate") || error.contains("hex escape")
        });
        if !beyond {
            proptest::prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        }
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
            proptest::prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&ours.to_json()).unwrap(), theirs);
        }
    }

    #[test]
    fn a_text_survives_being_escaped(text: String) {
        let json = Value::from(text.clone()).to_json();
        proptest::prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text.clone());
        let value = parse(&json).unwrap();
        proptest::prop_assert_eq!(value.as_str().unwrap(), text);
    }

    #[test]
    fn integers_are_ordered_as_integers_are(a: i64, b: i64) {
        proptest::prop_assert_eq!(Number::from(a).cmp(&Number::from(b)), a.cmp(&b));
    }
}
