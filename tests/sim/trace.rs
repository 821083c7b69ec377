//! What happened, in order: a hash to compare, and lines to read.

use std::{fmt::Arguments, sync::Mutex};

use jiff::Timestamp;

/// Whoever wants to read prints each line; all others keep the hash.
pub(crate) struct Trace {
    printed: bool,
    state: Mutex<(u64, u64)>,
}

impl Trace {
    pub(crate) fn new(printed: bool) -> Self {
        Self { printed, state: Mutex::new((0xCBF2_9CE4_8422_2325, 0)) }
    }

    pub(crate) fn note(&self, now: Timestamp, what: Arguments<'_>) {
        let line = format!("{now:.3} {what}");
        let mut state = self.state.lock().expect("no line panics");
        for byte in line.bytes() {
            state.0 = (state.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        state.1 += 1;
        drop(state);
        if self.printed {
            println!("{line}");
        }
    }

    /// A line for the reader only.
    pub(crate) fn say(&self, what: Arguments<'_>) {
        if self.printed {
            println!("{what}");
        }
    }

    /// The hash of all lines, and how many there were.
    pub(crate) fn sum(&self) -> (u64, u64) {
        *self.state.lock().expect("no line panics")
    }
}
