//! `postrider check`: says what is wrong with the configuration, then tries every credential, API
//! and sink, and says what to mend.

use std::path::Path;

use serde::Serialize;

use self::trial::{State, Trial};
use super::{
    Exit, Output, complain,
    layout::{drawn, grid},
    paint, print, setup,
};
use crate::{
    config::{self, Need, Problem, Problems},
    privacy::members::{self, Target},
};

mod calls;
mod machine;
mod peers;
mod trial;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only validate the configuration.
    #[arg(long)]
    offline: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Errors and warnings of the configuration.
    configuration: Vec<Problem>,
    /// What was tried, sources first; nothing offline or with an error above.
    tried: Vec<Trial>,
    /// What is kept from sinks.
    privacy: Vec<Kept>,
}

/// What one sink is not to have.
#[derive(Debug, Serialize)]
struct Kept {
    sink: String,
    drops: Vec<String>,
    hashes: Vec<String>,
    keeps_domain: bool,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let (report, exit) = report(file, args.offline).await;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
        Output::Table => tell(report, args.offline, exit)?,
    }
    Ok(exit)
}

/// What is wrong with the configuration and, unless `offline`, with what it names.
pub(super) async fn report(file: Option<&Path>, offline: bool) -> (Report, Exit) {
    let clock = setup::clock();
    match setup::configuration(Need::Secrets, file, clock.now()) {
        Err(problems) => {
            let configuration = problems.into_vec();
            (Report { configuration, tried: Vec::new(), privacy: Vec::new() }, Exit::Wrong)
        }
        Ok(loaded) => {
            let mut tried = Vec::new();
            if !offline {
                tried.extend(machine::tries(&loaded.config));
                tried.extend(calls::tries(&loaded.config, clock.now()));
                tried.extend(peers::tries(&loaded.config, &clock).await);
            }
            let well = tried.iter().all(|trial| trial.well);
            let exit = if well { Exit::Done } else { Exit::Failed };
            let privacy = loaded.config.sinks.values().filter_map(kept).collect();
            (Report { configuration: loaded.warnings, tried, privacy }, exit)
        }
    }
}

fn tell(report: Report, offline: bool, exit: Exit) -> anyhow::Result<()> {
    let Report { configuration, tried, privacy } = report;
    if !configuration.is_empty() {
        complain(&format!("the configuration\n{}", Problems::from(configuration)));
    }
    if exit == Exit::Wrong {
        return Ok(());
    }
    if !privacy.is_empty() {
        print(&kept_table(&privacy))?;
    }
    if offline {
        return print("The configuration can be used. Nothing else was tried (--offline).");
    }
    let mut table = grid(&["tried", "", "found"]);
    for trial in &tried {
        let mut found = trial.found.clone();
        if let Some(cure) = &trial.cure {
            found.extend(["\nmend: ", cure]);
        }
        table.add_row([trial.what.as_str(), trial.state.mark(), &found]);
    }
    print(&paint::states(&drawn(table)))?;
    let count = |state| tried.iter().filter(|trial| trial.state == state).count();
    print(&verdict(count(State::Mend), count(State::Warning), tried.len()))
}

/// How it stands, in a sentence.
fn verdict(failed: usize, warnings: usize, tried: usize) -> String {
    match (failed, warnings) {
        (0, 0) => "All is well: `postrider run` can start.".to_owned(),
        (0, 1) => "`postrider run` can start; one thing is worth a look.".to_owned(),
        (0, warnings) => format!("`postrider run` can start; {warnings} things are worth a look."),
        (1, _) => format!("1 of {tried} needs mending."),
        (failed, _) => format!("{failed} of {tried} need mending."),
    }
}

fn kept(sink: &config::Sink) -> Option<Kept> {
    let privacy = sink.privacy.as_ref()?;
    let members = |names: &[String]| {
        let targets = names.iter().filter_map(|name| members::target(name));
        targets.flat_map(Target::described).collect()
    };
    Some(Kept {
        sink: sink.name.to_string(),
        drops: members(&privacy.drop),
        hashes: members(&privacy.hash),
        keeps_domain: privacy.keep_domain,
    })
}

fn kept_table(privacy: &[Kept]) -> String {
    let mut table = grid(&["sink", "is sent without", "is sent hashed"]);
    for Kept { sink, drops, hashes, keeps_domain } in privacy {
        let domains = if *keeps_domain { "; of addresses the domain stays" } else { "" };
        table.add_row([sink, &drops.join(", "), &format!("{}{domains}", hashes.join(", "))]);
    }
    drawn(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_needs_and_two_need() {
        assert_eq!(verdict(1, 2, 6), "1 of 6 needs mending.");
        assert_eq!(verdict(2, 0, 6), "2 of 6 need mending.");
        assert_eq!(verdict(0, 1, 6), "`postrider run` can start; one thing is worth a look.");
    }
}
