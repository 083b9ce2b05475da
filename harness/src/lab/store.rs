//! The embedded store: on its host, what is wrong with it, and what is left of it when it ends.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use kernel::Netns;
use overlay::kv::memory::Shared;
use overlay::kv::store::Config;
use overlay::kv::{Kv, consul};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Inner, Lab};
use crate::consul::{self as http, Ill, Past};
use crate::error::{Error, Kind, Result};
use crate::fault::{Active, Ailment, Comeback, Fault, FaultId, KvFault};
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
        let config = http::Config {
            clients: self.clients(host),
            ills: self.ills.clone(),
            trace: self.trace.clone(),
            ..http::Config::default()
        };
        if let Ok(mut services) = alive.services.lock() {
            let gate = alive.gate.clone();
            services.spawn(async move { drop(http::serve(listener, store, config, gate).await) });
        }
        // It holds the host's namespace, so it is the host's to drop.
        let _ = alive.store.set(Kv::Consul(client(host.name(), host.ip(), &alive.netns)));
        Ok(())
    }

    /// Whose requests the store's are.
    fn clients(&self, own: &Host) -> http::Clients {
        let address = |host: &topology::Host| (IpAddr::V4(host.ip), host.name.clone());
        let hosts = self.topology.hosts.iter().map(address).collect();
        http::Clients { hosts, own: Some(own.spec.name.clone()) }
    }

    /// With its host a store in memory is gone. One on disk lets go of that as it is.
    pub(super) fn crash_store(&self, host: &Host) {
        let is_its_host =
            matches!(&self.topology.kv, Some(topology::Kv::Stub { host: name, .. }) if *name == *host.name());
        if is_its_host && let Some(store) = self.store.lock().unwrap_or_else(PoisonError::into_inner).take() {
            store.close();
        }
    }

    /// Forgets what is on its disk, if it has one.
    fn wipe_disk(&self) -> Result<()> {
        let Some(disk) = self.disk.get() else { return Ok(()) };
        let wiped = fs::read_dir(disk.path())
            .and_then(|entries| entries.into_iter().try_for_each(|entry| fs::remove_file(entry?.path())));
        wiped.map_err(|e| Error::new(Kind::Machine, format_args!("cannot wipe the store's disk: {e}")))
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
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else { return Err(no_store()) };
        let host = self.known_host(host.as_str())?;
        let socket = host.alive()?.netns.tcp()?;
        let to = SocketAddr::new(IpAddr::V4(host.ip()), PORT);
        let connected = TcpSocket::from_std_stream(socket.into()).connect(to).await;
        connected.map_err(|e| {
            Error::new(Kind::Machine, format_args!("cannot reach the store on host {}: {e}", host.name()))
        })
    }

    /// Makes the store as unwell as the faults that are there ask for.
    pub(super) fn afflict(&self) -> Result<()> {
        let store = self.store()?;
        let mut before = self.0.ills.now();
        let wanted = self.wanted_faults();
        for active in &wanted {
            if let Fault::Kv(KvFault::Ails { host: Some(host), .. }) = &active.fault {
                self.known_host(host.as_str())?;
            }
        }
        // While it is held: see `Ills::set`.
        store.with(|store| {
            let ill = |Active { id, fault, .. }: Active| match fault {
                Fault::Kv(KvFault::Ails { how, host }) => {
                    let there = before.iter().position(|ill| ill.id == id);
                    let new =
                        || Ill { id, how, host, past: (how == Ailment::Stale).then(|| Past::of(store)) };
                    Some(there.map_or_else(new, |at| before.swap_remove(at)))
                }
                _ => None,
            };
            self.0.ills.set(wanted.into_iter().filter_map(ill).collect());
        });
        Ok(())
    }

    /// Lets the store be well again, as far as no fault asks for the contrary. Also while its host is down.
    pub(super) fn relieve(&self) {
        let wanted: BTreeSet<FaultId> = self.wanted_faults().into_iter().map(|active| active.id).collect();
        let mut ills = self.0.ills.now();
        ills.retain(|ill| wanted.contains(&ill.id));
        self.0.ills.set(ills);
    }

    /// Ends the store's process and begins another one. Returns when engines know of it.
    pub(super) async fn restart_store(&self, comeback: Comeback) -> Result<()> {
        let Some(topology::Kv::Stub { host, persist, .. }) = &self.topology().kv else {
            return Err(no_store());
        };
        if comeback == Comeback::Disk && !persist {
            let text = "this store has no disk to come back from; say `persist = true` in `[kv]`, or let it come back empty";
            return Err(Error::new(Kind::Input, text));
        }
        let host = self.known_host(host.as_str())?;
        let mut services = host.alive()?.take_services();
        services.shutdown().await;
        self.0.crash_store(host);
        if comeback == Comeback::Empty {
            self.0.wipe_disk()?;
        }
        self.0.open_store()?;
        self.settle().await
    }

    /// The store itself, while its host is up.
    fn store(&self) -> Result<Shared> {
        let Some(topology::Kv::Stub { host, .. }) = &self.topology().kv else { return Err(no_store()) };
        let store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.ok_or_else(|| Error::down(host.as_str()))
    }
}

fn no_store() -> Error {
    Error::new(Kind::NoSuch, "this lab has no store")
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
