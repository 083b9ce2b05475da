//! An overlay's namespace on one host: a segment for each of the network's subnets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::Ipv4Net;
use kernel::rtnl::Misses;
use kernel::{Batch, Context, Netns, Result, Rtnl, Snapshot};

use super::announce::Macs;
use super::miss::{Listener, Tell};
use super::segment::Segment;
use crate::docker;
use crate::id::NetworkId;
use crate::ledger::Moment;
use crate::model::{Build, Vni};

/// The first bridge's index: it is the first link that is made in its namespace.
pub(super) const BRIDGE_INDEX: u32 = 2;

/// IPv6 is off in every namespace that Docker makes (20.10: `osl/namespace_linux.go`).
const NO_IPV6: [(&str, &str); 2] =
    [("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];

/// Switches IPv6 off, where the kernel has it.
pub(super) fn without_ipv6(netns: &Netns) -> Result<()> {
    match netns.set_sysctls(&NO_IPV6) {
        Err(error) if error.is_missing() => Ok(()),
        done => done,
    }
}

/// An overlay's namespace.
#[derive(Debug)]
pub(super) struct Overlay {
    /// `1-620dd59483`
    pub(super) name: String,
    pub(super) netns: Netns,
    pub(super) rtnl: Rtnl,
    /// The subnets that are there.
    pub(super) segments: BTreeMap<Ipv4Net, Segment>,
    /// When the store's documents began that had the network last: [`View::begun`](crate::ledger::View::begun).
    pub(super) known_in: Option<Moment>,
    /// The MACs of peers' IPv6 addresses, as last announced. None: nobody here has heard of any.
    pub(super) announced: Option<Macs>,
    /// The number of the next name: one counter for `br0`, `vxlan1`, `veth2` (article).
    next_name: u32,
    ears: Ears,
}

/// Who hears what is missed here.
#[derive(Debug)]
enum Ears {
    /// Nobody yet; the kernel keeps it.
    Open(Option<Misses>),
    /// Somebody, for as long as this is here.
    Listening(#[expect(dead_code, reason = "it is held")] Listener),
}

impl Overlay {
    /// A new namespace, empty.
    pub(super) fn new(name: &str) -> Result<Overlay> {
        let netns = Netns::new(name)?;
        without_ipv6(&netns)?;
        // Between the subnets. Docker leaves it to what the machine's own namespace has, and in a namespace of a namespace
        // nothing is routed then.
        netns.set_sysctl("ipv4/ip_forward", "1")?;
        let rtnl = Rtnl::new(&netns)?;
        let ears = Ears::Open(Some(Misses::new(&netns)?));
        let (segments, name) = (BTreeMap::new(), name.to_owned());
        Ok(Overlay { name, netns, rtnl, segments, known_in: None, announced: None, next_name: 0, ears })
    }

    /// Tells what is missed here from now on.
    pub(super) fn listen(&mut self, network: NetworkId, tell: &Tell) -> Result<()> {
        if let Ears::Open(misses) = &mut self.ears
            && let Some(misses) = misses.take()
        {
            let listener = Listener::start(misses, network, tell.clone());
            self.ears = Ears::Listening(listener.doing("listen for misses in", &self.name)?);
        }
        Ok(())
    }

    /// A segment with the next names, and these indexes, of its bridge and its vxlan device. It is not made yet, nor entered.
    pub(super) fn next_segment(&mut self, vni: Vni, build: Build, links: (u32, u32)) -> Segment {
        let number = self.next_name;
        self.next_name += 2;
        Segment::new(vni, build, links, number)
    }

    /// What an earlier engine made. None: it is not whole.
    pub(super) fn found(name: &str, netns: &Netns) -> Result<Option<(Overlay, Snapshot)>> {
        let rtnl = Rtnl::new(netns)?;
        let have = rtnl.dump()?;
        let mut segments = BTreeMap::new();
        for device in have.links.iter().filter(|link| link.vxlan.is_some()) {
            let segment = Segment::found(&have, device.index);
            let Some((net, segment)) = segment.and_then(|segment| Some((subnet(&have, &segment)?, segment)))
            else {
                return Ok(None);
            };
            segments.insert(net, segment);
        }
        if segments.is_empty() {
            return Ok(None);
        }
        let numbers = have.links.iter().filter_map(|link| {
            let digits = link.name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
            digits.parse::<u32>().ok()
        });
        let next_name = numbers.max().map_or(0, |last| last + 1);
        let ears = Ears::Open(Some(Misses::new(netns)?));
        let (name, netns) = (name.to_owned(), netns.clone());
        // What its containers have heard, nobody knows any more.
        let announced = Some(Macs::new());
        let overlay = Overlay { name, netns, rtnl, segments, known_in: None, announced, next_name, ears };
        Ok(Some((overlay, have)))
    }

    /// The next name for a link here: `veth2`.
    pub(super) fn next_veth(&mut self) -> String {
        let number = self.next_name;
        self.next_name += 1;
        format!("{}{number}", docker::VETH_PREFIX)
    }

    /// Looks at what there is. None: a bridge or a vxlan device is missing.
    pub(super) fn look(&mut self) -> Result<Option<Snapshot>> {
        let rtnl = &self.rtnl;
        let have = Snapshot {
            links: rtnl.links()?,
            addresses: rtnl.addresses()?,
            neighbours: rtnl.neighbours()?,
            fdb: rtnl.fdb()?,
            ..Snapshot::default()
        };
        let mut whole = true;
        for segment in self.segments.values_mut() {
            whole &= segment.look(&have);
        }
        Ok(whole.then_some(have))
    }

    /// The addresses whose MAC the vxlan devices know.
    pub(super) fn known(&self) -> BTreeSet<IpAddr> {
        self.segments.values().flat_map(Segment::known).collect()
    }

    /// Takes the vxlan devices away at once: their VNIs are free only then, while the kernel takes its time to free
    /// a namespace.
    pub(super) fn dismantle(&self) -> Result<()> {
        let remove =
            |batch: Batch<'static>, segment: &Segment| batch.remove_link(segment.vxlan, &segment.vxlan_name);
        let batch = self.segments.values().fold(Batch::new(), remove);
        let failed = self.rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
        failed.map_or(Ok(()), Err)
    }
}

/// The subnet of a segment, by the address of its bridge.
fn subnet(have: &Snapshot, segment: &Segment) -> Option<Ipv4Net> {
    have.addresses.iter().filter(|address| address.dev == segment.bridge).find_map(|address| {
        match address.net.addr() {
            IpAddr::V4(ip) => Some(Ipv4Net::new_assert(ip, address.net.prefix_len()).trunc()),
            IpAddr::V6(_) => None,
        }
    })
}
