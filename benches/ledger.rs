//! The ledger with 30 million records, nine days of a large tenant, against an empty one: a page of
//! 100 new messages is looked up and filed, and a page of known ones is looked up, in both by turns, so
//! that whatever else the machine does falls on both. Then what the file takes a record, and what it
//! takes to forget a day. The records are made by the store's own code in large transactions; that
//! takes two minutes and 6 GB of disk in the directory for temporary files, which are freed at the
//! end.
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

use std::time::{Duration, Instant};

use filled::{Ledger, PAGE};

/// Of the days of the large tenant.
const RECORDS: u64 = 30_000_000;
/// An empty ledger has some, or nothing could be looked up.
const EMPTY: u64 = 10_000;
const TURNS: usize = 2_000;

fn main() -> anyhow::Result<()> {
    // A test run has no minutes to spare.
    let (records, turns) = if support::is_bench() { (RECORDS, TURNS) } else { (EMPTY, 2) };
    let mut full = Ledger::with(records)?;
    let mut empty = Ledger::with(EMPTY)?;
    compare("a page looked up and filed", turns, &mut empty, &mut full, file_a_page);
    compare("a page of known ones looked up", turns, &mut empty, &mut full, look_up_a_page);
    if support::is_bench() { forgetting::tell(&full) } else { Ok(()) }
}

fn compare(
    what: &str,
    turns: usize,
    empty: &mut Ledger,
    full: &mut Ledger,
    work: impl Fn(&mut Ledger, u64),
) {
    let time = |ledger: &mut Ledger, turn| {
        let begun = Instant::now();
        work(ledger, turn);
        begun.elapsed()
    };
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for turn in 0..turns as u64 {
        // Who comes second finds the caches of the processor as the first left them.
        if turn % 2 == 0 {
            times[0].push(time(empty, turn));
            times[1].push(time(full, turn));
        } else {
            times[1].push(time(full, turn));
            times[0].push(time(empty, turn));
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    let told = |name: &str, at: usize| {
        let [empty, full] = [&times[0], &times[1]].map(|times| times[at].as_secs_f64() * 1e6);
        println!("  {name:8} {empty:8.1} µs empty {full:8.1} µs full {:6.2} times", full / empty);
    };
    println!("{what}, {turns} turns");
    told("fastest", 0);
    told("quarter", turns / 4);
    told("median", turns / 2);
}

/// Looks up 100 messages of the present hour, none of them known, and files them. The hour is
/// already full of others.
fn file_a_page(ledger: &mut Ledger, _: u64) {
    let known = filled::known_page(0);
    let keys = ledger.next_keys();
    let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
    assert!(found.iter().all(Option::is_none));
    ledger.commit(vec![ledger.block(&keys, &known)]);
}

/// Looks up 100 messages of past hours one after the other, as a resweep does, all of them known.
fn look_up_a_page(ledger: &mut Ledger, turn: u64) {
    let page = (ledger.records / PAGE / 2 + turn) % (ledger.records / PAGE);
    let keys = filled::keys(page * PAGE);
    let found = ledger.store.look_up(ledger.stream, &keys).expect("the store works");
    assert!(found.iter().all(Option::is_some));
}
