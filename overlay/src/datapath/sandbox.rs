//! An overlay's namespace on one host: a bridge, and a vxlan device on it.

use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;
use kernel::rtnl::Vxlan;
use kernel::{Batch, Netns, NewLink, NewVxlan, Result, Rtnl, Snapshot};

use super::plan::{Op, Tables, plan};
use crate::docker;
use crate::model::{Network, Vni};

/// The bridge's index: it is the first link that is made in its namespace.
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
    /// The index of the vxlan device.
    pub(super) vxlan: u32,
    /// The number of the next name: one counter for `br0`, `vxlan1`, `veth2` (article).
    next_name: u32,
    /// What the vxlan device's tables are taken to hold.
    tables: Tables,
}

impl Overlay {
    /// A new namespace, empty but for what the two batches will make in it.
    pub(super) fn new(name: &str, vxlan: u32) -> Result<Overlay> {
        let netns = Netns::new(name)?;
        without_ipv6(&netns)?;
        let rtnl = Rtnl::new(&netns)?;
        // 0 is the bridge's, 1 the vxlan device's.
        Ok(Overlay { name: name.to_owned(), netns, rtnl, vxlan, next_name: 2, tables: Tables::default() })
    }

    /// What is to be made from inside: the bridge, with the gateway's address on every host alike.
    pub(super) fn inside<'a>(batch: Batch<'a>, network: &Network) -> Batch<'a> {
        let bridge = NewLink {
            index: BRIDGE_INDEX,
            name: format!("{}0", docker::BRIDGE_PREFIX),
            mtu: Some(network.mtu()),
            ..NewLink::default()
        };
        let gateway = network.subnet.with_len(network.subnet.gateway);
        batch.up(1, "lo").bridge(&bridge).address(BRIDGE_INDEX, IpNet::V4(gateway))
    }

    /// What is to be made from the host, so that the tunnel's packets travel there: the vxlan device.
    pub(super) fn tunnel<'a>(&'a self, batch: Batch<'a>, network: &Network, vni: Vni) -> Batch<'a> {
        let vxlan = NewVxlan {
            link: NewLink {
                index: self.vxlan,
                name: format!("{}1", docker::VXLAN_PREFIX),
                mtu: Some(network.mtu()),
                master: Some(BRIDGE_INDEX),
                ..NewLink::default()
            },
            settings: Vxlan {
                vni: vni.get(),
                port: docker::VXLAN_PORT,
                proxy: true,
                learning: true,
                l2miss: true,
                l3miss: true,
                ageing: docker::VXLAN_AGEING,
            },
        };
        batch.vxlan(&vxlan, Some(self.netns.as_fd()))
    }

    /// What an earlier engine made. None: it is not whole.
    pub(super) fn found(name: &str, netns: &Netns) -> Result<Option<(Overlay, Snapshot)>> {
        let rtnl = Rtnl::new(netns)?;
        let have = rtnl.dump()?;
        let Some(vxlan) = whole(&have) else { return Ok(None) };
        let numbers = have.links.iter().filter_map(|link| {
            let digits = link.name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
            digits.parse::<u32>().ok()
        });
        let next_name = numbers.max().map_or(2, |last| last + 1);
        let tables = tables(&have, vxlan);
        let overlay = Overlay { name: name.to_owned(), netns: netns.clone(), rtnl, vxlan, next_name, tables };
        Ok(Some((overlay, have)))
    }

    /// The next name for a link here: `veth2`.
    pub(super) fn next_veth(&mut self) -> String {
        let number = self.next_name;
        self.next_name += 1;
        format!("{}{number}", docker::VETH_PREFIX)
    }

    /// Looks at what there is. None: the bridge or the vxlan device is missing.
    pub(super) fn look(&mut self) -> Result<Option<Snapshot>> {
        let rtnl = &self.rtnl;
        let have = Snapshot {
            links: rtnl.links()?,
            neighbours: rtnl.neighbours()?,
            fdb: rtnl.fdb()?,
            ..Snapshot::default()
        };
        if whole(&have) != Some(self.vxlan) {
            return Ok(None);
        }
        self.tables = tables(&have, self.vxlan);
        Ok(Some(have))
    }

    /// Makes the vxlan device's tables say this, as far as it is known what they say.
    pub(super) fn program(&mut self, want: Tables) -> Result<()> {
        let ops = plan(&self.tables, &want);
        if ops.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for op in ops {
            batch = match op {
                Op::RemoveFdb(mac, vtep) => batch.remove_fdb(self.vxlan, mac, Some(IpAddr::V4(vtep))),
                Op::RemoveArp(ip, _) => batch.remove_neighbour(self.vxlan, IpAddr::V4(ip)),
                Op::SetArp(ip, mac) => batch.neighbour(self.vxlan, IpAddr::V4(ip), mac),
                Op::SetFdb(mac, vtep) => batch.fdb(self.vxlan, mac, IpAddr::V4(vtep)),
            };
        }
        // Somebody may have removed what is to be removed; what could not be added is an error.
        let failed = self.rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
        match failed {
            None => {
                self.tables = want;
                Ok(())
            }
            Some(error) => {
                self.look()?;
                Err(error)
            }
        }
    }

    /// Takes the vxlan device away at once: its VNI is free only then, while the kernel takes its time to free
    /// a namespace.
    pub(super) fn dismantle(&self) -> Result<()> {
        let batch = Batch::new().remove_link(self.vxlan, "vxlan1");
        match self.rtnl.apply(&batch) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }
}

/// The vxlan device's index, if it and the bridge are there, as they should be.
fn whole(have: &Snapshot) -> Option<u32> {
    let kind = |index: u32| have.by_index(index).and_then(|link| link.kind.as_deref());
    let vxlan = have.links.iter().find(|link| link.vxlan.is_some())?;
    (kind(BRIDGE_INDEX) == Some("bridge") && vxlan.master == Some(BRIDGE_INDEX)).then_some(vxlan.index)
}

/// What the tables hold, but for what was learned.
fn tables(have: &Snapshot, vxlan: u32) -> Tables {
    let arp = have.neighbours.iter().filter(|entry| entry.dev == vxlan && entry.permanent);
    let fdb = have.fdb.iter().filter(|entry| entry.dev == vxlan && entry.own && entry.permanent);
    Tables {
        arp: arp
            .filter_map(|entry| match entry.ip {
                IpAddr::V4(ip) => Some((ip, entry.mac?)),
                IpAddr::V6(_) => None,
            })
            .collect(),
        fdb: fdb
            .filter_map(|entry| match entry.vtep {
                Some(IpAddr::V4(vtep)) => Some((entry.mac, vtep)),
                _ => None,
            })
            .collect(),
    }
}
