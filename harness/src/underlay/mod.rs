//! The physical network: a switch, and a wire from it to each host.

mod fabric;
mod gap;
mod outside;
mod splice;

pub(crate) use fabric::{Fabric, Plug, Port};
pub use gap::Backend;
pub(crate) use outside::{Outside, echo_datagrams, echo_streams};
pub use splice::Direction;
pub(crate) use splice::Shape;
