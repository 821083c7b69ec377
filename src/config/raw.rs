//! The configuration as it is written: every key, with its documentation and default. The types
//! are read from the file and the environment, and are what the JSON Schema is made of.

use super::{
    LogFormat,
    section::{section, words},
};

mod leaf;
mod privacy;
mod secret;
mod sink;
mod source;

pub(super) use leaf::{Begin, Count, Item, Named, Seconds, Size, Strings, Time};
pub(super) use privacy::{PrivacyKeys, PrivacyPart};
pub(super) use secret::SecretKey;
pub(super) use sink::{
    BatchKeys, Compression, FileFormat, FileKeys, HecKeys, PayloadWord, RawSink, Rotation,
    RouteKeys, ShapeKeys, SyslogKeys,
};
pub(super) use source::{
    EtdKeys, FilterKeys, RateKeys, RawSource, Region, ResweepKeys, ScheduleKeys, SerAdminKeys,
    SerKeys, SourceKeys,
};

section! {
    /// The configuration of Postrider. Durations are one whole number and one unit, such as `30s`,
    /// `5m`, `1h` or `7d`; sizes such as `64KiB` or `2GiB`; times RFC 3339.
    Root {
        /// Where and how much Postrider keeps.
        state: StateKeys,
        /// The status page, health checks and metrics over HTTP.
        admin: AdminKeys,
        /// What Postrider logs.
        log: LogKeys,
        /// The vendor accounts, by name: 1 to 64 letters, digits, `-` and `_`.
        sources: Named<RawSource>,
        /// The destinations, by name: 1 to 64 letters, digits, `-` and `_`.
        sinks: Named<RawSink>,
    }
}

section! {
    /// Where and how much Postrider keeps.
    StateKeys {
        /// The directory of the store; it must be on a local disk.
        directory: std::path::PathBuf = "/var/lib/postrider",
        /// Bytes of events that wait, dead letters and SQLite's log, above which collecting
        /// pauses; the vendor keeps the data meanwhile. A size.
        max_spool: Size = "2GiB",
    }
}

section! {
    /// The status page, health checks and metrics over HTTP, read only.
    AdminKeys {
        /// Address and port to listen on. Beyond loopback `token` or `allow_unauthenticated` is
        /// needed.
        listen: std::net::SocketAddr = "127.0.0.1:8686",
        /// The bearer token that readers must send. A secret; none by default.
        token: SecretKey,
        /// Whether everybody who reaches an address beyond loopback may read.
        allow_unauthenticated: bool = false,
    }
}

section! {
    /// What Postrider logs, to standard error.
    LogKeys {
        /// For people (`text`) or for machines (`json`).
        format: LogFormat = "text",
        /// The least severe level to log (`error`, `warn`, `info`, `debug`, `trace`), or
        /// directives such as `info,postrider::source=debug`.
        level: String = "info",
    }
}

words!(LogFormat { "text" => Text, "json" => Json });

section! {
    /// How to trust and be trusted over TLS. Files are PEM.
    TlsKeys {
        /// Authorities to trust beside the system's. None by default.
        ca_file: std::path::PathBuf,
        /// The certificate to show, for mutual TLS; together with `client_key`. None by default.
        client_cert: std::path::PathBuf,
        /// The certificate's private key; together with `client_cert`. None by default.
        client_key: std::path::PathBuf,
        /// The name that the peer's certificate must have; by default the address's.
        server_name: String,
    }
}

section! {
    /// How to reach an HTTP peer.
    HttpKeys {
        /// Trust and certificates.
        tls: TlsKeys,
        /// URL of the proxy. By default `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count.
        proxy: String,
        /// How long one whole request may take. A duration.
        timeout: Seconds = "30s",
        /// Whether `http://`, unencrypted, may be used to hosts beyond loopback.
        allow_plain_http: bool = false,
    }
}
