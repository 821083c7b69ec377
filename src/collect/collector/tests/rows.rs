//! Windows whose answers are all there is: rows that go and come back, and answers in doubt.

use std::collections::BTreeMap;

use super::*;
use crate::{
    config::{ProofpointSer, Resweep, Secret, Vendor},
    domain::slice::Interval,
    source::{Limits, proofpoint_ser::read_summary},
};

/// Answers each window in order; with nothing once there is no more. An answer has one page or more,
/// each on a line; an empty page is a fault, after which the page comes.
#[derive(Default)]
struct Relay {
    answers: Mutex<BTreeMap<Timestamp, VecDeque<String>>>,
    asked: Mutex<Vec<Interval>>,
}

impl Source for Relay {
    fn vendor(&self) -> &'static str {
        "proofpoint_ser"
    }

    fn stream(&self) -> Stream {
        Stream::Summary
    }

    fn limits(&self) -> Limits {
        Limits { retention: None, aligned: true, page_size: 1 }
    }

    fn whole(&self, _slice: Interval) -> &'static [Stream] {
        &[Stream::Summary]
    }

    async fn fetch(&self, query: &Query) -> Result<Page, Fault> {
        let page: usize = query.page_token.as_ref().map_or(0, |token| token.parse().unwrap());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.entry(query.interval.start()).or_default();
        if page == 0 {
            self.asked.lock().unwrap().push(query.interval);
        }
        let Some(answer) = answers.front_mut() else {
            return read_summary(&body_of(&[]), query.interval).map_err(Fault::transient);
        };
        let mut pages: Vec<&str> = answer.lines().collect();
        if pages[page].is_empty() {
            pages.remove(page);
            *answer = pages.join("\n");
            return Err(Fault::transient("cut off"));
        }
        let read = read_summary(pages[page], query.interval).map_err(Fault::transient)?;
        let next = (page + 1 < pages.len()).then(|| (page + 1).to_string());
        if next.is_none() {
            answers.pop_front();
        }
        Ok(Page { next, ..read })
    }

    async fn probe(&self, _: Timestamp) -> Result<String, Fault> {
        Ok(String::new())
    }
}

