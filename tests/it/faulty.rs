//! A disk and a clock that do as a test says, under the real binary.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::harness::{Home, Process};

/// Numbers of Linux's errors.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EROFS: i32 = 30;

/// What the process meets from now on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty {
    faults: Vec<(i32, &'static str, &'static str)>,
    ahead: i64,
}

impl Faulty {
    /// An operation (`write`, `sync`, `truncate`, `open`, `read`) fails on files of such a path.
    pub(crate) fn fail(mut self, code: i32, operation: &'static str, path: &'static str) -> Self {
        self.faults.push((code, operation, path));
        self
    }

    /// Nothing can be written to the store's directory.
    pub(crate) fn disk(code: i32) -> Self {
        let all = ["write", "truncate", "open"];
        all.into_iter().fold(Self::default(), |it, op| it.fail(code, op, "/state/"))
    }

    /// The wall clock is so many seconds ahead.
    pub(crate) fn clock(ahead: i64) -> Self {
        Self { ahead, ..Self::default() }
    }

    pub(crate) fn set(&self, home: &Home) {
        let mut text = format!("clock {}\n", self.ahead);
        for (code, operation, path) in &self.faults {
            writeln!(text, "fail {code} {operation} {path}").unwrap();
        }
        // At once as a whole: the process reads it at any moment.
        std::fs::write(home.path("faults.new"), text).unwrap();
        std::fs::rename(home.path("faults.new"), home.path("faults")).unwrap();
    }
}

/// Starts the program on such a disk; `None`, loudly, where there is no C compiler.
pub(crate) fn start(home: &Home, args: &[&str]) -> Option<Process> {
    let library = library()?;
    let (library, faults) = (library.display().to_string(), home.path("faults"));
    let faults = faults.display().to_string();
    Some(home.start_with(args, &[("LD_PRELOAD", &library), ("FAULTY_DISK", &faults)]))
}

fn library() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/faulty_disk.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faulty_disk.so");
        let mut cc = std::process::Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]);
        match cc.status() {
            Ok(status) => {
                assert!(status.success(), "{source} does not compile");
                Some(library)
            }
            Err(error) => {
                println!("SKIPPED: no C compiler `cc`: {error}");
                None
            }
        }
    };
    BUILT.get_or_init(build).as_deref()
}
