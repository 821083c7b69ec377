//! A configuration that collects from the simulated servers and delivers to them.

use std::{fmt::Write as _, net::SocketAddr};

use super::Args;
use crate::simulator::{Rate, Simulation};

impl Args {
    /// The whole file.
    pub(super) fn config(
        &self,
        simulation: &Simulation,
        admin: SocketAddr,
    ) -> anyhow::Result<String> {
        let mut config = String::new();
        let state = quote(&self.state.display().to_string());
        write!(config, "[state]\ndirectory = {state}\n\n[admin]\nlisten = \"{admin}\"\n")?;
        self.etd(&mut config, &simulation.etd_url)?;
        self.ser(&mut config, &simulation.ser_url)?;
        write!(
            config,
            "\n[sinks.splunk-sim]\ntype = \"splunk_hec\"\nendpoints = [{}]\ntoken = {}\n\
             index = \"email\"\nacknowledgements = \"auto\"\n",
            quote(&simulation.hec_url),
            quote(&self.options().hec.token),
        )?;
        if self.with_syslog {
            write!(
                config,
                "\n[sinks.syslog-sim]\ntype = \"syslog\"\naddress = {}\ntransport = \"tcp\"\n\
                 framing = \"octet_counting\"\nheader = \"rfc5424\"\npayload = \"json\"\n\
                 max_message = \"64KiB\"\n",
                quote(&simulation.syslog_addr.to_string()),
            )?;
        }
        if let Some(path) = &self.with_file {
            let path = quote(&path.display().to_string());
            write!(config, "\n[sinks.file-sim]\ntype = \"file\"\npath = {path}\n")?;
        }
        Ok(config)
    }

    fn etd(&self, config: &mut String, url: &str) -> anyhow::Result<()> {
        let etd = self.options().etd;
        write!(
            config,
            "\n[sources.etd-sim]\ntype = \"cisco_etd\"\nbase_url = {}\nclient_id = {}\n\
             client_secret = {}\n",
            quote(url),
            quote(&etd.client_id),
            quote(&etd.client_secret),
        )?;
        if let Some(key) = &etd.api_key {
            writeln!(config, "api_key = {}", quote(key))?;
        }
        // The configuration takes whole numbers: a slow rate is told by the minute.
        let (rate, burst) = match etd.limits.per_second {
            None => ("per_second = 1000".to_owned(), 1_000),
            Some(Rate { rate, burst }) if rate.fract() == 0.0 => {
                (format!("per_second = {rate}"), burst)
            }
            Some(Rate { rate, burst }) => {
                (format!("per_minute = {}", (rate * 60.0).floor().max(1.0)), burst)
            }
        };
        let per_day = etd.limits.per_day.unwrap_or(100_000_000);
        write!(
            config,
            "schedule = {{ every = \"5s\" }}\nstart = \"{}\"\nlag = \"{}s\"\nslice = \"1h\"\n\
             rate_limit = {{ {rate}, burst = {burst}, per_day = {per_day} }}\n{}",
            self.start(),
            self.now_margin + 60,
            self.log_export.line(),
        )?;
        Ok(())
    }

    fn ser(&self, config: &mut String, url: &str) -> anyhow::Result<()> {
        let ser = self.options().ser;
        let account = format!(
            "token_url = {}\nclient_id = {}\nclient_secret = {}\n\
             rate_limit = {{ per_minute = {}, burst = 50 }}\n",
            quote(&format!("{url}/v1/token")),
            quote(&ser.client_id),
            quote(&ser.client_secret),
            ser.limits.per_minute.unwrap_or(60_000),
        );
        let (start, url) = (self.start(), quote(url));
        write!(
            config,
            "\n[sources.ser-sim]\ntype = \"proofpoint_ser\"\nbase_url = {url}\n{account}\
             schedule = {{ every = \"10s\" }}\nstart = \"{start}\"\nlag = \"1m\"\nslice = \"1h\"\n"
        )?;
        if self.ser_admin {
            write!(
                config,
                "\n[sources.ser-admin-sim]\ntype = \"proofpoint_ser_admin\"\n\
                 reporting_url = {url}\nrelay_config_url = {url}\n{account}\
                 schedule = {{ every = \"10s\" }}\nstart = \"7d\"\n"
            )?;
        }
        Ok(())
    }

    /// The range began before this was written: what is asked for must reach behind it.
    fn start(&self) -> String {
        let hours = self.days.map_or(self.hours, |days| days.saturating_mul(24)).max(1);
        format!("{}m", u64::from(hours) * 60 + 10)
    }
}

/// As a TOML string.
fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}
