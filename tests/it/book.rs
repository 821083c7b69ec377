//! The pages in docs/ as a whole: all are in the book, no link leads nowhere, and the book can be made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

use crate::harness::skipped;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory with this ending.
fn below(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(below(&path, ending)),
            false if path.extension().is_some_and(|it| it == ending) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// The text outside of code and comments, which may look like links and headings.
fn prose(text: &str) -> String {
    let text = Regex::new("(?s)<!--.*?-->").unwrap().replace_all(text, "");
    let mut fenced = false;
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let kept: Vec<&str> = kept.collect();
    kept.join("\n")
}

/// The anchors of a page's headings, as the repository's viewer and mdbook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let heading = |line: &str| Some(line.trim_start_matches('#').strip_prefix(' ')?.to_owned());
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).filter_map(heading);
    headings
        .map(|words| {
            let words = link.replace_all(&words, "$1").to_lowercase();
            let slug = words.trim().replace(' ', "-");
            let slug = slug.replace(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'), "");
            let times = seen.entry(slug.clone()).or_default();
            *times += 1;
            if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
        })
        .collect()
}

/// The links of a page: targets within the repository.
fn links(text: &str) -> Vec<String> {
    let code = Regex::new(r"`[^`]*`").unwrap();
    let prose = prose(text);
    let prose = code.replace_all(&prose, "");
    let link = Regex::new(r"\]\(([^()\s]+)\)").unwrap();
    let targets = link.captures_iter(&prose).map(|found| found[1].to_owned());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

#[test]
fn each_page_is_in_the_book_once() {
    let docs = root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = links(&summary).iter().map(|page| docs.join(page)).collect();
    let once: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is in SUMMARY.md twice");
    let mut pages = below(&docs, "md");
    pages.retain(|page| !page.ends_with("SUMMARY.md"));
    let missing: Vec<_> = pages.iter().filter(|page| !once.contains(page)).collect();
    assert!(missing.is_empty(), "add them to docs/SUMMARY.md: {missing:?}");
    let gone: Vec<_> = listed.iter().filter(|page| !pages.contains(page)).collect();
    assert!(gone.is_empty(), "docs/SUMMARY.md has what is not there: {gone:?}");
}

#[test]
fn no_link_leads_nowhere() {
    let mut pages = below(&root().join("docs"), "md");
    pages.extend(below(&root().join("deploy"), "md"));
    pages.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|page| root().join(page)));
    let mut wrong = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let to_heading = || {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                anchor.is_empty() || anchors(&text).contains(anchor)
            };
            if !target.exists() || !to_heading() {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_book_is_made_and_its_links_lead_somewhere() {
    let tool = root().join("target/tools/bin/mdbook");
    let tool = if tool.exists() { tool } else { "mdbook".into() };
    let book = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool);
    command.arg("build").arg(root().join("docs")).arg("--dest-dir").arg(book.path());
    let Ok(made) = command.output() else {
        skipped("the book is not made: install mdbook (cargo install mdbook@0.5.2)");
        return;
    };
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && !said.contains("WARN"), "{said}");
    let (link, id) =
        (Regex::new(r#" href="([^"]+)""#).unwrap(), Regex::new(r#" id="([^"]+)""#).unwrap());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.canonicalize().unwrap(), text)
    };
    let pages: BTreeMap<PathBuf, String> =
        below(book.path(), "html").into_iter().map(read).collect();
    let ids = |text: &str| id.captures_iter(text).map(|found| found[1].to_owned()).collect();
    let ids: BTreeMap<&PathBuf, BTreeSet<String>> =
        pages.iter().map(|(path, text)| (path, ids(text))).collect();
    let mut wrong = Vec::new();
    for (page, text) in &pages {
        // One for all pages; its links are those of the pages, from elsewhere.
        if page.ends_with("print.html") || page.ends_with("404.html") || page.ends_with("toc.html")
        {
            continue;
        }
        let content = text.split_once("<main>").and_then(|(_, rest)| rest.split_once("</main>"));
        for target in link.captures_iter(content.unwrap().0).map(|found| found[1].to_owned()) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let mut there = page.clone();
            if !path.is_empty() {
                there = page.parent().unwrap().join(path);
                if there.is_dir() {
                    there = there.join("index.html");
                }
            }
            let there = there.canonicalize();
            let found = there.is_ok_and(|there| {
                anchor.is_empty() || ids.get(&there).is_some_and(|ids| ids.contains(anchor))
            });
            if !found {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
