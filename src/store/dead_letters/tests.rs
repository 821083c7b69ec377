use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{domain::name::SinkName, store::dead_letters::replays::Replayed};

fn sink(name: &str) -> SinkName {
    name.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn refusal(id: u8, json: &str, reason: &str) -> Refusal {
    let tags = [("tenant".to_owned(), "acme".to_owned())].into();
    let source = "etd".parse().unwrap();
    let event = Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags }),
        seq: u64::from(id),
        id: EventId::from_bytes([id; 16]),
        revision: 2,
        change: Change::Changed,
        time_ms: -7,
        verdict: Some("scam".into()),
        json: json.into(),
    };
    Refusal { event, reason: reason.into() }
}

fn open() -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Store::open(directory.path()).unwrap(), directory)
}

async fn refuse(store: &Store, to: &str, refusals: Vec<Refusal>, now: i64) {
    store.mark(&sink(to), 0..1, 0, refusals, at(now)).await.unwrap();
}

#[tokio::test]
async fn a_letter_is_read_as_it_was_refused_and_again_counts_as_an_attempt() {
    let (store, _directory) = open();
    store.set_sinks(vec![sink("splunk")]).await.unwrap();
    let json = format!("{{\"postrider\":{{}},\"é\":\"{}\"}}", "long ".repeat(400));
    refuse(&store, "splunk", vec![refusal(1, &json, "first")], 10).await;
    refuse(&store, "splunk", vec![refusal(1, &json, "second")], 20).await;
    let letter = store.letter(1).unwrap().unwrap();
    assert_eq!(letter.event, Event { seq: 1, ..refusal(1, &json, "").event });
    let Entry { attempts, at: last, reason, .. } = letter.entry;
    assert_eq!((attempts, reason.as_str(), letter.first, last), (2, "second", at(10), at(20)));
    let pile = store.dead_letters().unwrap().remove(0);
    assert_eq!((pile.letters, pile.reason.as_str(), pile.at), (1, "second", at(20)));
    assert!((513..1024).contains(&pile.bytes), "compressed: {}", pile.bytes);
    assert!(store.letter(2).unwrap().is_none());
}

#[tokio::test]
async fn letters_take_room_until_they_are_dropped() {
    let (store, _directory) = open();
    store.set_sinks(vec![sink("splunk")]).await.unwrap();
    let cap = 64 << 10;
    for id in 1..=128 {
        refuse(&store, "splunk", vec![refusal(id, "{}", "bad")], 10).await;
    }
    let bytes = store.dead_letter_bytes().unwrap();
    assert!(bytes > cap, "{bytes}");
    assert_eq!(store.taken().unwrap().dead_letters, bytes);
    assert!(store.spool_size().unwrap().on_disk >= bytes);
    assert!(store.is_full(cap).await.unwrap());
    store.drop_letters(&Which::All, 128).await.unwrap();
    assert_eq!(store.taken().unwrap().dead_letters, 0);
    assert!(!store.is_full(cap).await.unwrap());
}

#[tokio::test]
async fn lists_go_page_by_page_and_numbers_never_come_again() {
    let (store, _directory) = open();
    store.set_sinks(vec![sink("one"), sink("two")]).await.unwrap();
    for id in 1..=9 {
        let to = if id % 3 == 0 { "two" } else { "one" };
        refuse(&store, to, vec![refusal(id, "{}", "bad")], 10).await;
    }
    let ids = |which: &Which, before, most| -> Vec<u64> {
        store.letters(which, before, most).unwrap().iter().map(|it| it.id).collect()
    };
    assert_eq!(ids(&Which::All, u64::MAX, 4), [9, 8, 7, 6]);
    assert_eq!(ids(&Which::All, 6, 4), [5, 4, 3, 2]);
    assert_eq!(ids(&Which::Sink("two".into()), 9, 4), [6, 3]);
    assert_eq!(ids(&Which::Ids(vec![2, 7, 99]), u64::MAX, 4), [7, 2]);
    assert_eq!(store.unknown_letters(&[2, 7, 99]).unwrap(), [99]);
    let (of, last) = store.meant(&Which::Ids(vec![3, 4])).unwrap();
    assert_eq!((of, last), (vec![("one".into(), 1), ("two".into(), 1)], 9));
    assert_eq!(store.drop_letters(&Which::Sink("two".into()), 8).await.unwrap(), 2);
    assert_eq!(store.drop_letters(&Which::Ids(vec![9]), 9).await.unwrap(), 1);
    refuse(&store, "one", vec![refusal(10, "{}", "bad")], 10).await;
    assert_eq!(ids(&Which::All, u64::MAX, 1), [10]);
}

