//! A scenario's tables as written: every key optional, every value with its place.
//!
//! - `step`: a step, and the tables of its verbs.
//! - `listen`: where its echo server is.
//! - `fact`: what `check` and `[[always]]` look at.
//! - `hand`: what is made by hand.
//! - `fault`: what goes wrong.
//! - `expect`: what a step expects.

mod expect;
mod fact;
mod fault;
mod hand;
mod listen;
mod step;

pub(super) use expect::{ExpectTable, TextTable};
pub(crate) use fact::CheckTable;
pub(super) use fact::{
    AddressTable, InterfaceTable, MtuTable, PeerTable, RouteTable, SameNetworkTable, SandboxTable,
};
pub(super) use fault::{DropTable, FaultTable, KvFaultTable, NemesisTable, PartitionTable};
pub(super) use hand::{LegTable, MakeTable, UnmakeTable, VethTable, VxlanTable};
pub(super) use listen::ListenEntry;
pub(crate) use step::StepTable;
pub(super) use step::{
    CaptureTable, ConnectTable, ContainerVerbTable, DiffTable, ExecTable, KvTable, NetworkVerbTable,
    PingTable, RepeatTable, ResolveTable, TcpTable, ThroughputTable, TraceTable, UdpTable,
};
