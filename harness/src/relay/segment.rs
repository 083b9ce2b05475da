//! Many packets in one frame, cut apart.
//!
//! A sender's kernel hands a wire up to 64 KiB of one TCP stream in a single frame, headers in front, and leaves it to the
//! hardware to make packets of it. Where each packet has its own fate, that has to be done before.

use std::ops::Range;

use kernel::header::{self, IPV4_HEADER, IPV6_HEADER, TCP, TCP_HEADER, UDP, UDP_HEADER};
use kernel::vnet::{VnetHeader, fold, gso, sum};

use super::frame::{ETHERNET, Frame};

/// EtherTypes, as they are written.
const IPV4: [u8; 2] = header::IPV4.to_be_bytes();
const IPV6: [u8; 2] = header::IPV6.to_be_bytes();
/// Flags of TCP (RFC 9293 §3.1): the sender is done, the receiver should not wait for more, and the window was reduced.
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The packets that a frame is made of, each with its own headers, in order. Their checksums are left to be completed, as
/// that of the frame was.
///
/// A frame that is a single packet is given back, and so is one that cannot be cut: UDP in one piece for IP to fragment
/// (UFO), IPv6 with extension headers, a VLAN tag, or packets inside a UDP tunnel. Of those only the kernel can make packets;
/// whoever has VXLAN on a wire keeps it from leaving them to others (`tx-udp_tnl-segmentation off`).
pub(super) fn cut(frame: Frame) -> Result<Vec<Frame>, Frame> {
    let Some(layout) = Layout::of(&frame) else { return Err(frame) };
    let payload = &frame.bytes[layout.payload..];
    let last = payload.len().div_ceil(layout.size) - 1;
    let packets = payload.chunks(layout.size).enumerate().map(|(number, part)| {
        let mut bytes = Vec::with_capacity(layout.payload + part.len());
        bytes.extend_from_slice(&frame.bytes[..layout.payload]);
        bytes.extend_from_slice(part);
        layout.adapt(&mut bytes, number, number == last);
        Frame { header: layout.header(), bytes, arrived: frame.arrived }
    });
    Ok(packets.collect())
}

