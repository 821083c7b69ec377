//! `postrider export`: SER rows as a table, each in its latest revision, from what the ledger remembers;
//! with or without a running daemon.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;
use jiff::Timestamp;

use super::{Exit, complain, setup};
use crate::{
    collect::ROWS,
    config::{Config, Need, Vendor},
    coverage::{Piece, State, partition},
    domain::{
        name::SourceName,
        row::KnownRow,
        slice::{Interval, Pass, Stream},
    },
    store::{Store, StoreError, coverage::Recorded},
    table::{Format, Row},
};

/// Gaps beyond these are counted only.
const MOST_GAPS: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to export.
    #[arg(long, value_enum, default_value = "summary")]
    stream: Exported,
    /// Only this source; by default all that have such rows.
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,
    /// The first window's start (RFC 3339).
    #[arg(long, value_name = "T")]
    from: Timestamp,
    /// Windows that start before this (RFC 3339).
    #[arg(long, value_name = "T")]
    to: Timestamp,
    /// The file's format; `json` is a line a row.
    #[arg(long, value_enum)]
    format: Word,
    /// The file to write, or `-` for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Exported {
    Summary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    Csv,
    Parquet,
    Json,
}

pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(Need::NoSecrets, file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let Some(asked) = Interval::new(args.from, args.to) else {
        complain("nothing lies between --from and --to; write the earlier time as --from");
        return Ok(Exit::Wrong);
    };
    let Some(sources) = sources(&loaded.config, args.source.as_ref()) else {
        return Ok(Exit::Wrong);
    };
    let store = Store::open_read_only(&loaded.config.state.directory)?;
    let now = setup::clock().now();
    let (mut rows, mut gaps) = (Vec::new(), Vec::new());
    for name in sources {
        // Before the rows: what comes meanwhile is in the rows, at least.
        gaps.extend(missing(&store, name, asked, now)?);
        rows.extend(remembered(&store, name, asked)?);
    }
    rows.sort_by_cached_key(Row::order);
    let format = match args.format {
        Word::Csv => Format::Csv,
        Word::Parquet => Format::Parquet,
        Word::Json => Format::Json,
    };
    save(&args.out, &format.write(&rows)?)?;
    for gap in gaps.iter().take(MOST_GAPS) {
        complain(gap);
    }
    if gaps.len() > MOST_GAPS {
        complain(&format!(
            "and {} more gaps; `postrider coverage` shows all",
            gaps.len() - MOST_GAPS
        ));
    }
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The sources that have rows; `None` where the one that is wanted has none.
fn sources<'c>(config: &'c Config, only: Option<&SourceName>) -> Option<Vec<&'c SourceName>> {
    let with_rows = config.sources.iter().filter(|(_, source)| match source.vendor {
        Vendor::ProofpointSer(_) => true,
        Vendor::CiscoEtd(_) | Vendor::ProofpointSerAdmin(_) => false,
    });
    let all: Vec<&SourceName> = with_rows.map(|(name, _)| name).collect();
    let wanted: Vec<_> =
        all.iter().copied().filter(|name| only.is_none_or(|it| it == *name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = all.iter().map(|name| name.as_str()).collect();
        complain(&match only {
            Some(name) => format!("there is no SER source {name}; there are: {}", names.join(", ")),
            None => "no source has the stream summary: that is Proofpoint SER's".to_owned(),
        });
        return None;
    }
    Some(wanted)
}

/// The rows whose windows start within the asked range, as the ledger has them.
fn remembered(store: &Store, name: &SourceName, asked: Interval) -> Result<Vec<Row>, StoreError> {
    let Some(stream) = store.find_stream(name, Stream::Summary)? else { return Ok(Vec::new()) };
    let hour = |at: Timestamp| at.as_second().div_euclid(3600);
    let mut rows = Vec::new();
    for hour in store.hours(stream, hour(asked.start())..=hour(asked.end()))? {
        for (_, entry, known) in store.recall_hour(stream, hour)? {
            let row = Row::of_known(name, entry.revision, &KnownRow::read(&known.watched));
            rows.extend(
                row.filter(|row| {
                    asked.start() <= row.window_start && row.window_start < asked.end()
                }),
            );
        }
    }
    Ok(rows)
}

/// What of the asked range the rows may be missing, and why.
fn missing(
    store: &Store,
    name: &SourceName,
    asked: Interval,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let recorded = match store.find_stream(name, Stream::Summary)? {
        Some(stream) => store.recorded(stream, now, asked.start())?,
        None => Recorded::default(),
    };
    let covered: Vec<Interval> = recorded.covered.iter().map(|(_, interval)| *interval).collect();
    // What a resweep has still to do was fetched before.
    let first = recorded.unfetched.into_iter().filter(|(round, _)| round.pass != Pass::Resweep);
    let unfetched: Vec<_> = first.map(|(_, slice)| slice).collect();
    let mut gaps: Vec<String> = partition(&[asked], &covered, &unfetched)
        .iter()
        .filter(|piece| piece.state != State::Covered)
        .map(|piece| told(name, piece))
        .collect();
    let kept_from = now.checked_sub(ROWS).unwrap_or(Timestamp::MIN);
    if asked.start() < kept_from {
        let days = ROWS.as_secs() / 86_400;
        gaps.push(format!(
            "{name}: before {kept_from:.0} rows are no longer remembered ({days} days); the tables of a \
             csv or parquet sink have them"
        ));
    }
    Ok(gaps)
}

fn told(name: &SourceName, piece: &Piece<'_>) -> String {
    let Piece { interval, state, slice } = piece;
    let why = match slice {
        None => "not collected".to_owned(),
        Some(slice) => match &slice.reason {
            Some(reason) => format!("{}: {reason}", state.as_str()),
            None => state.as_str().to_owned(),
        },
    };
    format!("{name}: {interval} is missing ({why})")
}

/// Writes a file whole, or not at all.
fn save(out: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if out == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        return match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        };
    }
    let context = || format!("cannot write {}", out.display());
    let directory = out.parent().filter(|path| *path != Path::new("")).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    file.as_file().sync_all().with_context(context)?;
    file.persist(out).map_err(|error| error.error).with_context(context)?;
    Ok(())
}
