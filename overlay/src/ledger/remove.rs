//! A network that goes.

use super::create::{cas, number, put_vnis};
use super::{Found, View};
use crate::error::{Cause, Result};
use crate::kv::TxnOp;
use crate::kv::keys;

/// Crosses a network out, with its pool, its addresses and its VNI.
pub(crate) fn remove(view: &View, found: &Found) -> Result<Vec<TxnOp>> {
    let network = &found.network;
    let id = network.id;
    if view.endpoints_of(id).next().is_some() {
        return Err(Cause::InUse { name: network.name.clone(), id }.into());
    }
    let mut ops = Vec::new();
    if let Some(pools) = &view.pools {
        let mut record = pools.value.clone();
        let unused = record.remove(&network.subnet);
        ops.push(cas(keys::POOLS.to_owned(), &record, pools.index));
        if let Some(bitmap) = view.bitmaps.get(&network.subnet.net).filter(|_| unused) {
            ops.push(TxnOp::DeleteCas { key: keys::bitmap(network.subnet.net), index: bitmap.index });
        }
    }
    if let Some(driver) = view.drivers.get(&id) {
        ops.push(TxnOp::DeleteCas { key: keys::driver(id), index: driver.index });
    }
    if let (Some(vni), Some(stored)) = (network.vni, &view.vnis) {
        let mut vnis = stored.value.clone();
        vnis.release(number(vni));
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
