use super::*;
use crate::source::testing::{at, sample};

const NOW: &str = "2026-11-20T12:00:00Z";

fn searched(status: u16, body: &str) -> Refusal<'_> {
    let interval = between("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z");
    let call = Call::Search { interval };
    Refusal { call, status, retry_after: None, body, now: at(NOW), had_page_token: false }
}

fn between(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).unwrap()
}

#[derive(serde::Deserialize)]
struct Sample {
    name: String,
    path: String,
    status: u16,
    body: serde_json::Value,
}

#[test]
fn each_sample_has_its_meaning() {
    let samples: Vec<Sample> = serde_json::from_str(&sample("etd", "errors.json")).unwrap();
    let mut lines = Vec::new();
    for sample in &samples {
        let body = match &sample.body {
            serde_json::Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        for (call, path) in [("token", "/v1/oauth/token"), ("search", "/v1/messages/search")] {
            if sample.path != "*" && sample.path != path {
                continue;
            }
            let mut refusal = searched(sample.status, &body);
            if call == "token" {
                refusal.call = Call::Token;
            }
            let fault = classify(&refusal);
            let renews = call == "search" && wants_new_token(sample.status, &body);
            let renews = if renews { " (after a new token)" } else { "" };
            lines.push(format!("{} on {call}: {:?}{renews}\n    {fault}", sample.name, fault.kind));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_refused_range_is_too_early_lost_or_wrong() {
    let table = [
        ("2026-11-20T11:00:00Z", "2026-11-20T11:50:00Z", Kind::TooEarly),
        ("2026-11-20T11:00:00Z", "2026-11-20T11:45:00.001Z", Kind::TooEarly),
        ("2026-11-20T11:00:00Z", "2026-11-20T11:45:00Z", Kind::Refused),
        ("2026-11-20T11:00:00Z", "2026-11-21T11:00:00Z", Kind::TooEarly),
        // 90 days ago is 22 August, 12:00; the hour inside it counts as lost too.
        ("2026-08-22T12:59:59Z", "2026-08-22T14:00:00Z", Kind::PastRetention),
        ("2026-08-22T13:00:00Z", "2026-08-22T14:00:00Z", Kind::Refused),
        ("2026-08-01T00:00:00Z", "2026-11-20T11:50:00Z", Kind::TooEarly),
    ];
    for body in ["Invalid date range", r#"{"Message":"INVALID DATERANGE"}"#, "Invalid\ndate range"]
    {
        for (start, end, expected) in table {
            let mut refusal = searched(400, body);
            refusal.call = Call::Search { interval: between(start, end) };
            assert_eq!(classify(&refusal).kind, expected, "{body} {start} {end}");
        }
    }
}

#[test]
fn each_row_of_the_table_has_its_kind() {
    let retry_after = Some(Duration::from_secs(7));
    let transient = Kind::Transient { retry_after };
    let throttled = Kind::Throttled { retry_after };
    let too_big = "a response that exceeds the limit. Please reduce the page size or time range";
    let table = [
        // status, body, on search, on search with a page token, on the token call
        (400, "Bad Request", Kind::Auth, Kind::PageTokenRejected, Kind::Auth),
        (400, "Unable to deserialize request body", Kind::Refused, Kind::Refused, Kind::Auth),
        (400, "page token expired", Kind::Refused, Kind::PageTokenRejected, Kind::Auth),
        (400, "<h1>400 Bad Request</h1>", transient, transient, transient),
        (401, "Token expired", Kind::Auth, Kind::Auth, Kind::Auth),
        (403, "Forbidden", Kind::Auth, Kind::Auth, Kind::Auth),
        (403, "Missing Authentication Token", Kind::Auth, Kind::Auth, Kind::Auth),
        (403, "<html>blocked</html>", transient, transient, transient),
        (404, "", Kind::Auth, Kind::Auth, Kind::Auth),
        (407, "<html>", Kind::Auth, Kind::Auth, Kind::Auth),
        (429, "Limit exceeded", Kind::QuotaSpent, Kind::QuotaSpent, Kind::QuotaSpent),
        (429, r#"{"message":"Limit Exceeded"}"#, Kind::QuotaSpent, Kind::QuotaSpent, {
            Kind::QuotaSpent
        }),
        (429, "Rate limit exceeded", throttled, throttled, throttled),
        (429, "Too Many Requests", throttled, throttled, throttled),
        (429, "<html>", throttled, throttled, throttled),
        (500, "", transient, transient, transient),
        (502, too_big, Kind::TooLarge, Kind::TooLarge, transient),
        (502, "Bad Gateway", transient, transient, transient),
        (502, "<html>exceeds the limit</html>", transient, transient, transient),
        (503, "", transient, transient, transient),
        (504, "Endpoint request timed out", transient, transient, transient),
        (302, "", transient, transient, transient),
        (204, "", transient, transient, transient),
        (408, "", transient, transient, transient),
        (418, "", Kind::Refused, Kind::Refused, Kind::Refused),
    ];
    for (status, body, first_page, later_page, token) in table {
        let mut refusal = searched(status, body);
        refusal.retry_after = retry_after;
        assert_eq!(classify(&refusal).kind, first_page, "{status} {body} on search");
        refusal.had_page_token = true;
        assert_eq!(classify(&refusal).kind, later_page, "{status} {body} with a page token");
        refusal.call = Call::Token;
        assert_eq!(classify(&refusal).kind, token, "{status} {body} on the token call");
    }
}

#[test]
fn an_unknown_400_near_to_now_waits() {
    let mut refusal = searched(400, "no");
    refusal.call =
        Call::Search { interval: between("2026-11-20T11:00:00Z", "2026-11-20T11:54:00Z") };
    assert_eq!(classify(&refusal).kind, Kind::TooEarly);
}

#[test]
fn a_fault_carries_the_status_and_a_short_clean_body() {
    let body = format!("bad\r\n\u{1b}[31m{}", "x".repeat(5_000));
    let text = classify(&searched(500, &body)).to_string();
    assert!(text.starts_with("POST /v1/messages/search answered 500: bad   [31m"), "{text}");
    assert!(text.chars().count() < 260 && !text.chars().any(char::is_control), "{text}");
}
