//! `postrider check`: says what is wrong with the configuration, then tries every credential, API
//! and sink, and says what to mend.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{
    Exit, Output, complain,
    layout::{drawn, grid},
    print, setup,
};
use crate::{
    app::{self, AnySink, AnySource},
    clock::Clock,
    config::{self, Config, Problem, Problems},
    privacy::members::{self, Target},
    sink::Sink,
    source::{Source, pace::Pace},
};

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
struct Report {
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

#[derive(Debug, Serialize)]
struct Trial {
    what: String,
    well: bool,
    found: String,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let clock = setup::clock();
    let (report, exit) = match setup::configuration(file, clock.now()) {
        Err(problems) => {
            let configuration = problems.into_vec();
            (Report { configuration, tried: Vec::new(), privacy: Vec::new() }, Exit::Wrong)
        }
        Ok(loaded) => {
            let tried = if args.offline { Vec::new() } else { tries(&loaded.config, &clock).await };
            let well = tried.iter().all(|trial| trial.well);
            let exit = if well { Exit::Done } else { Exit::Failed };
            let privacy = loaded.config.sinks.values().filter_map(kept).collect();
            (Report { configuration: loaded.warnings, tried, privacy }, exit)
        }
    };
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
        Output::Table => tell(report, args.offline, exit)?,
    }
    Ok(exit)
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
        let mark = if trial.well { "ok" } else { "MEND" };
        table.add_row([trial.what.as_str(), mark, &trial.found]);
    }
    print(&drawn(table))?;
    match tried.iter().filter(|trial| !trial.well).count() {
        0 => print("All is well: `postrider run` can start."),
        failed => print(&format!("{failed} of {} need mending.", tried.len())),
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

/// Tries everything side by side; a source takes two calls of its budget.
async fn tries(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Trial> {
    let mut rng = StdRng::from_os_rng();
    let now = clock.now();
    let sources = config.sources.values().map(|settings| {
        let pace = Arc::new(Pace::new(settings.rate_limit));
        let source = app::source(settings, &pace, clock);
        async move {
            let found = match source {
                Ok(AnySource::Etd(source)) => ask(&source, now).await,
                Ok(AnySource::Ser(source)) => ask(&source, now).await,
                Err(error) => Err(format!("{error:#}")),
            };
            trial(format!("sources.{}", settings.name), found)
        }
    });
    let sinks = config.sinks.values().map(|settings| {
        let sink = app::sink(settings, clock, &mut rng);
        async move {
            let found = match sink {
                Ok(AnySink::SplunkHec(sink)) => probe(&sink).await,
                Ok(AnySink::Syslog(sink)) => probe(&sink).await,
                Ok(AnySink::File(sink)) => probe(&sink).await,
                Ok(AnySink::Folder(sink)) => probe(&sink).await,
                Ok(AnySink::Stdout(sink)) => probe(&sink).await,
                Err(error) => Err(format!("{error:#}")),
            };
            trial(format!("sinks.{}", settings.name), found)
        }
    });
    let directory = state_directory(config);
    let (sources, sinks) = futures_util::join!(
        futures_util::future::join_all(sources),
        futures_util::future::join_all(sinks)
    );
    std::iter::once(directory).chain(sources).chain(sinks).collect()
}

async fn ask(source: &impl Source, now: Timestamp) -> Result<String, String> {
    source.probe(now).await.map_err(|fault| fault.chain())
}

async fn probe(sink: &impl Sink) -> Result<String, String> {
    sink.probe().await.map_err(|fault| fault.chain())
}

fn trial(what: String, found: Result<String, String>) -> Trial {
    let well = found.is_ok();
    Trial { what, well, found: found.unwrap_or_else(|error| error) }
}

/// Who else may look into the state directory, with what to do about it.
fn open_to(directory: &Path) -> String {
    let mode = std::fs::metadata(directory).map_or(0, |found| found.permissions().mode());
    match (mode & 0o077, directory.display()) {
        (0, _) => String::new(),
        (_, path) => format!(
            ", but is open to others than its owner (mode {:04o}): run `chmod 700 {path}`",
            mode & 0o7777
        ),
    }
}

/// Whether the store can live where it is to.
fn state_directory(config: &Config) -> Trial {
    let directory = &config.state.directory;
    let existing = directory.ancestors().find(|path| path.exists());
    let found = match existing.map(tempfile::tempfile_in) {
        Some(Ok(_)) => Ok(format!("{} can be written{}", directory.display(), open_to(directory))),
        Some(Err(error)) => Err(format!(
            "{} cannot be written ({error}): make it belong to the user that runs postrider",
            directory.display()
        )),
        None => Err(format!("{} does not exist, nor anything above it", directory.display())),
    };
    trial("state.directory".into(), found)
}
