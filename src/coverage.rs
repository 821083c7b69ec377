//! What was asked for, and what became of each instant of it: pure but for `report`, which reads
//! the store.
//!
//! The asked range of a stream and pass is cut into intervals of one state each. They tile it: no
//! instant is counted twice, none is left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::slice::{Interval, Pass};

mod account;
pub mod cells;
pub mod export;
pub mod report;
#[cfg(test)]
pub(crate) mod tests;

/// What became of an instant. Where several are true of it, the first of them counts: it is
/// covered whoever else failed to have it, and not lost while somebody still tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Fetched to its end.
    Covered,
    /// To be fetched; the last try failed.
    Failing,
    /// To be fetched, or to be planned.
    Waiting,
    /// The vendor cannot give it.
    Refused,
    /// Past what the vendor keeps.
    Lost,
}

impl State {
    /// Whether it does not mend by itself in its turn.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Failing | Self::Refused | Self::Lost)
    }

    pub const ALL: [Self; 5] =
        [Self::Covered, Self::Failing, Self::Waiting, Self::Refused, Self::Lost];

    /// Those of what is missing.
    pub const MISSING: [Self; 4] = [Self::Failing, Self::Waiting, Self::Refused, Self::Lost];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// A pass; of resweeps, each age is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round {
    pub pass: Pass,
    /// Of a resweep: counted from the slice's end, zero for one that a count set off; else zero.
    pub after: std::time::Duration,
}

impl Round {
    pub const LIVE: Self = Self { pass: Pass::Live, after: std::time::Duration::ZERO };
    pub const BACKFILL: Self = Self { pass: Pass::Backfill, after: std::time::Duration::ZERO };
}

/// A slice that is not covered, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfetched {
    pub interval: Interval,
    pub state: State,
    pub reason: Option<String>,
    /// Faults running.
    pub attempts: u32,
    /// Nothing is tried before.
    pub next_try: Option<Timestamp>,
}

/// A part of the asked range, of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    pub interval: Interval,
    pub state: State,
    /// The slice that says so; none for what is covered, or not planned yet.
    pub slice: Option<&'a Unfetched>,
}

/// Cuts what was asked for into pieces, oldest first. What neither is covered nor has a slice
/// waits to be planned.
pub fn partition<'a>(
    asked: &[Interval],
    covered: &[Interval],
    unfetched: &'a [Unfetched],
) -> Vec<Piece<'a>> {
    let mut edges: Vec<(Timestamp, Edge)> = Vec::new();
    let mut add = |interval: Interval, edge: fn(bool, State, usize) -> Edge, state, index| {
        edges.push((interval.start(), edge(true, state, index)));
        edges.push((interval.end(), edge(false, state, index)));
    };
    for interval in asked {
        add(*interval, |begins, _, _| Edge::Asked { begins }, State::Covered, 0);
    }
    let of = |begins, state, index| Edge::Of { begins, state, index };
    for (index, interval) in covered.iter().enumerate() {
        add(*interval, of, State::Covered, index);
    }
    for (index, slice) in unfetched.iter().enumerate() {
        add(slice.interval, of, slice.state, index);
    }
    edges.sort_by_key(|(at, _)| *at);

    let mut pieces: Vec<Piece<'_>> = Vec::new();
    // How many asked ranges, and which states, hold between the last edge and this one.
    let (mut asked, mut here, mut last) = (0_usize, BTreeSet::new(), None);
    for (at, edge) in edges {
        if asked > 0
            && let Some(interval) = last.and_then(|last| Interval::new(last, at))
        {
            let (state, slice) = match here.first() {
                Some((State::Covered, _)) => (State::Covered, None),
                Some((state, index)) => (*state, unfetched.get(*index)),
                None => (State::Waiting, None),
            };
            push(&mut pieces, Piece { interval, state, slice });
        }
        match edge {
            Edge::Asked { begins: true } => asked += 1,
            Edge::Asked { begins: false } => asked = asked.saturating_sub(1),
            Edge::Of { begins, state, index } => {
                let key = (state, index);
                if begins {
                    here.insert(key)
                } else {
                    here.remove(&key)
                };
            }
        }
        last = Some(at);
    }
    pieces
}

enum Edge {
    Asked { begins: bool },
    Of { begins: bool, state: State, index: usize },
}

/// Adds a piece, or lengthens the last one where it is of the same.
fn push<'a>(pieces: &mut Vec<Piece<'a>>, piece: Piece<'a>) {
    if let Some(last) = pieces.last_mut()
        && last.interval.end() == piece.interval.start()
        && (last.state, last.slice) == (piece.state, piece.slice)
        && let Some(both) = Interval::new(last.interval.start(), piece.interval.end())
    {
        last.interval = both;
        return;
    }
    pieces.push(piece);
}

/// The union of intervals, oldest first, merged where they touch.
pub fn union(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort();
    let mut merged: Vec<Interval> = Vec::new();
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if interval.start() <= last.end() => {
                let end = last.end().max(interval.end());
                *last = Interval::new(last.start(), end).unwrap_or(*last);
            }
            _ => merged.push(interval),
        }
    }
    merged
}

/// Checks that what is recorded of a stream accounts for each instant that was asked for, once.
#[cfg(any(test, feature = "testing"))]
pub fn assert_whole(recorded: crate::store::coverage::Recorded, due: Timestamp) {
    let frontier = recorded.frontier;
    // Of live slices not even the store's own rows overlap, and they leave nothing out.
    let mut live: Vec<Interval> = Vec::new();
    let of_live = |round: &Round| *round == Round::LIVE;
    live.extend(recorded.covered.iter().filter(|(r, _)| of_live(r)).map(|(_, i)| *i));
    live.extend(recorded.unfetched.iter().filter(|(r, _)| of_live(r)).map(|(_, s)| s.interval));
    let planned: i64 =
        frontier.map_or(0, |planned| planned.to.as_millisecond() - planned.from.as_millisecond());
    assert_eq!(live.iter().map(|i| account::length(*i)).sum::<i64>(), planned);
    assert_eq!(union(live).iter().map(|i| account::length(*i)).sum::<i64>(), planned);
    for (round, account) in account::accounts(recorded, due) {
        let pieces = account.pieces();
        assert_tiled(&account.asked, &pieces);
        let states: i64 =
            State::ALL.map(|state| account::Account::length(&pieces, state)).iter().sum();
        assert_eq!(states, account.asked.iter().map(|i| account::length(*i)).sum::<i64>());
        for piece in pieces.iter().filter(|p| p.slice.is_none() && p.state != State::Covered) {
            let at = piece.interval.start();
            let unplanned = round == Round::LIVE && frontier.is_none_or(|planned| planned.to <= at);
            assert!(unplanned, "nobody knows of {} in {round:?}", piece.interval);
        }
    }
}

/// Checks that pieces follow each other without overlap, and make up what was asked for.
#[cfg(any(test, feature = "testing"))]
fn assert_tiled(asked: &[Interval], pieces: &[Piece<'_>]) {
    for pair in pieces.windows(2) {
        assert!(pair[0].interval.end() <= pair[1].interval.start(), "{pair:?}");
    }
    assert_eq!(union(pieces.iter().map(|piece| piece.interval).collect()), union(asked.to_vec()));
}
