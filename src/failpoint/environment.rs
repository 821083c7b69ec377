//! What the environment orders of the built binary.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Moment, Verdict, set_everywhere};

const KILL: &str = "POSTRIDER_FAIL_POINT";
const LOG: &str = "POSTRIDER_FAIL_POINT_LOG";

/// Where the process is to die.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    place: String,
    moment: Moment,
    /// Counted from 1.
    time: u64,
}

/// Does what the environment says, from now on. An order that cannot be read ends the process: a
/// test that kills nothing proves nothing.
pub fn obey() {
    let kill = variable(KILL);
    let order = kill.map(|text| parse(&text).unwrap_or_else(|| panic!("{KILL}={text:?}")));
    let log = variable(LOG).map(|path| {
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        opened.unwrap_or_else(|error| panic!("{LOG}={path:?}: {error}"))
    });
    if order.is_none() && log.is_none() {
        return;
    }
    let times = AtomicU64::new(0);
    set_everywhere(Box::new(move |place, moment| {
        if let Some(log) = &log {
            note(log, place, moment);
        }
        let ordered = order.as_ref().is_some_and(|order| {
            order.place == place
                && order.moment == moment
                && times.fetch_add(1, Ordering::SeqCst) + 1 == order.time
        });
        if ordered { die() } else { Verdict::GoOn }
    }));
}

#[expect(clippy::disallowed_methods, reason = "not configuration, and not in a release")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn parse(text: &str) -> Option<Order> {
    let mut parts = text.split(':');
    let (place, moment, time) = (parts.next()?, parts.next()?, parts.next()?);
    let moment = match moment {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let time = time.parse().ok().filter(|time| *time > 0)?;
    parts.next().is_none().then(|| Order { place: place.to_owned(), moment, time })
}

fn note(mut log: &File, place: &str, moment: Moment) {
    let moment = if moment == Moment::Before { "before" } else { "after" };
    // One write a line: they do not mix. A log that cannot be written fails the test that reads it.
    drop(log.write_all(format!("{place}:{moment}\n").as_bytes()));
}

/// No destructor, no flush, no other thread's next step.
fn die() -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    let killed = kill_process(getpid(), Signal::KILL);
    assert!(killed.is_ok(), "the process cannot kill itself: {killed:?}");
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_name_a_place_a_moment_and_a_time() {
        let order = Order { place: "mark".into(), moment: Moment::After, time: 12 };
        assert_eq!(parse("mark:after:12"), Some(order));
        for bad in ["mark", "mark:after", "mark:after:0", "mark:later:1", "mark:after:1:2"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
