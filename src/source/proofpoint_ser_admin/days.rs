//! The streams `usage` and `failures`: one slice is a day, read in many calls.
//!
//! Days are whole UTC days (the vendor's time zone is not documented) and are counted again for a
//! week, as temporary failures end one way or the other: hence the resweeps.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    account::Account,
    ask::{Ask, Days, Sheet},
    cursor::Cursor,
    envelope::SHORT,
    overview,
    report::{self, Place, Report},
};
use crate::{
    domain::{
        record::{Record, RelayUser},
        slice::{Interval, Stream},
    },
    fault::{Fault, Kind},
    source::{
        Limits, Page, Query, Source,
        text::{excerpt, few},
    },
};

/// As the vendor's community asks.
const PAGE_SIZE: u32 = 100;

/// The overview is what is so now: asked for with the day that has just ended, not with older ones.
const JUST_ENDED: SignedDuration = SignedDuration::from_hours(24);

pub struct DayReports(pub(super) Arc<Account>);

impl DayReports {
    /// Reads one page of one report.
    async fn page(&self, cursor: Cursor, query: &Query) -> Result<Page, Fault> {
        let days = Days::of(query.interval);
        let sheet = cursor.sheet(query.page_size);
        let ask = cursor.ask(days, query.page_size).ok_or_else(rejected)?;
        let (report, user) = (cursor.report(), cursor.user());
        let answered = match &user {
            Some(user) => match self.0.find(&ask).await? {
                Some(answered) => answered,
                None => return Ok(gone(cursor, sheet, user)),
            },
            None => self.0.ask(&ask).await?,
        };
        let mut answered = answered;
        let mut page = Page { server_time: answered.server_time, ..Page::default() };
        page.room = answered.room.take();
        let envelope = answered.open()?;
        let paged = !matches!(
            report,
            Report::TrafficSummary | Report::MessageTrend | Report::DataTrend | Report::Overview
        );
        let goes_on = if paged {
            envelope.goes_on(sheet).map_err(|oddity| answered.odd(oddity))?
        } else {
            false
        };
        let place = Place { report, days, user: user.as_ref() };
        let rows = report::read(&envelope.rows, place, &mut page.warnings);
        (page.records, page.unread) = (rows.records, rows.unread);
        page.received = envelope.rows.len() as u64;
        // What it keeps back may be what seems to be missing.
        if paged && !goes_on && envelope.is_short(sheet) {
            page.unread += 1;
            page.warnings.push(format!("{}: {SHORT}", ask.request().name()));
        }
        page.unread += u64::from(cursor.has_moved(envelope.items));
        let failing = match report {
            Report::FailingUsers => failing(&page.records, &mut page.warnings),
            _ => Vec::new(),
        };
        let end = (goes_on, envelope.items);
        let next = cursor.after(sheet, end, failing, self.0.config.failures);
        page.next = next.map(|next| next.text());
        Ok(page)
    }

    /// The licence as it is now, with the vendor's own forecast: one record a day.
    async fn overview(&self, now: Timestamp, page: &mut Page) -> Result<(), Fault> {
        let today = super::ask::day(now);
        let days = Days { first: today, last: today };
        let Some(answered) = self.0.find(&Ask::Overview).await? else {
            let name = Ask::Overview.request().name();
            page.warnings.push(format!("{name} answered 404: the licence is not told of"));
            return Ok(());
        };
        let envelope = answered.open()?;
        let place = Place { report: Report::Overview, days, user: None };
        let records = report::read(&envelope.rows, place, &mut page.warnings).records;
        page.usage = envelope.rows.first().and_then(|row| overview::read(row, now));
        page.received += records.len() as u64;
        page.records.extend(records);
        Ok(())
    }
}

/// The list of failing relay users has this one, whom the vendor does not know: removed since. What
/// its report would have had is not gone for that.
fn gone(cursor: Cursor, sheet: Sheet, user: &RelayUser) -> Page {
    let name = user.name.as_ref().unwrap_or(&user.id);
    let report = cursor.report().name();
    let warning = format!(
        "{report} of the relay user {}: the vendor knows no such relay user and the report is left \
         out",
        excerpt(name)
    );
    let next = cursor.after(sheet, (false, None), Vec::new(), true).map(|next| next.text());
    Page { next, unread: 1, warnings: vec![warning], ..Page::default() }
}

/// The reports to ask for of the relay users on a page.
fn failing(
    records: &[Record],
    warnings: &mut Vec<String>,
) -> Vec<(super::ask::UserId, Option<String>, Vec<Report>)> {
    let mut failing = Vec::new();
    for record in records {
        match (report::follow_ups(record), report::user_name(record)) {
            (Some((id, reports)), name) => failing.push((id, name, reports)),
            (None, _) => warnings.push(format!("{}: no id that can be asked for", record.id)),
        }
    }
    failing
}

fn rejected() -> Fault {
    Fault::new(Kind::PageTokenRejected, "this version cannot read where the day stood")
}

impl Source for DayReports {
    fn vendor(&self) -> &'static str {
        "proofpoint_ser_admin"
    }

    fn stream(&self) -> Stream {
        Stream::Usage
    }

    fn limits(&self) -> Limits {
        // No age limit is documented.
        Limits { retention: None, aligned: true, page_size: PAGE_SIZE }
    }

    fn whole(&self, _slice: Interval) -> &'static [Stream] {
        if self.0.config.failures { &[Stream::Usage, Stream::Failures] } else { &[Stream::Usage] }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let mut cursor = match &query.page_token {
            None => Cursor::first(),
            Some(text) => Cursor::read(text).ok_or_else(rejected)?,
        };
        // Where the day stood before somebody wrote `failures = false`.
        if !self.0.config.failures && cursor.report().stream() == Stream::Failures {
            return Ok(Page::default());
        }
        let (mut warnings, mut unread) = (Vec::new(), 0);
        loop {
            let is_last_of_usage = cursor.report() == Report::DataTrend;
            let mut page = self.page(cursor, query).await.map_err(|fault| match fault.kind {
                // A day is the shortest that can be asked for.
                Kind::TooLarge if query.page_size <= 1 => {
                    Fault::new(Kind::Refused, fault.to_string())
                }
                _ => fault,
            })?;
            let now = self.0.clock.now();
            if is_last_of_usage && now.duration_since(query.interval.end()) < JUST_ENDED {
                self.overview(now, &mut page).await?;
            }
            warnings.append(&mut page.warnings);
            unread += page.unread;
            match &page.next {
                // Reports without rows are no sign of a search that runs in circles.
                Some(next) if page.received == 0 => {
                    cursor = Cursor::read(next).ok_or_else(rejected)?;
                }
                _ => {
                    few(&mut warnings);
                    return Ok(Page { unread, warnings, ..page });
                }
            }
        }
    }

    async fn probe(&self, now: Timestamp) -> Result<String, Fault> {
        let today = super::ask::day(now);
        let days = Days { first: today, last: today };
        self.0.ask(&Ask::Overview).await?.open()?;
        let mut found = vec!["token and usage work"];
        let sheet = Sheet { number: 1, size: 1 };
        if self.0.config.failures {
            self.0.ask(&Ask::FailingUsers(days, sheet)).await?.open()?;
            found.push("failures work");
        }
        if self.0.config.relay_users {
            self.0.ask(&Ask::RelayUsers(None, sheet)).await?.open()?;
            found.push("relay users work");
        }
        Ok(found.join("; "))
    }
}
