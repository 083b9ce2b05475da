//! The physical network: a switch, and a wire from it to each host.

mod backend;
mod fabric;
mod gap;
mod outside;
mod slow;
mod splice;
mod wire;

pub use backend::Backend;
pub(crate) use fabric::{Fabric, Plug, Port};
pub(crate) use outside::{Outside, echo_datagrams, echo_streams};
pub use wire::Direction;
pub(crate) use wire::Shape;
