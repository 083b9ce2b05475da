//! A subnet in an overlay's namespace: a vxlan device, and a bridge that it is on, or a MACVLAN of it in the bridge's place.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;
use kernel::rtnl::Vxlan;
use kernel::{Batch, Mac, Netns, NewLink, NewVxlan, Result, Rtnl, Snapshot};

use super::attach::PATIENCE;
use super::plan::{Op, Tables, plan};
use crate::docker;
use crate::model::{Build, Subnet, Vni};

/// No link-local address is made (`IN6_ADDR_GEN_MODE_NONE`, `linux/if_link.h`).
const ADDRESSES_BY_HAND: &str = "1";

/// A subnet's broadcast domain on one host.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its number on the wire.
    pub(super) vni: Vni,
    /// What it is built of.
    pub(super) build: Build,
    /// The index of what has the gateway's addresses: the bridge, or the MACVLAN in its place.
    pub(super) bridge: u32,
    /// Its name: `br0`.
    pub(super) bridge_name: String,
    /// The vxlan device's index.
    pub(super) vxlan: u32,
    /// Its name: `vxlan1`.
    pub(super) vxlan_name: String,
    /// What the bridge is taken to have.
    addresses: BTreeSet<IpNet>,
    /// What the vxlan device's tables are taken to hold.
    tables: Tables,
}

impl Segment {
    /// One that is not there yet, with these indexes, and the numbers that its names have.
    pub(super) fn new(vni: Vni, build: Build, (bridge, vxlan): (u32, u32), number: u32) -> Segment {
        Segment {
            vni,
            build,
            bridge,
            bridge_name: format!("{}{number}", docker::BRIDGE_PREFIX),
            vxlan,
            vxlan_name: format!("{}{}", docker::VXLAN_PREFIX, number + 1),
            addresses: BTreeSet::new(),
            tables: Tables::default(),
        }
    }

