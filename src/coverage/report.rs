//! What `coverage` and `/api/v1/coverage` tell.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::{
    Piece, Round, State,
    account::{self, Account},
    export::{self, ExportReport},
};
use crate::{
    collect::{
        budget::{self, Expected, Held},
        plan,
    },
    config::{self, Config, Vendor, units},
    domain::{
        filter::Filter,
        name::SourceName,
        slice::{Interval, Pass, Stream},
    },
    store::{
        Store, StoreError,
        conditions::Party,
        coverage::{Counts, Recorded, Request},
        reconciliation::{Count, Reconciled, Verdict},
    },
};

/// Shown where nobody says which range.
const SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What was collected, what is missing, and why.
#[derive(Debug, Serialize)]
pub struct Report {
    pub at: Timestamp,
    /// Intervals and gaps are listed that touch this range; seconds and counts are over all.
    pub shown: Span,
    pub sources: Vec<StreamReport>,
}

/// A stream of a source.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    pub source: SourceName,
    pub stream: &'static str,
    pub passes: Vec<PassReport>,
    /// What neither live collection nor a backfill has.
    pub missing_seconds: Seconds,
    /// The same by state, for metrics. Each pass tells its own.
    #[serde(skip)]
    pub missing_by_state: [(State, Seconds); 4],
    pub missing: Vec<Gap>,
    /// Backfills that were asked for.
    pub backfills: Vec<Backfill>,
    pub reconciliation: Vec<Compared>,
    /// Of an account whose log export is read, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_export: Option<ExportReport>,
}

/// A pass, or the resweeps of one age. The seconds of the five states add up to what was asked.
#[derive(Debug, Serialize)]
pub struct PassReport {
    pub pass: &'static str,
    /// Of a resweep: its age; `0s` for days that were read once more because of their count.
    pub after: Option<String>,
    /// From the first to the last instant that was asked for.
    pub asked: Span,
    pub asked_seconds: Seconds,
    pub covered_seconds: Seconds,
    pub failing_seconds: Seconds,
    pub waiting_seconds: Seconds,
    pub refused_seconds: Seconds,
    pub lost_seconds: Seconds,
    pub covered: Vec<Span>,
    pub gaps: Vec<Gap>,
    /// Gaps outside of what is shown.
    pub gaps_elsewhere: usize,
    /// Of the slices that are not forgotten yet.
    pub counts: Counts,
}

/// A part of what was asked for that is not covered.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub seconds: Seconds,
    pub state: State,
    pub reason: String,
    /// Faults running, of the slice that has most.
    pub attempts: u32,
    /// Nothing is tried before.
    pub next_try: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub struct Backfill {
    pub id: i64,
    pub from: Timestamp,
    pub to: Timestamp,
    pub state: String,
    /// What it is narrowed to: such a one proves nothing, and is not counted as coverage.
    pub narrow: Option<Filter>,
}

/// A day by the vendor's own count and by ours.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub day: String,
    pub state: Verdict,
    pub at: Timestamp,
    pub directions: BTreeMap<String, Difference>,
}

#[derive(Debug, Serialize)]
pub struct Difference {
    pub vendor: u64,
    pub collected: u64,
    /// The vendor's minus ours.
    pub difference: i128,
}

/// `[from, to)`, as a list of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Span(pub [Timestamp; 2]);

/// Milliseconds; told in seconds, whole ones as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

/// What to show.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// All that are configured, where none is named.
    pub source: Option<SourceName>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Reads the coverage of what is configured.
