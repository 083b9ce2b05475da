//! What facts are answered from: the store's documents, and dumps of namespaces.

use std::net::Ipv4Addr;

use kernel::{Netns, Rtnl, Snapshot};
use overlay::id::NetworkId;
use overlay::kv::keys;
use overlay::ledger::View;
use overlay::model::Endpoint;

use crate::error::{Error, Kind, Result};
use crate::host::blocking;
use crate::lab::Lab;

/// The store's documents, as seen from its own host.
pub(super) async fn documents(lab: &Lab) -> Result<View> {
    Ok(View::read(&lab.kv()?.list(keys::ALL).await?))
}

/// What a namespace holds.
pub(super) async fn dump(netns: Netns) -> Result<Snapshot> {
    blocking(move || Rtnl::new(&netns)?.dump()).await
}

/// The namespaces of a host that belong to a network, each with what it holds. One, if all is well.
pub(super) async fn sandboxes(lab: &Lab, host: &str, id: NetworkId) -> Result<Vec<(String, Snapshot)>> {
    let mut found = Vec::new();
    for (path, netns) in lab.overlays(host)? {
        let name = path.rsplit('/').next().unwrap_or_default();
        if id.epoch_of(name).is_some() {
            found.push((name.to_owned(), dump(netns).await?));
        }
    }
    Ok(found)
}

/// Where a container is.
#[derive(Debug)]
pub(super) struct Whereabouts {
    /// Its host.
    pub(super) host: String,
    /// Its host's address on the underlay.
    pub(super) vtep: Ipv4Addr,
    /// Its endpoint on the network, if the store has it.
    pub(super) endpoint: Option<Endpoint>,
    /// Its namespace, if its host is up.
    pub(super) netns: Option<Netns>,
}

/// Finds a container in the store, on a network. A container whose host is down is found too.
pub(super) fn whereabouts(
    lab: &Lab,
    view: &View,
    network: NetworkId,
    container: &str,
) -> Result<Whereabouts> {
    match lab.known_container(container) {
        Ok(found) => {
            let its = |endpoint: &&Endpoint| endpoint.sandbox == Some(found.this.sandbox);
            Ok(Whereabouts {
                host: found.host.name().to_owned(),
                vtep: found.host.ip(),
                endpoint: view.endpoints_of(network).find(its).cloned(),
                netns: found.netns().ok(),
            })
        }
        Err(why) if why.kind() == Kind::Down => {
            let lost = lab.lost(container).ok_or(why)?;
            let host = lab.known_host(lost.as_str())?;
            let its = |endpoint: &&Endpoint| endpoint.name == container && endpoint.host == host.ip();
            Ok(Whereabouts {
                host: lost,
                vtep: host.ip(),
                endpoint: view.endpoints_of(network).find(its).cloned(),
                netns: None,
            })
        }
        Err(why) => Err(why),
    }
}

/// A container's endpoint on a network and its namespace; why there is none, if there is none.
pub(super) fn attached(
    lab: &Lab,
    view: &View,
    network: NetworkId,
    container: &str,
) -> Result<(Whereabouts, Endpoint, Netns)> {
    let mut at = whereabouts(lab, view, network, container)?;
    let netns = at.netns.take().ok_or_else(|| Error::down(&at.host))?;
    let nowhere = || Error::new(Kind::NoSuch, format_args!("the store has no endpoint of {container} there"));
    let endpoint = at.endpoint.take().ok_or_else(nowhere)?;
    Ok((at, endpoint, netns))
}
