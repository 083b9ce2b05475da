//! The physical network: a switch, and a wire from it to each host.

mod fabric;
mod outside;

pub(crate) use fabric::{Fabric, Plug, Port};
pub(crate) use outside::{Outside, echo_datagrams, echo_streams};
