//! Colours for the words of drawn tables. They are a help only: the words stay, and without a
//! terminal, or with `NO_COLOR`, there are none.

use console::Style;

/// A blank within a cell at which no line is broken, until it is painted.
pub(super) const TOGETHER: &str = "\u{a0}";

/// A drawn table with the words of its cells coloured that say how something is doing.
pub(super) fn states(table: &str) -> String {
    let mut is_head = true;
    let lines = table.lines().map(|text| {
        if is_head {
            is_head = !text.starts_with('─');
            return text.to_owned();
        }
        line(&text.replace(TOGETHER, " "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Cells are apart by two blanks at least; within them words are by one.
fn line(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for (number, cell) in line.split("  ").enumerate() {
        if number > 0 {
            text.push_str("  ");
        }
        let word = cell.trim();
        match style(word) {
            Some(style) => text += &cell.replacen(word, &style.apply_to(word).to_string(), 1),
            None => text += cell,
        }
    }
    text
}

/// The colour of a cell that begins with a state, perhaps with more after a comma.
fn style(cell: &str) -> Option<Style> {
    let style = Style::new();
    if cell.ends_with(" failing)") {
        return Some(style.red());
    }
    match cell.split_once(',').map_or(cell, |(word, _)| word) {
        "collecting" | "ok" | "equal" => Some(style.green()),
        "quiet" | "behind" | "throttled" | "new" | "waiting" | "warning" => Some(style.yellow()),
        "failing" | "auth failed" | "lost" | "error" | "MEND" => Some(style.red().bold()),
        "refused" => Some(style.magenta()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_cells_are_coloured() {
        let is_coloured = |cell| style(cell).is_some();
        for cell in ["ok", "auth failed, next try 2026-11-22 09:00:00Z", "180 (1 failing)"] {
            assert!(is_coloured(cell), "{cell}");
        }
        for cell in ["", "it is ok", "failing sink", "lost 3", "0"] {
            assert!(!is_coloured(cell), "{cell}");
        }
    }

    #[test]
    fn without_a_terminal_nothing_changes() {
        let table = " source   lost         lag\n──────\n etd      auth failed  6 min\n";
        assert_eq!(states(table), table.trim_end());
    }
}
