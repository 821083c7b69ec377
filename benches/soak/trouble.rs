//! What happens to a world, second by second: by seed.

use std::time::Duration;

use nix::sys::signal::Signal;
use postrider::simulator::{FaultKind, Faults, Mutation, MutationKind};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use super::world::World;

/// Of all calls.
const SHARE: f64 = 0.03;
/// Before and after a kill nothing else doubles events, so that the kill's own can be counted.
const QUIET: Duration = Duration::from_secs(3);
const AFTER_KILL: Duration = Duration::from_secs(8);

/// What a kill doubled, by sink.
pub(super) type Doubled = [u64; 3];

/// Something that comes again and again.
struct Again {
    next: Instant,
    /// Seconds between two.
    between: [u64; 2],
}

impl Again {
    fn new(between: [u64; 2], rng: &mut StdRng) -> Self {
        let mut again = Self { next: Instant::now(), between };
        again.put_off(rng);
        again
    }

    fn put_off(&mut self, rng: &mut StdRng) {
        let [least, most] = self.between;
        self.next = Instant::now() + Duration::from_secs(rng.random_range(least..=most));
    }

    fn is_due(&mut self, rng: &mut StdRng) -> bool {
        let due = self.next <= Instant::now();
        if due {
            self.put_off(rng);
        }
        due
    }
}

pub(super) struct Trouble {
    rng: StdRng,
    changes: Again,
    reload: Again,
    sink_outage: Again,
    vendor_outage: Again,
    refusal: Again,
    kill: Option<Again>,
    sink_until: Option<Instant>,
    vendor_until: Option<Instant>,
    pub(super) kills: Vec<Doubled>,
    pub(super) changed: usize,
    pub(super) outages: u32,
    pub(super) reloads: u32,
}

fn usual() -> Faults {
    Faults { rate: SHARE, ..Faults::default() }
}

fn out(kinds: &[FaultKind]) -> Faults {
    Faults { rate: 1.0, kinds: kinds.to_vec(), ..Faults::default() }
}

impl Trouble {
    pub(super) fn new(seed: u64, kills: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            changes: Again::new([1, 3], &mut rng),
            reload: Again::new([30, 70], &mut rng),
            sink_outage: Again::new([60, 120], &mut rng),
            vendor_outage: Again::new([90, 180], &mut rng),
            refusal: Again::new([150, 400], &mut rng),
            kill: kills.then(|| Again::new([50, 110], &mut rng)),
            rng,
            sink_until: None,
            vendor_until: None,
            kills: Vec::new(),
            changed: 0,
            outages: 0,
            reloads: 0,
        }
    }

    /// The faults that there are now.
    fn set(&self, world: &World) {
        let vendors = match self.vendor_until {
            Some(_) => out(&[FaultKind::BadGateway, FaultKind::Reset, FaultKind::Html]),
            None => usual(),
        };
        world.simulation.set_etd_faults(vendors.clone());
        world.simulation.set_ser_faults(vendors);
        world.simulation.set_hec_faults(match self.sink_until {
            Some(_) => out(&[FaultKind::Unavailable, FaultKind::Reset]),
            None => usual(),
        });
    }

    /// Does what is due in this second.
    pub(super) async fn happen(&mut self, world: &mut World) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.sink_until.is_some_and(|until| until <= now) {
            self.sink_until = None;
        }
        if self.vendor_until.is_some_and(|until| until <= now) {
            self.vendor_until = None;
        }
        if self.sink_outage.is_due(&mut self.rng) {
            self.sink_until = Some(now + Duration::from_secs(self.rng.random_range(10..=30)));
            self.outages += 1;
        }
        if self.vendor_outage.is_due(&mut self.rng) {
            self.vendor_until = Some(now + Duration::from_secs(self.rng.random_range(5..=20)));
            self.outages += 1;
        }
        self.set(world);
        if self.refusal.is_due(&mut self.rng) {
            let next = [FaultKind::Forbidden].into();
            world.simulation.set_hec_faults(Faults { next, ..usual() });
            let next = [FaultKind::Forbidden].into();
            world.simulation.set_etd_faults(Faults { next, ..usual() });
        }
        if self.changes.is_due(&mut self.rng) {
            self.change(world);
        }
        if self.reload.is_due(&mut self.rng) {
            world.signal(Signal::SIGHUP)?;
            self.reloads += 1;
        }
        if let Some(kill) = &mut self.kill
            && self.sink_until.is_none()
            && kill.is_due(&mut self.rng)
        {
            self.kill(world).await?;
        }
        Ok(())
    }

    /// Late arrivals, some of which change at once, and changes of old mail.
    fn change(&mut self, world: &World) {
        let ago = Duration::from_secs(self.rng.random_range(5..=30));
        let late = Mutation { ago, ..Mutation::some(MutationKind::LateArrival, 2) };
        for id in world.simulation.mutate(&late) {
            if self.rng.random_bool(0.5) {
                world.simulation.mutate(&Mutation::of(MutationKind::Remediation, id));
            }
        }
        let kinds =
            [MutationKind::RetroVerdict, MutationKind::Clearance, MutationKind::Remediation];
        let kind = kinds[self.rng.random_range(0..kinds.len())];
        self.changed += world.simulation.mutate(&Mutation::some(kind, 1)).len();
    }

    async fn kill(&mut self, world: &mut World) -> anyhow::Result<()> {
        world.simulation.set_hec_faults(Faults::none());
        sleep(QUIET).await;
        // At any moment of a batch's life.
        sleep(Duration::from_millis(self.rng.random_range(0..1_000))).await;
        let before = world.duplicates()?;
        world.kill();
        world.launch()?;
        sleep(AFTER_KILL).await;
        let after = world.duplicates()?;
        self.kills.push(std::array::from_fn(|sink| after[sink] - before[sink]));
        Ok(())
    }
}
