//! What a vendor allows, and how near a client came to it. Pure: the time is an argument.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A vendor's limits; all off by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A token bucket: so many calls a second, so many at once.
    pub per_second: Option<Rate>,
    /// At most so many calls in any 60 seconds.
    pub per_minute: Option<u32>,
    /// At most so many calls in a UTC day.
    pub per_day: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub rate: f64,
    pub burst: u32,
}

/// Why a call was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    Rate,
    Quota,
}

pub(super) struct Limiter {
    limits: Limits,
    tokens: f64,
    refilled: Option<Timestamp>,
    /// The admitted calls of the last minute: second-exact is not enough, so by millisecond.
    admitted: Window,
    /// All calls of the last minute, for `most_in_a_minute`.
    seen: Window,
    most: u64,
    day: i64,
    in_day: u32,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        let tokens = limits.per_second.map_or(0.0, |rate| f64::from(rate.burst));
        let (admitted, seen) = (Window::default(), Window::default());
        Self { limits, tokens, refilled: None, admitted, seen, most: 0, day: 0, in_day: 0 }
    }

    /// Counts a call and says whether the vendor turns it away. What is turned away costs nothing.
    pub(super) fn call(&mut self, now: Timestamp) -> Option<Breach> {
        self.seen.add(now);
        self.most = self.most.max(self.seen.total);
        let day = now.as_second().div_euclid(86_400);
        if day != self.day {
            (self.day, self.in_day) = (day, 0);
        }
        if self.limits.per_day.is_some_and(|most| self.in_day >= most) {
            return Some(Breach::Quota);
        }
        self.admitted.expire(now);
        if self.limits.per_minute.is_some_and(|most| self.admitted.total >= u64::from(most)) {
            return Some(Breach::Rate);
        }
        if let Some(Rate { rate, burst }) = self.limits.per_second {
            let since = self.refilled.map_or(0.0, |last| now.duration_since(last).as_secs_f64());
            self.tokens = (self.tokens + since.max(0.0) * rate).min(f64::from(burst));
            self.refilled = Some(now);
            if self.tokens < 1.0 {
                return Some(Breach::Rate);
            }
            self.tokens -= 1.0;
        }
        self.admitted.add(now);
        self.in_day += 1;
        None
    }

    pub(super) fn most_in_a_minute(&self) -> u64 {
        self.most
    }

    pub(super) fn in_day(&self) -> u32 {
        self.in_day
    }
}

/// Calls of the last 60 seconds, those of one millisecond together.
#[derive(Default)]
struct Window {
    calls: VecDeque<(i64, u64)>,
    total: u64,
}

impl Window {
    fn add(&mut self, now: Timestamp) {
        self.expire(now);
        let now = now.as_millisecond();
        match self.calls.back_mut() {
            Some((at, calls)) if *at >= now => *calls += 1,
            _ => self.calls.push_back((now, 1)),
        }
        self.total += 1;
    }

    fn expire(&mut self, now: Timestamp) {
        let minute = i64::try_from(Duration::from_secs(60).as_millis()).unwrap_or(60_000);
        let oldest = now.as_millisecond() - minute;
        while let Some((at, calls)) = self.calls.front() {
            if *at > oldest {
                break;
            }
            self.total -= calls;
            self.calls.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_bucket_allows_its_burst_then_its_rate() {
        let rate = Rate { rate: 2.0, burst: 4 };
        let mut limiter = Limiter::new(Limits { per_second: Some(rate), ..Limits::default() });
        let admitted = |limiter: &mut Limiter, millis: i64, calls: usize| {
            (0..calls).filter(|_| limiter.call(at(millis)).is_none()).count()
        };
        assert_eq!(admitted(&mut limiter, 0, 10), 4);
        assert_eq!(admitted(&mut limiter, 1_000, 10), 2);
        assert_eq!(admitted(&mut limiter, 1_499, 10), 0);
        assert_eq!(admitted(&mut limiter, 61_000, 10), 4);
        assert_eq!(limiter.most_in_a_minute(), 30);
    }

    #[test]
    fn a_minute_slides() {
        let mut limiter = Limiter::new(Limits { per_minute: Some(2), ..Limits::default() });
        let calls = [(0, None), (30_000, None), (59_999, Some(Breach::Rate)), (60_000, None)];
        for (millis, breach) in calls {
            assert_eq!(limiter.call(at(millis)), breach, "{millis}");
        }
    }

    #[test]
    fn a_quota_lasts_until_midnight() {
        let mut limiter = Limiter::new(Limits { per_day: Some(1), ..Limits::default() });
        let evening: Timestamp = "2026-11-20T23:59:59Z".parse().unwrap();
        assert_eq!(limiter.call(evening), None);
        assert_eq!(limiter.call(evening), Some(Breach::Quota));
        assert_eq!(limiter.call("2026-11-21T00:00:00Z".parse().unwrap()), None);
    }
}
