//! Names: the name server that every container finds at 127.0.0.11, as Docker embeds one.
//!
//! - `message`: the bytes of queries and replies, pure
//! - `answer`: what to do with a query, pure
//! - `zone`: the names that a container can look up, pure
//! - `exchange`: a query to one server and its reply
//! - `forward`: what nobody here knows is asked outside
//! - `serve`: the sockets of a server, UDP and TCP
//! - `ask`: a client of our own
//!
//! Docker's daemon listens on two random ports of 127.0.0.11 and lets iptables in the container's namespace lead port 53 there. This
//! one listens on port 53 itself: 127.0.0.0/8 is local as soon as the loopback is up, and the container's namespace stays
//! without rules. The price: a program in a container that wants port 53 of *all* addresses finds it taken.
//!
//! The other differences, all on purpose: that no server outside has answered is said (SERVFAIL) where Docker leaves
//! the client waiting; so is that too many queries are outside at once. Without any server outside, a name that nobody here
//! has does not exist (NXDOMAIN); Docker would ask 8.8.8.8. A name that somebody here has exists, whichever type is asked for; Docker
//! asks outside for other types than A, AAAA, MX and PTR, where it does not exist. A query with EDNS is answered with EDNS (RFC 6891, 6.1.1).

mod answer;
mod ask;
mod exchange;
mod forward;
mod message;
mod serve;
mod zone;

pub use answer::{Names, Over, Reaction, react};
pub use ask::{AskError, ask};
pub use forward::Upstream;
pub use message::{Data, Question, Rcode, Record, Response, Type};
pub use serve::{Server, Service};
pub use zone::Zone;
