//! What can be done on a host and in a container alike.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kernel::Netns;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::{Command, Destination, Output, Ping, Sending};
use crate::error::{Error, Kind, Result};
use crate::lab::{Lab, Place};
use crate::traffic::Traffic;

/// A host or a container of a lab, by name.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) lab: Lab,
    /// As the lab's verbs take it: `host:docker0`.
    pub(super) target: String,
}

impl Spot {
    /// The name alone.
    pub(super) fn name(&self) -> &str {
        self.target.split_once(':').map_or(&self.target, |(_, name)| name)
    }

    /// What it is now: after a crash and a restart, something else than before.
    pub(super) fn place(&self) -> Result<Place> {
        self.lab.place(&self.target)
    }

    pub(super) fn netns(&self) -> Result<Netns> {
        self.place()?.netns()
    }

    pub(super) fn address_of(&self, to: &Destination) -> Result<Ipv4Addr> {
        self.lab.address(&self.target, &to.0)
    }

    /// As [`Spot::address_of`], or as its name server has it.
    pub(super) async fn find(&self, to: &Destination) -> Result<IpAddr> {
        self.lab.find(&self.target, &to.0).await
    }

    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<Ipv4Addr>> {
        self.lab.resolve(&self.place()?, name).await
    }

    pub(super) async fn resolve6(&self, name: &str) -> Result<Vec<Ipv6Addr>> {
        self.lab.resolve6(&self.place()?, name).await
    }

    pub(super) fn listen(&self, port: u16) -> Result<TcpListener> {
        let listener = self.netns()?.listen(any(port))?;
        TcpListener::from_std(listener).map_err(|why| self.failed("listen", &why))
    }

    pub(super) fn udp(&self, port: u16) -> Result<UdpSocket> {
        let socket = self.netns()?.udp(any(port))?;
        UdpSocket::from_std(socket).map_err(|why| self.failed("receive datagrams", &why))
    }

    pub(super) async fn connect(&self, to: Destination, port: u16) -> Result<TcpStream> {
        let to = SocketAddr::new(self.find(&to).await?, port);
        let socket = TcpSocket::from_std_stream(self.netns()?.tcp_to(to.ip())?.into());
        socket.connect(to).await.map_err(|why| {
            Error::new(Kind::Refused, format_args!("cannot connect from {} to {to}: {why}", self.name()))
        })
    }

    pub(super) fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Result<R> {
        Ok(self.netns()?.run(f)?)
    }

    pub(super) fn ping(&self, to: Destination) -> Ping {
        Ping::new(self.clone(), to)
    }

    pub(super) fn send<T: Traffic>(&self, to: Destination, asked: T) -> Sending<T> {
        Sending::new(self.clone(), to, asked)
    }

    pub(super) fn command(&self, program: &str) -> Command {
        Command::new(self.clone(), program)
    }

    pub(super) fn exec(&self, command: &[&str]) -> impl Future<Output = Result<Output>> + Send + use<> {
        let command = match command {
            [] => Err(Error::new(Kind::Input, "a command needs a program")),
            [program, arguments @ ..] => Ok(self.command(program).args(arguments.iter().copied())),
        };
        async move { command?.output().await }
    }

    fn failed(&self, what: &str, why: &std::io::Error) -> Error {
        Error::new(Kind::Machine, format_args!("cannot {what} on {}: {why}", self.name()))
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

/// The verbs of a [`Spot`], on a handle that has one in `spot`.
macro_rules! verbs {
    ($handle:ident) => {
        impl $handle {
            /// Its name.
            pub fn name(&self) -> &str {
                self.spot.name()
            }

            /// A TCP socket that listens there, on all IPv4 addresses. Port 0 is any free one.
            pub async fn listen(&self, port: u16) -> Result<TcpListener> {
                // Asynchronous, so that there is a runtime for the socket.
                self.spot.listen(port)
            }

            /// A TCP connection from there.
            pub async fn connect(&self, to: impl Into<Destination>, port: u16) -> Result<TcpStream> {
                self.spot.connect(to.into(), port).await
            }

            /// A UDP socket there, on all IPv4 addresses. Port 0 is any free one.
            pub async fn udp(&self, port: u16) -> Result<UdpSocket> {
                self.spot.udp(port)
            }

            /// Runs `f` on a thread that lives in its network namespace, and returns what it returns: whatever socket `f` makes,
            /// with whatever library, is made there and works from any thread afterwards. A panic in `f` goes on here.
            ///
            /// Threads started by `f` are in the namespace too. Not for waiting: others wait for the same thread. What waits
            /// belongs into a thread or task of its own, with a socket that `f` returned.
            pub fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Result<R> {
                self.spot.run(f)
            }

            /// Its network namespace, to make sockets in.
            pub fn netns(&self) -> Result<Netns> {
                self.spot.netns()
            }

            /// The address that `to` has for it.
            pub fn address_of(&self, to: impl Into<Destination>) -> Result<Ipv4Addr> {
                self.spot.address_of(&to.into())
            }

            /// The addresses of a name, as it finds them: asked of its own name server, or of the one that hosts have outside, without a
            /// tool of the machine. They are in the order in which they came, which a server draws anew each time. A name without
            /// one is an error.
            pub async fn resolve(&self, name: &str) -> Result<Vec<Ipv4Addr>> {
                self.spot.resolve(name).await
            }

            /// The IPv6 addresses of a name, likewise.
            pub async fn resolve6(&self, name: &str) -> Result<Vec<Ipv6Addr>> {
                self.spot.resolve6(name).await
            }

            /// An echo request to `to`; awaited, it is sent.
            pub fn ping(&self, to: impl Into<Destination>) -> Ping {
                self.spot.ping(to.into())
            }

            /// TCP streams to `to`, as fast as they go; awaited, they are measured.
            pub fn streams(&self, to: impl Into<Destination>) -> Sending<Streams> {
                self.spot.send(to.into(), Streams::default())
            }

            /// UDP datagrams of so many bytes to `to`; awaited, they are sent and counted.
            pub fn datagrams(&self, to: impl Into<Destination>, size: u32) -> Sending<Datagrams> {
                self.spot.send(to.into(), Datagrams::flat_out(size))
            }

            /// Requests to `to` and their answers, one after the other; awaited, they are timed.
            pub fn round_trips(&self, to: impl Into<Destination>) -> Sending<Trips> {
                self.spot.send(to.into(), Trips::default())
            }

            /// Connections to `to`, one after the other; awaited, they are opened, closed and counted.
            pub fn connections(&self, to: impl Into<Destination>) -> Sending<Connections> {
                self.spot.send(to.into(), Connections::default())
            }

            /// A program of the machine, to be started there.
            pub fn command(&self, program: &str) -> Command {
                self.spot.command(program)
            }

            /// Runs a command there to its end: what it printed, how it ended.
            pub fn exec(&self, command: &[&str]) -> impl Future<Output = Result<Output>> + Send + use<> {
                self.spot.exec(command)
            }
        }
    };
}

pub(super) use verbs;
