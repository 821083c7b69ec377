//! The configuration, checked: whoever holds a [`Config`] need not validate anything again.
//!
//! `text` reads TOML and remembers where each value stands, `environment` lays variables over it,
//! `raw` knows every key and its default, `check` turns that into these types; all problems are
//! collected on the way. `secret` reads secrets.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;

use crate::domain::{
    name::{SinkName, SourceName},
    slice::Stream,
};

mod check;
mod environment;
mod example;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod load;
mod node;
mod problem;
mod raw;
#[cfg(test)]
mod reference;
mod schema;
pub mod secret;
mod section;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
pub mod units;
mod vendor;

pub use environment::configures;
pub use example::{example, minimal};
pub use load::{Loaded, default_file, load, load_for};
pub use node::Need;
pub use problem::{Problem, Problems, Severity};
pub use schema::schema;
pub use secret::Secret;
pub(crate) use section::{nearest, one_of};
pub use vendor::{CiscoEtd, ProofpointSer, ProofpointSerAdmin, Vendor};

#[derive(Debug, Clone)]
pub struct Config {
    pub state: State,
    pub admin: Admin,
    pub log: Log,
    pub sources: BTreeMap<SourceName, Source>,
    pub sinks: BTreeMap<SinkName, Sink>,
}

#[derive(Debug, Clone)]
pub struct State {
    /// Where the store lives.
    pub directory: PathBuf,
    /// Bytes the spool may take before collecting pauses.
    pub max_spool: u64,
}

#[derive(Debug, Clone)]
pub struct Admin {
    pub listen: SocketAddr,
    pub token: Option<Secret>,
    pub allow_unauthenticated: bool,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// An `EnvFilter` directive.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// One vendor account.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: SourceName,
    pub schedule: Schedule,
    pub start: Start,
    /// Slices end this long before now.
    pub lag: Duration,
    /// The longest slice in normal operation.
    pub slice: Duration,
    /// Slices fetched side by side.
    pub max_in_flight: usize,
    pub resweep: Vec<Resweep>,
    pub rate_limit: RateLimit,
    pub tags: BTreeMap<String, String>,
    pub expect_records_within: Option<Duration>,
    pub credentials_expire: Option<Timestamp>,
    pub http: Http,
    pub vendor: Vendor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    Every(Duration),
    /// Six fields, seconds first, UTC; known to fire.
    Cron(String),
}

impl Schedule {
    /// When a source that runs was activated last, at the earliest.
    pub fn last_before(&self, now: Timestamp) -> Timestamp {
        let last = match self {
            Self::Every(every) => now.checked_sub(*every).ok(),
            Self::Cron(cron) => units::last_tick(cron, now),
        };
        last.unwrap_or(now)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// This long before the first run.
    Back(Duration),
    At(Timestamp),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resweep {
    /// Counted from the slice's end.
    pub after: Duration,
    /// Empty: all.
    pub verdicts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls each `window`.
    pub calls: u32,
    /// One second or one minute.
    pub window: Duration,
    pub burst: u32,
    pub per_day: Option<u32>,
}

/// How to reach an HTTP or TLS peer.
#[derive(Debug, Clone, Default)]
pub struct Http {
    pub tls: Tls,
    /// Else `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count.
    pub proxy: Option<String>,
    /// Of one whole request.
    pub timeout: Duration,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM; trusted beside the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM, for mutual TLS; always together with `client_key`.
    pub client_cert: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// The name to verify instead of the address's.
    pub server_name: Option<String>,
}

/// One destination.
#[derive(Debug, Clone)]
pub struct Sink {
    pub name: SinkName,
    pub route: Route,
    pub batch: BatchLimits,
    /// Batches on the way at once; 1 keeps the order.
    pub max_in_flight: usize,
    pub schema: Schema,
    pub privacy: Option<Privacy>,
    pub kind: SinkKind,
}

/// What a sink is not to have of an event. Names are known to [`crate::privacy::members`].
#[derive(Debug, Clone)]
pub struct Privacy {
    pub drop: Vec<String>,
    pub hash: Vec<String>,
    /// Of the hashes; there is one where anything is hashed.
    pub key: Option<Secret>,
    /// Whether the domain of an address stays beside its hash.
    pub keep_domain: bool,
}

/// The names of a JSON event's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schema {
    /// The vendor's own, behind the member `postrider`.
    #[default]
    Postrider,
    /// Elastic Common Schema 8.
    Ecs,
    /// Open Cybersecurity Schema Framework 1.6: Email Activity for messages, Base Event for the rest.
    Ocsf,
}

/// What goes to a sink. `None`: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    pub sources: Option<Vec<String>>,
    pub streams: Option<Vec<Stream>>,
    /// Latest verdicts, lower case; counts for messages only. A message without a verdict counts
    /// as `noverdict`.
    pub verdicts: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    pub max_events: usize,
    /// Before compression.
    pub max_bytes: usize,
    pub max_age: Duration,
}

#[derive(Debug, Clone)]
pub enum SinkKind {
    SplunkHec(SplunkHec),
    Syslog(Syslog),
    File(File),
    Folder(Folder),
    Stdout,
}

impl SinkKind {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SplunkHec(_) => "splunk_hec",
            Self::Syslog(_) => "syslog",
            Self::File(_) | Self::Folder(_) => "file",
            Self::Stdout => "stdout",
        }
    }
}

#[derive(Debug, Clone)]
pub struct SplunkHec {
    /// Base URLs without a trailing slash and without `/services/…`; at least one.
    pub endpoints: Vec<String>,
    pub token: Secret,
    pub index: Option<String>,
    /// The envelope's `host`; else this machine's name.
    pub host: Option<String>,
    pub acknowledgements: Acknowledgements,
    pub ack_timeout: Duration,
    pub gzip: bool,
    pub http: Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgements {
    Auto,
    Required,
    Off,
}

#[derive(Debug, Clone)]
pub struct Syslog {
    /// `host:port`.
    pub address: String,
    pub transport: Transport,
    pub framing: Framing,
    pub header: SyslogHeader,
    /// The header's HOSTNAME; else this machine's name.
    pub hostname: Option<String>,
    /// Private enterprise number of the structured data's id.
    pub enterprise_number: u32,
    pub payload: Payload,
    /// Bytes of one message with its header, without framing.
    pub max_message: usize,
    pub tls: Tls,
    pub timeout: Duration,
}

/// The body of a syslog message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// In the sink's `schema`.
    #[default]
    Json,
    Cef,
    Leef(Leef),
}

/// Which LEEF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leef {
    /// Tabs between the pairs. A relay that rewrites control characters, as rsyslog does by default,
    /// breaks it.
    V1,
    /// The delimiter `^`.
    #[default]
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    OctetCounting,
    Newline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogHeader {
    Rfc5424,
    Rfc3164,
}

#[derive(Debug, Clone)]
pub struct File {
    pub path: PathBuf,
    /// Start a new file each UTC day; the old one is renamed to `PATH.YYYY-MM-DD`.
    pub daily: bool,
    /// Rotated files to keep; `None`: all.
    pub keep: Option<usize>,
}

/// A directory of tables: a file a source and UTC day.
#[derive(Debug, Clone)]
pub struct Folder {
    pub path: PathBuf,
    /// CSV or Parquet.
    pub format: crate::table::Format,
}