    /// What is to be made from inside: the bridge, with the IPv4 gateway's address on every host alike. Without a MAC it takes the
    /// lowest of its ports', as Docker's does, and changes it as they come and go. A MACVLAN has the vxlan device below it, which does not
    /// hear what its MACVLANs say, and so has to be there before, and can have no address itself.
    pub(super) fn inside<'a>(
        &mut self,
        batch: Batch<'a>,
        subnet: &Subnet,
        mtu: u32,
        mac: Option<Mac>,
    ) -> Batch<'a> {
        let (index, name) = (self.bridge, self.bridge_name.clone());
        let bridge = NewLink { index, name, mtu: Some(mtu), mac, ..NewLink::default() };
        self.addresses = BTreeSet::from([subnet.v4.gateway_net()]);
        let batch = match self.build {
            Build::Bridge => batch.bridge(&bridge),
            Build::Macvlan => batch.macvlan(&bridge, self.vxlan, None),
        };
        batch.address(index, subnet.v4.gateway_net())
    }

    /// Gives the bridge those of the gateway's addresses that it is not known to have. With IPv6 it is switched on first, for the
    /// bridge and for the vxlan device, so both have to be there.
    pub(super) fn address(&mut self, netns: &Netns, rtnl: &Rtnl, subnet: &Subnet) -> Result<()> {
        let lacks: Vec<IpNet> = subnet.gateways().filter(|net| !self.addresses.contains(net)).collect();
        if lacks.iter().any(|net| matches!(net, IpNet::V6(_))) {
            self.switch_ipv6_on(netns)?;
        }
        let batch = lacks.iter().fold(Batch::new(), |batch, net| batch.address(self.bridge, *net));
        if !batch.is_empty() {
            rtnl.apply(&batch)?;
            if let Some(v6) = &subnet.v6 {
                rtnl.wait_local(v6.gateway, PATIENCE)?;
            }
            self.addresses.extend(lacks);
        }
        Ok(())
    }

    /// The vxlan device needs no address of its own: it answers neighbour solicitations by its entries, which the kernel takes only
    /// while IPv6 is on (`ndisc_allow_add`, `net/ipv6/ndisc.c`). The bridge needs a link-local one at once, since it solicits for
    /// what it routes; duplicate address detection would keep it back for a second or two.
    fn switch_ipv6_on(&self, netns: &Netns) -> Result<()> {
        let (bridge, vxlan) = (&self.bridge_name, &self.vxlan_name);
        netns.set_sysctls(&[
            // Between the subnets.
            ("ipv6/conf/all/forwarding", "1"),
            (&format!("ipv6/conf/{vxlan}/addr_gen_mode"), ADDRESSES_BY_HAND),
            (&format!("ipv6/conf/{vxlan}/disable_ipv6"), "0"),
            (&format!("ipv6/conf/{bridge}/accept_dad"), "0"),
            (&format!("ipv6/conf/{bridge}/disable_ipv6"), "0"),
        ])
    }

    /// What is to be made from the host, so that the tunnel's packets travel there: the vxlan device, in `netns`.
    pub(super) fn tunnel<'a>(&self, batch: Batch<'a>, netns: &'a Netns, mtu: u32) -> Batch<'a> {
        let vxlan = NewVxlan {
            link: NewLink {
                index: self.vxlan,
                name: self.vxlan_name.clone(),
                mtu: Some(mtu),
                master: (self.build == Build::Bridge).then_some(self.bridge),
                ..NewLink::default()
            },
            settings: Vxlan {
                vni: self.vni.get(),
                port: docker::VXLAN_PORT,
                proxy: true,
                learning: true,
                l2miss: true,
                l3miss: true,
                ageing: docker::VXLAN_AGEING,
            },
        };
        batch.vxlan(&vxlan, Some(netns.as_fd()))
    }

    /// What an earlier engine made around a vxlan device. None: its bridge, or what is in that one's place, is missing.
    pub(super) fn found(have: &Snapshot, vxlan: u32) -> Option<Segment> {
        let device = have.by_index(vxlan)?;
        let vni = Vni::new(device.vxlan.as_ref()?.vni)?;
        let (build, bridge) = match device.master {
            Some(master) => {
                (Build::Bridge, have.by_index(master).filter(|link| link.kind.as_deref() == Some("bridge"))?)
            }
            None => (Build::Macvlan, have.links.iter().find(|link| link.is_macvlan_of(vxlan))?),
        };
        Some(Segment {
            vni,
            build,
            bridge: bridge.index,
            bridge_name: bridge.name.clone(),
            vxlan,
            vxlan_name: device.name.clone(),
            addresses: addresses(have, bridge.index),
            tables: Tables::told(have, vxlan),
        })
    }

    /// The addresses whose MAC the vxlan device knows.
    pub(super) fn known(&self) -> impl Iterator<Item = IpAddr> {
        self.tables.arp.keys().copied()
    }

    /// Looks at what there is: whether the bridge and, on it, the vxlan device are there.
    pub(super) fn look(&mut self, have: &Snapshot) -> bool {
        self.tables = Tables::told(have, self.vxlan);
        self.addresses = addresses(have, self.bridge);
        let found = Segment::found(have, self.vxlan);
        found.is_some_and(|found| {
            (found.build, found.bridge, found.vni) == (self.build, self.bridge, self.vni)
        })
    }

    /// Makes the vxlan device's tables say this, as far as it is known what they say. `rtnl` is the namespace's.
    pub(super) fn program(&mut self, netns: &Netns, rtnl: &Rtnl, want: Tables) -> Result<()> {
        let mut done = self.set(rtnl, &want);
        if done.is_err() && want.arp.keys().any(IpAddr::is_ipv6) {
            // Somebody may have switched it off.
            self.switch_ipv6_on(netns)?;
            done = self.set(rtnl, &want);
        }
        if done.is_ok() {
            self.tables = want;
        }
        done
    }

    /// The changes, made; if that fails, a look at what the tables say then.
    fn set(&mut self, rtnl: &Rtnl, want: &Tables) -> Result<()> {
        let ops = plan(&self.tables, want);
        if ops.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for op in ops {
            batch = match op {
                Op::RemoveFdb(mac, vtep) => batch.remove_fdb(self.vxlan, mac, Some(IpAddr::V4(vtep))),
                Op::RemoveArp(ip, _) => batch.remove_neighbour(self.vxlan, ip),
                Op::SetArp(ip, mac) => batch.neighbour(self.vxlan, ip, mac),
                Op::SetFdb(mac, vtep) => batch.fdb(self.vxlan, mac, IpAddr::V4(vtep)),
            };
        }
        // Somebody may have removed what is to be removed; what could not be added is an error.
        let failed = rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
        let Some(error) = failed else { return Ok(()) };
        let have = Snapshot { neighbours: rtnl.neighbours()?, fdb: rtnl.fdb()?, ..Snapshot::default() };
        self.tables = Tables::told(&have, self.vxlan);
        Err(error)
    }
}

/// What a bridge has.
fn addresses(have: &Snapshot, bridge: u32) -> BTreeSet<IpNet> {
    have.addresses.iter().filter(|address| address.dev == bridge).map(|address| address.net).collect()
}
