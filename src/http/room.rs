//! Room for large bodies: memory must not grow with the number of sources, some of which may be
//! hostile.
//!
//! A usual page is some hundred KiB. What is larger than [`SMALL`] is read, and then worked on, by
//! at most [`AT_ONCE`] clients of the whole process, once a client: one source alone cannot take
//! the room of all others.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::fault::Fault;

/// Bytes that a body may have without asking for room.
pub(super) const SMALL: usize = 2 << 20;

/// Large bodies in the process at once.
const AT_ONCE: usize = 2;

/// How long a body waits for room; shorter than a request's usual timeout, whose text would mislead.
const WAIT: Duration = Duration::from_secs(30);

static ALL: Semaphore = Semaphore::const_new(AT_ONCE);

/// One client's share.
#[derive(Debug, Clone)]
pub(super) struct Share(Arc<Semaphore>);

impl Default for Share {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Room that a large body has until this is dropped.
#[derive(Debug)]
pub struct Room {
    _own: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'static>,
}

impl Share {
    pub(super) async fn room(&self, peer: &str) -> Result<Room, Fault> {
        let room = async {
            let own = self.0.clone().acquire_owned().await.ok()?;
            Some(Room { _own: own, _of_all: ALL.acquire().await.ok()? })
        };
        tokio::time::timeout(WAIT, room).await.ok().flatten().ok_or_else(|| {
            Fault::transient(format!(
                "the answer of {peer} is larger than {} MiB, and others as large took all the room \
                 for {} s; it is asked for again",
                SMALL >> 20,
                WAIT.as_secs()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_and_one_client_leaves_room_for_others() {
        let (greedy, other, third) = (Share::default(), Share::default(), Share::default());
        let first = greedy.room("a:443").await.unwrap();
        let fault = greedy.room("a:443").await.unwrap_err();
        assert!(fault.to_string().contains("larger than 2 MiB"), "{fault}");
        let second = other.room("b:443").await.unwrap();
        assert!(third.room("c:443").await.is_err());
        let (waited, ()) = tokio::join!(third.room("c:443"), async {
            tokio::task::yield_now().await;
            drop(second);
        });
        drop((first, waited.unwrap()));
        greedy.room("a:443").await.unwrap();
    }
}
