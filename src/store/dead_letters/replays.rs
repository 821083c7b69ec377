//! Replays: dead letters that a person asked to have sent again.
//!
//! What is asked for is a row, a sink at a time. A letter remembers the last replay that sent it,
//! so what is left of one are its letters that no such replay has tried.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::{COLUMNS, Which, event, list};
use crate::{
    domain::{event::Event, name::SinkName},
    store::{Store, StoreError},
};

/// A replay that has ended is remembered for this long, for whoever watches it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 7);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ReplayId(pub i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    Open,
    Done,
    /// The sink is no longer configured.
    Cancelled,
}

/// A replay to one sink, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    pub id: ReplayId,
    pub sink: String,
    pub state: ReplayState,
    /// When it was asked for.
    pub letters: u64,
    pub delivered: u64,
    /// Refused once more.
    pub refused: u64,
    /// Why it does not go on.
    pub error: Option<String>,
}

/// What became of letters that were sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub replay: ReplayId,
    /// Numbers of letters.
    pub accepted: Vec<u64>,
    pub refused: Vec<(u64, String)>,
}

impl Store {
    /// Asks for letters to be sent again, none newer than `last`.
    pub async fn ask_replay(
        &self,
        sink: &SinkName,
        which: &Which,
        last: u64,
        letters: u64,
        now: Timestamp,
    ) -> Result<ReplayId, StoreError> {
        let sink = sink.clone();
        let wanted = match which {
            Which::Ids(ids) => Some(list(ids)),
            Which::All | Which::Sink(_) => None,
        };
        self.write("ask-replay", move |tx| {
            let old = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
            tx.execute(
                "DELETE FROM replay WHERE state <> 'open' AND asked_ms < ?",
                [old.as_millisecond()],
            )?;
            let sql = "INSERT INTO replay (sink, wanted, last_id, letters, asked_ms)
                VALUES (?, ?, ?, ?, ?)";
            let now = now.as_millisecond();
            tx.execute(sql, params![sink.as_str(), wanted, last, letters, now])?;
            Ok(ReplayId(tx.last_insert_rowid()))
        })
        .await
    }

    /// The replays that are not done, with their sinks, oldest first.
    pub fn open_replays(&self) -> Result<Vec<(ReplayId, String)>, StoreError> {
        self.read("open-replays", |view| {
            let sql = "SELECT id, sink FROM replay WHERE state = 'open' ORDER BY id";
            let mut statement = view.prepare_cached(sql)?;
            statement.query_map([], |row| Ok((ReplayId(row.get(0)?), row.get(1)?)))?.collect()
        })
    }

    pub fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        self.read("replay", |view| {
            let sql = "SELECT id, sink, state, letters, delivered, refused, error
                FROM replay WHERE id = ?";
            view.prepare_cached(sql)?.query_row([id.0], replay).optional()
        })
    }

    /// The oldest open replay of a sink with its next letters, by number: at most `most`, and few
    /// more bytes than `bytes`. Without letters it is done.
    pub fn letters_to_send(
        &self,
        sink: &SinkName,
        most: usize,
        bytes: usize,
    ) -> Result<Option<(ReplayId, Vec<Event>)>, StoreError> {
        self.read("letters-to-send", |view| {
            let sql = "SELECT id, wanted, last_id FROM replay
                WHERE sink = ? AND state = 'open' ORDER BY id LIMIT 1";
            let found = view
                .prepare_cached(sql)?
                .query_row([sink.as_str()], |row| {
                    Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?))
                })
                .optional()?;
            let Some((id, wanted, last)) = found else { return Ok(None) };
            let chosen = match wanted {
                Some(_) => "+id IN (SELECT value FROM json_each(?5))",
                None => "?5 IS NULL",
            };
            // In the index's order, which leaves out all that were tried.
            let sql = format!(
                "SELECT {COLUMNS} FROM dead_letter WHERE sink = ?1 AND tried < ?2 AND id <= ?3
                    AND {chosen} ORDER BY tried, id LIMIT ?4"
            );
            let mut statement = view.prepare_cached(&sql)?;
            let mut rows = statement.query(params![sink.as_str(), id, last, most, wanted])?;
            let (mut events, mut size) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let event = event(row, &self.shared.codec)?;
                size += event.json.len();
                if size > bytes && !events.is_empty() {
                    break;
                }
                events.push(event);
            }
            events.sort_by_key(|event: &Event| event.seq);
            Ok(Some((ReplayId(id), events)))
        })
    }

    /// Writes down what became of letters: those accepted are no longer dead letters and count as
    /// delivered, those refused have one more attempt. All together.
    pub async fn settle_replay(
        &self,
        sink: &SinkName,
        replayed: Replayed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sink = sink.clone();
        self.write("settle-replay", move |tx| {
            let Replayed { replay, accepted, refused } = replayed;
            let (mut delivered, mut again) = (0, 0);
            for id in accepted {
                // Another command may have dropped it meanwhile.
                let sql = "DELETE FROM dead_letter WHERE id = ? AND sink = ?";
                delivered += tx.prepare_cached(sql)?.execute(params![id, sink.as_str()])?;
            }
            for (id, reason) in refused {
                let sql = "UPDATE dead_letter SET attempts = attempts + 1, reason = ?, at_ms = ?,
                    tried = ? WHERE id = ? AND sink = ?";
                again += tx.prepare_cached(sql)?.execute(params![
                    reason,
                    now.as_millisecond(),
                    replay.0,
                    id,
                    sink.as_str()
                ])?;
            }
            let sql = "UPDATE sink SET delivered = delivered + ? WHERE name = ?";
            tx.prepare_cached(sql)?.execute(params![delivered, sink.as_str()])?;
            let sql = "UPDATE replay SET delivered = delivered + ?, refused = refused + ?,
                error = NULL WHERE id = ?";
            tx.prepare_cached(sql)?.execute(params![delivered, again, replay.0]).map(drop)
        })
        .await
    }

    /// Ends a replay all of whose letters were sent, or notes why it does not go on.
    pub async fn note_replay(&self, id: ReplayId, error: Option<String>) -> Result<(), StoreError> {
        self.write("note-replay", move |tx| {
            let sql = "UPDATE replay SET error = ?2,
                state = CASE WHEN ?2 IS NULL THEN 'done' ELSE state END
                WHERE id = ?1 AND state = 'open'";
            tx.prepare_cached(sql)?.execute(params![id.0, error]).map(drop)
        })
        .await
    }

    /// The reasons for which a replay's letters were refused again, the most frequent first.
    pub fn refused_again(&self, replay: &Replay) -> Result<Vec<(String, u64)>, StoreError> {
        self.read("refused-again", |view| {
            let sql = "SELECT reason, count(*) FROM dead_letter WHERE sink = ? AND tried = ?
                GROUP BY reason ORDER BY 2 DESC, 1 LIMIT 10";
            let mut statement = view.prepare_cached(sql)?;
            let with = params![replay.sink, replay.id.0];
            statement.query_map(with, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }
}

fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    let state: String = row.get(2)?;
    Ok(Replay {
        id: ReplayId(row.get(0)?),
        sink: row.get(1)?,
        state: match state.as_str() {
            "open" => ReplayState::Open,
            "done" => ReplayState::Done,
            _ => ReplayState::Cancelled,
        },
        letters: row.get(3)?,
        delivered: row.get(4)?,
        refused: row.get(5)?,
        error: row.get(6)?,
    })
}
