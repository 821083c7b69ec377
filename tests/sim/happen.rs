//! What happens to the system and around it, done.

use std::time::Duration;

use jiff::SignedDuration;
use postrider::{
    clock::Clock,
    domain::{
        filter::Filter,
        slice::{Interval, Stream},
    },
    simulator::{Faults, Mutation, MutationKind},
    store::requests::NewRequest,
};
use rand::Rng;

use crate::{
    clock,
    history::{Happening, minutes},
    settings,
    system::{System, Wrong},
};

impl System {
    /// Something happens, now.
    pub(crate) async fn happen(&mut self, happening: &Happening) -> Result<(), Wrong> {
        self.world.note(format_args!("HAPPENS {happening:?}"));
        let name = format!("{happening:?}");
        let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase();
        *self.world.state().tally.troubles.entry(name).or_default() += 1;
        let now = self.world.clock.now();
        match happening.clone() {
            Happening::Faults { host, rate, kinds, retry_after } => {
                let slow_body = Duration::from_secs(self.rng.random_range(1..90));
                let faults = Faults { rate, kinds, retry_after, slow_body, ..Faults::none() };
                self.world.set_faults(host, faults);
            }
            Happening::Next { host, kinds } => {
                self.world.set_faults(host, Faults { next: kinds.into(), ..Faults::none() });
            }
            Happening::Outage { host, lasts } => {
                self.world.state().down.insert(host, now + lasts);
            }
            Happening::Slow { host, lasts } => {
                self.world.state().slow.insert(host, now + lasts);
            }
            Happening::DiskFull { lasts } => self.world.state().disk_full = Some(now + lasts),
            Happening::DiskFails { lasts } => self.world.state().disk_fails = Some(now + lasts),
            Happening::Crash(death) => self.world.state().death = Some(death),
            Happening::Stop { down } => self.stop(down).await?,
            Happening::Clock { millis } => self.world.machine.set_off(millis),
            Happening::Change { kind, count } => {
                let ids = self.world.vendors.mutate(&Mutation::some(kind, count));
                self.watch.changes.extend(ids.into_iter().map(|id| (id, now)));
            }
            Happening::Late { ago, count } => {
                let mutation = Mutation { ago, ..Mutation::some(MutationKind::LateArrival, count) };
                let ids = self.world.vendors.mutate(&mutation);
                self.watch.late.extend(ids.into_iter().map(|id| (id, now)));
            }
            Happening::Rename { user, name } => self.world.vendors.rename_user(user, name),
            Happening::Empty { hours_ago, times } => {
                let start = clock::floor(now, 3600) - minutes(60 * hours_ago);
                self.world.vendors.empty_summary(start, times);
                self.watch.empty.push(start);
            }
            Happening::Backfill { etd, ago, length, narrowed } => {
                self.backfill(etd, ago, length, narrowed).await;
            }
            Happening::NewSink => self.add_sink().await?,
        }
        Ok(())
    }

    async fn backfill(&mut self, etd: bool, ago: Duration, length: Duration, narrowed: bool) {
        let now = clock::floor(self.world.machine.now() - minutes(30), 3600);
        let from = clock::floor((now - ago).max(self.remembered()), 3600);
        let to = if etd { from + length } else { from + minutes(length.as_secs() / 3600 * 60) };
        if let Some(range) = Interval::new(from, to.min(now)) {
            let verdicts = if narrowed && etd { vec!["neutral".to_owned()] } else { Vec::new() };
            self.ask(etd, range, Filter { verdicts, ..Filter::default() }).await;
        }
    }

    /// Since when records are known; what was forgotten would be new again.
    pub(crate) fn remembered(&self) -> jiff::Timestamp {
        let longest = self.history.settings.resweeps.iter().max().copied().unwrap_or_default();
        self.world.clock.now() - longest - minutes(22 * 60)
    }

    /// Asks for a backfill, as the command does.
    pub(crate) async fn ask(&mut self, etd: bool, range: Interval, narrow: Filter) -> bool {
        let Some(store) = self.store().cloned() else { return false };
        let stream = if etd { Stream::Messages } else { Stream::Summary };
        let source = if etd { "etd" } else { "ser" }.parse().expect("it is a name");
        let Ok(Some(stream)) = self.world.quietly(|| store.find_stream(&source, stream)) else {
            return false;
        };
        let new = NewRequest { stream, range, narrow, resend: false };
        let now = self.world.machine.now();
        let died = self.died();
        tokio::select! {
            biased;
            () = died.cancelled() => false,
            asked = store.ask(new, now) => asked.is_ok(),
        }
    }

    /// The configuration has a second sink from now on, with which the process starts anew.
    async fn add_sink(&mut self) -> Result<(), Wrong> {
        if self.archive_since.is_some() {
            return Ok(());
        }
        self.stop(Duration::from_secs(1)).await?;
        self.archive_since = Some(self.world.machine.now() + SignedDuration::from_mins(5));
        self.config = settings::config(&self.history, self.root.path(), true);
        Ok(())
    }
}
