//! What the engine's verbs can say no with, in Docker's words.

use std::net::{IpAddr, Ipv4Addr};

use crate::datapath::Refused;
use crate::id::NetworkId;
use crate::ipam::PoolError;
use crate::kv;
use crate::model::{BadBuild, BadMtu, Mac};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A verb that failed. Its text is the one that Docker Engine 20.10 answers with, where Docker has one.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Cause>);

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("network {0} not found")]
    NoSuchNetwork(String),
    #[error("network {name} is ambiguous ({count} matches found {how})")]
    Ambiguous { name: String, count: usize, how: &'static str },
    #[error("network with name {0} already exists")]
    NetworkExists(String),
    #[error("invalid name: {0}")]
    InvalidName(String),
    #[error("operation is not permitted on predefined {0} network")]
    Predefined(String),
    #[error("{0} is a pre-defined network and cannot be removed")]
    RemovePredefined(String),
    #[error("error while removing network: network {name} id {id:#} has active endpoints")]
    InUse { name: String, id: NetworkId },
    #[error("endpoint with name {name} already exists in network {network}")]
    EndpointExists { name: String, network: String },
    #[error("container {container} is not connected to network {network}")]
    NotConnected { container: String, network: String },
    #[error("no available IPv{version} addresses on this network's address pools: {name} ({id:#})")]
    NoAddress { version: u8, name: String, id: NetworkId },
    #[error(
        "user specified IP address is supported only when connecting to networks with user configured subnets"
    )]
    AddressOnDefaultPool,
    #[error("{0} cannot be a container's MAC address: it is a group's, or nobody's")]
    BadMac(Mac),
    #[error("MAC address {mac} is already in use by {name} on network {network}")]
    MacTaken { mac: Mac, name: String, network: String },
    #[error(
        "MAC address {mac} is that of {ip} on network {network}: choose another one, or ask for that address"
    )]
    MacOfAnother { mac: Mac, ip: Ipv4Addr, network: String },
    #[error("cannot join secure network: encryption keys not present")]
    Encrypted,
    #[error("network {name} cannot be encrypted on this host: {why}")]
    NoEsp { name: String, why: String },
    #[error("network {0} is not encrypted: it has no keys")]
    NotEncrypted(String),
    #[error("the keys of network {0} are being rotated: wait until that is done")]
    Rotating(String),
    #[error(
        "the keys of network {network} are still being rotated after {waited:?}: it goes on once {hosts} has followed; until then nothing is lost"
    )]
    NotRotated { network: String, waited: std::time::Duration, hosts: String },
    #[error(transparent)]
    Mtu(#[from] BadMtu),
    #[error(transparent)]
    Build(#[from] BadBuild),
    #[error("invalid vxlan id value {0:?} passed")]
    BadVni(String),
    #[error("insufficient vnis({0}) passed to overlay")]
    TooFewVnis(usize),
    #[error("vxlan id {0} is in use by another network")]
    VniTaken(u32),
    #[error("no vxlan id is left")]
    NoVni,
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("network {network} is damaged in the store: {what}")]
    Damaged { network: String, what: &'static str },
    #[error(transparent)]
    Datapath(#[from] Refused),
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    #[error(transparent)]
    Store(#[from] kv::Error),
    #[error("the store changed {0} times while this was being done, giving up")]
    Contended(usize),
    #[error("the engine advertises {0}, which is not an IPv4 address")]
    Advertise(std::net::SocketAddr),
    #[error("the address {0} was taken by another endpoint while this host was away")]
    AddressLost(IpAddr),
    #[error("the engine has ended")]
    Ended,
}

impl Error {
    /// What was named does not exist (404 in Docker's API).
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Cause::NoSuchNetwork(_) | Cause::NotConnected { .. })
    }

    /// The name is another's (409 in Docker's API).
    pub fn is_conflict(&self) -> bool {
        matches!(*self.0, Cause::NetworkExists(_))
    }

    /// Somebody has what was asked for, or it is in use (403 in Docker's API).
    pub fn is_forbidden(&self) -> bool {
        matches!(
            *self.0,
            Cause::Predefined(_)
                | Cause::RemovePredefined(_)
                | Cause::InUse { .. }
                | Cause::EndpointExists { .. }
                | Cause::VniTaken(_)
                | Cause::MacTaken { .. }
                | Cause::MacOfAnother { .. }
                | Cause::AddressLost(_)
                | Cause::Pool(PoolError::Overlap | PoolError::InUse)
        )
    }

    /// Docker's command line finds this out before it asks the daemon, and does not say "Error response from daemon".
    pub fn is_usage(&self) -> bool {
        matches!(*self.0, Cause::Pool(PoolError::NoMatchingSubnet { .. } | PoolError::SubnetNeeded))
    }

    /// The store could not be reached: worth another try, later.
    pub fn is_unreachable(&self) -> bool {
        matches!(&*self.0, Cause::Store(error) if error.is_unreachable())
    }

    /// The status with which Docker's API answers.
    pub fn status(&self) -> u16 {
        match &*self.0 {
            Cause::Ambiguous { .. } => 400,
            _ if self.is_forbidden() => 403,
            _ if self.is_not_found() => 404,
            _ if self.is_conflict() => 409,
            _ => 500,
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Error {
        Error(Box::new(cause))
    }
}

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Error {
        Cause::from(error).into()
    }
}

impl From<kv::Error> for Error {
    fn from(error: kv::Error) -> Error {
        Cause::from(error).into()
    }
}
