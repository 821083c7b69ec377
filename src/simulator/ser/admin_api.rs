//! The SER Admin API beside the summary: the same relay, told by days and by relay users.
//!
//! Its oddities: bytes as texts, `blockedMessage`, the traffic summary without an envelope, two
//! styles of paging with a total that may be a text, a null expiry, an unknown member. A page has
//! five rows at most, whatever is asked for.

use axum::http::request::Parts;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    RowTruth, Ser, parameter,
    relay_users::{id, listed},
};
use crate::simulator::desk::Answer;

const MOST_ROWS: u64 = 5;

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
                let (since, until) = (bound("gte"), bound("lte"));
                let only = parameter(query, "relay_user_id");
                let is_meant = |user: &Value| {
                    if only.as_deref().is_some_and(|id| user["relayUserId"] != id) {
                        return false;
                    }
                    let updated = user["updatedDate"].as_str().unwrap_or_default();
                    let day = updated.get(..10).unwrap_or_default();
                    since.as_deref().is_none_or(|since| since <= day)
                        && until.as_deref().is_none_or(|until| day <= until)
                };
                let users: Vec<Value> =
                    ser.relay_users.all(ser).iter().filter(|it| is_meant(it)).map(listed).collect();
                Answer::value(200, &paged(&users, page))
            }
            "GET /v1/relay-users/{id}" => {
                let mut users = ser.relay_users.all(ser).into_iter();
                let found = users.find(|it| it["relayUserId"].as_str() == user);
                found.map_or_else(
                    || Answer::value(404, &json!({ "message": "no such relay user" })),
                    |user| Answer::value(200, &json!({ "data": user })),
                )
            }
            _ => Answer::value(400, &json!({ "message": "dates are not valid" })),
        };
    };
    let of_user = || {
        let mut rows = rows(first, last).into_iter();
        rows.find(|row| Some(id(row.number).as_str()) == user)
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
            let failing: Vec<Value> = rows(first, last).iter().filter_map(failing).collect();
            Answer::value(200, &paged(&failing, page))
        }
        "POST /v1/failures/relay-users/{id}/delivery-failures/recipient" => {
            let rows = of_user().map(|row| recipients(&row)).unwrap_or_default();
            Answer::value(200, &paged(&rows, page))
        }
        "GET /v1/failures/relay-users/{id}/policy-violations" => {
            let count = of_user().map_or(0, |row| row.partial_success);
            let row = json!({ "policyType": "unauthorizedSender", "reason": null, "count": count });
            let rows: Vec<Value> = (count > 0).then_some(row).into_iter().collect();
            let total = rows.len().to_string();
            Answer::value(200, &json!({ "data": rows, "metadata": { "totalCount": total } }))
        }
        "POST /v1/failures/relay-users/{id}/message-filtering" => {
            let count = of_user().map_or(0, |row| row.in_progress);
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
    let end = ser.license_start.checked_add((365 * 24).hours()).unwrap_or(now);
    let average = |days: i64| {
        let from = now.checked_sub((days * 24).hours()).unwrap_or(now).max(ser.license_start);
        sum(&ser.relay.rows([from, now], now)).message_size_total / days.unsigned_abs()
    };
    json!({ "data": {
        "throughputLimit": allowed.to_string(), "acceptedThroughput": used.to_string(),
        "remainingThroughput": allowed.saturating_sub(used).to_string(),
        "throughputForecastStatus": "under", "licenseDaysRemaining": 100,
        "licenseStartDate": ser.license_start, "licenseEndDate": end,
        "average7DayThroughput": average(7), "average30DayThroughput": average(30).to_string(),
        "lastUpdated": format!("{now:.0}"),
    } })
}

/// `None` for who had no failures.
fn failing(row: &RowTruth) -> Option<Value> {
    let delivery = row.failure + row.temp_failure;
    let failed = delivery + row.partial_success + row.in_progress;
    let failing = json!({
        "relayUserId": id(row.number), "name": row.application_user_name,
        "totalRequestedMessages": row.total,
        "totalFailedMessages": failed,
        "totalFailureRate": "0.5", "policyViolationMessages": row.partial_success,
        "filteredMessages": row.in_progress, "deliveryFailureMessages": delivery.to_string(),
        "quarantinedMessages": 0,
    });
    (failed > 0).then_some(failing)
}

/// Temporary failures end one way or the other within a week: their row's count falls and goes. Of
/// some relay users the rows are more than a page has, and the first one's key comes again.
fn recipients(row: &RowTruth) -> Vec<Value> {
    let full = row.failure / 3;
    let gone = row.failure - full;
    let unknown = "550 5.1.1 user unknown";
    let one = u64::from(row.number.is_multiple_of(3));
    let others = ["a@example.net", "b@example.net", "c@example.net"];
    let others = others.into_iter().zip(1..).map(|(at, nth)| (at, one.min(gone / nth / 4)));
    let others: Vec<(&str, u64)> = others.collect();
    let again = gone / 4 * one;
    let first = gone - again - others.iter().map(|(_, count)| count).sum::<u64>();
    let mut all = vec![
        ("gone@example.net", "5.1.1", unknown, first),
        ("full@example.net", "5.2.2", "552 mailbox full | a=b \\ c\r\nsecond line", full),
        ("slow@example.net", "4.4.1", "no answer", row.temp_failure),
    ];
    all.extend(others.into_iter().map(|(recipient, count)| (recipient, "5.1.1", unknown, count)));
    all.push(("gone@example.net", "5.1.1", unknown, again));
    let some = all.into_iter().filter(|(.., count)| *count > 0);
    some.map(|(recipient, code, details, count)| {
        json!({ "recipient": recipient, "dsnCode": code, "details": details, "count": count })
    })
    .collect()
}
