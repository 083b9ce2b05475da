//! What passes the interfaces of a lab, captured: into a file that Wireshark reads, as lines, as values for tests.
//!
//! ```no_run
//! # async fn example(lab: harness::Lab) -> harness::Result {
//! use harness::capture::Request;
//!
//! let capture = lab.capture(Request::path("C1", "C0").filter("icmp")?).await?;
//! lab.container("C1")?.ping("C0").await?;
//! let captured = capture.end().await?;
//! assert!(captured.packets.iter().any(|packet| captured.interface_of(packet) == "docker0/eth0"));
//! assert_eq!(captured.lost, 0);
//! # Ok(())
//! # }
//! ```
//!
//! A capture has a ring of the kernel's in each namespace that it looks into (see [`kernel::capture`]) and one thread that reads all
//! of them. All stamps are of one clock; what is handed over is in their order.
//!
//! - `dissect`: what is in a frame; `filter`: which packets are meant; `line`: a packet in a line; `packet`: packets as values. Pure.
//! - `pcapng`: the file format, pure.
//! - `request`: what is asked for.
//! - `source`: a namespace that is looked into; `record`: the thread; `sink`: where packets go.
//! - `notes`: what impaired wires have done to packets: their comments; `cuts`: what rules of the switch have.
//! - `guard`: a capture held by a test.

mod cuts;
mod dissect;
mod filter;
mod guard;
mod line;
mod notes;
mod packet;
pub mod pcapng;
mod record;
mod request;
mod sink;
mod source;

pub use dissect::{Arp, Ethernet, Icmp, Ip, Layer, Tcp, Udp, dissect, levels};
pub use filter::Filter;
pub use guard::Capture;
pub use line::Lines;
pub use packet::{Captured, Packet};
pub use request::{Interfaces, Request};

pub(crate) use cuts::Cuts;
pub(crate) use line::said;
pub(crate) use notes::Notes;
pub(crate) use record::{Order, Recorder};
pub(crate) use sink::{Kept, Sink};
pub(crate) use source::Spot;
