//! How a source or sink is doing, in the word that all who show it use.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    health::state::SourceState,
    store::conditions::{Condition, State},
};

/// How a source or sink is doing.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// A source is `collecting`, `quiet`, `behind`, `throttled`, `auth_failed` or `failing`; a
    /// sink `ok`, `failing` or `auth_failed`, and `new` before the first try.
    pub state: &'static str,
    pub since: Option<Timestamp>,
    /// Nothing is tried before.
    pub paused_until: Option<Timestamp>,
    pub last_ok: Option<Timestamp>,
    pub error: Option<String>,
}

const NEW: &str = "new";

impl Health {
    pub const SOURCE_STATES: [&str; 6] = [
        SourceState::Collecting.as_str(),
        SourceState::Quiet.as_str(),
        SourceState::Behind.as_str(),
        SourceState::Throttled.as_str(),
        SourceState::AuthFailed.as_str(),
        SourceState::Failing.as_str(),
    ];
    pub const SINK_STATES: [&str; 4] =
        [NEW, State::Ok.as_str(), State::Failing.as_str(), State::AuthFailed.as_str()];

    pub(super) fn of(condition: Option<Condition>, now: Timestamp) -> Self {
        let Some(condition) = condition else {
            return Self {
                state: NEW,
                since: None,
                paused_until: None,
                last_ok: None,
                error: None,
            };
        };
        Self {
            state: condition.state.as_str(),
            since: Some(condition.since),
            paused_until: condition.until.filter(|until| *until > now),
            last_ok: condition.ok,
            error: condition.error.filter(|_| condition.state != State::Ok),
        }
    }

    /// Nobody needs to look.
    pub fn is_well(&self) -> bool {
        self.is_active() || self.is_idle()
    }

    /// It does its work.
    pub fn is_active(&self) -> bool {
        matches!(self.state, "collecting" | "ok")
    }

    /// Nothing is wrong, and nothing comes.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, "quiet" | NEW)
    }

    /// It cannot do its work now: not merely late.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, "throttled" | "auth_failed" | "failing")
    }

    /// It does not work, and waiting alone may not mend it.
    pub fn is_broken(&self) -> bool {
        matches!(self.state, "auth_failed" | "failing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_means_one_thing() {
        assert_eq!(Health::SOURCE_STATES, SourceState::ALL.map(SourceState::as_str));
        for state in Health::SOURCE_STATES.into_iter().chain(Health::SINK_STATES) {
            let health = Health { state, ..Health::of(None, Timestamp::UNIX_EPOCH) };
            let behind = state == "behind";
            assert_ne!(health.is_well(), health.is_stopped() || behind, "{state}");
            assert!(!(health.is_active() && health.is_idle()), "{state}");
            assert!(!health.is_broken() || health.is_stopped(), "{state}");
        }
    }
}
