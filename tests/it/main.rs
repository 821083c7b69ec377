//! Tests from outside: the real binary against the simulators.

#![cfg(test)]

mod check;
mod faulty;
mod harness;
// The library's own tests have it, too.
#[path = "../../src/sink/tests/pki.rs"]
mod pki;
mod records;
#[path = "../shared/sums.rs"]
mod sums;
mod tls_server;

mod acknowledgement;
mod admin;
mod alerts;
mod backfill;
mod bi;
mod book;
mod bounds;
mod bundle;
mod calls;
mod cli;
mod clock;
mod corpus;
mod coverage;
mod crash;
mod dead_letters;
mod delivery;
mod disk;
mod docs;
mod doctor;
mod giving_up;
mod health;
mod health_check;
mod hostile;
mod kill;
mod licence;
mod log_export;
mod malformed;
mod manual;
mod month;
mod outage;
mod page;
mod plan;
mod privacy;
mod quirks;
mod receivers;
mod reconcile;
mod routes;
mod samples;
mod schedules;
mod secrets;
mod security;
mod ser_admin;
mod service;
mod signals;
mod sinks;
mod splunk;
mod store;
mod upgrade;
mod watch;
