//! What a page, or a fault, makes true of its slice: one transaction each.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Progress, Resweep, SliceId, StreamId, resweeps, rows, seen};
use crate::{
    domain::usage::Usage,
    store::{
        Store, StoreError,
        budget::{self, Calls},
        ledger::{self, Key},
        licence, room, spool,
    },
};

/// Everything that one page makes true, together.
#[derive(Debug)]
pub struct PageCommit {
    pub slice: SliceId,
    pub chunks: Vec<spool::NewChunk>,
    pub ledger: Vec<ledger::NewBlock>,
    pub events: u64,
    pub then: Then,
    pub calls: Calls,
    /// When to look at the slice again, now that it is covered.
    pub resweeps: Vec<Resweep>,
    /// What came of the streams whose absences count, while more is to come.
    pub seen: Vec<(StreamId, Vec<Key>)>,
    /// What the page tells of the licence's use, of the slice's stream.
    pub usage: Option<(Timestamp, Usage)>,
    /// Messages that were seen for the first time.
    pub tallies: Vec<Tally>,
    /// That the source was heard, on a live slice.
    pub heard: Option<Heard>,
    /// The spool's cap, which the page must not pass, bytes.
    pub max_spool: u64,
}

impl PageCommit {
    /// A page that brings nothing new.
    pub fn new(slice: SliceId, then: Then, calls: Calls) -> Self {
        Self {
            slice,
            chunks: Vec::new(),
            ledger: Vec::new(),
            events: 0,
            then,
            calls,
            resweeps: Vec::new(),
            seen: Vec::new(),
            usage: None,
            tallies: Vec::new(),
            heard: None,
            max_spool: u64::MAX,
        }
    }
}

/// A live page was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub at: Timestamp,
    /// Whether it had records.
    pub records: bool,
}

/// Messages of one day and direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// `YYYY-MM-DD`, UTC, of the delivery.
    pub day: String,
    /// The vendor's word, lower case.
    pub direction: String,
    pub messages: u64,
}

/// What becomes of the slice after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Go on at this place.
    Next(Progress),
    /// It was read to its end, and is covered.
    Covered(Progress),
    /// Less came than was announced: read it once more from the start.
    Refetch(Progress),
    /// Nothing came where something was: ask again before it is believed.
    Doubt { progress: Progress, not_before: Timestamp },
}

/// What becomes of a slice that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// Try again, from where it is or from `progress`.
    Again { not_before: Timestamp, progress: Option<Progress> },
    /// Too large: two smaller slices take its place.
    Split { page_size: u32 },
    /// Past what the vendor keeps: what lies before this time, or all of it.
    Lost { before: Option<Timestamp> },
    /// Cannot be had at all.
    Refused,
}

impl Store {
    /// Commits a page: its events, its ledger rows, and the slice's next place, together. Nothing
    /// of it where the spool has no room.
    pub async fn commit_page(&self, page: PageCommit) -> Result<(), StoreError> {
        let spools = !page.chunks.is_empty();
        let bytes = page.chunks.iter().map(spool::NewChunk::bytes).sum();
        let path = self.shared.path.clone();
        let commit = move |tx: &Connection| {
            let fits = room::fits(tx, &path, bytes, page.max_spool)?;
            fits.then(|| commit(tx, &page)).transpose()
        };
        let next = self.write("commit-page", commit).await?;
        self.learn(bytes, next.is_none());
        let Some(next) = next else { return Err(StoreError::SpoolFull) };
        if spools {
            self.shared.spooled.grows_to(next);
        }
        Ok(())
    }

