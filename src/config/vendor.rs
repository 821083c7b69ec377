//! What a source is configured with beside what all sources have: by its `type`.

use super::Secret;
use crate::domain::filter::Filter;

/// What is particular to the source's `type`.
#[derive(Debug, Clone)]
pub enum Vendor {
    CiscoEtd(CiscoEtd),
    ProofpointSer(ProofpointSer),
    ProofpointSerAdmin(ProofpointSerAdmin),
}

impl Vendor {
    /// The `type` of the configuration and the event's `vendor`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CiscoEtd(_) => "cisco_etd",
            Self::ProofpointSer(_) => "proofpoint_ser",
            Self::ProofpointSerAdmin(_) => "proofpoint_ser_admin",
        }
    }
}

#[derive(Debug, Clone)]
pub struct CiscoEtd {
    /// Without a trailing slash.
    pub base_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// The seed guide knows no API key; without one no header is sent.
    pub api_key: Option<Secret>,
    /// 1 to 100.
    pub page_size: u32,
    pub filter: Filter,
    pub reconcile: bool,
    /// Whether the log export is asked for changes and audit lines.
    pub log_export: bool,
}

#[derive(Debug, Clone)]
pub struct ProofpointSer {
    /// Without a trailing slash.
    pub base_url: String,
    pub token_url: String,
    /// With a leading slash.
    pub summary_path: String,
    pub client_id: String,
    pub client_secret: Secret,
}

#[derive(Debug, Clone)]
pub struct ProofpointSerAdmin {
    pub reporting_url: String,
    pub relay_config_url: String,
    pub token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub failures: bool,
    pub relay_users: bool,
}
