//! The book in `docs/`: every page of a chapter is in its summary, and every link leads somewhere.

use crate::{failed, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is wrong with the book's links, a sentence each.
pub fn faults() -> Result<Vec<String>, String> {
    let docs = root().join("docs");
    let mut pages = Vec::new();
    pages_below(&docs, &mut pages)?;
    let summary = docs.join("SUMMARY.md");
    let mut faults = Vec::new();
    let mut listed = BTreeSet::new();
    for page in &pages {
        let text = fs::read_to_string(page).map_err(failed("read", page))?;
        let here = page.parent().unwrap_or(&docs);
        for link in links(&text) {
            let target = here.join(link.split('#').next().unwrap_or_default());
            match target.canonicalize() {
                Ok(target) if *page == summary => drop(listed.insert(target)),
                Ok(_) => {}
                Err(_) => faults.push(format!("{}: {link} leads nowhere.", page.display())),
            }
        }
    }
    for page in pages.iter().filter(|page| page.parent() != Some(&*docs)) {
        if !page.canonicalize().is_ok_and(|page| listed.contains(&page)) {
            faults.push(format!("{} is not in SUMMARY.md.", page.display()));
        }
    }
    Ok(faults)
}

fn pages_below(dir: &Path, pages: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = entry.map_err(failed("list", dir))?.path();
        if path.is_dir() {
            pages_below(&path, pages)?;
        } else if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    Ok(())
}

/// The links of a page to other files, without those inside of code blocks.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let link = part.split([')', ' ']).next().unwrap_or_default();
            if !link.is_empty() && !link.starts_with('#') && !link.contains("://") {
                found.push(link);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_a_chapter_is_in_the_summary_and_no_link_leads_nowhere() {
        assert_eq!(faults(), Ok(Vec::new()));
    }

    #[test]
    fn links_are_those_to_files() {
        let text = "[a](b.md) [c](https://d) ![e](f/g.webp) [h](i.md#j)\n```md\n[k](l.md)\n```\n[m](#n)";
        assert_eq!(links(text), ["b.md", "f/g.webp", "i.md#j"]);
    }
}
