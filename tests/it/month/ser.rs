//! Secure Email Relay.
