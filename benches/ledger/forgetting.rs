//! What it takes to forget a day, and how long a page waits meanwhile.

use std::{
    pin::pin,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use postrider::{domain::slice::Stream, store::slices::StreamId};

use super::filled::{A_DAY, Ledger, PAGE, hour_of_day, keys, known_page};

/// Forgets one day after the other, each in another way.
pub(crate) fn tell(ledger: &Ledger) -> anyhow::Result<()> {
    ledger.settle()?;
    println!("a day of {A_DAY} records is forgotten in");
    let told = |how: &str, (total, waited): (Duration, Duration)| {
        let (total, waited) = (total.as_secs_f64(), waited.as_millis());
        println!("  {total:.2} s {how}; a page waits {waited} ms at most");
    };
    println!("  {:.2} s at once, file in memory", forget(ledger, 0)?.as_secs_f64());
    told("the same beside pages", beside_pages(ledger, 1)?);
    drop_from_memory(ledger)?;
    told("from disk beside pages", beside_pages(ledger, 2)?);
    pin_day(ledger, 3)?;
    pin_day(ledger, 4)?;
    println!(
        "  {:.2} s by rows, as another stream needs the day",
        forget(ledger, 3)?.as_secs_f64()
    );
    told("the same beside pages", beside_pages(ledger, 4)?);
    Ok(())
}

/// Forgets a day and those before it.
fn forget(ledger: &Ledger, day: i64) -> anyhow::Result<Duration> {
    let first = u64::try_from(day)? * A_DAY / PAGE * PAGE + PAGE;
    ensure!(known(ledger, first)?, "the day is there");
    let begun = Instant::now();
    ledger.runtime.block_on(ledger.store.forget_records(&needed(ledger, day)))?;
    let took = begun.elapsed();
    ensure!(!known(ledger, first)?, "the day is gone");
    Ok(took)
}

fn needed(ledger: &Ledger, day: i64) -> [(StreamId, i64); 1] {
    [(ledger.stream, hour_of_day(day + 1))]
}

fn known(ledger: &Ledger, first: u64) -> anyhow::Result<bool> {
    Ok(ledger.store.look_up(ledger.stream, &keys(first))?.iter().all(Option::is_some))
}

/// The same while pages are committed, one after the other: how long, and the longest commit.
fn beside_pages(ledger: &Ledger, day: i64) -> anyhow::Result<(Duration, Duration)> {
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    let needed = needed(ledger, day);
    ledger.runtime.block_on(async {
        let mut forgetting = pin!(ledger.store.forget_records(&needed));
        for page in 0_u64.. {
            let keys = keys(ledger.records + page * PAGE);
            let block = ledger.block(&keys, &known_page(0));
            let asked = Instant::now();
            let mut commit = pin!(ledger.store.commit_page(ledger.page(vec![block])));
            tokio::select! {
                committed = &mut commit => {
                    committed?;
                    longest = longest.max(asked.elapsed());
                }
                forgotten = &mut forgetting => {
                    forgotten?;
                    commit.await?;
                    longest = longest.max(asked.elapsed());
                    break;
                }
            }
        }
        anyhow::Ok(())
    })?;
    Ok((begun.elapsed(), longest))
}

/// Has another stream need the day.
fn pin_day(ledger: &Ledger, day: i64) -> anyhow::Result<()> {
    let other = "other".parse()?;
    let other = ledger.runtime.block_on(ledger.store.stream(&other, Stream::Messages))?;
    let first = u64::try_from(day)? * A_DAY + PAGE;
    let block = ledger.block_of(other, &keys(first), &known_page(first));
    ledger.commit(vec![block]);
    Ok(())
}

/// The day that is forgotten was filed days ago.
fn drop_from_memory(ledger: &Ledger) -> anyhow::Result<()> {
    ledger.settle()?;
    let file = format!("if={}", ledger.path().display());
    let mut drop_it = Command::new("dd");
    drop_it.args([&file, "iflag=nocache", "count=0", "status=none"]);
    ensure!(drop_it.status()?.success(), "dd");
    Ok(())
}
