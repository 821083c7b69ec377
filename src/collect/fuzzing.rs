//! Events of arbitrary records, for `crate::fuzzing`.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{SignedDuration, Timestamp};

use super::compose::{self, Context};
use crate::{
    domain::{
        change::Revision,
        name::SourceName,
        record::Record,
        row::Identity,
        slice::{Interval, Pass, Stream},
    },
    store::spool::NewEvent,
};

/// 2026-11-20T09:15:00Z.
pub(crate) const COLLECTED_AT: Timestamp = Timestamp::constant(1_795_166_100, 0);

static SOURCE: LazyLock<SourceName> = LazyLock::new(SourceName::own);
static TAGS: BTreeMap<String, String> = BTreeMap::new();

/// The hour that the vendors' samples are about.
pub(crate) fn hour() -> Interval {
    let ago = |minutes| COLLECTED_AT - SignedDuration::from_mins(minutes);
    Interval::new(ago(75), ago(15)).expect("an hour")
}

fn context() -> Context<'static> {
    Context {
        source: &SOURCE,
        vendor: "vendor",
        tags: &TAGS,
        pass: Pass::Live,
        slice: hour(),
        collected_at: COLLECTED_AT,
    }
}

pub(crate) fn event(record: &Record, revision: &Revision) -> NewEvent {
    compose::event(record, revision, context())
}

pub(crate) fn vanished(stream: Stream, row: &Identity, revision: &Revision) -> NewEvent {
    compose::vanished(stream, row, revision, context())
}
