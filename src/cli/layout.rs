//! How commands lay out text for people: tables and sentences as wide as the terminal, lengths of
//! time.

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};
use jiff::{SignedDuration, Timestamp};

/// Words longer than this may be broken: paths and addresses.
const LONGEST_WORD: usize = 12;
/// What a column takes beside its words: a blank on both sides, and one between columns.
const PADDING: usize = 2;
const BETWEEN: usize = 1;

/// Columns of the terminal; `None` into a pipe or a file, where lines may be as long as they are.
pub(super) fn width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// An empty table with these columns.
pub(super) fn grid(columns: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line));
    table.set_header(columns.iter().copied());
    table
}

/// The table as text, no wider than the terminal. Words are broken only where there is no room.
pub(super) fn drawn(table: Table) -> String {
    fitted(table, width()).trim_fmt()
}

fn fitted(mut table: Table, width: Option<usize>) -> Table {
    let Some(width) = width else { return table };
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    let mut longest: Vec<usize> = Vec::new();
    for row in table.header().into_iter().chain(table.row_iter()) {
        longest.resize(longest.len().max(row.cell_iter().count()), 0);
        for (longest, cell) in longest.iter_mut().zip(row.cell_iter()) {
            let content = cell.content();
            let words = content.split([' ', '\n']).map(|word| word.chars().count());
            *longest = words.fold(*longest, usize::max).min(LONGEST_WORD);
        }
    }
    if longest.iter().map(|word| word + PADDING + BETWEEN).sum::<usize>() <= width {
        for (column, word) in table.column_iter_mut().zip(longest) {
            let least = u16::try_from(word + PADDING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    table
}

/// A paragraph with its lines broken between words; further lines are indented by `indent`.
pub(super) fn wrapped(text: &str, indent: usize, width: Option<usize>) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    // What begins the first line stays.
    let begin = text.len() - text.trim_start().len();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column == 0 {
            lines.extend(std::iter::repeat_n(' ', begin));
            column = begin + length;
        } else if width.is_some_and(|width| column + 1 + length > width) {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent + length;
        } else {
            lines.push(' ');
            column += 1 + length;
        }
        lines.push_str(word);
    }
    lines
}

/// Calls as a share of a day's.
pub(super) fn percent(calls: u64, per_day: Option<u32>) -> String {
    let Some(most) = per_day else { return "no limit".into() };
    let most = u64::from(most.max(1));
    if (1..most / 2_000).contains(&calls) {
        return "< 0.1 %".into();
    }
    let tenths = (calls.saturating_mul(1000) + most / 2) / most;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A number of things.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// How long calls take at the rate limit, in seconds.
pub(super) fn at_limit(seconds: u64) -> String {
    match i64::try_from(seconds) {
        Ok(0) => "less than a second".to_owned(),
        Ok(seconds) => duration(seconds),
        Err(_) => "for ever".to_owned(),
    }
}

/// A time in a table, which breaks between day and hour where there is little room.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A length of time in its greatest units.
pub(super) fn duration(seconds: i64) -> String {
    let whole = SignedDuration::from_secs(seconds);
    match (whole.as_hours(), whole.as_mins()) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) if hours < 72 && minutes % 60 > 0 => {
            format!("{hours} h {} min", minutes % 60)
        }
        (hours, _) if hours < 72 => format!("{hours} h"),
        (hours, _) if hours % 24 > 0 => format!("{} d {} h", hours / 24, hours % 24),
        (hours, _) => format!("{} d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_share_is_not_rounded_up() {
        for (calls, text) in
            [(0, "0.0 %"), (6, "< 0.1 %"), (100_000, "0.1 %"), (150_000_000, "150.0 %")]
        {
            assert_eq!(percent(calls, Some(100_000_000)), text);
        }
        assert_eq!(percent(6, None), "no limit");
    }

    #[test]
    fn a_narrow_table_breaks_no_words() {
        let table = || {
            let mut table = grid(&["gap in", "state", "from", "reason"]);
            table.add_row(["live", "waiting", "2026-11-22 08:33:36Z", "the vendor is slow today"]);
            table
        };
        assert_eq!(fitted(table(), None).to_string().lines().count(), 3);
        let narrow = fitted(table(), Some(46)).to_string();
        assert!(narrow.lines().all(|line| line.chars().count() <= 46), "{narrow}");
        for whole in ["waiting", "2026-11-22", "08:33:36Z", "vendor"] {
            assert!(narrow.contains(whole), "{narrow}");
        }
        let too_narrow = fitted(table(), Some(30)).to_string();
        assert!(too_narrow.lines().all(|line| line.chars().count() <= 30), "{too_narrow}");
    }

    #[test]
    fn paragraphs() {
        assert_eq!(wrapped("  one two three", 4, Some(10)), "  one two\n    three");
        assert_eq!(wrapped("  one two three", 4, None), "  one two three");
    }

    #[test]
    fn lengths_and_counts() {
        let lengths = [59, 60, 3_600, 5_400, 259_200, 262_800].map(duration);
        assert_eq!([0, 1, 2].map(|n| count(n, "call")), ["0 calls", "1 call", "2 calls"]);
        assert_eq!(lengths, ["59 s", "1 min", "1 h", "1 h 30 min", "3 d", "3 d 1 h"]);
    }
}
