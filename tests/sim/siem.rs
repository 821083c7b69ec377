//! What a SIEM got, and whether it should have.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// An event as it came first.
pub(crate) struct Got {
    pub text: String,
    pub facts: Facts,
    /// The whole envelope.
    whole: String,
    /// Its acceptance may be unknown to Postrider, so it may come once more.
    may_repeat: bool,
}

/// What an event says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Facts {
    pub source: String,
    pub stream: String,
    pub record_id: String,
    pub revision: u64,
    pub change: String,
    pub collected_at: Timestamp,
    pub window_start: Option<Timestamp>,
    #[serde(default)]
    pub delta: Value,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    event_id: String,
}

#[derive(Deserialize)]
struct Event {
    postrider: Facts,
}

/// One SIEM.
#[derive(Default)]
pub(crate) struct Siem {
    /// The sink's `acknowledgements`.
    asked: &'static str,
    /// Posts on their way, and posts whose answer the sender never got, by channel.
    posts: BTreeMap<String, (u32, u32)>,
    /// Batches whose acknowledgement is not told yet, by channel and number.
    pending: BTreeMap<(String, u64), (Batch, usize)>,
    /// The number given last, by channel.
    last: BTreeMap<String, u64>,
    pub got: BTreeMap<String, Got>,
    /// Events that it refused for good.
    pub refused: BTreeMap<String, Facts>,
    /// Copies accepted, and those of them that were not the first.
    pub copies: u64,
    pub duplicates: u64,
}

/// A batch as it was sent.
pub(crate) struct Batch(Vec<(String, String)>);

impl Batch {
    pub(crate) fn read(body: &[u8], gzip: bool) -> Result<Self, String> {
        let mut plain = Vec::new();
        if gzip {
            let mut reader = flate2::read::MultiGzDecoder::new(body);
            reader.read_to_end(&mut plain).map_err(|error| format!("a batch: {error}"))?;
        } else {
            plain.extend_from_slice(body);
        }
        let text = String::from_utf8(plain).map_err(|error| format!("a batch: {error}"))?;
        let event = |line: &str| {
            let envelope: Envelope<'_> = serde_json::from_str(line).ok()?;
            Some((envelope.fields.event_id, line.to_owned()))
        };
        let events: Option<Vec<_>> = text.lines().map(event).collect();
        events.map(Self).ok_or_else(|| format!("a batch is no list of events: {text}"))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn event(line: &str) -> Result<(String, Facts), String> {
    let text = || -> serde_json::Result<_> {
        let envelope: Envelope<'_> = serde_json::from_str(line)?;
        let text = envelope.event.get().to_owned();
        let event: Event = serde_json::from_str(&text)?;
        Ok((text, event.postrider))
    };
    text().map_err(|error| format!("{error}: {line}"))
}

impl Siem {
    /// Whose sink has these `acknowledgements`.
    pub(crate) fn asked(asked: &'static str) -> Self {
        Self { asked, ..Self::default() }
    }

    /// A post leaves on a channel.
    pub(crate) fn begins(&mut self, channel: &str) {
        self.posts.entry(channel.to_owned()).or_default().0 += 1;
    }

    /// A post ended, with HEC's answer or without.
    pub(crate) fn ends(&mut self, channel: &str, answered: bool) {
        let posts = self.posts.entry(channel.to_owned()).or_default();
        posts.0 = posts.0.saturating_sub(1);
        posts.1 += u32::from(!answered);
    }

    /// The sender was told that a batch without a number is accepted. Where acknowledgement is
    /// required, that does not count.
    pub(crate) fn told_unnumbered(&mut self, batch: &Batch, accepted: usize) -> Result<(), String> {
        if self.asked == "required" { Ok(()) } else { self.told(batch, accepted, None) }
    }

    /// The sender was told that this event never will be accepted. What is before it is accepted, but
    /// has no number by which its acknowledgement could be asked for: it goes again for one.
    pub(crate) fn told_bad(
        &mut self,
        batch: &Batch,
        accepted: usize,
        bad: usize,
    ) -> Result<(), String> {
        let known = if self.asked == "off" { accepted } else { 0 };
        self.told(batch, known, Some(bad))
    }

    /// Takes the first `accepted` events of a batch. Until the sender is told, they may come again.
    pub(crate) fn take(&mut self, batch: &Batch, accepted: usize) -> Result<(), String> {
        for (id, line) in batch.0.iter().take(accepted) {
            self.copies += 1;
            let Some(known) = self.got.get_mut(id) else {
                let (text, facts) = event(line)?;
                let got = Got { text, facts, whole: line.clone(), may_repeat: true };
                self.got.insert(id.clone(), got);
                continue;
            };
            self.duplicates += 1;
            if known.whole != *line {
                return Err(format!("{id} came again as another: {} and {line}", known.whole));
            }
            if !known.may_repeat {
                return Err(format!("{id} came again without need: {line}"));
            }
            known.may_repeat = true;
        }
        Ok(())
    }

    /// The sender was told that these were accepted, and that this one never will be.
    fn told(&mut self, batch: &Batch, accepted: usize, bad: Option<usize>) -> Result<(), String> {
        for (id, _) in batch.0.iter().take(accepted) {
            if let Some(got) = self.got.get_mut(id) {
                got.may_repeat = false;
            }
        }
        if let Some((id, line)) = bad.and_then(|bad| batch.0.get(bad)) {
            self.refused.insert(id.clone(), event(line)?.1);
        }
        Ok(())
    }

    /// A batch has a number by which its acknowledgement can be asked for; until that is told, the
    /// sender knows nothing.
    pub(crate) fn numbered(&mut self, channel: String, id: u64, batch: Batch, accepted: usize) {
        let last = self.last.insert(channel.clone(), id);
        if last.is_some_and(|last| id <= last) {
            // Numbers that begin anew leave in doubt whose each one is.
            self.posts.entry(channel.clone()).or_default().1 += 1;
        }
        self.pending.insert((channel, id), (batch, accepted));
    }

    /// The sender was told that the batch of this number is indexed.
    pub(crate) fn acknowledged(&mut self, channel: &str, id: u64) -> Result<(), String> {
        let Some((batch, accepted)) = self.pending.remove(&(channel.to_owned(), id)) else {
            return Ok(());
        };
        // A post whose answer is not known leaves in doubt which batch has the number.
        if self.posts.get(channel).is_some_and(|posts| *posts != (0, 0)) {
            return Ok(());
        }
        self.told(&batch, accepted, None)
    }

    /// All that it got or refused.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Facts)> {
        self.got.iter().map(|(id, got)| (id, &got.facts)).chain(&self.refused)
    }

    /// After a crash, what was accepted but not marked may come again. Tells how many.
    pub(crate) fn forgive(&mut self, unmarked: &BTreeSet<String>) -> u64 {
        let mut count = 0;
        for (_, got) in self.got.iter_mut().filter(|(id, _)| unmarked.contains(*id)) {
            got.may_repeat = true;
            count += 1;
        }
        count
    }
}
