//! What an impaired wire has done to a frame, for who looks at frames where they were sent. Pure.

use std::fmt;
use std::time::Duration;

use kernel::header::{
    ETHERNET_HEADER, IPV4, IPV6, IPV6_HEADER, TCP, TCP_CHECKSUM, UDP, UDP_CHECKSUM, UDP_HEADER, VXLAN,
    VXLAN_HEADER,
};

use crate::topology::show_duration;

/// So many bytes of a frame tell it apart: all headers, also in a tunnel of IPv4 with options.
pub(crate) const TELLING: usize = 192;

/// A frame that a wire has touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    /// Which, as it was when it came: [`key`] of it.
    pub(crate) key: u64,
    /// What became of it, in words: `dropped by fault 2`.
    pub(crate) text: String,
}

/// A frame by its beginning; `None`, if less of it is known. Frames of one beginning are taken for each other, in order. Checksums
/// of TCP and UDP are left out: where a frame is sent they may not be there yet.
pub(crate) fn key(bytes: &[u8], length: usize) -> Option<u64> {
    let telling = bytes.get(..length.min(TELLING))?;
    let [outer, inner] = checksums(telling);
    let left_out =
        |at: usize| [outer, inner].into_iter().flatten().any(|from| (from..from + 2).contains(&at));
    // FNV-1a, 64 bits.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let bytes = telling.iter().enumerate().map(|(at, byte)| if left_out(at) { 0 } else { *byte });
    Some(bytes.fold(0xcbf2_9ce4_8422_2325, step))
}

/// Where the checksum of TCP or UDP is, and that of the frame in the tunnel, if it carries one.
fn checksums(frame: &[u8]) -> [Option<usize>; 2] {
    let (outer, tunnel) = checksum(frame, 0);
    let inner = tunnel.and_then(|at| checksum(frame, at).0);
    [outer, inner]
}

/// Of the frame that begins there, and where the one in its tunnel begins.
fn checksum(frame: &[u8], at: usize) -> (Option<usize>, Option<usize>) {
    let half = |at: usize| frame.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let ip = at + ETHERNET_HEADER;
    let (protocol, transport) = match half(ip - 2) {
        Some(IPV4) => (frame.get(ip + 9), ip + 4 * usize::from(frame.get(ip).map_or(0, |first| first & 0xf))),
        Some(IPV6) => (frame.get(ip + 6), ip + IPV6_HEADER),
        _ => return (None, None),
    };
    match protocol {
        Some(&TCP) => (Some(transport + TCP_CHECKSUM), None),
        Some(&UDP) => {
            let is_tunnel = half(transport + 2) == Some(VXLAN);
            (Some(transport + UDP_CHECKSUM), is_tunnel.then_some(transport + UDP_HEADER + VXLAN_HEADER))
        }
        _ => (None, None),
    }
}

/// What was done to one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Why it does not arrive, if it does not.
    pub(super) dropped: Option<Dropped>,
    /// How much later it is to go on.
    pub(super) delay: Duration,
    /// It waits until the wire is released.
    pub(super) held: bool,
    /// It goes on twice.
    pub(super) doubled: bool,
    /// It skips the delay.
    pub(super) hurried: bool,
    /// The bit of it that is flipped.
    pub(super) flipped: Option<usize>,
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It was asked for.
    Lost,
    /// It is longer than the wire's MTU.
    TooLong,
    /// The queue before the wire is full.
    Overflowed,
}

/// What became of it: of a frame of several packets, of all of them. `None`: nothing was done to it.
pub(super) fn tell(done: &[Done], by: &str) -> Option<String> {
    match done {
        [] => None,
        [one] => {
            let text = one.to_string();
            (!text.is_empty()).then(|| format!("{text} by {by}"))
        }
        several => {
            let dropped = several.iter().filter(|done| done.dropped.is_some()).count();
            let touched = several.iter().filter(|done| **done != Done::default()).count();
            match (dropped, touched) {
                (0, 0) => None,
                (0, touched) => Some(format!("{touched} of its {} packets touched by {by}", several.len())),
                (dropped, _) => Some(format!("{dropped} of its {} packets dropped by {by}", several.len())),
            }
        }
    }
}

