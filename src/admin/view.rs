//! What is shown, read from the store at most as often as it is worth.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::Mutex;

use super::throughput::Throughput;
use crate::{
    clock::Clock,
    config::Config,
    coverage::report::{self, Report},
    status::{self, Status},
    store::Store,
};

/// An answer is good for this long,
const FRESH: Duration = Duration::from_secs(1);
/// and for so many times what making it took: looking takes a twentieth of a core at most.
const SHARE: u32 = 20;

/// What there is to see.
pub(super) struct View {
    config: Arc<Config>,
    store: Store,
    clock: Arc<dyn Clock>,
    status: Kept<Status>,
    coverage: Kept<Report>,
    throughput: Throughput,
}

impl View {
    pub(super) fn new(config: Arc<Config>, store: Store, clock: Arc<dyn Clock>) -> Self {
        let (status, coverage) = (Kept::default(), Kept::default());
        Self { config, store, clock, status, coverage, throughput: Throughput::default() }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn throughput(&self) -> &Throughput {
        &self.throughput
    }

    /// A short read, and nothing more: it is made whether anybody looks or not.
    pub(super) fn note_throughput(&self) {
        if let Ok(sinks) = self.store.sinks() {
            self.throughput
                .note(sinks.into_iter().map(|sink| (sink.name, sink.delivered)).collect());
        }
    }

    pub(super) async fn status(&self) -> Result<Arc<Status>, Unavailable> {
        let (config, store, now) = (self.config.clone(), self.store.clone(), self.clock.now());
        self.status.get(move || status::gather(&config, &store, true, now)).await
    }

    pub(super) async fn coverage(&self) -> Result<Arc<Report>, Unavailable> {
        let (config, store, now) = (self.config.clone(), self.store.clone(), self.clock.now());
        let all = report::View::default();
        let gather = move || Ok(report::gather(&config, &store, &all, now)?);
        self.coverage.get(gather).await
    }
}

/// The last answer.
struct Kept<T>(Mutex<Option<(Instant, Duration, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// The last answer, or a new one made on a thread that may wait for the disk. Who asks
    /// meanwhile waits for the same one.
    async fn get(
        &self,
        make: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<Arc<T>, Unavailable> {
        let mut kept = self.0.lock().await;
        if let Some((begun, took, last)) = &*kept
            && begun.elapsed() < FRESH.max(*took * SHARE)
        {
            return Ok(last.clone());
        }
        let begun = Instant::now();
        let made = tokio::task::spawn_blocking(make).await.map_err(Unavailable::new)?;
        let made = Arc::new(made.map_err(Unavailable::new)?);
        *kept = Some((begun, begun.elapsed(), made.clone()));
        Ok(made)
    }
}

/// The store cannot be read, and why.
#[derive(Debug)]
pub(super) struct Unavailable(String);

impl Unavailable {
    pub(super) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self(format!("{:#}", error.into()))
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.0 + "\n").into_response()
    }
}

/// Why not everything works: sources and sinks that cannot work now.
pub(super) fn reasons(status: &Status) -> Vec<String> {
    let sources = status.sources.iter().map(|it| ("source", &it.source, &it.health));
    let sinks = status.sinks.iter().map(|it| ("sink", &it.sink, &it.health));
    let ill = sources.chain(sinks).filter(|(.., health)| health.is_stopped());
    let told = ill.map(|(role, name, health)| {
        let why = health.error.as_deref().unwrap_or("no reason is known");
        format!("{role} {name} {}: {why}", health.state)
    });
    let room = status.spool_full.then(|| "the spool is full: collecting pauses".to_owned());
    told.chain(room).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        health::testing::{config, etd},
        store::conditions::{Party, State},
    };

    #[tokio::test]
    async fn a_full_spool_is_a_reason_where_the_sink_is_well() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let config = config([etd()]);
        let now = Timestamp::UNIX_EPOCH;
        let told = || {
            let status = status::gather(&config, &store, true, now).unwrap();
            assert!(status.spool.on_disk < status.max_spool);
            reasons(&status)
        };
        store.set_condition(Party::Sink("archive"), State::Ok, None, None, now).await.unwrap();
        for (state, reason) in
            [(State::SpoolFull, &["the spool is full: collecting pauses"][..]), (State::Ok, &[])]
        {
            store.set_condition(Party::Source("etd"), state, None, None, now).await.unwrap();
            assert_eq!(told(), reason);
        }
    }
}
