//! The ledger, empty and with 30 million records, nine days of a large tenant: a page of 100 new
//! messages is looked up and filed, and a page of known ones is looked up. Then what the file takes
//! a record, and what it takes to forget a day. The records are made by the store's own code in
//! large transactions; that takes two minutes and 6 GB of disk in the directory for temporary
//! files, which are freed at the end.
//!
//! ```text
//! cargo bench --bench ledger
//! ```

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "what takes long is told")]

#[path = "ledger/filled.rs"]
mod filled;
#[path = "ledger/forgetting.rs"]
mod forgetting;
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use divan::Bencher;
use filled::{Ledger, PAGE};

/// Of the days of the large tenant.
const RECORDS: u64 = 30_000_000;

/// Filled once for all; static, so it must be taken out to be deleted.
static FULL: Mutex<Option<Ledger>> = Mutex::new(None);

fn main() -> anyhow::Result<()> {
    divan::main();
    match full().take() {
        Some(ledger) => forgetting::tell(&ledger),
        None => Ok(()),
    }
}

fn full() -> MutexGuard<'static, Option<Ledger>> {
    FULL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_ledger(records: u64, use_it: impl FnOnce(&mut Ledger)) {
    let filled = || Ledger::with(records).expect("the ledger can be filled");
    if records == RECORDS {
        use_it(full().get_or_insert_with(filled));
    } else {
        use_it(&mut filled());
    }
}

fn sizes() -> &'static [u64] {
    // A test run has no minutes to spare.
    if support::is_bench() { &[0, RECORDS] } else { &[0] }
}

/// Looks up 100 messages of the present hour, none of them known, and files them. The hour is
/// already full of others.
#[divan::bench(args = sizes(), sample_count = 500, sample_size = 1)]
fn file_a_page(bencher: Bencher<'_, '_>, records: u64) {
    with_ledger(records, |ledger| {
        let known = filled::known_page(0);
        bencher.bench_local(|| {
            let keys = ledger.next_keys();
            let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
            assert!(found.iter().all(Option::is_none));
            ledger.commit(vec![ledger.block(&keys, &known)]);
        });
    });
}

/// Looks up 100 messages of past hours one after the other, as a resweep does, all of them known.
#[divan::bench(args = sizes(), sample_count = 500, sample_size = 1)]
fn look_up_a_page(bencher: Bencher<'_, '_>, records: u64) {
    with_ledger(records.max(10_000), |ledger| {
        let mut page = ledger.records / PAGE / 2;
        bencher.bench_local(|| {
            page = (page + 1) % (ledger.records / PAGE);
            let keys = filled::keys(page * PAGE);
            let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
            assert!(found.iter().all(Option::is_some));
        });
    });
}
