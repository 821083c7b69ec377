//! SIGTERM and SIGHUP.

use std::time::{Duration, Instant};

use postrider::simulator::{Options, Rate};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    calls::searches,
    harness::{Home, ago, etd, hec, now, plain, simulate, syslog, until},
    records::{assert_messages, assert_same_in_file, duplicates, lines},
};

/// A vendor with new messages all the time.
pub(crate) fn live(per_second: f64) -> Options {
    let mut options = plain(100);
    options.etd.range = Some([ago(60), now()]);
    options.etd.live_per_second = per_second;
    options.etd.now_margin = Duration::ZERO;
    options
}

/// A source that asks every second for the last second.
pub(crate) const EACH_SECOND: &str =
    "schedule = { every = \"1s\" }\nlag = \"1s\"\nslice = \"1s\"\nstart = \"2m\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_loses_and_doubles_nothing() {
    let mut options = plain(6_000);
    options.etd.limits.per_second = Some(Rate { rate: 100.0, burst: 10 });
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, "rate_limit = { per_second = 20, burst = 5, per_day = 100000 }"),
        hec(&simulation.hec_url, ""),
        syslog(simulation.syslog_addr, ""),
        home.file_sink(),
    ]);
    for signal in ["TERM", "INT", "TERM"] {
        let process = home.start(&["run"]);
        let goal = searches(&simulation.stats()) + 8;
        until("searches", || (searches(&simulation.stats()) >= goal).then_some(())).await;
        process.signal(signal);
        let began = Instant::now();
        assert_eq!(process.ended().await, Some(0), "{}", home.read("stderr.log"));
        assert!(began.elapsed() < Duration::from_secs(9), "within the grace time");
    }
    assert!(searches(&simulation.stats()) < 60, "stopped too late to show anything");
    home.once().await;
    let received = simulation.received();
    assert_messages("HEC", &simulation, &received);
    assert_messages("syslog", &simulation, &simulation.received_by_syslog());
    assert_eq!(duplicates("HEC", &received), 0);
    assert_eq!(duplicates("syslog", &simulation.received_by_syslog()), 0);
    assert_eq!(assert_same_in_file(&lines(&home), &received), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once() {
    let simulation = simulate(plain(100)).await;
    let slow = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(any()).respond_with(answer).mount(&slow).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), hec(&slow.uri(), "timeout = \"2m\"")]);
    let mut process = home.start(&["run"]);
    home.logged("slice covered").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while slow.received_requests().await.unwrap().is_empty() {
        ticks.tick().await;
    }
    process.signal("TERM");
    home.logged("a second signal stops at once").await;
    assert!(process.is_running(), "a batch is on its way");
    let began = Instant::now();
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // The batch whose fate is unknown goes again.
    home.configure(&[etd(&simulation.etd_url, ""), hec(&simulation.hec_url, "")]);
    home.once().await;
    assert_messages("HEC", &simulation, &simulation.received());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_takes_a_good_configuration_and_refuses_a_bad_one() {
    let simulation = simulate(live(20.0)).await;
    let home = Home::new();
    let source = etd(&simulation.etd_url, EACH_SECOND);
    let second = home.file_sink().replace("archive", "second").replace("events.", "second.");
    home.configure(&[source.clone(), home.file_sink()]);
    let process = home.start(&["run"]);
    until("lines", || (home.read("events.jsonl").lines().count() > 100).then_some(())).await;
    assert!(!home.path("second.jsonl").exists());

    home.configure(&[source.clone(), home.file_sink(), second.clone()]);
    process.signal("HUP");
    home.logged("starting anew with it").await;
    until("the new sink", || (home.read("second.jsonl").lines().count() > 20).then_some(())).await;

    home.configure(&[source.clone(), home.file_sink(), second.replace("path", "pfad")]);
    process.signal("HUP");
    home.logged("going on with the old one").await;
    assert!(home.read("stderr.log").contains("pfad"), "says why");
    let had = home.read("second.jsonl").lines().count();
    until("both go on", || (home.read("second.jsonl").lines().count() > had).then_some(())).await;

    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let lines = lines(&home);
    let mut ids: Vec<_> = lines.iter().map(crate::records::Line::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lines.len(), "two changes of the configuration doubled nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulators_end_at_sigterm_as_in_a_container() {
    let home = Home::new();
    let process = home.start(&["simulate", "--messages", "1"]);
    until("it serves", || home.read("stdout.log").contains("# questions").then_some(())).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}
