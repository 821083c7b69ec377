//! Every sample payload through the whole pipeline and out again unharmed.
//!
//! In this process and on a clock that stands still, so that each byte of the events can be told
//! ahead.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use postrider::{
    app::{self, Mode, Outcome},
    clock::ManualClock,
    config,
    store::Store,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::value::RawValue;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::harness::{Home, etd, hec, ser};

const SEARCH: &str = "/v1/messages/search";
const SUMMARY: &str = "/v1/sercustomer/report/summary";
pub(crate) const START: &str = "2026-11-20T08:00:00Z";
pub(crate) const END: &str = "2026-11-20T10:00:00Z";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Etd,
    Ser,
}

impl Vendor {
    pub(crate) fn directory(self) -> PathBuf {
        let name = if self == Self::Etd { "etd" } else { "ser" };
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendors").join(name)
    }

    pub(crate) fn sample(self, name: &str) -> String {
        std::fs::read_to_string(self.directory().join(name)).unwrap()
    }

    pub(crate) fn data_path(self) -> &'static str {
        if self == Self::Etd { SEARCH } else { SUMMARY }
    }

    /// A vendor that answers the token request with `token`.
    pub(crate) async fn server(self, token: &str) -> MockServer {
        let server = MockServer::start().await;
        let at = if self == Self::Etd { "/v1/oauth/token" } else { "/v1/token" };
        Mock::given(method("POST"))
            .and(path(at))
            .respond_with(answer(200, self.sample(token)))
            .mount(&server)
            .await;
        server
    }

    pub(crate) fn section(self, url: &str, extra: &str) -> String {
        match self {
            Self::Etd => etd(url, extra),
            Self::Ser => ser(url, extra),
        }
    }
}

/// An answer with the time of the samples, which is not this machine's.
pub(crate) fn answer(status: u16, body: String) -> ResponseTemplate {
    let answer = ResponseTemplate::new(status).set_body_raw(body, "application/json");
    answer.insert_header("date", "Fri, 27 Nov 2026 23:00:00 GMT")
}

/// Runs the pipeline at `now` until all of the one slice is delivered.
async fn run(home: &Home, vendor: Vendor, url: &str, now: Timestamp) -> Outcome {
    run_with(home, vendor, url, now, home.file_sink(), &[]).await
}

/// The same, with resweeps so many hours after the slice's end.
async fn run_with(
    home: &Home,
    vendor: Vendor,
    url: &str,
    now: Timestamp,
    sink: String,
    resweeps: &[i64],
) -> Outcome {
    let lag = now.duration_since(END.parse().unwrap()).as_secs();
    let resweeps: Vec<_> = resweeps.iter().map(|h| format!("{{ after = \"{h}h\" }}")).collect();
    let resweeps = resweeps.join(", ");
    let extra =
        format!("start = \"{START}\"\nslice = \"2h\"\nlag = \"{lag}s\"\nresweep = [{resweeps}]");
    home.configure(&[vendor.section(url, &extra), sink]);
    once_at(home, now).await
}

/// As `once` does what is configured, at `now`.
pub(crate) async fn once_at(home: &Home, now: Timestamp) -> Outcome {
    let file = home.path("postrider.toml");
    let loaded = config::load(Some(&file), Vec::new(), now).unwrap();
    let store = Store::open(&loaded.config.state.directory).unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let mode = Mode::Once { patience: Duration::from_millis(500) };
    let rng = StdRng::seed_from_u64(1);
    let running = app::start(&loaded.config, store, clock, rng, mode).await.unwrap();
    running.ended().await
}

