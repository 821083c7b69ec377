//! The ledger on a real file.

use super::{forget::Batch, *};
use crate::domain::{fingerprint::Members, slice::Stream};

mod migration;
mod model;

/// A day in 2026 whose partition is the first.
const DAY: i64 = 20_416;
const HOUR: i64 = DAY * 24;

struct Bench {
    store: Store,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { store: Store::open(directory.path()).unwrap(), directory }
    }

    async fn stream(&self, source: &str, stream: Stream) -> StreamId {
        self.store.stream(&source.parse().unwrap(), stream).await.unwrap()
    }

    async fn messages(&self) -> StreamId {
        self.stream("etd", Stream::Messages).await
    }

    async fn file(&self, stream: StreamId, keys: &[Key]) {
        let versions: Vec<_> = keys.iter().map(|key| (*key, [1; 16], known(1, key))).collect();
        self.insert(self.store.pack_versions(stream, &versions).unwrap()).await;
    }

    async fn insert(&self, block: NewBlock) {
        self.store.write("insert", move |tx| insert(tx, &block)).await.unwrap();
    }

    fn knows(&self, stream: StreamId, key: &Key) -> bool {
        let entry = self.store.look_up(stream, &[*key]).unwrap()[0];
        let known = entry.map(|entry| self.store.recall(&entry).unwrap());
        known.is_some_and(|found| found.watched == known_text(key))
    }

    /// Forgets in steps of few rows; how many steps that took. After each, rows have their blocks.
    async fn forget(&self, needed: &[(StreamId, i64)]) -> usize {
        let needed = forget::whole_days(needed);
        let mut steps = 0;
        for partition in Partition::all() {
            let step = || {
                let needed = needed.clone();
                let batch = Batch { rows: 3, blocks: 2 };
                let step = move |tx: &Connection| forget::step(tx, partition, &needed, batch);
                self.store.write("forget", step)
            };
            loop {
                let more = step().await.unwrap();
                self.rows();
                if !more {
                    break;
                }
                steps += 1;
            }
        }
        steps
    }

    /// Rows and blocks; no row is without its block.
    fn rows(&self) -> (u64, u64) {
        let mut count = (0, 0);
        for partition in Partition::all() {
            let sql = format!(
                "SELECT (SELECT count(*) FROM ledger_{partition}),
                    (SELECT count(*) FROM ledger_block_{partition}),
                    (SELECT count(*) FROM ledger_{partition} WHERE block NOT IN
                        (SELECT id FROM ledger_block_{partition}))"
            );
            let counts = self.store.read("count", |view| {
                view.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            });
            let (rows, blocks, orphans): (u64, u64, u64) = counts.unwrap();
            assert_eq!(orphans, 0, "partition {partition}");
            count = (count.0 + rows, count.1 + blocks);
        }
        count
    }
}

fn known_text(key: &Key) -> String {
    format!("{{\"key\":\"{} {}\"}}", key.hour, u128::from_be_bytes(key.id))
}

fn known(revision: u32, key: &Key) -> Known {
    let members = Members::from_parts("a\u{1f}b\0c\0".into(), vec![revision, 7]).unwrap();
    Known { revision, members, watched: known_text(key) }
}

fn ids(hour: i64, count: usize) -> Vec<Key> {
    (0..count).map(|id| Key::new(hour, &format!("record {id}"))).collect()
}

#[test]
fn days_take_turns_and_hour_0_is_apart() {
    let of = |hour| Partition::of(hour).to_string();
    assert_eq!([of(HOUR), of(HOUR + 23), of(HOUR + 24)], ["00", "00", "01"]);
    assert_eq!([of(HOUR - 1), of(HOUR + 15 * 24), of(HOUR + 16 * 24)], ["15", "15", "00"]);
    assert_eq!([of(0), of(1), of(-1)], ["16", "00", "15"]);
    assert_eq!(Partition::all().count(), 17);
}

