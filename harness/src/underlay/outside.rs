//! The outside world: a namespace behind the underlay's gateway that owns the addresses of the internet.
//!
//! It answers echo requests (its kernel does), echoes what it gets on TCP and UDP port 7, and is the name server of its names.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use kernel::{Batch, Netns, Rtnl};
use overlay::Gate;
use overlay::dns::{Names, Server, Service};
use overlay::docker::NAME_PORT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::error::{Error, Kind, Result};
use crate::topology::Underlay;

/// The echo service, RFC 862.
pub(crate) const ECHO: u16 = 7;
/// Largest UDP datagram.
const DATAGRAM: usize = 65_535;

/// The outside world. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Outside {
    netns: Netns,
    _services: JoinSet<()>,
    _names: Option<Server>,
}

impl Outside {
    /// Gives `netns`, which is plugged in as the gateway, the addresses of the internet, and serves there.
    pub(crate) fn open(netns: Netns, underlay: &Underlay) -> Result<Outside> {
        let addresses = &underlay.internet;
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
        let names = underlay.nameserver().map(|at| serve_names(&netns, at, &underlay.dns)).transpose()?;
        Ok(Outside { netns, _services: services, _names: names })
    }

    /// Its namespace.
    pub(crate) fn netns(&self) -> &Netns {
        &self.netns
    }
}

/// Everything that the world has a name for.
#[derive(Clone, Debug)]
struct World(Arc<BTreeMap<String, Ipv4Addr>>);

impl Names for World {
    const IS_AUTHORITY: bool = true;

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.0.get(&name.to_ascii_lowercase()).map(|address| vec![(*address).into()])
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.0.iter().find(|(_, its)| IpAddr::V4(**its) == address).map(|(name, _)| name.clone())
    }
}

fn serve_names(netns: &Netns, at: Ipv4Addr, names: &BTreeMap<String, Ipv4Addr>) -> Result<Server> {
    let world = World(Arc::new(names.clone()));
    let names = move || world.clone();
    let service = Service { names, upstreams: Vec::new(), seed: 0, gate: Gate::default() };
    Ok(Server::start(netns, (at, NAME_PORT).into(), service)?)
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
