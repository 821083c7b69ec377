//! Where the ledger keeps a day: one of a fixed set of tables, so that a day that nobody needs any
//! more is forgotten by emptying its tables. See docs/adr/0023.

use std::fmt;

/// A pair of tables, `ledger_07` and `ledger_block_07`. Days that are 16 apart share one, which is
/// right in any case and fast as long as the ledger holds fewer days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition(u8);

const DAYS: u8 = 16;

impl Partition {
    /// Of hour 0, where stands what never ages: elsewhere it would keep its day from being emptied.
    pub(super) const UNDATED: Self = Self(DAYS);

    pub(super) fn of(hour: i64) -> Self {
        if hour == 0 {
            return Self::UNDATED;
        }
        u8::try_from(hour.div_euclid(24).rem_euclid(i64::from(DAYS))).map_or(Self::UNDATED, Self)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=DAYS).map(Self)
    }
}

/// The end of its tables' names.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}
