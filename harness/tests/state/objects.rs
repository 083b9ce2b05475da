//! What there is, an object a line, with its fields: the kernel's of one namespace, or the store's. Pure.
//!
//! Whatever is drawn, and whatever depends on what was made before, has the name of what it belongs to.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use kernel::rtnl::{FdbEntry, Link};
use kernel::{Mac, Snapshot};

/// What kind of thing an object is, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Link,
    Address,
    Route,
    Neighbour,
    Fdb,
    Setting,
    Document,
    /// A place in the store's tree, whether or not something is written there.
    Key,
}

/// An object: `link eth0`, `address 192.168.0.100/24 dev eth0`.
pub(crate) type Object = (Kind, String);
/// Its fields, by name.
pub(crate) type Fields = BTreeMap<String, String>;

/// All there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Objects(pub(crate) BTreeMap<Object, Fields>);

/// A namespace: whose it is, on which host, and what the kernel has in it.
#[derive(Clone, Debug)]
pub(crate) struct Room<'a> {
    /// `docker0`, `docker0/1-da1d1a26f9`, `C0`.
    pub(crate) name: String,
    /// `docker0`
    pub(crate) host: String,
    /// What it holds.
    pub(crate) holds: &'a Snapshot,
}

impl Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (object, fields) in &self.0 {
            write!(f, "  {}", shown(object))?;
            for (name, value) in fields {
                match object.0 {
                    Kind::Document => write!(f, "\n    {name} = {value}")?,
                    _ => write!(f, "; {name} {value}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// `link eth0`
pub(crate) fn shown((kind, name): &Object) -> String {
    let kind = match kind {
        Kind::Link => "link",
        Kind::Address => "address",
        Kind::Route => "route",
        Kind::Neighbour => "neighbour",
        Kind::Fdb => "fdb",
        Kind::Setting => "setting",
        Kind::Document => "document",
        Kind::Key => "key",
    };
    format!("{kind} {name}")
}

impl Objects {
    /// Enters an object. None is there twice, but for the places that several documents are below.
    pub(crate) fn put(&mut self, kind: Kind, name: String, fields: Fields) {
        let object = (kind, name);
        let twice = kind != Kind::Key && self.0.contains_key(&object);
        assert!(!twice, "{} is there twice", shown(&object));
        self.0.insert(object, fields);
    }

    /// The kernel's of a room. `all` are the rooms there are, where the other ends of its links may be.
    pub(crate) fn of(room: &Room<'_>, all: &[Room<'_>]) -> Objects {
        let scene = Scene { room, all };
        let holds = room.holds;
        let mut objects = Objects::default();
        for link in &holds.links {
            objects.put(Kind::Link, scene.name(link), scene.link(link));
        }
        for address in &holds.addresses {
            let name = format!("{} dev {}", address.net, scene.dev(address.dev));
            objects.put(Kind::Address, name, fields([("brd", text(address.broadcast))]));
        }
        for route in &holds.routes {
            let to = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
            let its = fields([
                ("via", text(route.gateway)),
                ("dev", route.dev.map(|dev| scene.dev(dev))),
                ("src", text(route.source)),
                ("proto", route.by_kernel.then(|| "kernel".to_owned())),
                ("scope", route.link_scope.then(|| "link".to_owned())),
            ]);
            objects.put(Kind::Route, to, its);
        }
        // What traffic has taught the kernel comes and goes.
        for entry in holds.neighbours.iter().filter(|entry| entry.permanent) {
            let name = format!("{} dev {}", entry.ip, scene.dev(entry.dev));
            objects.put(Kind::Neighbour, name, fields([("at", entry.mac.map(|mac| scene.mac(mac)))]));
        }
        // Those of multicast groups are the kernel's own bookkeeping: the group bit is set.
        let told = |entry: &&FdbEntry| entry.permanent && entry.mac.0[0] & 1 == 0;
        for entry in holds.fdb.iter().filter(told) {
            objects.put(Kind::Fdb, scene.fdb(entry), fields([("dst", text(entry.vtep))]));
        }
        objects
    }
}

fn text(value: Option<impl Display>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// The fields that there are.
fn fields<const N: usize>(all: [(&str, Option<String>); N]) -> Fields {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// One look at a room, among others.
struct Scene<'a> {
    room: &'a Room<'a>,
    all: &'a [Room<'a>],
}

impl Scene<'_> {
    fn dev(&self, index: u32) -> String {
        self.room.holds.by_index(index).map_or_else(|| index.to_string(), |link| self.name(link))
    }

    /// A link's name; where it was drawn, whose other end it is.
    fn name(&self, link: &Link) -> String {
        let digits = link.name.strip_prefix("veth").unwrap_or_default();
        if digits.len() == 7 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return format!("veth<{}>", self.peer(link).unwrap_or_else(|| "drawn".to_owned()));
        }
        link.name.clone()
    }

    /// The other end of a veth: `C0's eth0`. Indexes are each host's own.
    fn peer(&self, link: &Link) -> Option<String> {
        let rooms = self.all.iter().filter(|room| room.host == self.room.host && room.name != self.room.name);
        rooms.into_iter().find_map(|room| {
            let other = room.holds.by_index(link.peer?)?;
            let drawn = other.name.len() == "veth".len() + 7;
            let name = if drawn { "veth" } else { other.name.as_str() };
            (other.peer == Some(link.index)).then(|| format!("{}'s {name}", room.name))
        })
    }

    fn link(&self, link: &Link) -> Fields {
        let state = match (link.up, link.carrier) {
            (true, true) => "up",
            (true, false) => "up, no carrier",
            (false, _) => "down",
        };
        let is_veth = link.kind.as_deref() == Some("veth");
        let mut all = fields([
            ("index", Some(link.index.to_string())),
            ("kind", link.kind.clone()),
            ("mtu", Some(link.mtu.to_string())),
            ("mac", link.mac.filter(|_| link.kind.is_some()).map(|mac| self.whose(mac, link))),
            ("master", link.master.map(|master| self.dev(master))),
            ("peer", if is_veth { self.peer(link) } else { None }),
            ("state", Some(state.to_owned())),
        ]);
        if let Some(vxlan) = &link.vxlan {
            all.extend(fields([
                ("id", Some(vxlan.vni.to_string())),
                ("dstport", Some(vxlan.port.to_string())),
                ("ageing", Some(vxlan.ageing.to_string())),
                ("proxy", Some(switch(vxlan.proxy))),
                ("learning", Some(switch(vxlan.learning))),
                ("l2miss", Some(switch(vxlan.l2miss))),
                ("l3miss", Some(switch(vxlan.l3miss))),
            ]));
        }
        if let Some(bridge) = &link.bridge {
            all.extend(fields([
                ("stp", Some(switch(bridge.stp))),
                ("vlan_filtering", Some(switch(bridge.vlan_filtering))),
                ("mcast_snooping", Some(switch(bridge.snooping))),
                ("ageing", Some(bridge.ageing.to_string())),
            ]));
        }
        if let Some(port) = &link.port {
            all.extend(fields([
                ("hairpin", Some(switch(port.hairpin))),
                ("port learning", Some(switch(port.learning))),
                ("flood", Some(switch(port.flood))),
            ]));
        }
        all
    }

    /// By which rule a link has its MAC.
    fn whose(&self, mac: Mac, link: &Link) -> String {
        let ports = self.room.holds.links.iter().filter(|port| port.master == Some(link.index));
        let lowest = ports.filter_map(|port| port.mac).min();
        match self.address_of(mac) {
            Some(ip) => format!("of {ip}"),
            None if lowest == Some(mac) => "the lowest of its ports'".to_owned(),
            // The kernel may draw such a one, too.
            None if link.bridge.is_some() && mac.0[..2] == [0x02, 0x42] => "drawn, 02:42".to_owned(),
            None => "drawn".to_owned(),
        }
    }

    /// Who has a MAC that is in a table: the address that it is made of, or a link that is here.
    fn mac(&self, mac: Mac) -> String {
        let holders = self.room.holds.links.iter().filter(|link| link.mac == Some(mac));
        // A bridge may have that of a port; it is the port's.
        let holder = holders.min_by_key(|link| link.master.is_none());
        match (self.address_of(mac), holder) {
            (Some(ip), _) => format!("of {ip}"),
            (None, Some(link)) => format!("of {}", self.name(link)),
            (None, None) => mac.to_string(),
        }
    }

    /// The address that a MAC is made of, if it is one that is to be seen in this room.
    fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        let [0x02, 0x42, a, b, c, d] = mac.0 else { return None };
        let (ip, holds) = (Ipv4Addr::new(a, b, c, d), self.room.holds);
        let here = holds.addresses.iter().map(|address| address.net.trunc());
        let beyond = holds.routes.iter().filter_map(|route| route.to);
        here.chain(beyond).any(|net: IpNet| net.contains(&IpAddr::V4(ip))).then_some(ip)
    }

