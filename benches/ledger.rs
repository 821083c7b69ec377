//! The ledger, empty and with ten million records: a page of 100 messages is looked up and filed,
//! and a page of known ones is looked up. The records are made by the store's own code in large
//! transactions, spread over 90 days; that takes half a minute.
//!
//! ```text
//! cargo bench --bench ledger
//! ```

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "what takes long is told")]

mod support;

use std::time::Instant;

use divan::Bencher;
use postrider::{
    domain::{
        change::Known,
        fingerprint::Members,
        slice::{Interval, Pass, Stream},
    },
    store::{
        Store,
        budget::Calls,
        ledger::{Key, NewBlock},
        slices::{Frontier, PageCommit, Progress, SliceId, StreamId, Then},
    },
};
use tokio::runtime::Runtime;

const PAGE: u64 = 100;
const HOURS: u64 = 90 * 24;
const FIRST_HOUR: i64 = 490_000;
/// Pages in one transaction of the filling.
const AT_ONCE: u64 = 1_000;

fn main() {
    divan::main();
}

struct Ledger {
    runtime: Runtime,
    store: Store,
    stream: StreamId,
    slice: SliceId,
    records: u64,
    _directory: tempfile::TempDir,
}

impl Ledger {
    fn with(records: u64) -> anyhow::Result<Self> {
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
        let mut ledger = Self { runtime, store, stream, slice, records: 0, _directory: directory };
        let begun = Instant::now();
        while ledger.records < records {
            let pages = AT_ONCE.min((records - ledger.records) / PAGE);
            let blocks = (0..pages).map(|page| {
                let first = ledger.records + page * PAGE;
                let hour = FIRST_HOUR + i64::try_from(first * HOURS / records).unwrap_or(0);
                ledger.block(&keys(first, hour), &known(0))
            });
            let blocks = blocks.collect();
            ledger.commit(blocks);
            ledger.records += pages * PAGE;
        }
        if records > 0 {
            eprintln!("{records} records filed in {:.0} s", begun.elapsed().as_secs_f64());
        }
        Ok(ledger)
    }

    /// A page's keys: hashes of ids that are counted on.
    fn block(&self, keys: &[Key], known: &Known) -> NewBlock {
        let versions: Vec<_> = keys.iter().map(|key| (*key, [7; 16], known.clone())).collect();
        self.store.pack_versions(self.stream, &versions).expect("memory can be compressed")
    }

    fn commit(&self, ledger: Vec<NewBlock>) {
        let calls = Calls {
            source: "etd".parse().expect("a name"),
            day: "2026-11-20".into(),
            pass: Pass::Live,
            count: 1,
        };
        let then = Then::Next(Progress::anew(100));
        let page = PageCommit { ledger, ..PageCommit::new(self.slice, then, calls) };
        self.runtime.block_on(self.store.commit_page(page)).expect("the store works");
    }
}

/// A page's keys: hashes of ids that are counted on.
fn keys(first: u64, hour: i64) -> Vec<Key> {
    (first..first + PAGE).map(|id| Key::new(hour, &format!("message {id}"))).collect()
}

/// What is remembered of a message with so many members.
fn known(members: u32) -> Known {
    let paths: Vec<String> = (0..members).map(|n| format!("member\u{1f}number {n}\0")).collect();
    let hashes = (0..members).map(|n| n.wrapping_mul(0x9E37_79B9)).collect();
    let members = Members::from_parts(paths.concat(), hashes).expect("as many of each");
    Known { revision: 1, members, watched: r#"{"verdict":{}}"#.into() }
}

fn sizes() -> &'static [u64] {
    // A test run has no minutes to spare.
    if support::is_bench() { &[0, 10_000_000] } else { &[0] }
}

/// Looks up 100 messages of the present hour, none of them known, and files them.
#[divan::bench(args = sizes(), sample_count = 500, sample_size = 1)]
fn file_a_page(bencher: Bencher<'_, '_>, records: u64) {
    let mut ledger = Ledger::with(records).expect("the ledger can be filled");
    let known = known(40);
    let hour = FIRST_HOUR + i64::try_from(HOURS).expect("few");
    bencher.bench_local(|| {
        let keys = keys(ledger.records, hour);
        ledger.records += PAGE;
        let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
        assert!(found.iter().all(Option::is_none));
        ledger.commit(vec![ledger.block(&keys, &known)]);
    });
}

/// Looks up 100 messages of past hours one after the other, as a resweep does, all of them known.
#[divan::bench(args = sizes(), sample_count = 500, sample_size = 1)]
fn look_up_a_page(bencher: Bencher<'_, '_>, records: u64) {
    let ledger = Ledger::with(records.max(10_000)).expect("the ledger can be filled");
    let mut page = ledger.records / PAGE / 2;
    bencher.bench_local(|| {
        page = (page + 1) % (ledger.records / PAGE);
        let first = page * PAGE;
        let hour = FIRST_HOUR + i64::try_from(first * HOURS / ledger.records).unwrap_or(0);
        let keys = keys(first, hour);
        let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
        assert!(found.iter().all(Option::is_some));
    });
}
