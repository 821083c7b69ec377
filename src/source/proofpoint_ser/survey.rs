//! What the licence allows and what is used of it, asked from the vendor for the licence's period:
//! what Postrider has collected may begin later, and its windows still settle.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::value::RawValue;

use super::{ProofpointSer, names, terms};
use crate::{
    domain::{
        counters::Counters,
        filter::Filter,
        fingerprint,
        record::{Facts, Record},
        slice::Interval,
        usage::Reading,
    },
    fault::Fault,
    source::{
        Page, Query, Source as _, Survey,
        text::{excerpt, is_nothing, text_or_json},
        when,
    },
};

/// What counts against the licence: bytes that SER received.
const SIZE: &str = "messageSizeTotal";

/// Where rows without an application's name are counted.
const NAMELESS: &str = "-";

/// Bytes by application.
pub(super) type Sizes = BTreeMap<String, i128>;

/// What was answered of a survey that is not done: a fault on one of its many calls must not cost
/// the others again.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<[Timestamp; 2], Sizes>>);

impl Answers {
    fn map(&self) -> MutexGuard<'_, BTreeMap<[Timestamp; 2], Sizes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProofpointSer {
    /// Some thirty calls, once a day. Everything ends at the last full hour: its messages may still
    /// be on their way, but SER has received them, and that is what counts.
    pub(super) async fn survey_at(&self, now: Timestamp) -> Result<Option<Survey>, Fault> {
        let to = when::floor(now, Unit::Hour);
        // The entitlement comes with the answer for any window: with this one most cheaply.
        let hour = Interval::new(hours_before(to, 1), to);
        let hour = hour.ok_or_else(|| Fault::refused("the clock is out of range"))?;
        let answer = self.window(hour).await?;
        let entitlements = answer.records.into_iter();
        let entitlements = entitlements.filter(|record| record.facts == Facts::Entitlement);
        let Some((record, terms)) = terms::choose(entitlements, to) else { return Ok(None) };
        let yesterday = last_day(to).map(Interval::end).max();
        self.answers.map().retain(|[_, end], _| *end == to || Some(*end) <= yesterday);

        let mut recent: Vec<(Interval, i128)> = Vec::new();
        for days in [7, 30] {
            let start = hours_before(to, days * 24);
            let start = terms.period.map_or(start, |period| start.max(period.start()));
            let Some(window) = Interval::new(start, to) else { continue };
            let bytes = match recent.last() {
                Some((same, bytes)) if *same == window => *bytes,
                _ => sum(&self.sizes(window).await?),
            };
            recent.push((window, bytes));
        }
        // After its last days, so that what is counted late can only make it larger than these.
        let period = terms.period.and_then(|period| Interval::new(period.start(), to));
        let applications = match period {
            Some(period) => self.sizes(period).await?,
            None => Sizes::new(),
        };
        if period.is_some() && recent.iter().any(|(_, bytes)| *bytes > sum(&applications)) {
            self.answers.map().clear();
            let what = "tells less for the whole licence period than for its last days";
            return Err(Fault::refused(format!("{} {what}", self.name())));
        }
        let mut hours = Vec::with_capacity(24);
        for window in last_day(to) {
            hours.push((window.start(), sum(&self.sizes(window).await?)));
        }
        self.answers.map().clear();
        let (allowed, period) = (terms.allowed, terms.period);
        let reading = Reading { allowed, period, to, applications, recent, hours };
        Ok(Some(Survey { record, reading }))
    }

    async fn window(&self, interval: Interval) -> Result<Page, Fault> {
        let narrow = Filter::default();
        self.fetch(&Query { interval, page_token: None, page_size: 1, narrow }).await
    }

    /// The bytes received in `window`.
    async fn sizes(&self, window: Interval) -> Result<Sizes, Fault> {
        let key = [window.start(), window.end()];
        if let Some(sizes) = self.answers.map().get(&key) {
            return Ok(sizes.clone());
        }
        let page = self.window(window).await?;
        let sizes = sizes(&page).map_err(|oddity| {
            // Asking again soon would give the same answer.
            Fault::refused(format!("{} answered 200, but {oddity}", self.name()))
        })?;
        self.answers.map().insert(key, sizes.clone());
        Ok(sizes)
    }
}

fn sum(sizes: &Sizes) -> i128 {
    sizes.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
}

fn hours_before(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MIN)
}

/// The hours of the last whole UTC day before `to`.
fn last_day(to: Timestamp) -> impl Iterator<Item = Interval> {
    const HOUR: i64 = 3_600;
    let midnight = to.as_second() - to.as_second().rem_euclid(24 * HOUR);
    let at = move |hour: i64| Timestamp::from_second(midnight - hour * HOUR).ok();
    (1..=24).rev().filter_map(move |hour| Interval::new(at(hour)?, at(hour - 1)?))
}

/// An answer's bytes by application. The error says why they cannot be added up: a sum that leaves
/// out a row would say that more is left of the licence than there is. Rows of one user with several
/// address pairs are all added: whether they repeat the same counters is not documented.
pub(super) fn sizes(page: &Page) -> Result<Sizes, String> {
    let (mut sizes, mut rows) = (Sizes::new(), 0_u64);
    for record in &page.records {
        let Facts::SummaryRow { counters, flags, .. } = &record.facts else { continue };
        let application = application(record);
        let Some(bytes) = size(counters, flags) else {
            return Err(format!("a row of {} has no readable {SIZE}", excerpt(&application)));
        };
        let sum = sizes.entry(application).or_default();
        *sum = sum.saturating_add(bytes);
        rows += 1;
    }
    if rows < page.received {
        return Err(format!("{} of its rows cannot be read", page.received - rows));
    }
    Ok(sizes)
}

/// A row's bytes. One that counts nothing at all and has nothing unreadable needs none.
fn size(counters: &Counters, flags: &[String]) -> Option<i128> {
    let given = counters.status.get(SIZE).copied();
    given.or_else(|| {
        let silent = counters.status.values().all(|count| *count == 0);
        let whole = !flags.iter().any(|flag| flag.starts_with("unreadable:status"));
        (silent && whole).then_some(0)
    })
}

fn application(record: &Record) -> String {
    let row: Option<&RawValue> = serde_json::from_str(&record.json).ok();
    let members = row.and_then(fingerprint::object).unwrap_or_default();
    let named = members.iter().find(|(name, _)| names::same(name, "applicationName"));
    let name = named.map(|(_, value)| *value).filter(|value| !is_nothing(value)).map(text_or_json);
    name.map_or_else(|| NAMELESS.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
