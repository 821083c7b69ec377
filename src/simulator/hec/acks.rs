//! Indexer acknowledgement: ids count from 0 in each channel of each node, and a `true` is told
//! once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::simulator::locked;

/// How questions for acknowledgements are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckAnswers {
    #[default]
    Well,
    /// 403, code 1.
    Refused,
    /// 503, code 9.
    Unavailable,
    /// 500, code 8.
    ServerError,
    /// 200 with an HTML page.
    Html,
    /// 302 to another address.
    Redirect,
    /// 404 with HEC's JSON: there is no such page.
    NotFound,
    /// 404 with a proxy's page.
    ProxyNotFound,
}

#[derive(Default)]
pub(super) struct Channels(Mutex<HashMap<(u32, String), Channel>>);

#[derive(Default)]
struct Channel {
    next: u64,
    pending: HashMap<u64, Pending>,
}

/// When an id is told `true`; `None` is never.
type Pending = Option<Due>;

/// After so many questions, and not before a time.
pub(super) struct Due {
    pub(super) polls: u32,
    pub(super) at: Timestamp,
}

#[derive(Deserialize)]
struct Poll {
    acks: Vec<u64>,
}

impl Channels {
    pub(super) fn accept(&self, node: u32, channel: &str, due: Option<Due>) -> u64 {
        let mut channels = locked(&self.0);
        let channel = channels.entry((node, channel.to_owned())).or_default();
        let id = channel.next;
        channel.next += 1;
        channel.pending.insert(id, due);
        id
    }

    /// Which of the asked ids are indexed; `None` when the question cannot be read.
    pub(super) fn poll(
        &self,
        node: u32,
        channel: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Option<BTreeMap<u64, bool>> {
        let poll: Poll = serde_json::from_slice(body).ok()?;
        let mut channels = locked(&self.0);
        let mut nothing = Channel::default();
        let channel = channels.get_mut(&(node, channel.to_owned())).unwrap_or(&mut nothing);
        let mut answer = |id: u64| match channel.pending.get_mut(&id) {
            None | Some(None) => false,
            Some(Some(due)) if due.at > now => false,
            Some(Some(Due { polls: 0, .. })) => channel.pending.remove(&id).is_some(),
            Some(Some(due)) => {
                due.polls -= 1;
                false
            }
        };
        Some(poll.acks.into_iter().map(|id| (id, answer(id))).collect())
    }

    /// As after a restart: nothing is known of any channel, and all count anew.
    pub(super) fn forget(&self) {
        locked(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_true_is_told_once_when_it_is_time_and_in_its_channel_only() {
        let channels = Channels::default();
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(5).unwrap());
        let due = |polls, at| Some(Due { polls, at });
        assert_eq!(channels.accept(0, "a", due(1, early)), 0);
        assert_eq!(channels.accept(0, "a", due(0, early)), 1);
        assert_eq!(channels.accept(0, "a", due(0, late)), 2);
        assert_eq!(channels.accept(0, "a", None), 3);
        assert_eq!(channels.accept(0, "b", due(0, early)), 0);
        assert_eq!(channels.accept(1, "a", due(0, early)), 0);
        let poll = |channel, now| {
            let acks = channels.poll(0, channel, br#"{"acks":[0,1,2,3,9]}"#, now).unwrap();
            acks.into_values().collect::<Vec<_>>()
        };
        assert_eq!(poll("a", early), [false, true, false, false, false]);
        assert_eq!(poll("a", early), [true, false, false, false, false]);
        assert_eq!(poll("a", late), [false, false, true, false, false]);
        assert_eq!(poll("a", late), [false; 5]);
        assert_eq!(poll("c", late), [false; 5]);
        assert!(channels.poll(0, "a", b"[0]", late).is_none());
        channels.forget();
        assert_eq!(poll("b", late), [false; 5]);
        assert_eq!(channels.accept(0, "b", None), 0);
    }
}
