//! Links that send later: the netem queueing discipline (tc-netem(8)) with a constant delay and nothing else.

use std::time::Duration;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcStats2};

use super::Rtnl;
use crate::error::Result;

/// The discipline's name, as `tc qdisc` shows it.
const NETEM: &str = "netem";
/// What may wait, in packets, before netem loses some: its own default, 1000, is 10 ms of a fast link.
const LIMIT: u32 = 1_000_000;
/// `TCA_NETEM_LATENCY64`, in nanoseconds (`linux/pkt_sched.h`, since Linux 4.15).
const LATENCY: u16 = 10;

/// What a link that sends later has sent, and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delayed {
    /// Packets that have gone on; a frame of several counts as so many.
    pub packets: u64,
    /// Their bytes, from the Ethernet header on.
    pub bytes: u64,
    /// Frames that wait.
    pub waiting: u64,
    /// Frames that found no room.
    pub dropped: u64,
}

impl Rtnl {
    /// How the delay of a link is doing; `None`, if it has none.
    pub fn delayed(&self, index: u32) -> Result<Option<Delayed>> {
        let request = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::with_index(signed(index)));
        let found = self.list("queueing disciplines", request)?.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(message) if message.header.index == signed(index) => {
                Some(message)
            }
            _ => None,
        });
        Ok(found.filter(|message| message.attributes.contains(&kind())).map(|message| read(&message)))
    }
}

/// What makes a link send everything so much later.
pub(super) fn set(index: u32, delay: Duration) -> RouteNetlinkMessage {
    let mut message = at_root(index);
    // `struct tc_netem_qopt`: latency in ticks, limit, loss, gap, duplicate, jitter; the latency is said again, exactly.
    let settings = [0, LIMIT, 0, 0, 0, 0];
    let mut options: Vec<u8> = settings.iter().flat_map(|number: &u32| number.to_ne_bytes()).collect();
    let nanoseconds = i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX);
    // An attribute of 4 and 8 bytes.
    options.extend(12_u16.to_ne_bytes());
    options.extend(LATENCY.to_ne_bytes());
    options.extend(nanoseconds.to_ne_bytes());
    message.attributes.push(kind());
    message.attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
    RouteNetlinkMessage::NewQueueDiscipline(message)
}

/// What makes it send at once again. What waits then is lost.
pub(super) fn remove(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelQueueDiscipline(at_root(index))
}

/// `TCA_OPTIONS`, `linux/rtnetlink.h`.
const TCA_OPTIONS: u16 = 2;

fn kind() -> TcAttribute {
    TcAttribute::Kind(NETEM.to_owned())
}

fn at_root(index: u32) -> TcMessage {
    let mut message = TcMessage::with_index(signed(index));
    message.header.parent = TcHandle::ROOT;
    message
}

fn signed(index: u32) -> i32 {
    i32::try_from(index).unwrap_or_default()
}

fn read(message: &TcMessage) -> Delayed {
    let mut delayed = Delayed::default();
    let all = message.attributes.iter().filter_map(|attribute| match attribute {
        TcAttribute::Stats2(all) => Some(all),
        _ => None,
    });
    for statistic in all.flatten() {
        match statistic {
            TcStats2::Basic(basic) => (delayed.packets, delayed.bytes) = (basic.packets.into(), basic.bytes),
            TcStats2::Queue(queue) => {
                (delayed.waiting, delayed.dropped) = (queue.qlen.into(), queue.drops.into());
            }
            _ => {}
        }
    }
    delayed
}
