//! The portal is translated: every text on its pages has a translation or is user-provided.

mod made;

use made::{APP, Made, page, session};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use weir_dashboard::{Brand, Lang, marked, words};

const LANGS: [Lang; 4] = [Lang::De, Lang::Fr, Lang::Es, Lang::Ja];
/// Words that are the same in every language.
const SAME: [&str; 52] = [
    "pp",
    "Enter",
    "Esc",
    "com",
    "lost",
    "user",
    "deleted",
    "loops",
    "order",
    "paid",
    "example",
    "https",
    "ms",
    "s",
    "KiB",
    "MiB",
    "min",
    "h",
    "d",
    "p50",
    "p95",
    "UTC",
    "Ctrl",
    "K",
    "Weir",
    "CSV",
    "NDJSON",
    "JSON",
    "Node",
    "js",
    "Python",
    "Go",
    "Ruby",
    "PHP",
    "Rust",
    "English",
    "Deutsch",
    "Français",
    "Español",
    "日本語",
    "POST",
    "curl",
    "X",
    "atmpt",
    "msg",
    "app",
    "ep",
    "xx",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
];

fn pages() -> Vec<String> {
    let message = format!("{APP}/message/msg_3Mnb4kzm9gfZG4KXtrjohf4ck00");
    let endpoint = format!("{APP}/endpoint/ep_1");
    [
        APP.to_owned(),
        format!("{APP}/messages"),
        format!("{APP}/messages?status=failing&endpoint=ep_1&period=24h"),
        message.clone(),
        format!("{message}/attempt/atmpt_1"),
        format!("{APP}/live"),
        endpoint.clone(),
        format!("{endpoint}?status=2&code=500&iterator=x"),
        format!("{endpoint}?status=2&live=off"),
        format!("{APP}/messages?live=off"),
        format!("{APP}/messages?contains=acme"),
        format!("{APP}/messages?contains=acme&status=1"),
        format!("{endpoint}/settings"),
        format!("{endpoint}/headers"),
        "/dashboard/event-types".to_owned(),
        "/dashboard/event-type/order.created".to_owned(),
        "/dashboard/find?q=acme".to_owned(),
        "/dashboard/nothing".to_owned(),
    ]
    .to_vec()
}

/// The texts of a page outside of code, including attributes that are shown or read out.
fn said(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((text, more)) = rest.split_once('<') {
        out.push_str(text);
        let (tag, more) = more.split_once('>').expect("a tag ends");
        for name in ["aria-label", "title", "placeholder", "data-l"] {
            if let Some((_, value)) = tag.split_once(&format!(" {name}=\"")) {
                out.push(' ');
                out.push_str(value.split('"').next().unwrap_or_default());
            }
        }
        out.push(' ');
        rest = more;
        for (begin, end) in
            [("pre", "</pre>"), ("code", "</code>"), ("textarea", "</textarea>"), ("head", "</head>")]
        {
            if tag.split(' ').next() == Some(begin) {
                rest = more.split_once(end).expect("it ends").1;
            }
        }
    }
    out + rest
}

/// The text outside of all marks.
fn unmarked(text: &str) -> String {
    let mut depth = 0i32;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '⟦' => depth += 1,
            '⟧' => depth -= 1,
            _ if depth > 0 => {}
            _ => out.push(c),
        }
    }
    out
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().any(char::is_alphabetic))
}

fn made() -> Made {
    Made { now: 1_795_000_000_000, answers: RefCell::default() }
}

