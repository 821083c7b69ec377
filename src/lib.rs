//! Postrider collects e-mail security data from vendor APIs on a schedule, keeps it in an
//! embedded store until it is safely delivered, and delivers it to SIEMs.
//!
//! The modules in reading order; `docs/ARCHITECTURE.md` is the map.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod coverage;
pub mod deliver;
pub mod domain;
pub mod estimate;
pub mod failpoint;
pub mod fault;
pub mod format;
#[cfg(feature = "testing")]
pub mod fuzzing;
pub mod health;
pub mod heap;
pub mod http;
pub mod metrics;
pub mod privacy;
pub mod rest;
pub mod schedule;
pub mod secrecy;
pub mod service;
pub mod simulator;
pub mod sink;
pub mod source;
pub mod status;
pub mod store;
pub mod supervisor;
pub mod table;
pub mod telemetry;
