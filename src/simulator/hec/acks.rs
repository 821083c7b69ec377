//! Indexer acknowledgement: ids count from 0 in each channel, and a `true` is told once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use serde::Deserialize;

use crate::simulator::locked;

#[derive(Default)]
pub(super) struct Channels(Mutex<HashMap<String, Channel>>);

#[derive(Default)]
struct Channel {
    next: u64,
    /// Polls that an id still answers with `false`; `u32::MAX` for ever.
    pending: HashMap<u64, u32>,
}

#[derive(Deserialize)]
struct Poll {
    acks: Vec<u64>,
}

impl Channels {
    pub(super) fn accept(&self, channel: &str, polls: u32) -> u64 {
        let mut channels = locked(&self.0);
        let channel = channels.entry(channel.to_owned()).or_default();
        let id = channel.next;
        channel.next += 1;
        channel.pending.insert(id, polls);
        id
    }

    /// Which of the asked ids are indexed; `None` when the question cannot be read.
    pub(super) fn poll(&self, channel: &str, body: &[u8]) -> Option<BTreeMap<u64, bool>> {
        let poll: Poll = serde_json::from_slice(body).ok()?;
        let mut channels = locked(&self.0);
        let mut nothing = Channel::default();
        let channel = channels.get_mut(channel).unwrap_or(&mut nothing);
        let mut answer = |id: u64| match channel.pending.get_mut(&id) {
            None | Some(&mut u32::MAX) => false,
            Some(0) => channel.pending.remove(&id).is_some(),
            Some(polls) => {
                *polls -= 1;
                false
            }
        };
        Some(poll.acks.into_iter().map(|id| (id, answer(id))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_true_is_told_once_and_in_its_channel_only() {
        let channels = Channels::default();
        assert_eq!((channels.accept("a", 1), channels.accept("a", 0)), (0, 1));
        assert_eq!(channels.accept("b", 0), 0);
        let poll = |channel| channels.poll(channel, br#"{"acks":[0,1,9]}"#).unwrap();
        assert_eq!(poll("a"), [(0, false), (1, true), (9, false)].into());
        assert_eq!(poll("a"), [(0, true), (1, false), (9, false)].into());
        assert_eq!(poll("c"), [(0, false), (1, false), (9, false)].into());
        assert!(channels.poll("a", b"[0]").is_none());
    }
}
