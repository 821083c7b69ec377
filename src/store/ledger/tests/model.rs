//! Whatever is filed and forgotten, the ledger answers as a map would.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// A page of a stream: hours and ids.
    File(usize, Vec<(i64, u8)>),
    /// What the streams need from then on, and whether only the first two are named.
    Forget([i64; 3], bool),
    OpenAgain,
}

fn act() -> impl Strategy<Value = Act> {
    // 40 days, so that partitions are shared; few ids, so that records come again.
    let hour = prop_oneof![8 => HOUR..HOUR + 40 * 24, 1 => -50_i64..50, 1 => Just(0_i64)];
    let hour = prop_oneof![3 => hour, 1 => HOUR + 22..HOUR + 26].boxed();
    let page = proptest::collection::vec((hour.clone(), 0_u8..20), 1..12);
    prop_oneof![
        6 => (0_usize..3, page).prop_map(|(stream, page)| Act::File(stream, page)),
        3 => ([hour.clone(), hour.clone(), hour], any::<bool>())
            .prop_map(|(needed, two)| Act::Forget(needed, two)),
        1 => Just(Act::OpenAgain),
    ]
}

type Model = HashMap<(StreamId, Key), ([u8; 16], Known)>;

fn key(hour: i64, id: u8) -> Key {
    let second = i64::from(id) * 100;
    match id % 2 {
        0 => Key::new(hour, &id.to_string()),
        _ => Key::at(Timestamp::from_second(hour * 3600 + second).unwrap(), &id.to_string()),
    }
}

async fn apply(bench: &mut Bench, model: &mut Model, streams: [StreamId; 3], act: Act, turn: u8) {
    match act {
        Act::File(stream, page) => {
            let mut versions: Vec<(Key, [u8; 16], Known)> = Vec::new();
            for (hour, id) in page {
                let key = key(hour, id);
                if versions.iter().all(|(other, _, _)| *other != key) {
                    versions.push((key, [turn; 16], known(u32::from(turn), &key)));
                }
            }
            let stream = streams[stream];
            bench.insert(bench.store.pack_versions(stream, &versions).unwrap()).await;
            model.extend(versions.into_iter().map(|(k, content, v)| ((stream, k), (content, v))));
        }
        Act::Forget(hours, two) => {
            let needed: Vec<_> =
                streams.into_iter().zip(hours).take(if two { 2 } else { 3 }).collect();
            bench.forget(&needed).await;
            model.retain(|(stream, key), _| {
                let hour = needed.iter().find(|(of, _)| of == stream).map(|(_, hour)| *hour);
                hour.is_none_or(|hour| key.hour >= hour.div_euclid(24) * 24)
            });
        }
        Act::OpenAgain => {
            // A store lets go of its file when its last user is gone.
            let aside = tempfile::tempdir().unwrap();
            bench.store = Store::open(aside.path()).unwrap();
            bench.store = Store::open(bench.directory.path()).unwrap();
        }
    }
}

fn compare(bench: &Bench, model: &Model, streams: [StreamId; 3]) {
    for ((stream, key), (content, known)) in model {
        let entry = bench.store.look_up(*stream, &[*key]).unwrap()[0].expect("it is known");
        assert_eq!(entry.content, *content);
        assert_eq!(bench.store.recall(&entry).unwrap(), *known);
    }
    let (rows, blocks) = bench.rows();
    assert_eq!(rows, model.len() as u64, "nothing else is known");
    assert!(rows > 0 || blocks == 0);
    for hour in [0, HOUR, HOUR + 23, HOUR + 24] {
        for stream in streams {
            let all = bench.store.recall_hour(stream, hour).unwrap();
            let expected =
                model.keys().filter(|(of, key)| (*of, key.hour) == (stream, hour)).count();
            assert_eq!(all.len(), expected);
            for (key, entry, known) in all {
                assert_eq!(model[&(stream, key)], (entry.content, known));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_answers_like_a_map(acts in proptest::collection::vec(act(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new();
            let streams = [1, 2, 3].map(StreamId::for_test);
            let mut model = Model::new();
            for (turn, act) in (1..).zip(acts) {
                apply(&mut bench, &mut model, streams, act, turn).await;
                compare(&bench, &model, streams);
            }
        });
    }
}
