//! Facts, looked up: answered from what kernels and store hold, never from what was asked for.
//!
//! - `evidence`: what they are answered from.
//! - `interface`, `path`, `peer`, `sandbox`: the facts; what is compared is plain values.
//! - `drift`: whether store and kernel agree; `drift_host`: the comparison for one host, pure.

mod drift;
mod drift_host;
mod evidence;
mod interface;
mod path;
mod peer;
mod sandbox;

pub(crate) use drift::findings;

use super::fact::Check;
use crate::error::Result;
use crate::lab::Lab;

/// A fact holds, or why it does not.
pub(super) type Finding = Result<(), String>;

/// Looks a fact up. An error: it could not be looked up.
pub(super) async fn look(lab: &Lab, check: &Check) -> Result<Finding> {
    match check {
        Check::Peer { at, network, container, known } => {
            peer::look(lab, at.as_str(), network.as_str(), container.as_str(), *known).await
        }
        Check::Mtu { container, network, is } => {
            path::mtu(lab, container.as_str(), network.as_str(), *is).await
        }
        Check::Addressed { container, network, within } => {
            path::address(lab, container.as_str(), network, *within).await
        }
        Check::Interface { on, name, kind, mtu, mac, address } => {
            let wanted = interface::Wanted { kind: kind.as_deref(), mtu: *mtu, mac: *mac, address: *address };
            let holds = evidence::dump(lab.at(on)?.netns()?).await?;
            Ok(interface::compare(&holds, name, &wanted))
        }
        Check::Absent { on, interface } => {
            Ok(interface::absent(&evidence::dump(lab.at(on)?.netns()?).await?, interface))
        }
        Check::Routes { on, equals, lacks } => {
            let holds = evidence::dump(lab.at(on)?.netns()?).await?;
            Ok(interface::routes(&holds, equals.as_deref(), lacks))
        }
        Check::SameNetwork { network, hosts } => {
            let hosts: Vec<&str> = hosts.iter().map(crate::topology::HostName::as_str).collect();
            sandbox::same_network(lab, network.as_str(), &hosts).await
        }
        Check::Sandbox { on, network, links, vni, port } => {
            sandbox::look(lab, on.as_str(), network.as_str(), links, (*vni, *port)).await
        }
        Check::NoDrift => drift::look(lab).await,
    }
}
