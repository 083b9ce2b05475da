//! Names: the name server that every container finds at 127.0.0.11, as Docker embeds one.
//!
//! - `message`: the bytes of queries and replies, pure
//! - `answer`: what to do with a query, pure
//! - `zone`: the names that a container can look up, pure
//! - `resolv`: what a container's `/etc/resolv.conf` says, pure
//! - `exchange`: a query to one server and its reply
//! - `forward`: what nobody here knows is asked outside
//! - `serve`: the sockets of a server, UDP and TCP
//! - `ask`: a client of our own
//!
//! As Docker's, it listens on two ports that are free, and a rule in the container's namespace leads port 53 there: so a program in
//! a container may have port 53 of all addresses for itself.
//!
//! The other differences, all on purpose: that no server outside has answered is said (SERVFAIL) where Docker leaves
//! the client waiting; so is that too many queries are outside at once. Without any server outside, a name that nobody here
//! has does not exist (NXDOMAIN); Docker would ask 8.8.8.8. A name that somebody here has exists, whichever type is asked for; Docker
//! asks outside for other types than A, AAAA, MX and PTR, where it does not exist. Services (SRV of `_http._tcp.C0`) are a Swarm's: both
//! ask outside. A query with EDNS is answered with EDNS (RFC 6891, 6.1.1).

mod answer;
mod ask;
mod exchange;
mod forward;
mod message;
mod resolv;
mod serve;
mod zone;

pub use answer::{Names, Over, Reaction, react};
pub use ask::{AskError, ask};
pub use forward::Upstream;
pub use message::{Data, Question, Rcode, Record, Response, Type};
pub use resolv::{BadResolv, Resolv};
pub use serve::{Server, Service};
pub use zone::Zone;
