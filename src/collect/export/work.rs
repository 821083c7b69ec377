//! Hours of the log export that are under way.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::Timestamp;

use super::{aside::Aside, file::Reading};
use crate::source::cisco_etd::export::{
    hours::{Ask, Hour},
    links::{self, AUDIT_ONLY, Link, LogType},
};

/// Hours that are asked for together, and what is left to do for them.
pub(super) struct Work {
    pub(super) whole: Ask,
    /// When they were asked for first: files that appear later are for another look.
    pub(super) began: Timestamp,
    /// Calls to be made.
    pub(super) asks: VecDeque<Ask>,
    /// Whose links these are.
    pub(super) asked: Option<Ask>,
    pub(super) files: VecDeque<(LogType, Link)>,
    /// Whether lines were read since the links came. Else new links would lead no further.
    pub(super) read: bool,
    /// Whether any file could be had.
    pub(super) well: bool,
    /// A file that was read to its end before.
    pub(super) done: Option<Link>,
    pub(super) aside: Vec<Aside>,
    /// Files that could not be read, which get a second try.
    pub(super) tried: HashSet<String>,
    pub(super) reading: Option<Reading>,
    /// Why files may be missing.
    pub(super) gaps: BTreeMap<Hour, String>,
    /// Types that did not come.
    pub(super) off: Option<String>,
}

impl Work {
    pub(super) fn new(whole: Ask, began: Timestamp) -> Self {
        Self {
            began,
            asks: VecDeque::from([whole.clone()]),
            whole,
            asked: None,
            files: VecDeque::new(),
            read: false,
            well: false,
            done: None,
            aside: Vec::new(),
            tried: HashSet::new(),
            reading: None,
            gaps: BTreeMap::new(),
            off: None,
        }
    }

    /// Of what `log_type` misses. The first reason counts; one of messages before one of audit alone.
    pub(super) fn gap(
        &mut self,
        hours: impl IntoIterator<Item = Hour>,
        log_type: LogType,
        why: &str,
    ) {
        for hour in hours {
            let known = self.gaps.get(&hour);
            match log_type {
                LogType::Message if known.is_none_or(|known| known.starts_with(AUDIT_ONLY)) => {
                    let both = links::gap(known.map(String::as_str), Some(why.to_owned()));
                    self.gaps.extend(both.map(|why| (hour, why)));
                }
                LogType::Audit if known.is_none() => {
                    self.gaps.insert(hour, format!("{AUDIT_ONLY}{why}"));
                }
                LogType::Message | LogType::Audit => {}
            }
        }
    }
}
