//! What should exist, as plain values.

mod endpoint;
mod network;
mod peer;
mod publish;
mod subnet;
mod vni;

pub use endpoint::Endpoint;
pub use kernel::Mac;
pub(crate) use network::underlay_mtu;
pub use network::{BadMtu, Network};
pub use peer::{Peer, Peers};
pub use publish::{BadPublish, Binding, Protocol, Publish};
pub use subnet::Subnet;
pub(crate) use subnet::pool_id;
pub use vni::Vni;
