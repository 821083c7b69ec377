//! The same with the log export: every change arrives once, whether search, resweep or export saw it
//! first, and what is known in the end is what the vendor has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    clock::{Clock as _, ManualClock},
    domain::{
        filter::Filter,
        slice::{Interval, Pass, Stream},
    },
    simulator::{
        EtdOptions, LogExport, Mutation, MutationKind, Options, Simulation, Spoil, SpoilKind,
    },
    source::cisco_etd::CiscoEtd,
    store::{budget::day, ledger::Key, requests::NewRequest, slices::StreamId},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Event, Month, begin,
    etd::{deliveries, month},
    hours,
};

const TICK: Duration = Duration::from_hours(1);
const KINDS: [MutationKind; 4] = [
    MutationKind::RetroVerdict,
    MutationKind::Clearance,
    MutationKind::Remediation,
    MutationKind::Release,
];

async fn vendor(clock: &Arc<ManualClock>, messages: u64, days: u64, log: LogExport) -> Simulation {
    let mut options = Options { clock: clock.clone(), ..Options::plain() };
    options.etd = EtdOptions {
        messages,
        range: Some([begin(), begin() + hours(days * 24)]),
        token_life: hours(100 * 24),
        quirks: options.etd.quirks,
        log_export: log,
        ..EtdOptions::default()
    };
    options.etd.quirks.shuffle = true;
    options.etd.quirks.retro_every = 10;
    Simulation::start(options).await.unwrap()
}

/// Changes from 2 minutes to 20 days after delivery, some messages thrice; and late messages.
fn changes(of: &BTreeMap<Uuid, Timestamp>, rng: &mut StdRng) -> Vec<(Timestamp, Mutation)> {
    let delays = [120, 3_000, 3 * 3600, 2 * 86_400, 20 * 86_400].map(Duration::from_secs);
    let mut planned = Vec::new();
    for (n, (id, delivered)) in of.iter().filter(|_| rng.random_ratio(1, 6)).enumerate() {
        for more in 0..=n % 3 {
            let kind = KINDS[(n / 5 + more) % 4];
            if let Some(delay) = delays.get(n % 5 + more) {
                planned.push((*delivered + *delay, Mutation::of(kind, *id)));
            }
        }
    }
    for n in 0..70_u64 {
        let minutes = [40, 200, 30 * 60, 6 * 24 * 60][usize::try_from(n % 4).unwrap()];
        let ago = Duration::from_mins(minutes);
        let late = Mutation { ago, ..Mutation::some(MutationKind::LateArrival, 1) };
        planned.push((begin() + hours(150 + n * 8), late));
    }
    planned.retain(|(at, _)| *at < begin() + hours(31 * 24));
    planned.sort_by_key(|(at, _)| *at);
    planned
}

/// A message's state as an event tells it.
fn state(event: &Event) -> [String; 4] {
    let text = |path: [&str; 2]| {
        let text = event.json[path[0]][path[1]].as_str().unwrap_or_default();
        // The log export and the search need not write the same digits.
        text.parse::<Timestamp>().map_or(text.to_owned(), |at| at.as_second().to_string())
    };
    [
        text(["verdict", "latestVerdict"]),
        text(["verdict", "timestamp"]),
        text(["action", "folder"]),
        text(["action", "timestamp"]),
    ]
}

/// A change by the export's own lines.
struct Line {
    member: &'static str,
    /// Whole seconds.
    at: i64,
    word: String,
}

/// The verdict changes and remediations of each message, in the order of time.
fn told(simulation: &Simulation, to: Timestamp) -> BTreeMap<String, Vec<Line>> {
    let mut told: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for line in simulation.exported("message", [begin(), to]) {
        let message = &line["message"];
        if message["eventType"] != "update" {
            continue;
        }
        let lines = told.entry(message["id"].as_str().unwrap().to_owned()).or_default();
        for (member, word) in [("verdict", "verdict"), ("action", "folder")] {
            if let Some(word) = message[member][word].as_str().map(str::to_owned) {
                let at = second(&message[member]["timestamp"]).unwrap();
                lines.push(Line { member, at, word });
            }
        }
    }
    for lines in told.values_mut() {
        lines.sort_by_key(|line| line.at);
    }
    told
}