pub fn gather(
    config: &Config,
    store: &Store,
    view: &View,
    now: Timestamp,
) -> Result<Report, StoreError> {
    let before = |at: Timestamp| at.checked_sub(SHOWN).unwrap_or(Timestamp::MIN);
    let to = view.to.unwrap_or(now);
    let counted_from = view.from.unwrap_or_else(|| before(to));
    let mut found = Vec::new();
    for (name, source) in &config.sources {
        if view.source.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let held = budget::held(store, source, &Expected::default(), now)?;
        for (stream, source) in source.sliced() {
            let recorded = match store.find_stream(name, stream)? {
                Some(id) => store.recorded(id, now, counted_from)?,
                None => Recorded::default(),
            };
            let condition = store.condition(Party::of(&source, stream))?;
            let paused = condition.and_then(|condition| {
                let until = condition.until.filter(|until| *until > now)?;
                let why = condition.error.unwrap_or_else(|| condition.state.as_str().to_owned());
                Some((until, format!("the source is paused: {why}")))
            });
            found.push((source, stream, recorded, Waits { paused, held: held.clone() }));
        }
    }
    // A young store fills the strip, unless all of it lies after what is asked for.
    let first = found.iter().filter_map(|(.., recorded, _)| first(recorded)).min();
    let begun = first.filter(|first| *first < to).map_or(before(to), |first| first.max(before(to)));
    let shown = Span([view.from.unwrap_or(begun), to]);
    let mut sources = Vec::new();
    for (source, stream, recorded, waits) in found {
        let mut report = stream_report(&source, stream, recorded, &waits, shown, now);
        if source.has_log_export()
            && let Some(id) = store.find_stream(&source.name, stream)?
        {
            report.log_export = Some(export::gather(store, id, shown, now)?);
        }
        sources.push(report);
    }
    Ok(Report { at: now, shown, sources })
}

/// The first instant that was asked for.
fn first(recorded: &Recorded) -> Option<Timestamp> {
    let requests = recorded.requests.iter().map(|request| request.interval.start());
    recorded.frontier.map(|frontier| frontier.from).into_iter().chain(requests).min()
}

/// Until when something waits, and why.
type Paused = (Timestamp, String);

/// What a source waits for.
struct Waits {
    /// All of it.
    paused: Option<Paused>,
    /// Some passes.
    held: Option<Held>,
}

impl Waits {
    fn of(&self, pass: Pass) -> Option<Paused> {
        let held = || self.held.as_ref().filter(|held| held.passes.contains(&pass));
        let why = "what is left of the day's calls is kept for live collection";
        self.paused.clone().or_else(|| held().map(|held| (held.until, why.to_owned())))
    }
}

fn stream_report(
    source: &config::Source,
    stream: Stream,
    recorded: Recorded,
    waits: &Waits,
    shown: Span,
    now: Timestamp,
) -> StreamReport {
    // An answer of Proofpoint has whole hours, or days.
    let aligned = !matches!(source.vendor, Vendor::CiscoEtd(_));
    // What no activation has asked for yet is not missing.
    let asked = source.schedule.last_before(now);
    let due = plan::due(source.lag, source.slice, aligned, asked);
    let backfills = recorded.requests.iter().map(backfill).collect();
    let reconciliation = recorded.reconciled.iter().map(compared).collect();
    let counts = recorded.counts.clone();
    let accounts = account::accounts(recorded, due);
    let together = account::together(&accounts);
    let pieces = together.pieces();
    let covered = Account::length(&pieces, State::Covered);
    let asked: i64 = pieces.iter().map(|piece| account::length(piece.interval)).sum();
    let passes = accounts.iter().filter_map(|(round, account)| {
        let counts = counts.get(round).copied().unwrap_or_default();
        pass_report(*round, account, counts, waits.of(round.pass).as_ref(), shown)
    });
    StreamReport {
        source: source.name.clone(),
        stream: stream.as_str(),
        passes: passes.collect(),
        missing_seconds: Seconds(asked - covered),
        missing_by_state: State::MISSING
            .map(|state| (state, Seconds(Account::length(&pieces, state)))),
        missing: gaps(&pieces, waits.paused.as_ref())
            .into_iter()
            .filter(|gap| shown.touches(gap.span()))
            .collect(),
        backfills,
        reconciliation,
        log_export: None,
    }
}

