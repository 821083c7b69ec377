use super::{
    super::export::{LinesCommit, Position},
    *,
};

const PATH: &str = "/log_date%3D2026-11-20/hour%3D08/a.jsonl";

fn calls() -> Calls {
    Calls { source: source(), day: "2026-11-20".into(), pass: Pass::Live, count: 1 }
}

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
    let gap = Some("200 links".to_owned());
    store.export_asked(stream, vec![(7, None), (8, gap)], first, calls()).await.unwrap();
    assert_eq!(store.export_gaps(stream).unwrap(), BTreeMap::from([(8, "200 links".into())]));
    store.export_asked(stream, vec![(8, None)], second, calls()).await.unwrap();
    let asked = BTreeMap::from([(7, first), (8, second)]);
    assert_eq!(store.export_hours(stream).unwrap(), asked);
    assert!(store.export_gaps(stream).unwrap().is_empty());
    store.commit_lines(lines(&bench, stream, 1, true)).await.unwrap();
    store.forget_export(9).await.unwrap();
    assert!(store.export_hours(stream).unwrap().is_empty());
    assert!(store.export_files(stream, 8).unwrap().is_empty());
}
