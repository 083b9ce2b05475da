//! Linux as this project uses it: namespaces, netlink, nftables, packet sockets.
//!
//! The only crate with `unsafe`, with `libc`, with netlink. It knows nothing of Docker, stores or labs.
//! In reading order:
//!
//! - [`error`]: what went wrong, to what, and why.
//! - [`mac`]: Ethernet addresses.
//! - [`caps`]: what this process may do; [`confinement`]: what keeps it from more, and what to tell its container's engine.
//! - [`netns`]: network namespaces, each a descriptor and a thread that lives in it.
//! - [`entry`]: the executable started again inside a lab's namespaces; [`isolate`] does it for a test.
//! - [`pass`]: descriptors sent over Unix sockets.
//! - [`rtnl`]: links, addresses, routes, neighbours and fdb entries; many requests in one datagram.
//! - [`nft`]: nftables tables as values, replaced whole.
//! - [`xfrm`]: IPsec, states and policies.
//! - [`notices`]: whether anything of all that was changed.
//! - [`conntrack`]: flows that the kernel tracks.
//! - [`machine`]: PID, mount and UTS namespaces around a network namespace; [`enter`]: a command run on one.
//! - [`cgroup`]: control groups of a machine's own.
//! - [`pidfd`]: processes held by descriptor.
//! - [`pty`]: programs on terminals of our own.
//! - [`canary`]: waiting until the kernel has freed a namespace.
//! - [`probe`]: what this kernel can do, by trying.
//! - [`packet`]: frames as they pass, for those who only look; [`capture`]: the same from memory that the kernel shares with us.
//! - [`wire`]: frames carried by somebody in between, [`vnet`]: what is left to do with them; [`offload`]: what links leave to
//!   others.
//! - [`datagrams`]: many UDP datagrams sent or received in a system call.
//! - [`cpu`]: threads kept on a CPU.
//! - [`icmp`]: echo requests of our own. Sockets and sysctls are methods of [`Netns`].
//!
//! ```no_run
//! # fn example() -> kernel::Result<()> {
//! use kernel::{Batch, Netns, NewLink, Rtnl};
//! use std::os::fd::AsFd;
//!
//! let (host, container) = (Netns::new("docker0")?, Netns::new("C0")?);
//! let here = NewLink { index: 7, name: "veth2".into(), ..NewLink::default() };
//! let there = NewLink { index: 6, name: "eth0".into(), ..NewLink::default() };
//! Rtnl::new(&host)?.apply(&Batch::new().veth(&here, &there, Some(container.as_fd())))?;
//! assert!(Rtnl::new(&container)?.dump()?.link("eth0").is_some());
//! # Ok(())
//! # }
//! ```

mod birth;
pub mod canary;
pub mod caps;
pub mod capture;
pub mod cgroup;
pub mod confinement;
pub mod conntrack;
pub mod cpu;
pub mod datagrams;
mod detached;
pub mod enter;
pub mod entry;
pub mod error;
pub mod header;
pub mod icmp;
pub mod mac;
pub mod machine;
pub mod netns;
pub mod nft;
pub mod notices;
pub mod offload;
pub mod packet;
pub mod pass;
pub mod pidfd;
pub mod probe;
pub mod pty;
pub mod rtnl;
mod socket;
mod sysctl;
pub mod vnet;
pub mod wire;
pub mod xfrm;

pub use canary::Canary;
pub use cgroup::Admission;
pub use error::{Context, Error, Result};
pub use kernel_macros::isolate;
pub use mac::Mac;
pub use machine::{Machine, Setup};
pub use netns::{Inside, Netns};
pub use notices::{Audience, Bell, Notices};
pub use pidfd::Pidfd;
pub use rtnl::{Batch, NewLink, NewVxlan, Rtnl, Snapshot};
pub use xfrm::Xfrm;
