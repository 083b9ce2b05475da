//! A block of a ring, read: `struct tpacket_block_desc`, then packets, each a `struct tpacket3_hdr`, an address of its link and its
//! bytes (`linux/if_packet.h`). All numbers are in the machine's byte order. Pure.

use std::time::Duration;

/// Where in a block it is said whose it is (`block_status`).
pub(super) const STATUS: usize = 8;
/// Where it says how many packets it has, where the first is, and how long it is.
const COUNT: usize = 12;
const FIRST: usize = 16;
const LENGTH: usize = 20;
/// Where in a packet's header things are: where the next packet is, seconds and nanoseconds of its stamp, how much was kept of it, how long
/// it was, and where it begins.
const NEXT: usize = 0;
const SECONDS: usize = 4;
const NANOSECONDS: usize = 8;
const KEPT: usize = 12;
const WHOLE: usize = 16;
const BEGINS: usize = 24;
/// Where behind a packet's header the index, the kind and the way of its link are (`struct sockaddr_ll`).
const ADDRESS: usize = 48;
const LINK: usize = ADDRESS + 4;
const KIND: usize = ADDRESS + 8;
const WAY: usize = ADDRESS + 10;
/// `ARPHRD_LOOPBACK`, `linux/if_arp.h`.
const LOOPBACK: u16 = 772;
/// `PACKET_OUTGOING`.
const OUTGOING: u8 = 4;

/// A packet that passed a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The index of the link.
    pub link: u32,
    /// Whether the link sent it; else it received it.
    pub outgoing: bool,
    /// When, since 1970 by the wall clock.
    pub at: Duration,
    /// How long it was, in bytes, with its Ethernet header.
    pub length: u32,
    /// As much of it as is kept, from its Ethernet header on.
    pub bytes: &'a [u8],
}

/// How long a block is, as it says itself; never longer than it can be.
pub(super) fn length(block: &[u8]) -> usize {
    usize::try_from(word(block, LENGTH).unwrap_or_default()).unwrap_or(usize::MAX).min(block.len())
}

/// The packets in a block. What a loopback sends is left out: it is received a moment later, and is the same.
pub(super) fn packets(block: &[u8]) -> impl Iterator<Item = Seen<'_>> {
    let mut left = word(block, COUNT).unwrap_or_default();
    let mut at = word(block, FIRST).and_then(|first| usize::try_from(first).ok());
    std::iter::from_fn(move || {
        while left > 0 {
            left -= 1;
            let packet = block.get(at?..)?;
            let next = usize::try_from(word(packet, NEXT)?).ok()?;
            at = at.and_then(|at| at.checked_add(next));
            if let Some(seen) = packet_in(packet)? {
                return Some(seen);
            }
        }
        None
    })
}

/// One packet. `Some(None)`: one that is left out.
#[expect(clippy::option_option, reason = "the end of the block, and a packet that does not count")]
fn packet_in(packet: &[u8]) -> Option<Option<Seen<'_>>> {
    let outgoing = *packet.get(WAY)? == OUTGOING;
    if outgoing && half(packet, KIND)? == LOOPBACK {
        return Some(None);
    }
    let seconds = Duration::from_secs(u64::from(word(packet, SECONDS)?));
    let at = seconds.saturating_add(Duration::from_nanos(u64::from(word(packet, NANOSECONDS)?)));
    let begins = usize::from(half(packet, BEGINS)?);
    let ends = begins.checked_add(usize::try_from(word(packet, KEPT)?).ok()?)?;
    let bytes = packet.get(begins..ends)?;
    Some(Some(Seen { link: word(packet, LINK)?, outgoing, at, length: word(packet, WHOLE)?, bytes }))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&word| u32::from_ne_bytes(word))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&half| u16::from_ne_bytes(half))
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_where_the_kernel_has_them() {
        let header = offset_of!(libc::tpacket_block_desc, hdr);
        assert_eq!(STATUS, header + offset_of!(libc::tpacket_hdr_v1, block_status));
        assert_eq!(COUNT, header + offset_of!(libc::tpacket_hdr_v1, num_pkts));
        assert_eq!(FIRST, header + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt));
        assert_eq!(LENGTH, header + offset_of!(libc::tpacket_hdr_v1, blk_len));
        assert_eq!(NEXT, offset_of!(libc::tpacket3_hdr, tp_next_offset));
        assert_eq!(SECONDS, offset_of!(libc::tpacket3_hdr, tp_sec));
        assert_eq!(NANOSECONDS, offset_of!(libc::tpacket3_hdr, tp_nsec));
        assert_eq!(KEPT, offset_of!(libc::tpacket3_hdr, tp_snaplen));
        assert_eq!(WHOLE, offset_of!(libc::tpacket3_hdr, tp_len));
        assert_eq!(BEGINS, offset_of!(libc::tpacket3_hdr, tp_mac));
        assert_eq!(ADDRESS, libc::TPACKET3_HDRLEN - size_of::<libc::sockaddr_ll>());
        assert_eq!(LINK, ADDRESS + offset_of!(libc::sockaddr_ll, sll_ifindex));
        assert_eq!(KIND, ADDRESS + offset_of!(libc::sockaddr_ll, sll_hatype));
        assert_eq!(WAY, ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype));
    }

    /// A packet of three bytes, of which there were five.
    fn packet(kind: u16, way: u8, next: u32) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(NEXT, &next.to_ne_bytes());
        put(SECONDS, &7_u32.to_ne_bytes());
        put(NANOSECONDS, &9_u32.to_ne_bytes());
        put(KEPT, &3_u32.to_ne_bytes());
        put(WHOLE, &5_u32.to_ne_bytes());
        put(BEGINS, &80_u16.to_ne_bytes());
        put(LINK, &4_u32.to_ne_bytes());
        put(KIND, &kind.to_ne_bytes());
        put(WAY, &[way]);
        put(80, &[1, 2, 3]);
        bytes
    }

    fn block(packets: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        let count = u32::try_from(packets.len()).expect("few");
        bytes[COUNT..COUNT + 4].copy_from_slice(&count.to_ne_bytes());
        bytes[FIRST..FIRST + 4].copy_from_slice(&48_u32.to_ne_bytes());
        bytes.extend(packets.concat());
        let length = u32::try_from(bytes.len()).expect("short");
        bytes[LENGTH..LENGTH + 4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn packets_are_read_one_after_the_other() {
        let block = block(&[packet(1, 0, 96), packet(1, OUTGOING, 0)]);
        let seen: Vec<Seen<'_>> = packets(&block).collect();
        let at = Duration::new(7, 9);
        let first = Seen { link: 4, outgoing: false, at, length: 5, bytes: &[1, 2, 3] };
        assert_eq!(seen, [first, Seen { outgoing: true, ..first }]);
        assert_eq!(length(&block), block.len());
    }

    #[test]
    fn what_a_loopback_sends_is_seen_once() {
        let block = block(&[packet(LOOPBACK, OUTGOING, 96), packet(LOOPBACK, 0, 0)]);
        assert_eq!(packets(&block).map(|seen| seen.outgoing).collect::<Vec<_>>(), [false]);
    }

    proptest! {
        #[test]
        fn no_block_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(length(&bytes) <= bytes.len());
            for seen in packets(&bytes).take(1000) {
                prop_assert!(seen.bytes.len() <= bytes.len());
            }
        }
    }
}
