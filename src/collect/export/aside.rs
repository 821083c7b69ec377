//! Links that lead to no file while others do: something between may take exception to what one file
//! says, and the others are not to wait for it.

use tracing::warn;

use super::{Collector, Hour, Trouble, Work};
use crate::{
    fault::Fault,
    source::{
        Source,
        cisco_etd::{
            LogExport,
            export::links::{Link, LogType},
        },
    },
};

/// If more lead nowhere, it is the host, or the way to it.
const FEW: usize = 3;

/// Such a link, and what came in the place of its file.
pub(super) struct Aside {
    log_type: LogType,
    link: Link,
    fault: Fault,
}

impl Work {
    /// Goes on without a file for now, after a second try, or with new links.
    pub(super) fn set_aside(
        &mut self,
        log_type: LogType,
        link: Link,
        fault: Fault,
    ) -> Result<(), Trouble> {
        if self.read {
            // Files before it took perhaps longer than links are good for.
            self.files.clear();
            self.aside.clear();
            self.asks.extend(self.asked.take());
            return Ok(());
        }
        // Before the others, which are later: of what they change, an older line says nothing new.
        if self.tried.insert(link.file.clone()) {
            self.files.push_front((log_type, link));
            return Ok(());
        }
        if self.aside.len() == FEW {
            return Err(Trouble::Vendor(fault));
        }
        self.aside.push(Aside { log_type, link, fault });
        Ok(())
    }
}

impl<S: Source> Collector<S> {
    /// Leaves the files out that were set aside, once no other is left. They are waited for where no
    /// other file can be had either.
    pub(super) async fn settle_aside(
        &self,
        feed: &LogExport<'_>,
        work: &mut Work,
    ) -> Result<(), Trouble> {
        if let (false, Some(link)) = (work.well, &work.done) {
            // There is nothing else to be read: whether there could be.
            work.well = feed.open(link).await.is_ok();
        }
        for Aside { log_type, link, fault } in std::mem::take(&mut work.aside) {
            if !work.well {
                return Err(Trouble::Vendor(fault));
            }
            let hour = link.hour.unwrap_or(work.whole.first);
            self.leave_out(work, log_type, link, hour, &fault);
        }
        Ok(())
    }

    /// A file that cannot be read is tried once more, before the others; and then with each look for
    /// late files.
    pub(super) fn leave_out(
        &self,
        work: &mut Work,
        log_type: LogType,
        link: Link,
        hour: Hour,
        fault: &Fault,
    ) {
        if work.tried.insert(link.file.clone()) {
            work.files.push_front((log_type, link));
            return;
        }
        let error = fault.chain();
        warn!(source = %self.config.name, error, "a file of the log export cannot be read");
        work.gap([hour], log_type, &error);
    }
}
