//! The store on a real file.

use std::collections::BTreeMap;

use super::{
    budget::Calls,
    ledger::Key,
    slices::{Frontier, PageCommit, Progress, Setback, StreamId, Then},
    spool::NewEvent,
    *,
};
use crate::domain::{
    change::Known,
    event::{Change, EventId},
    fingerprint::Members,
    name::{SinkName, SourceName},
    slice::{Interval, Pass, Stream},
};
use jiff::Timestamp;

mod bounds;
mod traces;

struct Bench {
    store: Store,
    directory: tempfile::TempDir,
}

fn source() -> SourceName {
    "etd".parse().unwrap()
}

fn sink(name: &str) -> SinkName {
    name.parse().unwrap()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 / 3600 * 3600 + minute * 60).unwrap()
}

fn members() -> Members {
    Members::from_parts("a\u{1f}b\0".into(), vec![7]).unwrap()
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { store: Store::open(directory.path()).unwrap(), directory }
    }

    async fn stream(&self) -> StreamId {
        self.store.stream(&source(), Stream::Messages).await.unwrap()
    }

    /// Plans a slice and commits one page of it, which covers it.
    async fn page(&self, from: i64, to: i64, texts: &[&str]) {
        let stream = self.stream().await;
        let interval = Interval::new(minute(from), minute(to)).unwrap();
        let frontier = Frontier { from: minute(0), to: minute(to) };
        self.store.plan_live(stream, frontier, None, vec![interval], 100).await.unwrap();
        let ready = self.store.ready_slices(stream, Pass::Live, minute(10_000), 100).unwrap();
        let slice = ready.iter().find(|slice| slice.interval == interval).unwrap().id;
        let event = |text: &&str| NewEvent {
            id: EventId::new(&source(), Stream::Messages, text, 1),
            revision: 1,
            change: Change::New,
            time_ms: -5,
            verdict: Some("scam".into()),
            json: (*text).to_owned(),
        };
        let events: Vec<NewEvent> = texts.iter().map(event).collect();
        let tags = BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]);
        let chunks = match events.as_slice() {
            [] => Vec::new(),
            events => vec![self.store.pack(stream, &tags, events).unwrap()],
        };
        let version = |text: &&str| {
            let known =
                Known { revision: 1, members: members(), watched: format!("{{\"t\":\"{text}\"}}") };
            (Key::new(from / 60, text), [u8::try_from(from % 256).unwrap(); 16], known)
        };
        let versions: Vec<_> = texts.iter().map(version).collect();
        let ledger = vec![self.store.pack_versions(stream, &versions).unwrap()];
        let then = Then::Covered(Progress::anew(100));
        let calls =
            Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Live, count: 2 };
        let page = PageCommit { chunks, ledger, events: 1, ..PageCommit::new(slice, then, calls) };
        self.store.commit_page(page).await.unwrap();
    }

    fn coverage(&self) -> Vec<(i64, i64)> {
        let view = self.store.read("coverage", |view| {
            let mut rows = view.prepare("SELECT start_ms, end_ms FROM coverage ORDER BY 1")?;
            let rows =
                rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let relative = |ms: i64| (ms - minute(0).as_millisecond()) / 60_000;
        view.unwrap().into_iter().map(|(start, end)| (relative(start), relative(end))).collect()
    }
}

#[tokio::test]
async fn a_page_is_read_back_as_it_was_committed() {
    let bench = Bench::new();
    let mut spooled = bench.store.spooled();
    assert_eq!(spooled.look(), 1);
    bench.page(0, 60, &["{\"n\":1}", "{\"n\":2}"]).await;
    bench.page(60, 120, &["{\"n\":3}"]).await;
    assert_eq!(spooled.look(), 4);
    for (seq, json) in [(1, "{\"n\":1}"), (2, "{\"n\":2}"), (3, "{\"n\":3}")] {
        let chunk = bench.store.chunk(seq).unwrap().unwrap();
        let event = chunk.iter().find(|event| event.seq == seq).unwrap();
        assert_eq!((&*event.json, event.time_ms), (json, -5));
        assert_eq!(event.verdict.as_deref(), Some("scam"));
        assert_eq!(event.origin.source, source());
        assert_eq!(event.origin.tags["tenant"], "acme");
    }
    assert_eq!(bench.store.chunk(4).unwrap(), None);
    assert_eq!(bench.store.calls(&source(), "2026-11-20").unwrap(), 4);
}

#[tokio::test]
async fn coverage_merges_whatever_order_slices_end_in() {
    let bench = Bench::new();
    for (from, to, covered) in [
        (60, 120, vec![(60, 120)]),
        (180, 240, vec![(60, 120), (180, 240)]),
        (120, 180, vec![(60, 240)]),
        (0, 60, vec![(0, 240)]),
        (30, 90, vec![(0, 240)]),
    ] {
        bench.page(from, to, &[]).await;
        assert_eq!(bench.coverage(), covered);
    }
}

#[tokio::test]
async fn the_ledger_recalls_the_last_version() {
    let bench = Bench::new();
    bench.page(0, 60, &["a", "b"]).await;
    bench.page(60, 120, &["c"]).await;
    let stream = bench.stream().await;
    let keys = [Key::new(0, "b"), Key::new(1, "b"), Key::new(1, "c")];
    let found = bench.store.look_up(stream, &keys).unwrap();
    let known = bench.store.recall(found[0].as_ref().unwrap()).unwrap();
    assert_eq!(known.watched, "{\"t\":\"b\"}");
    assert_eq!(known.members, members());
    assert_eq!(found[1], None, "the same id at another hour is another record");
    assert_eq!(found[2].as_ref().unwrap().content, [60; 16]);
}

#[tokio::test]
async fn a_slice_that_is_split_gives_way_to_its_halves() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let whole = Interval::new(minute(0), minute(60)).unwrap();
    let frontier = Frontier { from: minute(0), to: minute(60) };
    bench.store.plan_live(stream, frontier, None, vec![whole], 100).await.unwrap();
    let slice = bench.store.ready_slices(stream, Pass::Live, minute(60), 9).unwrap()[0].id;
    let calls = Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Live, count: 0 };
    let split = Setback::Split { page_size: 100 };
    bench.store.set_back(slice, split, "too large".into(), calls).await.unwrap();
    let halves = bench.store.ready_slices(stream, Pass::Live, minute(60), 9).unwrap();
    let (left, right) = whole.halves().unwrap();
    assert_eq!(halves.iter().map(|slice| slice.interval).collect::<Vec<_>>(), [left, right]);
    assert_eq!(bench.store.done_to(stream).unwrap(), Some(minute(0)));
}