/// Where in a frame its headers are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    version: Version,
    transport: Transport,
    /// Where the TCP or UDP header begins.
    segment: usize,
    /// Where the payload begins.
    payload: usize,
    /// How much of it each packet gets.
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Four,
    Six,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Layout {
    /// That of a frame of several packets; `None` if it is not one that can be cut.
    fn of(frame: &Frame) -> Option<Layout> {
        let bytes = &frame.bytes;
        let (version, protocol, segment) = match *bytes.get(12..ETHERNET)?.first_chunk()? {
            IPV4 => {
                let header = usize::from(bytes.get(ETHERNET)? & 0x0f) * 4;
                if header < IPV4_HEADER {
                    return None;
                }
                (Version::Four, *bytes.get(ETHERNET + 9)?, ETHERNET + header)
            }
            IPV6 => (Version::Six, *bytes.get(ETHERNET + 6)?, ETHERNET + IPV6_HEADER),
            _ => return None,
        };
        let transport = match (frame.header.gso_type & !gso::ECN, version, protocol) {
            (gso::TCP_V4, Version::Four, TCP) | (gso::TCP_V6, Version::Six, TCP) => Transport::Tcp,
            (gso::UDP_L4, _, UDP) => Transport::Udp,
            _ => return None,
        };
        let header = match transport {
            Transport::Tcp => usize::from(bytes.get(segment + 12)? >> 4) * 4,
            Transport::Udp => UDP_HEADER,
        };
        if transport == Transport::Tcp && header < TCP_HEADER {
            return None;
        }
        let layout = Layout {
            version,
            transport,
            segment,
            payload: segment + header,
            size: usize::from(frame.header.gso_size),
        };
        let payload = bytes.len().checked_sub(layout.payload).filter(|payload| *payload > 0)?;
        // The lengths in the headers have 16 bits.
        let longest = layout.payload - ETHERNET + payload.min(layout.size);
        (layout.size > 0 && u16::try_from(longest).is_ok()).then_some(layout)
    }

    /// What is left to do with each packet.
    fn header(self) -> VnetHeader {
        let field = match self.transport {
            Transport::Tcp => 16,
            Transport::Udp => 6,
        };
        // Behind an Ethernet and an IP header: some hundred bytes at most.
        VnetHeader::unfinished(u16::try_from(self.segment).unwrap_or_default(), field)
    }

    /// Makes the headers of the whole those of the packet `number` of it, from 0.
    fn adapt(self, bytes: &mut [u8], number: usize, last: bool) {
        let segment = bytes.len() - self.segment;
        match self.version {
            Version::Four => {
                put(bytes, ETHERNET + 2, low(bytes.len() - ETHERNET));
                // Each packet is one of its own (RFC 6864 §4); the kernel counts on, too.
                let id = at(bytes, ETHERNET + 4).wrapping_add(low(number));
                put(bytes, ETHERNET + 4, id);
                put(bytes, ETHERNET + 10, 0);
                let checksum = !fold(sum(&bytes[ETHERNET..self.segment]));
                put(bytes, ETHERNET + 10, checksum);
            }
            Version::Six => put(bytes, ETHERNET + 4, low(segment)),
        }
        let checksum = self.segment + usize::from(self.header().csum_offset);
        match self.transport {
            Transport::Tcp => self.continue_stream(bytes, number, last),
            Transport::Udp => put(bytes, self.segment + 4, low(segment)),
        }
        let pseudo = self.pseudo_header(bytes, segment);
        put(bytes, checksum, pseudo);
    }

    /// Sequence number and flags of TCP.
    fn continue_stream(self, bytes: &mut [u8], number: usize, last: bool) {
        let sequence = self.segment + 4..self.segment + 8;
        let first = bytes[sequence.clone()].iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let skipped = u32::try_from(number * self.size).unwrap_or(u32::MAX);
        bytes[sequence].copy_from_slice(&first.wrapping_add(skipped).to_be_bytes());
        let flags = &mut bytes[self.segment + 13];
        if !last {
            *flags &= !(FIN | PSH);
        }
        if number > 0 {
            *flags &= !CWR;
        }
    }

    /// The sum of the pseudo-header, which stands in the field of a checksum that is still to be completed: addresses,
    /// protocol and length (RFC 9293 §3.1, RFC 8200 §8.1).
    fn pseudo_header(self, bytes: &[u8], segment: usize) -> u16 {
        let addresses: Range<usize> = match self.version {
            Version::Four => ETHERNET + 12..ETHERNET + 20,
            Version::Six => ETHERNET + 8..ETHERNET + 40,
        };
        let protocol = match self.transport {
            Transport::Tcp => TCP,
            Transport::Udp => UDP,
        };
        fold(sum(&bytes[addresses]) + u64::from(protocol) + segment as u64)
    }
}

fn at(bytes: &[u8], place: usize) -> u16 {
    u16::from_be_bytes([bytes[place], bytes[place + 1]])
}

fn put(bytes: &mut [u8], place: usize, value: u16) {
    bytes[place..place + 2].copy_from_slice(&value.to_be_bytes());
}

