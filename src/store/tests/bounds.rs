//! What bounds the store's file, its WAL and the spool.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, distr::Alphanumeric, rngs::StdRng};

use super::*;

const CAP: u64 = 8 << 20;

/// Text that hardly gets smaller.
pub(super) fn noise(bytes: usize, rng: &mut StdRng) -> String {
    rng.sample_iter(Alphanumeric).take(bytes).map(char::from).collect()
}

impl Bench {
    /// Commits a page of one event under a cap; whether it had room.
    pub(super) async fn add(&self, text: String, max_spool: u64) -> bool {
        let stream = self.stream().await;
        let event = NewEvent {
            id: EventId::new(
                &source(),
                Stream::Messages,
                &text.chars().take(20).collect::<String>(),
                1,
            ),
            revision: 1,
            change: Change::New,
            time_ms: 0,
            verdict: None,
            json: text,
        };
        let chunks = vec![self.store.pack(stream, &BTreeMap::new(), &[event]).unwrap()];
        let calls =
            Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Live, count: 1 };
        let none = slices::SliceId::for_test(0);
        let page = PageCommit::new(none, Then::Next(Progress::anew(100)), calls);
        match self.store.commit_page(PageCommit { chunks, max_spool, ..page }).await {
            Ok(()) => true,
            Err(StoreError::SpoolFull) => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn deliver_all(&self) {
        let to = self.store.next_seq().unwrap();
        self.store.mark(&sink("a"), 0..to, 1, Vec::new(), minute(0)).await.unwrap();
        self.store.release().await.unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "another program that reads")]
    fn other_reader(&self) -> Connection {
        let reader = Connection::open(self.directory.path().join(FILE)).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM gauge").unwrap();
        reader
    }
}

#[tokio::test]
async fn the_spool_never_passes_its_cap_and_its_wal_counts() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    for reads in [false, true] {
        let reader = reads.then(|| bench.other_reader());
        let mut most = 0;
        let mut pages = 0;
        loop {
            let room = bench.store.keep_room(CAP).unwrap();
            let size = rng.random_range(1_000..400_000);
            let fits = bench.add(noise(size, &mut rng), CAP).await;
            most = most.max(bench.store.taken().unwrap().total());
            if !fits {
                break;
            }
            pages += 1;
            drop(room);
        }
        println!("a reader in the way: {reads}; {pages} pages, at most {most} of {CAP} bytes");
        assert!(most <= CAP, "{most}");
        assert!(bench.store.is_full(CAP).await.unwrap());
        drop(reader);
        bench.deliver_all().await;
        assert!(!bench.store.is_full(CAP).await.unwrap());
        bench.store.put_away().await;
        let taken = bench.store.taken().unwrap();
        assert!(taken.total() < CAP / 4, "{taken:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wal_stays_small_under_load() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    let done = tokio_util::sync::CancellationToken::new();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, done) = (bench.store.clone(), done.clone());
            std::thread::spawn(move || {
                while !done.is_cancelled() {
                    store.chunk(1).unwrap();
                    store.spool_size().unwrap();
                    store.streams().unwrap();
                }
            })
        })
        .collect();
    let mut rng = StdRng::seed_from_u64(2);
    let text = noise(300_000, &mut rng);
    let mut most = 0;
    for page in 0..400 {
        bench.add(format!("{page} {text}"), u64::MAX).await;
        bench.deliver_all().await;
        most = most.max(bench.store.taken().unwrap().wal);
    }
    done.cancel();
    for reader in readers {
        reader.join().unwrap();
    }
    println!("120 MB written, three readers all the time: the WAL had {most} bytes at most");
    // How often readers are in the way depends on what else the machine does: 12 to 33 MB were seen.
    assert!(most < 60 << 20, "{most}");
}

#[tokio::test]
async fn an_empty_spool_takes_a_page_that_is_larger_than_its_cap() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    assert!(bench.add(noise(50_000, &mut rng), 10_000).await);
    assert!(!bench.add(noise(50_000, &mut rng), 10_000).await);
    bench.deliver_all().await;
    assert!(bench.add(noise(50_000, &mut rng), 10_000).await);
}

/// `cargo test --lib giving_back -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a gigabyte; prints how long others wait"]
async fn giving_back_a_gigabyte_holds_nobody_up() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let (text, little) = (noise(1 << 20, &mut rng), noise(30_000, &mut rng));
    for page in 0..1_400 {
        bench.add(format!("{page:020}{text}"), u64::MAX).await;
    }
    let size = || std::fs::metadata(bench.directory.path().join(FILE)).unwrap().len() >> 20;
    let (spool, before) = (bench.store.spool_size().unwrap().bytes >> 20, size());
    // What a small page takes while nothing else is done.
    let small = async |count: u32| {
        let mut times = Vec::new();
        for page in 0..count {
            let begun = Instant::now();
            bench.add(format!("{page:020}{little}"), u64::MAX).await;
            times.push(begun.elapsed());
        }
        times.sort();
        (times[times.len() / 2], times[times.len() - 1])
    };
    println!("a page's commit, nothing else going on: {:?} (median, longest)", small(300).await);
    let begun = Instant::now();
    bench.deliver_all().await;
    println!("letting go of {spool} MiB: {:?}", begun.elapsed());
    let (begun, done) = (Instant::now(), std::cell::Cell::new(false));
    let giving = async {
        let mut steps = Vec::new();
        loop {
            let begun = Instant::now();
            if !bench.store.give_back_pages().await.unwrap() {
                done.set(true);
                break steps;
            }
            steps.push(begun.elapsed());
            tokio::time::sleep(begun.elapsed()).await;
        }
    };
    let working = async {
        let (mut medians, mut longest) = (Vec::new(), Duration::ZERO);
        while !done.get() {
            let (median, most) = small(50).await;
            medians.push(median);
            longest = longest.max(most);
            bench.deliver_all().await;
        }
        (medians, longest)
    };
    let (mut steps, (mut medians, longest)) = tokio::join!(giving, working);
    steps.sort();
    medians.sort();
    println!(
        "meanwhile: {:?}, {longest:?}; {} steps, longest {:?}, {:?} in all",
        medians[medians.len() / 2],
        steps.len(),
        steps.last().unwrap(),
        begun.elapsed()
    );
    bench.deliver_all().await;
    bench.store.shrink().await.unwrap();
    println!("the file: {before} MiB before, {} MiB after", size());
    assert!(size() < before / 8);
}
