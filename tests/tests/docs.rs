//! The documentation is true: every `sh` block of the README and the guides runs as it stands and prints what the page
//! shows, the migration program migrates, and every link leads somewhere.
//!
//! A `text` or `json` block directly after a block is what that block prints, apart from ids, times, secrets and signatures.
//! `WEIR_WRITE_DOCS=1 cargo test -p weir-tests --test docs` writes what is printed into the pages. A block marked `sh,ignore`
//! is not run: it may only start what runs until it is stopped, or what needs an account, root or another machine.

use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use weir_tests::client::fresh_org;
use weir_tests::gateway::{Running, scratch};
use weir_tests::receiver::{Answer, Receiver};
use weir_tests::token;

/// The pages whose blocks are run, in this order, against one gateway: later guides build on earlier ones.
const GUIDES: [&str; 8] = [
    "README.md",
    "docs/start/first-event.md",
    "docs/guides/send.md",
    "docs/guides/receive.md",
    "docs/guides/plugins.md",
    "docs/guides/portal.md",
    "docs/guides/providers.md",
    "docs/guides/migrate-hookdeck.md",
];

/// How the lines of an ignored block may begin. What they do is tested elsewhere: `tests/tests/npm.rs`, `xtask/tests`.
const IGNORED: [&str; 19] = [
    "#",
    "cargo ",
    "WEIR_",
    "cd ",
    "curl ",
    "-",
    "docker ",
    "export WEIR_TOKEN=",
    "git ",
    "node ",
    "npm ",
    "npx ",
    "openssl ",
    "sha256sum ",
    "sudo ",
    "weir-gateway ",
    "weir-plugin ",
    "rustup ",
    "'",
];

/// Printed between the blocks of a page, so that each block's output can be told apart.
const MARK: &str = "=====block=====";

/// One fenced block: its info string and its text.
#[derive(Debug)]
struct Block {
    info: String,
    text: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(Block { info: info.to_owned(), text: text.join("\n") });
        }
    }
    found
}

/// Replaces what differs from run to run by its kind.
fn normalized(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || "_-+/=.:".contains(letter) {
            word.push(letter);
            continue;
        }
        let id = ["msg_", "app_", "ep_", "atmpt_", "src_", "rej_", "whsec_"]
            .iter()
            .find(|prefix| word.starts_with(**prefix));
        match id {
            Some(prefix) => out.push_str(prefix),
            None if word.len() > 19 && word.ends_with('Z') && word.contains('T') => out.push_str("TIME"),
            None if word.starts_with("v1") && word.len() > 40 => out.push_str("SIGNATURE"),
            None if word.contains("/in/") => out.push_str("URL"),
            None => out.push_str(&word),
        }
        word.clear();
        out.push(letter);
    }
    out.trim().to_owned()
}

#[test]
fn every_block_of_the_guides_runs_and_prints_what_the_guide_shows() {
    let gateway = Running::start(&[]);
    let receiver = Receiver::start();
    for path in ["/webhooks", "/mailabl"] {
        receiver.always(path, Answer::ok());
    }
    let dir = scratch("guides");
    let token = token::for_org(&fresh_org());
    let local = |text: &str| {
        text.replace("http://127.0.0.1:8787", &gateway.url())
            .replace("127.0.0.1:9000", &format!("127.0.0.1:{}", receiver.port()))
            .replace("/tmp/", &format!("{}/", dir.display()))
    };
    let send = blocks(&read(&repository().join("docs/guides/send.md")));
    let helpers = &send.iter().find(|block| block.info == "sh").expect("the helpers").text;
    for guide in GUIDES {
        let blocks = blocks(&read(&repository().join(guide)));
        let mut script = format!("set -e -o pipefail\n{helpers}\n");
        let run: Vec<usize> = (0..blocks.len()).filter(|&n| blocks[n].info == "sh").collect();
        for &n in &run {
            let _ = writeln!(script, "echo '{MARK}'\n{}", blocks[n].text);
        }
        let output = Command::new("bash")
            .args(["-c", &local(&script)])
            .env("WEIR_TOKEN", &token)
            .output()
            .expect("bash can be started");
        let printed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{guide}: {}\n{printed}\n{errors}", output.status);
        let outputs: Vec<&str> = printed.split(&format!("{MARK}\n")).skip(1).collect();
        assert_eq!(outputs.len(), run.len(), "{guide}: {printed}");
        for (&n, output) in run.iter().zip(outputs) {
            match blocks.get(n.wrapping_add(1)) {
                Some(shown) if ["text", "json"].contains(&shown.info.as_str()) => {
                    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
                        let local = [
                            (gateway.url(), "http://127.0.0.1:8787"),
                            (receiver.url(""), "http://127.0.0.1:9000"),
                        ];
                        write_output(guide, &blocks[n], shown, output, &local);
                        continue;
                    }
                    assert_eq!(
                        normalized(output),
                        normalized(&local(&shown.text)),
                        "{guide}: {}",
                        blocks[n].text
                    );
                }
                _ => assert!(
                    !output
                        .lines()
                        .any(|line| line.starts_with("{\"code\":") || line.starts_with("{\"detail\":")),
                    "{guide}: {} is answered with an error: {output}",
                    blocks[n].text
                ),
            }
        }
    }
    assert!(receiver.count("/webhooks") > 0, "no guide delivers anything");
}

