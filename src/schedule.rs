//! When sources are activated. Only that: what is due then follows from the clock and the store,
//! so a tick that comes late, twice or never neither loses nor repeats a slice.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use jiff::Timestamp;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::Instant,
};
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::{clock::Clock, config::units, domain::name::SourceName};

/// How often missed ticks are looked for.
const LOOK: Duration = Duration::from_secs(30);

/// Tells a source to do what is due. Activations coalesce: several while it is busy are one.
#[derive(Debug, Default)]
pub struct Activation {
    /// For the log; empty where nobody asks.
    source: String,
    due: AtomicBool,
    wake: Arc<Notify>,
    last: Mutex<Option<Instant>>,
}

impl Activation {
    /// Of a source, which the log names.
    pub fn of(source: &SourceName) -> Self {
        Self { source: source.to_string(), ..Self::default() }
    }

    pub fn activate(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
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

    /// Whether the last activation is longer ago.
    fn is_silent_for(&self, time: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() > time)
    }

    /// Rung at each activation.
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

/// The cron schedules of all sources, until it is dropped.
///
/// They have a runtime of their own, which ends with them: the scheduler starts tasks that wait for
/// each other without end, so that each reading of the configuration would leave some behind.
pub struct CronTrigger {
    /// None where nothing is scheduled: it would look at the clock twice a second.
    runtime: Option<Runtime>,
}

impl CronTrigger {
    /// Activates each source at its times.
    pub async fn start(jobs: Vec<(String, Arc<Activation>)>) -> anyhow::Result<Self> {
        if jobs.is_empty() {
            return Ok(Self { runtime: None });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cron")
            .enable_time()
            .build()
            .context("cannot start a thread for cron schedules")?;
        let scheduled = runtime.spawn(schedule(jobs));
        let trigger = Self { runtime: Some(runtime) };
        scheduled.await.context("the cron scheduler broke")??;
        Ok(trigger)
    }
}

impl Drop for CronTrigger {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nothing that it does has to be waited for.
            runtime.shutdown_background();
        }
    }
}

async fn schedule(jobs: Vec<(String, Arc<Activation>)>) -> anyhow::Result<()> {
    let scheduler = JobScheduler::new().await.context("cannot start the cron scheduler")?;
    for (cron, source) in jobs {
        let job = Job::new_async(cron.as_str(), move |_, _| {
            source.activate();
            Box::pin(async {})
        })
        .with_context(|| format!("the cron expression \"{cron}\" cannot be scheduled"))?;
        scheduler.add(job).await.context("cannot add a cron job")?;
    }
    scheduler.start().await.context("cannot start the cron scheduler")
}

/// Activates a source at the ticks of a cron schedule that [`CronTrigger`] misses, which counts by
/// the machine's clock: one that was set back would keep it silent for as long. Never ends.
pub async fn missed_ticks(cron: String, clock: Arc<dyn Clock>, source: Arc<Activation>) {
    let mut seen = clock.now();
    loop {
        tokio::time::sleep(LOOK).await;
        // Those of the last moments are left to the trigger.
        let now = clock.now().checked_sub(LOOK / 2).unwrap_or(Timestamp::MIN);
        let tick = units::last_tick(&cron, now).filter(|tick| *tick > seen);
        let ago = tick.and_then(|tick| Duration::try_from(now.duration_since(tick)).ok());
        if ago.is_some_and(|ago| source.is_silent_for(ago + LOOK)) {
            source.activate();
        }
        seen = now;
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
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn a_trigger_leaves_nothing_behind() {
        let source = Arc::new(Activation::default());
        for _ in 0..3 {
            let jobs = vec![("0 0 0 1 1 *".to_owned(), source.clone())];
            drop(CronTrigger::start(jobs).await.unwrap());
        }
        let gone = async {
            while Arc::strong_count(&source) > 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.expect("its jobs still have the source");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_that_the_trigger_missed_is_made_up_for() {
        let clock = Arc::new(ManualClock::at("2026-11-20T08:59:00Z".parse().unwrap()));
        let source = Arc::new(Activation::default());
        let looking = missed_ticks("0 0 * * * *".into(), clock.clone(), source.clone());
        let mut looking = std::pin::pin!(looking);
        let mut activated = Vec::new();
        for step in 0..180 * 12 {
            // The trigger works for the first two hours.
            if step == 12 || step == 61 * 12 {
                source.activate();
                source.take();
            }
            let end = Instant::now() + Duration::from_secs(5);
            drop(tokio::time::timeout_at(end, &mut looking).await);
            clock.advance(Duration::from_secs(5));
            if source.take() {
                activated.push(step / 12);
            }
        }
        assert_eq!(activated, [121]);
    }

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
