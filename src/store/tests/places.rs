//! Finding messages by their ids.

use super::*;
use crate::store::ledger::NewBlock;

const WEEK: i64 = 7 * 24;
/// The first hour of a week in 2026.
const HOUR: i64 = 2_917 * WEEK;

fn time(hour: i64, second: i64) -> Timestamp {
    Timestamp::from_second(hour * 3600 + second).unwrap()
}

fn block(bench: &Bench, stream: StreamId, keys: &[Key]) -> NewBlock {
    let known = Known { revision: 1, members: members(), watched: "{}".into() };
    let versions: Vec<_> = keys.iter().map(|key| (*key, [1; 16], known.clone())).collect();
    bench.store.pack_versions(stream, &versions).unwrap()
}

impl Bench {
    async fn file(&self, new: NewBlock) {
        self.store.write("file", move |tx| ledger::insert(tx, &new)).await.unwrap();
    }

    fn filed(&self, stream: StreamId, id: &str) -> Vec<Key> {
        let mut found = self.store.places(stream, &[id]).unwrap();
        // Each place is one that the ledger has.
        let known = self.store.look_up(stream, &found[0]).unwrap();
        assert!(known.iter().all(Option::is_some), "{id}");
        found.remove(0)
    }
}

#[tokio::test]
async fn a_message_is_found_by_its_id_whenever_it_was_delivered() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let other = bench.store.stream(&"other".parse().unwrap(), Stream::Messages).await.unwrap();
    let keys: Vec<Key> =
        (0..13).map(|week| Key::at(time(HOUR + week * WEEK, week), &format!("m{week}"))).collect();
    bench.file(block(&bench, stream, &keys).by_id(Vec::new())).await;
    for (week, key) in keys.iter().enumerate() {
        let id = format!("m{week}");
        assert_eq!(bench.filed(stream, &id), [*key]);
        assert_eq!(key.time(), Some(time(key.hour, i64::try_from(week).unwrap())));
        assert!(bench.filed(other, &id).is_empty());
    }
    assert!(bench.filed(stream, "nobody").is_empty());
    // Filed without being asked to be found.
    let plain = Key::new(HOUR, "plain");
    bench.file(block(&bench, stream, &[plain])).await;
    assert!(bench.filed(stream, "plain").is_empty());
    assert_eq!(plain.time(), None);

    let undated = Key::at(time(HOUR + 5, 7), "late");
    bench.file(block(&bench, stream, &[undated]).by_id(vec![undated])).await;
    assert_eq!(bench.store.undated_places(stream, &["m1", "late"]).unwrap()[1], [undated]);
    assert!(bench.store.undated_places(stream, &["m1"]).unwrap()[0].is_empty());
}

#[tokio::test]
async fn places_are_forgotten_with_the_ledger() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let other = bench.store.stream(&"other".parse().unwrap(), Stream::Messages).await.unwrap();
    let ids = ["a", "b", "c"];
    let keys: Vec<Key> =
        ids.iter().zip(0..).map(|(id, week)| Key::at(time(HOUR + week * WEEK, 1), id)).collect();
    let undated = Key::at(time(HOUR, 9), "u");
    let all = [keys.clone(), vec![undated]].concat();
    bench.file(block(&bench, stream, &all).by_id(vec![undated])).await;
    bench.file(block(&bench, other, &keys).by_id(Vec::new())).await;
    let places = |stream, id: &str| bench.store.places(stream, &[id]).unwrap().remove(0);
    // Of the first week, some is needed; of the other stream, nobody says.
    bench.store.forget_records(&[(stream, HOUR + 24)]).await.unwrap();
    assert_eq!(places(stream, "a"), [keys[0]]);
    assert!(bench.store.undated_places(stream, &["u"]).unwrap()[0].is_empty());
    bench.store.forget_records(&[(stream, HOUR + WEEK)]).await.unwrap();
    assert!(places(stream, "a").is_empty());
    assert_eq!((places(stream, "b"), places(other, "a")), (vec![keys[1]], vec![keys[0]]));
    let both = [(stream, HOUR + 2 * WEEK), (other, HOUR + 2 * WEEK)];
    bench.store.forget_records(&both).await.unwrap();
    for (stream, _) in both {
        assert!(places(stream, "b").is_empty());
        assert_eq!(places(stream, "c"), [keys[2]]);
    }
}

