//! Sources: what is common, then each vendor.

use std::time::Duration;

use super::address;
use crate::{
    config::{
        RateLimit, Resweep, Schedule, Source, Start, Vendor,
        node::{Context, Key},
        raw::{
            Begin, Count, HttpKeys, RateKeys, RawSource, ResweepKeys, ScheduleKeys, Seconds,
            SourceKeys, Strings, Time,
        },
        section::{nearest, one_of},
        units,
    },
    domain::{filter::VERDICTS, name::SourceName, slice::Stream},
};

mod etd;
mod ser;
mod ser_admin;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl RawSource {
    pub(super) fn streams(&self) -> &'static [Stream] {
        match self {
            Self::CiscoEtd(keys) if keys.log_export.value == Some(true) => {
                &[Stream::Messages, Stream::Audit]
            }
            Self::CiscoEtd(_) => &[Stream::Messages],
            Self::ProofpointSer(_) => &[Stream::Summary, Stream::Entitlement],
            Self::ProofpointSerAdmin(_) => &[Stream::Usage, Stream::Failures, Stream::RelayUsers],
        }
    }
}

/// What differs from vendor to vendor where the configuration is silent.
struct Defaults {
    every: Duration,
    resweep: &'static [Duration],
    rate_limit: RateLimit,
}

pub(super) fn source(
    cx: &Context<'_>,
    path: &str,
    raw: RawSource,
    name: SourceName,
) -> Option<Source> {
    match raw {
        RawSource::CiscoEtd(keys) => etd::etd(cx, path, *keys, name),
        RawSource::ProofpointSer(keys) => ser::ser(cx, *keys, name),
        RawSource::ProofpointSerAdmin(keys) => ser_admin::ser_admin(cx, *keys, name),
    }
}

/// Vendors invent verdicts, so a word that is not known is only warned of.
pub(super) fn verdict(cx: &Context<'_>, path: &str, word: &str) {
    if VERDICTS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return;
    }
    let near =
        nearest(word, VERDICTS).map_or_else(|| one_of(&VERDICTS), |near| format!("{near:?}"));
    cx.warn(
        path,
        format!(
            "{word:?} is not a verdict that Postrider knows; unless it is a new one, write {near}"
        ),
    );
}

const SECRET_HINT: &str =
    "write where the secret is, such as { file = \"/etc/postrider/secret\" } or { env = \"NAME\" }";

fn client_id(cx: &Context<'_>, key: Key<String>) -> Option<String> {
    if key.value.as_deref() == Some("") {
        cx.error(&key.path, "the client's id is empty; copy it from the vendor's API page");
        return None;
    }
    key.need(cx, "copy the client's id from the vendor's API page")
}

struct Times {
    lag: Option<Seconds>,
    slice: Option<Seconds>,
    start: Key<Begin>,
}

fn common(
    cx: &Context<'_>,
    name: SourceName,
    keys: SourceKeys,
    http: HttpKeys,
    times: Times,
    defaults: &Defaults,
    vendor: Option<Vendor>,
) -> Option<Source> {
    let Times { lag, slice, start } = times;
    let path = keys.schedule.path.clone();
    let schedule = keys.schedule.value.and_then(|keys| schedule(cx, &path, keys, defaults.every));
    let resweep = if keys.resweep.given {
        keys.resweep.value.and_then(|list| {
            let read: Vec<Option<Resweep>> =
                list.into_iter().map(|keys| resweep(cx, keys)).collect();
            read.into_iter().collect()
        })
    } else {
        let default = |after: &Duration| Resweep { after: *after, verdicts: Vec::new() };
        Some(defaults.resweep.iter().map(default).collect::<Vec<_>>())
    };
    let rate_limit =
        keys.rate_limit.value.and_then(|keys| rate_limit(cx, &keys, defaults.rate_limit));
    let http = address::http(cx, http);
    if let Some(Begin(Start::At(at))) = start.value
        && at > cx.now
    {
        cx.warn(&start.path, format!("{at} has not come yet; until then nothing is collected"));
    }
    expiry(cx, &keys.credentials_expire);
    Some(Source {
        name,
        schedule: schedule?,
        start: start.value?.0,
        lag: lag?.0,
        slice: slice?.0,
        max_in_flight: usize::try_from(keys.max_in_flight.value?.0).ok()?,
        resweep: resweep?,
        rate_limit: rate_limit?,
        tags: keys.tags.value?,
        expect_records_within: keys.expect_records_within.value.map(|value| value.0),
        credentials_expire: keys.credentials_expire.value.map(|value| value.0),
        http: http?,
        vendor: vendor?,
    })
}

fn schedule(cx: &Context<'_>, path: &str, keys: ScheduleKeys, every: Duration) -> Option<Schedule> {
    match (keys.every.given, keys.cron.given) {
        (true, true) => {
            cx.error(path, "a schedule has one of `every` and `cron`; remove the other");
            None
        }
        (_, true) => {
            let cron = keys.cron.value?;
            units::cron(&cron, cx.now)
                .map_err(|message| cx.error(&keys.cron.path, message))
                .ok()?;
            Some(Schedule::Cron(cron))
        }
        (true, false) => Some(Schedule::Every(keys.every.value?.0)),
        (false, false) => Some(Schedule::Every(every)),
    }
}

fn resweep(cx: &Context<'_>, keys: ResweepKeys) -> Option<Resweep> {
    let verdicts = keys.verdicts.value.unwrap_or_default();
    for (word, path) in &verdicts.0 {
        verdict(cx, path, word);
    }
    let after = keys.after.need(cx, "write how long after a slice's end, such as \"24h\"")?.0;
    Some(Resweep { after, verdicts: Strings::plain(verdicts) })
}

fn rate_limit(cx: &Context<'_>, keys: &RateKeys, defaults: RateLimit) -> Option<RateLimit> {
    if keys.per_second.given && keys.per_minute.given {
        cx.error(
            &keys.per_minute.path,
            "a rate limit has one of `per_second` and `per_minute`; remove the other",
        );
        return None;
    }
    let (calls, window) = match (&keys.per_second, &keys.per_minute) {
        (key, _) if key.given => (key.value?.0, Duration::from_secs(1)),
        (_, key) if key.given => (key.value?.0, Duration::from_secs(60)),
        _ => (defaults.calls, defaults.window),
    };
    let or = |key: &Key<Count>, default: Option<u32>| match &key.value {
        Some(count) => Some(count.0),
        None => default,
    };
    Some(RateLimit {
        calls,
        window,
        burst: or(&keys.burst, Some(defaults.burst))?,
        per_day: or(&keys.per_day, defaults.per_day),
    })
}

fn expiry(cx: &Context<'_>, key: &Key<Time>) {
    let Some(Time(at)) = key.value else { return };
    let left = at.duration_since(cx.now);
    if left.is_negative() || left.is_zero() {
        cx.warn(
            &key.path,
            format!("the credentials expired at {at}; renew them and set the new time"),
        );
    } else if left.unsigned_abs() <= 30 * DAY {
        let days = left.as_hours() / 24;
        let word = if days == 1 { "day" } else { "days" };
        cx.warn(
            &key.path,
            format!(
                "the credentials expire in {days} {word}, at {at}; renew them and set the new time"
            ),
        );
    }
}
