//! The SER Admin API beside the summary: the same relay, told by days and by relay users.
//!
//! Its oddities: bytes as texts, `blockedMessage`, the traffic summary without an envelope, two
//! styles of paging with a total that may be a text, a null expiry, an unknown member. A page has
//! five rows at most, whatever is asked for.

use axum::http::request::Parts;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{RowTruth, Ser, parameter};
use crate::simulator::desk::Answer;

const MOST_ROWS: u64 = 5;

/// When all relay users were changed last.
const UPDATED: &str = "2026-10-01T08:00:00Z";

/// A relay user's id: a function of its number, so that it outlives a new name.
fn id(number: usize) -> String {
    format!("b30904d5-575e-503d-be50-{number:012x}")
}

/// How the counts of calls name a request; `None` for what is none of this API.
pub(super) fn endpoint(method: &str, path: &str) -> Option<String> {
    let known = ["/v1/usage/", "/v2/usage/", "/v1/failures/", "/v1/relay-users"];
    known.iter().any(|start| path.starts_with(start)).then(|| {
        let plain = |part: &str| if part.contains("-575e-") { "{id}" } else { part }.to_owned();
        let path: Vec<String> = path.split('/').map(plain).collect();
        format!("{method} {}", path.join("/"))
    })
}

pub(super) fn answer(ser: &Ser, parts: &Parts, body: &[u8]) -> Answer {
    let terms: Value = serde_json::from_slice(body).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let asked = |of_body: &str, of_query: &str| {
        let of_body = terms.pointer(of_body).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        of_body.or_else(|| parameter(query, of_query))
    };
    let date = |end: &str| -> Option<Date> {
        asked(&format!("/dates/{end}"), &format!("dates[{end}]"))?.parse().ok()
    };
    let days = date("gte").zip(date("lte"));
    let page: u64 = asked("/pageNum", "page_num").and_then(|it| it.parse().ok()).unwrap_or(1);
    let name = endpoint(parts.method.as_str(), parts.uri.path()).unwrap_or_default();
    let user = parts.uri.path().split('/').find(|part| part.contains("-575e-"));
    let rows = |first: Date, last: Date| {
        let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
        let end = last.checked_add(1.day()).ok().and_then(midnight);
        let window = [midnight(first).unwrap_or_default(), end.unwrap_or_default()];
        ser.relay.rows(window, ser.desk.now())
    };
    let Some((first, last)) = days else {
        return match name.as_str() {
            "GET /v2/usage/overview" => Answer::value(200, &overview(ser)),
            "GET /v1/relay-users" => {
                let bound = |end: &str| parameter(query, &format!("updated_date[{end}]"));
                let since = bound("gte").is_none_or(|day| day.as_str() <= UPDATED);
                let until = bound("lte")
                    .is_none_or(|day| UPDATED.starts_with(day.as_str()) || day.as_str() >= UPDATED);
                let all = if since && until { users(ser) } else { Vec::new() };
                let users: Vec<Value> = all.iter().map(listed).collect();
                Answer::value(200, &paged(&users, page))
            }
            "GET /v1/relay-users/{id}" => {
                let found = users(ser).into_iter().find(|it| it["relayUserId"].as_str() == user);
                found.map_or_else(
                    || Answer::value(404, &json!({ "message": "no such relay user" })),
                    |user| Answer::value(200, &json!({ "data": user })),
                )
            }
            _ => Answer::value(400, &json!({ "message": "dates are not valid" })),
        };
    };
    let of_user = || {
        let rows = rows(first, last).into_iter().enumerate();
        rows.map(|(number, row)| (id(number), row)).find(|(id, _)| Some(id.as_str()) == user)
    };
    match name.as_str() {
        "GET /v1/usage/traffic-summary" => {
            Answer::value(200, &traffic(&rows(first, last), first, last))
        }
        "POST /v1/usage/message-trend" => {
            let sum = sum(&rows(first, last));
            let row = json!({ "date": first.to_string(), "requestedMessages": sum.total,
                "acceptedMessages": sum.total, "sentMessages": sum.total,
                "deliveredMessages": sum.success });
            Answer::value(
                200,
                &json!({ "data": [row], "metadata": { "totalSentMessages": sum.total } }),
            )
        }
        "POST /v1/usage/data-trend" => {
            let bytes = sum(&rows(first, last)).message_size_total.to_string();
            let row = json!({ "date": first.to_string(), "throughput": bytes });
            Answer::value(200, &json!({ "data": [row], "metadata": { "totalThroughput": bytes } }))
        }
        "POST /v1/failures/relay-users" => {
            let rows = rows(first, last);
            let failing: Vec<Value> =
                rows.iter().enumerate().map(|(number, row)| failing(number, row)).collect();
            Answer::value(200, &paged(&failing, page))
        }
        "POST /v1/failures/relay-users/{id}/delivery-failures/recipient" => {
            let rows = of_user().map(|(_, row)| recipients(&row)).unwrap_or_default();
            Answer::value(200, &paged(&rows, page))
        }
        "GET /v1/failures/relay-users/{id}/policy-violations" => {
            let count = of_user().map_or(0, |(_, row)| row.partial_success);
            let row = json!({ "policyType": "unauthorizedSender", "reason": null, "count": count });
            let rows: Vec<Value> = (count > 0).then_some(row).into_iter().collect();
            let total = rows.len().to_string();
            Answer::value(200, &json!({ "data": rows, "metadata": { "totalCount": total } }))
        }
        "POST /v1/failures/relay-users/{id}/message-filtering" => {
            let count = of_user().map_or(0, |(_, row)| row.in_progress);
            let row = json!({ "finalAction": "discard", "finalRule": "virus", "count": count });
            let rows: Vec<Value> = (count > 0).then_some(row).into_iter().collect();
            Answer::value(200, &paged(&rows, page))
        }
        _ => Answer::text(405, "Method Not Allowed"),
    }
}

