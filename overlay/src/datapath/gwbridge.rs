//! `docker_gwbridge`: the bridge of a host over which its containers reach the outside, and only the outside.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use ipnet::{IpNet, Ipv4Net};
use kernel::nft::{Action, Chain, Family, Hook, Match, Nft, Rule, Table};
use kernel::{Batch, Mac, Netns, NewLink, Result};

use crate::docker;
use crate::id::{EndpointId, SandboxId};

/// The nftables table's name.
const TABLE: &str = "docker";

/// Conventional priorities (`linux/netfilter_ipv4.h`: `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC`).
const FILTER: i32 = 0;
const SOURCE_NAT: i32 = 100;

/// A container's place on the gateway bridge.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    /// An id, for `inspect`.
    pub(crate) endpoint: EndpointId,
    /// Its address there.
    pub(crate) ip: Ipv4Addr,
    /// Its name in the container: `eth1`.
    pub(crate) inner_name: String,
    /// Its index in the container.
    pub(super) inner: u32,
    /// Index of the half on the bridge.
    pub(super) outer: u32,
    /// Name of the half on the bridge: `vethbc521fc`.
    pub(super) outer_name: String,
}

/// The gateway bridge of a host.
#[derive(Debug)]
pub(super) struct Gateway {
    subnet: Ipv4Net,
    /// The bridge's index, once it is there.
    pub(super) bridge: Option<u32>,
    nft: Option<Nft>,
    /// Ports are isolated, because bridged packets do not pass the filter here.
    isolate: bool,
    /// The containers that are on it.
    pub(super) outsides: BTreeMap<SandboxId, Outside>,
}

impl Gateway {
    /// A gateway bridge that is not there yet, with the first of Docker's local pools that the underlay leaves free.
    pub(super) fn new(underlay: &[Ipv4Net]) -> Gateway {
        Gateway {
            subnet: docker::gwbridge_subnet(underlay),
            bridge: None,
            nft: None,
            isolate: false,
            outsides: BTreeMap::new(),
        }
    }

    /// The bridge's subnet.
    pub(super) fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// The bridge's own address, the containers' way out.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.subnet.hosts().next().unwrap_or(self.subnet.addr())
    }

    /// The lowest address that no container has.
    pub(super) fn free_ip(&self) -> Option<Ipv4Addr> {
        self.subnet.hosts().skip(1).find(|ip| self.outsides.values().all(|outside| outside.ip != *ip))
    }

    /// What the bridge needs of the host, other than links.
    pub(super) fn prepare(&mut self, host: &Netns) -> Result<()> {
        host.set_sysctl("ipv4/ip_forward", "1")?;
        // Without it, frames from port to port would not see the filter.
        self.isolate = match host.set_sysctl("bridge/bridge-nf-call-iptables", "1") {
            Ok(()) => false,
            Err(error) if error.is_missing() => true,
            Err(error) => return Err(error),
        };
        if self.nft.is_none() {
            self.nft = Some(Nft::new(host)?);
        }
        self.write_rules()
    }

    /// Writes the rules if somebody removed them.
    pub(super) fn mend_rules(&self) -> Result<()> {
        match &self.nft {
            Some(nft) if !nft.tables()?.iter().any(|name| name == TABLE) => self.write_rules(),
            _ => Ok(()),
        }
    }

    fn write_rules(&self) -> Result<()> {
        self.nft.as_ref().map_or(Ok(()), |nft| nft.replace(&rules(self.subnet)))
    }

    /// The bridge itself.
    pub(super) fn bridge<'a>(&self, batch: Batch<'a>, index: u32, mac: Mac) -> Batch<'a> {
        let bridge = NewLink {
            index,
            name: docker::GWBRIDGE.to_owned(),
            mac: Some(mac),
            mtu: Some(docker::GWBRIDGE_MTU),
            ..NewLink::default()
        };
        let address = Ipv4Net::new_assert(self.address(), self.subnet.prefix_len());
        batch.bridge(&bridge).address(index, IpNet::V4(address))
    }

    /// What is to be made from the host: a container's pair.
    pub(super) fn outside<'a>(
        &self,
        batch: Batch<'a>,
        bridge: u32,
        outside: &Outside,
        container: &'a Netns,
    ) -> Batch<'a> {
        let outer = NewLink {
            index: outside.outer,
            name: outside.outer_name.clone(),
            mtu: Some(docker::GWBRIDGE_MTU),
            master: Some(bridge),
            ..NewLink::default()
        };
        let inner = NewLink {
            index: outside.inner,
            name: outside.inner_name.clone(),
            mac: Some(Mac::of(outside.ip)),
            mtu: Some(docker::GWBRIDGE_MTU),
            ..NewLink::default()
        };
        let batch = batch.veth(&outer, &inner, Some(container.as_fd()));
        if self.isolate { batch.isolate(outside.outer, &outside.outer_name) } else { batch }
    }

    /// What is to be done in the container.
    pub(super) fn inside<'a>(&self, batch: Batch<'a>, outside: &Outside) -> Batch<'a> {
        let address = Ipv4Net::new_assert(outside.ip, self.subnet.prefix_len());
        batch
            .address(outside.inner, IpNet::V4(address))
            .up(outside.inner, &outside.inner_name)
            .default_route(self.address(), outside.inner)
    }
}

/// Docker's behaviour, not its chains: containers do not talk to one another here (icc is off), reach the outside
/// under the host's address, and are reached from there only by answers.
fn rules(subnet: Ipv4Net) -> Table {
    let (into, out_of) =
        (|| Match::Out(docker::GWBRIDGE.to_owned()), || Match::NotOut(docker::GWBRIDGE.to_owned()));
    let from = || Match::In(docker::GWBRIDGE.to_owned());
    let forward = Chain {
        name: "forward".to_owned(),
        hook: Hook::Forward,
        priority: FILTER,
        accept: true,
        rules: vec![
            Rule::when([from(), into()], Action::Drop),
            Rule::when([into(), Match::Established], Action::Accept),
            Rule::when([into()], Action::Drop),
        ],
    };
    let postrouting = Chain {
        name: "postrouting".to_owned(),
        hook: Hook::Postrouting,
        priority: SOURCE_NAT,
        accept: true,
        rules: vec![Rule::when([Match::Source(subnet), out_of()], Action::Masquerade)],
    };
    Table { family: Family::Ip, name: TABLE.to_owned(), chains: vec![forward, postrouting] }
}
