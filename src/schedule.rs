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

/// Tells a source to do what is due. Activations coalesce: several while it is busy are one.
#[derive(Debug, Default)]
pub struct Activation {
    due: AtomicBool,
    wake: Arc<Notify>,
}

impl Activation {
    pub fn activate(&self) {
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
    /// None where nothing is scheduled: it would look at the clock twice a second.
    scheduler: Option<JobScheduler>,
}

impl CronTrigger {
    /// Activates each source at its times.
    pub async fn start(jobs: Vec<(String, Arc<Activation>)>) -> anyhow::Result<Self> {
        if jobs.is_empty() {
            return Ok(Self { scheduler: None });
        }
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
        Ok(Self { scheduler: Some(scheduler) })
    }

    pub async fn stop(self) {
        let Some(mut scheduler) = self.scheduler else { return };
        if let Err(error) = scheduler.shutdown().await {
            tracing::debug!(%error, "the cron scheduler did not stop in order");
        }
    }
}

/// Activates a source each `every`; never ends. The time between is the machine's running time, so
/// neither a step of the clock nor a suspended machine makes it fire in bursts.
pub async fn every(every: Duration, source: Arc<Activation>) {
    loop {
        tokio::time::sleep(every).await;
        source.activate();
    }
}
