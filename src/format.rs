//! Wire formats: an event to bytes. Pure, and the same bytes for the same event, always.

pub mod hec;
pub mod json;
pub mod rfc3164;
pub mod rfc5424;
mod syslog_header;

#[cfg(test)]
mod tests;
