//! Whether this machine's clock is right.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    domain::{name::SourceName, severity::Severity},
    health::{
        matter::{Kind, Matter},
        state::words,
    },
};

/// A machine that slept is believed within this: no news.
const STUMBLE: Duration = Duration::from_secs(30);

/// Of a clock that is `off` ahead of the time that vendors tell.
pub fn matter(off: Option<SignedDuration>) -> Option<Matter> {
    let off = off?;
    let side = if off.is_positive() { "ahead" } else { "behind" };
    let message = format!(
        "The clock of this machine is {} {side}, by the time that vendors tell or by how long \
         Postrider runs. Collecting goes on without that. Set the clock; log lines carry its time.",
        words(off.unsigned_abs())
    );
    let kind = (Kind::Clock, side);
    let matter = Matter::new(&SourceName::own(), "clock", kind, Severity::Warning, message);
    // What wavers is not told anew.
    Some(matter.after(STUMBLE).with("minutes", off.as_mins()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_right_is_no_matter() {
        assert_eq!(matter(None), None);
        let told = |hours| matter(Some(SignedDuration::from_hours(hours))).unwrap().telling;
        assert_eq!(told(1).condition, "ahead");
        assert_eq!(told(-24 * 365).condition, "behind");
        assert!(told(-24 * 365).message.contains("is 365 days behind"));
    }
}
