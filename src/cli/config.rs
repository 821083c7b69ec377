//! `postrider config`: the configuration's documentation.

use clap::Subcommand;

use super::{Exit, print};
use crate::config::{example, schema};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A commented example with every key.
    Example {
        /// The least that works instead.
        #[arg(long)]
        minimal: bool,
    },
    /// The configuration's JSON Schema.
    Schema,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.what {
        What::Example { minimal } => {
            let text = if *minimal { crate::config::minimal() } else { example() };
            print(text.trim_end())?;
        }
        What::Schema => print(&serde_json::to_string_pretty(&schema())?)?,
    }
    Ok(Exit::Done)
}