#[tokio::test]
async fn only_what_is_past_retention_is_lost() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let whole = Interval::new(minute(0), minute(60)).unwrap();
    let frontier = Frontier { from: minute(0), to: minute(60) };
    bench.store.plan_live(stream, frontier, None, vec![whole], 100).await.unwrap();
    for (before, left) in [(Some(minute(40)), vec![(40, 60)]), (Some(minute(90)), vec![])] {
        let slice = bench.store.ready_slices(stream, Pass::Live, minute(60), 9).unwrap()[0].id;
        let calls =
            Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Live, count: 0 };
        let lost = Setback::Lost { before };
        bench.store.set_back(slice, lost, "too old".into(), calls).await.unwrap();
        let open = bench.store.ready_slices(stream, Pass::Live, minute(60), 9).unwrap();
        let open: Vec<_> = open.iter().map(|slice| slice.interval).collect();
        let left = left.into_iter().map(|(from, to)| Interval::new(minute(from), minute(to)));
        assert_eq!(open, left.flatten().collect::<Vec<_>>());
    }
    assert_eq!(bench.store.streams().unwrap()[0].lost, 2);
}

#[tokio::test]
async fn a_new_sink_starts_with_the_spool_and_one_that_is_gone_frees_it() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    bench.page(0, 60, &["1", "2"]).await;
    bench.page(60, 120, &["3"]).await;
    bench.store.mark(&sink("a"), 1..3, 2, Vec::new(), minute(0)).await.unwrap();
    // The first page is gone: a sink that comes now gets what is left.
    bench.store.set_sinks(vec![sink("a"), sink("b")]).await.unwrap();
    assert_eq!(bench.store.position(&sink("b")).unwrap().cursor, 3);
    bench.store.mark(&sink("a"), 3..4, 1, Vec::new(), minute(0)).await.unwrap();
    assert_eq!(bench.store.spool_size().unwrap().events, 1);
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    let size = bench.store.spool_size().unwrap();
    assert_eq!((size.events, size.bytes), (0, 0));
    assert!(bench.store.position(&sink("b")).is_err());
}

#[tokio::test]
async fn a_mark_frees_all_chunks_that_it_passes() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a")]).await.unwrap();
    for page in 0..150 {
        bench.page(page * 60, (page + 1) * 60, &["1", "2"]).await;
    }
    bench.store.mark(&sink("a"), 1..301, 300, Vec::new(), minute(0)).await.unwrap();
    let size = bench.store.spool_size().unwrap();
    assert_eq!((size.events, size.bytes), (0, 0));
}

