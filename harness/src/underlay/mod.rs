//! The physical network: a switch, and a wire from it to each host.

mod backend;
mod fabric;
mod gap;
mod outside;
mod port;
mod slow;
mod splice;
mod wire;

pub use backend::Backend;
pub(crate) use fabric::{Fabric, Plug};
pub(crate) use outside::{Outside, echo_datagrams, echo_streams};
pub(crate) use port::{Bridge, Port};
pub use wire::Direction;
pub(crate) use wire::Shape;
