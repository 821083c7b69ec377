//! Tests from outside: the real binary against the simulators.

#![cfg(test)]

mod check;
mod harness;
mod records;

mod calls;
mod delivery;
mod kill;
mod rsyslog;
