//! The keys of sources.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Begin, Count, HttpKeys, Seconds, SecretKey, Strings, Time, leaf::by_type};
use crate::config::{
    node::{Node, Setting},
    section::{self, section, words},
};

/// A vendor account; `type` decides on its keys.
#[derive(Debug)]
pub(in crate::config) enum RawSource {
    CiscoEtd(Box<EtdKeys>),
    ProofpointSer(Box<SerKeys>),
    ProofpointSerAdmin(Box<SerAdminKeys>),
}

impl Setting for RawSource {
    fn read(node: &Node<'_>) -> Option<Self> {
        by_type(node, &["cisco_etd", "proofpoint_ser", "proofpoint_ser_admin"], |word, table| {
            match word {
                "cisco_etd" => {
                    Some(Self::CiscoEtd(Box::new(section::open(node.cx, &node.path, table))))
                }
                "proofpoint_ser" => {
                    Some(Self::ProofpointSer(Box::new(section::open(node.cx, &node.path, table))))
                }
                "proofpoint_ser_admin" => Some(Self::ProofpointSerAdmin(Box::new(section::open(
                    node.cx, &node.path, table,
                )))),
                _ => None,
            }
        })
    }
}

impl JsonSchema for RawSource {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<EtdKeys>(),
                generator.subschema_for::<SerKeys>(),
                generator.subschema_for::<SerAdminKeys>(),
            ],
        })
    }
}

#[derive(Debug)]
pub(in crate::config) enum EtdType {
    CiscoEtd,
}
words!(EtdType { "cisco_etd" => CiscoEtd });

#[derive(Debug)]
pub(in crate::config) enum SerType {
    ProofpointSer,
}
words!(SerType { "proofpoint_ser" => ProofpointSer });

#[derive(Debug)]
pub(in crate::config) enum SerAdminType {
    ProofpointSerAdmin,
}
words!(SerAdminType { "proofpoint_ser_admin" => ProofpointSerAdmin });

section! {
    /// A Cisco Secure Email Threat Defense account: the stream `messages`.
    EtdKeys {
        /// The kind of source.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: EtdType,
        /// The account's region; it makes the API's address. Either this or `base_url`.
        region: Region,
        /// The API's address, instead of `region`.
        base_url: String,
        /// The client's id, from the account's API page. Mandatory.
        client_id: String,
        /// The client's secret. Mandatory.
        client_secret: SecretKey,
        /// The `x-api-key` header, which the newer API demands. None by default.
        api_key: SecretKey,
        /// How long before now slices end, since the API refuses ends near now. A duration.
        lag: Seconds = "6m",
        /// The longest slice in normal operation, below 32 days. A duration.
        slice: Seconds = "1h",
        /// Where the first run begins: a duration back (below 90 days) or a time.
        start: Begin = "24h",
        /// Messages of one page, 1 to 100.
        page_size: Count = 100,
        /// What the vendor is asked for; by default everything.
        filter: FilterKeys,
        /// Whether once a day what was collected is compared with the vendor's own counts.
        reconcile: bool = true,
        /// Whether the account's log export is read, too: later changes of messages for two calls
        /// an hour, and the stream `audit`. While it tells of every change, only the last resweep is
        /// made. It must be switched on in the console under Administration > Business > Export Log
        /// Preferences. The ledger then remembers 90 days.
        log_export: bool = false,
    } with { source: SourceKeys, http: HttpKeys }
}

section! {
    /// A Proofpoint Secure Email Relay account: the streams `summary` and `entitlement`.
    SerKeys {
        /// The kind of source.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: SerType,
        /// The API's address.
        base_url: String = "https://ser-api.proofpoint.com",
        /// Where access tokens come from.
        token_url: String = "https://auth.proofpoint.com/v1/token",
        /// The path of the summary report below `base_url`.
        summary_path: String = "/v1/sercustomer/report/summary",
        /// The client's id. Mandatory.
        client_id: String,
        /// The client's secret. Mandatory.
        client_secret: SecretKey,
        /// How long before now slices end. A duration.
        lag: Seconds = "15m",
        /// The longest slice in normal operation; slices are aligned to the hour. A duration.
        slice: Seconds = "1h",
        /// Where the first run begins: a duration back or a time.
        start: Begin = "7d",
    } with { source: SourceKeys, http: HttpKeys }
}

