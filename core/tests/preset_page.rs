//! `docs/presets.md` says what the presets say.
//!
//! It is written anew with `WEIR_WRITE_DOCS=1 cargo test -p weir-core --test preset_page`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use weir_core::preset::{self, Confidence, Delivery, Exhausted, Preset, ReplayGuard};
use weir_core::scheme::{Form, Place, Scheme, Signature};

/// How many presets may be taken from others' lists only.
const MAX_UNCONFIRMED: usize = 40;

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/presets.md");
    let page = page();
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/presets.md is not what the presets say. Write it: WEIR_WRITE_DOCS=1 cargo test -p weir-core --test \
         preset_page"
    );
}

fn page() -> String {
    let presets: Vec<Preset> = preset::names().map(|name| preset::find(name).unwrap()).collect();
    let mut page = format!(
        "# Presets\n\n\
         The webhook conventions of {} providers. This page is generated from the files in `presets/`; `GET \
         /api/v1/preset` returns the same data. An endpoint whose `preset` is one of these names sends as that provider does.\n\n\
         - **Body**: whether a valid signature proves that the body is the provider's (*verified*), or only who sent it \
         (*authenticated*).\n\
         - **Age**: by how many seconds the time of a request may differ from the gateway's clock.\n\
         - **Event**: what identifies an event, so that a duplicate is not delivered again; `body` is the SHA-256 of the \
         body. If nothing identifies an event, duplicates are delivered again.\n\
         - **Replay**: what prevents the replay of a recorded request: its *age*, which is signed; its *id*, which is signed \
         and remembered for the source's `dedupWindowSeconds`; or *nothing*. In the last case, keep the URL secret, and let \
         your receivers recognize duplicates.\n\
         - **Confidence**: *verified* with a signature that the provider made or published; *documented* by the provider; or \
         *unconfirmed*, taken from third-party lists: {} presets. Test those with your account before you rely on them.\n\n\
         | Preset | Provider | Signature | Secret | Body | Age | Event | Replay | Confidence |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        presets.len(),
        presets.iter().filter(|preset| preset.confidence == Confidence::Unconfirmed).count()
    );
    let count = |wanted: Confidence| presets.iter().filter(|preset| preset.confidence == wanted).count();
    assert!(
        count(Confidence::Unconfirmed) <= MAX_UNCONFIRMED,
        "{} are unconfirmed",
        count(Confidence::Unconfirmed)
    );
    for preset in &presets {
        let secret =
            preset.scheme.key().map_or("-", |(format, algorithm)| match (&preset.scheme, algorithm) {
                (Scheme::Basic(_), _) => "`user:password`",
                _ => format.describe(),
            });
        let published = if preset.keys.is_some() { "; fetched if none is given" } else { "" };
        let body = match (&preset.scheme, preset.scheme.binds_body()) {
            (Scheme::None, _) => "-",
            (_, true) => "verified",
            (_, false) => "authenticated",
        };
        let event = preset.event.id.as_ref().map_or("-".to_owned(), |id| {
            let parts: Vec<String> =
                id.parts().iter().map(|part| format!("`{}`", part.replace('|', "\\|"))).collect();
            parts.join(" + ")
        });
        let replay = match preset.replay_guard() {
            _ if preset.scheme == Scheme::None => "-",
            ReplayGuard::Age => "age",
            ReplayGuard::Id => "id",
            ReplayGuard::Nothing => "nothing",
        };
        let age = preset.scheme.tolerance_s().map_or("-".to_owned(), |s| s.to_string());
        let _ = writeln!(
            page,
            "| [`{0}`](../presets/{0}.json) | [{1}]({2}) | {3} | {secret}{published} | {body} | {age} | {event} | {replay} | {4} |",
            preset.name,
            preset.title,
            preset.docs,
            signature(&preset.scheme).replace('|', "\\|").replace('\n', "⏎"),
            confidence(preset.confidence),
        );
    }
    page.push_str(
        "\n## How providers send\n\nAn endpoint that sends as one of these providers uses these values, unless it has its own \
         setting. A documented retry schedule is kept without jitter: a retry is never early, and at most 2 % late.\n\n\
         Some providers publish the addresses from which they send. Requests of a Worker leave from Cloudflare's addresses, \
         which are shared and change. If you need fixed addresses, send through your own HTTPS proxy, or use Cloudflare's \
         dedicated egress addresses.\n",
    );
    for preset in presets.iter().filter(|preset| preset.delivery.is_some()) {
        sending(&mut page, preset);
    }
    page.push_str("\n## Providers without event ids\n\n");
    for preset in &presets {
        if let Some(why) = &preset.event.no_id {
            let _ = writeln!(page, "- **{}**: {why}", preset.title);
        }
    }
    page.push_str("\n## Notes\n\n");
    for preset in presets.iter().filter(|preset| preset.delivery.is_none() && !preset.notes.is_empty()) {
        let _ = writeln!(page, "- **{}**: {}", preset.title, preset.notes.join(" "));
    }
    page.push_str(
        "\n## Handshakes\n\nHandshakes are answered automatically. An answer never signs text that could be an event.\n\n",
    );
    for preset in &presets {
        for handshake in &preset.handshakes {
            let challenge = handshake.challenge.as_ref().map_or(String::new(), |at| format!(" with `{at}`"));
            let signed = if handshake.signs().is_some() { ", signed" } else { "" };
            let only = if handshake.verified { ", if its signature is valid" } else { "" };
            let visited = if handshake.visit.is_empty() {
                ""
            } else {
                ", by a request to it if the topic is the source's"
            };
            let _ = writeln!(
                page,
                "- **{}**: {}{challenge}{signed}{only}{visited}",
                preset.title, handshake.method
            );
        }
    }
    page
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Verified => "verified",
        Confidence::Documented => "documented",
        Confidence::Unconfirmed => "unconfirmed",
    }
}

