//! The simulated log export, read by the driver's own reader where it matters that both agree.

use std::{collections::BTreeSet, io::Read as _, time::Duration};

use serde_json::{Value, json};

use super::{FROM, Fixture, TO, at};
use crate::simulator::{EtdOptions, LogExport, LogForm, Mutation, MutationKind, Options, Quirks};

fn options(messages: u64, quirks: Quirks, log_export: LogExport) -> Options {
    let etd = EtdOptions { messages, quirks, log_export, ..EtdOptions::default() };
    Options { etd, ..Options::plain() }
}

impl Fixture {
    async fn ask(&self, hours: [&str; 2], types: &[&str]) -> (u16, Value) {
        let token = self.token().await;
        let url = format!("{}/v1/logs/downloadLinks", self.simulation.etd_url);
        let request = self.client.post(url).bearer_auth(token).header("x-api-key", "sim-api-key");
        let body = json!({ "timeRange": hours, "logTypes": types });
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn links(&self, hours: [&str; 2], log_type: &str) -> Vec<String> {
        let (status, answer) = self.ask(hours, &[log_type]).await;
        assert_eq!(status, 200);
        let links = answer["data"][log_type].as_array().unwrap();
        links.iter().map(|link| link.as_str().unwrap().to_owned()).collect()
    }

    /// The lines of a file, in whichever form it is.
    async fn lines(&self, link: &str) -> Vec<Value> {
        let answer = self.client.get(link).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.bytes().await.unwrap();
        let mut text = String::new();
        if body.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        } else {
            text.push_str(std::str::from_utf8(&body).unwrap());
        }
        if text.starts_with('[') {
            return serde_json::from_str(&text).unwrap();
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn the_files_have_each_message_once_and_each_change_once() {
    for form in [LogForm::Lines, LogForm::Array, LogForm::Gzip, LogForm::Mixed] {
        let export = LogExport { form, lines_a_file: 100, late_every: 0, ..LogExport::default() };
        let fixture = Fixture::start(options(1_000, Quirks::default(), export)).await;
        let mutate = |kind| fixture.simulation.mutate(&Mutation::some(kind, 3));
        let cleared = mutate(MutationKind::Clearance);
        fixture.clock.advance(Duration::from_secs(60));
        mutate(MutationKind::Remediation);
        fixture.clock.set(at("2026-11-20T09:30:00Z"));
        let mut lines = Vec::new();
        for hours in [["00", "03"], ["03", "06"], ["06", "09"]] {
            let hours = hours.map(|hour| format!("2026-11-20T{hour}"));
            for link in fixture.links([&hours[0], &hours[1]], "message").await {
                lines.extend(fixture.lines(&link).await);
            }
        }
        let truth = fixture.simulation.exported("message", [at(FROM), at("2026-11-20T09:00:00Z")]);
        assert_eq!(lines, truth);
        let of = |kind: &str| {
            let of = lines.iter().filter(|line| line["message"]["eventType"] == kind);
            of.map(|line| line["message"].clone()).collect::<Vec<_>>()
        };
        let ids: BTreeSet<String> =
            of("create").iter().map(|message| message["id"].to_string()).collect();
        assert_eq!((of("create").len(), ids.len()), (1_000, 1_000));
        let by_hand = of("update").into_iter().filter(|m| m["verdict"]["reclassifiedBy"] == "user");
        let by_hand: BTreeSet<String> =
            by_hand.map(|m| m["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(by_hand, cleared.iter().map(ToString::to_string).collect());
        let moved = of("update").into_iter().filter(|m| m["action"]["remediatedBy"] == "manual");
        assert_eq!(moved.count(), 3);
        let automatic =
            of("update").into_iter().filter(|m| m["verdict"]["reclassifiedBy"] == "automatic");
        assert!(automatic.count() > 5, "late verdicts and convictions");
        let audit = fixture.links(["2026-11-20T08", "2026-11-20T09"], "audit").await;
        assert_eq!(fixture.lines(&audit[0]).await.len(), 6);
    }
}

#[tokio::test]
async fn late_files_appear_later_and_beyond_two_hundred_are_dropped() {
    let export = LogExport { lines_a_file: 1, late_every: 3, ..LogExport::default() };
    let fixture = Fixture::start(options(1_800, Quirks::plain(), export)).await;
    fixture.clock.set(at("2026-11-20T06:05:00Z"));
    let hour = ["2026-11-20T05", "2026-11-20T06"];
    assert_eq!(fixture.links(hour, "message").await.len(), 0);
    fixture.clock.set(at("2026-11-20T06:20:00Z"));
    let early = fixture.links(hour, "message").await.len();
    assert_eq!(fixture.links(["2026-11-20T03", "2026-11-20T06"], "message").await.len(), 200);
    fixture.clock.set(at("2026-11-20T08:00:00Z"));
    let all = fixture.simulation.exported("message", [at("2026-11-20T05:00:00Z"), at(TO)]).len();
    assert!(early < all && all > 200, "{early} {all}");
    assert_eq!(fixture.links(hour, "message").await.len(), 200);
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_and_for_nobody_with_other_credentials() {
    let fixture = Fixture::start(options(600, Quirks::plain(), LogExport::default())).await;
    let link = fixture.links(["2026-11-20T01", "2026-11-20T02"], "message").await.remove(0);
    let status = async |url: &str, header: Option<&'static str>| {
        let request = fixture.client.get(url);
        let request = match header {
            Some(name) => request.header(name, "x"),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(status(&link, None).await.0, 200);
    assert_eq!(status(&link, Some("authorization")).await.0, 400);
    assert_eq!(status(&link, Some("x-api-key")).await.0, 400);
    assert_eq!(status(&link.replace("hour%3D01", "hour%3D02"), None).await.0, 403);
    fixture.clock.advance(Duration::from_secs(3_600));
    let (code, text) = status(&link, None).await;
    assert!(code == 403 && text.contains("Request has expired"), "{code} {text}");
    let again = fixture.links(["2026-11-20T01", "2026-11-20T02"], "message").await.remove(0);
    assert_eq!(again.split('?').next(), link.split('?').next());
    assert_eq!(status(&again, None).await.0, 200);
}

#[tokio::test]
async fn what_is_switched_off_running_or_too_long_is_not_there() {
    let export = LogExport { types: vec!["audit"], ..LogExport::default() };
    let fixture = Fixture::start(options(600, Quirks::plain(), export)).await;
    let (_, answer) = fixture.ask(["2026-11-20T01", "2026-11-20T02"], &["message", "audit"]).await;
    assert_eq!(answer, json!({ "data": { "audit": [] } }));
    let both = ["message", "audit"];
    for (hours, status) in [
        (["2026-11-20T05", "2026-11-20T08"], 200),
        (["2026-11-20T07", "2026-11-20T09"], 400),
        (["2026-11-20T04", "2026-11-20T08"], 400),
        (["2026-11-20T05", "2026-11-20T05"], 400),
        (["2026-10-20T05", "2026-10-20T06"], 400),
        (["2026-11-20", "2026-11-20T06"], 400),
    ] {
        assert_eq!(fixture.ask(hours, &both).await.0, status, "{hours:?}");
    }
    assert_eq!(fixture.ask(["2026-11-20T05", "2026-11-20T08"], &["mail"]).await.0, 400);
    let since = LogExport { since: at("2026-11-20T03:00:00Z"), ..LogExport::default() };
    let fixture = Fixture::start(options(600, Quirks::plain(), since)).await;
    assert!(fixture.links(["2026-11-20T01", "2026-11-20T03"], "message").await.is_empty());
}
