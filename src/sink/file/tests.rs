use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::*;
use crate::{
    clock::ManualClock,
    fault::Kind,
    sink::tests::{batch, event, sink},
};

struct Bench {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        // The rotation compares with the file system's own times, so start from those.
        let probe = tempfile::NamedTempFile::new().unwrap();
        let now = probe.as_file().metadata().unwrap().modified().unwrap();
        let clock = Arc::new(ManualClock::at(now.try_into().unwrap()));
        Self { directory: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("a/b/events.jsonl")
    }

    fn open(&self, daily: bool, keep: Option<usize>) -> File {
        self.open_at(self.path(), daily, keep)
    }

    fn open_at(&self, path: PathBuf, daily: bool, keep: Option<usize>) -> File {
        File::new(&sink(), &config::File { path, daily, keep }, self.clock.clone())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path().parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn today(&self) -> jiff::civil::Date {
        self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }
}

async fn write(file: &File, count: u64) -> Outcome {
    let (body, frames) = batch(file, count);
    file.send(body, &frames).await
}

async fn accepted(file: &File, count: u64) {
    let outcome = write(file, count).await;
    assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
}

fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().count()
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn events_are_lines_in_a_private_file() {
    let bench = Bench::new();
    let file = bench.open(false, None);
    accepted(&file, 3).await;
    accepted(&file, 2).await;
    let text = fs::read_to_string(bench.path()).unwrap();
    assert_eq!(text.lines().next(), Some(&*event(0).json));
    assert_eq!(lines(&bench.path()), 5);
    let mode = fs::metadata(bench.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[tokio::test]
async fn a_torn_line_of_a_crash_is_gone_after_the_next_start() {
    let bench = Bench::new();
    accepted(&bench.open(false, None), 2).await;
    let whole = fs::read(bench.path()).unwrap();
    fs::write(bench.path(), &whole[..whole.len() - 5]).unwrap();
    accepted(&bench.open(false, None), 1).await;
    let text = fs::read_to_string(bench.path()).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), [&*event(0).json, &*event(0).json]);
}

#[tokio::test]
async fn each_day_has_its_file_and_none_is_overwritten() {
    let bench = Bench::new();
    let first = bench.today();
    let file = bench.open(true, None);
    accepted(&file, 1).await;
    fs::write(bench.path().with_file_name(format!("events.jsonl.{first}")), "kept\n").unwrap();
    bench.clock.advance(DAY);
    let second = bench.today();
    accepted(&file, 2).await;
    bench.clock.advance(DAY);
    accepted(&file, 3).await;
    let expected = [
        "events.jsonl".to_owned(),
        format!("events.jsonl.{first}"),
        format!("events.jsonl.{first}-1"),
        format!("events.jsonl.{second}"),
    ];
    assert_eq!(bench.names(), expected);
    let at = |name: &str| bench.path().with_file_name(name);
    assert_eq!(expected.map(|name| lines(&at(&name))), [3, 1, 1, 2]);
}

#[tokio::test]
async fn a_file_of_an_earlier_day_is_rotated_at_the_start() {
    let bench = Bench::new();
    accepted(&bench.open(true, None), 1).await;
    let made = bench.today();
    bench.clock.advance(DAY * 3);
    accepted(&bench.open(true, None), 1).await;
    assert_eq!(bench.names(), ["events.jsonl".to_owned(), format!("events.jsonl.{made}")]);
}

#[tokio::test]
async fn only_so_many_rotated_files_are_kept() {
    let bench = Bench::new();
    let file = bench.open(true, Some(2));
    for _ in 0..5 {
        accepted(&file, 1).await;
        bench.clock.advance(DAY);
    }
    accepted(&file, 1).await;
    assert_eq!(bench.names().len(), 3);
}

#[tokio::test]
async fn logrotate_may_move_remove_or_empty_the_file() {
    let bench = Bench::new();
    let file = bench.open(false, None);
    accepted(&file, 1).await;
    let moved = bench.path().with_extension("1");
    fs::rename(bench.path(), &moved).unwrap();
    accepted(&file, 2).await;
    assert_eq!((lines(&moved), lines(&bench.path())), (1, 2));
    fs::remove_file(bench.path()).unwrap();
    accepted(&file, 3).await;
    assert_eq!(lines(&bench.path()), 3);
    fs::write(bench.path(), "").unwrap();
    accepted(&file, 1).await;
    assert_eq!(lines(&bench.path()), 1);
}

#[tokio::test]
async fn a_full_disk_is_transient_and_a_wrong_path_holds() {
    let bench = Bench::new();
    let full = bench.open_at("/dev/full".into(), true, None);
    let Outcome::Failed(fault) = write(&full, 1).await else { panic!() };
    assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
    assert_eq!(fault.to_string(), "cannot write /dev/full");

    let plain = bench.directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    for path in [plain.join("below/events"), bench.directory.path().to_owned()] {
        let file = bench.open_at(path, false, None);
        let Outcome::Failed(fault) = write(&file, 1).await else { panic!() };
        assert_eq!(fault.kind, Kind::Auth, "{}", fault.chain());
        assert!(file.probe().await.is_err());
    }
}

#[tokio::test]
async fn a_probe_leaves_nothing() {
    let bench = Bench::new();
    let file = bench.open(true, None);
    let text = file.probe().await.unwrap();
    assert!(text.ends_with("can be created"), "{text}");
    assert!(!bench.directory.path().join("a").exists());
    accepted(&file, 1).await;
    let before = fs::read(bench.path()).unwrap();
    let text = file.probe().await.unwrap();
    assert!(text.contains("can be written"), "{text}");
    assert_eq!(fs::read(bench.path()).unwrap(), before);
}