fn second(time: &Value) -> Option<i64> {
    time.as_str()?.parse().ok().map(Timestamp::as_second)
}

/// Whether one event brought the change as new, and one only; `false` where a later one was seen first,
/// which only a reading can, and the export's files themselves where one is `missing`.
fn arrived(line: &Line, events: &[&Event], missing: bool) -> bool {
    let times = events.iter().map(|event| second(&event.json[line.member]["timestamp"]));
    let mut times: Vec<Option<i64>> = times.collect();
    times.dedup();
    let times_brought = times.iter().filter(|at| **at == Some(line.at)).count();
    assert!(times_brought <= 1, "{} more than once: {}", line.word, events[0].text);
    let first = |event: &&&Event| second(&event.json[line.member]["timestamp"]) >= Some(line.at);
    let by = events.iter().find(first).unwrap_or_else(|| panic!("never: {}", events[0].text));
    if times_brought == 0 {
        assert!(missing || by.json.get("update").is_none(), "overtaken: {}", by.text);
    }
    times_brought == 1
}

/// Messages that changed in an hour of which files are missing, when no resweep followed any more.
fn missed(
    month: &Month<CiscoEtd>,
    stream: StreamId,
    simulation: &Simulation,
    deliveries: &BTreeMap<Uuid, Timestamp>,
) -> BTreeSet<String> {
    let hours = month.store().export_hours(stream).unwrap();
    let mut missed = BTreeSet::new();
    for (hour, _) in hours.into_iter().filter(|(_, asked)| asked.gap.is_some()) {
        let [from, to] = [hour, hour + 1].map(|it| Timestamp::from_second(it * 3600).unwrap());
        for line in simulation.exported("message", [from, to]) {
            let id = line["message"]["id"].as_str().unwrap();
            let delivered = deliveries.get(&id.parse().unwrap());
            if delivered.is_some_and(|at| from.duration_since(*at).as_hours() > 6 * 24) {
                missed.insert(id.to_owned());
            }
        }
    }
    missed
}

