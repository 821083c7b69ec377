//! The kinds of source and sink that there are, made from their configuration.

use std::sync::Arc;

use anyhow::Context;
use rand::rngs::StdRng;

use crate::{
    clock::Clock,
    config::{self, SinkKind, Vendor},
    http,
    metrics::Requests,
    sink::{file::File, folder::Folder, splunk_hec::SplunkHec, stdout::Stdout, syslog::Syslog},
    source::{
        cisco_etd::CiscoEtd, pace::Pace, proofpoint_ser::ProofpointSer,
        proofpoint_ser_admin::ProofpointSerAdmin,
    },
};

/// A configured source, ready to be asked.
pub enum AnySource {
    Etd(CiscoEtd),
    Ser(ProofpointSer),
    SerAdmin(ProofpointSerAdmin),
}

pub fn source(
    config: &config::Source,
    pace: &Arc<Pace>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<AnySource> {
    let http = http::client(&config.http).with_context(|| format!("sources.{}", config.name))?;
    let http = http.counted(Requests::of_source(&config.name));
    let (pace, clock) = (pace.clone(), clock.clone());
    Ok(match &config.vendor {
        Vendor::CiscoEtd(etd) => AnySource::Etd(CiscoEtd::new(etd, http, pace, clock)),
        Vendor::ProofpointSer(ser) => AnySource::Ser(ProofpointSer::new(ser, http, pace, clock)),
        Vendor::ProofpointSerAdmin(admin) => {
            AnySource::SerAdmin(ProofpointSerAdmin::new(admin, http, pace, clock))
        }
    })
}

/// A configured sink, ready to be sent to.
#[expect(clippy::large_enum_variant, reason = "one lives for a moment, when the system is wired")]
pub enum AnySink {
    SplunkHec(SplunkHec),
    Syslog(Syslog),
    File(File),
    Folder(Folder),
    Stdout(Stdout),
}

pub fn sink(
    config: &config::Sink,
    clock: &Arc<dyn Clock>,
    rng: &mut StdRng,
) -> anyhow::Result<AnySink> {
    let name = || format!("sinks.{}", config.name);
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    Ok(match &config.kind {
        SinkKind::SplunkHec(hec) => {
            let clock = clock.clone();
            AnySink::SplunkHec(SplunkHec::new(config, hec, &host, clock, rng).with_context(name)?)
        }
        SinkKind::Syslog(syslog) => {
            AnySink::Syslog(Syslog::new(config, syslog, &host).with_context(name)?)
        }
        SinkKind::File(file) => AnySink::File(File::new(config, file, clock.clone())),
        SinkKind::Folder(folder) => AnySink::Folder(Folder::new(config, folder)),
        SinkKind::Stdout => AnySink::Stdout(Stdout::new(config)),
    })
}
