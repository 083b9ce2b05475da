//! What somebody does to a host's kernel by hand.

use std::net::IpAddr;

use kernel::nft::{Family, Nft};
use kernel::rtnl::Link;
use kernel::{Batch, Mac, Netns, Rtnl, Snapshot};

use super::steps::{Damage, HOSTS};
use super::world::World;

impl Damage {
    /// Does it to the n-th such thing on a host, if there is one. An engine may be at the same thing just then.
    pub fn done_to(self, world: &World, host: usize, nth: usize) {
        let env = &world.lab.hosts[host].env;
        let overlays: Vec<Netns> = env
            .sandboxes
            .list()
            .into_iter()
            .filter(|(name, _)| name.contains('-'))
            .map(|(_, netns)| netns)
            .collect();
        let containers: Vec<Netns> = world
            .containers
            .iter()
            .skip(host)
            .step_by(HOSTS)
            .map(|container| container.netns.clone())
            .collect();
        let places = match self {
            Damage::Rules => {
                let _ = Nft::new(&env.netns).unwrap().remove(Family::Ip, "docker");
                return;
            }
            Damage::Gateway | Damage::GatewayPort => vec![env.netns.clone()],
            Damage::Interface | Damage::Connected | Damage::Route => containers,
            _ => overlays,
        };
        let mut all: Vec<(Rtnl, Batch<'static>)> = Vec::new();
        for place in places {
            let rtnl = Rtnl::new(&place).unwrap();
            for batch in self.choices(&rtnl.dump().unwrap()) {
                all.push((Rtnl::new(&place).unwrap(), batch));
            }
        }
        if !all.is_empty() {
            let (rtnl, batch) = &all[nth % all.len()];
            let _ = rtnl.apply_all(batch);
        }
    }

    /// All that can be done of this in a namespace.
    fn choices(self, have: &Snapshot) -> Vec<Batch<'static>> {
        let of_kind =
            |kind: &'static str| have.links.iter().filter(move |link| link.kind.as_deref() == Some(kind));
        let remove = |link: &Link| Batch::new().remove_link(link.index, &link.name);
        let unplug = |link: &Link| Batch::new().master(link.index, &link.name, None);
        let ports = || have.links.iter().filter(|link| link.master.is_some());
        let devices = || of_kind("vxlan").map(|device| device.index);
        match self {
            Damage::Vxlan => of_kind("vxlan").map(remove).collect(),
            Damage::Bridge | Damage::Gateway => of_kind("bridge").map(remove).collect(),
            Damage::Port => ports().filter(|port| port.vxlan.is_none()).map(remove).collect(),
            Damage::Master | Damage::GatewayPort => ports().map(unplug).collect(),
            Damage::Down => {
                let links = have.links.iter().filter(|link| link.index != 1);
                links.map(|link| Batch::new().down(link.index, &link.name)).collect()
            }
            Damage::Interface => have.links.iter().filter(|link| link.index != 1).map(remove).collect(),
            Damage::Fdb => {
                let set = have.fdb.iter().filter(|entry| entry.vtep.is_some());
                set.map(|entry| Batch::new().remove_fdb(entry.dev, entry.mac, entry.vtep)).collect()
            }
            Damage::Arp => {
                let set = have.neighbours.iter().filter(|entry| entry.permanent);
                set.map(|entry| Batch::new().remove_neighbour(entry.dev, entry.ip)).collect()
            }
            Damage::Stranger => {
                let (ip, vtep): (IpAddr, IpAddr) = ([10, 60, 0, 77].into(), [10, 0, 0, 12].into());
                let mac = Mac::of([10, 60, 0, 77].into());
                devices().map(|dev| Batch::new().neighbour(dev, ip, mac).fdb(dev, mac, vtep)).collect()
            }
            Damage::Connected | Damage::Route => {
                let by_kernel = self == Damage::Connected;
                let routes = have.routes.iter().filter(|route| route.by_kernel == by_kernel);
                let remove =
                    |route: &kernel::rtnl::Route| Some(Batch::new().remove_route(route.to, route.dev?));
                routes.filter_map(remove).collect()
            }
            Damage::Rules => Vec::new(),
        }
    }
}
