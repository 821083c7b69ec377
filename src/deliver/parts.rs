//! Parts of batches that the sink refused, on their way to the events at fault.
//!
//! A refused batch is halved until the event at fault is alone: at most 2·log2(n)+1 sends for one
//! among n. Meanwhile other batches go by turns, so that one bad event holds nothing up.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Batch;

/// Parts that are to be sent; the first event's comes first, so a batch is taken apart to its end
/// before a later one.
#[derive(Debug, Default)]
pub(super) struct Parts {
    waiting: BTreeMap<u64, Batch>,
    is_their_turn: bool,
}

impl Parts {
    /// Puts the frames of a refused batch here in two halves.
    pub(super) fn halve(&mut self, batch: &Batch) {
        let count = batch.frames.len();
        self.put(batch.part(0..count / 2));
        self.put(batch.part(count / 2..count));
    }

    pub(super) fn put(&mut self, part: Batch) {
        self.waiting.insert(part.range.start, part);
    }

    /// The next part, if it is its turn: each other time.
    pub(super) fn by_turns(&mut self) -> Option<Batch> {
        self.is_their_turn = !self.is_their_turn;
        if self.is_their_turn { self.take() } else { None }
    }

    pub(super) fn take(&mut self) -> Option<Batch> {
        Some(self.waiting.pop_first()?.1)
    }

    /// The batches of which parts wait. Each keeps its bytes until all of it is done with.
    pub(super) fn batches(&self) -> usize {
        self.waiting.values().map(|part| part.origin).collect::<BTreeSet<_>>().len()
    }
}
