//! Backfills: asked for on the command line, worked off by the daemon or by the command.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use postrider::simulator::{EtdOptions, Options, Simulation};
use serde_json::Value;

use crate::{
    calls::searches,
    check::assert_settled,
    harness::{Ended, Home, Process, ago, etd, now, ser, simulate, until},
    records::lines,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A vendor with three days of mail, ten days old.
fn history(messages: u64) -> Options {
    let mut options = Options::plain();
    options.etd = EtdOptions {
        messages,
        range: Some([ago(13 * DAY), ago(10 * DAY)]),
        quirks: options.etd.quirks,
        ..EtdOptions::default()
    };
    options
}

/// A home that collects the last hour only.
fn home(simulation: &Simulation, extra: &str) -> Home {
    let home = Home::new();
    let extra = format!("start = \"1h\"\n{extra}");
    home.configure(&[etd(&simulation.etd_url, &extra), home.file_sink()]);
    home
}

const SLOW: &str = "rate_limit = { per_second = 40, burst = 4, per_day = 100000 }";

fn hour(seconds_ago: i64) -> Timestamp {
    let at = ago(seconds_ago).as_second();
    Timestamp::from_second(at - at.rem_euclid(HOUR)).unwrap()
}

/// The whole history.
fn ask() -> Vec<String> {
    let (from, to) = (hour(13 * DAY), hour(10 * DAY - HOUR));
    ["backfill", "--source", "etd", "--from", &from.to_string(), "--to", &to.to_string()]
        .map(str::to_owned)
        .to_vec()
}

async fn run(home: &Home, args: &[String], more: &[&str]) -> Ended {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    home.run(&args).await
}

fn start(home: &Home, args: &[String], more: &[&str]) -> Process {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    home.start(&args)
}

async fn list(home: &Home) -> Vec<Value> {
    let ended = home.run(&["backfill", "list", "--output", "json"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// All messages of the vendor arrived, each once.
fn assert_all_once(simulation: &Simulation, home: &Home) {
    let truth: BTreeSet<String> = simulation.truth().map(|m| m.id.to_string()).collect();
    let arrived: Vec<String> =
        lines(home).iter().map(|line| line.json["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(arrived.len(), truth.len());
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), truth);
}

async fn daemon(home: &Home) -> Process {
    let process = home.start(&["run"]);
    home.logged("postrider runs").await;
    process
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_the_command_does_it_and_known_records_go_once() {
    let simulation = simulate(history(3_000)).await;
    let home = home(&simulation, "");
    let ended = run(&home, &ask(), &["--yes", "--output", "json"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("no daemon runs; doing it here"), "{}", ended.stderr);
    let done = report(&ended);
    assert_eq!(done["state"], "done");
    // Messages on a slice's end come with the next one, too.
    let records = done["records"].as_u64().unwrap();
    assert!((3_000..3_080).contains(&records), "{done}");
    assert_eq!(done["events"], 3_000);
    assert_eq!(done["calls"], searches(&simulation.stats()) + 1);
    assert!(done["estimate"]["calls"].as_u64().unwrap() >= 73, "{done}");
    assert_all_once(&simulation, &home);
    // That was the backfill's range alone.
    let status = home.status().await;
    assert_eq!(status["sources"][0]["covered_to"], Value::Null);

    let again = report(&run(&home, &ask(), &["--yes", "--output", "json"]).await);
    assert_eq!((again["id"].as_u64(), again["records"].as_u64()), (Some(2), Some(records)));
    assert_eq!(again["events"], 0);
    assert_all_once(&simulation, &home);

    let resent = report(&run(&home, &ask(), &["--yes", "--resend", "--output", "json"]).await);
    assert_eq!(resent["events"], 3_000);
    let ids: Vec<String> = lines(&home).iter().map(|line| line.id().to_owned()).collect();
    assert_eq!(ids.len(), 6_000);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3_000, "the same events");
    let states: Vec<Value> = list(&home).await.iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["done", "done", "done"]);
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_does_it_and_the_command_may_leave_and_join() {
    let simulation = simulate(history(4_000)).await;
    let home = home(&simulation, SLOW);
    let daemon = daemon(&home).await;
    let mut command = start(&home, &ask(), &["--yes"]);
    until("some progress", || (searches(&simulation.stats()) > 10).then_some(())).await;
    assert!(command.is_running());
    command.signal("INT");
    assert_eq!(command.ended().await, Some(1));
    let said = home.read("stderr.log");
    assert!(said.contains("the running daemon works it off"), "{said}");
    assert!(said.contains("left; the daemon goes on with it"), "{said}");
    // Asking for the same joins it; so does watching it.
    let asked = ask();
    let (joined, watched) = futures_util::join!(
        run(&home, &asked, &["--output", "json"]),
        home.run(&["backfill", "watch", "1"]),
    );
    assert_eq!(joined.status, Some(0), "{joined:?}");
    assert!(joined.stderr.contains("backfill 1 asks for this already"), "{joined:?}");
    assert_eq!(report(&joined)["events"], 4_000);
    assert_eq!(watched.status, Some(0), "{watched:?}");
    assert!(watched.stdout.contains("4000 events"), "{watched:?}");
    until("delivery", || (home.read("events.jsonl").lines().count() >= 4_000).then_some(())).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert_all_once(&simulation, &home);
    assert_eq!(list(&home).await.len(), 1);
    // Watching what is done shows how it ended.
    let watched = home.run(&["backfill", "watch", "1"]).await;
    assert_eq!(watched.status, Some(0), "{watched:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_backfill_stops_within_a_second_or_so() {
    let simulation = simulate(history(20_000)).await;
    let home = home(&simulation, SLOW);
    let daemon = daemon(&home).await;
    let command = start(&home, &ask(), &["--yes"]);
    until("some progress", || (searches(&simulation.stats()) > 20).then_some(())).await;
    let cancelled = home.run(&["backfill", "cancel", "1"]).await;
    assert_eq!(cancelled.status, Some(0), "{cancelled:?}");
    let at_that_time = searches(&simulation.stats());
    assert_eq!(command.ended().await, Some(1));
    let items = list(&home).await;
    assert_eq!(items[0]["state"], "cancelled");
    let status = home.status_when("nothing is open", |s| s["sources"][0]["open_slices"] == 0).await;
    assert_eq!(status["sources"][0]["lost_slices"], 0);
    // What was on its way, and what live collection asks for.
    assert!(searches(&simulation.stats()) <= at_that_time + 8);
    let again = home.run(&["backfill", "cancel", "1"]).await;
    assert!(again.stderr.contains("backfill 1 is cancelled already"), "{again:?}");
    let unknown = home.run(&["backfill", "cancel", "7"]).await;
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_it_goes_on_where_it_was() {
    let simulation = simulate(history(6_000)).await;
    let home = home(&simulation, SLOW);
    // The command, which does the work.
    let command = start(&home, &ask(), &["--yes"]);
    until("some progress", || (searches(&simulation.stats()) > 20).then_some(())).await;
    command.kill9().await;
    // The daemon.
    let first = daemon(&home).await;
    until("more progress", || (searches(&simulation.stats()) > 45).then_some(())).await;
    let watch = home.start(&["backfill", "watch", "1"]);
    home.logged("the running daemon works it off").await;
    first.kill9().await;
    let second = home.start(&["run"]);
    assert_eq!(watch.ended().await, Some(0), "{}", home.read("stderr.log"));
    let truth = simulation.truth().map(|m| m.id.to_string()).collect::<BTreeSet<_>>();
    until("delivery", || {
        let whole = home.read("events.jsonl").lines().count();
        (whole >= truth.len()).then_some(())
    })
    .await;
    second.signal("TERM");
    second.ended().await;
    let arrived: BTreeSet<String> =
        lines(&home).iter().map(|line| line.json["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(arrived, truth);
    let items = list(&home).await;
    assert_eq!((&items[0]["state"], &items[0]["events"]), (&"done".into(), &6_000.into()));
    // 73 slices of some 83 messages, and what the kills had on their way.
    let made = searches(&simulation.stats());
    assert!(made <= 73 + 16, "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_collection_goes_on_while_a_backfill_does() {
    let mut options = history(20_000);
    options.etd.live_per_second = 0.0;
    let simulation = simulate(options).await;
    let home = home(&simulation, &format!("{SLOW}\nschedule = {{ every = \"1s\" }}\nlag = \"6m\""));
    let daemon = daemon(&home).await;
    let command = start(&home, &ask(), &["--yes"]);
    until("some progress", || (searches(&simulation.stats()) > 20).then_some(())).await;
    let lag = |status: &Value| status["sources"][0]["lag_seconds"].as_i64().unwrap();
    let items = list(&home).await;
    let before = home.status().await;
    assert!(lag(&before) < 360 + 20, "{before}");
    let covered = before["sources"][0]["covered_to"].clone();
    home.status_when("live goes on", |s| s["sources"][0]["covered_to"] != covered).await;
    assert_eq!(items[0]["state"], "open");
    // `once` and a second daemon are refused as ever.
    assert_eq!(home.run(&["once"]).await.status, Some(1));
    drop((command, daemon));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_leaves_an_open_backfill_alone() {
    let simulation = simulate(history(6_000)).await;
    let home = home(&simulation, SLOW);
    let command = start(&home, &ask(), &["--yes"]);
    until("some progress", || (searches(&simulation.stats()) > 10).then_some(())).await;
    command.signal("INT");
    assert_eq!(command.ended().await, Some(1));
    assert!(home.read("stderr.log").contains("interrupted; it goes on with"));
    let before = searches(&simulation.stats());
    home.once().await;
    assert!(searches(&simulation.stats()) <= before + 3, "the last hour alone");
    assert_eq!(list(&home).await[0]["state"], "open");
    let watched = home.run(&["backfill", "watch", "1"]).await;
    assert_eq!(watched.status, Some(0), "{watched:?}");
    assert_all_once(&simulation, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrowed_backfill_brings_what_matches_and_proves_nothing() {
    let simulation = simulate(history(2_000)).await;
    let home = home(&simulation, "");
    let more = ["--yes", "--filter", "verdicts=phishing,spam", "--output", "json"];
    let done = report(&run(&home, &ask(), &more).await);
    assert_eq!(done["filter"], serde_json::json!({ "verdicts": ["phishing", "spam"] }));
    let events = done["events"].as_u64().unwrap();
    assert!(0 < events && events < 1_500, "{done}");
    for line in lines(&home) {
        let verdict = line.json["verdict"].to_string();
        assert!(verdict.contains("phishing") || verdict.contains("spam"), "{verdict}");
    }
    // The rest is still to be had, and is new.
    let rest = report(&run(&home, &ask(), &["--yes", "--output", "json"]).await);
    assert_eq!(rest["events"].as_u64().unwrap() + events, 2_000);
    assert_all_once(&simulation, &home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ser_is_asked_by_whole_hours() {
    let mut options = Options::plain();
    options.ser.users = 3;
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[ser(&simulation.ser_url, ""), home.file_sink()]);
    let (from, to) = (hour(50 * HOUR), hour(44 * HOUR));
    let inside = |at: Timestamp, seconds| at.checked_add(SignedDuration::from_secs(seconds));
    let (asked_from, asked_to) = (inside(from, 600).unwrap(), inside(to, -600).unwrap());
    let (asked_from, asked_to) = (asked_from.to_string(), asked_to.to_string());
    let args = ["backfill", "--source", "ser", "--from", &asked_from, "--to", &asked_to, "--yes"];
    let ended = home.run(&[&args[..], &["--output", "json"]].concat()).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("outwards to what the vendor can be asked"), "{ended:?}");
    let done = report(&ended);
    assert_eq!((&done["from"], &done["to"]), (&from.to_string().into(), &to.to_string().into()));
    assert_eq!(done["slices"], 6);
    let windows: BTreeSet<String> = lines(&home)
        .iter()
        .filter(|line| line.stream() == "summary")
        .map(|line| line.json["postrider"]["window_start"].as_str().unwrap().to_owned())
        .collect();
    assert!(!windows.is_empty() && windows.iter().all(|w| w.as_str() >= &*from.to_string()));
    let filtered = home.run(&[&args[..], &["--filter", "verdicts=spam"]].concat()).await;
    assert_eq!(filtered.status, Some(2));
    assert!(filtered.stderr.contains("Proofpoint SER has no filters"), "{filtered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_use_is_said_in_a_sentence_and_ends_with_2() {
    let simulation = simulate(history(1)).await;
    let home = home(&simulation, "");
    let at = |seconds: i64| ago(seconds).to_string();
    let day = at(DAY);
    let cases: [(&[&str], &str); 11] = [
        (&["--source", "etdd", "--from", &day, "--to", &at(HOUR)], "did you mean etd?"),
        (&["--source", "etd", "--from", &day, "--to", &day], "--from must be before --to"),
        (&["--source", "etd", "--from", &day, "--to", &at(-HOUR)], "is in the future"),
        (&["--source", "etd", "--from", &day, "--to", &at(60)], "nearer to now"),
        (&["--source", "etd", "--from", "yesterday", "--to", &day], "write an RFC 3339 time"),
        (&["--source", "etd", "--from", &at(91 * DAY), "--to", &day], "it would start there"),
        (
            &["--source", "etd", "--from", &day, "--to", &at(HOUR), "--filter", "verdict=spam"],
            "did you mean verdicts?",
        ),
        (
            &["--source", "etd", "--from", &day, "--to", &at(HOUR), "--filter", "verdicts=sapm"],
            "did you mean spam?",
        ),
        (&["--source", "etd", "--from", &day, "--to", &at(HOUR)], "add --yes"),
        (&["--source", "etd"], "--from"),
        (&[], "--source <NAME>"),
    ];
    for (args, says) in cases {
        let ended = home.run(&[&["backfill"], args].concat()).await;
        assert_eq!(ended.status, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {ended:?}");
    }
    // The time it names can be asked for.
    let refused =
        home.run(&["backfill", "--source", "etd", "--from", &at(91 * DAY), "--to", &day]).await;
    let (_, rest) = refused.stderr.split_once("write --from ").unwrap();
    let oldest: Timestamp = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert!(now().duration_since(oldest).as_hours() >= 89 * 24 + 21, "{oldest}");
    let taken = home
        .run(&["backfill", "--source", "etd", "--from", &oldest.to_string(), "--to", &day])
        .await;
    assert!(taken.stderr.contains("add --yes"), "{taken:?}");
    assert_eq!(searches(&simulation.stats()), 0);
}
