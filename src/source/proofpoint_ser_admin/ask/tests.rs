use proptest::prelude::*;

use super::*;
use crate::source::testing::{at, hour};

fn days() -> Days {
    Days { first: "2026-11-20".parse().unwrap(), last: "2026-11-20".parse().unwrap() }
}

fn user() -> UserId {
    UserId::new("b30904d5-575e-503d-be50-f1893763626e").unwrap()
}

/// One of each; the match makes whoever adds a variant think of this list.
fn all(user: &UserId, days: Days, sheet: Sheet) -> Vec<Ask> {
    let user = || user.clone();
    let asks = vec![
        Ask::TrafficSummary(days),
        Ask::MessageTrend(days),
        Ask::DataTrend(days),
        Ask::Overview,
        Ask::FailingUsers(days, sheet),
        Ask::Recipients(user(), days, sheet),
        Ask::Violations(user(), days, sheet),
        Ask::Filtered(user(), days, sheet),
        Ask::RelayUsers(None, sheet),
        Ask::RelayUsers(Some(days), sheet),
        Ask::RelayUser(user()),
        Ask::ListedRelayUser(user()),
    ];
    for ask in &asks {
        match ask {
            Ask::TrafficSummary(_)
            | Ask::MessageTrend(_)
            | Ask::DataTrend(_)
            | Ask::Overview
            | Ask::FailingUsers(..)
            | Ask::Recipients(..)
            | Ask::Violations(..)
            | Ask::Filtered(..)
            | Ask::RelayUsers(..)
            | Ask::RelayUser(_)
            | Ask::ListedRelayUser(_) => {}
        }
    }
    asks
}

/// What the vendor documents as reads, `{}` for an id.
const READS: [(&str, Host, &str); 10] = [
    ("GET", Host::Reporting, "/v1/usage/traffic-summary"),
    ("POST", Host::Reporting, "/v1/usage/message-trend"),
    ("POST", Host::Reporting, "/v1/usage/data-trend"),
    ("GET", Host::Reporting, "/v2/usage/overview"),
    ("POST", Host::Reporting, "/v1/failures/relay-users"),
    ("POST", Host::Reporting, "/v1/failures/relay-users/{}/delivery-failures/recipient"),
    ("GET", Host::Reporting, "/v1/failures/relay-users/{}/policy-violations"),
    ("POST", Host::Reporting, "/v1/failures/relay-users/{}/message-filtering"),
    ("GET", Host::RelayConfig, "/v1/relay-users"),
    ("GET", Host::RelayConfig, "/v1/relay-users/{}"),
];

fn assert_reads(ask: &Ask, id: &str) {
    let request = ask.request();
    let name = request.name();
    let (method, path) = name.split_once(' ').unwrap();
    let fits = |template: &str| {
        let (left, right) = (template.split('/'), path.split('/'));
        template.matches('/').count() == path.matches('/').count()
            && left.zip(right).all(|(known, it)| known == it || known == "{}" && it == id)
    };
    let known = READS.iter().any(|read| (read.0, read.1) == (method, request.host) && fits(read.2));
    assert!(known, "{ask:?}: {name}");
    assert!(request.host == Host::Reporting || matches!(request.reading, Reading::Get(_)));
}

#[test]
fn no_request_that_writes_can_be_formed() {
    for ask in all(&user(), days(), Sheet { number: 1, size: 100 }) {
        assert_reads(&ask, user().as_str());
    }
    // And nothing of this source makes a request but from an `Ask`, or one for a token.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/source/proofpoint_ser_admin");
    let mut files = vec![format!("{folder}.rs").into()];
    files.extend(std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    let mut posts = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for verb in [".put(", ".patch(", ".delete(", ".request(reqwest", "Method::"] {
            assert!(!text.contains(verb), "{} has {verb}", file.display());
        }
        posts += text.matches(".post(").count();
    }
    assert!(posts <= 2, "a report's and the token's, not {posts}");
}

#[test]
fn requests_have_exactly_the_documented_shape() {
    let asks = all(&user(), days(), Sheet { number: 2, size: 100 });
    let shown = asks.iter().map(|ask| {
        let request = ask.request();
        let terms = match &request.reading {
            Reading::Get(query) => {
                let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
                pairs.join("&")
            }
            Reading::Report(terms) => terms.to_string(),
        };
        format!("{:?} {} {terms}", request.host, request.name())
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_slice_is_asked_for_by_its_days_both_inclusive() {
    assert_eq!(Days::of(hour()), days());
    let whole = Interval::new(at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z")).unwrap();
    assert_eq!(Days::of(whole), days());
    assert!(days().contains(day(at("2026-11-20T23:59:59.999Z"))));
    assert!(!days().contains(day(at("2026-11-21T00:00:00Z"))));
}

#[test]
fn an_id_is_one_segment() {
    for id in ["", ".", "..", "a/b", "a%2Fb", "a?b", "a#b", "a b", "é", "search", "names"] {
        assert_eq!(UserId::new(id), None, "{id}");
    }
    for id in ["b30904d5-575e-503d-be50-f1893763626e", "42", "user-1"] {
        assert_eq!(UserId::new(id).unwrap().as_str(), id);
    }
}

proptest! {
    #[test]
    fn whatever_the_vendor_names_a_user_nothing_writes(id in any::<String>(), number in 1..9u64) {
        if let Some(user) = UserId::new(&id) {
            for ask in all(&user, days(), Sheet { number, size: 1 }) {
                assert_reads(&ask, &id);
            }
        }
    }

    #[test]
    fn words_that_look_like_ids_read_too(id in "[a-z0-9_-]{1,66}") {
        if let Some(user) = UserId::new(&id) {
            let path = Ask::RelayUser(user).request().path;
            prop_assert_eq!(path.matches('/').count(), 3);
        }
    }
}
