//! A range of time as a strip of blocks: pure.

use crate::coverage::{
    State, cells,
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

/// The cells of a pass.
pub(super) fn cells(pass: &PassReport, shown: Span, width: usize) -> Vec<Option<State>> {
    let covered = pass.covered.iter().map(|span| (*span, State::Covered));
    let gaps = pass.gaps.iter().map(|gap| (gap.span(), gap.state));
    cells::cells(covered.chain(gaps), shown, width)
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
