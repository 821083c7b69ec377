//! The spool to HEC batches: chunks read and decompressed, 500 events framed, gzip.
//!
//! ```text
//! cargo bench --bench spool_to_hec
//! ```

mod pages;

use std::sync::Arc;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use pages::Bench;
use postrider::{
    clock::SystemClock,
    config::SinkKind,
    sink::{
        Sink as _,
        splunk_hec::{self, SplunkHec},
    },
};
use rand::{SeedableRng, rngs::StdRng};

/// More than stay decoded.
const PAGES: usize = 20;
const BATCH: u64 = 500;

fn main() {
    divan::main();
}

struct Delivery {
    bench: Bench,
    sink: SplunkHec,
    next: u64,
}

impl Delivery {
    fn new() -> Self {
        let mut bench = Bench::new().expect("the bench can be set up");
        let pages = bench.pages(PAGES);
        bench.collect(pages);
        let sink = bench.config.sinks.values().next().expect("a sink");
        let SinkKind::SplunkHec(settings) = &sink.kind else { panic!("of another kind") };
        let mut rng = StdRng::seed_from_u64(1);
        let sink = SplunkHec::new(sink, settings, "bench", Arc::new(SystemClock), &mut rng);
        Self { bench, sink: sink.expect("a sink"), next: 0 }
    }

    fn frame(&mut self) -> Vec<u8> {
        let (mut body, mut events) = (Vec::new(), 0);
        while events < BATCH {
            let seq = 1 + self.next % (PAGES * pages::PAGE) as u64;
            let chunk = self.bench.store.chunk(seq).expect("the store works").expect("a chunk");
            for event in chunk.iter() {
                self.sink.frame(event, &mut body).expect("it fits");
            }
            self.next += chunk.len() as u64;
            events += chunk.len() as u64;
        }
        body
    }
}

#[divan::bench]
fn read_and_frame(bencher: Bencher<'_, '_>) {
    let mut delivery = Delivery::new();
    let bytes = delivery.frame().len();
    bencher
        .counter(ItemsCount::new(BATCH))
        .counter(BytesCount::new(bytes))
        .bench_local(|| delivery.frame());
}

#[divan::bench]
fn gzip(bencher: Bencher<'_, '_>) {
    let body = Delivery::new().frame();
    bencher
        .counter(ItemsCount::new(BATCH))
        .counter(BytesCount::new(body.len()))
        .bench_local(|| splunk_hec::compress(&body));
}
