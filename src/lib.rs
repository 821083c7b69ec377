//! Postrider collects e-mail security data from vendor APIs on a schedule, keeps it in an
//! embedded store until it is safely delivered, and delivers it to SIEMs.
//!
//! The modules in reading order; `docs/ARCHITECTURE.md` is the map.

pub mod cli;
pub mod app;
pub mod supervisor;
pub mod collect;
pub mod deliver;
pub mod schedule;
pub mod source;
pub mod sink;
pub mod format;
pub mod store;
pub mod config;
pub mod http;
pub mod fault;
pub mod clock;
pub mod domain;
pub mod simulator;
pub mod telemetry;
