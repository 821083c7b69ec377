//! Counters of SER's rows by name, to be added and compared.

use std::collections::BTreeMap;

use postrider::simulator::RowTruth;
use serde_json::Value;

/// Counters by place and name.
pub(crate) type Sums = BTreeMap<String, i128>;

/// What an event's or its `delta`'s counters say.
pub(crate) fn counters(of: &Value) -> Sums {
    let mut all = Sums::new();
    for place in ["status", "details"] {
        for (name, count) in of[place].as_object().into_iter().flatten() {
            all.insert(format!("{place}.{name}"), i128::from(count.as_i64().unwrap()));
        }
    }
    all
}

pub(crate) fn add(sums: &mut Sums, more: &Sums) {
    for (name, count) in more {
        *sums.entry(name.clone()).or_default() += count;
    }
}

pub(crate) fn nonzero(sums: &Sums) -> Sums {
    sums.iter().filter(|(_, sum)| **sum != 0).map(|(name, sum)| (name.clone(), *sum)).collect()
}

/// What the vendor tells of a row.
pub(crate) fn told(row: &RowTruth) -> Sums {
    let status: [(&str, u64); 9] = [
        ("success", row.success),
        ("failure", row.failure),
        ("tempFailure", row.temp_failure),
        ("partialSuccess", row.partial_success),
        ("inProgress", row.in_progress),
        ("total", row.total),
        ("recipientsTotal", row.recipients_total),
        ("messageSizeTotal", row.message_size_total),
        ("deliveredSizeTotal", row.delivered_size_total),
    ];
    let details = [("2.X.X", row.success), ("4.X.X", row.temp_failure), ("5.X.X", row.failure)];
    let status = status.map(|(name, count)| (format!("status.{name}"), i128::from(count)));
    let details = details.map(|(name, count)| (format!("details.{name}"), i128::from(count)));
    status.into_iter().chain(details).collect()
}
