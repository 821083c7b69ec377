//! The one place that makes HTTP clients: TLS, proxy, timeouts.
