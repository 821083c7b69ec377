//! Text or gzip, unpacked piece by piece.

use std::io::Write as _;

use bytes::{Buf as _, Bytes};
use flate2::write::MultiGzDecoder;

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Unpacks what it is fed, at most some 64 KiB at once, so that a compressed bomb takes no memory.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    form: Form,
    /// What was fed and not yet unpacked.
    input: Bytes,
}

#[derive(Debug, Default)]
enum Form {
    /// Nothing, or one byte that may begin the magic number.
    #[default]
    Unknown,
    First(u8),
    Text,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// The end was told.
    Over,
}

impl Unpacked {
    /// Takes the next piece of the file, once [`Self::next`] has nothing left of the last one.
    pub(super) fn feed(&mut self, piece: Bytes) {
        debug_assert!(self.input.is_empty(), "the piece before is used up");
        self.input = piece;
    }

    /// The next piece of text; `None` where more is to be fed. The error says what is broken.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            if self.input.is_empty() {
                return Ok(None);
            }
            match &mut self.form {
                Form::Unknown => match *self.input {
                    [first] if first == MAGIC[0] => {
                        self.form = Form::First(first);
                        self.input.clear();
                    }
                    [first, second, ..] if [first, second] == MAGIC => self.form = Form::gzip(),
                    _ => self.form = Form::Text,
                },
                Form::First(first) => {
                    let first = *first;
                    let mut whole = vec![first];
                    whole.extend_from_slice(&self.input);
                    self.form = if whole.starts_with(&MAGIC) { Form::gzip() } else { Form::Text };
                    self.input = whole.into();
                }
                Form::Text => return Ok(Some(std::mem::take(&mut self.input))),
                Form::Gzip(decoder) => {
                    let taken = decoder.write(&self.input).map_err(|error| error.to_string())?;
                    if taken == 0 {
                        return Err("it goes on after its end".into());
                    }
                    self.input.advance(taken);
                    let text = std::mem::take(decoder.get_mut());
                    if !text.is_empty() {
                        return Ok(Some(text.into()));
                    }
                }
                Form::Over => return Err("it goes on after its end".into()),
            }
        }
    }

    /// The rest, once all was fed. The error says what is broken, or that the end is missing.
    pub(super) fn end(&mut self) -> Result<Bytes, String> {
        match std::mem::replace(&mut self.form, Form::Over) {
            Form::Unknown | Form::Text | Form::Over => Ok(Bytes::new()),
            // No JSON begins so.
            Form::First(_) => Err("only its first byte came".into()),
            Form::Gzip(decoder) => match decoder.finish() {
                Ok(text) => Ok(text.into()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl Form {
    fn gzip() -> Self {
        Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
    }
}
