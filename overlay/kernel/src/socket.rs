//! Sockets made inside a namespace and used from anywhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Context, Result};
use crate::netns::Netns;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

impl Netns {
    /// A listening TCP socket, non-blocking, as tokio wants it.
    pub fn listen(&self, address: SocketAddr) -> Result<std::net::TcpListener> {
        let made = self.run(move || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        })?;
        made.map(Into::into).doing("listen", format_args!("on {address} in {}", self.name()))
    }

    /// An unconnected TCP socket for IPv4, non-blocking.
    pub fn tcp(&self) -> Result<Socket> {
        self.tcp_to(Ipv4Addr::UNSPECIFIED.into())
    }

    /// An unconnected TCP socket, non-blocking, of the family of the address that it is to be connected to.
    pub fn tcp_to(&self, to: IpAddr) -> Result<Socket> {
        let made = self.run(move || -> io::Result<Socket> {
            let domain = Domain::for_address(SocketAddr::new(to, 0));
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            Ok(socket)
        })?;
        made.doing("make a socket", format_args!("in {}", self.name()))
    }

    /// A bound UDP socket, non-blocking.
    pub fn udp(&self, address: SocketAddr) -> Result<UdpSocket> {
        let made = self.run(move || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        made.doing("bind", format_args!("{address} in {}", self.name()))
    }

    /// A raw ICMP socket of an address's family, blocking. Raw, because `ping_group_range` cannot be widened without root.
    pub(crate) fn icmp(&self, of: IpAddr) -> Result<Socket> {
        let (domain, protocol) = match of {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let made = self.run(move || Socket::new(domain, Type::RAW, Some(protocol)))?;
        made.doing("make an ICMP socket", format_args!("in {}", self.name()))
    }
}
