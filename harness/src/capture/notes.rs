//! What has been done to the packets that a capture has seen: being sent onto a wire, and coming into the switch.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::cuts::Cuts;
use super::packet::Packet;
use crate::relay::{Noted, Reading, Side, key};

/// How long a frame may take from where it is sent to whoever carries it, and clocks that are read one after the other may differ.
const LATEST: Duration = Duration::from_secs(1);
const EARLIEST: Duration = Duration::from_millis(5);

/// What is known of packets that wires and the switch have touched.
#[derive(Debug)]
pub(crate) struct Notes {
    reading: Reading,
    /// The side of a wire that is sent onto at an interface, by its name.
    sides: BTreeMap<String, Side>,
    /// What no packet was found for yet: of frames that begin alike in order.
    open: HashMap<(Side, u64), VecDeque<Noted>>,
    count: usize,
    /// The rules of the switch.
    cuts: Cuts,
}

/// Most notes that wait for their packets; those of packets that the filter leaves out wait in vain.
const MOST: usize = 1 << 16;

impl Notes {
    /// Of wires onto which packets are sent at these interfaces, and of a switch with these rules.
    pub(crate) fn new(reading: Reading, sides: BTreeMap<String, Side>, cuts: Cuts) -> Notes {
        Notes { reading, sides, open: HashMap::new(), count: 0, cuts }
    }

    /// Whether there may be any.
    pub(super) fn are_awaited(&self) -> bool {
        !self.sides.is_empty()
    }

    /// The side of a wire and the key by which a packet is found again, if it was sent onto a wire there. `bytes` are as much of it as is known.
    pub(super) fn mark(&self, interface: &str, packet: &Packet, bytes: &[u8]) -> Option<(Side, u64)> {
        let side = self.sides.get(interface).filter(|_| packet.outgoing)?;
        let length = usize::try_from(packet.length).ok()?;
        Some((*side, key(bytes, length)?))
    }

    /// What the switch has done to a packet that came in there. `bytes` are as much of it as is known.
    pub(super) fn cut(&self, interface: &str, packet: &Packet, bytes: &[u8]) -> Option<String> {
        self.cuts.of(interface, packet, bytes)
    }

    /// Hears what was noted until now.
    pub(super) fn catch_up(&mut self) {
        for noted in self.reading.take() {
            self.keep(noted);
        }
    }

    fn keep(&mut self, noted: Noted) {
        if self.count == MOST {
            self.forget();
        }
        self.count += 1;
        self.open.entry((noted.side, noted.touch.key)).or_default().push_back(noted);
    }

    /// Forgets the older half: packets of the younger ones may still come.
    fn forget(&mut self) {
        let mut times: Vec<Duration> = self.open.values().flatten().map(|noted| noted.at).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        self.open.retain(|_, noted| {
            noted.retain(|noted| noted.at > middle);
            !noted.is_empty()
        });
        self.count = self.open.values().map(VecDeque::len).sum();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Log, Touch};

    #[test]
    fn of_too_many_notes_the_older_ones_are_forgotten() {
        let mut notes = Notes::new(Log::default().read(), BTreeMap::new(), Cuts::default());
        let side = Side { port: 1, up: true };
        let most = u64::try_from(MOST).expect("a number");
        for number in 0..=most {
            let touch = Touch { key: number, text: number.to_string() };
            notes.keep(Noted { side, at: Duration::from_millis(number), touch });
        }
        let mut of = |number: u64| notes.of((side, number), Duration::from_millis(number));
        assert_eq!(of(most), Some(most.to_string()));
        assert_eq!(of(most - 1), Some((most - 1).to_string()));
        assert_eq!(of(0), None);
    }
}
