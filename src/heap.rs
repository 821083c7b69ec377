//! The C library's heap, which otherwise keeps what a busy minute took.
//!
//! glibc gives each thread a heap of its own and returns little of them to the system. A collector
//! is idle most of the time, so it uses one heap and gives back what is free when it rests.

/// Bytes from which a piece of memory is the system's own again as soon as it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 1 << 20;

/// One heap for all threads. Allocation is a small part of the work, so they do not get into each
/// other's way.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "there is no safe interface to glibc's settings")]
    // SAFETY: mallopt takes two integers by value and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // Left to itself, glibc puts what is large into the heap too once such a thing was freed, and
        // there it leaves holes.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
    }
}

/// Returns free memory to the system.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "there is no safe interface to glibc's heap")]
    // SAFETY: malloc_trim touches only what is free, under the heap's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}
