//! `postrider status`: how everything is doing, with or without a running daemon.

use std::path::Path;

use super::{
    Exit, Output, complain, setup,
    watch::{self, WatchArgs},
};
use crate::{config::Need, status::gather, store::Store};

mod table;

pub use table::table;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Said where it changes what the rest means.
const NO_DAEMON: &str = "no daemon runs on this store; start one with `postrider run`";

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let config = match setup::configuration_or_exit(Need::NoSecrets, file) {
        Ok(loaded) => loaded.config,
        Err(exit) => return Ok(exit),
    };
    let directory = &config.state.directory;
    let mut running = true;
    let look = || {
        let store = Store::open_read_only(directory)?;
        running = Store::is_in_use(directory);
        let status = gather(&config, &store, running, setup::clock().now())?;
        Ok(match args.output {
            Output::Json => args.watch.json(&status)?,
            // What matters most stands first: a terminal may have no room for the rest.
            Output::Table if args.watch.goes_on() => {
                let daemon = (!running).then(|| NO_DAEMON.to_owned());
                let first = daemon.into_iter().chain(table::attention_first(&status));
                let first: String = first.map(|line| line + "\n\n").collect();
                first + &table(&status)
            }
            Output::Table => table(&status),
        })
    };
    let exit = watch::show(args.watch, "postrider status", args.output, look).await?;
    if !running && args.output == Output::Table && !args.watch.goes_on() {
        complain(NO_DAEMON);
    }
    Ok(exit)
}
