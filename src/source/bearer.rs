//! Access tokens: one for all slices, fetched once however many ask, renewed ahead of its end.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    answer::Answer,
    text::{filled, member},
};
use crate::{
    clock::Clock,
    config::Secret,
    domain::fingerprint,
    fault::{Fault, Kind},
    http,
};

/// Bytes of an answer to a token request; tokens take one or two thousand.
const MAX_BODY: usize = 1 << 20;

/// A JWT's parts, with or without padding.
const JWT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longer lives are not believed.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What a token request yields.
pub(super) struct Grant {
    pub(super) token: Zeroizing<String>,
    /// The API key that the token was fetched with, for vendors that have one.
    pub(super) api_key: Option<Zeroizing<String>>,
    /// From the request on.
    pub(super) life: Duration,
}

/// A token in use.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) token: Zeroizing<String>,
    pub(super) api_key: Option<Zeroizing<String>>,
    renew_at: Timestamp,
    serial: u64,
}

impl Bearer {
    /// What must never be in a log.
    pub(super) fn secrets(&self) -> [&str; 2] {
        [&self.token, self.api_key.as_ref().map_or("", |key| key)]
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

/// The token of one source.
#[derive(Default)]
pub(super) struct Tokens {
    state: tokio::sync::Mutex<State>,
    /// Token requests that came to an end, either way.
    ended: AtomicU64,
}

#[derive(Default)]
struct State {
    bearer: Option<Bearer>,
    serial: u64,
    failure: Option<(Kind, String)>,
}

impl Tokens {
    /// The present token, or a new one from `request`: where there is none, where it is near its
    /// end, and where it is the one that the vendor `refused`.
    ///
    /// Whoever waited while another's request failed gets that failure, instead of failing the
    /// same way again at the cost of a call.
    pub(super) async fn get(
        &self,
        clock: &dyn Clock,
        refused: Option<&Bearer>,
        request: impl Future<Output = Result<Grant, Fault>> + Send,
    ) -> Result<Bearer, Fault> {
        let ended = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let asked_at = clock.now();
        if let Some(bearer) = &state.bearer
            && asked_at < bearer.renew_at
            && refused.is_none_or(|refused| refused.serial != bearer.serial)
        {
            return Ok(bearer.clone());
        }
        if ended != self.ended.load(Ordering::Acquire)
            && let Some((kind, what)) = &state.failure
        {
            return Err(Fault::new(*kind, what.clone()));
        }
        // The old token stays until there is a new one: another slice may still finish with it.
        let granted = request.await;
        self.ended.fetch_add(1, Ordering::Release);
        match granted {
            Ok(Grant { token, api_key, life }) => {
                state.serial += 1;
                let ahead = renew_after(life);
                let renew_at = asked_at.checked_add(ahead).unwrap_or(Timestamp::MAX);
                let bearer = Bearer { token, api_key, renew_at, serial: state.serial };
                state.failure = None;
                state.bearer = Some(bearer.clone());
                Ok(bearer)
            }
            Err(fault) => {
                state.failure = Some((fault.kind, fault.chain()));
                Err(fault)
            }
        }
    }

    /// Lets go of a token with which the vendor refused a request for want of rights: the next
    /// attempt reads all secrets anew, so that a rotated one counts without a restart.
    pub(super) async fn forget(&self, refused: &Bearer) {
        let mut state = self.state.lock().await;
        state.bearer.take_if(|bearer| bearer.serial == refused.serial);
    }
}

/// Sends a token request. A huge answer is not the token service's: asking for less cannot help.
pub(super) async fn ask(
    http: &http::Client,
    request: reqwest::RequestBuilder,
    name: &str,
) -> Result<Answer, Fault> {
    Answer::to(http, request, name, MAX_BODY).await.map_err(|fault| match fault.kind {
        Kind::TooLarge => Fault::transient(fault.to_string()),
        _ => fault,
    })
}

/// When to renew a token: after 90 % of its life, or 5 minutes ahead of its end where that is
/// earlier; lives below ten minutes would otherwise be used by half or not at all.
fn renew_after(life: Duration) -> Duration {
    const AHEAD: Duration = Duration::from_secs(300);
    let most = life.mul_f64(0.9);
    if life < 2 * AHEAD { most } else { most.min(life.saturating_sub(AHEAD)) }
}

/// How long a token lives by a member of its answer: seconds, as a number or a string.
pub(super) fn stated_life(value: &RawValue) -> Option<Duration> {
    let text = fingerprint::text(value);
    let seconds: f64 = text.as_deref().unwrap_or(value.get()).trim().parse().ok()?;
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST))
}

