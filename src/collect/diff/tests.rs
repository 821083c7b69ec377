//! Messages that were pieced together from the log export, once a search returns them.

use super::*;
use crate::{
    domain::{
        fingerprint::Fingerprint,
        name::SourceName,
        slice::{Interval, Pass},
    },
    source::cisco_etd::read_page,
    store::export::{LinesCommit, Position},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The message of a sample page.
fn message(name: &str) -> Record {
    let path = format!("{}/tests/fixtures/vendors/etd/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).unwrap();
    read_page(&page, hour()).unwrap().records.remove(0)
}

fn hour() -> Interval {
    Interval::new(at("2026-11-20T07:00:00Z"), at("2026-11-20T08:00:00Z")).unwrap()
}

#[tokio::test]
async fn a_search_completes_what_the_export_told_and_makes_no_revision() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let source: SourceName = "etd".parse().unwrap();
    let stream = store.stream(&source, Stream::Messages).await.unwrap();
    let tags = BTreeMap::new();
    let context = Context {
        source: &source,
        vendor: "cisco_etd",
        tags: &tags,
        pass: Pass::Resweep,
        slice: hour(),
        collected_at: at("2026-11-21T12:00:00Z"),
    };
    let before = message("pair_cleared_by_hand_before");
    let after = message("pair_cleared_by_hand_after");
    // As a line told it: without who did it.
    let roots = ["verdict", "action"];
    let pieced = Fingerprint::pieced(
        &before.fingerprint.members,
        &roots,
        &message("pair_cleared_by_hand_after").fingerprint.members,
    );
    let watched = after.watched.replace("\"isManualVerdict\": true,", "");
    let known = Known { revision: 2, members: pieced.members, watched };
    let key = Key::at(before.time.unwrap(), &before.id);
    let block = store.pack_versions(stream, &[(key, pieced.content, known)]).unwrap();
    let lines = LinesCommit {
        stream,
        hour: 0,
        path: "/a".into(),
        position: Position::default(),
        chunks: Vec::new(),
        ledger: vec![block],
        creates: BTreeMap::new(),
        max_spool: u64::MAX,
    };
    store.commit_lines(lines).await.unwrap();

    let found = diff(&store, stream, vec![after.clone()], false, context).unwrap();
    assert!(found.events.is_empty() && found.tallies.is_empty());
    let (filed, content, known) = &found.versions[0];
    assert_eq!((*filed, known.revision, *content), (key, 2, after.fingerprint.content));

    // An index that does not have the change yet takes nothing back.
    let behind = diff(&store, stream, vec![before], false, context).unwrap();
    assert!(behind.events.is_empty() && behind.versions.is_empty());

    let mut released = message("pair_released_after");
    released.id.clone_from(&after.id);
    let later = diff(&store, stream, vec![after, released], false, context).unwrap();
    assert_eq!(later.events.len(), 1);
    assert_eq!((later.events[0].revision, later.versions.len()), (3, 1));
}
