//! The fuzz targets' corpus as ordinary tests: what once made a target fail never does again.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use postrider::fuzzing::TARGETS;

/// The samples that a target reads beside its own.
const SAMPLES: [(&str, &str); 7] = [
    ("etd_page", "vendors/etd"),
    ("ser_admin", "vendors/ser_admin"),
    ("refusals", "vendors/ser_admin"),
    ("ser_summary", "vendors/ser"),
    ("tokens", "vendors/etd"),
    ("tokens", "vendors/ser"),
    ("refusals", "vendors/ser"),
];

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_makes_no_target_fail() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let samples = SAMPLES.iter().filter(|(of, _)| *of == name);
        let mut files: Vec<_> = samples.flat_map(|(_, folder)| fixtures(folder)).collect();
        files.extend(fixtures(&format!("fuzz/{name}")));
        for file in files {
            let bytes = fs::read(&file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                failed.push(format!("{name} < {}", file.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_target_can_be_fuzzed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(files, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
