//! The store of a lab: started on its host, and asked from anywhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kernel::Netns;
use overlay::kv::memory::Shared;
use overlay::kv::{Kv, consul};
use tokio::net::{TcpListener, TcpSocket};

use super::{Inner, Lab};
use crate::consul as http;
use crate::error::{Error, Kind, Result};
use crate::topology;

/// Consul's HTTP port.
const STORE_PORT: u16 = 8500;

impl Lab {
    /// A client of the store whose sockets are made in `netns`: it goes over the underlay.
    pub(crate) fn kv_from(&self, netns: &Netns) -> Result<Kv> {
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else {
            return Err(Error::new(Kind::NoSuch, "this lab has no store"));
        };
        let store = self.topology().host(host.as_str()).map_or(Ipv4Addr::UNSPECIFIED, |host| host.ip);
        Ok(Kv::Consul(client(host.as_str(), store, netns)))
    }
}

impl Inner {
    /// Starts the embedded store on its host, and a client of it there.
    pub(super) fn open_store(&self) -> Result<()> {
        let Some(topology::Kv::Stub { host, session_ttl_min }) = &self.topology.kv else { return Ok(()) };
        let Some(host) = self.hosts.get(host.as_str()) else { return Ok(()) };
        let config = overlay::kv::store::Config {
            node: host.name().to_owned(),
            session_ttl_min: *session_ttl_min,
            seed: self.topology.seed,
        };
        // What it holds outlives its host, as what a Consul server has on its disk.
        let state = self.store.get_or_init(|| Shared::new(config)).clone();
        let alive = host.alive()?;
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), STORE_PORT);
        let listener = TcpListener::from_std(alive.netns.listen(any)?);
        let listener =
            listener.map_err(|e| Error::new(Kind::Machine, format_args!("cannot open the store: {e}")))?;
        let journal = self.journal.clone();
        let config = http::Config { address: IpAddr::V4(host.ip()), journal, ..http::Config::default() };
        if let Ok(mut services) = alive.services.lock() {
            let gate = alive.gate.clone();
            services.spawn(async move { drop(http::serve(listener, state, config, gate).await) });
        }
        // It holds the host's namespace, so it is the host's to drop.
        let _ = alive.store.set(Kv::Consul(client(host.name(), host.ip(), &alive.netns)));
        Ok(())
    }
}

/// A client of the store at `ip` whose sockets are made in `netns`.
fn client(name: &str, ip: Ipv4Addr, netns: &Netns) -> consul::Client {
    let netns = netns.clone();
    let dial: consul::Dial = Arc::new(move || {
        let socket = netns.tcp().map_err(std::io::Error::other)?;
        Ok(TcpSocket::from_std_stream(socket.into()))
    });
    consul::Client::new(format!("{name}:{STORE_PORT}"), SocketAddr::new(IpAddr::V4(ip), STORE_PORT), dial)
}
