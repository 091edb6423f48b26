//! The fuzzer's targets, on mutations from seeds: on every change, and without a fuzzer.
//!
//! `WEIR_FUZZ_ROUNDS` makes it longer. `WEIR_FUZZ_CORPUS=folder` writes what the mutations start from, a folder for each
//! target, for `core/fuzz/`.

#[path = "fuzz/mod.rs"]
mod targets;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use serde_json::Value;
use targets::TARGETS;
use weir_core::rng::Seeded;
use weir_core::token;

const ROUNDS: usize = 3_000;

fn below(random: &mut Seeded, n: usize) -> usize {
    usize::try_from(random.next_u64() % u64::try_from(n.max(1)).unwrap()).unwrap()
}

/// Requests of the published vectors and of the conformance cases, with their preset's number before.
fn requests() -> Vec<Vec<u8>> {
    let lines = [include_str!("scheme/vectors.jsonl"), include_str!("scheme/cases.jsonl")].concat();
    let mut requests = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(preset) = case["preset"].as_str() else { continue };
        let request = &case["request"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut sent = vec![targets::number(preset)];
        sent.extend(format!("{} {}\n", text(&request["method"]), text(&request["url"])).into_bytes());
        for header in request["headers"].as_array().unwrap() {
            sent.extend(format!("{}: {}\n", text(&header[0]), text(&header[1])).into_bytes());
        }
        sent.push(b'\n');
        match request["body"].as_str() {
            Some(body) => sent.extend(body.as_bytes()),
            None => sent.extend(BASE64.decode(text(&request["body_base64"])).unwrap()),
        }
        requests.push(sent);
    }
    requests
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    match target {
        "scheme" => requests(),
        "route" => texts(&[
            "GET /api/v1/app/app_1/msg?limit=50&iterator=-msg_2&before=2026-01-31T12:00:00Z&order=ascending&channel=a",
            "POST /api/v1/app/x%2Fy/endpoint/",
            "PATCH /ingest/api/v1/source/src_1/endpoint/ep_1/headers?a[b]=c&list[]=1&list[0]=2",
            "GET https://user@example.com:8443/a/../b?c#d",
            "GET http://[::ffff:127.0.0.1]:80/",
            "GET https://xn--bcher-kva.example/%zz",
        ]),
        "frames" => {
            // Whatever is in the list of frames of all releases, in hex.
            let source = include_str!("frames.rs");
            let literals = source.split('"').skip(1).step_by(2);
            let hex = literals.filter(|text| {
                text.len() > 4 && text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit())
            });
            hex.map(|hex| {
                (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                    .collect()
            })
            .collect()
        }
        "form" => {
            let bodies = [
                ("application/x-www-form-urlencoded", "a=1&b=%FC&a=2&payload=%7B%22type%22%3A%22x%22%7D"),
                (
                    "application/x-www-form-urlencoded; charset=iso-8859-1",
                    "timestamp=1&token=t&signature=%C3",
                ),
                (
                    "multipart/form-data; boundary=x",
                    "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\ncontent-disposition: \
                     form-data; name=\"f\"; filename=\"f.bin\"\r\ncontent-type: image/png\r\n\r\n\u{1}\r\n--x--\r\n",
                ),
                ("application/json", "[{\"event\":\"a\",\"sg_event_id\":\"1\"},{\"event\":\"b\"}]"),
                ("application/json", "\u{feff}{\"type\":\"a.b\",\"id\":1e400,\"x\":{\"y\":[[[]]]}}"),
                ("text/xml", "<a/>"),
            ];
            let request = |(number, (kind, body)): (u8, (&str, &str))| {
                let mut sent = vec![number];
                sent.extend(
                    format!("POST https://example.com/in\ncontent-type: {kind}\n\n{body}").into_bytes(),
                );
                sent
            };
            (0..8u8).flat_map(|number| bodies.map(|body| (number, body))).map(request).collect()
        }
        "token" => {
            let now = 1_795_000_000_000;
            let signed =
                token::sign_org(b"another secret that is long enough to be one", "org_1", now, 3_600_000);
            let header = BASE64URL.encode(r#"{"alg":"none","typ":"JWT"}"#);
            let claims = BASE64URL.encode(r#"{"sub":"org_1","exp":99999999999,"iat":1e400}"#);
            vec![signed.unwrap().into_bytes(), format!("{header}.{claims}.").into_bytes()]
        }
        "document" => texts(&[
            "openapi: 3.1.0\npaths: {}\nwebhooks:\n  a.b:\n    post: &p\n      x: [1, 2.5, ~, 'q', \"d\"]\n    put: *p\n",
            "{\"openapi\":\"3.1.0\",\"webhooks\":{}}",
            "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
            "a: |\n  text\n  more\nb: >-\n  folded\n? key\n: value\n",
        ]),
        other => panic!("{other} has no seeds"),
    }
}

/// Bytes that formats care about.
const TELLING: [&[u8]; 16] = [
    b"\n",
    b"\n\n",
    b":",
    b"=",
    b"&",
    b"%",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"\xff",
    b"\0",
    b"../",
    b"99999999999999999999",
    b"\xf0\x9f\x98\x80",
    b"1e400",
];

fn mutated(random: &mut Seeded, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[below(random, seeds.len())].clone();
    for _ in 0..=below(random, 6) {
        let at = below(random, bytes.len() + 1);
        match below(random, 7) {
            0 if at < bytes.len() => bytes[at] = random.next_u64().to_le_bytes()[0],
            1 if at < bytes.len() => bytes[at] ^= 1 << below(random, 8),
            2 => drop(bytes.splice(at..at, TELLING[below(random, TELLING.len())].iter().copied())),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + below(random, 32)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + below(random, 64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                for _ in 0..below(random, 20) {
                    bytes.splice(at..at, part.iter().copied());
                }
            }
            _ => {
                let other = &seeds[below(random, seeds.len())];
                let from = below(random, other.len() + 1);
                bytes.splice(at.., other[from..].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn nothing_that_strangers_send_breaks_what_reads_it() {
    let rounds = std::env::var("WEIR_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} starts from nothing");
        if let Some(dir) = std::env::var_os("WEIR_FUZZ_CORPUS") {
            let dir = std::path::Path::new(&dir).join(name);
            std::fs::create_dir_all(&dir).unwrap();
            for (number, seed) in seeds.iter().enumerate() {
                std::fs::write(dir.join(number.to_string()), seed).unwrap();
            }
        }
        let mut random = Seeded(7);
        for round in 0..rounds {
            let bytes = if round < seeds.len() { seeds[round].clone() } else { mutated(&mut random, &seeds) };
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                println!("{name} fails on {:?}", String::from_utf8_lossy(&bytes));
                std::panic::resume_unwind(panic);
            }
        }
    }
}
