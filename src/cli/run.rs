//! `postrider run`: the daemon.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use rand::{SeedableRng, rngs::StdRng};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, error, info, warn};

use super::{Exit, complain, setup};
use crate::{
    admin,
    app::{self, Mode, Outcome, Running},
    clock::Clock,
    config::{Config, Need},
    secrecy, service,
    store::Store,
    supervisor::Stop,
    telemetry,
};

/// How long what is on the way may take after the first signal; shorter than a container's ten
/// seconds.
const GRACE: Duration = Duration::from_secs(8);

pub async fn run(file: Option<&Path>) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(Need::Secrets, file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let mut config = loaded.config;
    telemetry::start(&config.log)?;
    secrecy::keep_memory_private();
    let store = Store::open(&config.state.directory)?;
    let clock = setup::steady_clock();
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let _alive = keep_alive();
    loop {
        let running = start(&config, &store, &clock).await?;
        let stop = running.stop();
        let stopped = stop_on_signals(&stop)?;
        let admin = serve(&config, &store, &clock);
        let mut ended = std::pin::pin!(running.ended());
        let next = loop {
            tokio::select! {
                outcome = &mut ended => return Ok(finish(&outcome, &stopped, &store).await),
                next = reload(file, &config, &mut hangup, &clock) => {
                    if let Some(next) = next {
                        break next;
                    }
                }
            }
        };
        info!("configuration read again; starting anew with it");
        service::reloading();
        end_within_grace(&stop);
        let outcome = ended.await;
        // The next one may listen on the same address.
        admin.abort();
        drop(admin.await);
        if stopped.load(Ordering::Relaxed) {
            return Ok(finish(&outcome, &stopped, &store).await);
        }
        config = next;
    }
}

async fn start(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> anyhow::Result<Running> {
    let rng = StdRng::from_os_rng();
    let running = app::start(config, store.clone(), clock.clone(), rng, Mode::Daemon).await?;
    let (sources, sinks) = (config.sources.len(), config.sinks.len());
    let version = env!("CARGO_PKG_VERSION");
    info!(version, sources, sinks, state = %config.state.directory.display(), "postrider runs");
    service::ready(sources, sinks);
    Ok(running)
}

/// Shows the service manager that tasks have their turns, until the handle is dropped.
#[expect(clippy::disallowed_methods, reason = "it outlives the tasks of one configuration")]
fn keep_alive() -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(service::keep_alive()))
}

/// Lets people and monitoring look until the handle is dropped.
#[expect(clippy::disallowed_methods, reason = "it is there while the tasks start, fail and stop")]
fn serve(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> AbortOnDropHandle<()> {
    let admin = admin::serve(Arc::new(config.clone()), store.clone(), clock.clone());
    AbortOnDropHandle::new(tokio::spawn(admin))
}

async fn finish(outcome: &Outcome, stopped: &AtomicBool, store: &Store) -> Exit {
    store.put_away().await;
    debug!(transactions = store.changes(), longest_line = store.longest_line(), "the store's work");
    for why in &outcome.broken {
        error!(error = why, "a task failed again and again");
    }
    if stopped.load(Ordering::Relaxed) && outcome.broken.is_empty() {
        info!("postrider stopped; what is left goes on with the next start");
        return Exit::Done;
    }
    Exit::Failed
}

/// Waits for SIGHUP; the new configuration, or `None` with the reason in the log.
async fn reload(
    file: Option<&Path>,
    now: &Config,
    hangup: &mut Signal,
    clock: &Arc<dyn Clock>,
) -> Option<Config> {
    hangup.recv().await?;
    match setup::configuration(Need::Secrets, file, clock.now()) {
        Err(problems) => {
            error!("the new configuration cannot be used; going on with the old one\n{problems}");
            None
        }
        Ok(next) if next.config.state.directory != now.state.directory => {
            error!("state.directory changed; that needs a restart; going on with the old one");
            None
        }
        Ok(next) => {
            next.warnings.iter().for_each(|warning| warn!("{warning}"));
            Some(next.config)
        }
    }
}

/// SIGTERM or SIGINT stops softly, and hard after the grace time or at the second one. Tells
/// whether any came.
pub(super) fn stop_on_signals(stop: &Stop) -> anyhow::Result<Arc<AtomicBool>> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stopped = Arc::new(AtomicBool::new(false));
    let told = stopped.clone();
    let (soft, hard) = (stop.soft.clone(), stop.hard.clone());
    let watch = async move {
        let mut any = async || {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        any().await;
        told.store(true, Ordering::Relaxed);
        info!(grace_seconds = GRACE.as_secs(), "stopping; a second signal stops at once");
        service::stopping();
        soft.cancel();
        tokio::select! {
            () = any() => {}
            () = tokio::time::sleep(GRACE) => complain("the grace time is over; stopping now"),
        }
        hard.cancel();
    };
    detach(watch);
    Ok(stopped)
}

fn end_within_grace(stop: &Stop) {
    stop.soft.cancel();
    let hard = stop.hard.clone();
    detach(async move {
        tokio::time::sleep(GRACE).await;
        hard.cancel();
    });
}

/// Lets a watcher run until the process ends.
#[expect(clippy::disallowed_methods, reason = "watchers of signals outlive the tasks they stop")]
fn detach(work: impl Future<Output = ()> + Send + 'static) {
    drop(AbortOnDropHandle::new(tokio::spawn(work)).detach());
}
