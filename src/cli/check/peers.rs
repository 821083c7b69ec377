//! Trying vendors and SIEMs, and this machine's clock against theirs.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};

use super::trial::Trial;
use crate::{
    app::{self, AnySink, AnySource},
    cli::layout::duration,
    clock::Clock,
    config::Config,
    fault::Fault,
    sink::Sink,
    source::{Source, pace::Pace},
};

/// Seconds between the clocks that are worth a word. Certificates and tokens bear more.
const APART: i64 = 30;
/// ETD takes no search that ends within some five minutes of its now.
const FAR_APART: i64 = 300;

/// Tries everything side by side; a source takes two calls of its budget.
pub(super) async fn tries(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Trial> {
    let mut rng = StdRng::from_os_rng();
    let now = clock.now();
    let ear = Arc::new(Ear { clock: clock.clone(), heard: Mutex::default() });
    let listening: Arc<dyn Clock> = ear.clone();
    let sources = config.sources.values().map(|settings| {
        let pace = Arc::new(Pace::new(settings.rate_limit));
        let source = app::source(settings, &pace, &listening);
        async move {
            let what = format!("sources.{}", settings.name);
            match source {
                Ok(AnySource::Etd(source)) => Trial::of(what, source.probe(now).await),
                Ok(AnySource::Ser(source)) => Trial::of(what, source.probe(now).await),
                Ok(AnySource::SerAdmin(source)) => Trial::of(what, source.days().probe(now).await),
                Err(error) => unmade(what, &error),
            }
        }
    });
    let sinks = config.sinks.values().map(|settings| {
        let sink = app::sink(settings, clock, &mut rng);
        async move {
            let what = format!("sinks.{}", settings.name);
            match sink {
                Ok(AnySink::SplunkHec(sink)) => Trial::of(what, sink.probe().await),
                Ok(AnySink::Syslog(sink)) => Trial::of(what, sink.probe().await),
                Ok(AnySink::File(sink)) => Trial::of(what, sink.probe().await),
                Ok(AnySink::Folder(sink)) => Trial::of(what, sink.probe().await),
                Ok(AnySink::Stdout(sink)) => Trial::of(what, sink.probe().await),
                Err(error) => unmade(what, &error),
            }
        }
    });
    let (sources, sinks) = futures_util::join!(
        futures_util::future::join_all(sources),
        futures_util::future::join_all(sinks)
    );
    // The widest apart: whoever is right, one of the two has to be looked at.
    let off = ear.off().into_iter().max_by_key(|off| off.as_secs().abs());
    off.map(clocks).into_iter().chain(sources).chain(sinks).collect()
}

/// A file that the configuration names cannot be used, such as a certificate's.
fn unmade(what: String, error: &anyhow::Error) -> Trial {
    let fault = Fault::refused(format!("{error:#}"));
    Trial::of(what, Err(fault.cured_by("correct that in the configuration, or the file it names")))
}

/// Remembers what vendors' answers say of the time.
struct Ear {
    clock: Arc<dyn Clock>,
    /// How far this machine's clock was ahead.
    heard: Mutex<Vec<SignedDuration>>,
}

impl Ear {
    fn off(&self) -> Vec<SignedDuration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clock for Ear {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn hear(&self, theirs: Option<Timestamp>) {
        if let Some(theirs) = theirs {
            let off = self.clock.now().duration_since(theirs);
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(off);
        }
    }
}

/// What it means that this machine's clock is so far ahead of a vendor's `Date`, which has whole
/// seconds and was on its way.
fn clocks(off: SignedDuration) -> Trial {
    let seconds = off.as_secs();
    let apart = duration(seconds.abs());
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    let found = format!("this machine's clock is {apart} {side} the vendor's");
    let cure = "have the machine keep the time: `timedatectl set-ntp true`, or chrony";
    match seconds.abs() {
        0..=2 => Trial::ok("clock", "this machine's clock and the vendor's agree"),
        3..APART => Trial::ok("clock", found),
        APART..FAR_APART => Trial::warning("clock", found, cure),
        _ => Trial::mend("clock", found, cure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::trial::State;

    #[test]
    fn a_clock_that_is_wrong_is_told_by_how_much() {
        let told = |seconds| {
            let trial = clocks(SignedDuration::from_secs(seconds));
            (trial.state, trial.found)
        };
        assert_eq!(told(-2), (State::Ok, "this machine's clock and the vendor's agree".into()));
        assert_eq!(told(9).0, State::Ok);
        let behind = "this machine's clock is 1 min behind the vendor's";
        assert_eq!(told(-60), (State::Warning, behind.into()));
        let ahead = "this machine's clock is 1 h 30 min ahead of the vendor's";
        assert_eq!(told(5_400), (State::Mend, ahead.into()));
    }
}
