//! The outside world: a namespace behind the underlay's gateway that owns the addresses of the internet.
//!
//! It answers echo requests (its kernel does), and echoes what it gets on TCP and UDP port 7.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use kernel::{Batch, Netns, Rtnl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::error::{Error, Kind, Result};

/// The echo service, RFC 862.
pub(crate) const ECHO: u16 = 7;
/// Largest UDP datagram.
const DATAGRAM: usize = 65_535;

/// The outside world. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Outside {
    netns: Netns,
    _services: JoinSet<()>,
}

impl Outside {
    /// Gives `netns`, which is plugged in as the gateway, the addresses of the internet, and serves there.
    pub(crate) fn open(netns: Netns, addresses: &[Ipv4Addr]) -> Result<Outside> {
        let mut batch = Batch::new();
        for ip in addresses {
            batch = batch.address(1, IpNet::V4(Ipv4Net::from(*ip)));
        }
        Rtnl::new(&netns)?.apply(&batch)?;
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), ECHO);
        let mut services = JoinSet::new();
        services.spawn(echo_streams(TcpListener::from_std(netns.listen(any)?).map_err(|e| machine(&e))?));
        // One socket an address: an answer has to come from the address that was asked.
        for ip in addresses {
            let socket = netns.udp(SocketAddr::new(IpAddr::V4(*ip), ECHO))?;
            services.spawn(echo_datagrams(UdpSocket::from_std(socket).map_err(|e| machine(&e))?));
        }
        Ok(Outside { netns, _services: services })
    }

    /// Its namespace.
    pub(crate) fn netns(&self) -> &Netns {
        &self.netns
    }
}

fn machine(error: &io::Error) -> Error {
    Error::new(Kind::Machine, format_args!("cannot serve the outside world: {error}"))
}

/// Echoes every connection until its end.
pub(crate) async fn echo_streams(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(echo_stream(stream))),
                // A connection that failed before it was taken says nothing about the next.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn echo_stream(mut stream: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Sends every datagram back.
pub(crate) async fn echo_datagrams(socket: UdpSocket) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        if let Ok((read, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..read], from).await;
        }
    }
}
