use super::{base64, cloudevents};
use weir_plugin::prelude::*;
use weir_plugin::test;

const BODY: &str = "{ \"id\": \"in_1\",  \"amount\": 1.0 }";

fn event() -> test::Input {
    test::event("invoice.paid").id("msg_1").to("app_1", "ep_1").timestamp(1_700_696_472_126).json(BODY)
}

#[test]
fn structured_holds_the_data_as_it_was_written() {
    let outcome = event().config("{}").run(cloudevents);
    assert_eq!(
        outcome.text(),
        r#"{"specversion":"1.0","id":"msg_1","source":"/weir/app_1","type":"invoice.paid","#.to_owned()
            + r#""time":"2023-11-22T23:41:12.126Z","datacontenttype":"application/json","data":"#
            + BODY
            + "}"
    );
    assert_eq!(outcome.header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(outcome.event_type(), "invoice.paid");
}

#[test]
fn attributes_come_from_the_configuration_and_the_event() {
    let config = r#"{"source": "https://example.com/b", "typePrefix": "com.example.", "subject": "body.id", "dataschema": "urn:x"}"#;
    let outcome = event().config(config).run(cloudevents);
    let wrapped = json::parse(outcome.text()).unwrap();
    for (name, value) in [
        ("source", "https://example.com/b"),
        ("type", "com.example.invoice.paid"),
        ("subject", "in_1"),
        ("dataschema", "urn:x"),
    ] {
        assert_eq!(wrapped.get(name).and_then(Value::as_str).as_deref(), Some(value));
    }
}

#[test]
fn a_body_that_is_no_json_becomes_a_text_or_base64() {
    let data = |body: &[u8]| {
        let outcome = event().body(body).run(cloudevents);
        let wrapped = json::parse(outcome.text()).unwrap();
        ["data", "data_base64"].map(|name| wrapped.get(name).map(Value::to_json))
    };
    assert_eq!(data(b"a \"text\""), [Some(r#""a \"text\"""#.into()), None]);
    assert_eq!(data(b"\xff\x00\xfe\xfd"), [None, Some(r#""/wD+/Q==""#.into())]);
}

#[test]
fn binary_leaves_the_body_and_adds_headers() {
    let outcome = event().config(r#"{"mode": "binary", "source": "/ü \"x\"%"}"#).run(cloudevents);
    assert_eq!(outcome.text(), BODY);
    let headers = ["content-type", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"];
    assert_eq!(
        headers.map(|name| outcome.header(name).unwrap_or_default()),
        [
            "application/json",
            "1.0",
            "msg_1",
            "/%C3%BC%20%22x%22%25",
            "invoice.paid",
            "2023-11-22T23:41:12.126Z"
        ]
    );
}

#[test]
fn what_was_wrapped_is_unwrapped() {
    let unwrap = r#"{"mode": "unwrap", "typePrefix": "com.example."}"#;
    let wrapped = event().config(r#"{"typePrefix": "com.example."}"#).run(cloudevents);
    let outcome = test::event("other").body(wrapped.body()).config(unwrap).run(cloudevents);
    assert_eq!((outcome.text(), outcome.event_type()), (r#"{"id":"in_1","amount":1.0}"#, "invoice.paid"));
}

#[test]
fn both_modes_are_unwrapped() {
    let unwrap = |body: &[u8]| {
        let outcome = test::event("other").body(body).config(r#"{"mode": "unwrap"}"#).run(cloudevents);
        let error = outcome.error().map(|error| error.text().to_owned());
        error.map_or_else(
            || Ok((outcome.body().to_vec(), outcome.header("content-type").unwrap().to_owned())),
            Err,
        )
    };
    let head = r#""specversion": "1.0", "id": "1", "source": "/", "type": "a.b""#;
    for (rest, body, content_type) in [
        (r#", "data": {"x": 1.0}"#, &b"{\"x\":1.0}"[..], "application/json"),
        (r#", "datacontenttype": "text/plain", "data": "a\nb""#, b"a\nb", "text/plain"),
        (r#", "datacontenttype": "application/x+json", "data": "a""#, b"\"a\"", "application/x+json"),
        (r#", "datacontenttype": "image/png", "data_base64": "/wD+/Q==""#, b"\xff\x00\xfe\xfd", "image/png"),
        ("", b"", "application/json"),
    ] {
        let event = format!("{{{head}{rest}}}");
        assert_eq!(unwrap(event.as_bytes()), Ok((body.to_vec(), content_type.to_owned())), "{event}");
    }
    for (body, error) in [
        ("{}", "the event is not a CloudEvent: neither its body nor its headers have a `specversion`"),
        (r#"{"specversion": "0.3"}"#, "the CloudEvent's version is 0.3; 1.0 is supported"),
        (r#"{"specversion": "1.0"}"#, "the CloudEvent has no `type`"),
        (
            r#"{"specversion": "1.0", "type": "a", "data_base64": "a"}"#,
            "the CloudEvent's `data_base64` is not valid base64",
        ),
    ] {
        assert_eq!(unwrap(body.as_bytes()), Err(error.to_owned()));
    }

    let event = test::event("other")
        .json(BODY)
        .header("ce-specversion", "1.0")
        .header("ce-type", "a%2Eb")
        .header("ce-id", "1");
    let outcome = event.config(r#"{"mode": "unwrap"}"#).run(cloudevents);
    assert_eq!((outcome.event_type(), outcome.text(), outcome.header("ce-id")), ("a.b", BODY, None));
}

#[test]
fn a_mode_that_there_is_not_is_told() {
    let outcome = event().config(r#"{"mode": "both"}"#).run(cloudevents);
    let text = outcome.error().map(Error::text);
    assert_eq!(text, Some("configuration: `mode` is structured, binary or unwrap, not `both`"));
}

#[test]
fn base64_is_that_of_rfc_4648() {
    for (plain, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64::encode(plain.as_bytes()), encoded);
        assert_eq!(base64::decode(encoded).as_deref(), Some(plain.as_bytes()));
    }
    for text in ["Zg=", "Zg", "Z===", "Z!==", "===="] {
        assert_eq!(base64::decode(text), None, "{text}");
    }
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), cloudevents);
}
