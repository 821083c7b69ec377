//! Rows of one key on two pages of an answer, and rows that moved from page to page.

use serde_json::value::RawValue;

use super::*;
use crate::{
    config::{ProofpointSerAdmin, Resweep, Secret, Vendor},
    domain::{
        counters::Counters,
        fingerprint::Builder,
        record::{Facts, Record},
        row::{Identity, KnownRow},
        slice::Interval,
    },
    source::Limits,
};

const WINDOW: &str = "2026-11-20T08:00:00Z";

/// Recipients and counts.
type Rows = &'static [(&'static str, i128)];

/// Answers the first window with these pages, one answer after the other.
struct Relay(Mutex<VecDeque<Vec<Rows>>>);

impl Source for Relay {
    fn vendor(&self) -> &'static str {
        "proofpoint_ser_admin"
    }

    fn stream(&self) -> Stream {
        Stream::Usage
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: true, page_size: 2 }
    }

    fn whole(&self, _slice: Interval) -> &'static [Stream] {
        &[Stream::Usage, Stream::Failures]
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let at: usize = query.page_token.as_ref().map_or(0, |token| token.parse().unwrap());
        let mut answers = self.0.lock().unwrap();
        if query.interval.start().to_string() != WINDOW {
            return Ok(Page::default());
        }
        let Some(pages) = answers.front() else { return Ok(Page::default()) };
        let records: Vec<Record> = pages[at].iter().map(|row| record(*row, query)).collect();
        let next = (at + 1 < pages.len()).then(|| (at + 1).to_string());
        if next.is_none() {
            answers.pop_front();
        }
        Ok(Page { received: records.len() as u64, records, next, ..Page::default() })
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

fn record((recipient, count): (&str, i128), query: &Query) -> Record {
    let window = query.interval;
    let (json, number) = (format!(r#"{{"recipient":"{recipient}","count":{count}}}"#), count);
    let mut content = Builder::default();
    content.nested(&["count"], &number.to_string());
    let counters = Counters { status: [("count".to_owned(), count)].into(), ..Counters::default() };
    let names = RawValue::from_string(format!(r#"{{"recipient":"{recipient}"}}"#)).unwrap();
    let identity = Identity::new(recipient.to_owned(), window, names);
    let identity = identity.of_report("delivery_failures", None);
    Record {
        stream: Stream::Failures,
        id: recipient.to_owned(),
        json,
        time: Some(window.start()),
        fingerprint: content.finish(),
        watched: KnownRow::new(counters.clone(), Some(identity)).text(),
        stamps: Vec::new(),
        verdict: None,
        facts: Facts::Report {
            report: "delivery_failures",
            window,
            user: None,
            counters,
            flags: Vec::new(),
        },
    }
}

/// Readings of the first window, an hour apart: the sum of all differences after each, and the
/// events: recipient, revision, change, difference.
async fn told(answers: Vec<Vec<Rows>>) -> (Vec<i64>, Vec<String>) {
    let Bench { collector, clock, directory } = Bench::new(Vec::new());
    let hours = |hours| Resweep { after: Duration::from_hours(hours), verdicts: Vec::new() };
    let config = config::Source {
        resweep: (1..8).map(hours).collect(),
        vendor: Vendor::ProofpointSerAdmin(ProofpointSerAdmin {
            reporting_url: String::new(),
            relay_config_url: String::new(),
            token_url: String::new(),
            client_id: String::new(),
            client_secret: Secret::plain("secret"),
            failures: true,
            relay_users: false,
        }),
        ..(*collector.config).clone()
    };
    let readings = answers.len();
    let Collector { pace, store, max_spool, activation, stop, memory, .. } = collector;
    let collector = Collector {
        scope: Scope::Everything,
        config: Arc::new(config),
        source: Arc::new(Relay(Mutex::new(answers.into()))),
        pace,
        store,
        clock: clock.clone(),
        max_spool,
        activation,
        stop,
        memory,
    };
    let mut bench = Bench { collector, clock, directory };
    let mut sums = Vec::new();
    let difference = |event: &serde_json::Value| {
        event["postrider"]["delta"]["status"]["count"].as_i64().unwrap()
    };
    for _ in 0..readings {
        assert_eq!(bench.run().await, Step::Idle);
        sums.push(bench.events().iter().map(difference).sum());
        bench.clock.advance(Duration::from_hours(1));
        bench.collector.activation.activate();
    }
    assert!(bench.collector.source.0.lock().unwrap().is_empty(), "all was read");
    let line = |event: &serde_json::Value| {
        let own = &event["postrider"];
        let recipient = event["recipient"].as_str().unwrap();
        let change = own["change"].as_str().unwrap();
        let flag = if own["flags"].is_null() { "" } else { " twin" };
        format!("{recipient} {} {change} {:+}{flag}", own["revision"], difference(event))
    };
    (sums, bench.events().iter().map(line).collect())
}

#[tokio::test]
async fn rows_of_one_key_on_two_pages_are_both_summed_and_neither_is_the_other_s_revision() {
    let answer: Vec<Rows> = vec![&[("a", 9), ("b", 1)], &[("a", 7)], &[("a", 5)]];
    let moved: Vec<Rows> = vec![&[("a", 7), ("b", 1)], &[("a", 9)], &[("a", 5)]];
    let less: Vec<Rows> = vec![&[("a", 9), ("b", 1)], &[("a", 8)]];
    let (sums, events) = told(vec![answer.clone(), answer, moved, less]).await;
    assert_eq!(sums, [22, 22, 22, 18], "{events:#?}");
    let expected = [
        "a 1 new +9",
        "b 1 new +1",
        "a 1 new +7 twin",
        "a 1 new +5 twin",
        "a 2 changed -2",
        "a 2 changed +2 twin",
        "a 3 changed +2",
        "a 3 changed -1 twin",
        "a 2 vanished -5",
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_row_that_moved_to_the_next_page_is_one_and_nothing_is_gone_for_that() {
    let first: Vec<Rows> = vec![&[("a", 9), ("b", 1)], &[("c", 7)]];
    // `c` was skipped: an order that is not the same for each page.
    let shuffled: Vec<Rows> = vec![&[("a", 9), ("b", 1)], &[("b", 1)]];
    let less: Vec<Rows> = vec![&[("a", 9), ("b", 1)]];
    let (sums, events) = told(vec![first, shuffled, less]).await;
    assert_eq!(sums, [17, 17, 10], "{events:#?}");
    assert_eq!(events[3..], ["c 2 vanished -7"]);
}