/// How long a JSON Web Token lives from `now` by its own `exp`. A past one says that the clocks
/// disagree, not that a fresh token is stale.
pub(super) fn life_in_jwt(token: &str, now: Timestamp) -> Option<Duration> {
    let payload = JWT.decode(token.split('.').nth(1)?).ok()?;
    let payload: &RawValue = serde_json::from_slice(&payload).ok()?;
    let members = fingerprint::object(payload)?;
    let exp: f64 = member(&members, "exp")?.get().parse().ok()?;
    let life = exp - now.as_duration().as_secs_f64();
    (life > 0.0).then(|| Duration::try_from_secs_f64(life).unwrap_or(LONGEST).min(LONGEST))
}

/// Reads a secret for a request; what cannot be read is a matter of configuration.
pub(super) fn read(secret: &Secret, name: &str) -> Result<Zeroizing<String>, Fault> {
    secret.read().map_err(|error| Fault::auth(format!("no {name}")).caused_by(error))
}

/// A header that no log shows.
pub(super) fn sensitive(value: &str, name: &str) -> Result<HeaderValue, Fault> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        Fault::auth(format!("the {name} has characters that an HTTP header cannot carry"))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The client secret in the encoding of a token request: Basic, or the end of a form. A server that
/// echoes the request would show it in this shape.
pub(super) fn sent(request: &reqwest::RequestBuilder) -> Zeroizing<String> {
    let encoded = || {
        let request = request.try_clone()?.build().ok()?;
        let basic = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(basic) = basic {
            return basic.strip_prefix("Basic ").map(str::to_owned);
        }
        let form = std::str::from_utf8(request.body()?.as_bytes()?).ok()?;
        form.split("client_secret=").nth(1).map(str::to_owned)
    };
    Zeroizing::new(encoded().unwrap_or_default())
}

/// The first of `names` that is a filled string in `members`.
pub(super) fn first_filled(
    members: &[(std::borrow::Cow<'_, str>, &RawValue)],
    names: &[&str],
) -> Option<Zeroizing<String>> {
    let found = names.iter().find_map(|name| filled(member(members, name)?))?;
    Some(Zeroizing::new(found.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_ahead_of_their_end() {
        let table = [(1, 0.9), (60, 54.0), (599, 539.1), (600, 300.0), (3_600, 3_240.0)];
        for (life, after) in table {
            let renew = renew_after(Duration::from_secs(life)).as_secs_f64();
            assert!((renew - after).abs() < 1e-6, "{life}: {renew}");
        }
    }

    #[test]
    fn lives_are_read_from_numbers_strings_and_jwts() {
        let life = |json: &str| stated_life(serde_json::from_str(json).unwrap());
        assert_eq!(life("3600"), Some(Duration::from_secs(3600)));
        assert_eq!(life("\"43200\""), Some(Duration::from_secs(43_200)));
        assert_eq!(life("1e300"), Some(LONGEST));
        for nothing in ["null", "0", "-1", "\"soon\"", "[]", "\"NaN\""] {
            assert_eq!(life(nothing), None, "{nothing}");
        }
        let now = Timestamp::from_second(1_795_255_200 - 60).unwrap();
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTUyNTUyMDB9.c2lnbmF0dXJl";
        assert_eq!(life_in_jwt(jwt, now), Some(Duration::from_secs(60)));
        let late = Timestamp::from_second(1_795_255_200 + 60).unwrap();
        for (token, now) in [(jwt, late), ("a.e30.c", now), ("opaque", now), ("a.!.b", now)] {
            assert_eq!(life_in_jwt(token, now), None, "{token}");
        }
    }
}
