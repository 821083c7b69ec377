//! Slices: half-open UTC intervals of one stream that are fetched as a unit.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One kind of record of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// ETD messages.
    Messages,
    /// ETD's log of what was done in the console.
    Audit,
    /// SER application-user rows of a window.
    Summary,
    /// SER licence and throughput.
    Entitlement,
    /// The SER Admin API's reports of a day on what was sent.
    Usage,
    /// The SER Admin API's reports of a day on what was not delivered.
    Failures,
    /// The SER Admin API's relay users, as they are configured.
    RelayUsers,
    /// The collector's own state.
    Health,
}

impl Stream {
    pub const ALL: [Self; 8] = [
        Self::Messages,
        Self::Audit,
        Self::Summary,
        Self::Entitlement,
        Self::Usage,
        Self::Failures,
        Self::RelayUsers,
        Self::Health,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Audit => "audit",
            Self::Summary => "summary",
            Self::Entitlement => "entitlement",
            Self::Usage => "usage",
            Self::Failures => "failures",
            Self::RelayUsers => "relay_users",
            Self::Health => "health",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.as_str() == text)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a slice is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    Live,
    /// Looking for changes.
    Resweep,
    /// Asked for on the command line.
    Backfill,
}

impl Pass {
    /// In the order in which they may spend calls.
    pub const IN_ORDER: [Self; 3] = [Self::Live, Self::Resweep, Self::Backfill];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Resweep => "resweep",
            Self::Backfill => "backfill",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::IN_ORDER.into_iter().find(|pass| pass.as_str() == text)
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A half-open interval `[start, end)`; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

impl Interval {
    /// `None` where the interval would be empty or reversed.
    pub fn new(start: Timestamp, end: Timestamp) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    pub fn start(self) -> Timestamp {
        self.start
    }

    pub fn end(self) -> Timestamp {
        self.end
    }

    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// The two halves, cut at a whole second where possible; `None` below two milliseconds.
    pub fn halves(self) -> Option<(Self, Self)> {
        let (start, end) = (self.start.as_millisecond(), self.end.as_millisecond());
        let mut middle = start + (end - start) / 2;
        let whole = middle - middle.rem_euclid(1000);
        if whole > start {
            middle = whole;
        }
        let middle = Timestamp::from_millisecond(middle).ok()?;
        Some((Self::new(self.start, middle)?, Self::new(middle, self.end)?))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_empty_interval_cannot_be_made() {
        let now = at("2026-11-20T08:00:00Z");
        assert_eq!(Interval::new(now, now), None);
    }

    #[test]
    fn halves_tile_the_whole_down_to_a_millisecond() {
        let mut interval =
            Interval::new(at("2026-11-20T08:00:00Z"), at("2026-11-20T09:00:00Z")).unwrap();
        while let Some((left, right)) = interval.halves() {
            assert_eq!((left.start, right.end), (interval.start, interval.end));
            assert_eq!(left.end, right.start);
            interval = right;
        }
        let left = interval.end.as_millisecond() - interval.start.as_millisecond();
        assert_eq!(left, 1);
    }
}
