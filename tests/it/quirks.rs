//! What the ETD vendor does that its guide does not say.

use std::time::Duration;

use jiff::SignedDuration;
use postrider::simulator::{LastToken, Options, Quirks, Simulation, TotalSize, UrlStyle};

use crate::{
    calls::{calls, searches},
    check::{assert_settled, part},
    harness::{Home, ago, etd, hec, now, plain, simulate, until},
    records::{assert_messages, assert_same_in_file, duplicates, lines},
};

/// Runs `once` against such a vendor: all arrives, once.
async fn collects(what: &str, options: Options, extra: &str) -> Simulation {
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, extra),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    home.once().await;
    let received = simulation.received();
    assert_messages(what, &simulation, &received);
    assert_eq!(duplicates(what, &received), 0, "{what}");
    assert_eq!(assert_same_in_file(&lines(&home), &received), 0, "{what}");
    assert_settled(&home.status().await);
    simulation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_total_or_kind_of_page_loses_or_doubles_a_message() {
    let totals = [TotalSize::Exact, TotalSize::Zero, TotalSize::Wrong, TotalSize::Capped];
    let ends = [LastToken::Empty, LastToken::Null, LastToken::Absent, LastToken::Mixed];
    let urls = [UrlStyle::Urls, UrlStyle::Both, UrlStyle::Metadata, UrlStyle::Mixed];
    let of = |index: usize, newest_first| {
        let mut options = plain(600);
        options.etd.quirks = Quirks {
            newest_first,
            total_size: totals[index],
            last_token: ends[index],
            urls: urls[index],
            shuffle: true,
            empty_page_every: 5,
            duplicate_every: 4,
            unknown_member_every: 3,
            unknown_verdict_every: 3,
            lone_surrogate_every: 7,
            ..Quirks::plain()
        };
        let what = format!("newest first {newest_first}, {:?}", totals[index]);
        async move { collects(&what, options, "page_size = 20").await.stop().await }
    };
    let all = (0..4).flat_map(|index| [of(index, true), of(index, false)]);
    futures_util::future::join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_lived_token_is_renewed_in_the_middle_of_a_slice() {
    let mut options = plain(3_000);
    options.etd.token_life = Duration::from_secs(1);
    let extra = "slice = \"12h\"\nrate_limit = { per_second = 15, burst = 1, per_day = 100000 }";
    let simulation = collects("short-lived tokens", options, extra).await;
    assert!(calls(&simulation.stats().etd, "POST /v1/oauth/token 200") > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_too_large_is_asked_for_in_parts() {
    let mut options = plain(1_000);
    options.etd.quirks.too_large_above = Some(25);
    let simulation = collects("too large above 25", options, "").await;
    assert!(calls(&simulation.stats().etd, "POST /v1/messages/search 502") > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fat_message_costs_only_smaller_pages_if_it_comes_alone() {
    let mut options = plain(1_000);
    options.etd.quirks.fat_message = Some((333, 1));
    collects("a fat message", options, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_had_is_a_gap_and_costs_no_other() {
    let mut options = plain(300);
    options.etd.quirks.fat_message = Some((150, 0));
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let ended = home.run(&["once"]).await;
    let fat = simulation.truth().nth(150).unwrap();
    let lines = lines(&home);
    let missing: Vec<_> = simulation
        .truth()
        .filter(|message| !lines.iter().any(|line| line.json["id"] == message.id.to_string()))
        // Whatever shares its second cannot be told apart by the vendor's search.
        .filter(|message| {
            message.time.duration_since(fat.time).abs() > SignedDuration::from_secs(1)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(lines.len() >= 290, "{}", lines.len());
    let status = home.status().await;
    let source = part(&status, "etd");
    let refused = source["refused_slices"].as_u64().unwrap();
    assert!((1..=2).contains(&refused), "{source:#}");
    assert_eq!(source["open_slices"], 0, "{source:#}");
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not done: the vendor cannot give"), "{ended:?}");
    let error = source["error"].as_str().unwrap_or_default();
    assert!(error.contains("exceeds the limit"), "the gap has its reason: {source:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_that_expired_while_we_were_away_restarts_the_slice() {
    let life = Duration::from_secs(1);
    let mut options = plain(2_000);
    options.etd.page_token_life = life;
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[
        // One slice of twenty pages, slow enough to be killed inside it.
        etd(
            &simulation.etd_url,
            "slice = \"31d\"\nmax_in_flight = 1\n\
             rate_limit = { per_second = 20, burst = 1, per_day = 100000 }",
        ),
        hec(&simulation.hec_url, ""),
        home.file_sink(),
    ]);
    let process = home.start(&["run"]);
    until("a slice half read", || (searches(&simulation.stats()) >= 8).then_some(())).await;
    process.kill9().await;
    let killed = now();
    until("tokens expired", || (now().duration_since(killed).unsigned_abs() > life).then_some(()))
        .await;
    home.once().await;
    assert_eq!(calls(&simulation.stats().etd, "POST /v1/messages/search 400"), 1);
    let received = simulation.received();
    assert_messages("after the restart", &simulation, &received);
    assert_same_in_file(&lines(&home), &received);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_past_retention_is_recorded_as_lost() {
    let mut options = plain(200);
    options.etd.range = Some([ago(3 * 3600), ago(600)]);
    let simulation = simulate(options).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, "start = \"1h\"\nslice = \"31d\""),
        home.file_sink(),
    ]);
    home.once().await;
    // As if nothing had run for 91 days.
    {
        #[expect(clippy::disallowed_methods, reason = "what only months could do")]
        let store = rusqlite::Connection::open(home.path("state/postrider.db")).unwrap();
        let ago = 91_i64 * 86_400_000;
        store
            .execute("UPDATE frontier SET from_ms = from_ms - ?, to_ms = to_ms - ?", [ago; 2])
            .unwrap();
        store
            .execute("UPDATE slice SET start_ms = start_ms - ?, end_ms = end_ms - ?", [ago; 2])
            .unwrap();
        store
            .execute("UPDATE coverage SET start_ms = start_ms - ?, end_ms = end_ms - ?", [ago; 2])
            .unwrap();
    }
    home.run(&["once"]).await;
    let status = home.status().await;
    assert_eq!(part(&status, "etd")["lost_slices"], 1, "{status:#}");
    assert_eq!(lines(&home).len(), 200);
}
