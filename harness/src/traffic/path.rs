//! From where to where traffic goes: two namespaces, and the address under which the one finds the other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use kernel::Netns;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;

use super::span::LOOK;
use crate::error::{Error, Kind, Result};
use crate::probe::plain;

/// How long a connection is waited for. The kernel sends a lost SYN once more after one second (RFC 6298, 2.1), so one
/// loss is survived.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Room for datagrams that wait to be read, in bytes; without the right to have more than others it is what
/// `net.core.rmem_max` allows.
const ROOM: usize = 8 << 20;

/// A way for traffic.
#[derive(Clone, Debug)]
pub struct Path {
    from: Netns,
    to: Netns,
    ip: IpAddr,
    /// Which port is dialled and which one is listened at, if they are not drawn.
    ports: Option<(u16, u16)>,
}

impl Path {
    /// From one namespace to another, which may be the same, and which has that address.
    pub fn new(from: Netns, to: Netns, ip: impl Into<IpAddr>) -> Path {
        Path { from, to, ip: ip.into(), ports: None }
    }

    /// Sent to port `dialled`, where it is redirected to port `listened` of the other end; unless said, one is drawn that is free.
    #[must_use]
    pub fn ports(self, dialled: u16, listened: u16) -> Path {
        Path { ports: Some((dialled, listened)), ..self }
    }

    pub(super) fn from(&self) -> &Netns {
        &self.from
    }

    fn any(&self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        }
    }

    /// Where it is listened, and what is dialled to get there, if it is listened at that address.
    fn dialled(&self, listening: io::Result<SocketAddr>) -> Result<SocketAddr> {
        let listening = listening.map_err(|why| self.failed("listen", &why))?;
        Ok(SocketAddr::new(self.ip, self.ports.map_or(listening.port(), |(dialled, _)| dialled)))
    }

    fn failed(&self, what: &str, why: &io::Error) -> Error {
        Error::new(Kind::Machine, format_args!("cannot {what} in {}: {why}", self.to.name()))
    }

    /// A TCP socket that listens at the far end, blocking, and the address to dial.
    pub(super) fn listen(&self) -> Result<(TcpListener, SocketAddr)> {
        let listener = self.to.listen(self.any(self.ports.map_or(0, |(_, listened)| listened)))?;
        let ready = listener
            .set_nonblocking(false)
            // Accepting waits no longer than this.
            .and_then(|()| SockRef::from(&listener).set_read_timeout(Some(LOOK)));
        ready.map_err(|why| self.failed("listen", &why))?;
        let dialled = self.dialled(listener.local_addr())?;
        Ok((listener, dialled))
    }

    /// A connection, as its two ends: of who dials, of who listens.
    pub(super) fn connect(&self, listener: &TcpListener, to: SocketAddr) -> Result<(TcpStream, TcpStream)> {
        let refused = |why: &io::Error| {
            let why = if why.kind() == io::ErrorKind::TimedOut {
                format!("no connection within {} s", PATIENCE.as_secs())
            } else {
                plain(why)
            };
            Error::new(Kind::Refused, format_args!("cannot connect from {} to {to}: {why}", self.from.name()))
        };
        let near = self.from.tcp_to(self.ip)?;
        near.set_nonblocking(false)
            .and_then(|()| near.connect_timeout(&to.into(), PATIENCE))
            .map_err(|why| refused(&why))?;
        let begun = Instant::now();
        let far = loop {
            match listener.accept() {
                Ok((far, _)) => break far,
                Err(why) if is_silence(&why) && begun.elapsed() < PATIENCE => {}
                // Somebody else has answered.
                Err(why) if is_silence(&why) => {
                    return Err(refused(&io::Error::other("somebody else answers there")));
                }
                Err(why) => return Err(refused(&why)),
            }
        };
        let near = TcpStream::from(near);
        for stream in [&near, &far] {
            prepare(stream).map_err(|why| self.failed("prepare a connection", &why))?;
        }
        Ok((near, far))
    }

    /// UDP sockets, connected and not, blocking.
    pub(super) fn datagrams(&self) -> Result<(UdpSocket, UdpSocket)> {
        let (near, far) = (
            self.from.udp(self.any(0))?,
            self.to.udp(self.any(self.ports.map_or(0, |(_, listened)| listened)))?,
        );
        let dialled = self.dialled(far.local_addr())?;
        let ready = || {
            for socket in [&near, &far] {
                socket.set_nonblocking(false)?;
                socket.set_read_timeout(Some(LOOK))?;
                socket.set_write_timeout(Some(LOOK))?;
                if setsockopt(socket, sockopt::RcvBufForce, &ROOM).is_err() {
                    SockRef::from(socket).set_recv_buffer_size(ROOM)?;
                }
            }
            near.connect(dialled)
        };
        ready().map_err(|why| {
            let names = (self.from.name(), dialled);
            Error::new(
                Kind::Refused,
                format_args!("cannot send from {} to {}: {}", names.0, names.1, plain(&why)),
            )
        })?;
        Ok((near, far))
    }
}

/// No wait is longer than a look; whatever is still under way when it is closed is thrown away, so that nothing is left of it.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Whether it only says that nothing happened in time.
pub(super) fn is_silence(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
