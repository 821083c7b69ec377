//! When sources are activated. Only that: what is due then follows from the clock and the store,
//! so a tick that comes late, twice or never neither loses nor repeats a slice.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};

/// The cron schedules of all sources.
pub struct CronTrigger {
    scheduler: JobScheduler,
}

impl CronTrigger {
    /// Nudges each source at its times. Nudges coalesce: a source that is busy is nudged once.
    pub async fn start(
        jobs: impl IntoIterator<Item = (String, Arc<Notify>)>,
    ) -> anyhow::Result<Self> {
        let scheduler = JobScheduler::new().await.context("cannot start the cron scheduler")?;
        for (cron, wake) in jobs {
            let job = Job::new_async(cron.as_str(), move |_, _| {
                wake.notify_one();
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

/// Nudges a source each `every`; never ends. The time between is the machine's running time, so
/// neither a step of the clock nor a suspended machine makes it fire in bursts.
pub async fn every(every: Duration, wake: Arc<Notify>) {
    loop {
        tokio::time::sleep(every).await;
        wake.notify_one();
    }
}
