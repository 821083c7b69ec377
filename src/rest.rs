//! What a daemon does besides: it gives back what the last work took, memory when it is idle and
//! space on the disk at any time. One that is never idle, having many sources, gives back memory
//! every ten seconds.

use crate::{
    heap,
    store::{Store, StoreError},
    supervisor::{Step, Task},
};

/// How often it looks.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks without a rest after which what is free is given back all the same.
const BUSY: u32 = 2;

/// Lets go of caches when nothing was collected or delivered between two looks.
pub struct Rest {
    store: Store,
    seen: Option<u64>,
    rested: bool,
    busy: u32,
}

impl Rest {
    pub fn new(store: Store) -> Self {
        Self { store, seen: None, rested: false, busy: 0 }
    }
}

impl Task for Rest {
    async fn step(&mut self) -> anyhow::Result<Step> {
        // While nothing can be written, this would fail first.
        if self.store.disk_trouble().is_none() && self.give_back_pages().await? {
            return Ok(Step::Worked);
        }
        let changes = self.store.changes();
        if self.seen != Some(changes) {
            self.seen = Some(changes);
            self.rested = false;
            self.busy += 1;
            if self.busy >= BUSY {
                self.busy = 0;
                heap::give_back();
            }
        } else if !self.rested {
            self.rested = true;
            self.busy = 0;
            self.rest().await?;
            // Resting writes too, if nothing that counts.
            self.seen = Some(self.store.changes());
        }
        Ok(Step::Idle)
    }
}

impl Rest {
    /// Half of the time at most: others write, too.
    async fn give_back_pages(&self) -> Result<bool, StoreError> {
        let begun = tokio::time::Instant::now();
        let more = self.store.give_back_pages().await?;
        if more {
            tokio::time::sleep(begun.elapsed()).await;
        }
        Ok(more)
    }

    async fn rest(&self) -> Result<(), StoreError> {
        self.store.shrink().await?;
        heap::give_back();
        Ok(())
    }
}
