//! What stands in the way of a log export.

use crate::{
    config,
    domain::severity::Severity,
    health::matter::{Kind, Matter},
    store::health::Facts,
};

/// Changes are found later meanwhile: by the resweeps, which are made again.
pub(super) fn matter(source: &config::Source, facts: &Facts) -> Option<Matter> {
    if !source.has_log_export() {
        return None;
    }
    let name = &source.name;
    let (trouble, since) = facts.exports.get(name.as_str())?;
    let message = format!(
        "The log export of the source {name} cannot be read, or not all of it: {trouble}. Changes of \
         messages that it does not tell of are found by resweeps meanwhile."
    );
    let kind = (Kind::LogExport, "not_read");
    let matter = Matter::new(name, "log_export", kind, Severity::Warning, message);
    Some(matter.since(*since).with("error", trouble.as_str()))
}
