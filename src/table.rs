//! SER rows as a table, for spreadsheets and BI: one row a window and application user, in its latest
//! revision, with the same columns in every format.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub mod csv;
mod event;
pub mod json;
mod known;
pub mod parquet;

/// One version of a SER row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub source: String,
    pub application: Option<String>,
    pub application_user: Option<String>,
    pub envelope_from: Option<String>,
    pub header_from: Option<String>,
    /// In the order of their columns; `None` where the vendor gave none, which is not zero.
    pub status: [Option<i128>; 9],
    /// Messages by DSN class, 2 to 5.
    pub dsn: [Option<i128>; 4],
    /// Counters without a column, as JSON.
    pub other_counters: Option<String>,
    pub revision: u32,
    pub event_id: String,
    pub record_id: String,
    pub collected_at: Option<Timestamp>,
    /// Whether the vendor no longer has it. Such a row is in no table.
    pub vanished: bool,
}

/// The vendor's counters of `status`, and their columns.
const STATUS: [(&str, &str); 9] = [
    ("success", "success"),
    ("failure", "failure"),
    ("tempFailure", "temp_failure"),
    ("partialSuccess", "partial_success"),
    ("inProgress", "in_progress"),
    ("total", "total"),
    ("recipientsTotal", "recipients_total"),
    ("messageSizeTotal", "message_size_total"),
    ("deliveredSizeTotal", "delivered_size_total"),
];

/// The columns by DSN class.
const DSN: [(&str, &str); 4] =
    [("2.X.X", "dsn_2xx"), ("3.X.X", "dsn_3xx"), ("4.X.X", "dsn_4xx"), ("5.X.X", "dsn_5xx")];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTC.
    Time,
    Text,
    /// Messages, recipients or bytes.
    Count,
}

/// What stands in a column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'r> {
    Time(Option<Timestamp>),
    Text(Option<&'r str>),
    Count(Option<i128>),
}

/// The columns, in order. Names and order stay; new ones come at the end.
pub fn columns() -> impl Iterator<Item = (&'static str, Kind)> {
    let text = |name| (name, Kind::Text);
    [("window_start", Kind::Time), ("window_end", Kind::Time)]
        .into_iter()
        .chain(
            ["source", "application", "application_user", "envelope_from", "header_from"].map(text),
        )
        .chain(STATUS.map(|(_, column)| (column, Kind::Count)))
        .chain(DSN.map(|(_, column)| (column, Kind::Count)))
        .chain([text("other_counters"), ("revision", Kind::Count)])
        .chain(["event_id", "record_id"].map(text))
        .chain([("collected_at", Kind::Time)])
}

impl Row {
    /// What stands in the columns, in their order.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let names =
            [&self.application, &self.application_user, &self.envelope_from, &self.header_from];
        [Cell::Time(Some(self.window_start)), Cell::Time(Some(self.window_end))]
            .into_iter()
            .chain([Cell::Text(Some(&self.source))])
            .chain(names.map(|name| Cell::Text(name.as_deref())))
            .chain(self.status.map(Cell::Count))
            .chain(self.dsn.map(Cell::Count))
            .chain([Cell::Text(self.other_counters.as_deref())])
            .chain([Cell::Count(Some(self.revision.into()))])
            .chain([&self.event_id, &self.record_id].map(|id| Cell::Text(Some(id))))
            .chain([Cell::Time(self.collected_at)])
    }

    /// The UTC day that its window begins on.
    pub fn day(&self) -> Date {
        self.window_start.to_zoned(TimeZone::UTC).date()
    }

    /// Tables are in this order.
    pub fn order(&self) -> impl Ord + use<> {
        let names = [&self.application, &self.application_user, &self.envelope_from];
        (self.window_start, self.source.clone(), names.map(Clone::clone), self.record_id.clone())
    }
}

/// A file format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Parquet,
    /// A line of JSON a row.
    Json,
}

impl Format {
    /// The end of its files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Json => "jsonl",
        }
    }

    /// A whole table, of rows in their order, without those that vanished.
    pub fn write(self, rows: &[Row]) -> std::io::Result<Vec<u8>> {
        let rows: Vec<&Row> = rows.iter().filter(|row| !row.vanished).collect();
        match self {
            Self::Csv => csv::write(&rows),
            Self::Parquet => parquet::write(&rows),
            Self::Json => json::write(&rows),
        }
    }
}

#[cfg(test)]
mod tests;
