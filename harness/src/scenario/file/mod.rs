//! A scenario's tables as written: every key optional, every value with its place.
//!
//! - `step`: a step, and the tables of its verbs.
//! - `fact`: what `check` and `[[always]]` look at.
//! - `expect`: what a step expects.

mod expect;
mod fact;
mod step;

pub(super) use expect::{ExpectTable, TextTable};
pub(crate) use fact::CheckTable;
pub(super) use fact::{
    AddressTable, InterfaceTable, MtuTable, PeerTable, RouteTable, SameNetworkTable, SandboxTable,
};
pub(crate) use step::StepTable;
pub(super) use step::{
    ContainerVerbTable, ExecTable, KvTable, NamedNetworkTable, NetworkVerbTable, PingTable, TcpTable,
    UdpTable, WaitEntry,
};
