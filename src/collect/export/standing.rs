//! How long the log export has told of every change, and what that spares.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, warn};

use super::Collector;
use crate::{
    source::{
        Source,
        cisco_etd::export::{hours::Hour, links::AUDIT_ONLY},
    },
    store::{
        StoreError,
        export::{Asked, Created},
        slices::StreamId,
    },
};

/// The newest hour that was asked for is no older, where all is well.
const FRESH: SignedDuration = SignedDuration::from_hours(3);

/// Since when the log export has told of every change; `None` where it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Healthy(pub(crate) Option<Timestamp>);

impl Healthy {
    /// From the hours that were asked for.
    pub(crate) fn of(hours: &BTreeMap<i64, Asked>, now: Timestamp) -> Self {
        let mut since: Option<Hour> = None;
        for (hour, asked) in hours.iter().rev() {
            let hour = Hour(*hour);
            let follows = match since {
                None => now.duration_since(hour.end()) <= FRESH,
                Some(next) => hour.next() == next,
            };
            let misses = |gap: &String| !gap.starts_with(AUDIT_ONLY);
            if !follows || asked.gap.as_ref().is_some_and(misses) {
                break;
            }
            since = Some(hour);
        }
        Self(since.map(Hour::start))
    }
}

impl<S: Source> Collector<S> {
    /// Compares hours with what the log export told of them; whether any is to be read once more.
    pub(in crate::collect) async fn compare_told(
        &self,
        stream: StreamId,
    ) -> Result<bool, StoreError> {
        if self.source.log_export().is_none() {
            return Ok(false);
        }
        let page_size = self.source.limits().page_size;
        let fewer = self.store.compare_created(stream, page_size).await?;
        for Created { hour, creates, collected } in &fewer {
            let (source, hour) = (&self.config.name, Hour(*hour));
            warn!(%source, %hour, creates, collected, "the log export told of more messages than \
                searches found; reading the hour once more");
        }
        Ok(!fewer.is_empty())
    }

    /// Drops resweeps that are due of slices of whose changes the log export has told all along. The
    /// last one stays: what the export does not tell of, it finds.
    pub(in crate::collect) async fn spare_resweeps(
        &self,
        stream: StreamId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let last = self.config.resweep.iter().map(|resweep| resweep.after).max();
        let (Some(last), Some(_)) = (last, self.source.log_export()) else { return Ok(()) };
        let Healthy(Some(since)) = Healthy::of(&self.store.export_hours(stream)?, now) else {
            return Ok(());
        };
        let spared = self.store.spare_resweeps(stream, since, last, now).await?;
        if spared > 0 {
            debug!(source = %self.config.name, spared, "the log export has told of what these \
                resweeps would find");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_healthy_since_the_last_gap_and_only_while_it_goes_on() {
        let at = |hour: i64| Hour(hour).start();
        let asked = |gap: bool| Asked { at: at(0), gap: gap.then(|| "x".to_owned()) };
        let hours = |list: &[(i64, bool)]| -> BTreeMap<i64, Asked> {
            list.iter().map(|(hour, gap)| (*hour, asked(*gap))).collect()
        };
        let good = vec![(7, false), (8, false), (9, false)];
        let table = [
            (vec![], 10, None),
            (good.clone(), 10, Some(7)),
            (good.clone(), 13, Some(7)),
            (good, 14, None),
            (vec![(6, false), (7, true), (8, false), (9, false)], 10, Some(8)),
            (vec![(6, false), (8, false), (9, true)], 10, None),
        ];
        for (list, now, since) in table {
            assert_eq!(Healthy::of(&hours(&list), at(now)), Healthy(since.map(at)), "{list:?}");
        }
        let gap = Some(format!("{AUDIT_ONLY}x"));
        let list = BTreeMap::from([(9, Asked { at: at(0), gap })]);
        assert_eq!(Healthy::of(&list, at(10)), Healthy(Some(at(9))));
    }
}
