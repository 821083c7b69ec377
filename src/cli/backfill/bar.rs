//! A backfill's progress on standard error: a bar on a terminal, else a line now and then.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::{
    super::layout::{count, duration},
    report::percent,
    say,
};
use crate::store::requests::Request;

/// How often the bar is brought up to date.
pub(super) const REFRESH: Duration = Duration::from_millis(250);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Bar {
    drawn: ProgressBar,
    is_terminal: bool,
    began: Instant,
    /// What was done when it was joined, milliseconds of the range.
    done_before: Option<u64>,
    said: Instant,
}

impl Bar {
    pub(super) fn new() -> Self {
        let is_terminal = console::user_attended_stderr();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:32} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let drawn = ProgressBar::with_draw_target(Some(1), target).with_style(style);
        let now = Instant::now();
        Self { drawn, is_terminal, began: now, done_before: None, said: now }
    }

    /// Shows how far it is; `trouble` is what holds it up.
    pub(super) fn show(&mut self, request: &Request, trouble: Option<String>) {
        let range = request.range.end().duration_since(request.range.start());
        let whole = u64::try_from(range.as_millis()).unwrap_or(u64::MAX);
        let before = *self.done_before.get_or_insert(request.done_ms);
        let mut text = format!(
            "{}, {}, {}, {}",
            percent(request),
            count(request.records, "record"),
            count(request.slices, "slice"),
            count(request.calls, "call")
        );
        let done = request.done_ms.saturating_sub(before);
        let left = whole.saturating_sub(request.done_ms);
        if let Some(left) = time_left(self.began.elapsed(), done, left) {
            text.push_str(", about ");
            text.push_str(&duration(i64::try_from(left.as_secs()).unwrap_or(i64::MAX)));
            text.push_str(" left");
        }
        if let Some(trouble) = trouble {
            text.push_str(": ");
            text.push_str(&trouble);
        }
        if self.is_terminal {
            self.drawn.set_message(text);
            self.drawn.set_prefix(format!("backfill {}", request.id));
            self.drawn.set_length(whole);
            self.drawn.set_position(request.done_ms.min(whole));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            say(&format!("backfill {}: {text}", request.id));
        }
    }

    pub(super) fn clear(&self) {
        self.drawn.finish_and_clear();
    }
}

/// How long the rest takes at the pace so far; `None` while that says nothing.
fn time_left(elapsed: Duration, done: u64, left: u64) -> Option<Duration> {
    if done == 0 {
        return None;
    }
    let millis = elapsed.as_millis().saturating_mul(u128::from(left)) / u128::from(done);
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let minute = Duration::from_mins(1);
        assert_eq!(time_left(minute, 0, 100), None);
        assert_eq!(time_left(minute, 50, 100), Some(minute * 2));
        assert_eq!(time_left(minute, 100, 0), Some(Duration::ZERO));
    }
}
