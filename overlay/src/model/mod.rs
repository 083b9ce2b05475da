//! What should exist, as plain values.

mod endpoint;
mod mac;
mod network;
mod peer;
mod subnet;
mod vni;

pub use endpoint::Endpoint;
pub use mac::{BadMac, Mac};
pub use network::{BadMtu, Network};
pub use peer::{Peer, Peers};
pub use subnet::Subnet;
pub use vni::Vni;
