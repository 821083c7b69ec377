//! The log export of an account, beside its search: hours are asked for when they are due, and their
//! files read line by line. Where each file is read on stands in the store.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::collector::Collector;
use crate::{
    domain::slice::Pass,
    failpoint::{self, Moment},
    fault::{Fault, Kind},
    source::{
        Source,
        cisco_etd::{
            LogExport,
            export::{
                hours::{self, Ask, Due, Hour, Truncation, truncation},
                links::{self, LogType},
            },
        },
        pace::metered,
    },
    store::{StoreError, export::Asked, slices::StreamId},
};

mod aside;
mod file;
mod standing;
mod told;
mod trouble;
mod work;

use file::{Reading, Turn};
pub(crate) use standing::Healthy;
use work::Work;

/// No more lost hours are written down.
const MOST_LOST: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What a process remembers of its reading: losing it costs a call, and reading to where it was.
#[derive(Default)]
pub(super) struct Exporting {
    work: Option<Work>,
    /// Of hours whose reading failed: the types that did not come. They may come at the next try, and
    /// what was not written is still missing.
    missing: BTreeMap<Hour, String>,
    /// Faults running.
    attempts: u32,
    not_before: Option<Timestamp>,
    refused: bool,
}

impl Exporting {
    /// Before the work is done or dropped.
    fn keep_missing(&mut self) {
        let gaps = self.work.iter().flat_map(|work| &work.gaps);
        let off = gaps.filter_map(|(hour, gap)| Some((*hour, links::gap(Some(gap), None)?)));
        self.missing.extend(off);
    }

    fn waits(&self, now: Timestamp) -> Option<Exported> {
        let until = self.not_before.filter(|until| now < *until)?;
        Some(if self.refused { Exported::Refused(until) } else { Exported::Waits(until) })
    }
}

/// What a look at the log export led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exported {
    /// Nothing is due.
    Nothing,
    /// It is further than before.
    Worked,
    /// Something is due, and cannot be had before then.
    Waits(Timestamp),
    /// The same, and only a person can help.
    Refused(Timestamp),
    /// The whole source has to wait, and knows why.
    Held,
}

/// Why a step of the work ended.
enum Trouble {
    Store(StoreError),
    Vendor(Fault),
    Held,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SpoolFull => Self::Held,
            other => Self::Store(other),
        }
    }
}

enum Step {
    Further,
    /// Lines are in the store that were not.
    Read,
    /// All is read.
    Done,
}

impl<S: Source> Collector<S> {
    /// Whether the log export has anything to be asked for or read on.
    pub(super) async fn export_is_due(&self, stream: StreamId) -> Result<bool, StoreError> {
        if self.source.log_export().is_none() || !self.clock.is_confirmed() {
            return Ok(false);
        }
        let work = self.memory.exporting.lock().await;
        let due = || self.export_due(stream, self.clock.now());
        Ok(work.work.is_some() || due()? != Due::default())
    }

    /// Reads the log export on: to its end, or until live collection is due.
    pub(super) async fn export(&self, stream: StreamId) -> Result<Exported, StoreError> {
        let Some(feed) = self.source.log_export() else { return Ok(Exported::Nothing) };
        let mut exporting = self.memory.exporting.lock().await;
        let mut exported = Exported::Nothing;
        loop {
            let now = self.clock.now();
            if let Some(waits) = exporting.waits(now) {
                return Ok(waits);
            }
            if self.has_other_work() && exported == Exported::Worked {
                return Ok(exported);
            }
            if self.stop.is_cancelled() {
                return Ok(Exported::Held);
            }
            if exporting.work.is_none() {
                exporting.work = self.next_work(stream, now).await?;
                let Exporting { work, missing, .. } = &mut *exporting;
                if let Some(work) = work {
                    let known = |hour: Hour| Some((hour, missing.get(&hour)?.clone()));
                    work.gaps.extend(work.whole.hours().filter_map(known));
                }
            }
            let Some(work) = exporting.work.as_mut() else { return Ok(exported) };
            let step = self.advance(&feed, stream, work).await;
            if step.is_ok() {
                exported = Exported::Worked;
            }
            if !matches!(step, Ok(Step::Further | Step::Read)) {
                exporting.keep_missing();
            }
            // That links come says nothing of the files: each try is a call.
            if matches!(step, Ok(Step::Read | Step::Done)) {
                exporting.attempts = 0;
            }
            match step {
                Ok(Step::Further | Step::Read) => {}
                Ok(Step::Done) => {
                    if let Some(work) = exporting.work.take() {
                        let whole = work.whole.clone();
                        self.finish(stream, work).await?;
                        exporting.missing.retain(|hour, _| !whole.hours().any(|it| it == *hour));
                    }
                }
                Err(Trouble::Store(error)) => {
                    exporting.work = None;
                    return Err(error);
                }
                Err(Trouble::Held) => return Ok(Exported::Held),
                Err(Trouble::Vendor(fault)) => {
                    let work = exporting.work.take();
                    return self.not_exported(stream, &mut exporting, work, &fault).await;
                }
            }
        }
    }

