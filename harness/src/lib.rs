//! Complete multi-host networks on one Linux machine: real namespaces, real VXLAN, a real store, up in milliseconds.
//!
//! Data flows one way: a file becomes a [`topology`], the topology a [`Lab`], a [`scenario`] is played on it. In
//! reading order:
//!
//! - `error`: what went wrong, in a sentence.
//! - [`topology`]: what a file says, what it means, and what is wrong with it.
//! - [`scenario`]: steps, and what is expected of them.
//! - `underlay`: the switch, the wires, the outside world.
//! - `host`, `container`: what a lab is made of; `process`: what runs on them.
//! - `probe`: what a step can try on it; [`report`]: what people and programs are shown of it.
//! - [`stage`]: a scenario played in a lab of its own.
//! - [`consul`]: the HTTP face of the store.
//! - [`lab`]: bringing it up, looking at it, crashing a host of it.
//! - [`fault`]: what goes wrong in a lab, and how it is put right again; `relay`: wires that are worse than bare ones.
//! - `ring`, `events`: what was said and what happened.
//! - [`state`]: what survives between two commands; [`control`]: how a command speaks to a lab.
//!
//! ```no_run
//! # async fn example() -> harness::Result {
//! use harness::{Lab, topology::Topology};
//!
//! // Inside namespaces of its own: see `kernel::entry`.
//! let lab = Lab::up(Topology::two_hosts()).await?;
//! let to = lab.address("C1", "C0")?;
//! let mut echoes = lab.echoes(&lab.place("C1")?, to, 1, std::time::Duration::from_secs(1))?;
//! assert!(echoes.recv().await.is_some());
//! # Ok(())
//! # }
//! ```

pub mod consul;
mod container;
pub mod control;
mod error;
mod events;
pub mod fault;
mod host;
pub mod lab;
mod probe;
mod process;
#[cfg_attr(not(test), expect(dead_code, reason = "the pump is not there yet"))]
mod relay;
pub mod report;
mod ring;
pub mod scenario;
pub mod stage;
pub mod state;
pub mod topology;
mod underlay;

pub use error::{Error, Kind, Result};
pub use events::{Event, Events};
pub use lab::Lab;
pub use process::{Line, Log, State, Stream};
pub use ring::Ring;