/// `delayed by 10ms and sent twice`; nothing, if nothing was done.
impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped = self.dropped.map(|why| match why {
            Dropped::Lost => "dropped".to_owned(),
            Dropped::TooLong => "dropped as too long".to_owned(),
            Dropped::Overflowed => "dropped since the queue was full,".to_owned(),
        });
        if let Some(dropped) = dropped {
            return f.write_str(&dropped);
        }
        // Whole microseconds are what a wire is exact to.
        let micros = Duration::from_micros(u64::try_from(self.delay.as_micros()).unwrap_or(u64::MAX));
        let all = [
            (!micros.is_zero()).then(|| format!("delayed {}", show_duration(micros))),
            self.held.then(|| "held".to_owned()),
            self.hurried.then(|| "let overtake others".to_owned()),
            self.doubled.then(|| "sent twice".to_owned()),
            self.flipped.map(|bit| format!("corrupted in bit {} of byte {}", bit % 8, bit / 8)),
        ];
        f.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_done_is_said_in_words_and_nothing_of_what_was_not() {
        let by = "fault 2";
        let told = |done: Done| tell(&[done], by).unwrap_or_else(|| "nothing".to_owned());
        assert_eq!(told(Done::default()), "nothing");
        let dropped = Done { dropped: Some(Dropped::Lost), doubled: true, ..Done::default() };
        assert_eq!(told(dropped.clone()), "dropped by fault 2");
        assert_eq!(
            told(Done { dropped: Some(Dropped::Overflowed), ..Done::default() }),
            "dropped since the queue was full, by fault 2"
        );
        let done = Done { delay: Duration::from_nanos(10_000_300), doubled: true, ..Done::default() };
        assert_eq!(told(done), "delayed 10ms and sent twice by fault 2");
        assert_eq!(
            told(Done { flipped: Some(8 * 50 + 3), ..Done::default() }),
            "corrupted in bit 3 of byte 50 by fault 2"
        );
        let several = [Done::default(), dropped.clone(), dropped];
        assert_eq!(tell(&several, by).as_deref(), Some("2 of its 3 packets dropped by fault 2"));
        assert_eq!(tell(&[Done::default(), Done::default()], by), None);
    }

    #[test]
    fn a_frame_is_told_apart_by_its_beginning_if_all_of_that_is_known() {
        let mut frame = vec![7; 1000];
        let whole = key(&frame, 1000);
        assert!(whole.is_some());
        assert_eq!(key(&frame[..TELLING], 1000), whole);
        assert_eq!(key(&frame[..TELLING - 1], 1000), None);
        frame[999] = 8;
        assert_eq!(key(&frame, 1000), whole);
        frame[40] = 8;
        assert_ne!(key(&frame, 1000), whole);
        assert_eq!(key(&frame[..60], 60), key(&frame, 60));
    }

    #[test]
    fn a_checksum_that_is_completed_on_the_way_tells_nothing() {
        // Ethernet, IPv4, UDP, VXLAN; Ethernet, IPv4, TCP.
        let mut frame = vec![0; 14 + 20 + 8 + 8 + 14 + 20 + 20];
        frame[12..14].copy_from_slice(&[8, 0]);
        (frame[14], frame[14 + 9]) = (0x45, 17);
        frame[36..38].copy_from_slice(&4789_u16.to_be_bytes());
        frame[62..64].copy_from_slice(&[8, 0]);
        (frame[64], frame[64 + 9]) = (0x45, 6);
        assert_eq!(checksums(&frame), [Some(40), Some(100)]);
        let (length, before) = (frame.len(), key(&frame, frame.len()));
        frame[101] = 7;
        assert_eq!(key(&frame, length), before);
        frame[102] = 7;
        assert_ne!(key(&frame, length), before);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_key(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(key(&bytes, bytes.len()).is_some());
        }
    }
}
