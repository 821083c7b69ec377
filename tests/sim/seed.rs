//! One seed from its beginning to the verdict.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use postrider::{
    clock::Clock,
    domain::{filter::Filter, slice::Interval},
    failpoint, http,
};

use crate::{
    clock,
    history::{History, Trouble, minutes},
    system::{System, Wrong},
    watch,
    world::Tally,
};

/// What came of a seed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub trace: (u64, u64),
    pub lived: Duration,
    pub events: u64,
    pub duplicates: u64,
    pub tally: Tally,
    pub wrong: Option<Wrong>,
}

/// Lives through a seed, without some kinds of trouble.
pub(crate) fn run(seed: u64, without: &BTreeSet<Trouble>, printed: bool) -> Report {
    let history = History::draw(seed, without);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime on this thread");
        runtime.block_on(live(history, printed))
    }));
    failpoint::set_here(None);
    http::set_here(None);
    lived.unwrap_or_else(|_| Report {
        wrong: watch::broken().or(Some("a panic".into())),
        ..Report::default()
    })
}

async fn live(history: History, printed: bool) -> Report {
    let mut system = System::new(history, printed);
    let wrong = story(&mut system).await.err();
    if let Some(wrong) = &wrong {
        system.world.note(format_args!("FAILED {wrong}"));
    }
    let state = system.world.state();
    Report {
        trace: system.world.trace.sum(),
        lived: system.world.clock.now().duration_since(clock::begin()).unsigned_abs(),
        events: state.siems.iter().map(|siem| siem.got.len() as u64).sum(),
        duplicates: state.siems.iter().map(|siem| siem.duplicates).sum(),
        tally: state.tally.clone(),
        wrong,
    }
}

async fn story(system: &mut System) -> Result<(), Wrong> {
    let happenings = std::mem::take(&mut system.history.happenings);
    for (at, happening) in happenings {
        system.live_until(clock::begin() + at).await?;
        system.happen(&happening).await?;
        system.inspect()?;
    }
    system.live_until(clock::begin() + system.history.lasts).await?;
    // From now on all is well, and what is due by then is done.
    system.world.calm();
    for window in &system.watch.empty {
        system.world.vendors.empty_summary(*window, 0);
    }
    system.world.machine.set_off(0);
    let settings = &system.history.settings;
    let longest = settings.resweeps.iter().max().copied().unwrap_or_default();
    let quiet = longest + settings.slice + settings.every * 2 + minutes(90);
    system.live_until(system.world.clock.now() + quiet).await?;
    settle(system).await?;
    system.check_coverage()?;
    system.check_messages(None)?;
    system.check_export()?;
    // Somebody looks at everything once more.
    let read = system.world.clock.now();
    let (from, to) = asked(system);
    for etd in [true, false] {
        let range = Interval::new(from, to).ok_or("the range is none")?;
        if !system.ask(etd, range, Filter::default()).await {
            return Err("a backfill cannot be asked for".into());
        }
    }
    system.live_until(system.world.clock.now() + minutes(30)).await?;
    settle(system).await?;
    system.check_coverage()?;
    system.check_messages(Some(from))?;
    system.check_rows([from, to], read)?;
    system.check_revisions()?;
    system.check_news()?;
    system.check_dead_letters()?;
    system.check_limits()
}

/// Whole hours from where collection began to now.
fn asked(system: &System) -> (jiff::Timestamp, jiff::Timestamp) {
    let from = system.remembered().max(clock::begin() - system.history.settings.back);
    let now = system.world.clock.now() - minutes(30);
    (clock::floor(from, 3600), clock::floor(now, 3600))
}

/// Until nothing is left to be done; quotas may take days.
async fn settle(system: &mut System) -> Result<(), Wrong> {
    for _ in 0..60 {
        if system.is_settled()? {
            return Ok(());
        }
        // No multiple of a schedule, or each look would fall on a tick.
        system.live_until(system.world.clock.now() + minutes(127)).await?;
    }
    Err("it never settles".into())
}