#[tokio::test]
async fn what_was_known_before_is_found_once_somebody_asks_for_it() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let keys = [Key::at(time(HOUR, 1), "a"), Key::at(time(HOUR + 30, 2), "b")];
    bench.file(block(&bench, stream, &keys)).await;
    for _ in 0..2 {
        bench.store.keep_places(stream, true).await.unwrap();
        assert_eq!(bench.filed(stream, "a"), [keys[0]]);
        assert_eq!(bench.filed(stream, "b"), [keys[1]]);
        bench.store.keep_places(stream, false).await.unwrap();
        assert!(bench.filed(stream, "a").is_empty());
    }
}

#[tokio::test]
async fn what_was_begun_to_be_dropped_is_dropped_later_and_filled_in_again() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let other = bench.store.stream(&"other".parse().unwrap(), Stream::Messages).await.unwrap();
    let [key, late] = [Key::at(time(HOUR, 1), "a"), Key::at(time(HOUR + 1, 1), "late")];
    for stream in [stream, other] {
        bench.store.keep_places(stream, true).await.unwrap();
        bench.file(block(&bench, stream, &[key, late]).by_id(vec![late])).await;
    }
    // As a kill after the first transaction leaves it.
    let sql = "DELETE FROM export_state WHERE stream_id = ?";
    bench.store.write("killed", move |tx| tx.execute(sql, [stream.0])).await.unwrap();
    bench.store.keep_places(stream, false).await.unwrap();
    for id in ["a", "late"] {
        assert!(bench.filed(stream, id).is_empty());
        assert!(!bench.filed(other, id).is_empty());
    }
    assert!(bench.store.undated_places(stream, &["late"]).unwrap()[0].is_empty());
    bench.store.keep_places(stream, true).await.unwrap();
    assert_eq!(bench.filed(stream, "a"), [key]);
}

/// How long another writer waits while 250,000 messages a day are remembered for 90 days:
/// `cargo test --lib -- --ignored nobody_waits_for_a_day --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn nobody_waits_for_a_day_that_is_forgotten_nor_for_places_that_are_dropped() {
    const A_DAY: i64 = 250_000;
    let bench = Bench::new();
    let stream = bench.stream().await;
    let other = bench.store.stream(&"other".parse().unwrap(), Stream::Messages).await.unwrap();
    bench.store.keep_places(stream, true).await.unwrap();
    // Six days that share a table, as of 96, and one that all do.
    for day in [0, 16, 32, 48, 64, 80] {
        for page in 0..A_DAY / 500 {
            let key = |n: i64| {
                let at = time(HOUR + day * 24, (page * 500 + n) * 86_400 / A_DAY);
                Key::at(at, &format!("{day} {page} {n}"))
            };
            let keys: Vec<Key> = (0..500).map(key).collect();
            bench.file(block(&bench, stream, &keys).by_id(Vec::new())).await;
        }
    }
    let key = Key::at(time(HOUR, 1), "other");
    bench.file(block(&bench, other, &[key]).by_id(Vec::new())).await;
    let (day, places) = ([(stream, HOUR + 24)], [(stream, i64::MAX)]);
    for (what, needed) in [("a day of the ledger", &day), ("places", &places)] {
        let began = std::time::Instant::now();
        let mut work: std::pin::Pin<Box<dyn Future<Output = _>>> = match what {
            "places" => Box::pin(bench.store.keep_places(stream, false)),
            _ => Box::pin(bench.store.forget_records(needed)),
        };
        let (mut longest, mut waits) = (Duration::ZERO, 0);
        loop {
            let asked = std::time::Instant::now();
            let small = bench.store.write("small", |tx| {
                tx.execute("UPDATE stream SET source = source WHERE id = 1", [])
            });
            tokio::select! {
                done = &mut work => break done.unwrap(),
                written = small => drop(written.unwrap()),
            }
            (longest, waits) = (longest.max(asked.elapsed()), waits + 1);
        }
        println!(
            "{what}: {:?} in all, {waits} writes beside, longest {longest:?}",
            began.elapsed()
        );
        assert!(longest < Duration::from_secs(1), "{what}: {longest:?}");
    }
    assert_eq!(bench.filed(other, "other"), [key]);
}
