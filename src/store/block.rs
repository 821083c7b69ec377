//! Compression of the blocks that pages are kept in.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::get_frame_content_size,
};

/// zstd's fastest level: 4.8 times smaller already, and a tenth of the cost of a page.
const LEVEL: i32 = 1;
/// Larger than any page; a damaged block must not ask for more memory.
const LARGEST: u64 = 1 << 30;

/// Compresses and restores blocks. It is kept because setting one up costs a tenth of its use.
#[derive(Default)]
pub(super) struct Codec {
    compressor: Mutex<Option<Compressor<'static>>>,
    decompressor: Mutex<Option<Decompressor<'static>>>,
}

impl Codec {
    pub(super) fn compress(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut kept = locked(&self.compressor);
        let compressor = match &mut *kept {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        let mut block = compressor.compress(plain)?;
        // It was made for the worst case and waits for the commit.
        block.shrink_to_fit();
        Ok(block)
    }

    /// Forgets both contexts, some 1.5 MB.
    pub(super) fn clear(&self) {
        *locked(&self.compressor) = None;
        *locked(&self.decompressor) = None;
    }

    pub(super) fn restore(&self, block: &[u8]) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let length = get_frame_content_size(block).ok().flatten();
        let length = length.filter(|length| *length <= LARGEST).ok_or_else(damaged)?;
        let mut kept = locked(&self.decompressor);
        let decompressor = match &mut *kept {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress(block, usize::try_from(length).map_err(|_| damaged())?)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
