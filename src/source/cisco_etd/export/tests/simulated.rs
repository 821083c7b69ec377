//! The driver against the simulated export: what both say of the same mail.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, ManualClock},
    config::Secret,
    domain::{change::Known, filter::Filter, record::Record, slice::Interval},
    fault::Kind,
    simulator::{EtdOptions, LogExport, Mutation, MutationKind, Options, Quirks, Simulation},
    source::{
        Query, Source as _,
        cisco_etd::{
            CiscoEtd,
            export::{
                LogExport as Feed,
                entry::{self, Entry, Update},
                hours::{self, Ask, Hour},
                lines::Line,
                links::{Link, LogType},
                merge::{self, Standing},
            },
            tests::config,
        },
        testing::{at, client, known, pace},
    },
};

const FROM: &str = "2026-11-20T00:00:00Z";
const TO: &str = "2026-11-20T06:00:00Z";

struct Tenant {
    simulation: Simulation,
    clock: Arc<ManualClock>,
    etd: CiscoEtd,
}

async fn tenant(messages: u64, log_export: LogExport) -> Tenant {
    let clock = Arc::new(ManualClock::at(at("2026-11-20T06:10:00Z")));
    let quirks = Quirks { retro_every: 10, late_verdict_every: 10, ..Quirks::default() };
    let range = Some([at(FROM), at(TO)]);
    let etd = EtdOptions { messages, range, quirks, log_export, ..EtdOptions::default() };
    let options = Options { etd, clock: Arc::clone(&clock) as _, ..Options::plain() };
    let simulation = Simulation::start(options).await.unwrap();
    let config = crate::config::CiscoEtd {
        client_id: "sim-client".into(),
        client_secret: Secret::plain("sim-secret"),
        api_key: Some(Secret::plain("sim-api-key")),
        ..config(simulation.etd_url.clone())
    };
    let etd = CiscoEtd::new(&config, client(), pace(), Arc::clone(&clock) as Arc<dyn Clock>);
    Tenant { simulation, clock, etd }
}

impl Tenant {
    /// All messages, as the search has them now.
    async fn search(&self) -> BTreeMap<String, Record> {
        let interval = Interval::new(at(FROM), at(TO)).unwrap();
        let (page_size, narrow) = (100, Filter::default());
        let mut query = Query { interval, page_token: None, page_size, narrow };
        let mut found = BTreeMap::new();
        loop {
            let page = self.etd.fetch(&query).await.unwrap();
            found.extend(page.records.into_iter().map(|record| (record.id.clone(), record)));
            query.page_token = page.next;
            if query.page_token.is_none() {
                return found;
            }
        }
    }

    async fn file(&self, link: &Link) -> Vec<String> {
        let mut download = Feed(&self.etd).open(link).await.unwrap();
        let mut lines = Vec::new();
        while let Some(line) = download.next().await.unwrap() {
            let Line::Text(line) = line else { panic!("{line:?}") };
            lines.push(String::from_utf8(line).unwrap());
        }
        lines
    }

    async fn updates(&self, from: &str, to: &str) -> Vec<Update> {
        let mut updates = Vec::new();
        let due = hours::due(Hour::of(at(from)), &BTreeMap::new(), &[LogType::Message], at(to));
        for ask in due.asks {
            for link in &Feed(&self.etd).links(&ask).await.unwrap().of[&LogType::Message] {
                for line in self.file(link).await {
                    if let Entry::Update(update) =
                        entry::read(line.as_bytes(), LogType::Message).unwrap()
                    {
                        updates.push(*update);
                    }
                }
            }
        }
        updates
    }
}

/// A message that changed is in the same state, whether the export or a later search told of it;
/// and the export forgets none.
#[tokio::test]
async fn search_and_export_agree_on_every_message_that_changed() {
    let tenant = tenant(600, LogExport::default()).await;
    let before = tenant.search().await;
    assert_eq!(before.len(), 600);
    for kind in [
        MutationKind::Clearance,
        MutationKind::Remediation,
        MutationKind::RetroVerdict,
        MutationKind::Release,
    ] {
        tenant.clock.advance(Duration::from_secs(4_000));
        tenant.simulation.mutate(&Mutation::some(kind, 40));
    }
    tenant.clock.set(at("2026-11-23T12:00:00Z"));
    let mut now: BTreeMap<String, Known> =
        before.iter().map(|(id, record)| (id.clone(), known(record))).collect();
    let updates = tenant.updates("2026-11-20T06:00:00Z", "2026-11-23T12:00:00Z").await;
    // The second time, as late files may come, they say nothing new.
    for update in updates.iter().chain(&updates) {
        let known_now = &now[&update.id];
        let delivered = before[&update.id].time;
        if let Some(merged) = merge::next(known_now, delivered, update) {
            let revision = known_now.revision + 1;
            now.insert(update.id.clone(), Known { revision, ..known(&merged) });
        }
    }
    let (mut changed, mut revisions) = (0, 0);
    for (id, found) in &tenant.search().await {
        let known = &now[id];
        revisions += known.revision - 1;
        if known.revision == 1 {
            assert_eq!(found.fingerprint.content, before[id].fingerprint.content, "{}", found.json);
            continue;
        }
        changed += 1;
        assert_eq!(
            merge::standing(known, found),
            Standing::Same,
            "{} {}",
            known.watched,
            found.json
        );
    }
    assert!(changed > 120 && revisions > changed, "{changed} {revisions}");
}

#[tokio::test]
async fn a_file_is_read_on_after_its_link_expired() {
    let export = LogExport { late_every: 0, ..LogExport::default() };
    let tenant = tenant(600, export).await;
    let first = Hour::of(at("2026-11-20T03:00:00Z"));
    let ask = Ask { first, end: first.next(), types: vec![LogType::Message] };
    let link = |links: &crate::source::cisco_etd::export::links::Links| {
        links.of[&LogType::Message][0].clone()
    };
    let old = link(&Feed(&tenant.etd).links(&ask).await.unwrap());
    let whole = tenant.file(&old).await;
    assert!(whole.len() > 50);
    let mut half = Feed(&tenant.etd).open(&old).await.unwrap();
    assert!(half.skip_to(20).await.unwrap());
    let position = half.position;
    drop(half);
    tenant.clock.advance(Duration::from_secs(3_601));
    let expired = Feed(&tenant.etd).open(&old).await.map(|_| ()).unwrap_err();
    assert_eq!(expired.kind, Kind::PageTokenRejected, "{expired}");
    let new = link(&Feed(&tenant.etd).links(&ask).await.unwrap());
    assert_eq!(new.file, old.file);
    assert_ne!(new.url(), old.url());
    let mut rest = Feed(&tenant.etd).open(&new).await.unwrap();
    assert!(rest.skip_to(position).await.unwrap());
    let Some(Line::Text(next)) = rest.next().await.unwrap() else { panic!() };
    assert_eq!(next, whole[20].as_bytes());
}