    /// What is live is due, or the process is to stop.
    fn has_other_work(&self) -> bool {
        self.stop.is_cancelled() || self.activation.is_due()
    }

    /// What is to be asked for now.
    fn export_due(&self, stream: StreamId, now: Timestamp) -> Result<Due, StoreError> {
        let known = self.store.export_hours(stream)?;
        let from = if let Some(first) = known.keys().next() {
            Hour(*first)
        } else {
            let Some(frontier) = self.store.frontier(stream)? else { return Ok(Due::default()) };
            // What was never collected is not told of, and what the export no longer has was never
            // expected of it.
            let before = |at: Timestamp| at.checked_sub(SignedDuration::from_secs(1));
            let reach = now.checked_sub(hours::RETENTION).unwrap_or(Timestamp::MIN);
            Hour::of(before(frontier.from).unwrap_or(frontier.from)).max(Hour::of(reach)).next()
        };
        let asked = |(hour, asked): (i64, Asked)| (Hour(hour), asked.at);
        let asked = known.into_iter().map(asked).collect();
        Ok(hours::due(from, &asked, &LogType::ALL, now))
    }

    async fn next_work(
        &self,
        stream: StreamId,
        now: Timestamp,
    ) -> Result<Option<Work>, StoreError> {
        let Due { asks, lost } = self.export_due(stream, now)?;
        if let Some(lost) = lost {
            let source = &self.config.name;
            warn!(%source, %lost, "the log export no longer has these hours: their changes are \
                left to the last resweep");
            let oldest = now.checked_sub(MOST_LOST).map_or(lost.start(), |at| at.max(lost.start()));
            let known = self.store.export_hours(stream)?;
            let hours = Hour::of(oldest).0..Hour::of(lost.end()).0;
            let why = "past what the log export reaches back: 30 days".to_owned();
            let hours = hours.filter(|hour| !known.contains_key(hour));
            let hours = hours.map(|hour| (hour, Some(why.clone()))).collect();
            self.store.export_asked(stream, hours, now).await?;
        }
        Ok(asks.into_iter().next().map(|ask| Work::new(ask, now)))
    }

