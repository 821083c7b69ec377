//! When sources are activated. Only that: what is due then follows from the clock and the store,
//! so a tick that comes late, twice or never neither loses nor repeats a slice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::domain::name::SourceName;

/// Tells a source to do what is due. Activations coalesce: several while it is busy are one.
#[derive(Debug, Default)]
pub struct Activation {
    /// For the log; empty where nobody asks.
    source: String,
    due: AtomicBool,
    wake: Arc<Notify>,
}

impl Activation {
    /// Of a source, which the log names.
    pub fn of(source: &SourceName) -> Self {
        Self { source: source.to_string(), ..Self::default() }
    }

    pub fn activate(&self) {
        if !self.source.is_empty() {
            tracing::debug!(source = self.source, "activated");
        }
        self.due.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether there was an activation since the last call.
    pub fn take(&self) -> bool {
        self.due.swap(false, Ordering::AcqRel)
    }

    /// Whether there was one since the last [`Activation::take`].
    pub fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// Rung at each activation.
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

/// The cron schedules of all sources.
pub struct CronTrigger {
    scheduler: JobScheduler,
}

impl CronTrigger {
    /// Activates each source at its times.
    pub async fn start(
        jobs: impl IntoIterator<Item = (String, Arc<Activation>)>,
    ) -> anyhow::Result<Self> {
        let scheduler = JobScheduler::new().await.context("cannot start the cron scheduler")?;
        for (cron, source) in jobs {
            let job = Job::new_async(cron.as_str(), move |_, _| {
                source.activate();
                Box::pin(async {})
            })
            .with_context(|| format!("the cron expression \"{cron}\" cannot be scheduled"))?;
            scheduler.add(job).await.context("cannot add a cron job")?;
        }
        scheduler.start().await.context("cannot start the cron scheduler")?;
        Ok(Self { scheduler })
    }

    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the cron scheduler did not stop in order");
        }
    }
}

/// The same for one of so many sources: their turns are spread over the time between, since all of
/// them start with the process. The first one has its turn at the start.
pub async fn every_by_turns(time: Duration, number: usize, of: usize, source: Arc<Activation>) {
    if number > 0 {
        let share = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        tokio::time::sleep(time / share(of).max(1) * share(number)).await;
        source.activate();
    }
    every(time, source).await;
}

/// Activates a source each `every`; never ends. The time between is the machine's running time, so
/// neither a step of the clock nor a suspended machine makes it fire in bursts.
pub async fn every(every: Duration, source: Arc<Activation>) {
    loop {
        tokio::time::sleep(every).await;
        source.activate();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sources_have_their_turns_one_after_the_other() {
        let (begun, seen) = (Instant::now(), Mutex::new(Vec::new()));
        let source = |number| {
            let activation = Arc::new(Activation::default());
            let (wake, seen) = (activation.wake(), &seen);
            let notes = async move {
                loop {
                    wake.notified().await;
                    seen.lock().unwrap().push((begun.elapsed().as_secs(), number));
                }
            };
            let turns = every_by_turns(Duration::from_secs(60), number, 3, activation);
            async move { tokio::join!(turns, notes) }
        };
        let all = join_all((0..3).map(source));
        assert!(timeout(Duration::from_secs(125), all).await.is_err());
        let turns = [(20, 1), (40, 2), (60, 0), (80, 1), (100, 2), (120, 0)];
        assert_eq!(*seen.lock().unwrap(), turns);
    }
}
