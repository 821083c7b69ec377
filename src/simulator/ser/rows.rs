//! What the relay counted: a function of seed, user, hour and the hour's age.

use std::{collections::BTreeMap, sync::RwLock};

use jiff::Timestamp;
use serde::Serialize;

use crate::simulator::dice::{Dice, mix};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A row of the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowTruth {
    pub application_name: String,
    pub application_user_name: String,
    pub from_envelope: String,
    pub from_header: String,
    pub success: u64,
    pub failure: u64,
    pub temp_failure: u64,
    pub partial_success: u64,
    pub in_progress: u64,
    pub total: u64,
    pub recipients_total: u64,
    pub message_size_total: u64,
    pub delivered_size_total: u64,
    /// Which user it is, whatever its name.
    #[serde(skip)]
    pub number: u32,
    /// A counter that is not told this time.
    #[serde(skip)]
    pub missing: Option<&'static str>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    success: u64,
    failure: u64,
    temporary: u64,
    partial: u64,
    progress: u64,
    recipients: u64,
}

/// The relay of one customer.
pub(crate) struct Relay {
    seed: u64,
    users: u32,
    odd: bool,
    renamed: RwLock<BTreeMap<u32, Option<String>>>,
}

const APPLICATIONS: &[&str] = &["ServiceNow", "SAP", "Other", "Salesforce", "Workday", "Zendesk"];

impl Relay {
    pub(super) fn new(seed: u64, users: u32, odd: bool) -> Self {
        Self { seed: mix(seed, 0x5E4), users, odd, renamed: RwLock::default() }
    }

    /// Gives a user another name in all windows, or with `None` takes it out of them.
    pub(crate) fn rename(&self, user: u32, name: Option<String>) -> bool {
        let mut renamed = self.renamed.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        renamed.insert(user, name);
        user < self.users
    }

    /// The rows of the window [start, end) as the vendor tells them at `now`.
    pub(crate) fn rows(&self, [start, end]: [Timestamp; 2], now: Timestamp) -> Vec<RowTruth> {
        let now = now.as_millisecond();
        let (start, end) = (start.as_millisecond(), end.as_millisecond().min(now));
        let mut rows = Vec::new();
        for user in 0..self.users {
            let Some(row) = self.row(user, start, end, now) else { continue };
            if self.odd {
                self.odd_rows(user, row, start, (now - end) / HOUR, &mut rows);
            } else {
                rows.push(row);
            }
        }
        rows
    }

    /// What a window's row becomes as it ages: it goes and comes back, another row bears the same
    /// names, a counter is not told, the total is not the sum. After a week all is told.
    fn odd_rows(&self, user: u32, row: RowTruth, start: i64, age: i64, rows: &mut Vec<RowTruth>) {
        const MISSING: [&str; 4] =
            ["success", "tempFailure", "recipientsTotal", "deliveredSizeTotal"];
        let times = [1, 6, 24, 72, 7 * 24];
        let reading = times.iter().filter(|hours| age >= **hours).count();
        let steady = mix(self.seed ^ 0x0DD, u64::from(user) ^ start.unsigned_abs());
        let mut now = Dice::new(steady, reading as u64);
        let (away, told) = (now.below(12), reading == times.len());
        if steady.is_multiple_of(6) && now.below(3) > 0 {
            let (success, temp_failure) = (7 + steady % 50, if told { 0 } else { steady % 7 });
            let total = success + temp_failure;
            let counted = RowTruth { success, failure: 0, temp_failure, total, ..row.clone() };
            rows.push(RowTruth { partial_success: 0, in_progress: 0, ..counted });
        }
        if away > 0 || told {
            let missing = (now.chance(15) && !told).then(|| now.pick(&MISSING));
            let total = row.total + u64::from(steady.is_multiple_of(10));
            rows.push(RowTruth { total, missing, ..row });
        }
    }

    /// A user's name; `None` for one that was taken out.
    pub(super) fn name(&self, user: u32) -> Option<String> {
        let renamed = self.renamed.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match renamed.get(&user) {
            Some(name) => name.clone(),
            // One name has what breaks formats, and one is not ASCII.
            None if user == 2 => Some("Printer fleet 🖨".to_owned()),
            None if user == 3 => Some("crm|campaign=1\\x".to_owned()),
            None => Some(format!("user-{user:05}")),
        }
    }

