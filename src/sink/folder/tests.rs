use std::{fs, path::PathBuf};

use super::*;
use crate::{
    domain::{
        event::{Change, EventId, Origin},
        slice::Stream,
    },
    sink::tests::sink,
    table::Format,
};

struct Bench {
    directory: tempfile::TempDir,
    folder: Folder,
}

impl Bench {
    fn new(format: Format) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = config::Folder { path: directory.path().join("bi"), format };
        Self { folder: Folder::new(&sink(), &settings), directory }
    }

    async fn send(&self, events: &[Event]) {
        let (mut body, mut frames) = (Vec::new(), Vec::new());
        for event in events {
            let start = body.len();
            self.folder.frame(event, &mut body).unwrap();
            frames.push(start..body.len());
        }
        let outcome = self.folder.send(body.into(), &frames).await;
        assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("bi").join(name)
    }

    fn read(&self, day: &str) -> String {
        fs::read_to_string(self.path(&format!("summary_ser_{day}.csv"))).unwrap()
    }
}

/// A version of the row `name` of an hour.
fn event(name: &str, start: &str, revision: u32, total: i128, change: Change) -> Event {
    let source = "ser".parse().unwrap();
    let start: jiff::Timestamp = start.parse().unwrap();
    let end = start.checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
    let record_id = format!("{name}@{start}");
    let counters = match change {
        Change::Vanished => String::new(),
        _ => format!(r#","status":{{"total":{total}}},"details":{{"5.1.1":2,"5.7.1":3}}"#),
    };
    let json = format!(
        r#"{{"postrider":{{"record_id":"{record_id}","window_start":"{start}","window_end":"{end}",
        "collected_at":"2026-11-21T11:05:01.120Z"}},"applicationName":"{name}"{counters}}}"#
    );
    Event {
        id: EventId::new(&source, Stream::Summary, &record_id, revision),
        origin: Arc::new(Origin { source, stream: Stream::Summary, tags: BTreeMap::new() }),
        seq: 1,
        revision,
        change,
        time_ms: start.as_millisecond(),
        verdict: None,
        json: json.into(),
    }
}

const TEN: &str = "2026-11-20T10:00:00Z";

#[tokio::test]
async fn a_day_has_each_row_in_its_latest_revision_whatever_order_they_come_in() {
    let bench = Bench::new(Format::Csv);
    let changed = Change::Changed;
    bench
        .send(&[
            event("b", TEN, 2, 20, changed),
            event("a", TEN, 1, 1, Change::New),
            event("b", TEN, 1, 10, Change::New),
            event("a", "2026-11-21T00:00:00Z", 1, 7, Change::New),
            event("gone", TEN, 1, 5, Change::New),
        ])
        .await;
    bench.send(&[event("a", TEN, 3, 3, changed), event("gone", TEN, 2, 0, Change::Vanished)]).await;
    let before = bench.read("2026-11-20");
    // Both come again, as after a crash.
    bench.send(&[event("a", TEN, 2, 2, changed), event("gone", TEN, 1, 5, Change::New)]).await;
    assert_eq!(bench.read("2026-11-20"), before);
    insta::assert_snapshot!(before.replace('\r', ""));
    assert!(bench.read("2026-11-21").contains("\"a\""));
    let mut names: Vec<_> =
        fs::read_dir(bench.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".postrider", "summary_ser_2026-11-20.csv", "summary_ser_2026-11-21.csv"]);
}

#[tokio::test]
async fn a_table_that_was_edited_or_removed_is_made_anew() {
    let bench = Bench::new(Format::Csv);
    bench.send(&[event("a", TEN, 1, 1, Change::New)]).await;
    let whole = bench.read("2026-11-20");
    fs::remove_file(bench.path("summary_ser_2026-11-20.csv")).unwrap();
    bench.send(&[event("a", TEN, 1, 1, Change::New)]).await;
    assert_eq!(bench.read("2026-11-20"), whole);
    fs::write(bench.path("summary_ser_2026-11-20.csv"), "edited").unwrap();
    bench.send(&[event("b", TEN, 1, 1, Change::New)]).await;
    assert_eq!(bench.read("2026-11-20").lines().count(), 3);
}

#[tokio::test]
async fn what_is_kept_and_cannot_be_read_holds() {
    let bench = Bench::new(Format::Parquet);
    bench.send(&[event("a", TEN, 1, 1, Change::New)]).await;
    fs::write(bench.path(".postrider/summary_ser_2026-11-20.rows"), "{").unwrap();
    let mut body = Vec::new();
    bench.folder.frame(&event("b", TEN, 1, 1, Change::New), &mut body).unwrap();
    let outcome = bench.folder.send(body.into(), &[]).await;
    let Outcome::Failed(fault) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.kind, crate::fault::Kind::Auth);
    assert!(fault.chain().contains("move it away"), "{}", fault.chain());
    bench.folder.probe().await.unwrap();
}

#[test]
fn what_is_no_row_is_unfit() {
    let folder = Bench::new(Format::Csv).folder;
    folder.frame(&crate::sink::tests::event(1), &mut Vec::new()).unwrap_err();
}
