//! `--watch`: what a command shows, again and again; in place on a terminal, one block after the
//! other elsewhere.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::{Exit, Output, layout::time, print, setup};

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct WatchArgs {
    /// Show it again and again until Ctrl-C: every 2 seconds, or as many as are given. With
    /// `--output json` a document a line.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
}

impl WatchArgs {
    /// Whether it is shown more than once.
    pub(super) fn goes_on(self) -> bool {
        self.watch.is_some()
    }

    /// A document: to be read by people once, or one of many lines.
    pub(super) fn json(self, value: &impl Serialize) -> serde_json::Result<String> {
        if self.goes_on() {
            serde_json::to_string(value)
        } else {
            serde_json::to_string_pretty(value)
        }
    }
}

/// Shows once, or until a signal, what `look` finds. What it cannot find for now, such as a store
/// that nobody has made yet, is said in its place.
pub(super) async fn show(
    args: WatchArgs,
    title: &str,
    output: Output,
    mut look: impl FnMut() -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    let Some(seconds) = args.watch else {
        print(&look()?)?;
        return Ok(Exit::Done);
    };
    let every = match seconds {
        1 => "every second".to_owned(),
        seconds => format!("every {seconds} s"),
    };
    let mut place = Place::new(output)?;
    let mut ticks = interval(Duration::from_secs(seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let [mut interrupt, mut terminate, mut hangup, mut resized] = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::window_change())?,
    ];
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = resized.recv() => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
        }
        let text = look().unwrap_or_else(|error| match output {
            Output::Json => serde_json::json!({ "error": format!("{error:#}") }).to_string(),
            Output::Table => format!("{error:#}"),
        });
        let head = || format!("{title}, {every}: {}   Ctrl-C ends it", time(setup::clock().now()));
        match place.put(&head(), &text) {
            // Whoever read it has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            put => put?,
        }
    }
    Ok(Exit::Done)
}

/// Where it is shown.
enum Place {
    /// In place, on a screen of its own; what was there before comes back.
    Screen(Screen),
    /// One after the other.
    Blocks {
        any: bool,
    },
    Lines,
}

impl Place {
    fn new(output: Output) -> io::Result<Self> {
        Ok(match output {
            Output::Json => Self::Lines,
            Output::Table if console::user_attended() => Self::Screen(Screen::enter()?),
            Output::Table => Self::Blocks { any: false },
        })
    }

    fn put(&mut self, head: &str, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Screen(_) => {
                let (rows, _) = console::Term::stdout().size();
                // Each line over the one before it, so that nothing flickers. Cleared first: behind a
                // full line the cursor stays on its last character.
                out.write_all(b"\x1b[H\x1b[K")?;
                let lines = fitted(head, text, usize::from(rows));
                out.write_all(lines.join("\r\n\x1b[K").as_bytes())?;
                if lines.len() < usize::from(rows) {
                    out.write_all(b"\r\n\x1b[J")?;
                }
            }
            Self::Blocks { any } => {
                let before = if std::mem::replace(any, true) { "\n" } else { "" };
                writeln!(out, "{before}{text}")?;
            }
            Self::Lines => writeln!(out, "{text}")?,
        }
        out.flush()
    }
}

/// The terminal's other screen, without a cursor and without wrapping, until dropped.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        let mut out = io::stdout().lock();
        out.write_all(b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J")?;
        out.flush()?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        // A terminal that is gone needs nothing restored.
        let left = out.write_all(b"\x1b[?7h\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
        drop(left);
    }
}

/// The lines that `rows` have room for; where some are left out, the last one says so.
fn fitted(head: &str, text: &str, rows: usize) -> Vec<String> {
    let all = text.lines().count();
    let room = rows.saturating_sub(2).max(2);
    let (shown, left) = if all <= room { (all, 0) } else { (room - 1, all - (room - 1)) };
    let head = [head.to_owned(), String::new()];
    let lines = text.lines().take(shown).map(str::to_owned);
    let note = (left > 0).then(|| {
        let lines = if left == 1 { "line" } else { "lines" };
        format!("… and {left} more {lines}: make the terminal higher, or leave `--watch` away")
    });
    head.into_iter().chain(lines).chain(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_said() {
        let text = "1\n2\n3\n4\n5";
        assert_eq!(fitted("head", text, 7), ["head", "", "1", "2", "3", "4", "5"]);
        let cut = fitted("head", text, 6);
        assert_eq!(cut.len(), 6);
        assert_eq!(cut[..5], ["head", "", "1", "2", "3"]);
        assert!(cut[5].starts_with("… and 2 more lines"), "{}", cut[5]);
        assert_eq!(fitted("head", text, 0).len(), 4);
    }
}
