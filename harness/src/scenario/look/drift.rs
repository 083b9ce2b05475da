//! Whether store and kernel agree, on every host that has an engine.

use std::time::Duration;

use kernel::Xfrm;
use kernel::nft::Nft;
use overlay::datapath::{Present, encrypts};
use overlay::docker;
use overlay::kv::keys;
use overlay::ledger::View;
use tokio::time::timeout;

use super::Finding;
use super::drift_host::{Held, Sandboxed, differences};
use super::evidence::dump;
use crate::error::Result;
use crate::host::{Host, blocking};
use crate::lab::Lab;

/// How long an engine may take to do what the store asks for by now. A second is what it takes at most between two
/// looks at the kernel; as long again, for a busy machine.
const FOLLOWS: Duration = Duration::from_secs(2);

/// How often all is looked at anew because the store changed meanwhile, before it is compared nevertheless.
const ATTEMPTS: usize = 10;

/// Most differences shown.
const SHOWN: usize = 5;

/// Whether all agrees; a few of the differences, if not.
pub(super) async fn look(lab: &Lab) -> Result<Finding> {
    let mut found = findings(lab).await?;
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    Ok(if found.is_empty() { Ok(()) } else { Err(found.join("; ")) })
}

/// What documents of the store contradict, and what differs between what the store asks for and what kernels hold, once the
/// engines have seen it all: each in a sentence that says what it does harm to.
pub(crate) async fn findings(lab: &Lab) -> Result<Vec<String>> {
    let kv = lab.kv()?;
    let mut found = Vec::new();
    for _ in 0..ATTEMPTS {
        let listing = kv.list(keys::ALL).await?;
        let index = listing.index;
        let view = View::read(&listing);
        found = view.contradictions();
        for host in lab.hosts().filter(|host| host.spec.engine && host.alive().is_ok()) {
            found.extend(look_at(host, &view).await?);
        }
        // Nothing was written meanwhile, so that it was one state of the store that all was compared with.
        if kv.list(keys::ALL).await?.index == index {
            break;
        }
    }
    Ok(found)
}

/// What differs on a host, each in a sentence.
async fn look_at(host: &Host, view: &View) -> Result<Vec<String>> {
    let engine = host.engine()?;
    let followed = timeout(FOLLOWS, engine.converged(view.index)).await;
    let mut found: Vec<String> =
        engine.faults().iter().map(|fault| format!("{}: {fault}", host.name())).collect();
    if !matches!(followed, Ok(Ok(()))) {
        if found.is_empty() {
            let late = FOLLOWS.as_secs();
            found.push(format!(
                "{} has not followed the store for {late} s: what changed meanwhile is not in its kernel",
                host.name()
            ));
        }
        return Ok(found);
    }
    let alive = host.alive()?;
    let netns = alive.netns.clone();
    let mut held = Held {
        host: dump(netns.clone()).await?,
        rules: blocking(move || Nft::new(&netns)?.rules()).await?,
        ..Held::default()
    };
    if encrypts(&held.rules) || view.networks.values().any(|found| found.value.network.encrypted()) {
        let netns = alive.netns.clone();
        held.ciphers = blocking(move || Present::of(&Xfrm::new(&netns)?)).await?;
    }
    if held.host.link(docker::GWBRIDGE).is_some() {
        held.gateway = Some(docker::gwbridge_subnet(&engine.host().underlay));
    }
    let containers = alive.sandboxes.containers();
    for container in &containers {
        held.containers.push(Sandboxed {
            name: container.name.clone(),
            sandbox: container.sandbox,
            published: alive.sandboxes.bindings(container.sandbox),
            holds: dump(container.netns.clone()).await?,
        });
    }
    for (name, netns) in alive.sandboxes.list() {
        if containers.iter().all(|container| container.sandbox.namespace() != name) {
            held.overlays.push((name, dump(netns).await?));
        }
    }
    let differ = differences(view, host.ip(), host.spec.resolution, &held);
    found.extend(differ.into_iter().map(|what| format!("{}: {what}", host.name())));
    Ok(found)
}
