//! The tenants, and the configuration that has them all.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use jiff::Timestamp;

/// How often a tenant is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    /// Each so many seconds.
    Every(i64),
    /// By the clock: each so many seconds, so many after the hour.
    Cron { period: i64, offset: i64 },
}

impl Schedule {
    const ALL: [Self; 5] = [
        Self::Every(30),
        Self::Every(60),
        Self::Every(120),
        Self::Cron { period: 60, offset: 0 },
        Self::Cron { period: 120, offset: 30 },
    ];

    pub(super) fn period(self) -> i64 {
        match self {
            Self::Every(period) | Self::Cron { period, .. } => period,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Every(seconds) => format!("{{ every = \"{seconds}s\" }}"),
            Self::Cron { period, offset } => {
                format!("{{ cron = \"{offset} */{} * * * *\" }}", period / 60)
            }
        }
    }

    /// The tick that an activation belongs to; `None` where only the time between two counts.
    pub(super) fn tick(self, activated: Timestamp) -> Option<Timestamp> {
        let Self::Cron { period, offset } = self else { return None };
        let into = (activated.as_second() - offset).rem_euclid(period);
        Timestamp::from_second(activated.as_second() - into).ok()
    }
}

/// How a tenant is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ill {
    /// Its secret is wrong: 400 and 401.
    Refused,
    /// 503, always.
    Unavailable,
    /// 429, always.
    Throttled,
    /// The connection is accepted, and nothing is ever said.
    Hanging,
}

impl Ill {
    const ALL: [Self; 4] = [Self::Refused, Self::Unavailable, Self::Throttled, Self::Hanging];
}

#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) name: String,
    /// Else SER.
    pub(super) is_etd: bool,
    pub(super) schedule: Schedule,
    pub(super) ill: Option<Ill>,
}

/// How long before now slices end, in seconds.
pub(super) const ETD_LAG: i64 = 360;
pub(super) const SER_LAG: i64 = 60;
/// Of SER, whose slices are aligned; in seconds.
pub(super) const SER_SLICE: i64 = 60;

impl Tenant {
    pub(super) fn all(sources: usize, ill: usize) -> Vec<Self> {
        let mut tenants: Vec<Self> = (0..sources)
            .map(|number| Self {
                name: format!("tenant-{number:04}"),
                is_etd: number % 2 == 0,
                schedule: Schedule::ALL[number / 2 % Schedule::ALL.len()],
                ill: None,
            })
            .collect();
        for number in 0..ill.min(sources) {
            // Of both kinds, and of each kind in each way.
            let at = (number * sources / ill + number % 2) % sources;
            tenants[at].ill = Some(Ill::ALL[number / 2 % Ill::ALL.len()]);
        }
        tenants
    }

    /// Up to where the tenant's records are due when it is activated then.
    pub(super) fn target(&self, activated: Timestamp) -> i64 {
        if self.is_etd {
            activated.as_second() - ETD_LAG
        } else {
            let due = activated.as_second() - SER_LAG;
            due - due.rem_euclid(SER_SLICE)
        }
    }
}

/// Where the simulated vendors are.
pub(super) struct Vendors {
    pub(super) well: [String; 2],
    pub(super) unavailable: [String; 2],
    pub(super) throttled: [String; 2],
    pub(super) hanging: SocketAddr,
    pub(super) hec: String,
}

impl Vendors {
    fn of(&self, tenant: &Tenant) -> String {
        let kind = usize::from(!tenant.is_etd);
        match tenant.ill {
            None | Some(Ill::Refused) => self.well[kind].clone(),
            Some(Ill::Unavailable) => self.unavailable[kind].clone(),
            Some(Ill::Throttled) => self.throttled[kind].clone(),
            Some(Ill::Hanging) => format!("http://{}", self.hanging),
        }
    }
}

pub(super) fn configuration(tenants: &[Tenant], vendors: &Vendors, directory: &Path) -> String {
    let state = toml::Value::from(directory.join("state").display().to_string());
    let mut text = format!(
        r#"
[state]
directory = {state}
[admin]
listen = "127.0.0.1:0"
[log]
format = "json"
level = "info,postrider::schedule=debug,postrider::cli=debug"
[sinks.splunk]
type = "splunk_hec"
endpoints = ["{}"]
token = "11111111-2222-3333-4444-555555555555"
"#,
        vendors.hec
    );
    for tenant in tenants {
        let url = vendors.of(tenant);
        let secret = if tenant.ill == Some(Ill::Refused) { "wrong" } else { "sim-secret" };
        let (name, schedule) = (&tenant.name, tenant.schedule.text());
        let vendor = if tenant.is_etd {
            format!(
                r#"type = "cisco_etd"
base_url = "{url}"
api_key = "sim-api-key"
start = "30m"
lag = "{ETD_LAG}s"
resweep = [{{ after = "10m" }}, {{ after = "24h" }}]"#
            )
        } else {
            format!(
                r#"type = "proofpoint_ser"
base_url = "{url}"
token_url = "{url}/v1/token"
start = "5m"
lag = "{SER_LAG}s"
slice = "{SER_SLICE}s""#
            )
        };
        write!(
            text,
            r#"
[sources.{name}]
{vendor}
client_id = "sim-client"
client_secret = "{secret}"
schedule = {schedule}
tags = {{ tenant = "{name}" }}
"#
        )
        .expect("a String takes all");
    }
    text
}
