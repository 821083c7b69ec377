//! The keys of sinks.

use std::{borrow::Cow, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    Count, HttpKeys, PrivacyKeys, Seconds, SecretKey, Size, Strings, TlsKeys, leaf::by_type,
};
use crate::config::{
    Acknowledgements, Framing, Leef as LeefWord, Schema as SchemaWord, SyslogHeader, Transport,
    node::{Node, Setting},
    section::{self, section, words},
};

/// A destination; `type` decides on its keys.
#[derive(Debug)]
pub(in crate::config) enum RawSink {
    SplunkHec(Box<HecKeys>),
    Syslog(Box<SyslogKeys>),
    File(Box<FileKeys>),
    Stdout(Box<StdoutKeys>),
}

impl Setting for RawSink {
    fn read(node: &Node<'_>) -> Option<Self> {
        let (cx, path) = (node.cx, &node.path);
        by_type(node, &["splunk_hec", "syslog", "file", "stdout"], |word, table| match word {
            "splunk_hec" => Some(Self::SplunkHec(Box::new(section::open(cx, path, table)))),
            "syslog" => Some(Self::Syslog(Box::new(section::open(cx, path, table)))),
            "file" => Some(Self::File(Box::new(section::open(cx, path, table)))),
            "stdout" => Some(Self::Stdout(Box::new(section::open(cx, path, table)))),
            _ => None,
        })
    }
}

impl JsonSchema for RawSink {
    fn schema_name() -> Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<HecKeys>(),
                generator.subschema_for::<SyslogKeys>(),
                generator.subschema_for::<FileKeys>(),
                generator.subschema_for::<StdoutKeys>(),
            ],
        })
    }
}

#[derive(Debug)]
pub(in crate::config) enum HecType {
    SplunkHec,
}
words!(HecType { "splunk_hec" => SplunkHec });

#[derive(Debug)]
pub(in crate::config) enum SyslogType {
    Syslog,
}
words!(SyslogType { "syslog" => Syslog });

#[derive(Debug)]
pub(in crate::config) enum FileType {
    File,
}
words!(FileType { "file" => File });

#[derive(Debug)]
pub(in crate::config) enum StdoutType {
    Stdout,
}
words!(StdoutType { "stdout" => Stdout });

section! {
    /// Splunk's HTTP Event Collector, or what speaks its language.
    HecKeys {
        /// The kind of sink.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: HecType,
        /// Base URLs, used in turn: scheme, host and port. Mandatory.
        endpoints: Strings,
        /// The collector's token. Mandatory.
        token: SecretKey,
        /// The index that events go to. By default the token's.
        index: String,
        /// The `host` of the events. By default this machine's name.
        host: String,
        /// Indexer acknowledgement: used where the token has it switched on (`auto`), demanded
        /// (`required`: nothing goes to a server without it) or never asked for (`off`).
        acknowledgements: Acknowledgements = "auto",
        /// A batch that is not acknowledged for so long goes again. A duration.
        ack_timeout: Seconds = "5m",
        /// `gzip` or `none`.
        compression: Compression = "gzip",
    } with { sink: BatchKeys, route: RouteKeys, shape: ShapeKeys, privacy: PrivacyKeys, http: HttpKeys }
}

section! {
    /// A syslog receiver.
    SyslogKeys {
        /// The kind of sink.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: SyslogType,
        /// Host and port, such as `siem.example.com:6514`. Mandatory.
        address: String,
        /// `tls`, `tcp` or `udp`, which promises nothing.
        transport: Transport = "tls",
        /// How messages are told apart over `tcp` and `tls`: each with its length before it
        /// (`octet_counting`) or a line break after it (`newline`).
        framing: Framing = "octet_counting",
        /// `rfc5424` or `rfc3164`.
        header: SyslogHeader = "rfc5424",
        /// The message's body: `json`, `cef` or `leef`.
        payload: PayloadWord = "json",
        /// With `payload = "leef"`: `2.0`, with `^` between the pairs, or `1.0`, with tabs.
        leef_version: LeefWord = "2.0",
        /// Bytes of the longest message that the receiver takes, header included. A size; by
        /// default 8KiB, over UDP 2KiB.
        max_message: Size,
        /// The header's host name. By default this machine's name.
        hostname: String,
        /// The private enterprise number of the structured data.
        enterprise_number: Count = 32473,
        /// Trust and certificates, for `tls`.
        tls: TlsKeys,
        /// How long connecting or one write may take. A duration.
        timeout: Seconds = "30s",
    } with { sink: BatchKeys, route: RouteKeys, shape: ShapeKeys, privacy: PrivacyKeys }
}

