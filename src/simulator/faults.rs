//! What goes wrong, when: by seed and number of the call, or on demand.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
    sync::Mutex,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{dice::Dice, locked};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 with `Retry-After` in seconds.
    ThrottledSeconds,
    /// 429 with `Retry-After` as a date.
    ThrottledDate,
    /// 429 without `Retry-After`.
    Throttled,
    /// 500; from HEC with code 8.
    ServerError,
    /// 502, not of the too-large kind.
    BadGateway,
    /// 503 with an HTML page; from HEC with code 9.
    Unavailable,
    /// 504.
    GatewayTimeout,
    /// The connection closes before the request is processed.
    Reset,
    /// The request is processed, then the connection closes without an answer.
    LostReply,
    /// The answer announces more than it sends, then the connection closes.
    CutBody,
    /// The answer trickles.
    SlowBody,
    /// 200 with an HTML page; the request is not processed.
    Html,
    /// 401: the access token has expired (vendors only).
    TokenExpired,
    /// 400 on a page after the first (ETD only).
    PageTokenExpired,
    /// 429 `Limit exceeded`: the day's quota is spent (vendors; as `Throttled` from HEC).
    QuotaSpent,
    /// 403; from HEC with code 1.
    Forbidden,
}

impl FaultKind {
    /// Those that pass by themselves at once, and are the default.
    pub const PASSING: [Self; 14] = [
        Self::ThrottledSeconds,
        Self::ThrottledDate,
        Self::Throttled,
        Self::ServerError,
        Self::BadGateway,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::Reset,
        Self::LostReply,
        Self::CutBody,
        Self::SlowBody,
        Self::Html,
        Self::TokenExpired,
        Self::PageTokenExpired,
    ];

    /// Those after which a client should hold back for long.
    pub const LASTING: [Self; 2] = [Self::QuotaSpent, Self::Forbidden];

    pub fn name(self) -> &'static str {
        match self {
            Self::ThrottledSeconds => "throttled_seconds",
            Self::ThrottledDate => "throttled_date",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::BadGateway => "bad_gateway",
            Self::Unavailable => "unavailable",
            Self::GatewayTimeout => "gateway_timeout",
            Self::Reset => "reset",
            Self::LostReply => "lost_reply",
            Self::CutBody => "cut_body",
            Self::SlowBody => "slow_body",
            Self::Html => "html",
            Self::TokenExpired => "token_expired",
            Self::PageTokenExpired => "page_token_expired",
            Self::QuotaSpent => "quota_spent",
            Self::Forbidden => "forbidden",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.replace('-', "_");
        let all = Self::PASSING.into_iter().chain(Self::LASTING);
        all.clone().find(|kind| kind.name() == wanted).ok_or_else(|| {
            let names: Vec<_> = all.map(Self::name).collect();
            format!("unknown fault \"{text}\"; there are {}", names.join(", "))
        })
    }
}

/// Which faults a server makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The share of calls that fail, 0 to 1.
    pub rate: f64,
    pub kinds: Vec<FaultKind>,
    /// These happen first, one a call that they apply to, whatever the rate.
    pub next: VecDeque<FaultKind>,
    #[serde(rename = "retry_after_ms", with = "super::millis")]
    pub retry_after: Duration,
    /// How long a slow body takes.
    #[serde(rename = "slow_body_ms", with = "super::millis")]
    pub slow_body: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rate: 0.0,
            kinds: FaultKind::PASSING.to_vec(),
            next: VecDeque::new(),
            retry_after: Duration::from_secs(1),
            slow_body: Duration::from_millis(1_500),
        }
    }
}

impl Faults {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn at_rate(rate: f64) -> Self {
        Self { rate, ..Self::default() }
    }
}

/// The faults of one server: settings, the number of the call, and what was done so far.
pub(super) struct Plan {
    seed: u64,
    state: Mutex<State>,
}

struct State {
    faults: Faults,
    calls: u64,
    injected: BTreeMap<&'static str, u64>,
}

impl Plan {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self { seed, state: Mutex::new(State { faults, calls: 0, injected: BTreeMap::new() }) }
    }

    /// Decides about the next call; `applies` tells which kinds make sense for it.
    pub(super) fn draw(&self, applies: impl Fn(FaultKind) -> bool) -> Option<FaultKind> {
        let mut state = locked(&self.state);
        let call = state.calls;
        state.calls += 1;
        let scripted = state.faults.next.iter().position(|kind| applies(*kind));
        let drawn = if let Some(at) = scripted {
            state.faults.next.remove(at)
        } else {
            let mut dice = Dice::new(self.seed, call);
            #[expect(clippy::cast_precision_loss, reason = "a probability needs no 64 bits")]
            let happens = (dice.next() as f64) < state.faults.rate * (u64::MAX as f64);
            let kinds: Vec<_> =
                state.faults.kinds.iter().copied().filter(|kind| applies(*kind)).collect();
            (happens && !kinds.is_empty()).then(|| dice.pick(&kinds))
        };
        if let Some(kind) = drawn {
            *state.injected.entry(kind.name()).or_default() += 1;
        }
        drawn
    }

    pub(super) fn settings(&self) -> Faults {
        locked(&self.state).faults.clone()
    }

    pub(super) fn set(&self, faults: Faults) {
        locked(&self.state).faults = faults;
    }

    pub(super) fn injected(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.state).injected.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let draw = |seed| {
            let plan = Plan::new(seed, Faults::at_rate(0.3));
            (0..200).map(|_| plan.draw(|_| true)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let faults = draw(1).into_iter().flatten().count();
        assert!((30..90).contains(&faults), "{faults}");
    }

    #[test]
    fn scripted_faults_wait_for_a_call_they_apply_to() {
        let plan = Plan::new(1, Faults { next: [FaultKind::Reset].into(), ..Faults::none() });
        assert_eq!(plan.draw(|kind| kind == FaultKind::Html), None);
        assert_eq!(plan.draw(|_| true), Some(FaultKind::Reset));
        assert_eq!(plan.draw(|_| true), None);
    }

    #[test]
    fn names_are_what_serde_says() {
        for kind in FaultKind::PASSING.into_iter().chain(FaultKind::LASTING) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }
}
