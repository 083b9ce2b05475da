//! The embedded store: on its host, and what is left of it when that crashes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use kernel::Netns;
use overlay::kv::memory::Shared;
use overlay::kv::store::Config;
use overlay::kv::{Kv, consul};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Inner, Lab};
use crate::consul as http;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::topology;

/// Consul's HTTP port.
const PORT: u16 = 8500;

impl Inner {
    /// Starts the store on its host, and a client of it there.
    pub(super) fn open_store(&self) -> Result<()> {
        let Some(topology::Kv::Stub { host, session_ttl_min, persist }) = &self.topology.kv else {
            return Ok(());
        };
        let Some(host) = self.hosts.get(host.as_str()) else { return Ok(()) };
        let config = Config {
            node: host.name().to_owned(),
            address: IpAddr::V4(host.ip()),
            session_ttl_min: *session_ttl_min,
            seed: self.topology.seed,
        };
        let store = if *persist {
            Shared::open(self.disk()?, config).map_err(|why| Error::new(Kind::Machine, why))?
        } else {
            Shared::new(config)
        };
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        let alive = host.alive()?;
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
        let listener = TcpListener::from_std(alive.netns.listen(any)?);
        let listener =
            listener.map_err(|e| Error::new(Kind::Machine, format_args!("cannot open the store: {e}")))?;
        let journal = self.journal.clone();
        let config = http::Config { journal, ..http::Config::default() };
        if let Ok(mut services) = alive.services.lock() {
            let gate = alive.gate.clone();
            services.spawn(async move { drop(http::serve(listener, store, config, gate).await) });
        }
        // It holds the host's namespace, so it is the host's to drop.
        let _ = alive.store.set(Kv::Consul(client(host.name(), host.ip(), &alive.netns)));
        Ok(())
    }

    /// With its host a store in memory is gone. One on disk lets go of that as it is.
    pub(super) fn crash_store(&self, host: &Host) {
        let is_its_host =
            matches!(&self.topology.kv, Some(topology::Kv::Stub { host: name, .. }) if *name == *host.name());
        if is_its_host && let Some(store) = self.store.lock().unwrap_or_else(PoisonError::into_inner).take() {
            store.close();
        }
    }

    /// The disk of the store's host. It outlives the host and not the lab, in whose own `/run` it is.
    fn disk(&self) -> Result<&Path> {
        if let Some(disk) = self.disk.get() {
            return Ok(disk.path());
        }
        let made = tempfile::Builder::new().prefix("consul-").tempdir_in("/run");
        let made = made.map_err(|e| {
            Error::new(Kind::Machine, format_args!("cannot make a directory for the store in /run: {e}"))
        })?;
        Ok(self.disk.get_or_init(|| made).path())
    }
}

impl Lab {
    /// A connection to the store's HTTP face, as somebody on its own host has one.
    pub(crate) async fn dial_store(&self) -> Result<TcpStream> {
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else {
            return Err(Error::new(Kind::NoSuch, "this lab has no store"));
        };
        let host = self.known_host(host.as_str())?;
        let socket = host.alive()?.netns.tcp()?;
        let to = SocketAddr::new(IpAddr::V4(host.ip()), PORT);
        let connected = TcpSocket::from_std_stream(socket.into()).connect(to).await;
        connected.map_err(|e| {
            Error::new(Kind::Machine, format_args!("cannot reach the store on host {}: {e}", host.name()))
        })
    }
}

/// A client of the store at `ip` whose sockets are made in `netns`.
pub(super) fn client(name: &str, ip: Ipv4Addr, netns: &Netns) -> consul::Client {
    let netns = netns.clone();
    let dial: consul::Dial = Arc::new(move || {
        let socket = netns.tcp().map_err(std::io::Error::other)?;
        Ok(TcpSocket::from_std_stream(socket.into()))
    });
    consul::Client::new(format!("{name}:{PORT}"), SocketAddr::new(IpAddr::V4(ip), PORT), dial)
}
