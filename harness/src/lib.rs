//! Complete multi-host networks on one Linux machine: real namespaces, real VXLAN, a real store, up in milliseconds.
//!
//! This is what a test looks like, under plain `cargo test`, as any user, with root or without:
//!
//! ```no_run
#![doc = include_str!("../tests/guide.rs")]
//! ```
//!
//! Three lines make a crate ready for such tests: a feature `netns = []`, this crate as a dev-dependency, and
//! `required-features = ["netns"]` at the tests that need it; `harness/examples/replicated` is one. Then `cargo test --features netns`.
//!
//! # A page a concept
//!
//! | concept | page |
//! |---|---|
//! | a test in a lab of its own, or in namespaces of its own; what it prints when it fails; what it may leave behind | [`test`](macro@test), [`isolate`](macro@isolate), [`trial`] |
//! | what a lab is made of: written in a file, or built in Rust | [`topology`] |
//! | a lab that is up | [`Lab`] |
//! | hosts and containers: their sockets, closures and processes, and when those are ready | [`handle`] |
//! | what is expected, now, soon, or never | [`expect`](mod@expect) |
//! | what goes wrong: partitions, lost frames, impaired wires, crashes, pauses, clocks, a store that serves badly; a nemesis | [`fault`] |
//! | steps in a file, played by `lab run` | [`scenario`], [`stage`] |
//! | what an operation has changed | [`diff`] |
//! | what passes its interfaces: captured, filtered, in a file for Wireshark | [`capture`] |
//! | where a packet goes, and where and why it is lost | [`trace`] |
//! | all of it as a picture: for a terminal, as SVG, for Mermaid and Graphviz; with a packet's way on it | [`graph`] |
//! | how fast it is, and what that costs: traffic of our own, and layer by layer | [`traffic`], [`layers`] |
//! | what is shown and kept of a failure | [`report`] |
//! | what a test has left behind | [`leak`] |
//! | the store, as Consul's clients and a browser see it; what it was asked, by whom | [`consul`] |
//!
//! # The map
//!
//! Data flows one way: a file becomes a [`topology`], the topology a [`Lab`], a [`scenario`] is played on it. In
//! reading order:
//!
//! - `error`: what went wrong, in a sentence.
//! - [`topology`]: what a file says, what it means, and what is wrong with it.
//! - [`scenario`]: steps, and what is expected of them.
//! - `underlay`: the switch, the wires, the outside world; `relay`: what an impaired wire does to each frame.
//! - `host`, `container`: what a lab is made of; `process`: what runs on them.
//! - [`traffic`]: streams, datagrams, round trips, connections, and what came of them.
//! - `probe`: what a step can try on it; [`report`]: what people and programs are shown of it.
//! - [`stage`]: a scenario played in a lab of its own; [`trial`]: a Rust test in one; [`leak`]: what is left of either.
//! - [`consul`]: the HTTP face of the store: who asks, what is wrong with it, what it was asked; its key browser, and the way
//!   there from the loopback.
//! - [`lab`]: bringing it up, looking at it, crashing a host of it.
//! - [`handle`]: typed handles of hosts, containers, networks and processes; [`expect`](mod@expect): what is expected of them.
//! - [`fault`]: what goes wrong in a lab, and how it is put right again.
//! - [`diff`]: two states of a lab's kernels, compared.
//! - [`hand`]: namespaces, links and entries made by hand.
//! - [`layers`]: what the layers between two containers cost.
//! - [`capture`]: what passes the interfaces of a lab; [`trace`]: one packet, from interface to interface.
//! - [`graph`]: a lab as a picture; [`live`]: that and more for a browser.
//! - `ring`, `events`: what was said and what happened.
//! - [`state`]: what survives between two commands; [`control`]: how a command speaks to a lab.

pub mod capture;
pub mod consul;
mod container;
pub mod control;
pub mod diff;
mod error;
mod events;
pub mod expect;
pub mod fault;
pub mod graph;
pub mod hand;
pub mod handle;
mod host;
pub mod lab;
pub mod layers;
pub mod leak;
pub mod live;
mod probe;
mod process;
mod relay;
pub mod report;
mod ring;
pub mod scenario;
pub mod stage;
pub mod state;
pub mod topology;
pub mod trace;
pub mod traffic;
pub mod trial;
mod underlay;
pub mod xml;

pub use error::{Error, Kind, Result};
pub use events::{Actor, DockerEvent, Edge, Event, Events, Span};
pub use handle::{
    Command, Container, Destination, Host, Network, Output, Ping, Pinged, Process, Ready, Sending,
};
pub use lab::Lab;
pub use process::{Line, Log, State, Stream};
pub use ring::Ring;

/// Makes a function a test in a lab of its own.
///
/// ```no_run
/// use harness::{Lab, expect};
///
/// #[harness::test(file = "scenarios/two-host.toml")]
/// async fn containers_reach_each_other(lab: Lab) -> harness::Result {
///     let c0 = lab.container("C0")?;
///     expect!(lab.container("C1")?.ping(c0.ip("demonet")?)).within("2s").await?;
///     Ok(())
/// }
/// ```
///
/// | argument | means |
/// |---|---|
/// | `file = "…"` | the lab's file, in the crate's directory or one above it; a wrong name in `lab.host("…")`, `.container("…")` or `.network("…")` does not compile |
/// | `topology = …` | an expression of type [`Topology`](topology::Topology) instead |
/// | `seed = 7` | the lab's seed; the environment's `LAB_SEED` overrides it |
/// | `limit = "30s"` | how long the test may take; `LAB_TEST_TIMEOUT`, in seconds, or a minute, unless said |
/// | `leaks = "allowed"` | what the test leaves behind does not fail it |
/// | `crate = path` | where this crate is, if it is not called `harness` |
///
/// The function takes the [`Lab`], is `async` or not, and returns nothing or a [`Result`] of it with an error that is
/// [`Debug`]. Other attributes mean what they always mean. See [`trial`] for what happens then.
pub use harness_macros::test;

/// Makes a function a test in fresh namespaces with nothing but a loopback: it may bind port 80, change sysctls, be killed.
///
/// ```no_run
/// #[harness::isolate]
/// async fn port_80_is_free() -> std::io::Result<()> {
///     tokio::net::TcpListener::bind("127.0.0.1:80").await.map(drop)
/// }
/// ```
///
/// `seed`, `limit`, `leaks` and `crate` are as those of [`test`](macro@test).
pub use harness_macros::isolate;

/// For what the attributes and macros of this crate write.
#[doc(hidden)]
pub use kernel;
