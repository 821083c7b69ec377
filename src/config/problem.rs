//! What is wrong with a configuration, and how it is told.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One thing to mend. The message is a sentence that says what to change and never holds a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// The path of the key, such as `sources.etd-us.lag`.
    pub key: Option<String>,
    pub file: Option<PathBuf>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
    /// The environment variable that the value comes from.
    pub variable: Option<String>,
    pub message: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Line and column, counted from 1.
    File(usize, usize),
    Variable(String),
}

impl Problem {
    pub(super) fn new(severity: Severity, message: impl Into<String>) -> Self {
        // Names and paths in it may have line breaks.
        let message = message.into().replace(char::is_control, "\u{fffd}");
        Self { severity, key: None, file: None, line: None, column: None, variable: None, message }
    }

    pub(super) fn at(mut self, place: Option<&Place>, file: Option<&Path>) -> Self {
        match place {
            Some(Place::Variable(name)) => self.variable = Some(name.clone()),
            Some(Place::File(line, column)) => {
                self.file = file.map(Path::to_owned);
                (self.line, self.column) = (Some(*line), Some(*column));
            }
            None => self.file = file.map(Path::to_owned),
        }
        self
    }
}

/// `error: FILE:LINE:COLUMN: KEY: MESSAGE`, without what is not known.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
        })?;
        if let Some(name) = &self.variable {
            write!(f, "environment variable {name}: ")?;
        } else if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// All problems of a configuration, errors first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| {
            let rank = |p: &Problem| (p.severity, p.variable.is_some(), p.line, p.column);
            rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key))
        });
        problems.dedup();
        Self(problems)
    }
}

/// One line a problem, errors then warnings, and a count.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let errors = self.0.iter().filter(|p| p.severity == Severity::Error).count();
        let counted = |number: usize, word: &str| match number {
            0 => format!("no {word}s"),
            1 => format!("1 {word}"),
            _ => format!("{number} {word}s"),
        };
        let warnings = self.0.len() - errors;
        write!(f, "{}, {}", counted(errors, "error"), counted(warnings, "warning"))
    }
}

impl std::error::Error for Problems {}