#[tokio::test]
async fn every_change_arrives_once_whoever_saw_it_first() {
    let seed = 20_240_217;
    let clock = Arc::new(ManualClock::at(begin()));
    // Some files are never there: their changes are left to resweeps.
    let spoils = vec![Spoil { kind: SpoilKind::Gone, every: 40, times: 0 }];
    let log = LogExport { spoils, lines_a_file: 20, ..LogExport::default() };
    let simulation = vendor(&clock, 2_250, 30, log).await;
    let deliveries = deliveries(&clock, &simulation);
    let planned = changes(&deliveries, &mut StdRng::seed_from_u64(seed));
    let mut month = month(seed, &clock, &simulation, "log_export = true").await;
    let mut coming = planned.iter().peekable();
    // What changed last, the last resweep sees.
    let end = begin() + hours(39 * 24);
    let mut at = begin() + TICK;
    while at <= end {
        while let Some((when, mutation)) = coming.next_if(|(when, _)| *when <= at) {
            clock.set((*when).max(clock.now()));
            assert_eq!(simulation.mutate(mutation).len(), 1);
        }
        clock.set(at);
        month.activate().await;
        if at.duration_since(begin()).as_secs() % 86_400 == 0 {
            month.drain().await;
        }
        at += if at < begin() + hours(32 * 24) { TICK } else { hours(3) };
    }
    month.drain().await;
    assert!(coming.next().is_none());
    let stream = month.store().stream(&month.config.name, Stream::Messages).await.unwrap();

    let (mut records, mut ids) = (BTreeMap::<String, Vec<&Event>>::new(), BTreeSet::new());
    let mut first = BTreeMap::<&str, u64>::new();
    for event in &month.events {
        assert!(ids.insert(event.id), "twice: {}", event.text);
        if event.text("stream") == "messages" {
            let by = match (event.json.get("update"), event.text("pass")) {
                (Some(_), _) => "export",
                (None, pass) => pass,
            };
            *first.entry(by).or_default() += u64::from(event.revision() > 1 || by == "export");
            records.entry(event.text("record_id").to_owned()).or_default().push(event);
        }
    }
    println!("changes seen first by {first:?}; {} restarts", month.restarts);
    assert!(first["export"] > 200 && first["resweep"] > 3, "{first:?}");
    let lines = told(&simulation, end);
    let (mut brought, mut overtaken) = (0, 0);
    let export_hours = month.store().export_hours(stream).unwrap();
    let missed = missed(&month, stream, &simulation, &deliveries);
    for message in simulation.truth() {
        let id = message.id.to_string();
        let events = records.remove(&id).unwrap_or_else(|| panic!("{message:?} never came"));
        for (pair, number) in events.windows(2).zip(2..) {
            assert_eq!(pair[1].revision(), number, "{}", pair[1].text);
            // A revision says something new; that a message is there, once it was only told of.
            let completed =
                pair[0].json.get("subject").is_none() && pair[1].json.get("subject").is_some();
            assert!(
                state(pair[0]) != state(pair[1]) || completed,
                "{}\n{}",
                pair[0].text,
                pair[1].text
            );
        }
        let lines = lines.get(&id).filter(|_| !missed.contains(&id));
        let lines: &[Line] = lines.map_or(&[], Vec::as_slice);
        for line in lines {
            let asked = &export_hours[&line.at.div_euclid(3600)];
            if arrived(line, &events, asked.gap.is_some()) {
                brought += 1;
            } else {
                overtaken += 1;
            }
        }
        let last = state(events.last().unwrap());
        for (member, is) in [("verdict", &last[0]), ("action", &last[2])] {
            if let Some(line) = lines.iter().rfind(|line| line.member == member) {
                assert_eq!(line.word, *is, "{}", events.last().unwrap().text);
            }
        }
    }
    println!("{brought} changes arrived once each; {overtaken} had changed again when first seen");
    assert!(records.is_empty(), "{:?}", records.keys());
    let audits = month.events.iter().filter(|event| event.text("stream") == "audit").count();
    let audited = simulation.exported("audit", [begin(), end]).len();
    assert!(audits > audited * 9 / 10 && audits <= audited, "{audits} of {audited}");

    // The ledger still knows the first day's messages, and where they are.
    let known = deliveries.iter().filter(|(_, at)| **at < begin() + hours(24));
    for (id, delivered) in known {
        let id = id.to_string();
        assert_eq!(month.store().places(stream, &[&id]).unwrap()[0], [Key::at(*delivered, &id)]);
    }
    // All of it is read once more, and says nothing new: what is known is what the vendor has.
    let whole = Interval::new(begin(), begin() + hours(31 * 24)).unwrap();
    let before = month.events.len();
    let (range, narrow) = (whole, Filter::default());
    let new = NewRequest { stream, range, narrow, resend: false };
    month.store().ask(new, clock.now()).await.unwrap();
    month.activate().await;
    month.drain().await;
    let news = month.events[before..].iter().filter(|it| !missed.contains(it.text("record_id")));
    let news: Vec<&str> = news.map(|event| &*event.text).collect();
    assert!(news.is_empty(), "{} of it, such as {}", news.len(), news[0]);
    println!("{} changes were in files that never came, and too late for resweeps", missed.len());
    assert!(month.restarts > 10, "{} restarts", month.restarts);
}

#[tokio::test]
async fn with_the_export_a_day_costs_a_third_of_the_resweeps() {
    let mut calls = Vec::new();
    for log_export in [false, true] {
        let clock = Arc::new(ManualClock::at(begin()));
        let simulation = vendor(&clock, 2_000, 11, LogExport::default()).await;
        let mut month = month(7, &clock, &simulation, &format!("log_export = {log_export}")).await;
        let mut at = begin();
        while at < begin() + hours(11 * 24) {
            at += Duration::from_mins(30);
            clock.set(at);
            month.activate().await;
            month.drain().await;
        }
        let yesterday = day(at - hours(24));
        let of = |pass| month.store().calls_of(&month.config.name, &yesterday, pass).unwrap();
        calls.push([of(Pass::Live), of(Pass::Resweep)]);
    }
    let [[live, resweeps], [with_export, last]] = calls[..] else { panic!() };
    println!("live {live}, resweeps {resweeps}; with the export {with_export} and {last}");
    // One call an hour of the age of a week in place of three, and late messages.
    assert!(resweeps >= 72 && (24..40).contains(&last), "{resweeps} {last}");
    assert!((44..=52).contains(&(with_export - live)), "{live} {with_export}");
}
