//! The command line: parses it, calls a command, turns the outcome into an exit status.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{failpoint, heap};

pub mod backfill;
pub mod bundle;
pub mod check;
pub mod completions;
pub mod config;
pub mod coverage;
pub mod dead_letters;
pub mod demo;
pub mod export;
pub mod health;
mod layout;
pub mod man;
pub mod once;
mod paint;
pub mod plan;
pub mod run;
mod setup;
pub mod simulate;
pub mod status;
mod watch;

/// Collects e-mail security data from vendor APIs and delivers it to SIEMs, never losing a record.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, propagate_version = true)]
struct Cli {
    /// The configuration file; /etc/postrider/postrider.toml by default.
    #[arg(long, global = true, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: collect on schedule and deliver until stopped.
    Run,
    /// Collect all that is due, deliver it, exit; for cron jobs and trials.
    Once(once::Args),
    /// Try the whole system on this machine, with simulated vendors and SIEM.
    Demo(demo::Args),
    /// Validate the configuration, then try each credential, API and sink.
    Check(check::Args),
    /// Ask for a past range; the daemon (or this process, when none runs) works it off.
    Backfill(backfill::Args),
    /// Show what a day, or a backfill, costs in calls, and whether that fits; asks nothing.
    Plan(plan::Args),
    /// Show sources, lag, budgets, sinks, spool and dead letters.
    Status(status::Args),
    /// Ask the running daemon whether it lives; for containers and supervisors.
    Health(health::Args),
    /// Show what was collected, what is missing and why.
    Coverage(coverage::Args),
    /// Write SER rows as a table, each in its latest revision: CSV, Parquet or JSON.
    Export(export::Args),
    /// Show, send again or drop what sinks refused for good.
    DeadLetters(dead_letters::Args),
    /// Run the vendor and SIEM simulators alone, with faults to choose.
    Simulate(Box<simulate::Args>),
    /// Write a support archive: redacted configuration, status, coverage, versions, logs.
    Bundle(bundle::Args),
    /// Print the configuration's schema or an example.
    Config(config::Args),
    /// Write what a shell needs to complete this command line: bash, zsh or fish.
    Completions(completions::Args),
    /// Write the manual's pages into a directory, for packages.
    Man(man::Args),
}

/// How commands print data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

/// How a command ended, when nothing unexpected happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Wrong use, or a bad configuration.
    Wrong,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Wrong => Self::from(2),
        }
    }
}

/// The command line as data, for what is made of it.
fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    failpoint::obey_environment();
    heap::share();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4)))
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start the runtime")),
    };
    outcome.map_or_else(
        |error| {
            complain(&format!("{error:#}"));
            ExitCode::from(1)
        },
        ExitCode::from,
    )
}

async fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Run => run::run(file).await,
        Command::Once(args) => once::run(file, args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Check(args) => check::run(file, args).await,
        Command::Backfill(args) => backfill::run(file, args).await,
        Command::Plan(args) => plan::run(file, &args),
        Command::Status(args) => status::run(file, args).await,
        Command::Health(args) => health::run(file, args).await,
        Command::Coverage(args) => coverage::run(file, args).await,
        Command::Export(args) => export::run(file, &args),
        Command::DeadLetters(args) => dead_letters::run(file, args).await,
        Command::Simulate(args) => simulate::run(*args).await.map(|()| Exit::Done),
        Command::Bundle(args) => bundle::run(file, args).await,
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// A line on standard error.
#[expect(clippy::print_stderr, reason = "the command line speaks to people here")]
fn complain(text: &str) {
    eprintln!("postrider: {text}");
}

/// A line on standard error that stands for itself.
#[expect(clippy::print_stderr, reason = "the command line speaks to people here")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Data on standard output. A reader that went away (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
