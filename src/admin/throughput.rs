//! Events a minute of each sink in the last hour. Kept in memory: it is for a drawing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

/// Minutes that are kept.
const MINUTES: usize = 60;

/// What each sink had delivered, a minute apart, oldest first.
#[derive(Debug, Default)]
pub(super) struct Throughput(Mutex<VecDeque<BTreeMap<String, u64>>>);

impl Throughput {
    /// To be called each minute.
    pub(super) fn note(&self, delivered: BTreeMap<String, u64>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(delivered);
        while kept.len() > MINUTES + 1 {
            kept.pop_front();
        }
    }

    pub(super) fn rates(&self) -> Rates {
        Rates(self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect())
    }
}

/// A copy, to be drawn.
pub(super) struct Rates(Vec<BTreeMap<String, u64>>);

impl Rates {
    /// Events of each minute, oldest first.
    pub(super) fn of(&self, sink: &str) -> Vec<u64> {
        let counts: Vec<u64> = self.0.iter().filter_map(|at| at.get(sink).copied()).collect();
        counts.windows(2).map(|two| two[1].saturating_sub(two[0])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences() {
        let at = |count: u64| BTreeMap::from([("splunk".to_owned(), count)]);
        let rates = Rates(vec![at(100), at(160), at(160), BTreeMap::new(), at(20)]);
        assert_eq!(rates.of("splunk"), [60, 0, 0], "a sink that began anew delivered nothing less");
        assert!(rates.of("other").is_empty());
    }
}
