//! Where a day's slice stands between two pages: pure.
//!
//! First the reports of the whole account, then the relay users that failed, page by page, and
//! after each such page the reports of those on it. The collector keeps the cursor's text with each
//! page, so that a fetch goes on where it was cut off.

use serde::{Deserialize, Serialize};

use super::{
    ask::{Ask, Days, Sheet, UserId},
    report::Report,
};
use crate::domain::record::RelayUser;

/// Where a day stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// What is read now.
    at: Step,
    /// Rows of it that earlier pages had: whatever the next page's size is, it begins there.
    #[serde(default, skip_serializing_if = "is_zero")]
    skip: u64,
    /// How many rows it has, as its earlier pages counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Rows of the list of failing relay users that were read, while `at` is one of its reports;
    /// none where the list has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<u64>,
    /// How many rows that list has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_total: Option<u64>,
    /// Reports still to be read before the list goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    todo: Vec<Step>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    #[serde(rename = "traffic")]
    TrafficSummary,
    #[serde(rename = "messages")]
    MessageTrend,
    #[serde(rename = "data")]
    DataTrend,
    #[serde(rename = "users")]
    FailingUsers,
    #[serde(rename = "recipients")]
    Recipients(Of),
    #[serde(rename = "violations")]
    Violations(Of),
    #[serde(rename = "filtered")]
    Filtered(Of),
}

/// Whose report: id, and the name that its rows' events tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Of(String, #[serde(default, skip_serializing_if = "Option::is_none")] Option<String>);

impl Cursor {
    /// A day's beginning.
    pub(super) fn first() -> Self {
        Self::at(Step::TrafficSummary)
    }

    fn at(at: Step) -> Self {
        Self { at, skip: 0, total: None, list: None, list_total: None, todo: Vec::new() }
    }

    /// What [`Cursor::text`] wrote; `None` for what it did not.
    pub(super) fn read(text: &str) -> Option<Self> {
        let cursor: Self = serde_json::from_str(text).ok()?;
        let sound = |step: &Step| step.user().is_none_or(|of| UserId::new(&of.0).is_some());
        let all = sound(&cursor.at) && cursor.todo.iter().all(sound);
        all.then_some(cursor)
    }

    pub(super) fn text(&self) -> String {
        // Numbers and texts can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn report(&self) -> Report {
        self.at.report()
    }

    /// Of whom the report is.
    pub(super) fn user(&self) -> Option<RelayUser> {
        self.at.user().map(|Of(id, name)| RelayUser { id: id.clone(), name: name.clone() })
    }

    /// Whether a page that counts so many rows tells that rows came or went since the pages before:
    /// then others have moved, and one may have been skipped.
    pub(super) fn has_moved(&self, total: Option<u64>) -> bool {
        self.total.zip(total).is_some_and(|(before, now)| before != now)
    }

    /// The page that begins where the last one ended, or before: rows that come twice are known.
    pub(super) fn sheet(&self, size: u32) -> Sheet {
        let size = size.max(1);
        Sheet { number: self.skip / u64::from(size) + 1, size }
    }

    /// What to ask next; `None` where an id is none, which [`Cursor::read`] refuses.
    pub(super) fn ask(&self, days: Days, size: u32) -> Option<Ask> {
        let sheet = self.sheet(size);
        let of = |of: &Of| UserId::new(&of.0);
        Some(match &self.at {
            Step::TrafficSummary => Ask::TrafficSummary(days),
            Step::MessageTrend => Ask::MessageTrend(days),
            Step::DataTrend => Ask::DataTrend(days),
            Step::FailingUsers => Ask::FailingUsers(days, sheet),
            Step::Recipients(user) => Ask::Recipients(of(user)?, days, sheet),
            Step::Violations(user) => Ask::Violations(of(user)?, days, sheet),
            Step::Filtered(user) => Ask::Filtered(of(user)?, days, sheet),
        })
    }

    /// Where the day stands after this page, which `goes_on` with another or not, of a report with
    /// so many rows in `total`; `failing` are the relay users on it with the reports to read of each.
    /// `None` ends the day. Without `failures` the reports of the whole account are all.
    pub(super) fn after(
        mut self,
        sheet: Sheet,
        (goes_on, total): (bool, Option<u64>),
        failing: Vec<(UserId, Option<String>, Vec<Report>)>,
        failures: bool,
    ) -> Option<Self> {
        let read = sheet.number.saturating_mul(u64::from(sheet.size));
        let at = |step| Some(Self::at(step));
        match self.at {
            Step::TrafficSummary => return at(Step::MessageTrend),
            Step::MessageTrend => return at(Step::DataTrend),
            Step::DataTrend => return if failures { at(Step::FailingUsers) } else { None },
            Step::FailingUsers => {
                self.list = goes_on.then_some(read);
                self.list_total = total;
                self.todo = failing.into_iter().flat_map(steps).collect();
                // Taken from the end.
                self.todo.reverse();
            }
            _ if goes_on => return Some(Self { skip: read, total, ..self }),
            _ => {}
        }
        match (self.todo.pop(), self.list) {
            (Some(step), _) => Some(Self { at: step, skip: 0, total: None, ..self }),
            (None, Some(skip)) => {
                Some(Self { skip, total: self.list_total, ..Self::at(Step::FailingUsers) })
            }
            (None, None) => None,
        }
    }
}

