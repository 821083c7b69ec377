//! The vendor's own counts: `POST /v1/messages/report`.

use std::collections::BTreeMap;

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Etd, query::time};
use crate::simulator::{
    desk::Answer,
    timeline::{nanos, timestamp},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Query {
    aggregation_interval: String,
    timestamp: [String; 2],
    aggregate_by: By,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum By {
    Directions,
    Verdicts,
    RetroVerdicts,
}

impl Etd {
    /// Counts the messages delivered in [start, end); the ends of a report are not documented.
    pub(super) fn report(&self, body: &Bytes, now: Timestamp) -> Answer {
        const HOUR: i64 = 3_600_000_000_000;
        let query = serde_json::from_slice::<Query>(body).ok();
        let Some((query, from, to, width)) = query.and_then(|query| {
            let [from, to] = [time(&query.timestamp[0])?, time(&query.timestamp[1])?];
            let hours = match query.aggregation_interval.as_str() {
                "1h" => 1,
                "1d" => 24,
                "30d" => 30 * 24,
                _ => return None,
            };
            Some((query, from, to, hours * HOUR))
        }) else {
            return self.error(400, "Unable to deserialize request body");
        };
        let oldest = now.checked_sub(self.options.retention).unwrap_or(Timestamp::MIN);
        if from >= to || from < oldest || to > now {
            return self.error(400, "Invalid daterange");
        }
        let mut buckets: BTreeMap<i64, BTreeMap<&str, u64>> = BTreeMap::new();
        let found = self.world.range(nanos(from), nanos(to) - 1, now);
        for place in found.places(&self.world, None, false) {
            let profile = self.world.profile(place);
            let state = self.world.state(&profile, place.1, now);
            let word = match query.aggregate_by {
                By::Directions => profile.direction,
                By::RetroVerdicts if !state.retro => continue,
                _ if state.latest.is_empty() => "noVerdict",
                _ => state.latest,
            };
            let bucket = buckets.entry(place.0.div_euclid(width) * width).or_default();
            *bucket.entry(word).or_default() += 1;
        }
        let more = self.options.quirks.miscount;
        for word in buckets.values_mut().filter_map(|words| words.values_mut().next()) {
            *word += more;
        }
        let aggregations: Vec<_> = buckets
            .iter()
            .map(|(start, words)| {
                json!({
                    "startTimestamp": format!("{:.3}", timestamp(*start)),
                    "messageCount": words.values().sum::<u64>(),
                    "messages": words,
                })
            })
            .collect();
        let total: u64 = buckets.values().flat_map(BTreeMap::values).sum();
        let interval = query.aggregation_interval;
        Answer::value(
            200,
            &json!({ "data": {
                "aggregationInterval": interval,
                "totalMessages": total,
                "aggregations": aggregations,
            }}),
        )
    }
}
