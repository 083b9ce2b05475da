//! What the kernel says of a frame beside its bytes: `struct virtio_net_hdr`, `linux/virtio_net.h`.
//!
//! A frame between two veth legs is rarely finished: its checksum is left to the hardware that never comes, and it may be
//! many packets in one. Packet sockets (`PACKET_VNET_HDR`) and TAP devices say so in this header, and take it back.

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const NEEDS_CHECKSUM: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4` and `_IPV6`, Linux 6.17.
const TUNNEL: u8 = 0x20 | 0x40;

/// What is left to do with a frame. The default: nothing.
///
/// Offsets are in bytes from the frame's Ethernet header. On the wire all numbers are in the machine's byte order, as
/// packet sockets and TAP devices have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    /// `VIRTIO_NET_HDR_F_*`.
    pub flags: u8,
    /// One of [`gso`], and its bits.
    pub gso_type: u8,
    /// How long the headers are, all layers together; a hint only.
    pub hdr_len: u16,
    /// How much payload each packet gets, if there are several in the frame.
    pub gso_size: u16,
    /// Where the checksum begins that is still to be computed.
    pub csum_start: u16,
    /// Where behind `csum_start` it belongs. What stands there is the sum of the pseudo-header.
    pub csum_offset: u16,
    /// Where in a tunnel's frame the outer UDP header and the inner network header begin, as TAP devices write it
    /// (`struct virtio_net_hdr_v1_hash_tunnel`, Linux 6.17). Handed on as it came.
    pub tunnel: [u8; 4],
}

/// `VIRTIO_NET_HDR_GSO_*`: what a frame of several packets is made of.
pub mod gso {
    /// It is a single packet.
    pub const NONE: u8 = 0;
    /// TCP over IPv4.
    pub const TCP_V4: u8 = 1;
    /// TCP over IPv6.
    pub const TCP_V6: u8 = 4;
    /// UDP datagrams of one size (`UDP_SEGMENT`), over either.
    pub const UDP_L4: u8 = 5;
    /// A bit: TCP with ECN, so that CWR is for the first packet only.
    pub const ECN: u8 = 0x80;
}

impl VnetHeader {
    /// How long it is.
    pub const LEN: usize = 10;

    /// Reads it from the beginning of `bytes`; `None` if they are too few.
    pub fn parse(bytes: &[u8]) -> Option<VnetHeader> {
        let bytes = bytes.first_chunk::<{ VnetHeader::LEN }>()?;
        let number = |at| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Some(VnetHeader {
            flags: bytes[0],
            gso_type: bytes[1],
            hdr_len: number(2),
            gso_size: number(4),
            csum_start: number(6),
            csum_offset: number(8),
            tunnel: [0; 4],
        })
    }

    /// How long it is with what tunnels need: between the two are a number of buffers and a hash, which say nothing here.
    pub const LONG: usize = 24;

    /// Reads the long one.
    pub fn parse_long(bytes: &[u8; VnetHeader::LONG]) -> VnetHeader {
        let [.., a, b, c, d] = *bytes;
        VnetHeader { tunnel: [a, b, c, d], ..VnetHeader::parse(bytes).unwrap_or_default() }
    }

    /// The long one as bytes.
    pub fn emit_long(self) -> [u8; VnetHeader::LONG] {
        let mut bytes = [0; VnetHeader::LONG];
        bytes[..VnetHeader::LEN].copy_from_slice(&self.emit());
        bytes[VnetHeader::LONG - 4..].copy_from_slice(&self.tunnel);
        bytes
    }

    /// It as bytes.
    pub fn emit(self) -> [u8; VnetHeader::LEN] {
        let mut bytes = [0; VnetHeader::LEN];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        let numbers = [self.hdr_len, self.gso_size, self.csum_start, self.csum_offset];
        for (place, number) in bytes[2..].chunks_exact_mut(2).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    /// For a single packet whose checksum is still to be computed, from `start`, and belongs `offset` behind it.
    pub fn unfinished(start: u16, offset: u16) -> VnetHeader {
        VnetHeader { flags: NEEDS_CHECKSUM, csum_start: start, csum_offset: offset, ..VnetHeader::default() }
    }

    /// Whether a checksum is still to be computed.
    pub fn needs_checksum(self) -> bool {
        self.flags & NEEDS_CHECKSUM != 0
    }

    /// Whether the frame is several packets in one.
    pub fn is_gso(self) -> bool {
        self.gso_type & !gso::ECN != gso::NONE
    }

    /// Whether those packets are inside a UDP tunnel, so that the outer headers, too, differ from one to the next.
    pub fn is_tunnelled(self) -> bool {
        self.gso_type & TUNNEL != 0
    }

    /// Computes the checksum that was left, so that the frame is as it would be on a cable; nothing is left to do then.
    /// Whether it could be done: not if there is none to compute, if the offsets lie outside the frame, or if the frame is
    /// several packets, each of which has its own.
    pub fn complete_checksum(&mut self, bytes: &mut [u8]) -> bool {
        let start = usize::from(self.csum_start);
        let at = start + usize::from(self.csum_offset);
        if !self.needs_checksum() || self.is_gso() || at + 2 > bytes.len() {
            return false;
        }
        // Zero would mean "none" to UDP, and is the same number (RFC 768); the kernel does so for all protocols.
        let sum = match !fold(sum(&bytes[start..])) {
            0 => 0xffff,
            sum => sum,
        };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        *self = VnetHeader::default();
        true
    }
}

/// The sum of 16-bit words that Internet checksums are made of (RFC 1071), not yet folded, so that sums can be added.
pub fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |&last| u64::from(last) << 8);
    words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>() + odd
}

/// A sum as 16 bits, carries added in; a checksum is its complement.
pub fn fold(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(folded) => return folded,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_bytes_are_those_of_the_kernel() {
        // A TCP segment of 4344 bytes on a packet socket: three packets of 1448 behind headers of 66 bytes.
        let bytes = [0x01, 0x01, 0x42, 0x00, 0xa8, 0x05, 0x22, 0x00, 0x10, 0x00];
        let header = VnetHeader {
            flags: 1,
            gso_type: gso::TCP_V4,
            hdr_len: 66,
            gso_size: 1448,
            csum_start: 34,
            csum_offset: 16,
            tunnel: [0; 4],
        };
        assert_eq!(VnetHeader::parse(&bytes), Some(header));
        assert_eq!(header.emit(), bytes);
        assert!(header.needs_checksum() && header.is_gso() && !header.is_tunnelled());
        let tunnelled = VnetHeader { gso_type: gso::TCP_V4 | 0x20, tunnel: [34, 0, 64, 0], ..header };
        assert_eq!(VnetHeader::parse_long(&tunnelled.emit_long()), tunnelled);
        assert_eq!(tunnelled.emit_long()[20..], [34, 0, 64, 0]);
    }

    #[test]
    fn a_sum_is_that_of_rfc_1071() {
        // The example of its section 3.
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(fold(sum(&[0x01])), 0x0100);
    }

    /// UDP from 192.0.2.1:1 to 192.0.2.2:2 with two bytes, without what is before it.
    fn datagram(payload: [u8; 2]) -> (VnetHeader, Vec<u8>) {
        let pseudo = fold(sum(&[192, 0, 2, 1, 192, 0, 2, 2, 0, 17, 0, 10]));
        let mut bytes = vec![0, 1, 0, 2, 0, 10];
        bytes.extend(pseudo.to_be_bytes());
        bytes.extend(payload);
        (VnetHeader::unfinished(0, 6), bytes)
    }

    #[test]
    fn a_checksum_is_completed_once() {
        let (mut header, mut bytes) = datagram(*b"hi");
        assert!(header.complete_checksum(&mut bytes));
        // 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + 10 + 1 + 2 + 10 + 0x6869 = 0x1ec94; folded 0xec95.
        assert_eq!(bytes[6..8], (!0xec95_u16).to_be_bytes());
        assert_eq!(header, VnetHeader::default());
        assert!(!header.complete_checksum(&mut bytes));
    }

    #[test]
    fn a_checksum_is_never_zero() {
        // The payload that makes the sum 0xffff: the complement of what the rest of the datagram adds up to.
        let (mut header, mut bytes) = datagram((!0x842c_u16).to_be_bytes());
        assert!(header.complete_checksum(&mut bytes));
        assert_eq!(bytes[6..8], [0xff, 0xff]);
    }

    #[test]
    fn several_packets_have_no_checksum_together() {
        let (header, mut bytes) = datagram(*b"hi");
        let mut several = VnetHeader { gso_type: gso::UDP_L4, gso_size: 1, ..header };
        assert!(!several.complete_checksum(&mut bytes));
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(bytes: [u8; 10]) {
            prop_assert_eq!(VnetHeader::parse(&bytes).map(VnetHeader::emit), Some(bytes));
            prop_assert_eq!(VnetHeader::parse(&bytes[..9]), None);
        }

        #[test]
        fn a_completed_checksum_adds_up(
            (start, offset) in (0_u16..90, 0_u16..90),
            mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut header = VnetHeader::unfinished(start, offset);
            let start = usize::from(header.csum_start);
            let at = start + usize::from(header.csum_offset);
            let pseudo = bytes.get(at..at + 2).map_or(0, sum);
            // A receiver adds up all of it and the pseudo-header, in words: the field has to be one.
            if header.complete_checksum(&mut bytes) && (at - start) % 2 == 0 {
                prop_assert_eq!(fold(sum(&bytes[start..]) + pseudo), 0xffff);
            }
        }
    }
}
