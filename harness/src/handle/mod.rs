//! Handles of what is in a lab: a [`Host`], a [`Container`], a [`Network`], a [`Process`].
//!
//! A handle is a name that is known to be there, and the lab. It is cheap to clone, may be sent anywhere, and holds nothing
//! of the host: when that goes down, what is asked of the handle says so, and when it comes back, the same handle works again.
//!
//! ```no_run
//! # async fn example(lab: harness::Lab) -> harness::Result {
//! let server = lab.host("docker0")?;
//! let listener = server.listen(80).await?;                   // a tokio socket, made there, used here
//! let stream = lab.container("C1")?.connect("docker0", 80).await?;
//! let counted = server.run(|| std::fs::read_to_string("/proc/net/dev"))?;
//! # Ok(())
//! # }
//! ```
//!
//! - `spot`: what hosts and containers have in common: sockets, closures, commands, echo requests.
//! - `host`, `container`, `network`: the handles; `address`: whom they can send to.
//! - `ping`: echo requests and what came of them.
//! - `traffic`: streams, datagrams, round trips, connections, and what came of them.
//! - `command`, `ready`: processes, and when they are ready; `process`: one that was started.

mod address;
mod command;
mod container;
mod host;
mod network;
mod ping;
mod process;
mod ready;
mod spot;
mod traffic;

pub use address::Destination;
pub use command::Command;
pub use container::Container;
pub use host::Host;
pub use network::Network;
pub use ping::{Ping, Pinged};
pub use process::{Output, Process};
pub use ready::Ready;
pub use traffic::Sending;
