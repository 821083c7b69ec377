//! How things are, in Prometheus's text format, after what the process has counted.

use jiff::tz::TimeZone;
use prometheus::{Encoder, Gauge, GaugeVec, IntCounterVec, Opts, Registry, Result, TextEncoder};

use super::process;
use crate::{
    coverage::report::Report,
    domain::severity::Severity,
    metrics,
    status::{Health, SinkStatus, SourceStatus, Status},
};

/// The whole exposition.
pub(super) fn text(status: &Status, coverage: &Report) -> Result<String> {
    let gauges = Gauges(Registry::new());
    gauges.program(status)?;
    process::register(&gauges.0, |name, help, value| gauges.one(name, help, value))?;
    gauges.sources(&status.sources)?;
    gauges.coverage(coverage)?;
    gauges.sinks(&status.sinks)?;
    gauges.health(status)?;
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&metrics::families(), &mut text)?;
    encoder.encode(&gauges.0.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Gauges of one scrape: what is no longer configured leaves no series behind.
struct Gauges(Registry);

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point numbers only")]
impl Gauges {
    fn one(&self, name: &str, help: &str, value: f64) -> Result<()> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.0.register(Box::new(gauge))
    }

    fn each(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn program(&self, status: &Status) -> Result<()> {
        let info = "The program's version; always 1.";
        let build = self.each("postrider_build_info", info, &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let spool = status.spool;
        let bytes = "Bytes that events, dead letters and SQLite's log take.";
        self.one("postrider_spool_bytes", bytes, spool.on_disk as f64)?;
        let most = "Bytes at which collecting pauses.";
        self.one("postrider_spool_limit_bytes", most, status.max_spool as f64)?;
        let events = "Events that some sink has not passed.";
        self.one("postrider_spool_events", events, spool.events as f64)?;
        let Some(oldest) = status.oldest_spooled_at else { return Ok(()) };
        let oldest_help = "When the oldest event of the spool was stored; absent when it is empty.";
        self.one(
            "postrider_spool_oldest_timestamp_seconds",
            oldest_help,
            oldest.as_duration().as_secs_f64(),
        )
    }

    /// A series a source, where there is a value.
    fn of_sources(
        &self,
        sources: &[SourceStatus],
        name: &str,
        help: &str,
        value: impl Fn(&SourceStatus) -> Option<f64>,
    ) -> Result<()> {
        let gauge = self.each(name, help, &["source"])?;
        for source in sources {
            if let Some(value) = value(source) {
                gauge.with_label_values(&[&source.source]).set(value);
            }
        }
        Ok(())
    }

    fn sources(&self, sources: &[SourceStatus]) -> Result<()> {
        let each = sources.iter().map(|it| (it.source.as_str(), &it.health));
        self.states("source", &Health::SOURCE_STATES, each)?;
        let seconds = |at: Option<jiff::Timestamp>| at.map(|at| at.as_duration().as_secs_f64());
        self.of_sources(
            sources,
            "postrider_source_lag_seconds",
            "From the first instant that is not covered to now.",
            |it| it.lag_seconds.map(|lag| lag as f64),
        )?;
        self.of_sources(
            sources,
            "postrider_source_last_record_timestamp_seconds",
            "When live records came last.",
            |it| seconds(it.last_record_at),
        )?;
        self.of_sources(
            sources,
            "postrider_source_credential_expiry_timestamp_seconds",
            "When the credentials expire, as configured.",
            |it| seconds(it.credentials_expire),
        )?;
        self.of_sources(
            sources,
            "postrider_source_calls_today",
            "Requests of the present UTC day.",
            |it| Some(it.calls_today as f64),
        )?;
        self.of_sources(
            sources,
            "postrider_source_calls_per_day_limit",
            "Requests that a UTC day may have, where that is limited.",
            |it| it.calls_per_day.map(f64::from),
        )?;
        self.of_sources(
            sources,
            "postrider_source_entitlement_used_ratio",
            "Share of the licence that is used, at the last survey.",
            |it| it.licence.as_ref().and_then(|licence| licence.share),
        )?;
        self.of_sources(
            sources,
            "postrider_source_entitlement_end_timestamp_seconds",
            "When the licence ends.",
            |it| seconds(it.licence.as_ref()?.license_end),
        )?;
        self.of_sources(
            sources,
            "postrider_source_entitlement_exhausted_timestamp_seconds",
            "The beginning of the UTC day on which nothing is left of the licence if use goes on.",
            |it| {
                let day = it.licence.as_ref()?.exhausted_on?;
                seconds(Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp()))
            },
        )?;
        let slices = self.each(
            "postrider_source_slices",
            "Slices to be fetched, those that failed at the last try among them, and those that \
             cannot be had.",
            &["source", "state"],
        )?;
        for it in sources {
            let counts = [
                ("open", it.open_slices),
                ("failing", it.failing_slices),
                ("lost", it.lost_slices),
                ("refused", it.refused_slices),
            ];
            for (state, count) in counts {
                slices.with_label_values(&[it.source.as_str(), state]).set(count as f64);
            }
        }
        Ok(())
    }

    fn coverage(&self, coverage: &Report) -> Result<()> {
        let help = "Seconds of time that were asked for and that neither live collection nor a \
                    backfill has, by what becomes of them.";
        let labels = ["source", "stream", "state"];
        let gaps = self.each("postrider_coverage_gap_seconds", help, &labels)?;
        for stream in &coverage.sources {
            for (state, missing) in stream.missing_by_state {
                let labels = [stream.source.as_str(), stream.stream, state.as_str()];
                gaps.with_label_values(&labels).set(missing.0 as f64 / 1000.0);
            }
        }
        Ok(())
    }

    fn sinks(&self, sinks: &[SinkStatus]) -> Result<()> {
        let each = sinks.iter().map(|it| (it.sink.as_str(), &it.health));
        self.states("sink", &Health::SINK_STATES, each)?;
        let delivered = IntCounterVec::new(
            Opts::new(
                "postrider_sink_delivered_events_total",
                "Events delivered since the store was made.",
            ),
            &["sink"],
        )?;
        self.0.register(Box::new(delivered.clone()))?;
        let waiting =
            self.each("postrider_sink_waiting_events", "Events not passed yet.", &["sink"])?;
        let letters =
            self.each("postrider_sink_dead_letters", "Events refused for good.", &["sink"])?;
        for it in sinks {
            let label = [it.sink.as_str()];
            delivered.with_label_values(&label).inc_by(it.delivered);
            waiting.with_label_values(&label).set(it.waiting as f64);
            letters.with_label_values(&label).set(it.dead_letters as f64);
        }
        Ok(())
    }

    /// 1 for the state that each is in, 0 for the others.
    fn states<'a>(
        &self,
        role: &str,
        states: &[&str],
        each: impl Iterator<Item = (&'a str, &'a Health)>,
    ) -> Result<()> {
        let name = format!("postrider_{role}_state");
        let gauge = self.each(&name, "1 for the present state.", &[role, "state"])?;
        for (of, health) in each {
            for state in states {
                let is = f64::from(u8::from(health.state == *state));
                gauge.with_label_values(&[of, state]).set(is);
            }
        }
        Ok(())
    }

    fn health(&self, status: &Status) -> Result<()> {
        let help = "Health matters that go on.";
        let open = self.each("postrider_health_open_matters", help, &["severity"])?;
        for severity in Severity::ALL {
            let count = status.health.iter().filter(|it| it.severity == severity).count();
            open.with_label_values(&[severity.as_str()]).set(count as f64);
        }
        Ok(())
    }
}
