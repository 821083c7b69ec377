//! The collector's own state, as the sinks get it.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use jiff::SignedDuration;
use postrider::simulator::{FaultKind, Faults, Listen, Options};
use serde_json::Value;

use crate::{
    check::part,
    harness::{Home, etd, hec, now, plain, simulate, until},
    records::{health, lines},
};

const EACH_SECOND: &str = "schedule = { every = \"1s\" }\nlag = \"1s\"\n";

/// Health events of a matter, oldest first.
fn of(home: &Home, record_id: &str) -> Vec<Value> {
    let of = |event: &Value| event["postrider"]["record_id"] == record_id;
    health(home).into_iter().filter(of).collect()
}

async fn told(home: &Home, record_id: &str, state: &str) -> Value {
    let last = || of(home, record_id).pop().filter(|event| event["state"] == state);
    until(&format!("{record_id} {state}"), last).await
}

/// Makes what goes on now look as if it had for an hour.
fn age(home: &Home) {
    #[expect(clippy::disallowed_methods, reason = "as if time had passed")]
    let store = rusqlite::Connection::open(home.path("state/postrider.db")).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let sql = "UPDATE condition SET since_ms = since_ms - 3600000;
        UPDATE health SET said = json_set(said, '$.noticed', '2026-01-01T00:00:00Z')
            WHERE json_extract(said, '$.noticed') IS NOT NULL;";
    store.execute_batch(sql).unwrap();
}

