//! Sources: what is common, then each vendor.

use std::time::Duration;

use super::address;
use crate::{
    config::{
        CiscoEtd, EtdFilter, ProofpointSer, RateLimit, Resweep, Schedule, Source, Start, Vendor,
        node::{Context, Key},
        raw::{
            Begin, Count, EtdKeys, FilterKeys, HttpKeys, RateKeys, RawSource, Region, ResweepKeys,
            ScheduleKeys, SerKeys, SourceKeys, Strings, Time,
        },
        section::{nearest, one_of},
        units::{self, spoken},
    },
    domain::{name::SourceName, slice::Stream},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Cisco's search takes up to 32 days at once and keeps 90; an hour is left for clocks that
/// differ.
const ETD_LONGEST_SLICE: Duration = Duration::from_secs(32 * 86_400 - 3600);
const ETD_RETENTION: Duration = Duration::from_secs(90 * 86_400 - 3600);

const VERDICTS: [&str; 8] =
    ["spam", "malicious", "phishing", "graymail", "neutral", "bec", "scam", "noVerdict"];
const DIRECTIONS: [&str; 4] = ["incoming", "outgoing", "internal", "mixed"];

impl RawSource {
    pub(super) fn streams(&self) -> &'static [Stream] {
        match self {
            Self::CiscoEtd(_) => &[Stream::Messages],
            Self::ProofpointSer(_) => &[Stream::Summary, Stream::Entitlement],
        }
    }
}

/// What differs from vendor to vendor where the configuration is silent.
struct Defaults {
    every: Duration,
    resweep: &'static [Duration],
    rate_limit: RateLimit,
}

const ETD: Defaults = Defaults {
    every: Duration::from_secs(60),
    resweep: &[HOUR, DAY, Duration::from_secs(7 * 86_400)],
    rate_limit: RateLimit {
        calls: 2,
        window: Duration::from_secs(1),
        burst: 4,
        per_day: Some(10_000),
    },
};

const SER: Defaults = Defaults {
    every: Duration::from_secs(300),
    resweep: &[
        HOUR,
        Duration::from_secs(6 * 3600),
        DAY,
        Duration::from_secs(3 * 86_400),
        Duration::from_secs(7 * 86_400),
    ],
    rate_limit: RateLimit {
        calls: 1000,
        window: Duration::from_secs(60),
        burst: 50,
        per_day: None,
    },
};

pub(super) fn source(
    cx: &Context<'_>,
    path: &str,
    raw: RawSource,
    name: SourceName,
) -> Option<Source> {
    match raw {
        RawSource::CiscoEtd(keys) => etd(cx, path, *keys, name),
        RawSource::ProofpointSer(keys) => ser(cx, *keys, name),
    }
}

fn etd(cx: &Context<'_>, path: &str, keys: EtdKeys, name: SourceName) -> Option<Source> {
    let base_url = etd_base_url(cx, path, &keys.region, &keys.base_url, &keys.http);
    let client_id = client_id(cx, keys.client_id);
    let client_secret = keys.client_secret.need(cx, SECRET_HINT);
    if let Some(Count(size)) = keys.page_size.value
        && size > 100
    {
        cx.error(&keys.page_size.path, format!("Cisco serves at most 100 a page, not {size}"));
    }
    if let Some(slice) = &keys.slice.value
        && slice.0 > ETD_LONGEST_SLICE
    {
        cx.error(
            &keys.slice.path,
            format!(
                "Cisco searches at most 32 days at once; write at most \"{}\"",
                spoken(ETD_LONGEST_SLICE)
            ),
        );
    }
    retention(cx, &keys.start, &keys.source.resweep);
    let filter = keys.filter.value.map(|keys| filter(cx, keys));
    let vendor = (|| {
        Some(Vendor::CiscoEtd(CiscoEtd {
            base_url: base_url?,
            client_id: client_id?,
            client_secret: client_secret?.0,
            api_key: keys.api_key.value.map(|key| key.0),
            page_size: keys.page_size.value?.0,
            filter: filter?,
            reconcile: keys.reconcile.value?,
        }))
    })();
    let times = Times { lag: keys.lag.value, slice: keys.slice.value, start: keys.start };
    common(cx, name, keys.source, keys.http, times, &ETD, vendor)
}

