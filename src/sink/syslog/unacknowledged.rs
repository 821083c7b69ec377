//! How much of what was written the peer's TCP has not acknowledged.

use std::{io, os::fd::AsRawFd};

use tokio::net::TcpStream;

/// Bytes in the send queue: not sent, or sent and not acknowledged (`SIOCOUTQ`, which on Linux is
/// `TIOCOUTQ`).
#[expect(unsafe_code, reason = "no safe interface to this ioctl exists, and nothing else tells")]
pub(super) fn unacknowledged(stream: &TcpStream) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and TIOCOUTQ writes one
    // int to the address it is given, which `bytes` is for the whole call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    usize::try_from(bytes).map_err(|_| io::Error::other("a negative queue length"))
}