    /// One call, one file begun, or some of its lines.
    async fn advance(
        &self,
        feed: &LogExport<'_>,
        stream: StreamId,
        work: &mut Work,
    ) -> Result<Step, Trouble> {
        if let Some(reading) = &mut work.reading {
            match self.read_lines(feed, reading).await {
                Ok(Turn::Skipped) => return Ok(Step::Further),
                Ok(turn) => {
                    (work.read, work.well) = (true, true);
                    if matches!(turn, Turn::Over) {
                        work.reading = None;
                    }
                    return Ok(Step::Read);
                }
                Err(Trouble::Vendor(fault)) if fault.kind == Kind::Refused => {
                    if let Some(Reading { log_type, link, hour, .. }) = work.reading.take() {
                        self.leave_out(work, log_type, link, hour, &fault);
                    }
                }
                Err(Trouble::Vendor(fault)) if fault.kind == Kind::PageTokenRejected => {
                    if let Some(Reading { log_type, link, .. }) = work.reading.take() {
                        work.set_aside(log_type, link, fault)?;
                    }
                }
                Err(trouble) => {
                    // What was read is perhaps not in the store, which knows where to go on.
                    if let Some(Reading { log_type, link, .. }) = work.reading.take() {
                        work.files.push_front((log_type, link));
                    }
                    return Err(trouble);
                }
            }
            work.reading = None;
            return Ok(Step::Further);
        }
        if let Some((log_type, link)) = work.files.pop_front() {
            let hour = link.hour.unwrap_or(work.whole.first);
            match self.open_file(feed, stream, log_type, &link, hour).await {
                Ok(None) => work.done = Some(link),
                Ok(reading) => work.reading = reading,
                Err(Trouble::Vendor(fault)) if fault.kind == Kind::Refused => {
                    self.leave_out(work, log_type, link, hour, &fault);
                }
                Err(Trouble::Vendor(fault)) if fault.kind == Kind::PageTokenRejected => {
                    work.set_aside(log_type, link, fault)?;
                }
                Err(trouble) => return Err(trouble),
            }
            return Ok(Step::Further);
        }
        if !work.aside.is_empty() {
            return self.settle_aside(feed, work).await.map(|()| Step::Further);
        }
        let Some(ask) = work.asks.pop_front() else { return Ok(Step::Done) };
        let asked = self.ask(feed, work, ask.clone()).await;
        if asked.is_err() {
            work.asks.push_front(ask);
        }
        asked.map(|()| Step::Further)
    }

    /// Asks for links: one call.
    async fn ask(&self, feed: &LogExport<'_>, work: &mut Work, ask: Ask) -> Result<(), Trouble> {
        if self.spent(Pass::Live, self.clock.now()).await? {
            return Err(Trouble::Held);
        }
        let flight = self.memory.spending.fly();
        failpoint::pass(failpoint::FETCH, Moment::Before).await;
        let (answer, taken) = metered(feed.links(&ask)).await;
        failpoint::pass(failpoint::FETCH, Moment::After).await;
        let calls = self.bill(Pass::Live, taken.calls, self.clock.now());
        self.store.count_calls(calls).await?;
        drop(flight);
        let links::Links { mut of, received, warnings } = answer.map_err(Trouble::Vendor)?;
        for warning in &warnings {
            warn!(source = %self.config.name, "{warning}");
        }
        let off: Vec<LogType> = ask.types.iter().copied().filter(|t| !of.contains_key(t)).collect();
        if !off.is_empty() {
            let why = links::switched_off(&off);
            work.gap(ask.hours(), off[0], &why);
            work.off = Some(why);
        }
        for (log_type, count) in received {
            match truncation(&ask, log_type, count) {
                Truncation::Whole => {}
                Truncation::Narrower(asks) => {
                    work.asks.extend(asks);
                    of.remove(&log_type);
                }
                Truncation::Gap(_, why) => {
                    warn!(source = %self.config.name, "{why}");
                    work.gap([ask.first], log_type, &why);
                }
            }
        }
        let files = of
            .into_iter()
            .flat_map(|(log_type, links)| links.into_iter().map(move |link| (log_type, link)));
        work.files = files.collect();
        (work.asked, work.read) = (Some(ask), false);
        Ok(())
    }

    /// Writes down that the hours were asked for.
    async fn finish(&self, stream: StreamId, mut work: Work) -> Result<(), StoreError> {
        let now = self.clock.now();
        for hour in work.whole.hours() {
            let files = self.store.export_files(stream, hour.0)?;
            let left_out: u64 = files.values().map(|position| position.left_out).sum();
            if left_out > 0 {
                let why = format!("lines of the log export that are none, or too long: {left_out}");
                work.gap([hour], LogType::Message, &why);
            }
        }
        let known = self.store.export_hours(stream)?;
        let gap = |hour: Hour| {
            let before = known.get(&hour.0).and_then(|asked| asked.gap.as_deref());
            (hour.0, links::gap(before, work.gaps.remove(&hour)))
        };
        let hours = work.whole.hours().map(gap).collect();
        self.store.export_asked(stream, hours, work.began).await?;
        self.store.tell_export_trouble(stream, work.off, now).await?;
        info!(source = %self.config.name, from = %work.whole.first, to = %work.whole.end,
            "the log export was read");
        Ok(())
    }
}
