//! `once` when something cannot be done.

use std::time::Instant;

use postrider::simulator::{FaultKind, Faults};

use crate::{
    check::part,
    harness::{Home, etd, hec, plain, ser, simulate},
    records::{assert_same_in_file, lines},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_says_what_is_undone_when_a_sink_is_down() {
    let simulation = simulate(plain(200)).await;
    simulation.set_hec_faults(Faults { kinds: vec![FaultKind::Reset], ..Faults::at_rate(1.0) });
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), hec(&simulation.hec_url, ""), home.file_sink()]);
    let ended = home.run(&["once", "--patience", "1s"]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("not done: splunk: "), "{}", ended.stderr);
    // The other sink has all; the one that is down loses nothing.
    assert_eq!(lines(&home).len(), 200);
    let status = home.status().await;
    assert_eq!(part(&status, "splunk")["state"], "failing", "{status:#}");
    assert_eq!(part(&status, "splunk")["waiting"], 200, "{status:#}");
    simulation.set_hec_faults(Faults::none());
    home.once().await;
    assert_eq!(assert_same_in_file(&lines(&home), &simulation.received()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_ends_at_once_where_only_a_person_can_help() {
    let simulation = simulate(plain(100)).await;
    let home = Home::new();
    for (source, cure) in [
        (etd(&simulation.etd_url, "client_secret = \"wrong\""), "client_secret"),
        (etd(&simulation.etd_url, "api_key = \"wrong\""), "api_key"),
        (ser(&simulation.ser_url, "client_secret = \"wrong\""), "client_secret"),
    ] {
        home.configure(&[source, home.file_sink()]);
        let began = Instant::now();
        let ended = home.run(&["once"]).await;
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        assert!(began.elapsed().as_secs() < 20, "no waiting for the default patience");
        assert!(ended.stderr.contains("not done: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(cure), "says what to mend: {}", ended.stderr);
        assert!(!ended.stderr.contains("\"wrong\""), "{}", ended.stderr);
    }
    let status = home.status().await;
    assert_eq!(part(&status, "ser")["state"], "auth_failed", "{status:#}");
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    home.once().await;
    assert_eq!(lines(&home).len(), 100, "nothing was lost by the wrong credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_gives_up_on_a_vendor_that_only_fails_and_goes_on_the_next_time() {
    let simulation = simulate(plain(100)).await;
    let down = Faults { kinds: vec![FaultKind::Unavailable], ..Faults::at_rate(1.0) };
    simulation.set_etd_faults(down);
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let ended = home.run(&["once", "--patience", "1s"]).await;
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("not done: "), "{}", ended.stderr);
    let status = home.status().await;
    let source = part(&status, "etd");
    assert!(source["error"].as_str().unwrap().contains("503"), "{source:#}");
    assert!(source["open_slices"].as_u64().unwrap() > 0, "{source:#}");
    simulation.set_etd_faults(Faults::none());
    home.once().await;
    assert_eq!(lines(&home).len(), 100);
}
