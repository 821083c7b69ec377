//! Tasks: started, restarted and stopped here, and nowhere else.
//!
//! A task is a reconciler: something wakes it, it reads the store, does what is due and says
//! whether anything is left. It never overlaps itself.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, fault, store::StoreError};

/// What a step left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Worked,
    /// What is left cannot be done before `until`.
    Waiting { until: Timestamp, why: String, person: bool },
    /// All that is due is done.
    Idle,
}

/// Work that comes in steps.
pub trait Task: Send + 'static {
    /// Does some of what is due. Dropping the future at any point is safe: what counts is in the
    /// store.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<Step>> + Send;
}

/// A task restarts this often before the process gives up, counted since it last worked for
/// [`STEADY`].
const RESTARTS: u32 = 10;
const STEADY: Duration = Duration::from_mins(10);
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_LONGEST: Duration = Duration::from_secs(60);
/// Trying costs nothing but a look: what could not be stored is not asked for.
const STORE_LONGEST: Duration = Duration::from_secs(5);
/// Failures of a task at the store, running, at which it is told of: who cannot even read may be
/// the only one who knows.
const READ_FAILED: u32 = 3;
/// A waiting task looks at the clock at least this often, which may have been stepped.
pub const LOOK: Duration = Duration::from_secs(30);

/// How tasks are told to stop: softly, finishing what is on the way; then hard.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    pub soft: CancellationToken,
    pub hard: CancellationToken,
}

/// When a task is done.
#[derive(Debug, Clone)]
pub enum Until {
    /// Never: it waits for its next wake-up.
    Stopped,
    /// When it is idle after this was cancelled; given up when nothing worked for `patience`, or
    /// at once when only a person can help.
    Done { after: CancellationToken, patience: Duration },
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All done, or told to stop.
    Well,
    /// Given up with work left, and why.
    Undone(String),
    /// Failed again and again.
    Broken(String),
}

/// The running tasks.
pub struct Supervisor {
    clock: Arc<dyn Clock>,
    stop: Stop,
    seed: u64,
    look: Duration,
    tasks: JoinSet<(String, End)>,
}

impl Supervisor {
    pub fn new(clock: Arc<dyn Clock>, stop: Stop, seed: u64, look: Duration) -> Self {
        Self { clock, stop, seed, look, tasks: JoinSet::new() }
    }

    /// Starts a task; `make` builds it anew after a failure. `wake` nudges it; nudges coalesce.
    pub fn start<T: Task>(
        &mut self,
        name: String,
        wake: Arc<Notify>,
        until: Until,
        make: impl Fn() -> T + Send + 'static,
    ) {
        let runner = Runner {
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            rng: StdRng::seed_from_u64(self.seed ^ self.tasks.len() as u64),
            wake,
            until,
            look: self.look,
        };
        self.tasks.spawn(async move {
            let end = runner.run(&name, make).await;
            (name, end)
        });
    }

    /// Starts something that ends by itself when told to stop, such as a timer.
    pub fn assist(&mut self, name: String, work: impl Future<Output = ()> + Send + 'static) {
        let hard = self.stop.hard.clone();
        self.tasks.spawn(async move {
            hard.run_until_cancelled_owned(work).await;
            (name, End::Well)
        });
    }

    /// The next task to end; `None` when all have.
    pub async fn ended(&mut self) -> Option<(String, End)> {
        match self.tasks.join_next().await? {
            Ok(ended) => Some(ended),
            Err(error) => Some(("a task".into(), End::Broken(error.to_string()))),
        }
    }
}

struct Runner {
    clock: Arc<dyn Clock>,
    stop: Stop,
    rng: StdRng,
    wake: Arc<Notify>,
    until: Until,
    look: Duration,
}

impl Runner {
    async fn run<T: Task>(mut self, name: &str, make: impl Fn() -> T) -> End {
        let mut task = make();
        let (mut failures, mut store_failures) = (0, 0);
        let mut steady_since = tokio::time::Instant::now();
        // Since when nothing works of what is due.
        let mut stuck_since = None;
        loop {
            if self.stop.soft.is_cancelled() {
                return End::Well;
            }
            // What came before this can be seen by the step; what comes later cannot.
            let last = matches!(&self.until, Until::Done { after, .. } if after.is_cancelled());
            // Listen before looking: a nudge during the step counts.
            let wake = self.wake.clone();
            let woken = wake.notified();
            // Boxed: a task that waits, as most do, does not hold the room that its step needs.
            let step = AssertUnwindSafe(Box::pin(task.step())).catch_unwind();
            let Some(step) = self.stop.hard.run_until_cancelled(step).await else {
                return End::Well;
            };
            let wait = match step {
                Ok(Ok(Step::Worked)) => {
                    stuck_since = None;
                    store_failures = 0;
                    if steady_since.elapsed() >= STEADY {
                        failures = 0;
                    }
                    continue;
                }
                Ok(Ok(Step::Idle)) => {
                    if last {
                        return End::Well;
                    }
                    stuck_since = None;
                    self.look
                }
                Ok(Ok(Step::Waiting { until, why, person })) => {
                    let since = *stuck_since.get_or_insert_with(tokio::time::Instant::now);
                    let left = until.duration_since(self.clock.now());
                    let wait = Duration::try_from(left).unwrap_or_default().min(self.look);
                    match &self.until {
                        Until::Stopped => wait,
                        Until::Done { patience, .. } => {
                            let left = patience.saturating_sub(since.elapsed());
                            if person || left.is_zero() {
                                return End::Undone(why);
                            }
                            // Longer than its patience it need not wait.
                            wait.min(left)
                        }
                    }
                }
                Ok(Err(error)) if may_pass(&error) => {
                    let error = format!("{error:#}");
                    store_failures += 1;
                    // Whoever writes has said so, once for all tasks.
                    if store_failures == READ_FAILED {
                        tracing::error!(
                            task = name,
                            error,
                            "the store cannot be used; trying again"
                        );
                    } else {
                        tracing::debug!(task = name, error, "the store cannot be used");
                    }
                    let since = *stuck_since.get_or_insert_with(tokio::time::Instant::now);
                    if let Until::Done { patience, .. } = &self.until
                        && since.elapsed() >= *patience
                    {
                        return End::Undone(error);
                    }
                    task = make();
                    let failures = store_failures;
                    fault::backoff(failures, RESTART_FIRST, STORE_LONGEST, &mut self.rng)
                }
                failed => {
                    let error = match failed {
                        Ok(Err(error)) => format!("{error:#}"),
                        Err(panic) => format!("a bug, please report it: {}", message(&*panic)),
                        Ok(Ok(_)) => continue,
                    };
                    failures += 1;
                    tracing::error!(task = name, failures, error, "task failed; restarting it");
                    if failures > RESTARTS {
                        return End::Broken(error);
                    }
                    task = make();
                    steady_since = tokio::time::Instant::now();
                    fault::backoff(failures, RESTART_FIRST, RESTART_LONGEST, &mut self.rng)
                }
            };
            let after = match &self.until {
                // Also when that happened during the step.
                Until::Done { after, .. } if !last => after.clone(),
                _ => CancellationToken::new(),
            };
            tokio::select! {
                // The same order each time, which a simulation needs.
                biased;
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
                () = after.cancelled() => {}
                () = self.stop.soft.cancelled() => {}
            }
        }
    }
}

/// A full disk is no reason to end: delivery elsewhere goes on, and space may come back.
fn may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::may_pass)
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panicked")
}
