//! A range of time as cells of one length: pure.

use jiff::Timestamp;

use super::{State, report::Span};

/// The states of so many cells; none where nothing was asked for. A cell shows the worst of what
/// is in it, so that a short gap is seen.
pub fn cells(
    states: impl IntoIterator<Item = (Span, State)>,
    shown: Span,
    width: usize,
) -> Vec<Option<State>> {
    let mut cells = vec![None; width];
    for (span, state) in states.into_iter().filter(|(span, _)| span.touches(shown)) {
        let (first, end) = (cell(span.0[0], shown, width), cell(span.0[1], shown, width));
        // At least the cell it begins in; not one that it only ends at.
        let last = if exact(span.0[1], shown, width) { end } else { end + 1 };
        let last = last.max(first + 1).min(width);
        for cell in cells.iter_mut().take(last).skip(first) {
            if cell.is_none_or(|there| rank(there) < rank(state)) {
                *cell = Some(state);
            }
        }
    }
    cells
}

/// What a cell shows of several.
fn rank(state: State) -> u8 {
    match state {
        State::Covered => 0,
        State::Waiting => 1,
        State::Failing => 2,
        State::Refused => 3,
        State::Lost => 4,
    }
}

/// The cell that an instant falls into; past the last one what comes later.
fn cell(at: Timestamp, shown: Span, width: usize) -> usize {
    let (offset, length) = offset(at, shown);
    usize::try_from(offset * scale(width) / length).unwrap_or(width)
}

/// Whether a cell begins at this instant.
fn exact(at: Timestamp, shown: Span, width: usize) -> bool {
    let (offset, length) = offset(at, shown);
    offset * scale(width) % length == 0
}

fn offset(at: Timestamp, shown: Span) -> (i128, i128) {
    let [from, to] = shown.0.map(|at| i128::from(at.as_millisecond()));
    let length = (to - from).max(1);
    ((i128::from(at.as_millisecond()) - from).clamp(0, length), length)
}

fn scale(width: usize) -> i128 {
    i128::try_from(width).unwrap_or(1)
}