section! {
    /// Proofpoint's SER Admin API, the successor of the API of `proofpoint_ser`: the streams `usage`,
    /// `failures` and `relay_users`. Nothing of it was tried against a live account.
    SerAdminKeys {
        /// The kind of source.
        #[expect(dead_code, reason = "it has chosen this section")]
        r#type: SerAdminType,
        /// The address of the reports.
        reporting_url: String = "https://reporting.ser.proofpoint.com",
        /// The address of the relay users' configuration, which is only read.
        relay_config_url: String = "https://relay-config.ser.proofpoint.com",
        /// Where access tokens come from.
        token_url: String = "https://auth.proofpoint.com/v1/token",
        /// The client's id. Mandatory.
        client_id: String,
        /// The client's secret. Mandatory.
        client_secret: SecretKey,
        /// Whether to ask what failed, by relay user, recipient, policy and filter: up to three
        /// calls a day and failing relay user.
        failures: bool = true,
        /// Whether to ask how relay users are configured: what changed once an hour, all of them
        /// once a day.
        relay_users: bool = true,
        /// How long before now slices end; slices are whole UTC days. A duration.
        lag: Seconds = "2h",
        /// Where the first run begins: a duration back or a time.
        start: Begin = "7d",
    } with { source: SourceKeys, http: HttpKeys }
}

section! {
    /// What all sources have.
    SourceKeys {
        /// When to collect: by default `every = "1m"` for `cisco_etd`, `every = "5m"` for
        /// `proofpoint_ser` and `every = "15m"` for `proofpoint_ser_admin`.
        schedule: ScheduleKeys,
        /// Slices fetched side by side.
        max_in_flight: Count = 4,
        /// How long after a slice's end to fetch it again, looking for changes. By default after
        /// 1h, 24h and 7d for `cisco_etd`, after 1h, 6h, 24h, 72h and 7d for `proofpoint_ser`, after
        /// 1d, 3d and 7d for `proofpoint_ser_admin`.
        resweep: Vec<ResweepKeys>,
        /// The calls that the vendor permits. By default 2 a second and 10000 a day for
        /// `cisco_etd`, 1000 a minute for `proofpoint_ser`, 60 a minute for `proofpoint_ser_admin`.
        rate_limit: RateKeys,
        /// Texts that go into `postrider.tags` of each event and into HEC's `fields`. None by
        /// default.
        tags: BTreeMap<String, String>,
        /// A longer silence is a health event. A duration; none by default.
        expect_records_within: Seconds,
        /// When the credentials expire; warned of 30, 14, 7 and 1 days ahead. A time; none by
        /// default.
        credentials_expire: Time,
    }
}

section! {
    /// When to collect: one of the two.
    ScheduleKeys {
        /// A duration.
        every: Seconds,
        /// Six fields, seconds first, in UTC: `0 */5 * * * *`.
        cron: String,
    }
}

section! {
    /// One more look at a slice.
    ResweepKeys {
        /// Counted from the slice's end. A duration.
        after: Seconds,
        /// Look only for messages with these verdicts (`cisco_etd`). By default all.
        verdicts: Strings,
    }
}

section! {
    /// The calls that the vendor permits: one of `per_second` and `per_minute`.
    RateKeys {
        /// Calls a second.
        per_second: Count,
        /// Calls a minute.
        per_minute: Count,
        /// Calls that may be made at once after a pause: by default 4 for `cisco_etd`, 50 for
        /// `proofpoint_ser`, 10 for `proofpoint_ser_admin`.
        burst: Count,
        /// Calls a day: by default 10000 for `cisco_etd`, without limit for the others.
        per_day: Count,
    }
}

section! {
    /// What the vendor is asked for. An empty filter is not sent.
    FilterKeys {
        /// `spam`, `malicious`, `phishing`, `graymail`, `neutral`, `bec`, `scam`, `noVerdict`. By
        /// default all.
        verdicts: Strings,
        /// `incoming`, `outgoing`, `internal`, `mixed`. By default all.
        directions: Strings,
        /// Text in the subject.
        subject: String = "",
        /// The name of an attachment.
        filename: String = "",
        /// The SHA-256 of an attachment.
        file_sha256: String = "",
        /// A URL in the message.
        url: String = "",
    }
}

#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Region {
    Us,
    De,
    Au,
    In,
    Ae,
    Beta,
}
words!(Region {
    "us" => Us, "de" => De, "au" => Au, "in" => In, "ae" => Ae, "beta" => Beta,
});

impl Region {
    pub(in crate::config) fn base_url(self) -> &'static str {
        match self {
            Self::Us => "https://api.us.etd.cisco.com",
            Self::De => "https://api.de.etd.cisco.com",
            Self::Au => "https://api.au.etd.cisco.com",
            Self::In => "https://api.in.etd.cisco.com",
            Self::Ae => "https://api.ae.etd.cisco.com",
            Self::Beta => "https://api.beta.etd.cisco.com",
        }
    }
}
