//! What the sink said of a batch, and writing that down.

use std::ops::Range;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::{
    batch::Batch,
    parts::Parts,
    task::{Deliverer, Held},
};
use crate::{
    fault::chain,
    sink::{Outcome, Sink},
    store::{StoreError, conditions::State, dead_letters::replays::Replayed, sinks::Refusal},
};

/// Between tries to mark when the store cannot be written.
const MARK_AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// Events that are done with.
#[derive(Clone)]
pub(super) enum Settled {
    Spooled { range: Range<u64>, accepted: u64, refused: Vec<Refusal> },
    Letters(Replayed),
}

impl<K: Sink> Deliverer<K> {
    pub(super) async fn settle(&mut self, batch: Batch, outcome: Outcome) -> anyhow::Result<()> {
        if batch.replay.is_some() {
            self.letters.back();
        }
        let count = batch.frames.len();
        match outcome {
            Outcome::Accepted => self.accept(batch).await,
            Outcome::Poison { index, reason } => {
                let index = index.min(count.saturating_sub(1));
                self.refuse(&batch, index, reason).await?;
                if index + 1 < count {
                    self.apart(&batch).put(batch.part(index + 1..count));
                }
            }
            Outcome::SomePoison { reason } | Outcome::TooLarge { reason } if count > 1 => {
                debug!(sink = %self.config.name, events = count, reason, "halving the batch");
                self.apart(&batch).halve(&batch);
            }
            Outcome::SomePoison { reason } => self.refuse(&batch, 0, reason).await?,
            Outcome::TooLarge { reason } => {
                let reason = too_large(batch.body.len(), self.largest, &reason);
                self.refuse(&batch, 0, reason).await?;
            }
            Outcome::Failed(fault) => match batch.replay {
                Some(replay) => self.letters_failed(batch, replay, &fault).await,
                None => self.fail(batch, &fault).await,
            },
        }
        Ok(())
    }

    /// Where parts of such a batch go.
    fn apart(&mut self, batch: &Batch) -> &mut Parts {
        if batch.replay.is_some() { self.letters.parts() } else { &mut self.parts }
    }

    pub(super) async fn accept(&mut self, batch: Batch) {
        let (accepted, bytes) = (batch.frames.len(), batch.body.len());
        if batch.replay.is_some() {
            self.letters.back();
        }
        self.settled(settled(batch, accepted, None)).await;
        if accepted > 0 {
            debug!(sink = %self.config.name, events = accepted, bytes, "delivered");
            self.largest = self.largest.max(bytes);
            self.failures = 0;
            self.letters.worked();
            self.tell(State::Ok, None, None).await;
        }
    }

    /// Marks the frames before `index` as accepted, and the one there as refused.
    async fn refuse(&mut self, batch: &Batch, index: usize, reason: String) -> anyhow::Result<()> {
        let done = batch.part(0..index + 1);
        let settled = if done.replay.is_some() {
            settled(done, index, Some(reason))
        } else {
            let event = self.spooled_event(done.seqs.last().copied())?;
            let mut done = done;
            done.unfit.push(Refusal { event, reason });
            settled(done, index, None)
        };
        self.settled(settled).await;
        // Who refuses an event is there and answers.
        self.tell(State::Ok, None, None).await;
        Ok(())
    }

    fn spooled_event(&self, seq: Option<u64>) -> anyhow::Result<crate::domain::event::Event> {
        let chunk = seq.map(|seq| self.store.chunk(seq)).transpose()?.flatten();
        let event = chunk.iter().flat_map(|c| c.iter()).find(|event| Some(event.seq) == seq);
        event.cloned().ok_or_else(|| anyhow::anyhow!("the spool has no event {seq:?}"))
    }

    async fn settled(&mut self, settled: Settled) {
        let sink = &self.config.name;
        match &settled {
            Settled::Spooled { refused, .. } => {
                for Refusal { event, reason } in refused {
                    let event_id = event.id;
                    warn!(sink = %sink, %event_id, reason, "refused for good: a dead letter");
                }
            }
            Settled::Letters(replayed) => {
                for (letter, reason) in &replayed.refused {
                    debug!(sink = %sink, letter, reason, "a dead letter is refused again");
                }
            }
        }
        self.unmarked.push_back(settled);
        self.mark().await;
    }

    /// Writes down what is done with. Where the store cannot, nothing more is sent until it can:
    /// sending goes on only as far as a crash may repeat it.
    pub(super) async fn mark(&mut self) {
        while let Some(next) = self.unmarked.front().cloned() {
            let now = self.clock.now();
            if let Err(error) = self.write(next, now).await {
                let why = chain(&error);
                debug!(sink = %self.config.name, error = why, "cannot mark what was delivered");
                let until = now.checked_add(MARK_AGAIN).unwrap_or(Timestamp::MAX);
                self.held = Some(Held { until, why, person: false });
                return;
            }
            self.unmarked.pop_front();
        }
    }

    async fn write(&self, settled: Settled, now: Timestamp) -> Result<(), StoreError> {
        let sink = &self.config.name;
        match settled {
            Settled::Spooled { range, accepted, refused } => {
                self.store.mark(sink, range, accepted, refused, now).await
            }
            Settled::Letters(replayed) => self.store.settle_replay(sink, replayed, now).await,
        }
    }
}

/// A batch the first `accepted` of whose frames the sink has; of dead letters, the last frame may
/// be refused.
fn settled(batch: Batch, accepted: usize, refused: Option<String>) -> Settled {
    let Batch { replay, range, mut seqs, unfit, .. } = batch;
    let Some(replay) = replay else {
        return Settled::Spooled { range, accepted: accepted as u64, refused: unfit };
    };
    let unfit = unfit.into_iter().map(|refusal| (refusal.event.seq, refusal.reason));
    let last = refused.and_then(|reason| Some((*seqs.last()?, reason)));
    let refused = unfit.chain(last).collect();
    seqs.truncate(accepted);
    Settled::Letters(Replayed { replay, accepted: seqs, refused })
}

/// Why an event is too large: how large it is, and what is known of the limit, which the receiver
/// does not say.
fn too_large(size: usize, largest: usize, said: &str) -> String {
    let known = match largest {
        0 => "it has taken nothing yet".to_owned(),
        largest => format!("the largest batch it took so far has {largest} bytes"),
    };
    format!(
        "with its envelope the event has {size} bytes, which is too large for the receiver, and          was sent alone; {known}: {said}"
    )
}
