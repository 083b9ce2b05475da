//! Linux as this project uses it: namespaces, netlink, nftables, packet sockets.
//!
//! The only crate with `unsafe`, with `libc`, with netlink. It knows nothing of Docker, stores or labs.
//! In reading order:
//!
//! - [`error`]: what went wrong, to what, and why.
//! - [`mac`]: Ethernet addresses.
//! - [`caps`]: what this process may do.
//! - [`netns`]: network namespaces, each a descriptor and a thread that lives in it.
//! - [`entry`]: the executable started again inside a lab's namespaces; [`isolate`] does it for a test.
//! - [`pass`]: descriptors sent over Unix sockets.
//! - [`rtnl`]: links, addresses, routes, neighbours and fdb entries; many requests in one datagram.

pub mod caps;
pub mod entry;
pub mod error;
pub mod mac;
pub mod netns;
pub mod pass;
pub mod rtnl;

pub use error::{Context, Error, Result};
pub use kernel_macros::isolate;
pub use mac::Mac;
pub use netns::Netns;
pub use rtnl::{Batch, NewLink, NewVxlan, Rtnl, Snapshot};
