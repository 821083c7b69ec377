//! The places at which a process can be told to die.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Transactions that no run of the matrix reaches, and why.
pub(super) const EXCLUDED: [(&str, &str); 11] = [
    ("probe", "only while a disk is full or broken; it changes nothing"),
    ("unplan", "only after this machine's clock was ahead, which a process cannot be told"),
    ("commit-lines", "of the log export: killed in log_export/kill.rs"),
    ("export-asked", "the same"),
    ("export-trouble", "the same"),
    ("compare-created", "the same"),
    ("spare-resweeps", "the same"),
    ("keep-places", "the same"),
    ("drop-places", "the same"),
    (
        "forget-places",
        "only when the log export has been on for 90 days; the store's tests take it in steps",
    ),
    ("give-back-pages", "only in a store with more than 4 MiB free; it moves no record"),
];

/// What there is besides the store's transactions.
pub(super) const OTHERS: [&str; 4] = ["send", "fetch", "create", "migrate"];

/// The names of all transactions, from the store's source: none can be forgotten here.
pub(super) fn transactions() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = BTreeSet::new();
    for file in files(&source.join("store")).into_iter().chain([source.join("store.rs")]) {
        let text = std::fs::read_to_string(&file).unwrap();
        // What is below is for tests.
        let (product, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for call in product.split("write(").skip(1) {
            let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    assert!(names.contains("commit-page") && names.contains("mark"), "{names:?}");
    names
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