/// `None` where nothing was asked for.
fn pass_report(
    round: Round,
    account: &Account,
    counts: Counts,
    paused: Option<&Paused>,
    shown: Span,
) -> Option<PassReport> {
    let pieces = account.pieces();
    let (first, last) = (pieces.first()?.interval, pieces.last()?.interval);
    let seconds = |state| Seconds(Account::length(&pieces, state));
    let all = gaps(&pieces, paused);
    let (number, is_covered) = (all.len(), |piece: &&Piece<'_>| piece.state == State::Covered);
    let covered = pieces.iter().filter(is_covered).map(|piece| Span::of(piece.interval));
    let gaps: Vec<Gap> = all.into_iter().filter(|gap| shown.touches(gap.span())).collect();
    let resweep = round.pass == Pass::Resweep;
    Some(PassReport {
        pass: round.pass.as_str(),
        after: resweep.then(|| units::spoken(round.after)),
        asked: Span([first.start(), last.end()]),
        asked_seconds: Seconds(pieces.iter().map(|piece| account::length(piece.interval)).sum()),
        covered_seconds: seconds(State::Covered),
        failing_seconds: seconds(State::Failing),
        waiting_seconds: seconds(State::Waiting),
        refused_seconds: seconds(State::Refused),
        lost_seconds: seconds(State::Lost),
        covered: covered.filter(|span| shown.touches(*span)).collect(),
        gaps_elsewhere: number - gaps.len(),
        gaps,
        counts,
    })
}

/// The pieces that are not covered, those that touch and have the same reason as one.
fn gaps(pieces: &[Piece<'_>], paused: Option<&Paused>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.state != State::Covered) {
        let gap = gap(piece, paused);
        match gaps.last_mut() {
            Some(last)
                if last.to == gap.from
                    && (last.state, &last.reason) == (gap.state, &gap.reason) =>
            {
                last.to = gap.to;
                last.seconds.0 += gap.seconds.0;
                last.attempts = last.attempts.max(gap.attempts);
                last.next_try = last.next_try.min(gap.next_try);
            }
            _ => gaps.push(gap),
        }
    }
    gaps
}

fn gap(piece: &Piece<'_>, paused: Option<&Paused>) -> Gap {
    let slice = piece.slice;
    let reason = slice.and_then(|slice| slice.reason.clone());
    let held = paused.filter(|_| matches!(piece.state, State::Waiting | State::Failing));
    let reason = reason.unwrap_or_else(|| match (piece.state, held) {
        (State::Lost, _) => "past the vendor's retention".to_owned(),
        (State::Refused, _) => "the vendor cannot give it".to_owned(),
        (_, Some((_, why))) => why.clone(),
        (_, None) if slice.is_none() => account::NOT_PLANNED.to_owned(),
        (_, None) => "waits for its turn".to_owned(),
    });
    let next_try = slice.and_then(|slice| slice.next_try).max(held.map(|(until, _)| *until));
    let Span([from, to]) = Span::of(piece.interval);
    let attempts = slice.map_or(0, |slice| slice.attempts);
    let seconds = Seconds(account::length(piece.interval));
    Gap { from, to, seconds, state: piece.state, reason, attempts, next_try }
}

fn backfill(request: &Request) -> Backfill {
    Backfill {
        id: request.id.0,
        from: request.interval.start(),
        to: request.interval.end(),
        state: request.state.clone(),
        narrow: Some(request.narrow.clone()).filter(|narrow| !narrow.is_empty()),
    }
}

fn compared(day: &Reconciled) -> Compared {
    let difference = |(direction, count): (&String, &Count)| {
        let difference = i128::from(count.vendor) - i128::from(count.collected);
        let (vendor, collected) = (count.vendor, count.collected);
        (direction.clone(), Difference { vendor, collected, difference })
    };
    Compared {
        day: day.day.clone(),
        state: day.verdict,
        at: day.at,
        directions: day.counts.iter().map(difference).collect(),
    }
}

impl Gap {
    pub fn span(&self) -> Span {
        Span([self.from, self.to])
    }
}

impl Span {
    fn of(interval: Interval) -> Self {
        Self([interval.start(), interval.end()])
    }

    /// Whether the two have an instant in common.
    pub fn touches(self, other: Self) -> bool {
        self.0[0] < other.0[1] && other.0[0] < self.0[1]
    }
}

impl Serialize for Seconds {
    #[expect(clippy::cast_precision_loss, reason = "seconds of some years are exact")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}
