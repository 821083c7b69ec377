//! JSON lines to standard output, for trials and containers.

use std::{
    io::{self, Write},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{Outcome, Sink, Unfit};
use crate::{
    config::{self, BatchLimits, Schema},
    domain::event::Event,
    fault::Fault,
    format::{json, schema},
};

/// Counts a batch as accepted once it was written and flushed: whoever reads the pipe has it, or
/// will.
pub struct Stdout {
    batch: BatchLimits,
    schema: Schema,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl Stdout {
    pub fn new(sink: &config::Sink) -> Self {
        Self::to(sink, io::stdout())
    }

    fn to(sink: &config::Sink, out: impl Write + Send + 'static) -> Self {
        Self { batch: sink.batch, schema: sink.schema, out: Arc::new(Mutex::new(out)) }
    }
}

impl Sink for Stdout {
    fn batch_limits(&self) -> BatchLimits {
        self.batch
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        json::one_line(&schema::json(event, self.schema), out);
        out.push(b'\n');
        Ok(())
    }

    async fn send(&self, body: Bytes, _: &[Range<usize>]) -> Outcome {
        let out = Arc::clone(&self.out);
        let write = move || {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(&body)?;
            out.flush()
        };
        // A reader that is slow, or stopped, blocks the write: not a thread that others need.
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Outcome::Accepted,
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Outcome::Failed(Fault::auth(
                    "nobody reads standard output any more: start Postrider with a reader, or \
                     choose another sink",
                ))
            }
            Ok(Err(error)) => Outcome::Failed(
                Fault::transient("cannot write to standard output").caused_by(error),
            ),
            Err(error) => Outcome::Failed(
                Fault::transient("writing to standard output was aborted").caused_by(error),
            ),
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        Ok("events go to standard output".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fault::Kind, sink::tests::sink};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn events_come_out_as_lines() {
        let out = Shared::default();
        let stdout = Stdout::to(&sink(), out.clone());
        let (body, frames) = crate::sink::tests::batch(&stdout, 2);
        assert!(matches!(stdout.send(body, &frames).await, Outcome::Accepted));
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [&*crate::sink::tests::event(0).json, &*crate::sink::tests::event(1).json]
        );
    }

    #[tokio::test]
    async fn a_closed_pipe_holds_and_says_so() {
        let stdout = Stdout::to(&sink(), Closed);
        let (body, frames) = crate::sink::tests::batch(&stdout, 1);
        let Outcome::Failed(fault) = stdout.send(body, &frames).await else { panic!() };
        assert_eq!(fault.kind, Kind::Auth);
        assert!(fault.to_string().starts_with("nobody reads standard output"));
    }
}
