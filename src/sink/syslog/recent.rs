//! What was accepted a moment ago. A receiver that is being stopped reads no more, but its kernel
//! acknowledges on until it closes the connection, and then resets it: by that a sender learns that
//! something was not read, not what. So what may be meant goes again.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

/// On a machine with twenty times the work it can do, rsyslog took up to some hundred milliseconds
/// from its last read to the end of its connections.
const MOMENT: Duration = Duration::from_secs(1);

/// Bytes beyond which the oldest are let go: memory is bounded.
const MOST: usize = 4 << 20;

/// Batches of one connection, and those of a broken one that are to go again.
#[derive(Debug, Default)]
pub(super) struct Recent {
    accepted: VecDeque<(Instant, Bytes)>,
    owed: VecDeque<Bytes>,
}

impl Recent {
    pub(super) fn accepted(&mut self, body: Bytes, now: Instant) {
        self.accepted.push_back((now, body));
        while self.accepted.len() > 1
            && self.accepted.front().is_some_and(|(at, _)| now.duration_since(*at) > MOMENT)
        {
            self.accepted.pop_front();
        }
        while self.bytes() > MOST && self.accepted.len() > 1 {
            self.accepted.pop_front();
        }
    }

    /// The connection ended: in order, or broken with what it may not have read.
    pub(super) fn ended(&mut self, broken: bool) {
        let last = self.accepted.drain(..).map(|(_, body)| body);
        if broken {
            self.owed.extend(last);
        }
    }

    /// What goes before anything else.
    pub(super) fn owed(&self) -> Option<Bytes> {
        self.owed.front().cloned()
    }

    /// It was accepted once more. That is enough: a receiver that resets each connection would
    /// otherwise get the same for ever.
    pub(super) fn paid(&mut self) {
        self.owed.pop_front();
    }

    fn bytes(&self) -> usize {
        self.accepted.iter().map(|(_, body)| body.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(recent: &mut Recent) -> Vec<Bytes> {
        let mut all = Vec::new();
        while let Some(body) = recent.owed() {
            all.push(body);
            recent.paid();
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_accepted_last_goes_again_after_a_broken_connection_only() {
        let (mut recent, begun) = (Recent::default(), Instant::now());
        let at = |ms: u64| begun + Duration::from_millis(ms);
        for (ms, body) in [(0, "old"), (600, "a"), (1500, "b")] {
            recent.accepted(Bytes::from(body), at(ms));
        }
        recent.ended(false);
        assert_eq!(recent.owed(), None);
        for (ms, body) in [(2000, "old"), (2600, "c"), (3500, "d")] {
            recent.accepted(Bytes::from(body), at(ms));
        }
        recent.ended(true);
        assert_eq!(owed(&mut recent), ["c", "d"], "in order");
        recent.ended(true);
        assert_eq!(recent.owed(), None, "once more is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_bytes_are_kept() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for _ in 0..20 {
            recent.accepted(Bytes::from(vec![0; 1 << 20]), now);
        }
        recent.ended(true);
        assert_eq!(owed(&mut recent).len(), 4);
        recent.ended(false);
        recent.accepted(Bytes::from(vec![0; 9 << 20]), now);
        recent.ended(true);
        assert_eq!(owed(&mut recent).len(), 1, "the last one in any case");
    }
}
