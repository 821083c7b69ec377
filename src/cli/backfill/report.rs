//! Backfills as they are shown.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::layout::{count, drawn, grid, time, width, wrapped},
    filter,
};
use crate::{
    domain::filter::Filter,
    estimate::Estimate,
    store::{
        requests::{Missing, Request, RequestState},
        slices::RequestId,
    },
};

/// A backfill, for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    id: RequestId,
    source: String,
    stream: String,
    from: Timestamp,
    to: Timestamp,
    filter: Filter,
    resend: bool,
    state: RequestState,
    /// Of the range, 0 to 1.
    progress: f64,
    slices: u64,
    records: u64,
    events: u64,
    calls: u64,
    asked: Timestamp,
    ended: Option<Timestamp>,
}

/// How a backfill ended, or how far it is.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    item: Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
    /// What the vendor cannot give.
    missing: Vec<Part>,
    /// Why it does not go on, where it does not.
    undone: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Part {
    from: Timestamp,
    to: Timestamp,
    state: String,
    reason: String,
}

impl Item {
    fn of(request: &Request) -> Self {
        Self {
            id: request.id,
            source: request.source.clone(),
            stream: request.stream.to_string(),
            from: request.range.start(),
            to: request.range.end(),
            filter: request.narrow.clone(),
            resend: request.resend,
            state: request.state,
            progress: request.share(),
            slices: request.slices,
            records: request.records,
            events: request.events,
            calls: request.calls,
            asked: request.asked,
            ended: request.ended,
        }
    }
}

pub(super) fn items(requests: &[Request]) -> Vec<Item> {
    requests.iter().map(Item::of).collect()
}

pub(super) fn table(requests: &[Request]) -> String {
    let mut table =
        grid(&["id", "source", "from", "to", "state", "done", "records", "events", "filter"]);
    for request in requests {
        let mut asked = filter::text(&request.narrow);
        if request.resend {
            asked.push_str(if asked.is_empty() { "(resend)" } else { " (resend)" });
        }
        if asked.is_empty() {
            asked.push('-');
        }
        table.add_row([
            request.id.to_string(),
            request.source.clone(),
            time(request.range.start()),
            time(request.range.end()),
            request.state.as_str().to_owned(),
            percent(request),
            request.records.to_string(),
            request.events.to_string(),
            asked,
        ]);
    }
    drawn(table)
}

/// Whole per cents, 100 only when all is done.
pub(super) fn percent(request: &Request) -> String {
    format!("{:.0} %", (request.share() * 100.0).floor())
}

impl Report {
    pub(super) fn new(
        request: &Request,
        estimate: Option<Estimate>,
        missing: Vec<Missing>,
        undone: Vec<String>,
    ) -> Self {
        let part = |missing: Missing| Part {
            from: missing.interval.start(),
            to: missing.interval.end(),
            state: missing.state,
            reason: missing.reason,
        };
        let missing = missing.into_iter().map(part).collect();
        Self { item: Item::of(request), estimate, missing, undone }
    }

    /// Whether all that was asked for is covered, and what was made of it delivered.
    pub(super) fn well(&self) -> bool {
        self.item.state == RequestState::Done && self.missing.is_empty() && self.undone.is_empty()
    }

    pub(super) fn text(&self) -> String {
        let Item { id, source, from, to, records, events, calls, slices, .. } = &self.item;
        let state = match self.item.state {
            RequestState::Open => "is not done",
            RequestState::Done if self.missing.is_empty() => "is done",
            RequestState::Done => "is done, but for parts that cannot be had",
            RequestState::Cancelled => "was cancelled",
        };
        let head = format!(
            "backfill {id} of {source} from {from} to {to} {state}: {} in {}, {}, {}",
            count(*records, "record"),
            count(*slices, "slice"),
            count(*events, "event"),
            count(*calls, "call")
        );
        let part = |part: &Part| {
            let Part { from, to, state, reason } = part;
            format!("{state}: {from} to {to}: {reason}")
        };
        let missing = self.missing.iter().map(part);
        let undone = self.undone.iter().map(|why| format!("not done: {why}"));
        let parts = missing.chain(undone).map(|part| format!("  {part}"));
        let parts = std::iter::once(head).chain(parts).map(|part| wrapped(&part, 4, width()));
        parts.collect::<Vec<_>>().join("\n")
    }
}
