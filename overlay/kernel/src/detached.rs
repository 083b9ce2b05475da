//! File systems that are mounted nowhere and held by descriptor (fsopen(2), fsmount(2)): nobody else sees them, and they are gone with it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC`, which are the same, and `FSCONFIG_CMD_CREATE`, `linux/mount.h`.
const CLOEXEC: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;

/// The root of a new one of that kind. `EPERM` where the calling thread may not mount it, `ENODEV` where the kernel has it not.
pub(crate) fn root(kind: &CStr) -> io::Result<OwnedFd> {
    let none: *const libc::c_char = std::ptr::null();
    #[expect(unsafe_code, reason = "fsopen, fsconfig and fsmount have no safe form")]
    // SAFETY: C strings that live longer than the calls, null where the kernel allows it, plain numbers; each result is a new descriptor.
    unsafe {
        let context = descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC))?;
        let made = libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, none, none, 0);
        Errno::result(made)?;
        descriptor(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0))
    }
}

#[expect(unsafe_code, reason = "a system call gives its descriptor as a number")]
/// # Safety
/// A result that is no error has to be a descriptor that nobody else owns.
unsafe fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(Errno::result(result)?).map_err(io::Error::other)?;
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