    fn row(&self, user: u32, start: i64, end: i64, now: i64) -> Option<RowTruth> {
        let name = self.name(user)?;
        let mut sum = Counts::default();
        let mut present = false;
        let mut hour = start.div_euclid(HOUR) * HOUR;
        while hour < end {
            // Counting up to both ends and subtracting makes neighbouring windows add up exactly.
            let (from, to) = ((start - hour).max(0), (end - hour).min(HOUR));
            if let Some(whole) = self.hour(user, hour, now) {
                present = true;
                let (after, before) = (whole.until(to), whole.until(from));
                // Over a moment the rounded parts may be more than the rounded whole.
                sum.success = (sum.success + after.success).saturating_sub(before.success);
                sum.failure += after.failure - before.failure;
                sum.temporary += after.temporary - before.temporary;
                sum.partial += after.partial - before.partial;
                sum.progress += after.progress - before.progress;
                sum.recipients += after.recipients - before.recipients;
            }
            hour += HOUR;
        }
        let total = sum.success + sum.failure + sum.temporary + sum.partial + sum.progress;
        let application = APPLICATIONS[usize::try_from(user).unwrap_or(0) % APPLICATIONS.len()];
        present.then(|| RowTruth {
            application_name: application.to_owned(),
            application_user_name: name,
            from_envelope: format!("app{user}.example.com"),
            from_header: format!("noreply@app{user}.example.com"),
            success: sum.success,
            failure: sum.failure,
            temp_failure: sum.temporary,
            partial_success: sum.partial,
            in_progress: sum.progress,
            total,
            recipients_total: sum.recipients,
            message_size_total: total * 18_432,
            delivered_size_total: sum.success * 18_944,
            number: user,
            missing: None,
        })
    }

    /// A user's messages of one hour; `None` when it sent none, and for a silent one a row of zeros.
    fn hour(&self, user: u32, hour: i64, now: i64) -> Option<Counts> {
        let mut dice = Dice::new(mix(self.seed, u64::from(user)), hour.unsigned_abs());
        match dice.below(10) {
            0 => return None,
            1 => return Some(Counts::default()),
            _ => {}
        }
        let total = 10 + dice.below(1_000);
        let failure = total / 100;
        let (progress, temporary) = (dice.below(4) + 3, dice.below(1 + total / 20));
        let partial = dice.below(2);
        let recipients = total + dice.below(total);
        let age = now - (hour + HOUR);
        let fresh = if age < HOUR { progress.min(total / 3) } else { 0 };
        // After a day half of the temporary failures are decided, after seven all of them.
        let undecided = match age {
            ..DAY => temporary,
            age if age < 7 * DAY => temporary / 2,
            _ => 0,
        };
        let failure = failure + (temporary - undecided) / 3;
        let rest = failure + undecided + partial + fresh;
        let success = total - rest;
        Some(Counts {
            success,
            failure,
            temporary: undecided,
            partial,
            progress: fresh,
            recipients,
        })
    }
}

impl Counts {
    /// What was counted until `millis` after the hour began. The total does not depend on how it
    /// is divided, so reclassification keeps it in windows of part of an hour too.
    fn until(&self, millis: i64) -> Self {
        let share = |count: u64| count * millis.max(0).unsigned_abs() / HOUR.unsigned_abs();
        let others = self.failure + self.temporary + self.partial + self.progress;
        let total = share(self.success + others);
        let (failure, temporary) = (share(self.failure), share(self.temporary));
        let (partial, progress) = (share(self.partial), share(self.progress));
        Self {
            success: total - failure - temporary - partial - progress,
            failure,
            temporary,
            partial,
            progress,
            recipients: share(self.recipients),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn reclassification_keeps_the_total() {
        let relay = Relay::new(1, 8, false);
        let window = [at("2026-11-20T08:00:00Z"), at("2026-11-20T09:00:00Z")];
        let read = |now| relay.rows(window, at(now));
        let fresh = read("2026-11-20T09:05:00Z");
        let later = read("2026-11-20T10:05:00Z");
        let day = read("2026-11-21T09:05:00Z");
        let week = read("2026-11-27T09:00:00Z");
        let sum =
            |rows: &[RowTruth], count: fn(&RowTruth) -> u64| rows.iter().map(count).sum::<u64>();
        for rows in [&later, &day, &week] {
            assert_eq!(sum(rows, |row| row.total), sum(&fresh, |row| row.total));
        }
        assert!(sum(&fresh, |row| row.in_progress) > 0);
        assert_eq!(sum(&later, |row| row.in_progress), 0);
        assert!(sum(&day, |row| row.temp_failure) < sum(&later, |row| row.temp_failure));
        assert_eq!(sum(&week, |row| row.temp_failure), 0);
    }

    #[test]
    fn neighbouring_windows_add_up() {
        let relay = Relay::new(1, 3, false);
        let now = at("2026-12-20T09:05:00Z");
        let times = ["08:00:00", "08:10:00.5", "09:00:00", "11:30:00", "14:00:00"]
            .map(|time| at(&format!("2026-11-20T{time}Z")));
        let total = |window| relay.rows(window, now).iter().map(|row| row.total).sum::<u64>();
        let parts: u64 = times.windows(2).map(|pair| total([pair[0], pair[1]])).sum();
        assert_eq!(parts, total([times[0], times[4]]));
    }
}
