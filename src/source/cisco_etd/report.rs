//! The vendor's own counts: `POST /v1/messages/report` (its developer pages; the answer's members
//! are those that published connectors read).

use std::{collections::BTreeMap, sync::atomic::Ordering};

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::Value;

use super::{
    CiscoEtd,
    call::{Reply, post},
    refusal::{self, Call},
};
use crate::{
    domain::slice::Interval,
    fault::Fault,
    source::{
        bearer::Bearer,
        text::excerpt,
        when::{self, When},
    },
};

const PATH: &str = "/v1/messages/report";
pub(super) const NAME: &str = "POST /v1/messages/report";

/// Under which word a count stands that the vendor does not divide.
const ALL: &str = "all";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    aggregation_interval: &'static str,
    timestamp: [String; 2],
    aggregate_by: &'static str,
}

impl CiscoEtd {
    /// The messages that were delivered in `day`, by direction.
    ///
    /// The vendor's page writes both `directions` and `direction`. The one that it took last is
    /// asked for first, so that the doubt costs one call in all and not one a day.
    pub(super) async fn report(&self, day: Interval) -> Result<BTreeMap<String, u64>, Fault> {
        let singular = self.singular.load(Ordering::Relaxed);
        let mut reply = self.ask(day, singular).await?;
        if refusal::is_not_understood(reply.answer.status, &reply.answer.text()) {
            reply = self.ask(day, !singular).await?;
            if reply.answer.status == 200 {
                self.singular.store(!singular, Ordering::Relaxed);
            }
        }
        if reply.answer.status != 200 {
            return Err(self.refused(&reply, Call::Report { day }, false).await);
        }
        read(&reply.answer.text(), day).map_err(|oddity| {
            let body = excerpt(&reply.redacted());
            Fault::transient(format!("{NAME} answered 200, but {oddity}: {body}"))
        })
    }

    async fn ask(&self, day: Interval, singular: bool) -> Result<Reply, Fault> {
        let request = |bearer: &Bearer| self.report_request(day, singular, bearer);
        self.call(NAME, request).await
    }

    fn report_request(
        &self,
        day: Interval,
        singular: bool,
        bearer: &Bearer,
    ) -> Result<RequestBuilder, Fault> {
        let body = Body {
            aggregation_interval: "1d",
            // Whether the end is inclusive is not documented: should it be, what was delivered at
            // midnight comes as the next day's aggregation, which is left out by its start.
            timestamp: [day.start(), day.end()].map(when::milliseconds),
            aggregate_by: if singular { "direction" } else { "directions" },
        };
        post(&self.http, &self.config, PATH, &body, bearer)
    }
}

/// Reads an answer to the report of `day`. The error says what is odd about one that cannot be
/// counted on: a zero that stands for something else would look like lost mail, or hide it.
pub(super) fn read(body: &str, day: Interval) -> Result<BTreeMap<String, u64>, &'static str> {
    let body: Value = serde_json::from_str(body).map_err(|_| "the body is not whole JSON")?;
    let data = body.get("data").unwrap_or(&body);
    let total = data.get("totalMessages").and_then(number);
    let aggregations = match data.get("aggregations") {
        Some(Value::Array(list)) => list.as_slice(),
        None | Some(Value::Null) if total == Some(0) => &[],
        _ => return Err("it has no list of aggregations"),
    };
    if aggregations.is_empty() && total.is_some_and(|total| total > 0) {
        return Err("it counts messages in no aggregation");
    }
    let mut counts = BTreeMap::new();
    for aggregation in aggregations {
        let start = aggregation.get("startTimestamp").and_then(time);
        let start = start.ok_or("an aggregation has no readable startTimestamp")?;
        let words = words(aggregation)?;
        if day.contains(start) {
            for (word, count) in words {
                let sum: &mut u64 = counts.entry(word).or_default();
                *sum = sum.saturating_add(count);
            }
        } else if start != day.end() && words.values().any(|count| *count > 0) {
            // The vendor's days are others, or it answers another question.
            return Err("an aggregation does not begin in the day");
        }
    }
    Ok(counts)
}

/// The counts of an aggregation by lower-case word.
fn words(aggregation: &Value) -> Result<BTreeMap<String, u64>, &'static str> {
    let mut words = BTreeMap::new();
    let given = match aggregation.get("messages") {
        Some(Value::Object(given)) if !given.is_empty() => given,
        None | Some(Value::Null | Value::Object(_)) => {
            let count = aggregation.get("messageCount").and_then(number);
            let count = count.ok_or("an aggregation has neither messages nor messageCount")?;
            if count > 0 {
                words.insert(ALL.to_owned(), count);
            }
            return Ok(words);
        }
        Some(_) => return Err("an aggregation's messages are of a strange type"),
    };
    for (word, count) in given.iter().filter(|(_, count)| !count.is_null()) {
        let count = number(count).ok_or("an aggregation has a count that cannot be read")?;
        let sum: &mut u64 = words.entry(word.trim().to_lowercase()).or_default();
        *sum = sum.saturating_add(count);
    }
    Ok(words)
}

fn number(value: &Value) -> Option<u64> {
    let text = text(value)?;
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    When::read(&text(value)?)?.start()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
