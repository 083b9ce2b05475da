//! A packet that passed an interface, and what a capture holds of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dissect::{Layer, dissect};
use super::line::Lines;
use super::pcapng;

/// A packet that passed an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The number of the interface, in the capture that it is of.
    pub interface: u32,
    /// When, since 1970, by one clock for all interfaces.
    pub at: Duration,
    /// The interface sent it; else it received it.
    pub outgoing: bool,
    /// How long it was, in bytes, with its Ethernet header. Of one that is several packets (GSO) it is the length of all.
    pub length: u32,
    /// As much of it as was kept.
    pub bytes: Vec<u8>,
    /// What else there is to say.
    pub comment: Option<String>,
}

impl Packet {
    /// Its headers, from the outermost on.
    pub fn layers(&self) -> Vec<Layer> {
        dissect(&self.bytes)
    }
}

/// What was captured, in the order in which it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The interfaces, by their numbers: `docker0/1-620dd59483/vxlan1`.
    pub interfaces: Vec<String>,
    /// The packets.
    pub packets: Vec<Packet>,
    /// How many packets the kernel had no room for.
    pub lost: u64,
    /// How many older ones were forgotten, for want of memory.
    pub forgotten: u64,
    /// How many namespaces that are meant could not be looked into, in the end.
    pub unseen: u64,
}

impl Captured {
    /// The interface of a packet.
    pub fn interface_of(&self, packet: &Packet) -> &str {
        let number = usize::try_from(packet.interface).ok();
        number.and_then(|number| self.interfaces.get(number)).map_or("?", String::as_str)
    }

    /// The packets, each in a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Lines::new(self.interfaces.iter().map(String::as_str), false);
        self.packets.iter().map(|packet| lines.line(self.interface_of(packet), packet)).collect()
    }

    /// All of it as a file of the format pcapng.
    pub fn pcapng(&self) -> Vec<u8> {
        let mut file = pcapng::section();
        for name in &self.interfaces {
            file.extend(pcapng::interface(name, kernel::capture::LONGEST));
        }
        for packet in &self.packets {
            file.extend(pcapng::packet(packet));
        }
        if !self.interfaces.is_empty() {
            let at = self.packets.last().map_or(Duration::ZERO, |packet| packet.at);
            let mut said = "of all interfaces".to_owned();
            if self.forgotten > 0 {
                said = format!("{said}; {} older ones were forgotten", self.forgotten);
            }
            if self.unseen > 0 {
                said = format!("{said}; {}", pcapng::unseen(self.unseen));
            }
            file.extend(pcapng::statistics(0, at, self.lost, Some(&said)));
        }
        file
    }
}
