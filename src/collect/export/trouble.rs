//! What a fault means for the log export.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::{
    super::{collector::locked, react},
    Collector, Exported, Exporting, Work,
};
use crate::{
    fault::{Fault, Kind, backoff},
    source::{Source, cisco_etd::export::links::LogType},
    store::{
        StoreError,
        conditions::{Party, State},
        slices::StreamId,
    },
};

/// Between tries.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(15);
/// After the vendor refused.
const REFUSED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Faults running from which on people are told.
const FAILING: u32 = 3;

impl<S: Source> Collector<S> {
    /// What a fault means.
    pub(super) async fn not_exported(
        &self,
        stream: StreamId,
        exporting: &mut Exporting,
        work: Option<Work>,
        fault: &Fault,
    ) -> Result<Exported, StoreError> {
        let (now, error, source) = (self.clock.now(), fault.chain(), &self.config.name);
        exporting.attempts = exporting.attempts.saturating_add(1);
        let attempts = exporting.attempts;
        let tell = |error| self.store.tell_export_trouble(stream, Some(error), now);
        warn!(%source, attempts, error, "the log export cannot be read");
        if matches!(fault.kind, Kind::Throttled { .. }) {
            self.pace.slow_down(now);
        }
        let condition = self.store.condition(Party::Source(source.as_str()))?;
        let quota_hit_today = condition.is_some_and(|condition| {
            condition.state == State::QuotaSpent && condition.until.is_some_and(|at| at <= now)
        });
        let pause = {
            let mut rng = locked(&self.memory.rng);
            react::pause(fault.kind, attempts, quota_hit_today, now, &mut *rng)
        };
        if let Some((state, until)) = pause {
            self.tell(state, Some(until), Some(error), now).await?;
            return Ok(Exported::Held);
        }
        let wait = match (fault.kind, work) {
            (Kind::PastRetention, Some(mut work)) => {
                let whole = work.whole.clone();
                work.gap(whole.hours(), LogType::Message, &error);
                self.finish(stream, work).await?;
                return Ok(Exported::Worked);
            }
            (Kind::Refused, _) => {
                tell(error).await?;
                REFUSED_AGAIN
            }
            (Kind::Transient { retry_after: Some(wait) }, _) => {
                SignedDuration::try_from(wait).unwrap_or(REFUSED_AGAIN).min(REFUSED_AGAIN)
            }
            _ => {
                if attempts >= FAILING {
                    tell(error).await?;
                }
                let wait = backoff(attempts, FIRST, LONGEST, &mut *locked(&self.memory.rng));
                SignedDuration::try_from(wait).unwrap_or(REFUSED_AGAIN)
            }
        };
        exporting.not_before = Some(now.checked_add(wait).unwrap_or(Timestamp::MAX));
        exporting.refused = fault.kind == Kind::Refused;
        Ok(exporting.waits(now).unwrap_or(Exported::Nothing))
    }
}
