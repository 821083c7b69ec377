//! Sends dead letters again: asks the running daemon for it, or does it here.

use std::{collections::BTreeSet, path::Path, pin::pin, sync::atomic::Ordering, time::Duration};

use anyhow::Context;
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use tokio::time::{Instant, interval};

use super::{
    super::{Exit, complain, layout::count, print, run::stop_on_signals, say, setup},
    Choice, Chosen, Output, tamed, tamed_json,
};
use crate::{
    app::{self, Mode},
    config::{Config, units},
    store::{
        Store, StoreError,
        conditions::{Party, State},
        dead_letters::replays::{Replay, ReplayId, ReplayState},
    },
    telemetry,
};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a daemon may be away, such as for a restart, before nobody is waited for.
const AWAY: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Without a daemon: give up when nothing could be delivered for this long.
    #[arg(long, default_value = "5m", value_parser = units::duration, value_name = "DURATION")]
    patience: Duration,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// How a replay ended.
#[derive(Debug, Default, Serialize)]
struct Report {
    replays: Vec<Item>,
    /// Why letters were not sent, where they were not.
    undone: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Item {
    sink: String,
    state: ReplayState,
    /// That were asked for.
    letters: u64,
    delivered: u64,
    /// Refused again; they stay, with one more attempt.
    refused: u64,
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    reason: String,
    letters: u64,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<Exit> {
    let Choice { which, of, last } = match args.chosen.look_up(config)? {
        Ok(choice) => choice,
        Err(exit) => {
            // None is an answer, too.
            if exit == Exit::Done {
                Report::default().print(args.output)?;
            }
            return Ok(exit);
        }
    };
    let mut undone = Vec::new();
    let (store, running) = setup::store(&config.state.directory)?;
    let now = setup::clock().now();
    let mut ids = Vec::new();
    for (name, letters) in of {
        let Some(sink) = config.sinks.keys().find(|sink| sink.as_str() == name) else {
            let letters = count(letters, "dead letter");
            undone.push(format!(
                "the sink {name} is no longer configured, so its {letters} cannot be sent: \
                 configure it again, or `postrider dead-letters drop --sink {name}`"
            ));
            continue;
        };
        ids.push(store.ask_replay(sink, &which, last, letters, now).await?);
    }
    if !ids.is_empty() {
        undone.extend(if running {
            say("the running daemon sends them; Ctrl-C leaves it to it");
            beside(&store, &config.state.directory, &ids).await?
        } else {
            say("no daemon runs; sending them here");
            here(config, &store, args.patience).await?
        });
    }
    let replays: Vec<Item> =
        ids.into_iter().map(|id| item(&store, id)).collect::<anyhow::Result<_>>()?;
    let report = Report { replays, undone };
    report.print(args.output)?;
    report.undone.iter().for_each(|why| complain(&format!("not done: {why}")));
    Ok(if report.is_well() { Exit::Done } else { Exit::Failed })
}

fn replay(store: &Store, id: ReplayId) -> anyhow::Result<Replay> {
    store.replay(id)?.context("the replay was forgotten; see `postrider dead-letters list`")
}

fn item(store: &Store, id: ReplayId) -> anyhow::Result<Item> {
    let replay = replay(store, id)?;
    let reasons = store.refused_again(&replay)?;
    let reasons = reasons.into_iter().map(|(reason, letters)| Reason { reason, letters }).collect();
    let Replay { sink, state, letters, delivered, refused, .. } = replay;
    Ok(Item { sink, state, letters, delivered, refused, reasons })
}

/// Waits for the daemon; returns why something is left.
async fn beside(store: &Store, directory: &Path, ids: &[ReplayId]) -> anyhow::Result<Vec<String>> {
    let mut tick = interval(LOOK);
    let mut leave = pin!(tokio::signal::ctrl_c());
    let mut seen = Instant::now();
    let mut said = BTreeSet::new();
    loop {
        tokio::select! {
            left = &mut leave => {
                left.context("waiting for Ctrl-C")?;
                return Ok(vec!["left; the daemon goes on with it".into()]);
            }
            _ = tick.tick() => {}
        }
        let mut open = false;
        for id in ids {
            let replay = replay(store, *id)?;
            if replay.state != ReplayState::Open {
                continue;
            }
            open = true;
            if let Some(why) = trouble(store, &replay)?
                && said.insert((*id, why.clone()))
            {
                say(&format!("{}: {why}; being tried again", replay.sink));
            }
        }
        if !open {
            return Ok(Vec::new());
        }
        if Store::is_in_use(directory) {
            seen = Instant::now();
        } else if seen.elapsed() >= AWAY {
            return Ok(vec!["no daemon runs any more; the next one goes on with it".into()]);
        }
    }
}

/// What holds a replay up, in words.
fn trouble(store: &Store, replay: &Replay) -> Result<Option<String>, StoreError> {
    if replay.error.is_some() {
        return Ok(replay.error.clone());
    }
    let condition = store.condition(Party::Sink(&replay.sink))?;
    Ok(condition.filter(|condition| condition.state != State::Ok).and_then(|it| it.error))
}

/// Sends them in this process, and what else their sinks wait for; returns why something is left.
async fn here(config: &Config, store: &Store, patience: Duration) -> anyhow::Result<Vec<String>> {
    telemetry::start(&config.log)?;
    let (clock, rng, mode) = (setup::clock(), StdRng::from_os_rng(), Mode::Replay { patience });
    let running = app::start(config, store.clone(), clock, rng, mode).await?;
    let interrupted = stop_on_signals(&running.stop())?;
    let outcome = running.ended().await;
    let mut undone: Vec<String> = outcome.undone.into_iter().chain(outcome.broken).collect();
    if undone.is_empty() && interrupted.load(Ordering::Relaxed) {
        undone.push("interrupted".into());
    }
    if !undone.is_empty() {
        undone.push("what is left is sent by the next `postrider run`, `once` or replay".into());
    }
    Ok(undone)
}

impl Report {
    fn is_well(&self) -> bool {
        let well = |item: &Item| item.state == ReplayState::Done && item.refused == 0;
        self.undone.is_empty() && self.replays.iter().all(well)
    }

    fn print(&self, output: Output) -> anyhow::Result<()> {
        match output {
            Output::Json => print(&tamed_json(&serde_json::to_string_pretty(self)?)),
            Output::Table => self.text().iter().try_for_each(|line| print(&tamed(line))),
        }
    }

    fn text(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for item in &self.replays {
            let Item { sink, state, letters, delivered, refused, reasons } = item;
            let letters = count(*letters, "dead letter");
            let again = if *refused > 0 { " again, and stay" } else { "" };
            let end = match state {
                ReplayState::Open => "; not all were sent yet",
                ReplayState::Done => "",
                ReplayState::Cancelled => "; the daemon does not know the sink",
            };
            lines.push(format!(
                "{sink}: of {letters} {delivered} delivered, {refused} refused{again}{end}"
            ));
            for Reason { reason, letters } in reasons {
                lines.push(format!("  {letters} × {reason}"));
            }
        }
        lines
    }
}