/// Writes what a block prints into the page, unless it shows the same already.
fn write_output(guide: &str, block: &Block, shown: &Block, output: &str, local: &[(String, &str)]) {
    let printed =
        local.iter().fold(output.trim().to_owned(), |text, (here, there)| text.replace(here.as_str(), there));
    if normalized(&printed) == normalized(&shown.text) {
        return;
    }
    let path = repository().join(guide);
    let fence = |text: &str| {
        let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
        format!("```sh\n{}\n```\n\n```{}\n{text}```", block.text, shown.info)
    };
    let page = read(&path).replacen(&fence(&shown.text), &fence(&printed), 1);
    fs::write(&path, page).unwrap_or_else(|error| panic!("{guide}: {error}"));
}

#[test]
fn every_block_that_is_not_ignored_is_run() {
    let mut faults = String::new();
    for page in pages() {
        let shown = page.strip_prefix(repository()).unwrap_or(&page).to_string_lossy().into_owned();
        for block in blocks(&read(&page)) {
            if block.info == "sh" && !GUIDES.contains(&shown.as_str()) {
                let _ = writeln!(faults, "{shown}: a `sh` block in a page that is not run: {}", block.text);
            }
            let lines = block.text.lines().map(str::trim).filter(|line| !line.is_empty());
            for line in lines.filter(|_| block.info == "sh,ignore") {
                if !IGNORED.iter().any(|start| line.starts_with(start)) {
                    let _ = writeln!(faults, "{shown}: a line that could be run is ignored: {line}");
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// Runs the program of the guide from one tenant to another, twice: what is there is updated.
#[test]
fn the_program_that_migrates_from_svix_copies_everything() {
    let gateway = Running::start(&[]);
    let (from, to) = (gateway.tenant(), gateway.tenant());
    for name in ["invoice.paid", "user.created"] {
        let body =
            json!({ "name": name, "description": "An event.", "schemas": { "1": { "type": "object" } } });
        assert_eq!(from.post("/api/v1/event-type", &body).0, 201);
    }
    assert_eq!(
        from.post("/api/v1/app", &json!({ "name": "Acme", "uid": "acme", "metadata": { "plan": "pro" } })).0,
        201
    );
    let endpoint = json!({
        "url": "https://example.com/webhooks", "uid": "main", "filterTypes": ["invoice.paid"], "headers": { "x-region": "eu" },
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    });
    assert_eq!(from.post("/api/v1/app/acme/endpoint", &endpoint).0, 201);

    let guide = blocks(&read(&repository().join("docs/guides/migrate-svix.md")));
    let program = guide.iter().find(|block| block.text.contains("async function* all")).expect("the program");
    let program = program.text.replace(
        "new Svix(process.env.SVIX_TOKEN)",
        "new Svix(process.env.SVIX_TOKEN, { serverUrl: process.env.WEIR_URL })",
    );
    // Beside the packages, so that Node finds them.
    let name = format!("weir-migrate-{}.mjs", std::process::id());
    let script = weir_tests::sdk::npm_package("svix").with_file_name(name);
    fs::write(&script, program).expect("a file");
    for _ in 0..2 {
        let output = Command::new(xtask::tools::node_path())
            .arg(&script)
            .envs([("SVIX_TOKEN", &from.token), ("WEIR_TOKEN", &to.token), ("WEIR_URL", &gateway.url())])
            .output()
            .expect("node can be started");
        if !output.status.success() {
            let _ = fs::remove_file(&script);
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    fs::remove_file(&script).expect("the script is there");
    for path in [
        "event-type/invoice.paid",
        "app/acme",
        "app/acme/endpoint/main",
        "app/acme/endpoint/main/secret",
        "app/acme/endpoint/main/headers",
    ] {
        let [mut before, mut after] = [&from, &to].map(|api| api.get(&format!("/api/v1/{path}")).1);
        for field in ["id", "createdAt", "updatedAt"] {
            for body in [&mut before, &mut after] {
                if let Some(body) = body.as_object_mut() {
                    body.remove(field);
                }
            }
        }
        assert_eq!(before, after, "{path}");
    }
}

/// The pages of the book, and the texts at the top of the repository.
fn pages() -> Vec<PathBuf> {
    fn below(dir: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a directory").map_while(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                below(&path, pages);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    below(&repository().join("docs"), &mut pages);
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        pages.push(repository().join(name));
    }
    pages
}

/// The targets of a page's links, without those inside of code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        in_code ^= line.starts_with("```");
        let mut rest = if in_code { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            found.push(target.to_owned());
            rest = after;
        }
    }
    found
}

/// The anchor of a heading, as Markdown renderers make it.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut broken = String::new();
    for page in pages() {
        let text = read(&page);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            let found = target.exists()
                && (fragment.is_empty()
                    || read(&target).lines().any(|l| l.starts_with('#') && anchor(l) == fragment));
            if !found {
                let _ = writeln!(broken, "{}: {link}", page.display());
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{broken}");
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let docs = repository().join("docs").canonicalize().expect("docs/");
    let summary = links(&read(&docs.join("SUMMARY.md")));
    let listed: Vec<PathBuf> =
        summary.iter().filter_map(|link| docs.join(link).canonicalize().ok()).collect();
    assert_eq!(listed.len(), summary.len(), "the summary names a page that is not there");
    for page in pages().iter().filter(|page| page.starts_with(repository().join("docs"))) {
        let page = page.canonicalize().expect("a page");
        assert!(page.ends_with("SUMMARY.md") || listed.contains(&page), "{} is not listed", page.display());
    }
}
