//! What the SER Admin API's streams cost: a day is several reports, and more for each relay user
//! that failed; the relay users are read all once a day.

/// The traffic summary and the two trends.
const REPORTS: f64 = 3.0;
/// The overview comes with the day that has just ended.
pub(super) const OVERVIEW: u64 = 1;
/// As the collector asks for them.
const FAILING_USERS_A_PAGE: f64 = 100.0;
const RELAY_USERS_A_PAGE: u64 = 25;

/// Of each failing relay user, besides its own row, so many rows in so many reports: an
/// assumption, since only the vendor knows.
const ROWS_EACH: f64 = 3.0;
const REPORTS_EACH: f64 = 2.0;

/// The calls of a day with so many rows in all its reports.
pub(super) fn day(rows: f64, failures: bool) -> f64 {
    if !failures {
        return REPORTS;
    }
    let failing = ((rows - REPORTS) / (1.0 + ROWS_EACH)).max(0.0);
    REPORTS + (failing / FAILING_USERS_A_PAGE).ceil().max(1.0) + failing * REPORTS_EACH
}

/// Slices and calls of a day's relay users: an hour a slice, in the first all with their details.
pub(super) fn relay_users(users: u64) -> (u64, u64) {
    let (hours, pages) = (24, users.div_ceil(RELAY_USERS_A_PAGE).max(1));
    (hours, hours - 1 + pages + users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_costs_what_its_failures_do() {
        let table = [(0.0, 4.0), (3.0, 4.0), (7.0, 6.0), (403.0, 204.0), (4_003.0, 2_013.0)];
        for (rows, calls) in table {
            assert!((day(rows, true) - calls).abs() < 1e-9, "{rows}: {}", day(rows, true));
            assert!((day(rows, false) - 3.0).abs() < 1e-9);
        }
        assert_eq!(relay_users(0), (24, 24));
        assert_eq!(relay_users(12), (24, 36));
        assert_eq!(relay_users(1_000), (24, 1_063));
    }
}
