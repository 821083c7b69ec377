//! The command line: our own options, and those with which `cargo test` runs every test binary.

use std::{collections::BTreeSet, thread};

use clap::Parser;

use crate::history::Trouble;

/// The name under which the simulation counts as a test.
const NAME: &str = "simulated_histories_keep_the_guarantees";

#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(about = "Histories of trouble, by seed")]
struct Options {
    /// One seed, twice
    #[arg(long)]
    seed: Option<u64>,
    /// So many seeds
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Prints what happens
    #[arg(long)]
    trace: bool,
    /// Kinds of trouble to leave out
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Goes on after a failure
    #[arg(long)]
    all: bool,
    /// Does not look for what a failure takes
    #[arg(long)]
    brief: bool,
    /// Runs each n-th seed a second time, to compare
    #[arg(long, default_value_t = 25)]
    twice: u64,
    #[arg(long)]
    threads: Option<usize>,
    #[arg(long, hide = true)]
    list: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(short, long, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    skip: Vec<String>,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(hide = true)]
    names: Vec<String>,
}

pub(crate) struct Arguments {
    pub seed: Option<u64>,
    pub seeds: u64,
    pub from: u64,
    pub trace: bool,
    pub without: BTreeSet<Trouble>,
    pub all: bool,
    pub brief: bool,
    pub twice: u64,
    pub threads: usize,
}

impl Arguments {
    /// `None` where there is nothing to run.
    pub(crate) fn read() -> Option<Self> {
        let options = Options::parse();
        if options.list {
            println!("{NAME}: test");
            return None;
        }
        let named =
            options.names.is_empty() || options.names.iter().any(|name| NAME.contains(name));
        if !named || options.ignored || options.skip.iter().any(|name| NAME.contains(name)) {
            return None;
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let kind = |name: &String| {
            Trouble::parse(name).unwrap_or_else(|| panic!("there is no trouble called {name}"))
        };
        Some(Self {
            seed: options.seed,
            seeds: options.seeds,
            from: options.from,
            trace: options.trace,
            without: options.without.iter().filter(|name| !name.is_empty()).map(kind).collect(),
            all: options.all,
            brief: options.brief,
            twice: options.twice.max(1),
            threads: options.threads.or(options.test_threads).unwrap_or(cores).max(1),
        })
    }
}
