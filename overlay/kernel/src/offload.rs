//! What a link leaves to its hardware (`ethtool -k`). A veth has none, and hands it on to its other side.

use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

use crate::error::{Context, Result};
use crate::netns::Netns;

/// `SIOCETHTOOL`, `linux/sockios.h`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// `linux/ethtool.h`.
const GET_STRINGS: u32 = 0x1b;
const COUNT_STRINGS: u32 = 0x37;
const SET_FEATURES: u32 = 0x3b;
const FEATURES: u32 = 4;
const NAME: usize = 32;
/// More features than any kernel has; 64 in 2025.
const MOST: usize = 256;

/// Cutting encapsulated frames of several packets apart. Packet sockets have no words for such frames.
const TUNNELS: [&str; 2] = ["tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"];

/// Whether the link of that name may send encapsulated frames of several packets. The kernel cuts them apart before, if not.
pub fn set_tunnel_segmentation(netns: &Netns, link: &str, on: bool) -> Result<()> {
    let name = link.to_owned();
    let object = || format!("the tunnel offload of {link} in {}", netns.name());
    netns.run(move || set(&name, on))?.doing(if on { "switch on" } else { "switch off" }, object())
}

fn set(link: &str, on: bool) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // struct ethtool_sset_info: command, reserved, a mask of 64 bits, a number each.
    let mut info = [COUNT_STRINGS, 0, 1 << FEATURES, 0, 0];
    ask(&socket, link, &mut info)?;
    let count = usize::try_from(info[4]).unwrap_or(usize::MAX).min(MOST);
    // struct ethtool_gstrings: command, set, length, then 32 bytes each.
    let mut strings = vec![0_u32; 3 + count * NAME / 4];
    strings[0] = GET_STRINGS;
    strings[1] = FEATURES;
    strings[2] = u32::try_from(count).map_err(io::Error::other)?;
    ask(&socket, link, &mut strings)?;
    let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
    // struct ethtool_sfeatures: command, size, then a mask of what is changed and what it becomes for each 32 features.
    let blocks = count.div_ceil(32);
    let mut wanted = vec![0_u32; 2 + 2 * blocks];
    wanted[0] = SET_FEATURES;
    wanted[1] = u32::try_from(blocks).map_err(io::Error::other)?;
    for (number, name) in bytes.chunks(NAME).enumerate() {
        let name = String::from_utf8_lossy(name);
        if TUNNELS.contains(&name.trim_end_matches('\0')) {
            let (block, bit) = (2 + number / 32 * 2, 1 << (number % 32));
            wanted[block] |= bit;
            wanted[block + 1] |= if on { bit } else { 0 };
        }
    }
    ask(&socket, link, &mut wanted)
}

/// One question to a link; the answer is written over it.
fn ask(socket: &Socket, link: &str, question: &mut [u32]) -> io::Result<()> {
    #[expect(unsafe_code, reason = "ethtool's ioctl has no safe form")]
    // SAFETY: zeros are a valid `ifreq`. The name is cut to leave a zero at its end; the pointer is to a live buffer that is as
    // long as the question in it says.
    let asked = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(link.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_data = question.as_mut_ptr().cast();
        libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, std::ptr::from_mut(&mut request))
    };
    Ok(Errno::result(asked).map(drop)?)
}
