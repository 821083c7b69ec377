//! Which of several endpoints is next. Pure: time is an argument.

use std::time::Duration;

use jiff::Timestamp;

/// How long an endpoint that failed is left alone while another may work.
const REST: Duration = Duration::from_secs(30);

/// Sticks to the endpoint that works; moves on when it fails. One that failed is tried again once
/// it has rested, or at once where all have failed.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    current: usize,
    /// By endpoint: it failed and rests until then.
    rests: Vec<Option<Timestamp>>,
}

impl Endpoints {
    pub(super) fn new(count: usize) -> Self {
        Self { current: 0, rests: vec![None; count] }
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn worked(&mut self, endpoint: usize) {
        self.rests[endpoint] = None;
    }

    /// True where another endpoint is next now. Of several batches that fail together at one
    /// endpoint, only the first moves on.
    pub(super) fn failed(&mut self, endpoint: usize, now: Timestamp) -> bool {
        self.rests[endpoint] = Some(now.checked_add(REST).unwrap_or(Timestamp::MAX));
        if endpoint != self.current {
            return false;
        }
        let count = self.rests.len();
        let others = (1..count).map(|step| (endpoint + step) % count);
        // None sorts before Some: first those that have not failed, then the longest rested.
        let next = others.min_by_key(|at| self.rests[*at].filter(|until| *until > now));
        match next {
            Some(next) => {
                self.current = next;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn the_one_that_works_is_kept() {
        let mut endpoints = Endpoints::new(3);
        assert!(endpoints.failed(0, at(0)));
        for _ in 0..10 {
            endpoints.worked(1);
            assert_eq!(endpoints.current(), 1);
        }
    }

    #[test]
    fn a_failed_one_rests_while_another_may_work() {
        let mut endpoints = Endpoints::new(3);
        endpoints.failed(0, at(0));
        endpoints.failed(1, at(1));
        assert_eq!(endpoints.current(), 2);
        endpoints.failed(2, at(2));
        assert_eq!(endpoints.current(), 0, "all failed: the longest rested is next");
        endpoints.failed(0, at(3));
        assert_eq!(endpoints.current(), 1);
    }

    #[test]
    fn a_rested_one_is_as_good_as_new() {
        let mut endpoints = Endpoints::new(2);
        endpoints.failed(0, at(0));
        endpoints.failed(1, at(40));
        assert_eq!(endpoints.current(), 0);
    }

    #[test]
    fn batches_that_fail_together_move_on_once() {
        let mut endpoints = Endpoints::new(3);
        assert!(endpoints.failed(0, at(0)));
        assert!(!endpoints.failed(0, at(0)));
        assert_eq!(endpoints.current(), 1);
    }

    #[test]
    fn a_single_endpoint_stays() {
        let mut endpoints = Endpoints::new(1);
        assert!(!endpoints.failed(0, at(0)));
        assert_eq!(endpoints.current(), 0);
    }
}
