//! Vendors and SIEMs that take their time hold up nobody else.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{USUAL, peak, refused};
use crate::{
    check::part,
    harness::{Home, etd, hec, plain, simulate, syslog},
    hostile::Hostile,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_without_haste_is_given_up_after_the_timeout() {
    const SLOW: &str = "timeout = \"1s\"";
    let dripping = Hostile::start(|_, mut tcp| async move {
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            ticks.tick().await;
            tcp.write_all(b" ").await?;
        }
    })
    .await;
    refused("a byte ten times a second", &dripping, SLOW, "did not answer in time", USUAL).await;
    let head = Hostile::start(|_, mut tcp| async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        tcp.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
        loop {
            ticks.tick().await;
            tcp.write_all(b"s").await?;
        }
    })
    .await;
    refused("a head that never ends", &head, SLOW, "did not answer in time", USUAL).await;
    let mute = Hostile::start(|_, mut tcp| async move {
        tcp.read_to_end(&mut Vec::new()).await?;
        Ok(())
    })
    .await;
    refused("no answer", &mute, SLOW, "did not answer in time", USUAL).await;
    let goes_on = Hostile::start(|_, mut tcp| async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(1));
        loop {
            ticks.tick().await;
            tcp.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
    })
    .await;
    refused("100 Continue for ever", &goes_on, SLOW, "", USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sinks_without_haste_hold_up_nobody_else() {
    // One takes a byte a second and one takes connections only; both for ever.
    let slow = Hostile::raw(|mut tcp| async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            ticks.tick().await;
            tcp.read_u8().await?;
        }
    })
    .await;
    let mute = Hostile::raw(|tcp| async move {
        std::future::pending::<()>().await;
        drop(tcp);
        Ok(())
    })
    .await;
    let good = simulate(plain(2_000)).await;
    let home = Home::new();
    let address = |hostile: &Hostile| hostile.url.trim_start_matches("http://").parse().unwrap();
    let tardy = syslog(
        address(&slow),
        "timeout = \"1s\"\nbatch = { max_bytes = \"8MiB\", max_events = 5000 }",
    );
    home.configure(&[
        etd(&good.etd_url, "").replace("[sources.etd]", "[sources.good]"),
        hec(&mute.url, "timeout = \"1s\""),
        tardy,
        home.file_sink(),
    ]);
    let process = home.start(&["run"]);
    let status = home
        .status_when("the file has all, and both sinks fail", |status| {
            let failing = |sink| part(status, sink)["state"] == "failing";
            part(status, "archive")["delivered"] == 2_000 && failing("splunk")
        })
        .await;
    let splunk = part(&status, "splunk");
    assert!(splunk["error"].as_str().unwrap().contains("did not answer in time"), "{splunk}");
    assert_eq!((&splunk["delivered"], &splunk["dead_letters"]), (&json!(0), &json!(0)));
    let most = peak(process.pid()).unwrap();
    println!("sinks that do not read: peak {} MiB, {}", most >> 10, part(&status, "siem"));
    assert!(most <= USUAL, "{most} KiB");
}