#[tokio::test]
async fn letters_of_the_schema_before_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(crate::store::FILE);
    let flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_CREATE;
    let old = crate::store::connect(&path, flags, -100).unwrap();
    for schema in [
        include_str!("../schema/0001.sql"),
        include_str!("../schema/0002.sql"),
        include_str!("../schema/0003.sql"),
    ] {
        old.execute_batch(schema).unwrap();
    }
    let sql = "INSERT INTO dead_letter (id, sink, event_id, source, stream, tags, revision, change,
            time_ms, verdict, json, reason, at_ms, attempts)
        VALUES (?, ?, ?, 'etd', 'messages', '{}', 1, 'new', 5, NULL, '{\"é\":1}', 'bad', 9000, 3)";
    old.execute(sql, params![7, "splunk", [7_u8; 16]]).unwrap();
    old.execute(sql, params![9, "archive", [7_u8; 16]]).unwrap();
    old.pragma_update(None, "user_version", 3).unwrap();
    drop(old);
    let store = Store::open(directory.path()).unwrap();
    let letter = store.letter(7).unwrap().unwrap();
    assert_eq!(&*letter.event.json, "{\"é\":1}");
    assert_eq!((letter.entry.attempts, letter.entry.at, letter.first), (3, at(9), at(9)));
    let piles = store.dead_letters().unwrap();
    let of: Vec<_> = piles.iter().map(|it| (it.sink.as_str(), it.letters)).collect();
    assert_eq!(of, [("archive", 1), ("splunk", 1)]);
    assert_eq!(store.dead_letter_bytes().unwrap(), 2 * (512 + 8));
}

#[derive(Debug, Clone)]
enum Act {
    Refuse(u8, usize),
    Accept(u64),
    Again(u64),
    Drop(u64),
    DropAllOf(&'static str),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..20_u8, 0..300_usize).prop_map(|(id, length)| Act::Refuse(id, length)),
        2 => (1..30_u64).prop_map(Act::Accept),
        2 => (1..30_u64).prop_map(Act::Again),
        1 => (1..30_u64).prop_map(Act::Drop),
        1 => prop::sample::select(vec!["one", "two"]).prop_map(Act::DropAllOf),
    ]
}

/// Whatever happens, the counts are those that counting would give.
#[test]
fn the_counts_are_right() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    let run = |acts: Vec<Act>| {
        runtime.block_on(async {
            let (store, _directory) = open();
            store.set_sinks(vec![sink("one"), sink("two")]).await.unwrap();
            let replay = store.ask_replay(&sink("one"), &Which::All, 99, 0, at(1)).await.unwrap();
            let one = sink("one");
            let settle = |accepted, refused| {
                let replayed = Replayed { replay, accepted, refused };
                store.settle_replay(&one, replayed, at(50))
            };
            for act in acts {
                match act {
                    Act::Refuse(id, length) => {
                        let to = if id % 2 == 0 { "one" } else { "two" };
                        let json = format!("{{\"a\":\"{}\"}}", "x".repeat(length));
                        refuse(&store, to, vec![refusal(id, &json, "bad")], 10).await;
                    }
                    Act::Accept(id) => settle(vec![id], vec![]).await.unwrap(),
                    Act::Again(id) => settle(vec![], vec![(id, "no".into())]).await.unwrap(),
                    Act::Drop(id) => {
                        store.drop_letters(&Which::Ids(vec![id]), 99).await.unwrap();
                    }
                    Act::DropAllOf(of) => {
                        store.drop_letters(&Which::Sink(of.into()), 99).await.unwrap();
                    }
                }
            }
            let counted = store.read("counted", |view| {
                let sql = "SELECT sink, count(*), sum(length(body) + 512) FROM dead_letter
                    GROUP BY sink ORDER BY sink";
                let mut statement = view.prepare(sql)?;
                let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                statement.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()
            });
            let kept = store.dead_letters().unwrap().into_iter();
            let kept: Vec<(String, u64, u64)> =
                kept.map(|pile| (pile.sink, pile.letters, pile.bytes)).collect();
            prop_assert_eq!(counted.unwrap(), kept.clone());
            let bytes: u64 = kept.iter().map(|(_, _, bytes)| bytes).sum();
            prop_assert_eq!(store.dead_letter_bytes().unwrap(), bytes);
            Ok(())
        })
    };
    TestRunner::new(config).run(&prop::collection::vec(act(), 0..40), run).unwrap();
}