    fn fdb(&self, entry: &FdbEntry) -> String {
        let table = if entry.own { "self" } else { "master" };
        format!("{} dev {} {table}", self.mac(entry.mac), self.dev(entry.dev))
    }
}

#[test]
fn what_is_drawn_has_the_name_of_what_it_belongs_to() {
    let link = |index, name: &str, peer| Link {
        index,
        name: name.to_owned(),
        kind: Some("veth".to_owned()),
        mtu: 1500,
        mac: Some(Mac([2, 0x42, 172, 18, 0, u8::try_from(index).unwrap()])),
        up: true,
        carrier: true,
        peer,
        ..Link::default()
    };
    let settings = Some(kernel::rtnl::Bridge::default());
    let kind = Some("bridge".to_owned());
    let bridge = Link { kind, bridge: settings, ..link(8, "docker_gwbridge", None) };
    let port = Link { master: Some(8), mac: Some(Mac([6; 6])), ..link(10, "veth0123abc", Some(9)) };
    let address = |dev, net: &str| kernel::rtnl::Address { dev, net: net.parse().unwrap(), broadcast: None };
    let host = Snapshot { links: vec![bridge, port], ..Snapshot::default() };
    let container = Snapshot {
        links: vec![link(9, "eth1", Some(10))],
        addresses: vec![address(9, "172.18.0.9/16")],
        ..Snapshot::default()
    };
    let room = |name: &str, holds| Room { name: name.to_owned(), host: "docker0".to_owned(), holds };
    let all = [room("docker0", &host), room("C0", &container)];
    assert_eq!(
        Objects::of(&all[0], &all).to_string(),
        "  link docker_gwbridge; ageing 0; index 8; kind bridge; mac drawn, 02:42; mcast_snooping off; mtu 1500; \
         state up; stp off; vlan_filtering off\n  \
         link veth<C0's eth1>; index 10; kind veth; mac drawn; master docker_gwbridge; mtu 1500; \
         peer C0's eth1; state up\n"
    );
    assert_eq!(
        Objects::of(&all[1], &all).to_string(),
        "  link eth1; index 9; kind veth; mac of 172.18.0.9; mtu 1500; peer docker0's veth; state up\n  \
         address 172.18.0.9/16 dev eth1\n"
    );
}
