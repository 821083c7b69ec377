//! Tests from outside: the real binary against the simulators.

#![cfg(test)]

mod check;
mod faulty;
mod harness;
mod records;

mod backfill;
mod calls;
mod cli;
mod clock;
mod coverage;
mod delivery;
mod disk;
mod giving_up;
mod health;
mod kill;
mod licence;
mod malformed;
mod month;
mod outage;
mod plan;
mod quirks;
mod reconcile;
mod routes;
mod rsyslog;
mod samples;
mod schedules;
mod secrets;
mod signals;
mod sinks;
mod store;