#[test]
fn every_text_of_the_portal_is_translated() {
    let made = made();
    let session = session(&made, Some("app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V"));
    let mut wrong = Vec::new();
    for path in pages() {
        let page = page(&made, &session, &path, Lang::Marked);
        let told = made.answers.borrow();
        let known: HashSet<&str> = split(&told).chain(split(&path)).chain(SAME).collect();
        let text = unmarked(
            &said(&page.body)
                .replace("&amp;", "&")
                .replace("&quot;", " ")
                .replace("&lt;", " ")
                .replace("&gt;", " "),
        );
        // The script translates times.
        let strange: BTreeSet<&str> = split(&text)
            .filter(|word| {
                !known.contains(word)
                    && !word.starts_with(|c: char| c.is_ascii_digit())
                    && !told.contains(word)
            })
            .collect();
        if !strange.is_empty() {
            wrong.push(format!("{path}: {strange:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_visible_attributes_are_translated() {
    let made = made();
    let session = session(&made, Some("app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V"));
    for path in pages() {
        let page = page(&made, &session, &path, Lang::Marked).body;
        for name in ["type", "name", "role", "method", "scope", "id", "for", "class"] {
            assert!(!page.contains(&format!(" {name}=\"⟦")), "{path}: a translated `{name}`");
        }
    }
}

#[test]
fn every_language_has_all_translations() {
    let made = made();
    let session = session(&made, Some("app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V"));
    for path in pages() {
        page(&made, &session, &path, Lang::Marked);
    }
    weir_dashboard::login(Some("x"), &Brand { name: "Acme".into(), ..Brand::default() }, Lang::Marked);
    let told = made.answers.borrow();
    let is_ours = |text: &String| {
        text.chars().any(char::is_alphabetic)
            && !told.contains(&format!("\"{text}\""))
            && text != "x"
            && !text.starts_with('⟦')
            && !SAME.contains(&text.as_str())
    };
    let asked: BTreeSet<String> = marked().into_iter().filter(is_ours).chain(literals()).collect();
    for lang in LANGS {
        let known = words(lang);
        let missing: Vec<&String> = asked.iter().filter(|text| !known.contains_key(text.as_str())).collect();
        assert!(
            missing.is_empty(),
            "{}: {} texts\n{}",
            lang.code(),
            missing.len(),
            missing.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n")
        );
    }
}

/// All translated texts in the templates, including those of states that the fixtures do not have.
fn literals() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for call in ["(t(\"", " t(\"", "phrase(\""] {
                for rest in text.split(call).skip(1) {
                    found.insert(rest.split('"').next().unwrap_or_default().to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn customers_do_not_see_plugins_and_tenant_pages_are_in_english() {
    let made = made();
    let own = session(&made, None);
    let customer = session(&made, Some("app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V"));
    let message = format!("{APP}/message/msg_3Mnb4kzm9gfZG4KXtrjohf4ck00");
    for path in [format!("{APP}/endpoint/ep_1"), message.clone(), format!("{message}/attempt/atmpt_1")] {
        let page = page(&made, &customer, &path, Lang::En);
        assert!(!page.body.contains("redact") && !page.body.contains("lugin"), "{path}: {}", page.body);
    }
    assert_eq!(page(&made, &customer, &format!("{APP}/endpoint/ep_1/plugins"), Lang::En).status, 404);
    assert_eq!(page(&made, &customer, "/dashboard/trouble", Lang::En).status, 404);
    let german = page(&made, &own, "/dashboard", Lang::De).body;
    assert!(german.contains("lang=\"en\"") && german.contains("Applications"), "{german}");
    let german = page(&made, &customer, APP, Lang::De).body;
    assert!(
        german.contains("lang=\"de\"") && german.contains("Endpunkte") && !german.contains(">Endpoints<"),
        "{german}"
    );
}

#[test]
fn the_stylesheet_stays_small() {
    let css = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/dashboard.css")).expect("a file");
    assert!(css.len() <= 35 * 1024, "{} bytes", css.len());
}

#[test]
fn every_form_works_without_a_script() {
    let made = made();
    for app in [None, Some("app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V")] {
        let session = session(&made, app);
        for path in pages() {
            let page = page(&made, &session, &path, Lang::En).body;
            for form in page.split("<form").skip(1) {
                let form = form.split("</form>").next().unwrap_or_default();
                let proves = form.contains(&format!("name=\"_proof\" value=\"{}\"", session.proof()));
                assert!(!form.contains("method=\"post\"") || proves, "{path}: {form}");
            }
        }
    }
}
