//! Wire formats: an event to bytes. Pure, and the same bytes for the same event, always.

pub mod cef;
pub mod field_page;
mod fields;
pub mod hec;
pub mod json;
pub mod leef;
mod pairs;
pub mod rfc3164;
pub mod rfc5424;
pub mod schema;
mod shorten;
pub mod syslog_body;
mod syslog_header;
mod view;

#[cfg(test)]
pub(crate) mod tests;