/// The low 16 bits: lengths were checked to fit, and a packet's number may wrap.
#[expect(clippy::cast_possible_truncation, reason = "asked for")]
fn low(number: usize) -> u16 {
    number as u16
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// A frame of several packets as a kernel would hand it over.
    fn whole(version: Version, transport: Transport, size: u16, payload: &[u8]) -> Frame {
        let mut segment = match transport {
            Transport::Tcp => {
                let mut header = vec![0x9c, 0x40, 0, 80, 0xff, 0xff, 0xff, 0x00, 0, 0, 0, 9];
                // Twelve bytes of options; CWR, ACK, PSH and FIN.
                header.extend([0x80, CWR | 0x10 | PSH | FIN, 1, 0, 0, 0, 0, 0]);
                header.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
                header
            }
            Transport::Udp => vec![0x9c, 0x40, 0, 53, 0, 0, 0, 0],
        };
        segment.extend(payload);
        let protocol = if transport == Transport::Tcp { TCP } else { UDP };
        let (kind, ip) = match version {
            Version::Four => {
                let mut ip = vec![0x45, 0, 0xbe, 0xef, 0xff, 0xff, 0x40, 0, 64, protocol, 0xba, 0xad];
                ip.extend([10, 0, 0, 10, 10, 0, 0, 11]);
                (IPV4, ip)
            }
            Version::Six => {
                let mut ip = vec![0x60, 0, 0, 0, 0xbe, 0xef, protocol, 64];
                ip.extend([0xfd; 16].into_iter().chain([0xfe; 16]));
                (IPV6, ip)
            }
        };
        let gso_type = match (transport, version) {
            (Transport::Tcp, Version::Four) => gso::TCP_V4 | gso::ECN,
            (Transport::Tcp, Version::Six) => gso::TCP_V6,
            (Transport::Udp, _) => gso::UDP_L4,
        };
        let start = u16::try_from(ETHERNET + ip.len()).expect("short");
        let offset = if transport == Transport::Tcp { 16 } else { 6 };
        let header = VnetHeader { gso_type, gso_size: size, ..VnetHeader::unfinished(start, offset) };
        let bytes = [&[2; 12], &kind[..], &ip, &segment].concat();
        Frame { header, bytes, arrived: Duration::from_millis(3) }
    }

    #[test]
    fn a_tcp_packet_has_the_bytes_that_a_kernel_gives_it() {
        let frame = whole(Version::Four, Transport::Tcp, 4, b"0123456789");
        let packets = cut(frame).expect("three packets");
        let ip: Vec<&[u8]> = packets.iter().map(|packet| &packet.bytes[14..34]).collect();
        let addresses = [10, 0, 0, 10, 10, 0, 0, 11];
        // Lengths 56, 56, 54; ids 65535, 0, 1; checksums by hand: the complement of the sum of the other nine words.
        assert_eq!(ip[0][..12], [0x45, 0, 0, 56, 0xff, 0xff, 0x40, 0, 64, 6, 0x26, 0xac]);
        assert_eq!(ip[1][..12], [0x45, 0, 0, 56, 0x00, 0x00, 0x40, 0, 64, 6, 0x26, 0xac]);
        assert_eq!(ip[2][..12], [0x45, 0, 0, 54, 0x00, 0x01, 0x40, 0, 64, 6, 0x26, 0xad]);
        assert!(ip.iter().all(|ip| ip[12..] == addresses));
        let sequence: Vec<&[u8]> = packets.iter().map(|packet| &packet.bytes[38..42]).collect();
        assert_eq!(sequence, [[0xff, 0xff, 0xff, 0x00], [0xff, 0xff, 0xff, 0x04], [0xff, 0xff, 0xff, 0x08]]);
        let flags: Vec<u8> = packets.iter().map(|packet| packet.bytes[47]).collect();
        assert_eq!(flags, [CWR | 0x10, 0x10, 0x10 | PSH | FIN]);
        let payload: Vec<&[u8]> = packets.iter().map(|packet| &packet.bytes[66..]).collect();
        assert_eq!(payload, [&b"0123"[..], b"4567", b"89"]);
        assert!(packets.iter().all(|packet| packet.header == VnetHeader::unfinished(34, 16)));
        assert!(packets.iter().all(|packet| packet.arrived == Duration::from_millis(3)));
    }

    #[test]
    fn a_sequence_number_wraps() {
        let frame = whole(Version::Four, Transport::Tcp, 200, &[0; 500]);
        let packets = cut(frame).expect("three packets");
        assert_eq!(packets[2].bytes[38..42], 0x90_u32.to_be_bytes());
    }

    #[test]
    fn a_datagram_has_its_own_length() {
        let packets = cut(whole(Version::Six, Transport::Udp, 4, b"012345")).expect("two packets");
        let lengths: Vec<(u16, u16)> =
            packets.iter().map(|packet| (at(&packet.bytes, 18), at(&packet.bytes, 58))).collect();
        assert_eq!(lengths, [(12, 12), (10, 10)]);
        assert!(packets.iter().all(|packet| packet.header == VnetHeader::unfinished(54, 6)));
    }

    #[test]
    fn what_cannot_be_cut_is_given_back() {
        let good = whole(Version::Four, Transport::Tcp, 4, b"0123456789");
        let with = |header: VnetHeader| Frame { header, ..good.clone() };
        let single = with(VnetHeader { gso_type: gso::NONE, ..good.header });
        let tunnelled = with(VnetHeader { gso_type: gso::TCP_V4 | 0x20, ..good.header });
        let other = with(VnetHeader { gso_type: gso::TCP_V6, ..good.header });
        let nothing = with(VnetHeader { gso_size: 0, ..good.header });
        let empty = Frame { bytes: good.bytes[..66].to_vec(), ..good.clone() };
        for frame in [single, tunnelled, other, nothing, empty] {
            assert_eq!(cut(frame.clone()), Err(frame));
        }
    }

    /// What a receiver would say of an IPv4 header.
    fn ip_is_right(packet: &Frame) -> bool {
        fold(sum(&packet.bytes[14..34])) == 0xffff
    }

    proptest! {
        #[test]
        fn put_together_again_it_is_what_it_was(
            version in prop::sample::select(vec![Version::Four, Version::Six]),
            transport in prop::sample::select(vec![Transport::Tcp, Transport::Udp]),
            size in 1_u16..2000,
            payload in prop::collection::vec(any::<u8>(), 1..5000),
        ) {
            let frame = whole(version, transport, size, &payload);
            let layout = Layout::of(&frame).expect("it can be cut");
            let mut joined = Vec::new();
            for (number, mut packet) in cut(frame).expect("it can be cut").into_iter().enumerate() {
                prop_assert!(packet.bytes.len() - layout.payload <= usize::from(size));
                joined.extend_from_slice(&packet.bytes[layout.payload..]);
                prop_assert!(version == Version::Six || ip_is_right(&packet));
                if transport == Transport::Tcp {
                    let sequence = packet.bytes[layout.segment + 4..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                    let skipped = u32::try_from(number * usize::from(size)).expect("few");
                    prop_assert_eq!(sequence, Some(0xffff_ff00_u32.wrapping_add(skipped)));
                }
                let pseudo = layout.pseudo_header(&packet.bytes, packet.bytes.len() - layout.segment);
                prop_assert!(packet.header.complete_checksum(&mut packet.bytes));
                prop_assert_eq!(fold(sum(&packet.bytes[layout.segment..]) + u64::from(pseudo)), 0xffff);
            }
            prop_assert_eq!(joined, payload);
        }

        #[test]
        fn no_bytes_are_too_odd(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            kind in prop::sample::select(vec![IPV4, IPV6]),
            gso_type in prop::sample::select(vec![gso::TCP_V4, gso::TCP_V6, gso::UDP_L4]),
            gso_size: u16,
        ) {
            if let Some(field) = bytes.get_mut(12..14) {
                field.copy_from_slice(&kind);
            }
            if let Some(protocol) = bytes.get_mut(if kind == IPV4 { 23 } else { 20 }) {
                *protocol = if gso_type == gso::UDP_L4 { UDP } else { TCP };
            }
            let header = VnetHeader { gso_type, gso_size, ..VnetHeader::default() };
            let _ = cut(Frame { header, bytes, arrived: Duration::ZERO });
        }
    }
}