#[test]
fn a_key_is_filed_by_its_second() {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let first = Key::at(time("2026-11-20T08:00:01.9Z"), "z");
    let second = Key::at(time("2026-11-20T08:00:02Z"), "a");
    let last = Key::new(first.hour, "a");
    assert!(first < second && second < last);
    assert_eq!(first, Key::at(time("2026-11-20T08:00:01Z"), "z"));
    let before_1970 = Key::at(time("1969-12-31T23:59:59Z"), "a");
    assert_eq!((before_1970.hour, &before_1970.id[..2]), (-1, &3599_u16.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_page_of_two_days_is_kept_by_day() {
    let bench = Bench::new();
    let stream = bench.messages().await;
    let keys = [ids(HOUR + 23, 2), ids(HOUR + 24, 2), ids(0, 1)].concat();
    bench.file(stream, &keys).await;
    assert_eq!(bench.rows(), (5, 3));
    assert!(keys.iter().all(|key| bench.knows(stream, key)));
    bench.forget(&[(stream, HOUR + 24)]).await;
    let left: Vec<_> = keys.iter().filter(|key| bench.knows(stream, key)).collect();
    assert_eq!(left, [&keys[2], &keys[3]]);
}

#[tokio::test]
async fn a_day_that_nobody_needs_goes_at_once() {
    let bench = Bench::new();
    let (etd, other) = (bench.messages().await, bench.stream("b", Stream::Messages).await);
    for stream in [etd, other] {
        for hour in [HOUR, HOUR + 5, HOUR + 24] {
            bench.file(stream, &ids(hour, 10)).await;
        }
    }
    // A day is not begun before all of it may go.
    assert_eq!(bench.forget(&[(etd, HOUR + 23), (other, HOUR + 23)]).await, 0);
    assert_eq!(bench.forget(&[(etd, HOUR + 24), (other, HOUR + 47)]).await, 1);
    assert_eq!(bench.rows(), (20, 2));
}

#[tokio::test]
async fn a_day_that_one_stream_needs_goes_row_by_row_for_the_others() {
    let bench = Bench::new();
    let (etd, other) = (bench.messages().await, bench.stream("b", Stream::Messages).await);
    for stream in [etd, other] {
        bench.file(stream, &ids(HOUR, 10)).await;
    }
    // Days that are 16 apart share a partition, as in a backfill.
    bench.file(etd, &ids(HOUR + 16 * 24, 10)).await;
    assert!(bench.forget(&[(etd, HOUR + 24)]).await > 3);
    assert_eq!(bench.rows(), (20, 2));
    assert!(ids(HOUR, 10).iter().all(|key| bench.knows(other, key) && !bench.knows(etd, key)));
    bench.forget(&[(etd, HOUR + 24), (other, HOUR + 24)]).await;
    assert!(ids(HOUR + 16 * 24, 10).iter().all(|key| bench.knows(etd, key)));
    assert_eq!(bench.rows(), (10, 1));
}

#[tokio::test]
async fn the_entitlement_is_never_forgotten() {
    let bench = Bench::new();
    let (rows, licence) = (
        bench.stream("ser", Stream::Summary).await,
        bench.stream("ser", Stream::Entitlement).await,
    );
    let keys = ids(0, 1);
    bench.file(licence, &keys).await;
    for day in 0..17 {
        bench.file(rows, &ids(HOUR + day * 24, 4)).await;
    }
    bench.store.forget_records(&[(rows, HOUR + 17 * 24)]).await.unwrap();
    assert_eq!(bench.rows(), (1, 1));
    assert!(bench.knows(licence, &keys[0]));
}

#[tokio::test]
async fn an_hour_is_recalled_whole() {
    let bench = Bench::new();
    let stream = bench.messages().await;
    let keys = ids(HOUR, 25);
    for page in keys.chunks(10) {
        bench.file(stream, page).await;
    }
    bench.file(stream, &ids(HOUR + 1, 3)).await;
    bench.file(StreamId::for_test(99), &ids(HOUR, 3)).await;
    let newer: Vec<_> = keys[5..8].iter().map(|key| (*key, [2; 16], known(2, key))).collect();
    bench.insert(bench.store.pack_versions(stream, &newer).unwrap()).await;
    let all = bench.store.recall_hour(stream, HOUR).unwrap();
    let mut expected = keys.clone();
    expected.sort_unstable();
    assert_eq!(all.iter().map(|(key, _, _)| *key).collect::<Vec<_>>(), expected);
    for (key, entry, found) in all {
        assert_eq!(Some(entry), bench.store.look_up(stream, &[key]).unwrap()[0]);
        assert_eq!(found, bench.store.recall(&entry).unwrap());
        assert_eq!(found, known(if keys[5..8].contains(&key) { 2 } else { 1 }, &key));
    }
    assert!(bench.store.recall_hour(stream, HOUR + 2).unwrap().is_empty());
}

#[tokio::test]
async fn what_never_ages_keeps_no_block_that_no_row_needs() {
    let bench = Bench::new();
    let users = bench.stream("ser", Stream::RelayUsers).await;
    let licence = bench.stream("other", Stream::Entitlement).await;
    let keys: Vec<Key> =
        (0..30).map(|user| Key::new(Key::NEVER_AGES, &format!("user {user}"))).collect();
    bench.file(licence, &keys[..1]).await;
    bench.file(users, &keys).await;
    for _ in 0..100 {
        bench.file(users, &keys[3..4]).await;
        bench.file(users, &keys[7..9]).await;
    }
    assert!(keys.iter().all(|key| bench.knows(users, key)));
    assert!(bench.knows(licence, &keys[0]));
    let sql = "SELECT count(*) FROM ledger_block_16 WHERE stream_id = ?";
    let count = |view: &Connection| view.query_row(sql, [users.0], |row| row.get::<_, i64>(0));
    assert_eq!(bench.store.read("blocks", count).unwrap(), 3);
}
