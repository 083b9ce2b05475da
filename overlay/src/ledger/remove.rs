//! A network that goes.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::create::{cas, number, put_vnis};
use super::{Found, View};
use crate::error::{Cause, Result};
use crate::kv::TxnOp;
use crate::kv::keys;

/// So many hosts' keys are deleted with a network, since a transaction has room for 128 operations (Consul's `maxTxnOps`).
const MOST: usize = 64;

/// Crosses a network out, with its pools, their addresses and its VNIs.
pub(crate) fn remove(view: &View, found: &Found) -> Result<Vec<TxnOp>> {
    let network = &found.network;
    let id = network.id;
    if view.endpoints_of(id).next().is_some() {
        return Err(Cause::InUse { name: network.name.clone(), id }.into());
    }
    let mut ops = Vec::new();
    if let Some(pools) = &view.pools {
        let mut record = pools.value.clone();
        let unused: Vec<IpNet> = network.subnets.iter().flat_map(|subnet| record.remove(subnet)).collect();
        ops.push(cas(keys::POOLS.to_owned(), &record, pools.index));
        for net in unused {
            if let Some(bitmap) = view.bitmaps.get(&net) {
                ops.push(TxnOp::DeleteCas { key: keys::bitmap(net), index: bitmap.index });
            }
        }
    }
    if let Some(driver) = view.drivers.get(&id) {
        ops.push(TxnOp::DeleteCas { key: keys::driver(id), index: driver.index });
    }
    if let Some(keyring) = view.keyrings.get(&id) {
        ops.push(TxnOp::DeleteCas { key: keys::keyring(id), index: keyring.index });
    }
    // Hosts take their own back when they hear of it.
    let held = view.held.get(&id).into_iter().flat_map(BTreeMap::keys).take(MOST);
    ops.extend(held.map(|host| TxnOp::Delete { key: keys::held(id, *host) }));
    if let (Some(_), Some(stored)) = (network.vnis().next(), &view.vnis) {
        let mut vnis = stored.value.clone();
        for vni in network.vnis() {
            vnis.release(number(vni));
        }
        ops.push(put_vnis(&vnis, stored.index));
    }
    if let Some(count) = view.counts.get(&id) {
        ops.push(TxnOp::DeleteCas { key: keys::endpoint_count(id), index: count.index });
    }
    if let Some(stored) = view.networks.get(&id) {
        ops.push(TxnOp::DeleteCas { key: keys::network(id), index: stored.index });
    }
    ops.push(TxnOp::Delete { key: keys::endpoints(id) });
    Ok(ops)
}
