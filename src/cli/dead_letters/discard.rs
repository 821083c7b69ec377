//! Deletes dead letters: the one way by which an event is given up.

use super::{
    super::{Exit, layout::count, print, say, setup},
    Choice, Chosen,
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<Exit> {
    let Choice { which, of, last } = match args.chosen.look_up(config)? {
        Ok(choice) => choice,
        Err(exit) => return Ok(exit),
    };
    if !args.yes {
        for (sink, letters) in &of {
            say(&question(*letters, sink));
        }
        if !setup::confirmed("Drop them?", "nothing was dropped")? {
            return Ok(Exit::Wrong);
        }
    }
    let (store, _) = setup::store(&config.state.directory)?;
    let mut dropped = 0;
    loop {
        match store.drop_letters(&which, last).await? {
            0 => break,
            some => dropped += some as u64,
        }
    }
    print(&format!("{} dropped", count(dropped, "dead letter")))?;
    Ok(Exit::Done)
}

fn question(letters: u64, sink: &str) -> String {
    let events = if letters == 1 { "its event" } else { "their events" };
    let letters = count(letters, "dead letter");
    format!("{letters} of {sink} would be deleted; {sink} never gets {events}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_has_one_event() {
        let text = "1 dead letter of splunk would be deleted; splunk never gets its event";
        assert_eq!(question(1, "splunk"), text);
        let text = "2 dead letters of splunk would be deleted; splunk never gets their events";
        assert_eq!(question(2, "splunk"), text);
    }
}
