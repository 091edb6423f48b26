use super::{chat, cut};
use weir_plugin::prelude::*;
use weir_plugin::test;

const BODY: &str = r#"{"number": "2026-1", "id": "in_1", "amount": 12.50, "name": "Ann <!channel> *b* @everyone & co", "long": "LONG"}"#;

fn run(config: &str) -> test::Outcome {
    let body = BODY.replace("LONG", &"x".repeat(10_000));
    test::event("invoice.paid").json(&body).config(config).run(chat)
}

#[test]
fn slack_gets_blocks_in_an_attachment() {
    let outcome = run(
        r##"{"service": "slack", "title": "Invoice {{ body.number }} is paid", "link": "https://example.com/i/{{ body.id }}?a=1&b=2",
            "text": "{{ body.name }} paid *{{ body.amount }}*.", "fields": {"Id": "{{ body.id }}"}, "color": "#36A64F"}"##,
    );
    assert_eq!(
        outcome.text(),
        concat!(
            r##"{"text":"Invoice 2026-1 is paid","attachments":[{"color":"#36a64f","blocks":[{"type":"section","##,
            r#""text":{"type":"mrkdwn","text":"*<https://example.com/i/in_1?a=1&amp;b=2|Invoice 2026-1 is paid>*\n"#,
            "Ann &lt;!channel&gt; \u{200b}*b\u{200b}* @everyone &amp; co paid *12.50*.",
            r#"","verbatim":true},"fields":[{"type":"mrkdwn","text":"*Id*\nin"#,
            "\u{200b}_1",
            r#"","verbatim":true}]}]}]}"#
        )
    );
    assert_eq!(outcome.header("content-type"), Some("application/json"));
}

#[test]
fn discord_gets_an_embed_that_mentions_nobody() {
    let outcome = run(
        r##"{"service": "discord", "title": "Invoice {{ body.number }}", "link": "https://example.com/{{ body.id }}",
            "text": "{{ body.name }}", "fields": {"Id": "{{ body.id }}", "None": "{{ body.none }}"}, "color": "#000010"}"##,
    );
    assert_eq!(
        outcome.text(),
        concat!(
            r#"{"embeds":[{"title":"Invoice 2026\\-1","url":"https://example.com/in_1","#,
            r#""description":"Ann <!channel\\> \\*b\\* @everyone & co","color":16,"#,
            r#""fields":[{"name":"Id","value":"in\\_1","inline":true},{"name":"None","value":""#,
            "\u{200b}",
            r#"","inline":true}]}],"allowed_mentions":{"parse":[]}}"#
        )
    );
}

#[test]
fn without_a_title_it_is_the_type() {
    assert_eq!(
        run(r#"{"service": "discord"}"#).text(),
        r#"{"embeds":[{"title":"invoice.paid"}],"allowed_mentions":{"parse":[]}}"#
    );
}

#[test]
fn what_is_too_long_is_cut() {
    assert_eq!((cut("äöü", 3), cut("äöüß", 3), cut("ab", 1)), ("äöü".into(), "äö…".into(), "…".into()));
    let many: Vec<_> = (0..30).map(|number| format!(r#""f{number}": "{{{{ body.long }}}}""#)).collect();
    let config = format!(
        r#"{{"service": "SERVICE", "title": "{{{{ body.long }}}}", "text": "{{{{ body.long }}}}", "fields": {{{}}}}}"#,
        many.join(",")
    );
    let outcome = run(&config.replace("SERVICE", "slack"));
    let slack = json::parse(outcome.text()).unwrap();
    let lengths = |value: &Value<'_>| value.as_str().map_or(0, |text| text.chars().count());
    assert_eq!(slack.at("attachments[0].blocks[0].text.text").map(lengths), Some(3000));
    assert_eq!(
        slack.at("attachments[0].blocks[0].fields").and_then(Value::as_array).map(<[_]>::len),
        Some(10)
    );
    assert_eq!(slack.at("attachments[0].blocks[0].fields[9].text").map(lengths), Some(2000));

    let outcome = run(&config.replace("SERVICE", "discord"));
    let discord = json::parse(outcome.text()).unwrap();
    assert_eq!(discord.at("embeds[0].title").map(lengths), Some(256));
    assert_eq!(discord.at("embeds[0].description").map(lengths), Some(4096));
    let texts =
        ["embeds[0].title", "embeds[0].description", "embeds[0].fields[*].name", "embeds[0].fields[*].value"];
    let all =
        |path: &str| json::Path::parse(path).unwrap().all(&discord).into_iter().map(lengths).sum::<usize>();
    let fields = discord.at("embeds[0].fields").and_then(Value::as_array).map_or(0, <[_]>::len);
    // A field whose text had no room left is a zero-width space.
    assert!(texts.into_iter().map(all).sum::<usize>() <= 6000 + 2 * fields);
    assert_eq!(fields, 25);
}

#[test]
fn only_a_plain_address_is_a_link() {
    for link in ["javascript:alert(1)", "https://", "https://a b", "https://a|b", "{{ body.name }}"] {
        let outcome = run(&format!(r#"{{"service": "discord", "link": "{link}"}}"#));
        assert!(!outcome.text().contains("\"url\""), "{link}");
    }
}

#[test]
fn what_is_wrong_in_the_configuration_is_told() {
    for (config, error) in [
        ("{}", "configuration: `service` must be slack or discord"),
        (r#"{"service": "slack", "color": "red"}"#, "configuration: `color` must be like #36a64f"),
        (r#"{"service": "slack", "fields": {"a": 1}}"#, "configuration: a field's value must be a text"),
    ] {
        assert_eq!(run(config).error().map(Error::text), Some(error));
    }
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), chat);
}
