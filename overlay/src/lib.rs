//! The overlay engine of one Docker host: multi-host container networks over VXLAN, as Docker builds them with an
//! external key-value store. It knows nothing of labs, and of other hosts only what the store says.
//!
//! In reading order:
//!
//! - [`docker`]: Docker's names and numbers, each with its source.
//! - [`id`]: ids, and the names made of them.
//! - [`model`]: networks, subnets, endpoints, peers, published ports, as plain values.
//! - [`ipam`]: which subnet a network gets, which address an endpoint.
//! - [`kv`]: the store, its keys and the documents in them.
//! - [`ledger`]: all documents as a whole, and the transactions that change them.
//! - [`datapath`]: what the kernel has, made to agree with the documents.
//! - [`dns`]: the name server in each container.
//! - `discovery`: who is alive.
//! - `gate`: work that can be held up.
//! - `host`: what an engine is told of its host, and the namespaces that the host owns.
//! - `witness`: who hears what an engine does of its own accord.
//! - `engine`: the verbs, and the loop that follows the store.
//! - [`inspect`]: networks and containers as `docker inspect` shows them.
//! - `error`: what the verbs say no with, in Docker's words.
//!
//! ```no_run
//! # async fn example(netns: kernel::Netns, container: overlay::ContainerRef) -> overlay::Result<()> {
//! use overlay::kv::{Kv, memory};
//! use overlay::{Config, CreateNetwork, Engine, HostEnv, JoinOptions, Sandboxes};
//!
//! let host = HostEnv {
//!     name: "docker0".into(),
//!     netns,
//!     advertise: "10.0.0.10:2376".parse().expect("an address"),
//!     sandboxes: Sandboxes::new(),
//!     underlay: vec!["10.0.0.0/24".parse().expect("a subnet")],
//! };
//! let store = Kv::Memory(memory::Shared::new(Default::default()));
//! let engine = Engine::start(host, store, Config::default())?;
//! engine.create_network(CreateNetwork { name: "demonet".into(), ..CreateNetwork::default() }).await?;
//! let endpoint = engine.join(&container, "demonet", JoinOptions::default()).await?;
//! assert_eq!(endpoint.interface, "eth0");
//! # Ok(())
//! # }
//! ```

pub mod datapath;
mod discovery;
pub mod dns;
pub mod docker;
mod engine;
mod error;
mod gate;
mod host;
pub mod id;
pub mod inspect;
pub mod ipam;
pub mod kv;
pub mod ledger;
pub mod model;
mod witness;

pub use datapath::{MissCounts, Resolution};
pub use engine::{Config, EndpointInfo, Engine, JoinOptions, NetworkSummary};
pub use error::{Error, Result};
pub use gate::Gate;
pub use host::{ContainerRef, HostEnv, Sandbox, Sandboxes};
pub use ledger::CreateNetwork;
pub use witness::Witness;
