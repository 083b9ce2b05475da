//! The values of pools, bitmaps, counts and of the overlay driver.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::docker;
use crate::ipam::numbers;
use crate::model::{Net, Pool, Subnet, Vni, pool_id};

/// All pools of the address space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PoolsRecord {
    /// `global`; a daemon that read the value before may write nothing here.
    pub scope: String,
    /// The pools by id.
    pub subnets: BTreeMap<String, PoolRecord>,
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PoolRecord {
    /// The pool that this one is a part of.
    parent_key: SubnetKey,
    /// The subnet.
    pub pool: IpNet,
    /// The part of it from which containers are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeRecord>,
    /// How many use it.
    pub ref_count: u64,
}

/// A part of a pool, as ordinals of its first and last address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RangeRecord {
    end: u64,
    start: u64,
    sub: IpNet,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubnetKey {
    address_space: String,
    subnet: String,
    child_subnet: String,
}

impl PoolsRecord {
    /// What the first pool finds.
    pub fn empty() -> PoolsRecord {
        PoolsRecord { scope: "global".to_owned(), subnets: BTreeMap::new() }
    }

    /// The subnets in use.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> {
        self.subnets.values().map(|pool| pool.pool.trunc())
    }

    /// Enters a subnet's pools.
    pub fn add(&mut self, subnet: &Subnet) {
        self.enter(&subnet.v4);
        if let Some(v6) = &subnet.v6 {
            self.enter(v6);
        }
    }

    /// Enters a pool, and its range's if it has one.
    pub(crate) fn enter<N: Net>(&mut self, pool: &Pool<N>) {
        let net = pool.net.into();
        let plain = PoolRecord { parent_key: SubnetKey::default(), pool: net, range: None, ref_count: 0 };
        self.subnets.entry(pool_id(pool.net)).or_insert(plain).ref_count += 1;
        if let Some(range) = pool.range {
            let numbers = numbers(pool.net, pool.range);
            let record = PoolRecord {
                parent_key: SubnetKey {
                    address_space: docker::ADDRESS_SPACE.to_owned(),
                    subnet: net.to_string(),
                    child_subnet: String::new(),
                },
                pool: net,
                range: Some(RangeRecord { end: *numbers.end(), start: *numbers.start(), sub: range.into() }),
                ref_count: 1,
            };
            self.subnets.insert(pool.id(), record);
        }
    }

    /// Takes a subnet's pools out; those that nobody uses any more, whose bitmaps can go.
    pub fn remove(&mut self, subnet: &Subnet) -> Vec<IpNet> {
        let v4 = self.cross_out(&subnet.v4).then_some(IpNet::V4(subnet.v4.net));
        let v6 = subnet.v6.as_ref().and_then(|v6| self.cross_out(v6).then_some(IpNet::V6(v6.net)));
        v4.into_iter().chain(v6).collect()
    }

    /// Takes a pool out. True: nobody uses the subnet any more.
    fn cross_out<N: Net>(&mut self, pool: &Pool<N>) -> bool {
        if pool.range.is_some() {
            self.subnets.remove(&pool.id());
        }
        let whole = pool_id(pool.net);
        match self.subnets.get_mut(&whole) {
            Some(pool) if pool.ref_count > 1 => {
                pool.ref_count -= 1;
                false
            }
            _ => {
                self.subnets.remove(&whole);
                true
            }
        }
    }
}

/// A bit sequence: the addresses of a pool, or the VNIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitmapRecord {
    /// The pool's id, or `vxlan-id`.
    pub id: String,
    /// The bits; see [`Bits`](crate::ipam::Bits).
    pub sequence: String,
}

/// How many endpoints a network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointCount {
    /// The number.
    pub count: u64,
}

/// What the overlay driver keeps of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverRecord {
    /// The underlay's MTU if the network states it, else 0.
    pub mtu: u32,
    /// Whether frames are to be encrypted.
    pub secure: bool,
    /// The subnets.
    pub subnets: Vec<DriverSubnet>,
}

/// A subnet, as the driver keeps it: Docker's keeps nothing of its IPv6 addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverSubnet {
    /// The subnet.
    #[serde(rename = "SubnetIP")]
    pub subnet: Ipv4Net,
    /// The gateway, with the subnet's length.
    #[serde(rename = "GwIP")]
    pub gateway: Ipv4Net,
    /// The VNI, 0 until it is drawn.
    #[serde(rename = "Vni")]
    pub vni: u32,
}

impl DriverSubnet {
    /// What to write for a subnet.
    pub fn of(subnet: &Subnet) -> DriverSubnet {
        DriverSubnet {
            subnet: subnet.v4.net,
            gateway: subnet.v4.net.with_len(subnet.v4.gateway),
            vni: subnet.vni.map_or(0, Vni::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::Ipv6Net;

    use super::*;

    fn ranged() -> Pool<Ipv4Net> {
        Pool {
            net: Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 0), 24),
            gateway: Ipv4Addr::new(10, 77, 0, 128),
            range: Some(Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 128), 25)),
            aux: BTreeMap::new(),
        }
    }

    #[test]
    fn a_range_is_a_pool_inside_a_pool() {
        let subnet = Subnet { v4: ranged(), v6: None, vni: None };
        let mut pools = PoolsRecord::empty();
        pools.add(&subnet);
        assert_eq!(
            String::from_utf8_lossy(&super::super::encode(&pools)),
            concat!(
                r#"{"Scope":"global","Subnets":{"#,
                r#""GlobalDefault/10.77.0.0/24":{"ParentKey":{"AddressSpace":"","Subnet":"","ChildSubnet":""},"#,
                r#""Pool":"10.77.0.0/24","RefCount":1},"#,
                r#""GlobalDefault/10.77.0.0/24/10.77.0.128/25":{"ParentKey":{"AddressSpace":"GlobalDefault","#,
                r#""Subnet":"10.77.0.0/24","ChildSubnet":""},"Pool":"10.77.0.0/24","#,
                r#""Range":{"End":255,"Start":128,"Sub":"10.77.0.128/25"},"RefCount":1}}}"#
            )
        );
        assert_eq!(pools.remove(&subnet), [IpNet::V4(subnet.v4.net)]);
        assert_eq!(pools, PoolsRecord::empty());
    }

    #[test]
    fn an_ipv6_pool_stands_beside_its_ipv4_one() {
        let v6 = Pool {
            net: Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0), 64),
            gateway: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1),
            range: None,
            aux: BTreeMap::new(),
        };
        let subnet = Subnet { v4: Pool { range: None, ..ranged() }, v6: Some(v6), vni: None };
        let mut pools = PoolsRecord::empty();
        pools.add(&subnet);
        assert_eq!(
            String::from_utf8_lossy(&super::super::encode(&pools)),
            concat!(
                r#"{"Scope":"global","Subnets":{"#,
                r#""GlobalDefault/10.77.0.0/24":{"ParentKey":{"AddressSpace":"","Subnet":"","ChildSubnet":""},"#,
                r#""Pool":"10.77.0.0/24","RefCount":1},"#,
                r#""GlobalDefault/fd00:1::/64":{"ParentKey":{"AddressSpace":"","Subnet":"","ChildSubnet":""},"#,
                r#""Pool":"fd00:1::/64","RefCount":1}}}"#
            )
        );
        assert_eq!(pools.nets().collect::<Vec<_>>(), subnet.nets().collect::<Vec<_>>());
        assert_eq!(pools.remove(&subnet), subnet.nets().collect::<Vec<_>>());
        assert_eq!(pools, PoolsRecord::empty());
    }
}
