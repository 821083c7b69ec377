#![cfg(test)]

mod rsyslog;
