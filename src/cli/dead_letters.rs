//! `postrider dead-letters`: what sinks refused for good; shown, sent again or dropped.

mod discard;
mod list;
mod replay;
mod show;

use std::{fmt::Write as _, path::Path};

use clap::builder::RangedU64ValueParser;

use super::{Exit, Output, complain, setup};
use crate::{
    config::{Config, Need},
    fault::tame,
    store::{Store, StoreError, dead_letters::Which},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show dead letters, the newest first.
    List(list::Args),
    /// Show one with its event and all that is known of it.
    Show(show::Args),
    /// Send dead letters again; with no running daemon it is done here.
    Replay(replay::Args),
    /// Delete dead letters.
    Drop(discard::Args),
}

/// Which letters are meant.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// Their numbers, as `list` shows them.
    #[arg(value_name = "ID", value_parser = number(), conflicts_with_all = ["sink", "all"])]
    ids: Vec<u64>,
    /// All of this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// All there are, or all of `--sink`.
    #[arg(long)]
    all: bool,
}

/// Reads a letter's number, as large as the store can have.
fn number() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=i64::MAX.unsigned_abs())
}

/// One line, whatever a vendor or a SIEM put into it.
fn tamed(text: &str) -> String {
    text.chars().map(tame).collect()
}

/// The same JSON, where what would command a terminal, or turn its text around, is escaped. Below
/// these JSON has the characters escaped already, but for line ends between its members.
fn tamed_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c > '~' && tame(c) != c {
            // Writing to a string cannot fail.
            let _written = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let loaded = match &args.command {
        Command::Replay(_) => setup::configuration_beside_or_exit(file),
        _ => setup::configuration_or_exit(Need::NoSecrets, file),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let config = loaded.config;
    match args.command {
        Command::List(args) => list::run(&config, args),
        Command::Show(args) => show::run(&config, &args),
        Command::Replay(args) => replay::run(&config, args).await,
        Command::Drop(args) => discard::run(&config, args).await,
    }
}

/// What was chosen.
struct Choice {
    which: Which,
    /// Letters by sink.
    of: Vec<(String, u64)>,
    /// The newest number there is: letters that come later are not meant.
    last: u64,
}

impl Chosen {
    /// Looks the letters up; what is wrong is told.
    fn look_up(self, config: &Config) -> anyhow::Result<Result<Choice, Exit>> {
        let which = match (self.ids, self.sink, self.all) {
            (ids, _, _) if !ids.is_empty() => Which::Ids(ids),
            (_, Some(sink), _) => Which::Sink(sink),
            (_, None, true) => Which::All,
            (_, None, false) => {
                complain(
                    "say which: numbers as `postrider dead-letters list` shows them, --sink NAME \
                     or --all",
                );
                return Ok(Err(Exit::Wrong));
            }
        };
        let store = Store::open_read_only(&config.state.directory)?;
        if let Which::Ids(ids) = &which {
            let unknown = store.unknown_letters(ids)?;
            if !unknown.is_empty() {
                let unknown: Vec<_> = unknown.iter().map(u64::to_string).collect();
                complain(&format!(
                    "there is no dead letter {}; `postrider dead-letters list` shows all",
                    unknown.join(", ")
                ));
                return Ok(Err(Exit::Wrong));
            }
        }
        if let Which::Sink(name) = &which
            && !is_known(config, &store, name)?
        {
            complain(&format!(
                "--sink: there is no sink {name:?}, and no dead letter of one; `postrider \
                 dead-letters list` shows all"
            ));
            return Ok(Err(Exit::Wrong));
        }
        let (of, last) = store.meant(&which)?;
        if of.is_empty() {
            complain("there are no such dead letters");
            return Ok(Err(Exit::Done));
        }
        Ok(Ok(Choice { which, of, last }))
    }
}

/// Whether a sink is configured, or was and left letters.
fn is_known(config: &Config, store: &Store, name: &str) -> Result<bool, StoreError> {
    let configured = config.sinks.keys().any(|sink| sink.as_str() == name);
    Ok(configured || store.dead_letters()?.iter().any(|pile| pile.sink == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_a_terminal_is_escaped() {
        let text = "{\n  \"subject\": \"\u{9b}2J\u{7f}é\u{202e}gpj.exe\u{1f600}\"\n}";
        let safe = tamed_json(text);
        let expected = "{\n  \"subject\": \"\\u009b2J\\u007fé\\u202egpj.exe\u{1f600}\"\n}";
        assert_eq!(safe, expected);
        let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(text), read(&safe));
        assert_eq!(tamed("a\n\u{202e}b"), "a  b");
    }
}
