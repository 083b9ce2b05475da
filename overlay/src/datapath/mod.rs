//! What the kernel has, made to agree with what the store says.
//!
//! - [`plan`]: what to change in a sandbox's tables, pure
//! - `sandbox`: an overlay's namespace; `segment`: a subnet in it, `br0` and `vxlan1`
//! - `leg`: an endpoint's interface, and what it hangs on
//! - `announce`: telling those here which MAC an address has
//! - `miss`: what vxlan devices miss, and what is done about it
//! - `gwbridge`: `docker_gwbridge`, the way outside; `rules`: what it lets through, pure; `ports`: those of the host that containers
//!   have published; `flows`: which flows to them go astray, pure
//! - `cipher`: what encrypts networks between hosts, pure; `encryption`: that in the kernel
//! - `attach`: a container's join, leave and roll-back
//! - `counters`: the numbers in the names, and the indexes
//! - `adopt`: what an earlier engine left
//! - `lost`: networks that the store does not have any more
//! - `calm`: whether there is anything to look at
//! - `converge`: all of it, from the store's documents

mod adopt;
mod announce;
mod attach;
mod calm;
mod cipher;
mod converge;
mod counters;
mod encryption;
mod flows;
mod gwbridge;
mod leg;
mod lost;
mod miss;
mod plan;
mod ports;
mod rules;
mod sandbox;
mod segment;

pub(crate) use attach::{Refused, draw_veth};
pub use cipher::{Ciphers, Present, cipher_faults, encrypts};
pub(crate) use converge::{Datapath, Pass, Report};
pub use encryption::ciphers_due;
pub use miss::{MissCounts, Resolution};
pub use plan::{Op, Tables, plan};
pub use rules::{rule_faults, rules};
