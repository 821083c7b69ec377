//! Dead letters, the newest first.

use super::{
    super::{
        Exit, complain,
        layout::{drawn, grid, time},
        print,
    },
    Output, is_known, tamed, tamed_json,
};
use crate::{
    config::Config,
    store::{
        Store,
        dead_letters::{Entry, Which},
    },
};

/// Rows of a table, unless told otherwise.
const ROWS: usize = 100;
/// Letters that are read at once.
const PAGE: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those of this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// At most so many; without it 100 in a table, all in JSON.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only older ones than this number: the next page.
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(config: &Config, args: Args) -> anyhow::Result<Exit> {
    let store = Store::open_read_only(&config.state.directory)?;
    if let Some(name) = &args.sink
        && !is_known(config, &store, name)?
    {
        complain(&format!("--sink: there is no sink {name:?}, and no dead letter of one"));
        return Ok(Exit::Wrong);
    }
    let which = args.sink.map_or(Which::All, Which::Sink);
    let before = args.before.unwrap_or(u64::MAX);
    let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    match args.output {
        Output::Json => json(&store, &which, before, limit.unwrap_or(usize::MAX))?,
        Output::Table => table(&store, &which, before, limit.unwrap_or(ROWS))?,
    }
    Ok(Exit::Done)
}

/// One list, an entry a line, written as it is read: there may be a million.
fn json(store: &Store, which: &Which, mut before: u64, mut left: usize) -> anyhow::Result<()> {
    let mut between = "[";
    while left > 0 {
        let page = store.letters(which, before, left.min(PAGE))?;
        let Some(oldest) = page.last() else { break };
        (before, left) = (oldest.id, left - page.len());
        let lines: Result<Vec<String>, _> = page.iter().map(serde_json::to_string).collect();
        print(&format!("{between}{}", tamed_json(&lines?.join(",\n"))))?;
        between = ",";
    }
    print(if between == "[" { "[]" } else { "]" })
}

fn table(store: &Store, which: &Which, before: u64, limit: usize) -> anyhow::Result<()> {
    let mut letters = store.letters(which, before, limit.saturating_add(1))?;
    if letters.is_empty() {
        let newer = store.letters(which, u64::MAX, 1)?;
        complain(&match newer.as_slice() {
            [] => "there are no dead letters".to_owned(),
            _ => format!("there are no dead letters older than {before}"),
        });
        return Ok(());
    }
    let more = letters.len() > limit;
    letters.truncate(limit);
    let mut table = grid(&["id", "event_id", "sink", "reason", "at", "attempts"]);
    for Entry { id, event_id, sink, reason, at, attempts } in &letters {
        let (id, attempts) = (id.to_string(), attempts.to_string());
        let (event_id, reason) = (tamed(event_id), tamed(reason));
        table.add_row([&id, &event_id, sink, &reason, &time(*at), &attempts]);
    }
    print(&drawn(table))?;
    if let Some(oldest) = letters.last().filter(|_| more) {
        complain(&format!("there are more: --before {}, or a larger --limit", oldest.id));
    }
    Ok(())
}