    /// Records that a slice could not be fetched, with the reason.
    pub async fn set_back(
        &self,
        slice: SliceId,
        setback: Setback,
        error: String,
        calls: Calls,
    ) -> Result<(), StoreError> {
        self.write("set-back", move |tx| {
            budget::count(tx, &calls)?;
            rows::spend(tx, slice, calls.count)?;
            match setback {
                Setback::Again { not_before, progress } => {
                    let sql =
                        "UPDATE slice SET attempts = attempts + 1, not_before = ?2, error = ?3
                        WHERE id = ?1 AND state = 'open'";
                    let at = not_before.as_millisecond();
                    tx.prepare_cached(sql)?.execute(params![slice.0, at, error])?;
                    progress.map_or(Ok(()), |progress| move_to(tx, slice, &progress))
                }
                Setback::Split { page_size } => rows::split(tx, slice, page_size, &error),
                Setback::Lost { before } => rows::lose(tx, slice, before, &error),
                Setback::Refused => rows::close(tx, slice, "refused", &error),
            }
        })
        .await
    }
}

/// Returns the spool's next sequence number.
fn commit(tx: &Connection, page: &PageCommit) -> rusqlite::Result<u64> {
    for block in &page.ledger {
        ledger::insert(tx, block)?;
    }
    let next = spool::append(tx, &page.chunks)?;
    budget::count(tx, &page.calls)?;
    tally(tx, page)?;
    licence::keep_of_page(tx, page)?;
    let (state, progress, refetched, doubted, not_before) = match &page.then {
        Then::Next(progress) => ("open", progress, 0, 0, 0),
        Then::Covered(progress) => ("covered", progress, 0, 0, 0),
        Then::Refetch(progress) => ("open", progress, 1, 0, 0),
        Then::Doubt { progress, not_before } => {
            ("open", progress, 0, 1, not_before.as_millisecond())
        }
    };
    move_to(tx, page.slice, progress)?;
    seen::keep(tx, page, progress.pages <= 1)?;
    rows::spend(tx, page.slice, page.calls.count)?;
    // Whoever cancelled the slice's backfill meanwhile has closed it.
    let sql = "UPDATE slice SET state = ?2, events = events + ?3, refetched = refetched + ?4,
            doubted = doubted + ?5, not_before = ?6, attempts = 0, error = NULL
        WHERE id = ?1 AND state = 'open'";
    let changed = tx.prepare_cached(sql)?.execute(params![
        page.slice.0,
        state,
        page.events,
        refetched,
        doubted,
        not_before
    ])?;
    if changed > 0 && state == "covered" {
        rows::cover(tx, page.slice)?;
        for resweep in &page.resweeps {
            resweeps::plan(tx, page.slice, resweep)?;
        }
    }
    Ok(next)
}

/// Counts what was seen for the first time, and notes that something came.
fn tally(tx: &Connection, page: &PageCommit) -> rusqlite::Result<()> {
    if let Some(Heard { at, records }) = page.heard {
        let sql = "UPDATE stream SET heard_ms = ?2
            WHERE id = (SELECT stream_id FROM slice WHERE id = ?1) AND (?3 OR heard_ms IS NULL)";
        tx.prepare_cached(sql)?.execute(params![page.slice.0, at.as_millisecond(), records])?;
    }
    let sql = "INSERT INTO tally SELECT stream_id, ?2, ?3, ?4 FROM slice WHERE id = ?1
        ON CONFLICT DO UPDATE SET messages = messages + excluded.messages";
    let mut statement = tx.prepare_cached(sql)?;
    for tally in &page.tallies {
        let Tally { day, direction, messages } = tally;
        statement.execute(params![page.slice.0, day, direction, messages])?;
    }
    Ok(())
}

fn move_to(tx: &Connection, slice: SliceId, to: &Progress) -> rusqlite::Result<()> {
    let sql = "UPDATE slice SET page_token = ?2, page_size = ?3, pages = ?4, empty_pages = ?5,
            received = ?6, total = ?7, unread = ?8 WHERE id = ?1 AND state = 'open'";
    tx.prepare_cached(sql)?
        .execute(params![
            slice.0,
            to.page_token,
            to.page_size,
            to.pages,
            to.empty_pages,
            to.received,
            to.total,
            to.unread
        ])
        .map(drop)
}
