//! Batches: events of the spool, or dead letters, in a sink's wire form.

use std::{ops::Range, time::Duration};

use bytes::Bytes;

use crate::{
    config::{BatchLimits, Route},
    domain::{event::Event, slice::Stream},
    sink::Sink,
    store::{dead_letters::replays::ReplayId, sinks::Refusal},
};

/// What a message without a verdict counts as in a sink's `verdicts`.
const NO_VERDICT: &str = "noverdict";

/// Bytes that are made room for at once, in a batch of a larger limit.
const MOST_AT_ONCE: usize = 1 << 20;
/// Room for the event that proves one too many.
const SLACK: usize = 64 << 10;

/// Consecutive events on their way, as bytes that do not change when they are sent again.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Where the batch began that this is, or is a part of.
    pub(super) origin: u64,
    /// Of dead letters; their numbers stand in the place of the events' in the spool.
    pub(super) replay: Option<ReplayId>,
    /// All events that are done with when this batch is: also those that do not go to this sink.
    pub(super) range: Range<u64>,
    pub(super) body: Bytes,
    /// The wire form of each event in `body`, without gaps.
    pub(super) frames: Vec<Range<usize>>,
    /// The event of each frame.
    pub(super) seqs: Vec<u64>,
    /// Events that the sink can never take.
    pub(super) unfit: Vec<Refusal>,
}

impl Batch {
    /// The part with the frames `frames`, and with the unfit events among them. The outer edges
    /// keep the events that were passed over.
    pub(super) fn part(&self, frames: Range<usize>) -> Self {
        let edge = |frame: usize, end: u64| self.seqs.get(frame).copied().unwrap_or(end);
        let from =
            if frames.start == 0 { self.range.start } else { edge(frames.start, self.range.end) };
        let range = from..edge(frames.end, self.range.end);
        let start = self.frames.get(frames.start).map_or(self.body.len(), |frame| frame.start);
        let end = self.frames.get(frames.end).map_or(self.body.len(), |frame| frame.start);
        let unfit = self.unfit.iter().filter(|refusal| range.contains(&refusal.event.seq));
        Self {
            origin: self.origin,
            replay: self.replay,
            body: self.body.slice(start..end),
            frames: self.frames[frames.clone()]
                .iter()
                .map(|frame| frame.start - start..frame.end - start)
                .collect(),
            seqs: self.seqs[frames].to_vec(),
            unfit: unfit.cloned().collect(),
            range,
        }
    }
}

/// Fills one batch.
#[derive(Debug, Default)]
pub(super) struct Filling {
    range: Option<Range<u64>>,
    body: Vec<u8>,
    frames: Vec<Range<usize>>,
    seqs: Vec<u64>,
    unfit: Vec<Refusal>,
    since: Option<tokio::time::Instant>,
}

impl Filling {
    /// The next event to take; `None` for any.
    pub(super) fn next(&self) -> Option<u64> {
        self.range.as_ref().map(|range| range.end)
    }

    /// Takes the event at the end of the batch, or passes over it; false where the batch is full
    /// without it. A single event may be larger than the limit.
    pub(super) fn take(
        &mut self,
        event: &Event,
        route: &Route,
        sink: &impl Sink,
        limits: BatchLimits,
    ) -> bool {
        if goes(event, route) {
            if self.frames.len() >= limits.max_events {
                return false;
            }
            let start = self.body.len();
            if start == 0 {
                // What is not filled is not touched.
                self.body.reserve(limits.max_bytes.min(MOST_AT_ONCE) + SLACK);
            }
            match sink.frame(event, &mut self.body) {
                Ok(()) if start > 0 && self.body.len() > limits.max_bytes => {
                    self.body.truncate(start);
                    return false;
                }
                Ok(()) => {
                    self.frames.push(start..self.body.len());
                    self.seqs.push(event.seq);
                }
                Err(unfit) => self.unfit.push(Refusal { event: event.clone(), reason: unfit.0 }),
            }
            self.since.get_or_insert_with(tokio::time::Instant::now);
        }
        self.range.get_or_insert(event.seq..event.seq).end = event.seq + 1;
        true
    }

    /// Whether anything in it waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// How long until its oldest event has waited for `max_age`; `None` while it has none.
    pub(super) fn left(&self, max_age: Duration) -> Option<Duration> {
        self.since.map(|since| max_age.saturating_sub(since.elapsed()))
    }

    /// The batch as far as it is filled.
    pub(super) fn finish(&mut self) -> Option<Batch> {
        let Self { range, body, frames, seqs, unfit, .. } = std::mem::take(self);
        let range = range?;
        let (origin, body) = (range.start, body.into());
        Some(Batch { origin, replay: None, range, body, frames, seqs, unfit })
    }
}

