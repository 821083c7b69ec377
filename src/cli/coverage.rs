//! `postrider coverage`: what was collected, what is missing and why; from the store, with or
//! without a running daemon.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Exit, Output, complain, setup,
    watch::{self, WatchArgs},
};
use crate::{
    config::{Config, Need},
    coverage::report::{self, View},
    domain::name::SourceName,
    store::{Store, StoreError},
};

mod strip;
mod table;

pub use table::text;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,
    /// Where the strip and the lists begin (RFC 3339); seven days before `--to` by default.
    #[arg(long, value_name = "T")]
    from: Option<Timestamp>,
    /// Where they end; now by default.
    #[arg(long, value_name = "T")]
    to: Option<Timestamp>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    watch: WatchArgs,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(Need::NoSecrets, file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let (config, now) = (loaded.config, setup::clock().now());
    if let Some(name) = args.source.as_ref().filter(|name| !config.sources.contains_key(name)) {
        let known: Vec<&str> = config.sources.keys().map(SourceName::as_str).collect();
        complain(&format!("there is no source {name}; the sources are {}", known.join(", ")));
        return Ok(Exit::Wrong);
    }
    if args.from.is_some_and(|from| from >= args.to.unwrap_or(now)) {
        complain("nothing lies between --from and --to; write the earlier time as --from");
        return Ok(Exit::Wrong);
    }
    let view = View { source: args.source, from: args.from, to: args.to };
    let look = || {
        let store = Store::open_read_only(&config.state.directory)?;
        let report = report::gather(&config, &store, &view, setup::clock().now())?;
        Ok(match args.output {
            Output::Json => args.watch.json(&report)?,
            Output::Table => text(&report, table::width()),
        })
    };
    watch::show(args.watch, "postrider coverage", args.output, look).await
}

/// The strips of all sources up to `now`, as wide as the terminal.
pub(super) fn strips(config: &Config, store: &Store, now: Timestamp) -> Result<String, StoreError> {
    let report = report::gather(config, store, &View::default(), now)?;
    Ok(table::strips_alone(&report, table::width()))
}
