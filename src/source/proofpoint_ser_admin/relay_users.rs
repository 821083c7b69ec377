//! The stream `relay_users`: a snapshot in slices of an hour. In the first hour of a day all of them
//! are read, in the others those that were changed on the hour's day: the API filters by days.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    account::Account,
    ask::{Ask, Days, Sheet, UserId},
    envelope::SHORT,
    relay_user,
};
use crate::{
    domain::slice::{Interval, Stream},
    fault::{Fault, Kind},
    source::{
        Limits, Page, Query, Source,
        text::{excerpt, few},
    },
};

/// Of each row the details are asked for, too: so many calls are lost at most where a fetch is cut
/// off.
const PAGE_SIZE: u32 = 25;

pub struct RelayUsers(pub(super) Arc<Account>);

/// What is asked for in a slice: all, or what was changed.
fn updated(slice: Interval) -> Option<Days> {
    let is_first_of_day = slice.start().as_second().rem_euclid(86_400) == 0;
    (!is_first_of_day).then(|| Days::of(slice))
}

/// Where the list stands: rows that were read, and how many there were, `25/60`.
fn position(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('/') {
        Some((read, total)) => Some((read.parse().ok()?, Some(total.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// What is found of a row's relay user.
enum Found {
    Details(Option<Box<RawValue>>),
    /// It was in the list, and is no longer.
    Removed,
}

impl RelayUsers {
    /// Reads a row's details. Where there are none, the list says whether the relay user was removed
    /// meanwhile: its row alone would be told as a change of all that it lacks.
    async fn details(&self, id: &UserId) -> Result<Found, Fault> {
        if let Some(answered) = self.0.find(&Ask::RelayUser(id.clone())).await? {
            let envelope = answered.open()?;
            return Ok(Found::Details(envelope.rows.first().map(|row| (*row).to_owned())));
        }
        let listed = self.0.ask(&Ask::ListedRelayUser(id.clone())).await?;
        let is_removed = listed.open()?.rows.is_empty();
        Ok(if is_removed { Found::Removed } else { Found::Details(None) })
    }
}

impl Source for RelayUsers {
    fn vendor(&self) -> &'static str {
        "proofpoint_ser_admin"
    }

    fn stream(&self) -> Stream {
        Stream::RelayUsers
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: true, page_size: PAGE_SIZE }
    }

    fn whole(&self, slice: Interval) -> &'static [Stream] {
        if updated(slice).is_none() { &[Stream::RelayUsers] } else { &[] }
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let (skip, total) = match &query.page_token {
            None => (0, None),
            Some(text) => position(text).ok_or_else(|| {
                Fault::new(Kind::PageTokenRejected, "this version cannot read where the list stood")
            })?,
        };
        let size = query.page_size.max(1);
        let sheet = Sheet { number: skip / u64::from(size) + 1, size };
        let list = self.0.ask(&Ask::RelayUsers(updated(query.interval), sheet)).await?;
        let mut page = Page { server_time: list.server_time, ..Page::default() };
        let envelope = list.open()?;
        let goes_on = envelope.goes_on(sheet).map_err(|oddity| list.odd(oddity))?;
        page.received = envelope.rows.len() as u64;
        // What it keeps back may be what seems to be missing.
        if !goes_on && envelope.is_short(sheet) {
            page.unread += 1;
            page.warnings.push(format!("relay users: {SHORT}"));
        }
        // Who came or went meanwhile has moved others, and one may have been skipped.
        page.unread += u64::from(total.zip(envelope.items).is_some_and(|(was, is)| was != is));
        for row in &envelope.rows {
            let details = match relay_user::id(row) {
                Some(id) => match self.details(&id).await? {
                    Found::Details(details) => details,
                    Found::Removed => {
                        page.warnings.push(format!("the relay user {id} was removed meanwhile"));
                        continue;
                    }
                },
                None => None,
            };
            if let Some(record) = relay_user::read(row, details.as_deref(), &mut page.warnings) {
                page.records.push(record);
            } else {
                let text = excerpt(row.get());
                page.unread += 1;
                page.warnings.push(format!("not a relay user and not collected: {text}"));
            }
        }
        let read = sheet.number * u64::from(size);
        let items = envelope.items.map(|items| format!("/{items}")).unwrap_or_default();
        page.next = goes_on.then(|| format!("{read}{items}"));
        few(&mut page.warnings);
        Ok(page)
    }

    async fn probe(&self, _now: Timestamp) -> Result<String, Fault> {
        self.0.ask(&Ask::RelayUsers(None, Sheet { number: 1, size: 1 })).await?.open()?;
        Ok("token and relay users work".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::at;

    #[test]
    fn all_are_read_once_a_day_and_what_changed_in_the_other_hours() {
        let slice = |from: &str, to: &str| Interval::new(at(from), at(to)).unwrap();
        assert_eq!(updated(slice("2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z")), None);
        let last = updated(slice("2026-11-20T23:00:00Z", "2026-11-21T00:00:00Z")).unwrap();
        assert_eq!((last.first, last.last), (last.last, "2026-11-20".parse().unwrap()));
    }
}
