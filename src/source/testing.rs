//! What the tests of both drivers share.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::pace::Pace;
use crate::{
    config::{self, RateLimit},
    domain::{
        change::{self, Known, Revision},
        fingerprint,
        record::Record,
        slice::Interval,
    },
    http,
};

/// A client as the drivers get it.
pub(super) fn client() -> http::Client {
    let timeout = Duration::from_secs(10);
    http::client(&config::Http { timeout, ..config::Http::default() }).unwrap()
}

/// A pace that does not slow a test down.
pub(super) fn pace() -> Arc<Pace> {
    let window = Duration::from_secs(1);
    Arc::new(Pace::new(RateLimit { calls: 10_000, window, burst: 10_000, per_day: None }))
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The hour that the samples are about.
pub(super) fn hour() -> Interval {
    Interval::new(at("2026-11-20T08:00:00Z"), at("2026-11-20T09:00:00Z")).unwrap()
}

/// The samples of a vendor whose names match, by name.
pub(super) fn samples(vendor: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let folder = format!("{}/tests/fixtures/vendors/{vendor}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let named = files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let wanted = named.filter(|(name, _)| wanted(name));
    wanted.map(|(name, path)| (name, std::fs::read_to_string(path).unwrap())).collect()
}

pub(super) fn sample(vendor: &str, name: &str) -> String {
    samples(vendor, |file| file == name).remove(name).unwrap()
}

/// What the ledger would know of a record after its first version.
pub(super) fn known(record: &Record) -> Known {
    let members = record.fingerprint.members.clone();
    Known { revision: 1, members, watched: record.watched.clone() }
}

/// The revision that `after` is of `before`; `None` where the content is the same.
pub(super) fn revision(before: &Record, after: &Record, now: Timestamp) -> Option<Revision> {
    assert_eq!(before.id, after.id);
    let changed = before.fingerprint.content != after.fingerprint.content;
    changed.then(|| change::next(Some(&known(before)), after, now))
}

/// A revision as text.
pub(super) fn shown(revision: &Revision) -> String {
    let previous = revision.previous.iter();
    let previous: Vec<String> =
        previous.map(|(name, value)| format!("{name}={}", value.get())).collect();
    let (changed, time) = (revision.changed.join(" "), revision.time);
    let mut text = format!("at {time}\n  changed: {changed}\n  previous: {}", previous.join(" "));
    if let Some(delta) = &revision.delta {
        let nonzero = |counts: &BTreeMap<String, i128>| -> Vec<String> {
            let moved = counts.iter().filter(|(_, count)| **count != 0);
            moved.map(|(name, count)| format!("{name}={count:+}")).collect()
        };
        let (status, details) = (nonzero(&delta.status), nonzero(&delta.details));
        text.extend(["\n  delta: ", &status.join(" "), " | ", &details.join(" ")]);
    }
    text
}

/// The names of a record's members, as a fingerprint sees them.
pub(super) fn parsed(json: &str) -> Option<serde_json::Value> {
    assert!(!json.contains(['\n', '\r']), "more than one line: {json}");
    let raw: &serde_json::value::RawValue = serde_json::from_str(json).unwrap();
    assert!(fingerprint::object(raw).is_some(), "not an object: {json}");
    serde_json::from_str(json).ok()
}

/// Any JSON value.
pub(super) fn any_json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let names = prop_oneof![
        4 => proptest::sample::select(vec![
            "data", "messages", "nextPageToken", "totalSize", "id", "timestamp", "verdict",
            "action", "urls", "urlMetadata", "url", "latestVerdict", "postrider",
            "applicationUsers", "entitlement", "applicationName", "applicationUserName", "status",
            "details", "success", "total", "2.X.X", "5.1.1", "license_start", "error",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        Just("2026-11-20T08:15:00Z".into()),
        Just("".into()),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            proptest::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A vendor on loopback: tokens `bearer-1`, `bearer-2`, … and one prepared answer after another,
/// the last one for ever.
pub(super) struct Vendor {
    pub(super) server: wiremock::MockServer,
    tokens: Arc<std::sync::atomic::AtomicUsize>,
}

impl Vendor {
    /// `token` makes the token answer of its number; `answers` are for everything else.
    pub(super) async fn start(
        token_path: &str,
        token: impl Fn(usize) -> wiremock::ResponseTemplate + Send + Sync + 'static,
        answers: Vec<wiremock::ResponseTemplate>,
    ) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        let (server, tokens) =
            (wiremock::MockServer::start().await, Arc::new(AtomicUsize::default()));
        let (given, counted) = (AtomicUsize::default(), Arc::clone(&tokens));
        let token_path = token_path.to_owned();
        let respond = move |request: &wiremock::Request| {
            if request.url.path() == token_path {
                token(counted.fetch_add(1, SeqCst) + 1)
            } else {
                answers[given.fetch_add(1, SeqCst).min(answers.len() - 1)].clone()
            }
        };
        let any = wiremock::Mock::given(wiremock::matchers::any());
        any.respond_with(respond).mount(&server).await;
        Self { server, tokens }
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// The requests other than for tokens.
    pub(super) async fn requests(&self) -> Vec<wiremock::Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| !request.url.path().ends_with("token")).collect()
    }
}

/// `text`, gzipped.
pub(super) fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}
