//! A subnet in an overlay's namespace: a bridge, and a vxlan device on it.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use ipnet::IpNet;
use kernel::rtnl::Vxlan;
use kernel::{Batch, Mac, Netns, NewLink, NewVxlan, Result, Rtnl, Snapshot};

use super::plan::{Op, Tables, plan};
use crate::docker;
use crate::model::{Subnet, Vni};

/// A subnet's broadcast domain on one host.
#[derive(Debug)]
pub(super) struct Segment {
    /// The bridge's index.
    pub(super) bridge: u32,
    /// Its name: `br0`.
    pub(super) bridge_name: String,
    /// The vxlan device's index.
    pub(super) vxlan: u32,
    /// Its name: `vxlan1`.
    pub(super) vxlan_name: String,
    /// What the vxlan device's tables are taken to hold.
    tables: Tables,
}

impl Segment {
    /// One that is not there yet, with these indexes, and the numbers that its names have.
    pub(super) fn new(bridge: u32, vxlan: u32, number: u32) -> Segment {
        Segment {
            bridge,
            bridge_name: format!("{}{number}", docker::BRIDGE_PREFIX),
            vxlan,
            vxlan_name: format!("{}{}", docker::VXLAN_PREFIX, number + 1),
            tables: Tables::default(),
        }
    }

    /// What is to be made from inside: the bridge, with the gateway's address on every host alike. Without a MAC it takes the
    /// lowest of its ports', as Docker's does, and changes it as they come and go.
    pub(super) fn inside<'a>(
        &self,
        batch: Batch<'a>,
        subnet: &Subnet,
        mtu: u32,
        mac: Option<Mac>,
    ) -> Batch<'a> {
        let (index, name) = (self.bridge, self.bridge_name.clone());
        let bridge = NewLink { index, name, mtu: Some(mtu), mac, ..NewLink::default() };
        batch.bridge(&bridge).address(index, IpNet::V4(subnet.with_len(subnet.gateway)))
    }

    /// What is to be made from the host, so that the tunnel's packets travel there: the vxlan device, in `netns`.
    pub(super) fn tunnel<'a>(&self, batch: Batch<'a>, netns: &'a Netns, vni: Vni, mtu: u32) -> Batch<'a> {
        let vxlan = NewVxlan {
            link: NewLink {
                index: self.vxlan,
                name: self.vxlan_name.clone(),
                mtu: Some(mtu),
                master: Some(self.bridge),
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
        batch.vxlan(&vxlan, Some(netns.as_fd()))
    }

    /// What an earlier engine made around a vxlan device. None: its bridge is missing.
    pub(super) fn found(have: &Snapshot, vxlan: u32) -> Option<Segment> {
        let device = have.by_index(vxlan)?;
        let bridge = have.by_index(device.master?).filter(|link| link.kind.as_deref() == Some("bridge"))?;
        Some(Segment {
            bridge: bridge.index,
            bridge_name: bridge.name.clone(),
            vxlan,
            vxlan_name: device.name.clone(),
            tables: Tables::told(have, vxlan),
        })
    }

    /// The addresses whose MAC the vxlan device knows.
    pub(super) fn known(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.tables.arp.keys().copied()
    }

    /// Looks at what there is: whether the bridge and, on it, the vxlan device are there.
    pub(super) fn look(&mut self, have: &Snapshot) -> bool {
        self.tables = Tables::told(have, self.vxlan);
        Segment::found(have, self.vxlan).is_some_and(|found| found.bridge == self.bridge)
    }

    /// Makes the vxlan device's tables say this, as far as it is known what they say. `rtnl` is the namespace's.
    pub(super) fn program(&mut self, rtnl: &Rtnl, want: Tables) -> Result<()> {
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
        let failed = rtnl.apply_all(&batch).into_iter().find(|error| !error.is_missing());
        match failed {
            None => {
                self.tables = want;
                Ok(())
            }
            Some(error) => {
                let have =
                    Snapshot { neighbours: rtnl.neighbours()?, fdb: rtnl.fdb()?, ..Snapshot::default() };
                self.tables = Tables::told(&have, self.vxlan);
                Err(error)
            }
        }
    }
}