fn signature(scheme: &Scheme) -> String {
    match scheme {
        Scheme::Signature(scheme) => {
            let Signature { algorithm, encoding, content, .. } = scheme.as_ref();
            let places: Vec<String> = scheme.at.iter().map(place).collect();
            let form = match &scheme.form {
                Form::Fields(form) => format!(" as `{}=…`", form.signature),
                Form::List(_) | Form::Tagged(_) => format!(" in a list `{}…`", scheme.prefix),
                Form::Positional(_) => " after the time".to_owned(),
                Form::Json(member) => format!(" in base64 of JSON, as `{member}`"),
                Form::Bare if scheme.prefix.is_empty() => String::new(),
                Form::Bare => format!(" as `{}…`", scheme.prefix),
            };
            format!(
                "{} of `{}`, {}, at {}{form}",
                algorithm.word(),
                content.as_str(),
                encoding.word(),
                places.join(", ")
            )
        }
        Scheme::Jwt(jwt) => format!("JWT {} at {}", jwt.algorithm.word(), place(&jwt.at)),
        Scheme::Token(token) if token.named_by_receiver => "a token in a header of your choice".to_owned(),
        Scheme::Token(token) => format!("a token at {}", place(&token.at)),
        Scheme::Basic(_) => "basic authentication".to_owned(),
        Scheme::None => "none".to_owned(),
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Header(name) => format!("`{name}`"),
        other => format!("`{other}`"),
    }
}

fn sending(page: &mut String, preset: &Preset) {
    let Some(delivery) = &preset.delivery else { return };
    let Delivery { schedule_s, success, .. } = delivery;
    let _ = write!(page, "\n### {}\n\n[Documentation]({})\n\n", preset.title, preset.docs);
    let schedule: Vec<String> = schedule_s.iter().map(ToString::to_string).collect();
    let source = if delivery.schedule_documented { "" } else { " (not documented by the provider)" };
    let _ = writeln!(page, "- retries after {} s{source}", schedule.join(", "));
    let _ = writeln!(page, "- success: status {} to {}", success.0, success.1);
    for (value, text) in [
        (delivery.timeout_s, "seconds for the response"),
        (delivery.per_second, "requests per second at most; further requests wait"),
        (delivery.retention_days, "days of history"),
    ] {
        if let Some(value) = value {
            let _ = writeln!(page, "- {value} {text}");
        }
    }
    for (yes, text) in [
        (delivery.batch, "several events in one request, as an array"),
        (delivery.https_only, "HTTPS only"),
        (delivery.replay, "any event can be resent manually"),
        (delivery.choose_events, "endpoints choose their event types"),
        (!delivery.ordered, "the order is not guaranteed"),
    ] {
        if yes {
            let _ = writeln!(page, "- {text}");
        }
    }
    match &delivery.exhausted {
        Exhausted::Unsaid => {}
        Exhausted::Discarded => page.push_str("- after the last attempt the event is discarded\n"),
        Exhausted::Logged => page.push_str("- after the last attempt the delivery is logged as failed\n"),
        Exhausted::Event(kind) => {
            let _ = writeln!(page, "- after the last attempt an event `{kind}` is sent");
        }
    }
    if !delivery.sources.is_empty() {
        let _ = writeln!(page, "- sent from {}", delivery.sources.join(", "));
    }
    for note in &preset.notes {
        let _ = writeln!(page, "- {note}");
    }
    for group in &preset.catalog {
        let _ = write!(page, "\n**{}**\n\n", group.group);
        for event in &group.events {
            let _ = writeln!(page, "- `{}`: {}", event.name, event.description);
        }
    }
    if let Some(event) = &preset.test_event {
        let _ = write!(page, "\n**Test**\n\n- `{}`: {}\n", event.name, event.description);
    }
}
