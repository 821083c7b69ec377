//! Cisco Secure Email Threat Defense.

use std::time::Duration;

use super::{DAY, Defaults, HOUR, SECRET_HINT, Times, client_id, common, verdict};
use crate::{
    config::{
        CiscoEtd, RateLimit, Source, Start, Vendor,
        check::address,
        node::{Context, Key},
        raw::{Begin, Count, EtdKeys, FilterKeys, HttpKeys, Region, ResweepKeys},
        section::{nearest, one_of},
        units::spoken,
    },
    domain::{
        filter::{DIRECTIONS, Filter},
        name::SourceName,
    },
};

/// Cisco's search takes up to 32 days at once and keeps 90; an hour is left for clocks that
/// differ.
const ETD_LONGEST_SLICE: Duration = Duration::from_secs(32 * 86_400 - 3600);
const ETD_RETENTION: Duration = Duration::from_secs(90 * 86_400 - 3600);

const DEFAULTS: Defaults = Defaults {
    every: Duration::from_secs(60),
    resweep: &[HOUR, DAY, Duration::from_secs(7 * 86_400)],
    rate_limit: RateLimit {
        calls: 2,
        window: Duration::from_secs(1),
        burst: 4,
        per_day: Some(10_000),
    },
};

pub(super) fn etd(cx: &Context<'_>, path: &str, keys: EtdKeys, name: SourceName) -> Option<Source> {
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
            log_export: keys.log_export.value?,
        }))
    })();
    let times = Times { lag: keys.lag.value, slice: keys.slice.value, start: keys.start };
    common(cx, name, keys.source, keys.http, times, &DEFAULTS, vendor)
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

fn filter(cx: &Context<'_>, keys: FilterKeys) -> Filter {
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
    Filter {
        verdicts: keys.verdicts.value.unwrap_or_default().plain(),
        directions: keys.directions.value.unwrap_or_default().plain(),
        subject: keys.subject.value.unwrap_or_default(),
        filename: keys.filename.value.unwrap_or_default(),
        file_sha256: keys.file_sha256.value.unwrap_or_default(),
        url: keys.url.value.unwrap_or_default(),
    }
}
