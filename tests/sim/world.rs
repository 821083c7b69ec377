//! All that is around the process: time, network, disk, vendors and SIEMs, and what went wrong.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use postrider::{
    clock::Clock,
    failpoint::{Moment, READ, SEND, Verdict},
    simulator::{
        AckAnswers, EtdOptions, Faults, HecOptions, Limits, Options, Quirks, Rate, Simulation,
    },
};
use rand::{SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{self, Machine},
    disk,
    export::{self, Missing},
    history::{Death, History, Host, minutes},
    siem::Siem,
    trace::Trace,
};

/// The place of a request, beside those in `failpoint`.
pub(crate) const REQUEST: &str = "request";

pub(crate) struct World {
    pub clock: clock::World,
    pub machine: Arc<Machine>,
    pub trace: Trace,
    /// Both vendors, and the first SIEM.
    pub vendors: Simulation,
    /// The second SIEM.
    pub archive: Simulation,
    /// Whether the first SIEM acknowledges when all is well.
    acks: bool,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub rng: StdRng,
    /// Until when a host cannot be reached, or takes long.
    pub down: BTreeMap<Host, Timestamp>,
    pub slow: BTreeMap<Host, Timestamp>,
    /// The share of downloads that are not whole.
    pub breaks: f64,
    pub disk_full: Option<Timestamp>,
    pub disk_fails: Option<Timestamp>,
    pub siems: [Siem; 2],
    pub death: Option<Death>,
    /// The process is dead, and nothing that it still does counts.
    pub dead: bool,
    /// Where the log export lacked a type.
    pub missing: Missing,
    pub died: CancellationToken,
    /// The simulation itself looks into the store.
    pub quiet: bool,
    pub directory: PathBuf,
    /// What must not have happened.
    pub wrong: Vec<String>,
    /// Calls that arrived, by vendor and the machine's day.
    pub calls: BTreeMap<(Host, String), u64>,
    pub tally: Tally,
}

/// What happened, counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By name: what was done to the system.
    pub troubles: BTreeMap<String, u64>,
    pub crashes: u64,
    pub stops: u64,
    /// By crash and SIEM: events that were accepted and not marked, and how many may be in flight.
    pub repeats: Vec<(u64, u64)>,
    pub requests: u64,
}

impl World {
    pub(crate) fn new(history: &History, printed: bool) -> Self {
        let clock = clock::World::begins();
        let machine = Machine::new(clock);
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let vendors = Simulation::without_network(vendors(history, &shared, 0));
        let archive = Simulation::without_network(vendors_of_archive(history, &shared));
        let state = State {
            rng: StdRng::seed_from_u64(history.seed ^ 0x4E37),
            down: BTreeMap::new(),
            slow: BTreeMap::new(),
            breaks: history.export.as_ref().map_or(0.0, |export| export.breaks),
            disk_full: None,
            disk_fails: None,
            siems: [Siem::asked(history.settings.asks), Siem::asked("off")],
            death: None,
            dead: false,
            missing: Missing::default(),
            died: CancellationToken::new(),
            quiet: false,
            directory: PathBuf::new(),
            wrong: Vec::new(),
            calls: BTreeMap::new(),
            tally: Tally::default(),
        };
        Self {
            clock,
            machine,
            trace: Trace::new(printed),
            vendors: vendors.expect("the range is one"),
            archive: archive.expect("the range is one"),
            acks: history.settings.acks,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.clock.now(), what);
    }

    pub(crate) fn wrong(&self, what: String) {
        self.note(format_args!("WRONG {what}"));
        self.state().wrong.push(what);
    }

    /// A process begins, on the files of this directory.
    pub(crate) fn begin_life(&self, directory: &Path) -> CancellationToken {
        let mut state = self.state();
        (state.dead, state.directory) = (false, directory.to_owned());
        state.missing.forget();
        state.died = CancellationToken::new();
        state.died.clone()
    }

    /// What happens at a place.
    pub(crate) fn reach(&self, place: &'static str, moment: Moment) -> Verdict {
        let now = self.clock.now();
        let mut state = self.state();
        if state.quiet {
            return Verdict::GoOn;
        }
        if state.dead {
            return Verdict::Die;
        }
        if place != READ {
            self.trace.note(now, format_args!("{moment:?} {place}"));
            if (place, moment) == ("export-asked", Moment::After) {
                state.missing.written_down();
            }
            let dies = state.death.as_mut().is_some_and(|death| {
                let here = death.place.is_none_or(|wanted| wanted == place);
                death.nth = death.nth.saturating_sub(u32::from(here));
                here && death.nth == 0
            });
            if dies {
                self.trace.note(now, format_args!("KILLED {moment:?} {place}"));
                let key = format!("crash {place}");
                *state.tally.troubles.entry(key).or_default() += 1;
                state.tally.crashes += 1;
                state.dead = true;
                let tear = state.death.as_ref().and_then(|death| death.tear);
                if let Err(error) = disk::leave(&state.directory, tear) {
                    state.wrong.push(format!("the files cannot be copied: {error}"));
                }
                state.died.cancel();
                return Verdict::Die;
            }
        }
        let until = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        let is_store = ![SEND, REQUEST].contains(&place);
        let fails = is_store && moment == Moment::Before && until(state.disk_fails);
        if fails || (is_store && place != READ && until(state.disk_full)) {
            return Verdict::Fail;
        }
        Verdict::GoOn
    }

