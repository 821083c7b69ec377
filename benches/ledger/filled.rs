//! A store whose ledger holds so many records.

use std::{fs::File, path::PathBuf, process::Command, time::Instant};

use anyhow::ensure;
use jiff::Timestamp;
use postrider::{
    domain::{
        change::Known,
        fingerprint::Members,
        slice::{Interval, Pass, Stream},
    },
    store::{
        FILE, Store,
        budget::Calls,
        ledger::{Key, NewBlock},
        slices::{Frontier, PageCommit, Progress, SliceId, StreamId, Then},
    },
};
use tokio::runtime::Runtime;

pub(crate) const PAGE: u64 = 100;
/// A midnight.
const FIRST_SECOND: i64 = 490_008 * 3600;
/// The large tenant's.
pub(crate) const A_DAY: u64 = 10_000_000 / 3;
/// Pages in one transaction of the filling.
const AT_ONCE: u64 = 1_000;

pub(crate) struct Ledger {
    pub(crate) runtime: Runtime,
    pub(crate) store: Store,
    pub(crate) stream: StreamId,
    slice: SliceId,
    pub(crate) records: u64,
    /// Those that the bench files beside them.
    late: u64,
    directory: tempfile::TempDir,
}

impl Ledger {
    pub(crate) fn with(records: u64) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let store = Store::open(directory.path())?;
        let source = "etd".parse()?;
        let stream = runtime.block_on(store.stream(&source, Stream::Messages))?;
        let (from, to) = ("2026-11-20T08:00:00Z".parse()?, "2026-11-20T09:00:00Z".parse()?);
        let hour = Interval::new(from, to).expect("an interval");
        let plan = store.plan_live(stream, Frontier { from, to }, None, vec![hour], 100);
        runtime.block_on(plan)?;
        let slice = store.ready_slices(stream, Pass::Live, to, 1)?[0].id;
        let mut ledger = Self { runtime, store, stream, slice, records: 0, late: 0, directory };
        let begun = Instant::now();
        while ledger.records < records {
            let pages = AT_ONCE.min((records - ledger.records) / PAGE);
            let first = ledger.records;
            let page = |page| {
                let first = first + page * PAGE;
                ledger.block(&keys(first), &known_page(first))
            };
            let blocks = (0..pages).map(page).collect();
            ledger.commit(blocks);
            ledger.records += pages * PAGE;
        }
        if records > 1_000_000 {
            let size = std::fs::metadata(ledger.path())?.len();
            eprintln!(
                "{records} records filed in {:.0} s; {} bytes a record",
                begun.elapsed().as_secs_f64(),
                size / records
            );
            ledger.settle()?;
        }
        Ok(ledger)
    }

    /// Has what was filled go to disk, and all of the file be in memory: neither the system's
    /// writing nor the disk's reading is measured.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        ensure!(Command::new("sync").status()?.success(), "sync");
        std::io::copy(&mut File::open(self.path())?, &mut std::io::sink())?;
        Ok(())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    pub(crate) fn block(&self, keys: &[Key], known: &[Known]) -> NewBlock {
        self.block_of(self.stream, keys, known)
    }

    pub(crate) fn block_of(&self, stream: StreamId, keys: &[Key], known: &[Known]) -> NewBlock {
        let versions = keys.iter().zip(known);
        // A content's hash: as good as any bytes that cannot be compressed.
        let versions = versions.map(|(key, known)| (*key, key.id, known.clone()));
        let versions: Vec<_> = versions.collect();
        self.store.pack_versions(stream, &versions).expect("memory can be compressed")
    }

    pub(crate) fn commit(&self, ledger: Vec<NewBlock>) {
        self.runtime.block_on(self.store.commit_page(self.page(ledger))).expect("the store works");
    }

    pub(crate) fn page(&self, ledger: Vec<NewBlock>) -> PageCommit {
        let calls = Calls {
            source: "etd".parse().expect("a name"),
            day: "2026-11-20".into(),
            pass: Pass::Live,
            count: 1,
        };
        let then = Then::Next(Progress::anew(100));
        PageCommit { ledger, ..PageCommit::new(self.slice, then, calls) }
    }

    /// A page of new records among those of the last hour.
    pub(crate) fn next_keys(&mut self) -> Vec<Key> {
        let begin = self.records.saturating_sub(A_DAY / 24);
        let ids = begin + self.late..begin + self.late + PAGE;
        self.late += PAGE;
        ids.map(|id| Key::at(time(id), &format!("late {id}"))).collect()
    }
}

fn time(record: u64) -> Timestamp {
    let seconds = i64::try_from(record * 86_400 / A_DAY).expect("few");
    Timestamp::from_second(FIRST_SECOND + seconds).expect("not far in the future")
}

/// The first hour of a day, counted from the first record.
pub(crate) fn hour_of_day(day: i64) -> i64 {
    FIRST_SECOND / 3600 + day * 24
}

/// A page's keys: hashes of ids that are counted on.
pub(crate) fn keys(first: u64) -> Vec<Key> {
    (first..first + PAGE).map(|id| Key::at(time(id), &format!("message {id}"))).collect()
}

/// What is remembered of a page's messages, each with 40 members: a third of them its own, a third
/// of few values, the rest the same in all. One in eight has a verdict.
pub(crate) fn known_page(first: u64) -> Vec<Known> {
    let paths: Vec<_> = (0..40).map(|n| format!("member\u{1f}number {n}\0")).collect();
    let paths = paths.concat();
    let known = |id: u64| {
        let hash = |n: u64| match n {
            0..13 => mixed(id * 40 + n),
            13..26 => mixed(n * 100 + mixed(id ^ n << 40) % 20),
            _ => mixed(n),
        };
        let hashes = (0..40).map(|n| u32::try_from(hash(n) >> 32).expect("32 bits")).collect();
        let watched = match mixed(id) % 8 {
            0 => format!(
                r#"{{"verdict":{{"category":"spam","timestamp":"{}"}},"action":null}}"#,
                time(id)
            ),
            _ => r#"{"verdict":null,"action":null}"#.to_owned(),
        };
        let members = Members::from_parts(paths.clone(), hashes).expect("as many of each");
        Known { revision: 1, members, watched }
    };
    (first..first + PAGE).map(known).collect()
}

/// Bits without a pattern.
fn mixed(number: u64) -> u64 {
    let number = (number ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 29).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 32
}
