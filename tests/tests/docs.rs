//! The documentation is true: every `sh` block of the guides runs as it stands, prints what the guide shows, and
//! every link leads somewhere.
//!
//! A block marked `sh,ignore` is not run. A `text` or `json` block directly after a block is what that block prints,
//! apart from ids, times, signatures and durations.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use weir_tests::client::fresh_org;
use weir_tests::gateway::{Running, scratch};
use weir_tests::receiver::{Answer, Receiver};
use weir_tests::token;

/// The pages whose blocks are run, in this order, against one gateway: later guides build on earlier ones.
const GUIDES: [&str; 6] = [
    "docs/start/first-event.md",
    "docs/guides/send.md",
    "docs/guides/receive.md",
    "docs/guides/plugins.md",
    "docs/guides/portal.md",
    "docs/guides/providers.md",
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
fn normalised(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || "_-+/=.:".contains(letter) {
            word.push(letter);
            continue;
        }
        let id = ["msg_", "app_", "ep_", "atmpt_", "src_", "rej_"]
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
                    assert_eq!(
                        normalised(output),
                        normalised(&local(&shown.text)),
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