fn steps((id, name, reports): (UserId, Option<String>, Vec<Report>)) -> Vec<Step> {
    let of = || Of(id.as_str().to_owned(), name.clone());
    let step = |report| match report {
        Report::Recipients => Some(Step::Recipients(of())),
        Report::Violations => Some(Step::Violations(of())),
        Report::Filtered => Some(Step::Filtered(of())),
        _ => None,
    };
    reports.into_iter().filter_map(step).collect()
}

impl Step {
    fn report(&self) -> Report {
        match self {
            Self::TrafficSummary => Report::TrafficSummary,
            Self::MessageTrend => Report::MessageTrend,
            Self::DataTrend => Report::DataTrend,
            Self::FailingUsers => Report::FailingUsers,
            Self::Recipients(_) => Report::Recipients,
            Self::Violations(_) => Report::Violations,
            Self::Filtered(_) => Report::Filtered,
        }
    }

    fn user(&self) -> Option<&Of> {
        match self {
            Self::Recipients(of) | Self::Violations(of) | Self::Filtered(of) => Some(of),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(id: &str, reports: &[Report]) -> (UserId, Option<String>, Vec<Report>) {
        (UserId::new(id).unwrap(), Some("n".to_owned()), reports.to_vec())
    }

    /// Walks a day in which each page of a report in `long` has a successor once.
    fn walk(size: u32) -> Vec<String> {
        let (mut seen, mut cursor) = (Vec::new(), Some(Cursor::first()));
        while let Some(now) = cursor {
            let now = Cursor::read(&now.text()).unwrap();
            let sheet = now.sheet(size);
            let user = now.user().map(|user| user.id).unwrap_or_default();
            seen.push(format!("{} {user} {}", now.report().name(), sheet.number));
            // What a page counts is compared with the same report's pages before.
            let is_later = sheet.number > 1;
            assert_eq!((now.has_moved(Some(8)), now.has_moved(Some(9))), (is_later, false));
            let both = [Report::Recipients, Report::Filtered];
            let users = match (now.report(), sheet.number) {
                (Report::FailingUsers, 1) => vec![failing("u-1", &both), failing("u-2", &[])],
                (Report::FailingUsers, _) => vec![failing("u-3", &both[1..])],
                _ => Vec::new(),
            };
            let long = matches!(now.report(), Report::FailingUsers | Report::Recipients);
            cursor = now.after(sheet, (long && sheet.number == 1, Some(9)), users, true);
        }
        seen
    }

    #[test]
    fn each_report_is_read_once_and_to_its_end() {
        let expected = [
            "traffic_summary  1",
            "message_trend  1",
            "data_trend  1",
            "relay_user  1",
            "delivery_failures u-1 1",
            "delivery_failures u-1 2",
            "message_filtering u-1 1",
            "relay_user  2",
            "message_filtering u-3 1",
        ];
        assert_eq!(walk(100), expected);
        assert_eq!(walk(1), expected);
    }

    #[test]
    fn a_smaller_page_begins_where_the_last_one_ended_or_before() {
        let list = Cursor { at: Step::FailingUsers, ..Cursor::first() };
        let second =
            list.after(Sheet { number: 1, size: 100 }, (true, None), Vec::new(), true).unwrap();
        assert_eq!(second.sheet(100).number, 2);
        assert_eq!(second.sheet(50).number, 3);
        assert_eq!(second.sheet(12).number, 9, "rows 97 to 108");
    }

    #[test]
    fn without_failures_the_day_is_three_calls() {
        let mut cursor = Cursor::first();
        let mut calls = 1;
        let end = (false, None);
        while let Some(next) = cursor.after(Sheet { number: 1, size: 9 }, end, vec![], false) {
            (cursor, calls) = (next, calls + 1);
        }
        assert_eq!(calls, 3);
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        for text in ["", "7", "{}", r#"{"at":"writes"}"#, r#"{"at":{"filtered":["../tags"]}}"#] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }
}
