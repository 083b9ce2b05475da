//! What wires have done to the packets that a capture has seen being sent onto them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::packet::Packet;
use crate::relay::{Noted, Reading, Side, key};

/// How long a frame may take from where it is sent to whoever carries it, and clocks that are read one after the other may differ.
const LATEST: Duration = Duration::from_secs(1);
const EARLIEST: Duration = Duration::from_millis(5);

/// What is known of packets that wires have touched.
#[derive(Debug)]
pub(crate) struct Notes {
    reading: Reading,
    /// The side of a wire that is sent onto at an interface, by its name.
    sides: BTreeMap<String, Side>,
    /// What no packet was found for yet: of frames that begin alike in order.
    open: HashMap<(Side, u64), VecDeque<Noted>>,
    count: usize,
}

/// Most notes that wait for their packets; those of packets that the filter leaves out wait in vain.
const MOST: usize = 1 << 16;

impl Notes {
    /// Of wires onto which packets are sent at these interfaces.
    pub(crate) fn new(reading: Reading, sides: BTreeMap<String, Side>) -> Notes {
        Notes { reading, sides, open: HashMap::new(), count: 0 }
    }

    /// The side of a wire and the key by which a packet is found again, if it was sent onto a wire there. `bytes` are as much of it as is known.
    pub(super) fn mark(&self, interface: &str, packet: &Packet, bytes: &[u8]) -> Option<(Side, u64)> {
        let side = self.sides.get(interface).filter(|_| packet.outgoing)?;
        let length = usize::try_from(packet.length).ok()?;
        Some((*side, key(bytes, length)?))
    }

    /// Hears what was noted until now.
    pub(super) fn catch_up(&mut self) {
        for noted in self.reading.take() {
            if self.count == MOST {
                self.open.clear();
                self.count = 0;
            }
            self.count += 1;
            self.open.entry((noted.side, noted.touch.key)).or_default().push_back(noted);
        }
    }

    /// What was done to the packet that is so marked and was sent then.
    pub(super) fn of(&mut self, mark: (Side, u64), sent: Duration) -> Option<String> {
        let noted = self.open.get_mut(&mark)?;
        // Those before belong to packets that were not captured.
        while let Some(first) = noted.front() {
            if first.at + EARLIEST >= sent {
                break;
            }
            noted.pop_front();
            self.count -= 1;
        }
        let text = noted.pop_front_if(|first| first.at <= sent + LATEST).map(|first| first.touch.text);
        self.count -= usize::from(text.is_some());
        if noted.is_empty() {
            self.open.remove(&mark);
        }
        text
    }
}
