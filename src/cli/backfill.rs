//! `postrider backfill`: asks for a past range, and joins, lists or cancels what was asked for.
//!
//! What is asked for is a row in the store. A running daemon sees it there; without one this
//! process does the work.

mod ask;
mod bar;
mod filter;
mod follow;
mod report;

use std::{path::Path, time::Duration};

use jiff::Timestamp;

use super::{Exit, Output, complain, print, say, setup};
use crate::{
    config::units,
    store::{Store, requests::RequestState, slices::RequestId},
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all backfills, the newest first.
    List(ListArgs),
    /// End a backfill; what it collected stays.
    Cancel(CancelArgs),
    /// Join a backfill that was left, or go on with it when no daemon runs.
    Watch(WatchArgs),
}

#[derive(Debug, clap::Args)]
struct AskArgs {
    // All three are required where there is no subcommand.
    /// The source to ask.
    #[arg(long, value_name = "NAME", required = true)]
    source: Option<String>,
    /// The range's beginning, an RFC 3339 time.
    #[arg(long, value_name = "TIME", required = true, value_parser = units::time)]
    from: Option<Timestamp>,
    /// The range's end, an RFC 3339 time.
    #[arg(long, value_name = "TIME", required = true, value_parser = units::time)]
    to: Option<Timestamp>,
    /// Narrow it, as `filter` of an ETD source does: verdicts, directions, subject, filename,
    /// `file_sha256`, url. May be given several times; a narrowed backfill covers nothing.
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Send records that are known again, too: the same version with the same `event_id`.
    #[arg(long)]
    resend: bool,
    /// Do not ask whether the estimate is right.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    follow: FollowArgs,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// The backfill's number, as `list` shows it.
    id: i64,
    #[command(flatten)]
    follow: FollowArgs,
}

#[derive(Debug, clap::Args)]
struct CancelArgs {
    /// The backfill's number, as `list` shows it.
    id: i64,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct FollowArgs {
    /// Without a daemon: give up when nothing could be collected or delivered for this long.
    #[arg(long, default_value = "1h", value_parser = units::duration, value_name = "DURATION")]
    patience: Duration,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_beside_or_exit(file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let config = loaded.config;
    let directory = &config.state.directory;
    match args.command {
        Some(Command::List(args)) => list(directory, args.output),
        Some(Command::Cancel(args)) => cancel(directory, RequestId(args.id)).await,
        Some(Command::Watch(args)) => {
            let (store, running) = setup::store(directory)?;
            let id = RequestId(args.id);
            if store.request(id)?.is_none() {
                return Ok(unknown(id));
            }
            follow::follow(&config, store, running, id, args.follow, None).await
        }
        None => ask::run(&config, args.ask).await,
    }
}

fn list(directory: &Path, output: Output) -> anyhow::Result<Exit> {
    let store = Store::open_read_only(directory)?;
    let requests = store.requests()?;
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&report::items(&requests))?)?,
        Output::Table if requests.is_empty() => complain("no backfill was asked for"),
        Output::Table => print(&report::table(&requests))?,
    }
    Ok(Exit::Done)
}

async fn cancel(directory: &Path, id: RequestId) -> anyhow::Result<Exit> {
    let (store, _) = setup::store(directory)?;
    let now = setup::clock().now();
    if store.cancel(id, now).await? {
        print(&format!("backfill {id} is cancelled; what it collected stays"))?;
        return Ok(Exit::Done);
    }
    let Some(request) = store.request(id)? else { return Ok(unknown(id)) };
    complain(&format!("backfill {id} is {} already", request.state.as_str()));
    Ok(if request.state == RequestState::Cancelled { Exit::Done } else { Exit::Failed })
}

fn unknown(id: RequestId) -> Exit {
    complain(&format!("there is no backfill {id}; `postrider backfill list` shows all"));
    Exit::Wrong
}
