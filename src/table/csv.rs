//! CSV by RFC 4180, in UTF-8: a header, commas, CR LF, times as RFC 3339.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and an application's
//! name may be anybody's. So a text that begins with one of these, a tab, a line break or `'` gets a `'`
//! in front, which spreadsheets show as text. Whoever needs the exact text takes one `'` off again.
//! Texts are quoted, so that no other separator ends one.

use std::{borrow::Cow, io};

use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::{Cell, Row, columns};

pub(super) fn write(rows: &[&Row]) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::NonNumeric)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(columns().map(|(name, _)| name))?;
    for row in rows {
        writer.write_record(row.cells().map(|cell| text(cell).into_owned()))?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn text(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Time(time) => time.map(|time| time.to_string()).unwrap_or_default().into(),
        Cell::Count(count) => count.map(|count| count.to_string()).unwrap_or_default().into(),
        Cell::Text(text) => plain(text.unwrap_or_default()),
    }
}

/// A text that no spreadsheet takes for a formula.
fn plain(text: &str) -> Cow<'_, str> {
    let odd = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];
    if text.starts_with(odd) { format!("'{text}").into() } else { text.into() }
}
