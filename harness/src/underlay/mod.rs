//! The physical network: a switch, and a wire from it to each host.

mod fabric;
mod outside;
mod splice;

pub(crate) use fabric::{Fabric, Plug, Port};
pub(crate) use outside::{Outside, echo_datagrams, echo_streams};
pub(crate) use splice::Shape;
pub use splice::{Backend, Direction};
