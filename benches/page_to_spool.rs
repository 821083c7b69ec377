//! Pages of 100 messages of the ETD search to the spool: parsed, fingerprinted, compared with the
//! ledger, composed, compressed, committed. Ten pages in a row, as one slice.
//!
//! ```text
//! cargo bench --bench page_to_spool
//! ```

mod pages;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use pages::{Bench, PAGE};
use postrider::{domain::slice::Interval, source::cisco_etd};

const PAGES: usize = 10;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn collect(bencher: Bencher<'_, '_>) {
    let bench = Bench::new().expect("the bench can be set up");
    let bytes = bench.pattern.bytes() * PAGES;
    let bench = std::cell::RefCell::new(bench);
    bencher
        .counter(ItemsCount::new(PAGE * PAGES))
        .counter(BytesCount::new(bytes))
        .with_inputs(|| bench.borrow_mut().pages(PAGES))
        .bench_local_values(|pages| bench.borrow_mut().collect(pages));
}

/// Of this, reading and fingerprinting one page.
#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::new().expect("the bench can be set up");
    let body = bench.pattern.page();
    let at = |text: &str| text.parse().expect("a time");
    let hour = Interval::new(at("2026-11-20T08:00:00Z"), at("2026-11-20T09:00:00Z"));
    let hour = hour.expect("an interval");
    bencher
        .counter(ItemsCount::new(PAGE))
        .counter(BytesCount::new(body.len()))
        .bench_local(|| cisco_etd::read_page(&body, hour));
}
