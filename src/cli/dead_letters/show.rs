//! One dead letter, whole.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{
        Exit, complain,
        layout::{drawn, grid},
        print,
    },
    Output, number, tamed, tamed_json,
};
use crate::{
    config::Config,
    domain::{
        event::{Change, Event},
        slice::Stream,
    },
    privacy::Redactor,
    store::{
        Store,
        dead_letters::{Entry, Letter},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The letter's number, as `list` shows it.
    #[arg(value_parser = number())]
    id: u64,
    /// How to print it.
    #[arg(long, value_enum, default_value = "json")]
    output: Output,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// The first refusal.
    first_at: Timestamp,
    source: &'a str,
    stream: Stream,
    revision: u32,
    change: Change,
    /// The event's time.
    time: Option<Timestamp>,
    verdict: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
    /// Of the event, without what the sink puts around it.
    bytes: usize,
    /// As the sink would get it, but for the sink's format; to the byte, but for what is escaped
    /// when it is printed.
    event: &'a RawValue,
}

/// The event without what is kept from its sink. The store has it whole, to be sent by what is
/// configured then.
fn as_sent<'e>(config: &Config, sink: &str, event: &'e Event) -> anyhow::Result<Cow<'e, Event>> {
    let configured = config.sinks.values().find(|known| known.name.as_str() == sink);
    match configured.and_then(|sink| sink.privacy.as_ref()) {
        Some(privacy) => Ok(Cow::Owned(Redactor::new(privacy)?.apply(event)?.into_owned())),
        None => Ok(Cow::Borrowed(event)),
    }
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let store = Store::open_read_only(&config.state.directory)?;
    let Some(letter) = store.letter(args.id)? else {
        complain(&format!(
            "there is no dead letter {}; `postrider dead-letters list` shows all",
            args.id
        ));
        return Ok(Exit::Wrong);
    };
    let Letter { entry, first, event } = &letter;
    let event = as_sent(config, &entry.sink, event)?;
    let shown = Shown {
        entry,
        first_at: *first,
        source: event.origin.source.as_str(),
        stream: event.origin.stream,
        revision: event.revision,
        change: event.change,
        time: Timestamp::from_millisecond(event.time_ms).ok(),
        verdict: event.verdict.as_deref(),
        tags: &event.origin.tags,
        bytes: event.json.len(),
        event: serde_json::from_str(&event.json)?,
    };
    match args.output {
        Output::Json => print(&tamed_json(&serde_json::to_string_pretty(&shown)?))?,
        Output::Table => print(&table(&shown)?)?,
    }
    Ok(Exit::Done)
}

/// The facts, and the event below them.
fn table(shown: &Shown<'_>) -> anyhow::Result<String> {
    let mut table = grid(&["dead letter", &shown.entry.id.to_string()]);
    let facts = serde_json::to_value(shown)?;
    for (name, fact) in facts.as_object().into_iter().flatten() {
        if !["id", "event"].contains(&name.as_str()) && !fact.is_null() {
            let text = fact.as_str().map_or_else(|| fact.to_string(), str::to_owned);
            table.add_row([name.as_str(), &tamed(&text)]);
        }
    }
    Ok(format!("{}\n\n{}", drawn(table), tamed_json(shown.event.get())))
}
