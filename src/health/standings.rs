//! What the ledger knows of relay users' credentials, read again only when one of them changed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{matter::Matter, matters::relay_users};
use crate::{
    config::{Source, Vendor},
    domain::{name::SourceName, slice::Stream},
    source::proofpoint_ser_admin::Standing,
    store::{Store, StoreError, ledger::Key},
};

/// By source: the ledger's newest block, and what all blocks say.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<BTreeMap<SourceName, (i64, Vec<Standing>)>>);

impl Standings {
    /// The matters of a source's relay users.
    pub(super) fn matters(
        &self,
        store: &Store,
        source: &Source,
        now: Timestamp,
    ) -> Result<Vec<Matter>, StoreError> {
        let collects = matches!(&source.vendor, Vendor::ProofpointSerAdmin(it) if it.relay_users);
        let name = &source.name;
        if !collects {
            return Ok(Vec::new());
        }
        let Some(stream) = store.find_stream(name, Stream::RelayUsers)? else {
            return Ok(Vec::new());
        };
        let Some(newest) = store.newest_block(stream, Key::NEVER_AGES)? else {
            return Ok(Vec::new());
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(name).is_none_or(|(block, _)| *block != newest) {
            let all = store.recall_hour(stream, Key::NEVER_AGES)?;
            let read = all.iter().filter_map(|(_, _, known)| Standing::read(&known.watched));
            known.insert(name.clone(), (newest, read.collect()));
        }
        Ok(known
            .get(name)
            .map_or_else(Vec::new, |(_, users)| relay_users::matters(name, users, now)))
    }
}
