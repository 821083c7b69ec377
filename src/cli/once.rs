//! `postrider once`: collects all that is due, delivers it, exits.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use rand::{SeedableRng, rngs::StdRng};

use super::{Exit, complain, layout::count, run::stop_on_signals, setup};
use crate::{
    app::{self, Mode},
    collect::budget::{self, Expected},
    config::{Need, units},
    secrecy,
    store::{Store, StoreError},
    telemetry,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Give up when nothing could be collected or delivered for this long.
    #[arg(long, default_value = "5m", value_parser = units::duration, value_name = "DURATION")]
    patience: Duration,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration_or_exit(Need::Secrets, file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let config = loaded.config;
    telemetry::start(&config.log)?;
    secrecy::keep_memory_private();
    let store = Store::open(&config.state.directory)?;
    let refused_before = refused(&store)?;
    let mode = Mode::Once { patience: args.patience };
    let clock = setup::steady_clock();
    let running =
        app::start(&config, store.clone(), clock.clone(), StdRng::from_os_rng(), mode).await?;
    let interrupted = stop_on_signals(&running.stop())?;
    let mut outcome = running.ended().await;
    let gaps = refused(&store)?.saturating_sub(refused_before);
    if gaps > 0 {
        let gaps = count(gaps, "slice");
        outcome.undone.push(format!("the vendor cannot give {gaps}; see `status`"));
    }
    for source in config.sources.values() {
        if let Some(held) = budget::held(&store, source, &Expected::default(), clock.now())? {
            complain(&format!("{}: {held}", source.name));
        }
    }
    store.put_away().await;
    for why in outcome.undone.iter().chain(&outcome.broken) {
        complain(&format!("not done: {why}"));
    }
    let well = outcome.undone.is_empty() && outcome.broken.is_empty();
    if well && interrupted.load(Ordering::Relaxed) {
        complain("interrupted; what is left goes on with the next run");
        return Ok(Exit::Failed);
    }
    Ok(if well { Exit::Done } else { Exit::Failed })
}

/// Slices that the vendor could not give, ever.
fn refused(store: &Store) -> Result<u64, StoreError> {
    Ok(store.streams()?.iter().map(|stream| stream.refused).sum())
}