async fn stop(process: crate::harness::Process) {
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_credentials_go_where_health_goes() {
    let mut options = plain(50);
    options.etd.now_margin = Duration::ZERO;
    let simulation = simulate(options).await;
    let home = Home::new();
    let soon = now().checked_add(SignedDuration::from_hours(10 * 24)).unwrap();
    let extra = format!(
        "{EACH_SECOND}expect_records_within = \"2s\"\ncredentials_expire = \"{soon}\"\n\
         tags = {{ tenant = \"acme\" }}"
    );
    let only = |name: &str, filter: &str| {
        let path = home.path(name);
        format!("[sinks.{name}]\ntype = \"file\"\npath = {path:?}\nrotation = \"never\"\n{filter}")
    };
    home.configure(&[
        etd(&simulation.etd_url, &extra),
        hec(&simulation.hec_url, "streams = [\"health\"]\nverdicts = [\"phishing\"]"),
        only("messages", "streams = [\"messages\"]"),
        home.file_sink(),
    ]);
    let process = home.start(&["run"]);
    let silence = told(&home, "silence", "open").await;
    assert_eq!(silence["postrider"]["source"], "etd");
    assert_eq!(silence["postrider"]["vendor"], "postrider");
    assert_eq!(silence["postrider"]["tags"]["tenant"], "acme");
    assert_eq!(silence["kind"], "silence");
    assert_eq!(silence["expected_within_seconds"], 2);
    let expiring = told(&home, "credentials", "open").await;
    assert_eq!(expiring["condition"], "expire_within_14_days");
    assert_eq!(expiring["days"], 9);
    // Another process goes on where this one was.
    process.kill9().await;
    let process = home.start(&["run"]);
    let runs = || home.read("stderr.log").matches("postrider runs").count();
    until("the next process", || (runs() == 2).then_some(())).await;
    let status = home.status_when("quiet", |s| part(s, "etd")["state"] == "quiet").await;
    assert_eq!(part(&status, "etd")["credentials_days_left"], 9, "{status:#}");
    let open: Vec<_> = status["health"].as_array().unwrap().iter().collect();
    assert_eq!(open.len(), 2, "{status:#}");
    assert!(open.iter().all(|open| open["severity"] == "warning"), "{status:#}");
    let table = home.run(&["status"]).await.stdout;
    for words in ["quiet", "needs attention", "has given no record since", "expire in 9 days"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    until("health at HEC", || (simulation.received().len() >= 2).then_some(())).await;
    stop(process).await;
    let mut seen = BTreeSet::new();
    for event in health(&home) {
        let id = event["postrider"]["event_id"].as_str().unwrap().to_owned();
        assert!(seen.insert(id), "said twice: {event:#}");
    }
    let received = simulation.received();
    assert!(received.iter().all(|event| event.stream == "health"), "{received:?}");
    let at_hec: BTreeSet<_> = received.into_iter().map(|event| event.event_id).collect();
    assert_eq!(at_hec, seen);
    assert_eq!(lines(&home).len(), 50);
    assert_eq!(home.read("messages").lines().count(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_down_is_told_at_the_others_and_to_itself_when_it_is_up() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let vendor = simulate(plain(50)).await;
    let home = Home::new();
    let down = hec(&format!("http://127.0.0.1:{port}"), "");
    home.configure(&[etd(&vendor.etd_url, ""), down, home.file_sink()]);
    let process = home.start(&["run"]);
    home.status_when("failing", |status| part(status, "splunk")["state"] == "failing").await;
    age(&home);
    let open = told(&home, "sink:splunk", "open").await;
    assert_eq!(open["postrider"]["source"], "postrider");
    assert_eq!(open["kind"], "sink");
    assert_eq!(open["condition"], "failing");
    let listen = Listen { hec: port, ..Listen::default() };
    let siem = simulate(Options { listen, ..plain(0) }).await;
    let closed = told(&home, "sink:splunk", "closed").await;
    assert_eq!(closed["postrider"]["revision"], 2);
    assert_eq!(closed["postrider"]["previous"]["state"], "open");
    assert_eq!(closed["since"], open["since"]);
    let at_hec = || siem.received().iter().filter(|event| event.stream == "health").count();
    until("both at HEC", || (at_hec() == 2).then_some(())).await;
    stop(process).await;
    assert_eq!(of(&home, "sink:splunk").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_leaves_a_gap_until_it_is_well() {
    let simulation = simulate(plain(50)).await;
    let down = Faults { kinds: vec![FaultKind::Unavailable], ..Faults::at_rate(1.0) };
    simulation.set_etd_faults(down);
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let process = home.start(&["run"]);
    home.status_when("failing", |status| part(status, "etd")["state"] == "failing").await;
    let failing = |_: &Value| {
        #[expect(clippy::disallowed_methods, reason = "what has been noticed")]
        let store = rusqlite::Connection::open(home.path("state/postrider.db")).unwrap();
        let sql = "SELECT count(*) FROM health WHERE key = 'etd/gap:messages:live'";
        store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    home.status_when("the gap is noticed", failing).await;
    age(&home);
    let source = told(&home, "source", "open").await;
    assert_eq!(source["condition"], "failing");
    assert!(source["error"].as_str().unwrap().contains("503"), "{source:#}");
    let gap = told(&home, "gap:messages:live", "open").await;
    assert_eq!(gap["pass"], "live");
    assert!(gap["seconds"].as_i64().unwrap() > 0, "{gap:#}");
    simulation.set_etd_faults(Faults::none());
    told(&home, "source", "closed").await;
    let closed = told(&home, "gap:messages:live", "closed").await;
    assert_eq!(closed["from"], gap["from"]);
    // The gap grew if a minute went by.
    assert!(closed["to"].as_str() >= gap["to"].as_str(), "{closed:#} after {gap:#}");
    let status = home.status_when("well", |s| part(s, "etd")["open_slices"] == 0).await;
    assert_eq!(status["health"], Value::Array(Vec::new()), "{status:#}");
    stop(process).await;
    assert_eq!(lines(&home).len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_tells_what_it_found_and_the_next_one_that_it_is_mended() {
    let simulation = simulate(plain(50)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, "client_secret = \"wrong\""), home.file_sink()]);
    assert_eq!(home.run(&["once"]).await.status, Some(1));
    let open = told(&home, "source", "open").await;
    assert_eq!(open["condition"], "auth_failed");
    assert_eq!(open["severity"], "error");
    assert_eq!(home.run(&["once"]).await.status, Some(1));
    assert_eq!(of(&home, "source").len(), 1, "nothing is said twice");
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    home.once().await;
    told(&home, "source", "closed").await;
    assert_eq!(of(&home, "source").len(), 2);
    assert_eq!(lines(&home).len(), 50);
}