section! {
    /// A file of JSON lines, or a directory of tables.
    FileKeys {
        /// The kind of sink.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: FileType,
        /// The file's path; with `csv` and `parquet` the path of a directory. Mandatory.
        path: PathBuf,
        /// `jsonl`, a line of JSON an event; or tables of SER rows, one row in its latest revision,
        /// a file a source and UTC day: `csv` or `parquet`.
        format: FileFormat = "jsonl",
        /// `daily` begins a new file each UTC day and renames the old one to `PATH.YYYY-MM-DD`;
        /// `never` leaves it to others.
        rotation: Rotation = "daily",
        /// Rotated files to keep.
        keep: Count = 14,
    } with { sink: BatchKeys, route: RouteKeys, shape: ShapeKeys, privacy: PrivacyKeys }
}

section! {
    /// Standard output, a line of JSON an event.
    StdoutKeys {
        /// The kind of sink.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: StdoutType,
    } with { sink: BatchKeys, route: RouteKeys, shape: ShapeKeys, privacy: PrivacyKeys }
}

section! {
    /// How events travel.
    BatchKeys {
        /// How many events go together.
        batch: BatchLimitKeys,
        /// Batches on the way at once; 1 keeps the order. By default 4 for `splunk_hec`, 1
        /// otherwise.
        max_in_flight: Count,
    }
}

section! {
    /// What events look like.
    ShapeKeys {
        /// The names of a JSON event's members: the vendor's own (`postrider`), Elastic's (`ecs`) or
        /// OCSF's (`ocsf`).
        schema: SchemaWord = "postrider",
    }
}

section! {
    /// A batch goes when any of these is reached.
    #[expect(clippy::struct_field_names, reason = "they are the keys of the contract")]
    BatchLimitKeys {
        /// Events of a batch.
        max_events: Count = 500,
        /// Bytes of a batch before compression. A size.
        max_bytes: Size = "1MiB",
        /// How long an event waits for others. A duration.
        max_age: Seconds = "1s",
    }
}

section! {
    /// What goes to the sink. `["*"]` is everything.
    RouteKeys {
        /// Names of sources. By default all.
        sources: Strings,
        /// `messages`, `audit`, `summary`, `entitlement`, `health`. By default all.
        streams: Strings,
        /// Of messages, those with these latest verdicts; `noVerdict` for those without one. By
        /// default all.
        verdicts: Strings,
    }
}

words!(Acknowledgements { "auto" => Auto, "required" => Required, "off" => Off });
words!(Transport { "tls" => Tls, "tcp" => Tcp, "udp" => Udp });
words!(Framing { "octet_counting" => OctetCounting, "newline" => Newline });
words!(SyslogHeader { "rfc5424" => Rfc5424, "rfc3164" => Rfc3164 });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Compression {
    Gzip,
    None,
}
words!(Compression { "gzip" => Gzip, "none" => None });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum PayloadWord {
    Json,
    Cef,
    Leef,
}
words!(PayloadWord { "json" => Json, "cef" => Cef, "leef" => Leef });

words!(LeefWord { "2.0" => V2, "1.0" => V1 });
words!(SchemaWord { "postrider" => Postrider, "ecs" => Ecs, "ocsf" => Ocsf });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Rotation {
    Daily,
    Never,
}
words!(Rotation { "daily" => Daily, "never" => Never });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum FileFormat {
    Jsonl,
    Csv,
    Parquet,
}
words!(FileFormat { "jsonl" => Jsonl, "csv" => Csv, "parquet" => Parquet });