fn etd_base_url(
    cx: &Context<'_>,
    path: &str,
    region: &Key<Region>,
    base_url: &Key<String>,
    http: &HttpKeys,
) -> Option<String> {
    match (region.given, base_url.given) {
        (true, true) => {
            cx.error(
                &base_url.path,
                "`region` gives the address too; keep one of `region` and `base_url`",
            );
            None
        }
        (true, false) => region.value.map(|region| region.base_url().to_owned()),
        (false, true) => {
            address::url(cx, &base_url.path, base_url.value.as_ref()?, &http.allow_plain_http)
        }
        (false, false) => {
            cx.error(
                &format!("{path}.region"),
                "this key is missing; write the account's region: \"us\", \"de\", \"au\", \"in\", \
                 \"ae\" or \"beta\" (or the API's address as `base_url`)",
            );
            None
        }
    }
}

/// Cisco keeps messages for 90 days.
fn retention(cx: &Context<'_>, start: &Key<Begin>, resweep: &Key<Vec<ResweepKeys>>) {
    let most = spoken(ETD_RETENTION);
    match start.value {
        Some(Begin(Start::Back(back))) if back > ETD_RETENTION => cx.error(
            &start.path,
            format!("Cisco keeps messages for 90 days; write at most \"{most}\""),
        ),
        // No error: a time that was fine at first must not stop a later restart.
        Some(Begin(Start::At(at)))
            if cx.now.duration_since(at).unsigned_abs() > ETD_RETENTION && at < cx.now =>
        {
            cx.warn(
                &start.path,
                "Cisco keeps messages for 90 days; what is older than that can no longer be \
                 collected",
            );
        }
        _ => {}
    }
    for pass in resweep.value.iter().flatten() {
        if pass.after.value.is_some_and(|after| after.0 > ETD_RETENTION) {
            cx.error(
                &pass.after.path,
                format!("Cisco keeps messages for 90 days; write at most \"{most}\""),
            );
        }
    }
}

fn filter(cx: &Context<'_>, keys: FilterKeys) -> EtdFilter {
    for (word, path) in keys.verdicts.value.iter().flat_map(|list| &list.0) {
        verdict(cx, path, word);
    }
    for (word, path) in keys.directions.value.iter().flat_map(|list| &list.0) {
        if !DIRECTIONS.contains(&word.as_str()) {
            let near = nearest(word, DIRECTIONS)
                .map(|near| format!("; did you mean {near:?}?"))
                .unwrap_or_default();
            cx.error(
                path,
                format!("{word:?} is not a direction; write {}{near}", one_of(&DIRECTIONS)),
            );
        }
    }
    EtdFilter {
        verdicts: keys.verdicts.value.unwrap_or_default().plain(),
        directions: keys.directions.value.unwrap_or_default().plain(),
        subject: keys.subject.value.unwrap_or_default(),
        filename: keys.filename.value.unwrap_or_default(),
        file_sha256: keys.file_sha256.value.unwrap_or_default(),
        url: keys.url.value.unwrap_or_default(),
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

fn ser(cx: &Context<'_>, keys: SerKeys, name: SourceName) -> Option<Source> {
    let plain = &keys.http.allow_plain_http;
    let url = |key: &Key<String>| address::url(cx, &key.path, key.value.as_ref()?, plain);
    let base_url = url(&keys.base_url);
    let token_url = url(&keys.token_url);
    let client_id = client_id(cx, keys.client_id);
    let client_secret = keys.client_secret.need(cx, SECRET_HINT);
    if let Some(path) = &keys.summary_path.value
        && (!path.starts_with('/') || path.contains(['?', '#', ' ']))
    {
        cx.error(
            &keys.summary_path.path,
            "this must be a path that begins with a slash, without a query, such as \
             \"/v1/sercustomer/report/summary\"",
        );
    }
    for pass in keys.source.resweep.value.iter().flatten().filter(|pass| pass.verdicts.given) {
        cx.error(
            &pass.verdicts.path,
            "the rows of proofpoint_ser have no verdicts; remove this key",
        );
    }
    let vendor = (|| {
        Some(Vendor::ProofpointSer(ProofpointSer {
            base_url: base_url?,
            token_url: token_url?,
            summary_path: keys.summary_path.value?,
            client_id: client_id?,
            client_secret: client_secret?.0,
        }))
    })();
    let times = Times { lag: keys.lag.value, slice: keys.slice.value, start: keys.start };
    common(cx, name, keys.source, keys.http, times, &SER, vendor)
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
    lag: Option<crate::config::raw::Seconds>,
    slice: Option<crate::config::raw::Seconds>,
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
