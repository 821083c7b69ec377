//! A range of time as a strip of blocks: pure.

use jiff::Timestamp;

use crate::coverage::{
    State,
    report::{PassReport, Span},
};

/// What was not asked for.
const NOT_ASKED: char = '·';

/// A state's block: told apart by shape, so that colours are a help only.
pub(super) fn block(state: State) -> char {
    match state {
        State::Covered => '█',
        State::Failing => '!',
        State::Waiting => '▒',
        State::Refused => '/',
        State::Lost => '×',
    }
}

/// The states of the cells of a strip; none where nothing was asked for. A cell shows the worst
/// of what is in it, so that a short gap is seen.
pub(super) fn cells(pass: &PassReport, shown: Span, width: usize) -> Vec<Option<State>> {
    let covered = pass.covered.iter().map(|span| (*span, State::Covered));
    let gaps = pass.gaps.iter().map(|gap| (gap.span(), gap.state));
    let mut cells = vec![None; width];
    for (span, state) in covered.chain(gaps) {
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

/// The strip as text, coloured where the terminal is.
pub(super) fn text(cells: &[Option<State>]) -> String {
    let mut text = String::new();
    for run in cells.chunk_by(|a, b| a == b) {
        let blocks = |block: char| std::iter::repeat_n(block, run.len()).collect::<String>();
        match run.first().copied().flatten() {
            Some(state) => text += &coloured(state, blocks(block(state))),
            None => text += &blocks(NOT_ASKED),
        }
    }
    text
}

pub(super) fn legend() -> String {
    let names = State::ALL
        .map(|state| format!("{} {}", coloured(state, block(state).to_string()), state.as_str()));
    format!("{}  {NOT_ASKED} not asked for", names.join("  "))
}

fn coloured(state: State, text: String) -> String {
    let style = console::Style::new();
    let style = match state {
        State::Covered => style.green(),
        State::Failing | State::Lost => style.red(),
        State::Waiting => style.yellow(),
        State::Refused => style.magenta(),
    };
    style.apply_to(text).to_string()
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
