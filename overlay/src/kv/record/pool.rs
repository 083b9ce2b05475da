//! The values of pools, bitmaps, counts and of the overlay driver.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::docker;
use crate::ipam::ordinal;
use crate::model::{Subnet, Vni};

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
    pub pool: Ipv4Net,
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
    sub: Ipv4Net,
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
    pub fn nets(&self) -> impl Iterator<Item = Ipv4Net> {
        self.subnets.values().map(|pool| pool.pool.trunc())
    }

    /// Enters a subnet's pool, and its range's if it has one.
    pub fn add(&mut self, subnet: &Subnet) {
        let whole = Subnet { range: None, ..subnet.clone() }.pool_id();
        let plain =
            PoolRecord { parent_key: SubnetKey::default(), pool: subnet.net, range: None, ref_count: 0 };
        self.subnets.entry(whole).or_insert(plain).ref_count += 1;
        if let Some(range) = subnet.range {
            let record = PoolRecord {
                parent_key: SubnetKey {
                    address_space: docker::ADDRESS_SPACE.to_owned(),
                    subnet: subnet.net.to_string(),
                    child_subnet: String::new(),
                },
                pool: subnet.net,
                range: Some(RangeRecord {
                    end: ordinal(subnet.net, range.broadcast()),
                    start: ordinal(subnet.net, range.network()),
                    sub: range,
                }),
                ref_count: 1,
            };
            self.subnets.insert(subnet.pool_id(), record);
        }
    }

    /// Takes a subnet's pool out. True: nobody uses the subnet any more, its bitmap can go.
    pub fn remove(&mut self, subnet: &Subnet) -> bool {
        if subnet.range.is_some() {
            self.subnets.remove(&subnet.pool_id());
        }
        let whole = Subnet { range: None, ..subnet.clone() }.pool_id();
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

/// A subnet, as the driver keeps it.
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
            subnet: subnet.net,
            gateway: subnet.with_len(subnet.gateway),
            vni: subnet.vni.map_or(0, Vni::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_range_is_a_pool_inside_a_pool() {
        let subnet = Subnet {
            net: Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 0), 24),
            gateway: Ipv4Addr::new(10, 77, 0, 128),
            range: Some(Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 128), 25)),
            aux: BTreeMap::new(),
            vni: None,
        };
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
        assert!(pools.remove(&subnet));
        assert_eq!(pools, PoolsRecord::empty());
    }
}
