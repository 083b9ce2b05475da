//! What should exist, as plain values.

mod endpoint;
mod keyring;
mod network;
mod peer;
mod pool;
mod publish;
mod subnet;
mod vni;

pub use endpoint::Endpoint;
pub use kernel::Mac;
pub use keyring::{Held, Keyring, NetworkKey, Stage};
pub use network::{BadBuild, BadMtu, Build, Network, OPTION_DATAPATH};
pub(crate) use network::{checked_mtu, is_encrypted};
pub use peer::{Peer, Peers};
pub(crate) use pool::pool_id;
pub use pool::{Net, Pool};
pub use publish::{BadPublish, Binding, Protocol, Publish};
pub use subnet::Subnet;
pub use vni::Vni;
