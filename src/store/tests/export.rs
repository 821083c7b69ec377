use super::{
    super::export::{Asked, Created, LinesCommit, Position},
    *,
};

const PATH: &str = "/log_date%3D2026-11-20/hour%3D08/a.jsonl";

fn lines(bench: &Bench, stream: StreamId, read: u64, done: bool) -> LinesCommit {
    let id = EventId::new(&source(), Stream::Messages, &format!("line {read}"), 1);
    let json = "{}".to_owned();
    let (revision, change, time_ms, verdict) = (1, Change::New, 0, None);
    let event = NewEvent { id, revision, change, time_ms, verdict, json };
    let chunk = bench.store.pack(stream, &BTreeMap::new(), &[event]).unwrap();
    LinesCommit {
        stream,
        hour: 8,
        path: PATH.to_owned(),
        position: Position { lines: read, done, left_out: 1 },
        chunks: vec![chunk],
        ledger: Vec::new(),
        creates: BTreeMap::from([(8, 2)]),
        max_spool: u64::MAX,
    }
}

#[tokio::test]
async fn a_files_place_is_kept_with_its_events_or_not_at_all() {
    let bench = Bench::new();
    let stream = bench.stream().await;
    let place = |store: &Store| store.export_files(stream, 8).unwrap().get(PATH).copied();
    assert_eq!(place(&bench.store), None);
    bench.store.commit_lines(lines(&bench, stream, 500, false)).await.unwrap();
    let first = Some(Position { lines: 500, done: false, left_out: 1 });
    assert_eq!(place(&bench.store), first);
    let full = LinesCommit { max_spool: 0, ..lines(&bench, stream, 900, true) };
    assert!(matches!(bench.store.commit_lines(full).await, Err(StoreError::SpoolFull)));
    assert_eq!(place(&bench.store), first);
    bench.store.commit_lines(lines(&bench, stream, 900, true)).await.unwrap();
    assert!(place(&bench.store).unwrap().done);
    assert!(bench.store.export_files(stream, 9).unwrap().is_empty());
}

#[tokio::test]
async fn hours_are_asked_for_again_and_forgotten() {
    let bench = Bench::new();
    let (stream, store) = (bench.stream().await, &bench.store);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (first, second) = (at("2026-11-20T09:20:00Z"), at("2026-11-20T10:20:00Z"));
    let hour = first.as_second() / 3600;
    let gap = Some("200 links".to_owned());
    store.export_asked(stream, vec![(hour - 1, None), (hour, gap.clone())], first).await.unwrap();
    assert_eq!(store.export_hours(stream).unwrap()[&hour], Asked { at: first, gap });
    store.export_asked(stream, vec![(hour, None)], second).await.unwrap();
    let asked = |at| Asked { at, gap: None };
    let expected = BTreeMap::from([(hour - 1, asked(first)), (hour, asked(second))]);
    assert_eq!(store.export_hours(stream).unwrap(), expected);
    store.commit_lines(lines(&bench, stream, 1, true)).await.unwrap();
    store.export_asked(stream, vec![(hour + 1, None)], at("2027-02-18T10:00:00Z")).await.unwrap();
    assert_eq!(store.export_hours(stream).unwrap().into_keys().next(), Some(hour + 1));
    assert!(store.export_files(stream, 8).unwrap().is_empty());
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_when_it_began() {
    let bench = Bench::new();
    let (stream, store) = (bench.stream().await, &bench.store);
    store.keep_places(stream, true).await.unwrap();
    assert_eq!(store.export_trouble(stream).unwrap(), None);
    for (text, at, expected) in
        [(Some("a"), 1, Some(("a", 1))), (Some("b"), 2, Some(("b", 1))), (None, 3, None)]
    {
        let text = text.map(str::to_owned);
        store.tell_export_trouble(stream, text, minute(at)).await.unwrap();
        let expected = expected.map(|(text, at)| (text.to_owned(), minute(at)));
        assert_eq!(store.export_trouble(stream).unwrap(), expected);
    }
}

#[tokio::test]
async fn an_hour_with_fewer_messages_than_the_export_told_of_is_read_once_more() {
    let bench = Bench::new();
    bench.page(0, 60, &["a"]).await;
    let (stream, store) = (bench.stream().await, &bench.store);
    let hour = minute(0).as_second() / 3600;
    // The page filed its message under hours of its own.
    let key = Key::at(minute(5), "a");
    let known = Known { revision: 1, members: members(), watched: "{}".into() };
    let ledger = vec![store.pack_versions(stream, &[(key, [1; 16], known)]).unwrap()];
    let creates = BTreeMap::from([(hour, 2), (hour + 1, 5)]);
    let told = LinesCommit { ledger, creates, ..lines(&bench, stream, 1, true) };
    store.commit_lines(told).await.unwrap();
    // The next hour is not covered.
    let fewer = store.compare_created(stream, 100).await.unwrap();
    assert_eq!(fewer, [Created { hour, creates: 2, collected: Some(1) }]);
    let ready = store.ready_slices(stream, Pass::Resweep, minute(100), 10).unwrap();
    assert_eq!((ready.len(), ready[0].interval.start()), (1, minute(0)));
    assert!(store.compare_created(stream, 100).await.unwrap().is_empty());
    let calls = Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Resweep, count: 1 };
    let page = PageCommit::new(ready[0].id, Then::Covered(Progress::anew(100)), calls);
    store.commit_page(page).await.unwrap();
    // It differs still, which is told and not tried again.
    assert!(store.compare_created(stream, 100).await.unwrap().is_empty());
    let created = store.created(stream, hour).unwrap();
    assert_eq!(created[0], Created { hour, creates: 2, collected: Some(1) });
    assert_eq!(created[1].collected, None);
}