    /// Lets the simulation look at the store without anything happening to it.
    pub(crate) fn quietly<T>(&self, look: impl FnOnce() -> T) -> T {
        self.state().quiet = true;
        let seen = look();
        self.state().quiet = false;
        seen
    }

    pub(crate) fn set_faults(&self, host: Host, faults: Faults) {
        match host {
            Host::Etd => self.vendors.set_etd_faults(faults),
            Host::Ser => self.vendors.set_ser_faults(faults),
            Host::SplunkOne | Host::SplunkTwo => self.vendors.set_hec_faults(faults),
            Host::Archive => self.archive.set_hec_faults(faults),
            Host::Files => {}
        }
    }

    /// From now on all is well.
    pub(crate) fn calm(&self) {
        for host in Host::DRAWN {
            self.set_faults(host, Faults::none());
        }
        let acks = self.acks;
        self.vendors.change_hec(|hec| {
            (hec.use_ack, hec.ack_answers) = (acks, AckAnswers::Well);
            // Questions that miss their node are not what this waits for: it may take days.
            (hec.sticky, hec.ack_polls) = (true, 0);
            (hec.lose_batch_every, hec.lose_ack_every, hec.lose_ack_answer_every) = (0, 0, 0);
        });
        let mut state = self.state();
        state.down.clear();
        state.slow.clear();
        state.breaks = 0.0;
        (state.disk_full, state.disk_fails, state.death) = (None, None, None);
    }
}

/// Kept so far from the vendors' limits by the settings in `system`.
pub(crate) const ETD_RATE: Rate = Rate { rate: 5.0, burst: 10 };
pub(crate) const SER_PER_MINUTE: u32 = 120;

fn vendors(history: &History, clock: &Arc<dyn Clock>, salt: u64) -> Options {
    let vendors = &history.vendors;
    let begin = clock::begin();
    let from = begin - history.settings.back - minutes(30);
    let faults = Faults {
        rate: history.rate,
        retry_after: Duration::from_secs(20),
        slow_body: Duration::from_secs(20),
        ..Faults::none()
    };
    let mut options =
        Options { seed: history.seed ^ salt, clock: clock.clone(), faults, ..Options::default() };
    options.etd = EtdOptions {
        messages: vendors.messages,
        range: Some([from, begin + history.lasts]),
        token_life: vendors.token_life,
        page_token_life: vendors.page_token_life,
        limits: Limits { per_second: Some(ETD_RATE), ..Limits::default() },
        quirks: Quirks {
            newest_first: vendors.newest_first,
            empty_page_every: vendors.empty_page_every,
            duplicate_every: vendors.duplicate_every,
            too_large_above: vendors.too_large_above,
            miscount: vendors.miscount,
            late_verdict_every: 0,
            retro_every: 0,
            ..Quirks::default()
        },
        ..EtdOptions::default()
    };
    if let Some(export) = &history.export {
        options.etd.log_export = export::options(export);
    }
    options.ser.users = vendors.users;
    options.ser.token_life = vendors.token_life;
    options.ser.license_start = Some(begin - minutes(24 * 60));
    options.ser.limits = Limits { per_minute: Some(SER_PER_MINUTE), ..Limits::default() };
    options.hec = HecOptions {
        poison_every: vendors.poison_every,
        use_ack: history.settings.acks,
        ack_polls: vendors.ack_polls,
        lose_batch_every: vendors.lose_batch_every,
        lose_ack_every: vendors.lose_ack_every,
        lose_ack_answer_every: vendors.lose_ack_answer_every,
        ack_delay: vendors.ack_delay,
        nodes: vendors.nodes,
        sticky: vendors.sticky,
        content: false,
        ..HecOptions::default()
    };
    options
}

fn vendors_of_archive(history: &History, clock: &Arc<dyn Clock>) -> Options {
    let mut options = vendors(history, clock, 0xA2C);
    options.etd.messages = 0;
    (options.hec.poison_every, options.hec.use_ack, options.hec.nodes) = (0, false, 1);
    options
}
