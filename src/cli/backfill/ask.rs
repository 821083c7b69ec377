//! Asks for a range: checked, estimated, confirmed, written down.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use super::{
    super::{
        Exit, complain,
        layout::{at_limit, percent},
        say, setup,
    },
    AskArgs, filter, follow,
};
use crate::{
    app::{self, AnySource},
    clock::Clock,
    collect::{backfill, budget, plan::Policy},
    config::{self, Config, nearest},
    domain::{filter::Filter, name::SourceName, slice::Interval},
    estimate::{self, Estimate, Volume},
    source::{Limits, Source, pace::Pace},
    store::{
        Store, StoreError,
        requests::{NewRequest, RequestState},
    },
};

pub(super) async fn run(config: &Config, args: AskArgs) -> anyhow::Result<Exit> {
    let clock = setup::clock();
    let now = clock.now();
    let (source, range, narrow) = match checked(config, &args, &clock, now)? {
        Ok(checked) => checked,
        Err(wrong) => {
            complain(&wrong);
            return Ok(Exit::Wrong);
        }
    };
    let seen = match Store::open_read_only(&config.state.directory) {
        Ok(store) => Some(store),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let estimate = if is_asked_for(seen.as_ref(), source, range, &narrow, args.resend)? {
        None
    } else {
        let (estimate, text) = estimated(source, seen.as_ref(), range, &args, &narrow)?;
        say(&text);
        if !args.yes && !setup::confirmed("Ask for it?", "nothing was asked for")? {
            return Ok(Exit::Wrong);
        }
        Some(estimate)
    };
    drop(seen);
    let (store, running) = setup::store(&config.state.directory)?;
    let stream = source.vendor.streams().first().context("a source without streams")?;
    let stream = store.stream(&source.name, *stream).await?;
    let new = NewRequest { stream, range, narrow, resend: args.resend };
    let (id, joined) = store.ask(new, now).await?;
    if joined {
        say(&format!("backfill {id} asks for this already; joining it"));
    }
    follow::follow(config, store, running, id, args.follow, estimate).await
}

type Checked<'c> = (&'c config::Source, Interval, Filter);

/// What is asked for, or what is wrong with it.
fn checked<'c>(
    config: &'c Config,
    args: &AskArgs,
    clock: &Arc<dyn Clock>,
    now: Timestamp,
) -> anyhow::Result<Result<Checked<'c>, String>> {
    let (Some(name), Some(from), Some(to)) = (&args.source, args.from, args.to) else {
        return Ok(Err("say --source, --from and --to".into()));
    };
    let names = || config.sources.keys().map(SourceName::as_str);
    let Some(source) = config.sources.values().find(|source| source.name.as_str() == name) else {
        let hint = nearest(name, names()).map_or_else(
            || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return Ok(Err(format!("--source: there is no source {name:?}; {hint}")));
    };
    let narrow = match filter::parse(&source.vendor, &args.filter) {
        Ok(narrow) => narrow,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let policy = Policy::of(source, limits(source, clock)?);
    let range = backfill::range(&policy, from, to, now);
    Ok(range.map(|range| (source, range, narrow)).map_err(|refusal| refusal.to_string()))
}

/// What the vendor allows; asks nobody.
fn limits(source: &config::Source, clock: &Arc<dyn Clock>) -> anyhow::Result<Limits> {
    let pace = Arc::new(Pace::new(source.rate_limit));
    Ok(match app::source(source, &pace, clock)? {
        AnySource::Etd(source) => source.limits(),
        AnySource::Ser(source) => source.limits(),
        AnySource::SerAdmin(source) => source.days().limits(),
    })
}

fn is_asked_for(
    store: Option<&Store>,
    source: &config::Source,
    range: Interval,
    narrow: &Filter,
    resend: bool,
) -> anyhow::Result<bool> {
    let Some(store) = store else { return Ok(false) };
    Ok(store.requests()?.iter().any(|request| {
        request.state == RequestState::Open
            && request.source == source.name.as_str()
            && request.range == range
            && request.narrow == *narrow
            && request.resend == resend
    }))
}

/// What it costs, and that in words.
fn estimated(
    source: &config::Source,
    seen: Option<&Store>,
    range: Interval,
    args: &AskArgs,
    narrow: &Filter,
) -> anyhow::Result<(Estimate, String)> {
    let records = seen.map(|store| budget::seen(store, source)).transpose()?.flatten();
    let records = records.map(|seen| seen.records);
    let assumed = Volume::assumed(source).records;
    let basis = match records {
        Some(records) => format!("{records} records a day, as the last days had"),
        None => format!("{assumed} records a day, which is a guess: none was seen yet"),
    };
    let estimate = estimate::range(source, range, records.unwrap_or(assumed));
    let mut text = format!("backfill of {} from {} to {}", source.name, range.start(), range.end());
    if (Some(range.start()), Some(range.end())) != (args.from, args.to) {
        text.push_str(" (outwards to what the vendor can be asked)");
    }
    let filter = filter::text(narrow);
    if !filter.is_empty() {
        text = format!("{text}, narrowed to {filter}");
    }
    let time = at_limit(estimate.seconds_at_limit);
    text = format!(
        "{text}\n  slices: {}\n  calls: about {}{}, at {basis}\n  time at the rate limit: {time}",
        estimate.slices,
        estimate.calls,
        if filter.is_empty() { "" } else { " at most" },
    );
    if let (Some(share), Some(per_day)) = (estimate.share_of_day, source.rate_limit.per_day) {
        let percent = percent(estimate.calls, Some(per_day));
        text = format!("{text}\n  share of the day's {per_day} calls: {percent}");
        if share > 1.0 {
            text = format!("{text}, so it takes {} days or more", share.ceil());
        }
    }
    Ok((estimate, text))
}
