//! JSON lines in a file, on disk before they count as accepted.

use std::{
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use self::appender::Appender;
use super::{Outcome, Sink, Unfit};
use crate::{
    clock::Clock,
    config::{self, BatchLimits, Schema},
    domain::event::Event,
    fault::Fault,
    format::{json, schema},
};

mod appender;
pub(super) use appender::{directory, sync_directory};
mod rotate;

pub struct File {
    batch: BatchLimits,
    schema: Schema,
    clock: Arc<dyn Clock>,
    appender: Arc<Mutex<Appender>>,
}

impl File {
    pub fn new(sink: &config::Sink, settings: &config::File, clock: Arc<dyn Clock>) -> Self {
        let appender = Arc::new(Mutex::new(Appender::new(settings.clone())));
        Self { batch: sink.batch, schema: sink.schema, clock, appender }
    }

    /// Runs on a thread that may block, and to its end even if nobody waits for it any more.
    async fn with_appender<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Appender) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let appender = Arc::clone(&self.appender);
        let work = move || work(&mut appender.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(Fault::transient("writing the file was aborted").caused_by(error)),
        }
    }
}

impl Sink for File {
    fn batch_limits(&self) -> BatchLimits {
        self.batch
    }

    fn frame(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unfit> {
        json::one_line(&schema::json(event, self.schema), out);
        out.push(b'\n');
        Ok(())
    }

    async fn send(&self, body: Bytes, _: &[Range<usize>]) -> Outcome {
        let now = self.clock.now();
        match self.with_appender(move |appender| appender.append(&body, now)).await {
            Ok(()) => Outcome::Accepted,
            Err(fault) => Outcome::Failed(fault),
        }
    }

    async fn probe(&self) -> Result<String, Fault> {
        self.with_appender(|appender| appender.probe()).await
    }
}

/// A full or failing disk may mend itself; what a person has to change holds.
pub(super) fn fault(doing: &str, path: &std::path::Path, error: io::Error) -> Fault {
    let text = format!("cannot {doing} {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory => Fault::auth(text),
        _ => Fault::transient(text),
    }
    .cured_by(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let the user that runs postrider write there; under systemd add the directory to \
             `ReadWritePaths=`"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "choose a directory that can be written to; under systemd add it to `ReadWritePaths=`"
        }
        io::ErrorKind::NotADirectory => "choose a path below a directory",
        io::ErrorKind::IsADirectory => "name a file in `path`, not a directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk",
        _ => "look at the disk: how it is mounted, and its errors",
    })
    .caused_by(error)
}

#[cfg(test)]
mod tests;
