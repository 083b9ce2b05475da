//! TAP devices (`Documentation/networking/tuntap.rst`), with the virtio header that tunnels have words in.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::{Device, End, Heard};
use crate::error::{Context, Result};
use crate::netns::Netns;
use crate::vnet::VnetHeader;

/// `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;
const TUNSETIFINDEX: libc::c_ulong = 0x4004_54da;
const IFF_TAP: libc::c_short = 0x0002;
const IFF_NO_PI: libc::c_short = 0x1000;
const IFF_VNET_HDR: libc::c_short = 0x4000;
/// What frames may leave to their reader: checksums (1), cutting apart TCP over IPv4 and IPv6 (2, 4), with ECN (8), UDP over
/// either (32, 64).
const OFFLOADS: libc::c_uint = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40;
/// And all that inside a UDP tunnel, whose own checksum may be left, too (Linux 6.17).
const TUNNELS: libc::c_uint = 0x080 | 0x100;

/// A TAP device. It goes with the last of its handles.
#[derive(Clone, Debug)]
pub struct TapDevice(Arc<File>);

impl TapDevice {
    /// A new one in `netns`, with that index and name, switched off. Whoever may not open `/dev/net/tun`, or has a kernel
    /// before 6.17, gets an error.
    pub fn open(netns: &Netns, index: u32, name: &str) -> Result<TapDevice> {
        let called = name.to_owned();
        let opened = netns.run(move || open(index, &called))?;
        let tap =
            TapDevice(Arc::new(opened.doing("make", format!("TAP device {name} in {}", netns.name()))?));
        tap.leave_tunnels(true)?;
        Ok(tap)
    }

    /// Whether encapsulated frames of several packets pass it. The kernel cuts them apart before, if not.
    pub fn leave_tunnels(&self, whole: bool) -> Result<()> {
        let offloads = if whole { OFFLOADS | TUNNELS } else { OFFLOADS };
        self.number(TUNSETOFFLOAD, offloads.into()).doing("set the offloads of", "a TAP device")
    }

    /// What the device sends is received here, and what is sent here it receives.
    pub fn end(&self, name: &str) -> End {
        End::new(Device::Tap(self.clone()), name)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
        let mut header = [0; VnetHeader::LONG];
        loop {
            let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buffer)];
            match (&*self.0).read_vectored(&mut parts) {
                Ok(length) => {
                    let length = length.saturating_sub(VnetHeader::LONG);
                    return Ok(Some(Heard {
                        header: VnetHeader::parse_long(&header),
                        length,
                        age: Duration::ZERO,
                    }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn send(&self, header: &VnetHeader, bytes: &[u8]) -> nix::Result<usize> {
        let header = header.emit_long();
        nix::sys::uio::writev(&*self.0, &[IoSlice::new(&header), IoSlice::new(bytes)])
    }

    /// A setting that is a number, or points to one.
    fn number(&self, request: libc::c_ulong, number: libc::c_ulong) -> io::Result<()> {
        #[expect(unsafe_code, reason = "TAP devices have no other way")]
        // SAFETY: these requests take a number itself, and read no memory.
        let set = unsafe { libc::ioctl(self.0.as_raw_fd(), request, number) };
        Ok(Errno::result(set).map(drop)?)
    }
}

impl AsFd for TapDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(index: u32, name: &str) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let index = libc::c_int::try_from(index).map_err(io::Error::other)?;
    let length = libc::c_int::try_from(VnetHeader::LONG).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "TAP devices have no other way")]
    // SAFETY: zeros are a valid `ifreq`, and the name is cut to leave a zero at its end; the requests read a live `ifreq` and
    // live numbers of the type that they expect.
    unsafe {
        let ask = |request, argument: *const libc::c_void| {
            Errno::result(libc::ioctl(file.as_raw_fd(), request, argument)).map(drop)
        };
        ask(TUNSETIFINDEX, std::ptr::from_ref(&index).cast())?;
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        ask(TUNSETIFF, std::ptr::from_ref(&request).cast())?;
        ask(TUNSETVNETHDRSZ, std::ptr::from_ref(&length).cast())?;
    }
    Ok(file)
}
