//! The log export: files of log lines, an hour each, behind links that the API gives out.
//!
//! It is the vendor's own feed of changes: a line for each message that came (`create`), and one for
//! each later verdict or remediation (`update`), whenever the message was delivered. The rules come
//! from the vendor's developer pages and from what published connectors do, the vendor's own sample
//! collector among them; each place says which where it matters.

mod entry;
mod gunzip;
mod hours;
mod lines;
mod links;
mod merge;