pub(crate) fn after(hours: i64) -> Timestamp {
    let end: Timestamp = END.parse().unwrap();
    end.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

/// Serves these bodies one after the other, the last one for good.
pub(crate) async fn serve(vendor: Vendor, server: &MockServer, bodies: &[String]) {
    for (priority, body) in (1..).zip(bodies) {
        let verb = if vendor == Vendor::Etd { "POST" } else { "GET" };
        let mock = Mock::given(method(verb))
            .and(path(vendor.data_path()))
            .respond_with(answer(200, body.clone()))
            .with_priority(priority);
        let last = usize::from(priority) == bodies.len();
        if last { mock.mount(server).await } else { mock.up_to_n_times(1).mount(server).await }
    }
}

/// JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(json.len()), false, false);
    for c in json.chars() {
        if quoted || !c.is_ascii_whitespace() {
            out.push(c);
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    out
}

/// The record in an event: all after the member `postrider`, which comes first.
fn record(line: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        postrider: &'a RawValue,
    }
    let event: Event<'_> = serde_json::from_str(line).unwrap();
    let head = format!("{{\"postrider\":{}", event.postrider.get());
    let rest = line.strip_prefix(&head).expect("the member postrider comes first");
    format!("{{{}", rest.strip_prefix(',').unwrap_or(rest))
}

/// What the samples say, in the order in which they are served.
async fn delivered(vendor: Vendor, token: &str, samples: &[&str]) -> String {
    let bodies: Vec<_> = samples.iter().map(|name| vendor.sample(name)).collect();
    let server = vendor.server(token).await;
    serve(vendor, &server, &bodies).await;
    let home = Home::new();
    let outcome = run(&home, vendor, &server.uri(), after(1)).await;
    assert_eq!(outcome, Outcome::default(), "{samples:?}");
    let lines = vendors(&home);
    assert_verbatim(&lines, &bodies, samples);
    lines
}

/// What was delivered of the vendors' records.
fn vendors(home: &Home) -> String {
    let all = home.read("events.jsonl");
    let of_vendors = |line: &&str| !line.contains("\"stream\":\"health\"");
    all.lines().filter(of_vendors).flat_map(|line| [line, "\n"]).collect()
}

fn assert_verbatim(lines: &str, bodies: &[String], samples: &[&str]) {
    let mut texts: Vec<String> = Vec::new();
    for body in bodies {
        let body = body.trim_start_matches('\u{feff}');
        // One sample is JSON in a JSON string.
        let inner = serde_json::from_str::<String>(body);
        texts.push(compact(inner.as_deref().unwrap_or(body)));
    }
    // What is gone did not come.
    for line in lines.lines().filter(|line| !line.contains("\"change\":\"vanished\"")) {
        // A vendor's own member of our name is kept under another.
        let record = compact(&record(line)).replace("\"postrider_original\":", "\"postrider\":");
        let found = texts.iter().any(|text| text.contains(&record));
        assert!(found, "{samples:?}: not as the vendor has it:\n{record}");
    }
}

/// Those that are no page, or belong to another.
const NO_PAGES: &[&str] = &[
    "errors.json",
    "token",
    "page_first",
    "page_empty_with_token",
    "truncated",
    "not_json",
    "error_with_200",
    "empty_body",
    "text_",
];

fn samples(vendor: Vendor) -> Vec<String> {
    let entries = std::fs::read_dir(vendor.directory()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_page = |name: &String| !NO_PAGES.iter().any(|start| name.starts_with(start));
    let mut names: Vec<_> = names.filter(is_page).collect();
    names.sort();
    names
}

async fn each_sample(vendor: Vendor, token: &str, at_least: usize) {
    let samples = samples(vendor);
    assert!(samples.len() >= at_least, "{samples:?}");
    for name in samples {
        let lines = delivered(vendor, token, &[&name]).await;
        let name = name.trim_end_matches(".json");
        insta::assert_snapshot!(format!("{vendor:?}_{name}"), lines);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_etd_sample_comes_out_as_it_went_in() {
    each_sample(Vendor::Etd, "token.json", 28).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ser_sample_comes_out_as_it_went_in() {
    each_sample(Vendor::Ser, "token.json", 35).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_follow_each_other_come_out_as_one() {
    for (samples, token) in [
        (["page_first.json", "page_last.json"], "token.json"),
        (["page_empty_with_token.json", "page_last.json"], "token_expires_in.json"),
    ] {
        let lines = delivered(Vendor::Etd, token, &samples).await;
        insta::assert_snapshot!(
            format!("Etd_{}_then_last", samples[0].replace(".json", "")),
            lines
        );
    }
    for token in ["token_bare.json", "token_one_hour.json", "token_string_expiry.json"] {
        let lines = delivered(Vendor::Ser, token, &["summary_normal.json"]).await;
        assert_eq!(lines, delivered(Vendor::Ser, "token.json", &["summary_normal.json"]).await);
    }
}

/// Reads the slice once, and again by a resweep for each further sample.
async fn readings(vendor: Vendor, samples: &[(&str, i64)]) -> String {
    let home = Home::new();
    let resweeps: Vec<i64> = samples[1..].iter().map(|(_, hours)| *hours).collect();
    let mut bodies = Vec::new();
    for (round, (sample, hours)) in samples.iter().enumerate() {
        let server = vendor.server("token.json").await;
        bodies.push(vendor.sample(sample));
        serve(vendor, &server, &bodies[round..]).await;
        let (url, sink) = (server.uri(), home.file_sink());
        let outcome = run_with(&home, vendor, &url, after(*hours), sink, &resweeps).await;
        assert_eq!(outcome, Outcome::default(), "{sample}");
    }
    let lines = vendors(&home);
    assert_verbatim(&lines, &bodies, &[samples[0].0]);
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_changed_comes_again_and_says_what_changed() {
    for pair in ["verdict_arrives", "retro", "cleared_by_hand", "remediated", "released"] {
        let (before, after) =
            (format!("pair_{pair}_before.json"), format!("pair_{pair}_after.json"));
        let lines = readings(Vendor::Etd, &[(&before, 1), (&after, 3)]).await;
        assert_eq!(lines.lines().count(), 2, "{pair}");
        let second: serde_json::Value =
            serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
        let postrider = &second["postrider"];
        assert_eq!((&postrider["revision"], &postrider["change"]), (&2.into(), &"changed".into()));
        for path in postrider["changed"].as_array().unwrap() {
            let path = path.as_str().unwrap();
            let watched = path.starts_with("verdict") || path.starts_with("action");
            let said = postrider["previous"].as_object().unwrap().contains_key(path);
            assert_eq!(said, watched, "{pair}: {path}");
        }
        insta::assert_snapshot!(format!("Etd_again_{pair}"), lines);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_did_not_really_change_does_not_come_again() {
    for pair in ["no_real_change", "urls_to_urlmetadata"] {
        let (before, after) =
            (format!("pair_{pair}_before.json"), format!("pair_{pair}_after.json"));
        let lines = readings(Vendor::Etd, &[(&before, 1), (&after, 3)]).await;
        assert_eq!(lines.lines().count(), 1, "{pair}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reclassified_row_comes_again_with_what_it_moved() {
    let readings_ = [
        ("reclassified_1_fresh.json", 1),
        ("reclassified_2_after_1h.json", 2),
        ("reclassified_3_after_24h.json", 24),
        ("reclassified_4_after_7d.json", 168),
    ];
    let lines = readings(Vendor::Ser, &readings_).await;
    insta::assert_snapshot!("Ser_again_reclassified", lines);
    let reordered = [("summary_normal.json", 1), ("reordered_after.json", 2)];
    let again = readings(Vendor::Ser, &reordered).await;
    let rows = again.lines().filter(|line| line.contains("\"stream\":\"summary\"")).count();
    let first = readings(Vendor::Ser, &reordered[..1]).await;
    assert_eq!(rows, first.lines().filter(|line| line.contains("\"stream\":\"summary\"")).count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_gone_takes_its_counters_back() {
    for pair in ["vanished", "renamed"] {
        let (before, after) = (format!("{pair}_before.json"), format!("{pair}_after.json"));
        let lines = readings(Vendor::Ser, &[(&before, 1), (&after, 3)]).await;
        let gone = lines.lines().filter(|line| line.contains("\"change\":\"vanished\"")).count();
        assert_eq!(gone, 1, "{pair}: {lines}");
        insta::assert_snapshot!(format!("Ser_again_{pair}"), lines);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_over_the_last_hour_sees_a_verdict_that_changed_now() {
    let splunk = MockServer::start().await;
    Mock::given(path("/services/collector/event"))
        .respond_with(answer(200, "{\"text\":\"Success\",\"code\":0}".to_owned()))
        .mount(&splunk)
        .await;
    let home = Home::new();
    for (round, sample) in ["pair_retro_before.json", "pair_retro_after.json"].iter().enumerate() {
        let vendor = Vendor::Etd.server("token.json").await;
        serve(Vendor::Etd, &vendor, &[Vendor::Etd.sample(sample)]).await;
        let sink = hec(&splunk.uri(), "compression = \"none\"\nhost = \"collector\"");
        let now = after(i64::try_from(round).unwrap() * 20 + 1);
        let outcome = run_with(&home, Vendor::Etd, &vendor.uri(), now, sink, &[21]).await;
        assert_eq!(outcome, Outcome::default());
    }
    let requests = splunk.received_requests().await.unwrap();
    let envelopes: Vec<serde_json::Value> =
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let seconds = |text: &serde_json::Value| {
        text.as_str().unwrap().parse::<Timestamp>().unwrap().as_second().to_string()
    };
    let told = |envelope: &serde_json::Value| {
        envelope["time"].to_string().trim_matches('"').split('.').next().unwrap().to_owned()
    };
    let [first, second] = &envelopes[..] else { panic!("{envelopes:#?}") };
    assert_eq!(told(first), seconds(&first["event"]["timestamp"]));
    let event = &second["event"];
    let changes = [seconds(&event["verdict"]["timestamp"]), seconds(&event["action"]["timestamp"])];
    assert_eq!(Some(told(second)), changes.into_iter().max());
    assert_eq!(second["fields"]["revision"], "2");
    assert_eq!(second["fields"]["change"], "changed");
}