fn paged(rows: &[Value], page: u64) -> Value {
    let pages = (rows.len() as u64).div_ceil(MOST_ROWS);
    let skip = usize::try_from(page.saturating_sub(1) * MOST_ROWS).unwrap_or(usize::MAX);
    let most = usize::try_from(MOST_ROWS).unwrap_or(usize::MAX);
    let data: Vec<&Value> = rows.iter().skip(skip).take(most).collect();
    json!({ "data": data, "metadata": { "pagination": {
        "currentPage": page, "totalPages": pages.to_string(), "itemsPerPage": MOST_ROWS,
        "totalItemCount": rows.len(),
    } } })
}

struct Sum {
    success: u64,
    failure: u64,
    temp_failure: u64,
    total: u64,
    message_size_total: u64,
    delivered_size_total: u64,
}

fn sum(rows: &[RowTruth]) -> Sum {
    let of = |count: fn(&RowTruth) -> u64| rows.iter().map(count).sum();
    Sum {
        success: of(|row| row.success),
        failure: of(|row| row.failure),
        temp_failure: of(|row| row.temp_failure),
        total: of(|row| row.total),
        message_size_total: of(|row| row.message_size_total),
        delivered_size_total: of(|row| row.delivered_size_total),
    }
}

fn traffic(rows: &[RowTruth], first: Date, last: Date) -> Value {
    let sum = sum(rows);
    json!({
        "startDate": first.to_string(), "endDate": last.to_string(), "totalMessages": sum.total,
        "acceptedMessages": sum.total, "sentMessages": sum.total, "deliveredMessages": sum.success,
        "undeliveredMessages": sum.failure, "blockedMessage": 0,
        "deliveryFailureMessages": sum.failure + sum.temp_failure,
        "acceptedThroughput": sum.message_size_total.to_string(),
        "sentThroughput": sum.delivered_size_total.to_string(),
    })
}

fn overview(ser: &Ser) -> Value {
    let now = ser.desk.now();
    let used = sum(&ser.relay.rows([ser.license_start, now], now)).message_size_total;
    let allowed = ser.options.annual_throughput;
    json!({ "data": {
        "throughputLimit": allowed.to_string(), "acceptedThroughput": used.to_string(),
        "remainingThroughput": allowed.saturating_sub(used).to_string(),
        "throughputForecastStatus": "under", "licenseDaysRemaining": 100,
        "licenseStartDate": ser.license_start.strftime("%Y-%m-%d").to_string(),
        "lastUpdated": format!("{now:.0}"),
    } })
}

fn failing(number: usize, row: &RowTruth) -> Value {
    let delivery = row.failure + row.temp_failure;
    json!({
        "relayUserId": id(number), "name": row.application_user_name,
        "totalRequestedMessages": row.total,
        "totalFailedMessages": delivery + row.partial_success + row.in_progress,
        "totalFailureRate": "0.5", "policyViolationMessages": row.partial_success,
        "filteredMessages": row.in_progress, "deliveryFailureMessages": delivery.to_string(),
        "quarantinedMessages": 0,
    })
}

/// Temporary failures end one way or the other within a week: their row's count falls and goes.
fn recipients(row: &RowTruth) -> Vec<Value> {
    let full = row.failure / 3;
    let all = [
        ("gone@example.net", "5.1.1", "550 5.1.1 user unknown", row.failure - full),
        ("full@example.net", "5.2.2", "552 mailbox full | a=b \\ c\r\nsecond line", full),
        ("slow@example.net", "4.4.1", "no answer", row.temp_failure),
    ];
    let some = all.into_iter().filter(|(.., count)| *count > 0);
    some.map(|(recipient, code, details, count)| {
        json!({ "recipient": recipient, "dsnCode": code, "details": details, "count": count })
    })
    .collect()
}

/// All relay users with their details.
fn users(ser: &Ser) -> Vec<Value> {
    let now = ser.desk.now();
    let day = now.checked_sub(24.hours()).unwrap_or(now);
    let rows = ser.relay.rows([day, now], now);
    let user = |(number, row): (usize, &RowTruth)| {
        let expires = (number % 3 != 0).then(|| expiry(now, number));
        json!({
            "relayUserId": id(number), "name": row.application_user_name, "status": "active",
            "version": "v2", "creationDate": "2024-05-02T08:00:00Z",
            "updatedDate": UPDATED,
            "allowedAddress": [{ "mailFrom": row.from_envelope, "headerFrom": row.from_header }],
            "allowedIps": ["192.0.2.10"], "credentialExpirationDate": expires,
            "limits": { "messagesPer24Hours": 100_000, "messagesPer1Hour": null },
            "somethingNew": { "a": 1 },
        })
    };
    rows.iter().enumerate().map(user).collect()
}

/// In December of the year that `now` is in, or of the next.
fn expiry(now: Timestamp, number: usize) -> String {
    let year = now.to_zoned(TimeZone::UTC).year();
    format!("{}-12-10", if number.is_multiple_of(2) { year } else { year + 1 })
}

fn listed(user: &Value) -> Value {
    let names = ["relayUserId", "name", "status", "version", "creationDate", "updatedDate"];
    names.iter().map(|name| ((*name).to_owned(), user[*name].clone())).collect()
}
