//! The lines of an export's file, read as it comes: newline-delimited JSON, a JSON array, or gzip
//! of either. The vendor writes the first (its developer pages); its sample collector is ready for
//! all of them.
//!
//! Whatever the file's size, no more is held than the piece that was fed, some 64 KiB of its text,
//! and one line.

use std::fmt;

use bytes::{Buf as _, Bytes};
use serde::de::IgnoredAny;

use super::gunzip::Unpacked;
use crate::{
    fault::{Fault, Kind},
    source::text::excerpt,
};

/// Bytes of one line. The largest message that is known is some hundred KiB; what a search can
/// return at all is some 10 MB.
pub(crate) const LONGEST: usize = 8 << 20;
/// What is kept of a line that is longer, to name it.
const KEPT: usize = 256;

/// One line, or one item of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without the line's end. Not known to be JSON.
    Text(Vec<u8>),
    /// Longer than any line may be: how long, and how it begins.
    TooLong { bytes: u64, start: Vec<u8> },
}

/// Why a file cannot be read on. Lines that came before are good all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A web page in its place. It is not shown: such pages repeat the address that was asked for,
    /// which is signed.
    Markup,
    /// It claims to be gzip.
    Gzip(String),
    /// It ends in the middle of a line or of an array.
    CutShort,
}

impl Broken {
    /// A page in a file's place is what the link leads to now; another try at a broken file may be
    /// as well, and may not.
    pub(crate) fn fault(&self, file: &str) -> Fault {
        let kind = match self {
            Self::Markup => Kind::PageTokenRejected,
            Self::Gzip(_) | Self::CutShort => Kind::Refused,
        };
        Fault::new(kind, format!("the log export's file {}: {self}", excerpt(file)))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Markup => {
                f.write_str("a web page came in its place, perhaps from a proxy or a portal")
            }
            Self::Gzip(what) => write!(f, "its gzip is broken or cut short ({what})"),
            Self::CutShort => f.write_str("it ends in the middle of a line"),
        }
    }
}

/// How the text is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing but white space came yet, or an array just ended.
    Unknown,
    Lines,
    Array {
        depth: u32,
        quoted: bool,
        escaped: bool,
    },
}

/// Reads a file's lines: feed it, then take lines until there is none, and so on; then
/// [`Self::end`].
#[derive(Debug)]
pub(crate) struct Lines {
    unpacked: Unpacked,
    text: Bytes,
    form: Form,
    /// The line so far; of one that is too long, its start.
    line: Vec<u8>,
    /// How long the line so far is.
    bytes: u64,
    longest: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Lines {
    fn up_to(longest: usize) -> Self {
        Self {
            unpacked: Unpacked::default(),
            text: Bytes::new(),
            form: Form::Unknown,
            line: Vec::new(),
            bytes: 0,
            longest,
        }
    }

    /// Takes the next piece of the file, once [`Self::next`] gave `None`.
    pub(crate) fn feed(&mut self, piece: Bytes) {
        self.unpacked.feed(piece);
    }

    /// The next whole line; `None` where more is to be fed.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Broken> {
        loop {
            if let Some(line) = self.take()? {
                return Ok(Some(line));
            }
            match self.unpacked.next().map_err(Broken::Gzip)? {
                Some(text) => self.text = text,
                None => return Ok(None),
            }
        }
    }

    /// What is left once all was fed; to be called until it gives `None`.
    pub(crate) fn end(&mut self) -> Result<Option<Line>, Broken> {
        loop {
            if let Some(line) = self.take()? {
                return Ok(Some(line));
            }
            self.text = self.unpacked.end().map_err(Broken::Gzip)?;
            if self.text.is_empty() {
                break;
            }
        }
        if matches!(self.form, Form::Array { .. }) {
            return Err(Broken::CutShort);
        }
        // Many writers leave out the last line's end. What is not whole without it was cut.
        let last = self.finished();
        match &last {
            Some(Line::Text(text)) => match serde_json::from_slice::<IgnoredAny>(text) {
                Err(error) if error.is_eof() => Err(Broken::CutShort),
                _ => Ok(last),
            },
            Some(Line::TooLong { .. }) => Err(Broken::CutShort),
            None => Ok(None),
        }
    }

    /// The next line of the text that is unpacked.
    fn take(&mut self) -> Result<Option<Line>, Broken> {
        while !self.text.is_empty() {
            match self.form {
                Form::Unknown => self.begin()?,
                Form::Lines => {
                    let found = memchr::memchr(b'\n', &self.text);
                    self.add(found.unwrap_or(self.text.len()));
                    if found.is_some() {
                        self.text.advance(1);
                        if let Some(line) = self.finished() {
                            return Ok(Some(line));
                        }
                    }
                }
                Form::Array { .. } => {
                    if let Some(line) = self.item() {
                        return Ok(Some(line));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Looks at how the text begins.
    fn begin(&mut self) -> Result<(), Broken> {
        // A byte order mark is three bytes that no JSON has.
        let blank = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        let skip = self.text.iter().take_while(|byte| blank(byte)).count();
        self.text.advance(skip);
        match self.text.first() {
            None => {}
            Some(b'[') => {
                self.text.advance(1);
                self.form = Form::Array { depth: 0, quoted: false, escaped: false };
            }
            Some(b'<') => return Err(Broken::Markup),
            Some(_) => self.form = Form::Lines,
        }
        Ok(())
    }

    /// Goes on to the end of an array's item, or of the text.
    fn item(&mut self) -> Option<Line> {
        let Form::Array { mut depth, mut quoted, mut escaped } = self.form else { return None };
        for at in 0..self.text.len() {
            let byte = self.text[at];
            if quoted {
                quoted = escaped || byte != b'"';
                escaped = byte == b'\\' && !escaped;
                continue;
            }
            match byte {
                b'"' => quoted = true,
                b'{' | b'[' => depth = depth.saturating_add(1),
                b',' | b']' if depth == 0 => {
                    self.add(at);
                    self.text.advance(1);
                    self.form = match byte {
                        b']' => Form::Unknown,
                        _ => Form::Array { depth, quoted, escaped },
                    };
                    return self.finished();
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.form = Form::Array { depth, quoted, escaped };
        self.add(self.text.len());
        None
    }

    /// Moves so many bytes from the text to the line.
    fn add(&mut self, bytes: usize) {
        let piece = self.text.split_to(bytes);
        self.bytes += piece.len() as u64;
        if self.bytes <= self.longest as u64 {
            self.line.extend_from_slice(&piece);
            return;
        }
        let wanted = KEPT.saturating_sub(self.line.len()).min(piece.len());
        self.line.extend_from_slice(&piece[..wanted]);
        self.line.truncate(KEPT);
        self.line.shrink_to(KEPT);
    }

    /// The line, which has ended; `None` for a blank one.
    fn finished(&mut self) -> Option<Line> {
        let (line, bytes) = (std::mem::take(&mut self.line), std::mem::take(&mut self.bytes));
        if bytes > self.longest as u64 {
            return Some(Line::TooLong { bytes, start: line });
        }
        let text = line.trim_ascii();
        (!text.is_empty()).then(|| Line::Text(text.to_vec()))
    }
}

#[cfg(test)]
mod tests;
