use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::*;
use crate::{
    clock::ManualClock,
    config::Secret,
    domain::{
        filter::Filter,
        slice::{Interval, Stream},
    },
    fault::Kind,
    source::{
        Page, Query, Source,
        testing::{Vendor, at, client, pace, sample},
    },
};

/// With what a form must encode.
const SECRET: &str = "s3cret+&=% ü";

struct Bench {
    vendor: Vendor,
    clock: Arc<ManualClock>,
    admin: ProofpointSerAdmin,
}

fn answer(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

fn file(name: &str) -> ResponseTemplate {
    answer(200, &sample("ser_admin", &format!("{name}.json")))
}

async fn bench(answers: Vec<ResponseTemplate>) -> Bench {
    let token = |number| {
        let body = json!({ "access_token": format!("bearer-{number}"), "expires_in": 3600 });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let vendor = Vendor::start("/v1/token", token, answers).await;
    let config = config::ProofpointSerAdmin {
        reporting_url: vendor.server.uri(),
        relay_config_url: vendor.server.uri(),
        token_url: format!("{}/v1/token", vendor.server.uri()),
        client_id: "key".into(),
        client_secret: Secret::plain(SECRET),
        failures: true,
        relay_users: true,
    };
    // The day of the samples is over for long, so that no overview is due.
    let clock = Arc::new(ManualClock::at(at("2026-11-23T02:00:00Z")));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let admin = ProofpointSerAdmin::new(&config, client(), pace(), shared);
    Bench { vendor, clock, admin }
}

fn query(from: &str, to: &str, page_size: u32) -> Query {
    let interval = Interval::new(at(from), at(to)).unwrap();
    Query { interval, page_token: None, page_size, narrow: Filter::default() }
}

fn day() -> Query {
    query("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", 2)
}

/// Reads a slice to its end.
async fn whole(source: &impl Source, query: &Query) -> Vec<Page> {
    let (mut query, mut pages) = (query.clone(), Vec::new());
    loop {
        let page = source.fetch(&query).await.unwrap();
        query.page_token.clone_from(&page.next);
        pages.push(page);
        if query.page_token.is_none() {
            return pages;
        }
    }
}

fn empty_page(number: u32) -> ResponseTemplate {
    let pagination = json!({ "currentPage": number, "totalPages": number });
    answer(200, &json!({ "data": [], "metadata": { "pagination": pagination } }).to_string())
}

#[tokio::test]
async fn a_day_is_read_from_the_first_report_to_the_last() {
    let bench = bench(vec![
        file("traffic_summary"),
        file("message_trend"),
        file("data_trend"),
        file("failures_relay_users_p1"),
        file("failures_recipient"),
        file("failures_policy_violations"),
        file("failures_message_filtering"),
        file("failures_recipient"),
        empty_page(2),
    ])
    .await;
    let pages = whole(&bench.admin.days(), &day()).await;
    let records: Vec<_> = pages.iter().flat_map(|page| &page.records).collect();
    let of = |stream| records.iter().filter(|record| record.stream == stream).count();
    assert_eq!((of(Stream::Usage), of(Stream::Failures)), (3, 8));
    assert!(pages.iter().all(|page| page.received > 0 || page.next.is_none()));
    let requests = bench.vendor.requests().await;
    let asked: Vec<String> =
        requests.iter().map(|it| format!("{} {}", it.method, it.url.path())).collect();
    let sap = "/v1/failures/relay-users/b30904d5-575e-503d-be50-f1893763626e";
    assert_eq!(
        asked,
        [
            "GET /v1/usage/traffic-summary",
            "POST /v1/usage/message-trend",
            "POST /v1/usage/data-trend",
            "POST /v1/failures/relay-users",
            &format!("POST {sap}/delivery-failures/recipient"),
            &format!("GET {sap}/policy-violations"),
            &format!("POST {sap}/message-filtering"),
            "POST /v1/failures/relay-users/ed10e0b0-019d-51ae-b079-03869ba57267/delivery-failures/recipient",
            "POST /v1/failures/relay-users",
        ]
    );
    let first = &requests[0];
    assert_eq!(
        first.url.query(),
        Some("dates%5Bgte%5D=2026-11-20&dates%5Blte%5D=2026-11-20"),
        "brackets are encoded"
    );
    assert_eq!(first.headers["authorization"], "Bearer bearer-1");
    let body: serde_json::Value = serde_json::from_slice(&requests[8].body).unwrap();
    assert_eq!((body["pageNum"].as_u64(), body["pageSize"].as_u64()), (Some(2), Some(2)));
}

#[tokio::test]
async fn the_overview_comes_with_the_day_that_has_just_ended() {
    let told = bench(vec![file("data_trend"), file("overview_v2"), empty_page(1)]).await;
    told.clock.set(at("2026-11-21T02:00:00Z"));
    let token = r#"{"at":"data"}"#.to_owned();
    let page = told.admin.days().fetch(&Query { page_token: Some(token), ..day() }).await.unwrap();
    let ids: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["data_trend/2026-11-20", "overview/2026-11-21"]);

    // The reports do not depend on it.
    let missing = bench(vec![file("data_trend"), answer(404, "{}")]).await;
    missing.clock.set(at("2026-11-21T02:00:00Z"));
    let token = Some(r#"{"at":"data"}"#.to_owned());
    let page = missing.admin.days().fetch(&Query { page_token: token, ..day() }).await.unwrap();
    assert_eq!((page.records.len(), page.usage.is_none(), page.unread), (1, true, 0));
    let warning = page.warnings.last().unwrap();
    assert!(warning.contains("/v2/usage/overview"), "{warning}");
}

/// At the reports of one relay user, then the list goes on.
const RECIPIENTS: &str =
    r#"{"at":{"recipients":["b30904d5-575e-503d-be50-f1893763626e","sap"]},"list":2}"#;

#[tokio::test]
async fn a_failing_user_that_is_gone_holds_up_no_day() {
    let gone = answer(404, r#"{"message":"no such relay user"}"#);
    let bench = bench(vec![gone, empty_page(2)]).await;
    let query = Query { page_token: Some(RECIPIENTS.to_owned()), ..day() };
    let page = bench.admin.days().fetch(&query).await.unwrap();
    assert_eq!((&page.next, page.unread), (&None, 1), "nothing is concluded from what is missing");
    assert!(page.warnings[0].contains("delivery_failures of the relay user sap"), "{page:?}");
    // A wrong address would be told by the list, and a web page is no word of the API's.
    let bench = self::bench(vec![answer(404, "<html>")]).await;
    let fault = bench.admin.days().fetch(&query).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Transient { retry_after: None });
}

#[tokio::test]
async fn a_day_that_stood_at_failures_ends_where_they_are_no_longer_wanted() {
    let mut bench = bench(Vec::new()).await;
    Arc::get_mut(&mut bench.admin.0).unwrap().config.failures = false;
    for at in [r#"{"at":"users"}"#, RECIPIENTS] {
        let query = Query { page_token: Some(at.to_owned()), ..day() };
        let page = bench.admin.days().fetch(&query).await.unwrap();
        assert_eq!((page.next, page.received, page.records.len()), (None, 0, 0), "{at}");
    }
    assert_eq!(bench.vendor.requests().await.len(), 0);
}

#[tokio::test]
async fn relay_users_come_with_their_details() {
    let (list, details) = (file("relay_users"), file("relay_user_detail"));
    let still = list.clone();
    let bench = bench(vec![list, details, answer(404, "{}"), still]).await;
    let users = bench.admin.relay_users().unwrap();
    let pages = whole(&users, &query("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", 25)).await;
    assert_eq!((pages.len(), pages[0].records.len()), (1, 2));
    assert!(pages[0].records[0].json.contains("somethingNew"));
    assert!(pages[0].records[1].json.contains("\"expired\""), "there, but without details");
    let requests = bench.vendor.requests().await;
    let asked = requests[0].url.query().unwrap();
    assert!(asked.starts_with("updated_date%5Bgte%5D=2026-11-20&"), "{asked}");
    assert!(requests.iter().all(|request| request.method.as_str() == "GET"));
}

/// A page of two, of a list with so many rows.
fn page_of(number: u32, rows: &serde_json::Value, total: u32) -> ResponseTemplate {
    let pagination = json!({ "currentPage": number, "totalPages": 2, "totalItemCount": total });
    let body = json!({ "data": rows, "metadata": { "pagination": pagination } });
    answer(200, &body.to_string())
}

#[tokio::test]
async fn from_a_list_that_moved_while_it_was_read_nothing_is_concluded() {
    let hour = query("2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z", 1);
    for (now, unread) in [(2, 0), (1, 1)] {
        // Without ids, so that no details are asked for.
        let pages = [page_of(1, &json!([{ "name": "a" }]), 2), {
            page_of(2, &json!([{ "name": "b" }]), now)
        }];
        let list = bench(pages.to_vec()).await;
        let pages = whole(&list.admin.relay_users().unwrap(), &hour).await;
        assert_eq!((pages.len(), pages[0].unread, pages[1].unread), (2, 0, unread));

        let row = |count: u32| json!([{ "finalAction": "a", "finalRule": "b", "count": count }]);
        let report = bench(vec![page_of(1, &row(1), 2), page_of(2, &row(2), now)]).await;
        let at = RECIPIENTS.replace("recipients", "filtered").replace(",\"list\":2", "");
        let query = Query { page_token: Some(at), page_size: 1, ..day() };
        let pages = whole(&report.admin.days(), &query).await;
        assert_eq!((pages.len(), pages[0].unread, pages[1].unread), (2, 0, unread));
    }
}

#[tokio::test]
async fn fewer_rows_than_the_answer_counts_are_told() {
    let body = json!({ "data": [{ "name": "a" }], "metadata": { "totalCount": "7" } }).to_string();
    let hour = query("2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z", 25);
    let bench = bench(vec![answer(200, &body)]).await;
    let pages = whole(&bench.admin.relay_users().unwrap(), &hour).await;
    assert_eq!((pages.len(), pages[0].unread), (1, 1));
    assert!(pages[0].warnings[0].contains("fewer rows"), "{:?}", pages[0].warnings);
}

#[tokio::test]
async fn a_relay_user_that_is_deleted_meanwhile_is_not_told_as_changed() {
    let nobody = answer(200, r#"{"data":[],"metadata":{"totalCount":0}}"#);
    let bench =
        bench(vec![file("relay_users"), file("relay_user_detail"), answer(404, "{}"), nobody])
            .await;
    let users = bench.admin.relay_users().unwrap();
    let pages = whole(&users, &query("2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z", 25)).await;
    let page = &pages[0];
    assert_eq!((page.records.len(), page.received, page.unread), (1, 2, 0));
    assert_eq!(page.warnings.len(), 1, "{:?}", page.warnings);
    let requests = bench.vendor.requests().await;
    let asked = requests[3].url.query().unwrap();
    assert!(asked.starts_with("relay_user_id="), "{asked}");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_serves_all() {
    let refused = answer(401, "{}");
    let bench = bench(vec![refused.clone(), file("traffic_summary"), refused]).await;
    let days = bench.admin.days();
    let page = days.fetch(&day()).await.unwrap();
    assert_eq!((bench.vendor.tokens(), page.received), (2, 1));
    let next = Query { page_token: page.next, ..day() };
    assert_eq!(days.fetch(&next).await.unwrap_err().kind, Kind::Auth);
    assert_eq!(bench.vendor.tokens(), 3);
}

#[tokio::test]
async fn what_is_no_report_is_a_fault_never_an_end() {
    let transient = Kind::Transient { retry_after: None };
    let table = [
        (answer(200, "<html>"), transient),
        (answer(200, r#"{"error":"later"}"#), transient),
        (answer(429, "").insert_header("Retry-After", "7"), {
            Kind::Throttled { retry_after: Some(Duration::from_secs(7)) }
        }),
        (answer(403, "{}"), Kind::Auth),
        (answer(500, "{}"), transient),
    ];
    for (answer, expected) in table {
        let bench = bench(vec![answer]).await;
        assert_eq!(bench.admin.days().fetch(&day()).await.unwrap_err().kind, expected);
    }
    let bench = bench(vec![file("failures_relay_users_p1")]).await;
    let token = Some(r#"{"at":"users","skip":2}"#.to_owned());
    let fault = bench.admin.days().fetch(&Query { page_token: token, ..day() }).await.unwrap_err();
    assert!(fault.to_string().contains("another page"), "{fault}");
    let token = Some("from another version".to_owned());
    let fault = bench.admin.days().fetch(&Query { page_token: token, ..day() }).await.unwrap_err();
    assert_eq!(fault.kind, Kind::PageTokenRejected);
}

#[tokio::test]
async fn a_probe_tries_each_right() {
    let bench =
        bench(vec![file("overview_v2"), file("failures_recipient"), file("relay_users")]).await;
    let text = bench.admin.days().probe(at("2026-11-20T12:00:00Z")).await.unwrap();
    assert_eq!(text, "token and usage work; failures work; relay users work");
}

#[tokio::test]
async fn no_secret_is_in_a_fault_or_in_debug() {
    let mut texts = Vec::new();
    for status in [200, 400, 401, 403, 404, 500] {
        let first = answer(status, "Bearer bearer-1");
        let bench = bench(vec![first, answer(status, "bearer-1 bearer-2")]).await;
        let fault = bench.admin.days().fetch(&day()).await.unwrap_err();
        texts.push(format!("{} {fault:?} {:?}", fault.chain(), bench.admin));
    }
    for text in texts {
        assert!(!text.contains("bearer-") && !text.contains("s3cret"), "{text}");
    }
}
