//! What passes a wire.

use std::time::Duration;

use kernel::vnet::VnetHeader;

/// How long an Ethernet header is.
pub(super) use kernel::header::ETHERNET_HEADER as ETHERNET;

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What is left to do with it.
    pub(crate) header: VnetHeader,
    /// It, from its Ethernet header on.
    pub(crate) bytes: Vec<u8>,
    /// When it arrived, since the wire began. Delays count from here, not from when somebody had time to read it.
    pub(crate) arrived: Duration,
}

impl Frame {
    /// How long it is, in bytes, with its Ethernet header.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Flips one bit. The checksum is first made that of the frame as it was sent, so that a receiver notices.
    pub(super) fn flip(&mut self, bit: usize) {
        self.header.complete_checksum(&mut self.bytes);
        // Whoever else would vouch for it, or compute the checksum anew, must not.
        if !self.header.is_gso() {
            self.header = VnetHeader::default();
        }
        if let Some(byte) = self.bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_one_that_a_receiver_notices() {
        let bytes = vec![0; 60];
        let header = VnetHeader::unfinished(34, 6);
        let mut frame = Frame { header, bytes, arrived: Duration::ZERO };
        frame.flip(8 * 50 + 3);
        assert_eq!(frame.header, VnetHeader::default());
        assert_eq!(frame.bytes[40..42], [0xff, 0xff], "the checksum of the frame as it was");
        assert_eq!(frame.bytes[50], 1 << 3);
    }
}