#[tokio::test]
async fn a_failed_transaction_leaves_nothing_and_harms_no_other() {
    let bench = Bench::new();
    let insert = |name: &'static str, twice: bool| {
        bench.store.write(name, move |tx| {
            for _ in 0..=u8::from(twice) {
                tx.execute("INSERT INTO stream (source, stream) VALUES (?, 'x')", [name])?;
            }
            Ok(())
        })
    };
    let (good, bad, after) =
        futures_util::join!(insert("good", false), insert("bad", true), insert("after", false));
    assert!(good.is_ok() && after.is_ok());
    let text = crate::fault::chain(&bad.unwrap_err());
    assert!(text.starts_with("the transaction bad failed: UNIQUE"), "{text}");
    let names: Vec<String> = bench
        .store
        .read("names", |view| {
            let mut rows = view.prepare("SELECT source FROM stream ORDER BY id")?;
            rows.query_map([], |row| row.get(0))?.collect()
        })
        .unwrap();
    assert_eq!(names, ["good", "after"]);
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let Bench { store, directory } = Bench::new();
    let bench = Bench { store, directory };
    bench.page(0, 60, &["a"]).await;
    let Bench { store, directory } = bench;
    drop(store);
    // The writer ends when its last user is gone; until then the file is locked for nobody.
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(&*store.chunk(1).unwrap().unwrap()[0].json, "a");
    assert_eq!(store.next_seq().unwrap(), 2);
}

#[test]
fn a_second_process_is_refused_and_told_who_is_first() {
    let bench = Bench::new();
    let Err(error) = Store::open(bench.directory.path()) else { panic!("opened twice") };
    assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
    assert!(Store::is_in_use(bench.directory.path()));
}

#[test]
fn a_newer_store_is_refused() {
    let Bench { store, directory } = Bench::new();
    drop(store);
    let path = directory.path().join(FILE);
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, -100).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let Err(error) = Store::open(directory.path()) else { panic!("opened") };
    assert!(error.to_string().contains("newer postrider (schema 99"), "{error}");
    assert!(matches!(Store::open_read_only(directory.path()), Err(StoreError::Newer { .. })));
}

#[tokio::test]
async fn a_damaged_store_is_reported_and_left_alone() {
    let bench = Bench::new();
    for number in 0..40 {
        let text = format!("{number}").repeat(200);
        bench.page(number * 60, number * 60 + 60, &[&text]).await;
    }
    let checkpoint = |tx: &Connection| tx.query_row("SELECT count(*) FROM chunk", [], |_| Ok(()));
    bench.store.write("wait", checkpoint).await.unwrap();
    let Bench { store, directory } = bench;
    drop(store);
    let path = directory.path().join(FILE);
    // Everything into the one file, then bytes of its middle overwritten.
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, -100).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[4096..length / 2].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    let Err(error) = Store::open(directory.path()) else { panic!("opened") };
    let text = error.to_string();
    assert!(text.contains("is damaged") && text.contains("restore a backup"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    for name in [FILE, "postrider.db-wal", "postrider.db-shm", LOCK] {
        let mode = std::fs::metadata(bench.directory.path().join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_command_writes_beside_the_process_that_holds_the_store() {
    let bench = Bench::new();
    let directory = bench.directory.path();
    let nowhere = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open_beside(nowhere.path()), Err(StoreError::Missing(_))));
    // As for whoever may not look into the directory, which root always may.
    let hidden = nowhere.path().join("hidden");
    std::os::unix::fs::symlink(&hidden, &hidden).unwrap();
    let error = Store::open_read_only(&hidden).err().unwrap();
    assert!(matches!(error, StoreError::Hidden { .. }), "{error}");
    let beside = Store::open_beside(directory).unwrap();
    let stream = beside.stream(&source(), Stream::Messages).await.unwrap();
    assert_eq!(stream, bench.stream().await);
    let ask = |hours: i64| requests::NewRequest {
        stream,
        range: Interval::new(minute(0), minute(60 * hours)).unwrap(),
        narrow: crate::domain::filter::Filter::default(),
        resend: false,
    };
    // Both write at the same time.
    let (asked, ()) = tokio::join!(beside.ask(ask(2), minute(500)), bench.page(0, 60, &["{}"]));
    let (id, joined) = asked.unwrap();
    assert!(!joined);
    assert_eq!(bench.store.asked_for().unwrap(), [(id, "etd".to_owned())]);
    let half = vec![Interval::new(minute(0), minute(60)).unwrap()];
    bench.store.plan_backfill(id, None, half, minute(60), 100).await.unwrap();
    // What is not planned yet is still to be fetched: the ledger must remember it.
    assert_eq!(bench.store.done_to(stream).unwrap(), Some(minute(0)));
    bench.store.end_backfill(id, minute(501)).await.unwrap();
    assert_eq!(beside.request(id).unwrap().unwrap().open, 1, "it is not done yet");
    assert!(beside.cancel(id, minute(502)).await.unwrap());
    let request = bench.store.request(id).unwrap().unwrap();
    assert_eq!((request.state, request.open), (requests::RequestState::Cancelled, 0));
    bench.store.plan_backfill(id, None, Vec::new(), minute(120), 100).await.unwrap();
    assert_eq!(bench.store.request(id).unwrap().unwrap().planned, minute(60));
    bench.store.write("age", |tx| tx.pragma_update(None, "user_version", 1)).await.unwrap();
    assert!(matches!(Store::open_beside(directory), Err(StoreError::Older { found: 1, .. })));
}
