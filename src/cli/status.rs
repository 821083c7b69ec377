//! `postrider status`: how everything is doing, with or without a running daemon.

use std::path::Path;

use super::{Exit, Output, complain, print, setup};
use crate::{status::gather, store::Store};

mod table;

pub use table::table;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let directory = &loaded.config.state.directory;
    let store = Store::open_read_only(directory)?;
    let running = Store::is_in_use(directory);
    let status = gather(&loaded.config, &store, running, setup::clock().now())?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&status)?)?,
        Output::Table => print(&table(&status))?,
    }
    if !running && args.output == Output::Table {
        complain("no daemon runs on this store; start one with `postrider run`");
    }
    Ok(Exit::Done)
}
