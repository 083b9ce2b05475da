//! The topology of a lab: what a file says, what it means, and what is wrong with it.
//!
//! - `name`: names of hosts, containers and networks, each checked once.
//! - `file`: a file as written, read past its mistakes.
//! - `model`: [`Topology`], what the file means; nothing in it is left open.
//! - `check`, `requires`, `record`, `hosts`, `networks`, `containers`, `processes`, `impairments`: from the tables to the model.
//! - `neighbours`: whose MACs hosts know without asking.
//! - `duration`: times as people write them, `5s` and `100ms`.
//! - `report`: mistakes shown in the file's own text.
//! - `write`: a topology written as TOML; `article`: the article's, as a value; `builder`: others in Rust.
//! - `schema`: the JSON schema of the format.
//! - `load`: reads and checks a file.

mod article;
mod builder;
mod check;
mod containers;
mod duration;
mod file;
mod hosts;
mod impairments;
mod load;
mod model;
mod name;
mod neighbours;
mod networks;
mod processes;
mod record;
mod report;
mod requires;
mod schema;
mod write;

pub use builder::Builder;
pub use duration::{parse_duration, show_duration};
pub use file::step_lines;
pub use load::{Error, load, parse};
pub use model::{
    Attachment, Container, Host, Kv, Needed, Network, Process, Record, Requires, Subnet, Topology, Underlay,
    Wire,
};
pub use name::{ContainerName, HostName, NameError, NetworkName, ProcessName};
pub use overlay::Resolution;
pub use report::{Mistake, Report};
pub use schema::schema;

pub(crate) use check::{Checker, TIMEOUT, no_such};
pub(crate) use containers::{Asked, check_command, check_container, check_place};
pub(crate) use file::{At, ContainerTable, Example, FilterTable, ImpairmentTable, NetworkTable, WordOr};
pub(crate) use impairments::{check_filter, check_wire};
pub(crate) use networks::check_network;
pub(crate) use report::{list, quote};
