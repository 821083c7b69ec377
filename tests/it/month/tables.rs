//! The month's SER rows as tables: after all revisions what the vendor says, and what `export` says.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use jiff::Timestamp;
use postrider::{
    config::{self, BatchLimits, SinkKind},
    domain::event::Event,
    simulator::RowTruth,
    sink::{Outcome, Sink, folder::Folder},
    source::proofpoint_ser::ProofpointSer,
    table::Format,
};
use tempfile::TempDir;

use super::{Month, begin, hours};
use crate::sums::{Sums, add, nonzero, told};

/// A directory of tables, and the sink that writes it.
pub(super) struct Tables {
    directory: TempDir,
    folder: Folder,
}

type Row = BTreeMap<String, String>;

impl Tables {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let settings = config::Folder { path: directory.path().to_owned(), format: Format::Csv };
        let batch = BatchLimits { max_events: 1, max_bytes: 1, max_age: Duration::ZERO };
        let sink = config::Sink {
            name: "bi".parse().unwrap(),
            route: config::Route::default(),
            batch,
            max_in_flight: 1,
            schema: config::Schema::default(),
            privacy: None,
            kind: SinkKind::Folder(settings.clone()),
        };
        Self { folder: Folder::new(&sink, &settings), directory }
    }

    /// Delivers events.
    pub(super) async fn take(&self, events: &mut Vec<Event>) {
        let (mut body, mut frames) = (Vec::new(), Vec::new());
        for event in events.drain(..).filter(|event| event.origin.stream.as_str() == "summary") {
            let start = body.len();
            self.folder.frame(&event, &mut body).unwrap();
            frames.push(start..body.len());
        }
        let outcome = self.folder.send(body.into(), &frames).await;
        assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
    }

    fn rows(&self) -> BTreeMap<String, Row> {
        let files = std::fs::read_dir(self.directory.path()).unwrap().map(|it| it.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| read(&path)).collect()
    }

    /// Each window, summed by user, is what the vendor said of it at last.
    pub(super) fn check(&self, truth: &BTreeMap<Timestamp, Vec<RowTruth>>) {
        let mut found: BTreeMap<(Timestamp, String), Sums> = BTreeMap::new();
        for row in self.rows().values() {
            let key = (row["window_start"].parse().unwrap(), row["application_user"].clone());
            add(found.entry(key).or_default(), &counters(row));
        }
        for (window, rows) in truth {
            let mut expected: BTreeMap<(Timestamp, String), Sums> = BTreeMap::new();
            for row in rows {
                let key = (*window, row.application_user_name.clone());
                add(expected.entry(key).or_default(), &told(row));
            }
            let here = found.range((*window, String::new())..(*window + hours(1), String::new()));
            let here: BTreeMap<_, _> =
                here.map(|(key, sums)| (key.clone(), status(sums))).collect();
            let expected: BTreeMap<_, _> =
                expected.into_iter().map(|(key, sums)| (key, status(&sums))).collect();
            assert_eq!(here, expected, "{window}");
        }
    }

    /// `export` has the same rows, but for counters that were given once and no more.
    pub(super) fn check_export(&self, month: &Month<ProofpointSer>) {
        let out = month.directory.path().join("export.csv");
        let end = (begin() + hours(31 * 24)).to_string();
        let exported = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("--config")
            .arg(month.directory.path().join("postrider.toml"))
            .args([
                "export",
                "--from",
                &begin().to_string(),
                "--to",
                &end,
                "--format",
                "csv",
                "--out",
            ])
            .arg(&out)
            .output()
            .unwrap();
        // By today's clock that is long ago, and the month is not over.
        assert_eq!(exported.status.code(), Some(1), "{exported:?}");
        let (exported, delivered) = (read(&out), self.rows());
        assert!(delivered.len() > 1_000 && exported.keys().eq(delivered.keys()));
        let mut kept = 0;
        for (id, row) in &delivered {
            for (name, cell) in row {
                let other = &exported[id][name];
                kept += usize::from(cell.is_empty() && !other.is_empty());
                assert!(cell.is_empty() || cell == other, "{id} {name}: {cell} {other}");
            }
        }
        let store = month.directory.path().join("state/postrider.db");
        let bytes = std::fs::metadata(store).unwrap().len();
        let rows = delivered.len();
        println!("{rows} rows; {kept} counters that were given once; the store has {bytes} bytes");
    }
}

fn read(path: &Path) -> BTreeMap<String, Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.deserialize().map(|row| {
        let row: Row = row.unwrap();
        (row["record_id"].clone(), row)
    });
    rows.collect()
}

fn counters(row: &Row) -> Sums {
    let names = [
        ("success", "success"),
        ("failure", "failure"),
        ("temp_failure", "tempFailure"),
        ("partial_success", "partialSuccess"),
        ("in_progress", "inProgress"),
        ("total", "total"),
        ("recipients_total", "recipientsTotal"),
        ("message_size_total", "messageSizeTotal"),
        ("delivered_size_total", "deliveredSizeTotal"),
    ];
    let given = names
        .iter()
        .filter_map(|(column, name)| Some((format!("status.{name}"), row[*column].parse().ok()?)));
    given.collect()
}

/// Of sums those of `status`, without zeros.
fn status(sums: &Sums) -> Sums {
    let status = nonzero(sums).into_iter().filter(|(name, _)| name.starts_with("status."));
    status.map(|(name, count)| (name.clone(), count)).collect()
}