/// Whether an event goes to a sink with this route.
pub(super) fn goes(event: &Event, route: &Route) -> bool {
    let origin = &event.origin;
    let source = route
        .sources
        .as_ref()
        .is_none_or(|names| names.iter().any(|n| n == origin.source.as_str()));
    let stream = route.streams.as_ref().is_none_or(|streams| streams.contains(&origin.stream));
    let verdict = origin.stream != Stream::Messages
        || route.verdicts.as_ref().is_none_or(|verdicts| {
            let verdict = event.verdict.as_deref().unwrap_or(NO_VERDICT);
            verdicts.iter().any(|v| v == verdict)
        });
    source && stream && verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::event::{Change, EventId, Origin},
        fault::Fault,
        sink::{Outcome, Unfit},
    };
    use std::sync::Arc;

    struct Lines;

    impl Sink for Lines {
        fn batch_limits(&self) -> BatchLimits {
            BatchLimits { max_events: 4, max_bytes: 12, max_age: Duration::ZERO }
        }

        fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
            if event.json.contains("bad") {
                return Err(Unfit("bad".into()));
            }
            out.extend_from_slice(event.json.as_bytes());
            Ok(())
        }

        async fn send(&self, _: Bytes, _: &[Range<usize>]) -> Outcome {
            Outcome::Accepted
        }

        async fn probe(&self) -> Result<String, Fault> {
            Ok(String::new())
        }
    }

    fn event(seq: u64, stream: Stream, verdict: Option<&str>, json: &str) -> Event {
        let source = "etd".parse().unwrap();
        let origin = Arc::new(Origin { source, stream, tags: std::collections::BTreeMap::new() });
        let id = EventId::from_bytes([0; 16]);
        let verdict = verdict.map(Into::into);
        let json = json.into();
        Event { origin, seq, id, revision: 1, change: Change::New, time_ms: 0, verdict, json }
    }

    fn filled() -> Batch {
        let route = Route { verdicts: Some(vec!["scam".into()]), ..Route::default() };
        let mut filling = Filling::default();
        let events = [("aaa", "scam"), ("xxx", "spam"), ("bbb", "scam"), ("bad", "scam")];
        let events = events.into_iter().chain([("ccc", "scam"), ("yyy", "spam")]);
        for (seq, (json, verdict)) in (10..).zip(events) {
            let event = event(seq, Stream::Messages, Some(verdict), json);
            assert!(filling.take(&event, &route, &Lines, Lines.batch_limits()));
        }
        let large = event(16, Stream::Messages, Some("scam"), "dddd");
        assert!(!filling.take(&large, &route, &Lines, Lines.batch_limits()));
        filling.finish().unwrap()
    }

    #[test]
    fn a_batch_covers_what_it_passed_over_and_stays_within_its_limits() {
        let batch = filled();
        assert_eq!(batch.range, 10..16);
        assert_eq!((&batch.body[..], &batch.seqs[..]), (&b"aaabbbccc"[..], &[10, 12, 14][..]));
        assert_eq!(batch.unfit[0].event.seq, 13);
    }

    #[test]
    fn parts_tile_the_batch() {
        let batch = filled();
        for cut in 0..=3 {
            let (left, right) = (batch.part(0..cut), batch.part(cut..3));
            assert_eq!([&left.body[..], &right.body[..]].concat(), &batch.body[..]);
            assert_eq!([&left.seqs[..], &right.seqs[..]].concat(), batch.seqs);
            assert_eq!((left.range.start, right.range.end), (10, 16));
            assert_eq!(left.range.end, right.range.start);
            assert_eq!(left.unfit.len() + right.unfit.len(), 1);
            let text =
                |b: &Batch| b.frames.iter().map(|f| b.body[f.clone()].to_vec()).collect::<Vec<_>>();
            assert_eq!([text(&left), text(&right)].concat(), text(&batch));
        }
    }

    #[test]
    fn routes_narrow_by_source_stream_and_verdict() {
        let only = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect());
        let clean = event(1, Stream::Messages, None, "");
        let row = event(1, Stream::Summary, None, "");
        assert!(goes(&clean, &Route::default()));
        assert!(!goes(&clean, &Route { sources: only(&["ser"]), ..Route::default() }));
        assert!(!goes(&clean, &Route { verdicts: only(&["scam"]), ..Route::default() }));
        assert!(goes(&clean, &Route { verdicts: only(&["noverdict"]), ..Route::default() }));
        assert!(goes(&row, &Route { verdicts: only(&["scam"]), ..Route::default() }));
        let summary = Some(vec![Stream::Summary]);
        assert!(!goes(&clean, &Route { streams: summary, ..Route::default() }));
    }
}
