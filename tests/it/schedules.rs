//! New slices as time goes on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    harness::{Home, ago, etd, now, simulate, until},
    records::lines,
    signals::live,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_second_collects_the_last_one_whole_and_once() {
    futures_util::join!(follows("every = \"1s\""), follows("cron = \"* * * * * *\""));
}

/// Slices end at whole seconds, as some messages do.
async fn follows(schedule: &str) {
    let simulation = simulate(live(50.0)).await;
    let home = Home::new();
    let start = Timestamp::from_second(ago(50).as_second()).unwrap();
    let extra =
        format!("schedule = {{ {schedule} }}\nlag = \"1s\"\nslice = \"1s\"\nstart = \"{start}\"");
    home.configure(&[etd(&simulation.etd_url, &extra), home.file_sink()]);
    let process = home.start(&["run"]);
    let goal = now().checked_add(SignedDuration::from_secs(6)).unwrap();
    until("six seconds of messages", || {
        let text = home.read("events.jsonl");
        let newest = text.lines().rev().take(200).filter_map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).ok()?;
            json["timestamp"].as_str()?.parse::<Timestamp>().ok()
        });
        newest.max().is_some_and(|newest| newest >= goal).then_some(())
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let status = home.status().await;
    assert_eq!(status["sources"][0]["open_slices"], 0, "{status:#}");

    let mut arrived: BTreeMap<String, u32> = BTreeMap::new();
    let mut slices = std::collections::BTreeSet::new();
    for line in lines(&home) {
        *arrived.entry(line.json["id"].as_str().unwrap().to_owned()).or_default() += 1;
        slices.insert(line.json["postrider"]["slice"].to_string());
    }
    let (mut expected, mut on_a_boundary) = (0, 0);
    for message in simulation.truth().filter(|m| m.time >= start && m.time < goal) {
        assert_eq!(arrived.get(&message.id.to_string()), Some(&1), "{schedule}: {message:?}");
        expected += 1;
        on_a_boundary += u32::from(message.time.subsec_nanosecond() == 0);
    }
    assert!(expected > 300 && on_a_boundary > 3, "{expected} {on_a_boundary}");
    println!(
        "{schedule}: {expected} messages, {on_a_boundary} on boundaries, {} slices",
        slices.len()
    );
}