/// An answer with rows of these users and successes.
fn body_of(rows: &[(&str, u64)]) -> String {
    let row = |(user, success): &(&str, u64)| {
        format!(
            r#"{{"applicationName":"A","applicationUserName":"{user}","status":{{"success":{success}}}}}"#
        )
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!(r#"{{"applicationUsers":[{}]}}"#, rows.join(","))
}

const WINDOW: &str = "2026-11-20T08:00:00Z";

/// Readings of the first window, an hour apart.
fn bench(slice: Duration, answers: &[(&str, &[String])]) -> Bench<Relay> {
    let Bench { collector, clock, directory } = Bench::new(Vec::new());
    let hours = |hours| Resweep { after: Duration::from_hours(hours), verdicts: Vec::new() };
    let config = config::Source {
        slice,
        resweep: (1..8).map(hours).collect(),
        vendor: Vendor::ProofpointSer(ProofpointSer {
            base_url: String::new(),
            token_url: String::new(),
            summary_path: String::new(),
            client_id: String::new(),
            client_secret: Secret::plain("secret"),
        }),
        ..(*collector.config).clone()
    };
    let answers = answers.iter().map(|(start, bodies)| {
        (start.parse().unwrap(), bodies.iter().cloned().collect::<VecDeque<_>>())
    });
    let source = Relay { answers: Mutex::new(answers.collect()), ..Relay::default() };
    let Collector { pace, store, max_spool, activation, stop, memory, .. } = collector;
    let (config, source) = (Arc::new(config), Arc::new(source));
    let collector = Collector {
        scope: Scope::Everything,
        config,
        source,
        pace,
        store,
        clock: clock.clone(),
        max_spool,
        activation,
        stop,
        memory,
    };
    Bench { collector, clock, directory }
}

impl Bench<Relay> {
    async fn hour_later(&mut self) -> Step {
        self.clock.advance(Duration::from_hours(1));
        self.collector.activation.activate();
        self.run().await
    }

    fn restart(&mut self) {
        self.collector.memory = Arc::new(Memory::new(StdRng::seed_from_u64(2)));
        self.collector.activation.activate();
    }

    /// Times that the window was asked for.
    fn readings(&self) -> usize {
        let asked = self.collector.source.asked.lock().unwrap();
        asked.iter().filter(|window| window.start().to_string() == WINDOW).count()
    }

    /// User, revision, change and delta of `success` of each event.
    fn told(&self) -> Vec<(String, u64, String, i64)> {
        let told = |event: &serde_json::Value| {
            let (user, post) =
                (event["applicationUserName"].as_str().unwrap(), &event["postrider"]);
            let change = post["change"].as_str().unwrap().to_owned();
            let delta = post["delta"]["status"]["success"].as_i64().unwrap();
            (user.to_owned(), post["revision"].as_u64().unwrap(), change, delta)
        };
        self.events().iter().map(told).collect()
    }
}

fn event(user: &str, revision: u64, change: &str, delta: i64) -> (String, u64, String, i64) {
    (user.to_owned(), revision, change.to_owned(), delta)
}

#[tokio::test]
async fn a_row_that_vanishes_is_told_once_and_comes_back_as_its_next_revision() {
    let (both, one) = (body_of(&[("a", 5), ("b", 7)]), body_of(&[("a", 5)]));
    let answers = [both.clone(), one.clone(), one.clone(), both.clone(), one];
    let mut bench = bench(Duration::from_hours(1), &[(WINDOW, &answers)]);
    bench.run().await;
    for _ in 0..4 {
        assert_eq!(bench.hour_later().await, Step::Idle);
    }
    let expected = [
        event("a", 1, "new", 5),
        event("b", 1, "new", 7),
        event("b", 2, "vanished", -7),
        event("b", 3, "changed", 7),
        event("b", 4, "vanished", -7),
    ];
    assert_eq!(bench.told(), expected);
    let gone = &bench.events()[2]["postrider"];
    assert_eq!(gone["window_start"], WINDOW);
    assert_eq!(gone["previous"]["status"], serde_json::json!({ "success": 7 }));
    assert_eq!(gone["changed"], serde_json::json!(["details", "status"]));
}

#[tokio::test]
async fn rows_of_another_window_of_the_same_hour_are_left_alone() {
    let row = || body_of(&[("a", 5)]);
    let half = "2026-11-20T08:30:00Z";
    let answers: [(&str, &[String]); 2] =
        [(WINDOW, &[row(), body_of(&[("z", 1)])]), (half, &[row(), row()])];
    let mut bench = bench(Duration::from_mins(30), &answers);
    bench.run().await;
    bench.hour_later().await;
    let told = bench.told();
    let gone: Vec<_> = told.iter().filter(|told| told.2 == "vanished").collect();
    assert_eq!(gone, [&event("a", 2, "vanished", -5)], "{told:?}");
    let gone = bench.events().into_iter().find(|e| e["postrider"]["change"] == "vanished");
    assert_eq!(gone.unwrap()["postrider"]["window_start"], WINDOW);
}

#[tokio::test]
async fn an_entirely_empty_answer_is_fetched_again_before_it_is_believed() {
    let both = body_of(&[("a", 5), ("b", 7)]);
    for (second, believed) in [(both.clone(), 0), (body_of(&[]), 2)] {
        let answers = [both.clone(), body_of(&[]), second];
        let mut bench = bench(Duration::from_hours(1), &[(WINDOW, &answers)]);
        bench.run().await;
        let Step::Waiting { until, person: false, .. } = bench.hour_later().await else {
            panic!("it is believed at once")
        };
        assert_eq!(until, bench.clock.now() + Duration::from_mins(1));
        assert_eq!(bench.told().len(), 2);
        // The doubt outlives the process.
        bench.restart();
        assert!(matches!(bench.run().await, Step::Waiting { .. }));
        assert_eq!(bench.readings(), 2);
        bench.clock.set(until);
        assert_eq!(bench.run().await, Step::Idle);
        assert_eq!((bench.readings(), bench.told().len()), (3, 2 + believed));
        if believed > 0 {
            let mut gone = bench.told().split_off(2);
            gone.sort();
            assert_eq!(gone, [event("a", 2, "vanished", -5), event("b", 2, "vanished", -7)]);
            // What is known to be gone is no reason for doubt.
            assert_eq!(bench.hour_later().await, Step::Idle);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_may_be_what_seems_to_be_missing() {
    let both = body_of(&[("a", 5), ("b", 7)]);
    let odd = both.replace(
        r#"{"applicationName":"A","applicationUserName":"b""#,
        r#""row b", {"applicationName":"B","applicationUserName":"c""#,
    );
    let answers = [both, odd];
    let mut bench = bench(Duration::from_hours(1), &[(WINDOW, &answers)]);
    bench.run().await;
    bench.hour_later().await;
    let told = bench.told();
    assert!(told.iter().all(|told| told.2 == "new") && told.len() == 3, "{told:?}");
}

#[tokio::test]
async fn what_is_on_none_of_an_answers_pages_is_gone() {
    let pages = |pages: &[&[(&str, u64)]]| {
        pages.iter().map(|rows| body_of(rows)).collect::<Vec<_>>().join("\n")
    };
    let first = pages(&[&[("a", 1), ("b", 2)], &[("c", 3)], &[("d", 4)]]);
    // Rows move between pages, and the fetch is cut off.
    let cut = pages(&[&[("d", 4)], &[("a", 1)]]).replace('\n', "\n\n");
    let second = format!("{cut}\n{}", pages(&[&[("b", 2)]]));
    let third = pages(&[&[("d", 4)], &[]]);
    let mut bench = bench(Duration::from_hours(1), &[(WINDOW, &[first, second, third])]);
    bench.run().await;
    assert_eq!(bench.told().len(), 4);
    bench.clock.advance(Duration::from_hours(1));
    bench.collector.activation.activate();
    assert_eq!(bench.collector.step().await.unwrap(), Step::Worked);
    assert_eq!(bench.told().len(), 4, "cut off after the first page");
    // What came before the process ended still counts.
    bench.restart();
    assert_eq!(bench.run().await, Step::Idle);
    assert_eq!(bench.told()[4..], [event("c", 2, "vanished", -3)]);
    bench.hour_later().await;
    let mut gone = bench.told().split_off(5);
    gone.sort();
    assert_eq!(gone, [event("a", 2, "vanished", -1), event("b", 2, "vanished", -2)]);
}

#[tokio::test]
async fn one_page_that_cannot_be_read_whole_leaves_all_in_doubt() {
    let whole = [body_of(&[("a", 1)]), body_of(&[("b", 2)])].join("\n");
    let odd = r#"{"applicationUsers":["row a"]}"#;
    let answers = [whole, format!("{odd}\n{}", body_of(&[("b", 2)]))];
    let mut bench = bench(Duration::from_hours(1), &[(WINDOW, &answers)]);
    bench.run().await;
    assert_eq!(bench.hour_later().await, Step::Idle);
    assert_eq!(bench.told().len(), 2);
}
