//! Follows a backfill to its end: beside the daemon that works it off, or by doing the work here.

use std::{path::Path, pin::pin, sync::atomic::Ordering, time::Duration};

use anyhow::Context;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::{Instant, interval};

use super::{
    super::{Exit, Output, complain, print, run::stop_on_signals, say, setup},
    FollowArgs,
    bar::{Bar, REFRESH},
    report::Report,
};
use crate::{
    app::{self, Mode},
    config::Config,
    estimate::Estimate,
    store::{
        Store, StoreError,
        conditions::{Party, State},
        requests::{Request, RequestState},
        slices::RequestId,
    },
    telemetry,
};

/// How long a daemon may be away, such as for a restart, before nobody is waited for.
const AWAY: Duration = Duration::from_secs(30);

/// Why following ended.
enum End {
    /// The backfill has ended, or this process can do no more, and why.
    Over(Vec<String>),
    /// Somebody wanted to leave.
    Left,
    /// Nobody works on it.
    Away,
}

pub(super) async fn follow(
    config: &Config,
    store: Store,
    running: bool,
    id: RequestId,
    args: FollowArgs,
    estimate: Option<Estimate>,
) -> anyhow::Result<Exit> {
    let open = request(&store, id)?.state == RequestState::Open;
    let end = match (open, running) {
        (false, _) => End::Over(Vec::new()),
        (true, true) => {
            say(&format!("backfill {id}: the running daemon works it off; Ctrl-C leaves it to it"));
            beside(&store, &config.state.directory, id).await?
        }
        (true, false) => {
            say(&format!("backfill {id}: no daemon runs; doing it here"));
            here(config, &store, id, args.patience).await?
        }
    };
    let undone = match end {
        End::Over(undone) => undone,
        End::Left if running => {
            complain(&format!(
                "left; the daemon goes on with it. Join it: `postrider backfill watch {id}`; \
                 stop it: `postrider backfill cancel {id}`"
            ));
            return Ok(Exit::Failed);
        }
        End::Left => {
            complain(&format!(
                "interrupted; it goes on with `postrider backfill watch {id}` or `postrider run`"
            ));
            return Ok(Exit::Failed);
        }
        End::Away => vec![format!(
            "no daemon runs any more; it goes on with the next, or with `postrider backfill \
             watch {id}`"
        )],
    };
    let report = Report::new(&request(&store, id)?, estimate, store.missing(id)?, undone);
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
        Output::Table => print(&report.text())?,
    }
    Ok(if report.well() { Exit::Done } else { Exit::Failed })
}

fn request(store: &Store, id: RequestId) -> anyhow::Result<Request> {
    store.request(id)?.with_context(|| format!("there is no backfill {id}"))
}

/// Shows what the daemon does.
async fn beside(store: &Store, directory: &Path, id: RequestId) -> anyhow::Result<End> {
    let mut bar = Bar::new();
    let clock = setup::clock();
    let mut tick = interval(REFRESH);
    let mut leave = pin!(tokio::signal::ctrl_c());
    let mut seen = Instant::now();
    loop {
        tokio::select! {
            left = &mut leave => {
                left.context("waiting for Ctrl-C")?;
                bar.clear();
                return Ok(End::Left);
            }
            _ = tick.tick() => {}
        }
        let request = request(store, id)?;
        if request.state != RequestState::Open {
            bar.clear();
            return Ok(End::Over(Vec::new()));
        }
        bar.show(&request, trouble(store, &request, clock.now())?);
        if Store::is_in_use(directory) {
            seen = Instant::now();
        } else if seen.elapsed() >= AWAY {
            bar.clear();
            return Ok(End::Away);
        }
    }
}

/// Does the work in this process, and delivers what it makes.
async fn here(
    config: &Config,
    store: &Store,
    id: RequestId,
    patience: Duration,
) -> anyhow::Result<End> {
    let mut log = config.log.clone();
    if console::user_attended_stderr() {
        // Lines would tear the bar, which tells what counts.
        "error".clone_into(&mut log.level);
    }
    telemetry::start(&log)?;
    let mode = Mode::Backfill { request: id, patience };
    let (clock, rng) = (setup::steady_clock(), StdRng::from_os_rng());
    let running = app::start(config, store.clone(), clock.clone(), rng, mode).await?;
    let interrupted = stop_on_signals(&running.stop())?;
    let mut bar = Bar::new();
    let mut tick = interval(REFRESH);
    let mut ended = pin!(running.ended());
    let outcome = loop {
        tokio::select! {
            outcome = &mut ended => break outcome,
            _ = tick.tick() => {
                let request = request(store, id)?;
                bar.show(&request, trouble(store, &request, clock.now())?);
            }
        }
    };
    bar.clear();
    let undone: Vec<String> = outcome.undone.into_iter().chain(outcome.broken).collect();
    if undone.is_empty() && interrupted.load(Ordering::Relaxed) {
        return Ok(End::Left);
    }
    Ok(End::Over(undone))
}

/// What holds the backfill up, in words.
fn trouble(store: &Store, request: &Request, now: Timestamp) -> Result<Option<String>, StoreError> {
    let condition = store.condition(Party::Source(&request.source))?;
    if let Some(condition) = condition.filter(|condition| condition.state != State::Ok)
        && let Some(until) = condition.until.filter(|until| *until > now)
    {
        let state = condition.state.as_str().replace('_', " ");
        return Ok(Some(format!("{}: {state} until {until:.0}", request.source)));
    }
    store.trouble(request.id)
}
