//! The scheduling of single threads.
#![expect(unsafe_code, reason = "no safe interface sets the scheduling of a single thread")]

use std::io;

/// Takes the calling thread out of a real-time policy that it was born into: what it does in the background must not keep the kernel's own
/// threads from the disk.
pub fn normal_priority() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: a plain call about the calling thread, whose parameters live as long as it lasts.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
