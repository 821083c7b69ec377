//! A deterministic simulation: the whole of Postrider on one thread, on a virtual clock, with
//! vendors, SIEMs, network, disk and death as a seed draws them. `docs/TESTING.md` tells more.
//!
//! ```text
//! cargo test --test sim                          # 500 seeds
//! cargo test --release --test sim -- --seeds 10000
//! cargo test --test sim -- --seed 17 --trace     # one, to be read
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the report is the output")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod arguments;
mod clock;
mod disk;
mod export;
mod files;
mod happen;
mod history;
mod messages;
mod network;
mod regressions;
mod report;
mod rows;
mod seed;
mod settings;
mod siem;
#[path = "../shared/sums.rs"]
mod sums;
mod system;
mod trace;
mod verdict;
mod watch;
mod world;

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use arguments::Arguments;
use history::Trouble;
use indicatif::{ProgressBar, ProgressStyle};
use report::Total;

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else { return ExitCode::SUCCESS };
    if let Some(seed) = arguments.seed {
        return one(seed, &arguments);
    }
    many(&arguments)
}

/// One seed, twice: it must be the same history.
fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    let report = seed::run(seed, &arguments.without, arguments.trace);
    let again = seed::run(seed, &arguments.without, false);
    println!("seed {seed}: {report:#?}");
    if report.trace != again.trace {
        println!("seed {seed} is not the same twice: {:?} {:?}", report.trace, again.trace);
        return ExitCode::FAILURE;
    }
    if report.wrong.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn many(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let seeds: Vec<u64> = regressions::SEEDS
        .iter()
        .map(|(seed, _)| *seed)
        .filter(|_| arguments.from == 0)
        .chain(arguments.from..arguments.from + arguments.seeds)
        .collect();
    let bar = ProgressBar::new(seeds.len() as u64).with_style(style());
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Total::default());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = usize::try_from(index).ok().and_then(|at| seeds.get(at)) else {
                return;
            };
            let report = seed::run(*seed, &arguments.without, false);
            // That a seed is the same history each time is looked at now and then.
            let twice = *seed % arguments.twice == 0;
            let again = twice.then(|| seed::run(*seed, &arguments.without, false));
            let differs = again.is_some_and(|again| again.trace != report.trace);
            let failed = report.wrong.is_some() || differs;
            total.lock().unwrap().add(*seed, report, differs);
            bar.inc(1);
            if failed && !arguments.all {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let total = total.into_inner().unwrap();
    println!("{}", total.table(begun.elapsed()));
    let Some((seed, why)) = total.failed.first() else { return ExitCode::SUCCESS };
    for (seed, why) in total.failed.iter().skip(1) {
        println!("seed {seed} failed: {why}");
    }
    println!("\nseed {seed} failed: {why}");
    println!("replay it: cargo test --test sim -- --seed {seed} --trace");
    if !arguments.brief {
        println!("it takes: {}", shrunk(*seed, &arguments.without));
    }
    ExitCode::FAILURE
}

/// The kinds of trouble without which the seed does not fail, found by leaving out one by one.
fn shrunk(seed: u64, without: &BTreeSet<Trouble>) -> String {
    let mut without = without.clone();
    for trouble in Trouble::ALL {
        let mut less = without.clone();
        less.insert(trouble);
        if seed::run(seed, &less, false).wrong.is_some() {
            without = less;
        }
    }
    let left = Trouble::ALL.into_iter().filter(|trouble| !without.contains(trouble));
    let names =
        |all: Vec<Trouble>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (left, without) = (names(left.collect()), names(without.into_iter().collect()));
    format!("{left}\nthe same with less: --seed {seed} --without {without} --trace")
}

fn style() -> ProgressStyle {
    let style = "{bar:40} {pos}/{len} seeds, {eta} left";
    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar())
}
