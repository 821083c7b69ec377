//! Named places where a test makes the process die or the store fail. Without the feature `testing`
//! there is nothing here, and nothing at the places.
//!
//! The built binary, where it has the feature, takes its orders from the environment:
//! `POSTRIDER_FAIL_POINT=commit-page:before:3` kills it when it is there for the third time, by a
//! SIGKILL to itself; `POSTRIDER_FAIL_POINT_LOG=FILE` has each place written down that it reaches.

/// What happens at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// The store fails as on a full disk.
    Fail,
    /// Nothing after this place happens: the process is dead.
    Die,
}

/// On which side of what it is named for a place lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    Before,
    After,
}

/// Sending a batch; transactions are places by their own names, reads are `read`.
pub const SEND: &str = "send";
pub const READ: &str = "read";
/// Asking a vendor for a page.
pub const FETCH: &str = "fetch";
/// Putting a file of a table in the place of the one before.
pub const TABLE: &str = "table";
/// Making the store's file, and each step that brings it to this version's schema.
pub const CREATE: &str = "create";
pub const MIGRATE: &str = "migrate";

#[cfg(feature = "testing")]
mod enabled {
    use std::{cell::RefCell, rc::Rc, sync::OnceLock};

    use super::{Moment, Verdict};

    type Here = Rc<dyn Fn(&'static str, Moment) -> Verdict>;
    type Everywhere = Box<dyn Fn(&'static str, Moment) -> Verdict + Send + Sync>;

    thread_local! {
        static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
    }
    static EVERYWHERE: OnceLock<Everywhere> = OnceLock::new();

    /// Decides for this thread from now on: a simulation runs on one.
    pub fn set_here(decide: Option<Here>) {
        HERE.with_borrow_mut(|here| *here = decide);
    }

    /// Decides for the process, once and for all.
    pub fn set_everywhere(decide: Everywhere) {
        drop(EVERYWHERE.set(decide));
    }

    /// Whether a simulation runs on this thread, in which nothing may run beside it.
    pub fn is_simulated() -> bool {
        HERE.with_borrow(Option::is_some)
    }

    pub fn reach(place: &'static str, moment: Moment) -> Verdict {
        let here = HERE.with_borrow(Clone::clone);
        here.map(|decide| decide(place, moment))
            .or_else(|| EVERYWHERE.get().map(|decide| decide(place, moment)))
            .unwrap_or(Verdict::GoOn)
    }

    /// Reaches a place at the store's opening, where only a whole process can die.
    pub fn open(place: &'static str, moment: Moment) {
        if let Some(decide) = EVERYWHERE.get() {
            decide(place, moment);
        }
    }
}

#[cfg(feature = "testing")]
mod environment;

#[cfg(feature = "testing")]
pub use enabled::{is_simulated, open, reach, set_everywhere, set_here};
#[cfg(feature = "testing")]
pub use environment::obey as obey_environment;

#[cfg(not(feature = "testing"))]
#[inline]
pub fn obey_environment() {}

#[cfg(not(feature = "testing"))]
#[inline]
pub fn reach(_: &'static str, _: Moment) -> Verdict {
    Verdict::GoOn
}

#[cfg(not(feature = "testing"))]
#[inline]
pub fn open(_: &'static str, _: Moment) {}

/// Reaches a place at which only dying is possible.
pub async fn pass(place: &'static str, moment: Moment) {
    if reach(place, moment) == Verdict::Die {
        std::future::pending::<()>().await;
    }
}
