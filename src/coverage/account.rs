//! The asked range of each pass, from what the store has: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Piece, Round, State, Unfetched, partition, union};
use crate::{
    domain::slice::{Interval, Pass},
    store::coverage::{Recorded, Request},
};

/// Why an instant waits that no slice has.
pub(super) const NOT_PLANNED: &str = "not planned yet";

/// What was asked for in one pass, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Merged.
    pub(super) asked: Vec<Interval>,
    pub(super) covered: Vec<Interval>,
    pub(super) unfetched: Vec<Unfetched>,
}

impl Account {
    pub(super) fn pieces(&self) -> Vec<Piece<'_>> {
        partition(&self.asked, &self.covered, &self.unfetched)
    }

    /// Milliseconds in a state.
    pub(super) fn length(pieces: &[Piece<'_>], state: State) -> i64 {
        pieces.iter().filter(|piece| piece.state == state).map(|piece| length(piece.interval)).sum()
    }
}

/// The accounts of all passes of which there is anything; live first, resweeps by age, backfill.
///
/// - Live was asked from where it began to `due`, what its lag leaves of now.
/// - A resweep was asked of every window that became due: those it has, and those it waits for.
/// - A backfill was asked as requested, unless cancelled. One that is narrowed proves nothing and
///   is left out.
pub(super) fn accounts(recorded: Recorded, due: Timestamp) -> BTreeMap<Round, Account> {
    let mut accounts: BTreeMap<Round, Account> = BTreeMap::new();
    if let Some(frontier) = recorded.frontier {
        let asked = Interval::new(frontier.from, frontier.to.max(due));
        accounts.entry(Round::LIVE).or_default().asked.extend(asked);
    }
    for (round, interval) in recorded.covered {
        accounts.entry(round).or_default().covered.push(interval);
    }
    for (round, slice) in recorded.unfetched {
        accounts.entry(round).or_default().unfetched.push(slice);
    }
    for request in recorded.requests.iter().filter(|request| request.counts()) {
        let account = accounts.entry(Round::BACKFILL).or_default();
        account.asked.push(request.interval);
        account.unfetched.extend(request.unplanned());
    }
    for (round, account) in &mut accounts {
        if round.pass == Pass::Resweep {
            account.asked.extend_from_slice(&account.covered);
            account.asked.extend(account.unfetched.iter().map(|slice| slice.interval));
        }
        account.asked = union(std::mem::take(&mut account.asked));
    }
    accounts
}

impl Request {
    /// Whether it asks for all that there is.
    pub fn counts(&self) -> bool {
        self.state != "cancelled" && self.narrow.is_empty()
    }

    /// What it has not opened yet: not lost to live collection while it may still be had.
    fn unplanned(&self) -> Option<Unfetched> {
        let from = self.planned.max(self.interval.start());
        let interval = Interval::new(from, self.interval.end()).filter(|_| self.state == "open")?;
        let reason = Some(NOT_PLANNED.to_owned());
        Some(Unfetched { interval, state: State::Waiting, reason, attempts: 0, next_try: None })
    }
}

/// What live collection and backfills were asked for, and have, together: a resweep asks for
/// nothing else.
pub(super) fn together(accounts: &BTreeMap<Round, Account>) -> Account {
    let mut all = Account::default();
    for (_, account) in accounts.iter().filter(|(round, _)| round.pass != Pass::Resweep) {
        all.asked.extend_from_slice(&account.asked);
        all.covered.extend_from_slice(&account.covered);
        all.unfetched.extend_from_slice(&account.unfetched);
    }
    all.asked = union(all.asked);
    all
}

/// Milliseconds.
pub(super) fn length(interval: Interval) -> i64 {
    interval.end().as_millisecond() - interval.start().as_millisecond()
}
