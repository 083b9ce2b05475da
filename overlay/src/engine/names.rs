//! The name servers of this host's containers: one in each that is on some network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::Netns;
use kernel::header::{TCP, UDP};
use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use tokio::sync::watch;

use super::Applied;
use crate::dns::{Server, Service, Upstream, Zone};
use crate::docker;
use crate::gate::Gate;
use crate::host::{ContainerRef, HostEnv};
use crate::id::{EndpointId, SandboxId};
use crate::model::Endpoint;
use crate::witness::Witness;

/// The name servers, and what they are started with.
#[derive(Debug)]
pub(super) struct NameServers {
    pub(super) env: HostEnv,
    pub(super) vtep: Ipv4Addr,
    /// The host's own.
    pub(super) upstreams: Vec<Ipv4Addr>,
    pub(super) seed: u64,
    pub(super) gate: Gate,
    pub(super) witness: Witness,
    pub(super) applied: watch::Sender<Applied>,
    pub(super) running: Mutex<Running>,
}

/// Those that run, and the containers in which one cannot.
#[derive(Debug, Default)]
pub(super) struct Running {
    servers: BTreeMap<SandboxId, Led>,
    failed: BTreeSet<SandboxId>,
}

/// A name server, and the rules that lead port 53 to it.
#[derive(Debug)]
struct Led {
    server: Server,
    /// Kept: one that is closed behind a change waits for all that the kernel has to free by then (`nft_rcv_nl_event`), ten milliseconds.
    nft: Nft,
}

impl Led {
    /// Writes the rules, in place of those of an earlier server.
    fn lead(&self) -> kernel::Result<()> {
        self.nft.replace(&rules(self.server.ports()))
    }

    /// Whether the rules are there.
    fn is_led(&self) -> kernel::Result<bool> {
        Ok(self.nft.tables()?.iter().any(|name| name == TABLE))
    }

    /// Ends the server, and takes its rules away.
    fn end(self) {
        // A namespace that is going takes them along.
        let _ = self.nft.remove(Family::Ip, TABLE);
    }
}

/// The table's name.
const TABLE: &str = "docker_dns";
/// `NF_IP_PRI_NAT_DST`, `linux/netfilter_ipv4.h`.
const DESTINATION_NAT: i32 = -100;

/// What leads questions to a server on these ports (20.10: chain `DOCKER_OUTPUT`, `resolver_unix.go`). The way back is the
/// kernel's own to find.
fn rules((udp, tcp): (u16, u16)) -> Table {
    let lead = |protocol, port| {
        let question = [
            Match::Destination(docker::NAME_SERVER.into()),
            Match::Protocol(protocol),
            Match::DestinationPort(docker::NAME_PORT),
        ];
        Rule::when(question, Action::Dnat(SocketAddrV4::new(docker::NAME_SERVER, port)))
    };
    let output = Chain {
        name: "output".to_owned(),
        hook: Hook::NatOutput,
        priority: DESTINATION_NAT,
        accept: true,
        rules: vec![lead(UDP, udp), lead(TCP, tcp)],
    };
    Table { family: Family::Ip, name: TABLE.to_owned(), chains: vec![output] }
}

impl NameServers {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one in each container that has an endpoint in the kernel, and ends the others; looks whether questions still come
    /// there, to mend. Where that fails it is tried again each time, and is no reason to hold anything else up.
    pub(super) fn agree(&self, mine: &BTreeMap<EndpointId, Endpoint>, mend: bool) {
        let here: BTreeSet<SandboxId> = mine.values().filter_map(|endpoint| endpoint.sandbox).collect();
        let mut running = self.running();
        let over = |(sandbox, led): &(&SandboxId, &Led)| !here.contains(sandbox) || led.server.is_over();
        let over: Vec<SandboxId> = running.servers.iter().filter(over).map(|(sandbox, _)| *sandbox).collect();
        over.iter().filter_map(|sandbox| running.servers.remove(sandbox)).for_each(Led::end);
        running.failed.retain(|sandbox| here.contains(sandbox));
        for sandbox in here {
            let Some(container) = self.env.sandboxes.container(sandbox) else { continue };
            let done = match running.servers.get(&sandbox) {
                Some(led) if mend => led.is_led().and_then(|is| if is { Ok(()) } else { led.lead() }),
                Some(_) => continue,
                None => self.start(&container).map(|led| drop(running.servers.insert(sandbox, led))),
            };
            match done {
                Ok(()) => drop(running.failed.remove(&sandbox)),
                Err(error) if running.failed.insert(sandbox) => {
                    let name = &container.name;
                    tracing::warn!(host = self.env.name, container = name, %error, "no name server");
                    self.witness.say(format_args!("container {name} has no name server: {error}"));
                }
                Err(_) => {}
            }
        }
    }

    fn start(&self, container: &ContainerRef) -> kernel::Result<Led> {
        let (sandbox, vtep, applied) = (container.sandbox, self.vtep, self.applied.clone());
        let ndots = container.dns.ndots();
        let names = move || {
            let applied = applied.borrow();
            let its = applied.mine.values().filter(|endpoint| endpoint.sandbox == Some(sandbox));
            Zone::of(Arc::clone(&applied.view), vtep, its.map(|endpoint| endpoint.network)).with_ndots(ndots)
        };
        // Of the sandbox's id, so that containers draw differently.
        let seed = self.seed
            ^ format!("{sandbox:#}").bytes().fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(byte));
        let service = Service { names, upstreams: self.upstreams(container), seed, gate: self.gate.clone() };
        let server = Server::start(&container.netns, (docker::NAME_SERVER, 0).into(), service)?;
        let led = Led { server, nft: Nft::new(&container.netns)? };
        led.lead()?;
        Ok(led)
    }

    /// The container's own servers are asked from where it is. So are the host's, but for those on its loopback, which nobody
    /// else reaches (20.10: `HostLoopback`).
    fn upstreams(&self, container: &ContainerRef) -> Vec<Upstream> {
        let asked = |server: &Ipv4Addr, from: &Netns| Upstream { server: *server, from: from.clone() };
        if !container.dns.servers.is_empty() {
            return container.dns.servers.iter().map(|server| asked(server, &container.netns)).collect();
        }
        let of_host =
            |server: &Ipv4Addr| if server.is_loopback() { &self.env.netns } else { &container.netns };
        self.upstreams.iter().map(|server| asked(server, of_host(server))).collect()
    }

    /// Whether all that should be are there.
    pub(super) fn are_whole(&self) -> bool {
        let running = self.running();
        running.failed.is_empty() && running.servers.values().all(|led| !led.server.is_over())
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        self.running().servers.clear();
    }
}
